//! A disk that is full or read-only: a small memory disk, mounted where only a child process sees it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use trombi::store::{Store, StoreError};

use super::model::{Model, Op, Outcome, run, snapshot};
use super::{scratch, store_with};

const DIRECTORY: &str = "TROMBI_TEST_DISK_DIRECTORY";

/// Runs the ignored test `name` with a disk of 2 MiB mounted on the directory it is given.
fn with_small_disk(name: &str) {
    let dir = scratch();
    let script = "mount -t tmpfs -o size=2m none \"$1\" && echo mounted && shift && exec \"$@\"";
    // As root its own mounts suffice; others need a name space of users too.
    for unshare in [&["-m"][..], &["-r", "-m"]] {
        let output = Command::new("unshare")
            .args(unshare)
            .args(["sh", "-c", script, "sh"])
            .arg(dir.path())
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &format!("store::disk::{name}"), "--ignored", "--nocapture"])
            .env(DIRECTORY, dir.path())
            .output();
        let Ok(output) = output else { continue };
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        if text.contains("mounted") {
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
            return;
        }
    }
    eprintln!("skipped: {name} (this machine lets the tests mount no memory disk)");
}

fn directory() -> PathBuf {
    std::env::var_os(DIRECTORY).expect("started by the other test only").into()
}

/// Takes all but `left` bytes of the disk.
fn fill(directory: &Path, left: usize) -> PathBuf {
    let path = directory.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    let mut bytes = 0;
    while file.write_all(&[1; 4096]).is_ok() {
        bytes += 4096u64;
    }
    file.set_len(bytes.saturating_sub(left as u64)).unwrap();
    path
}

#[test]
fn a_full_disk_changes_nothing() {
    with_small_disk("child_on_a_full_disk");
}

#[test]
#[ignore = "run by `a_full_disk_changes_nothing` on its own disk"]
fn child_on_a_full_disk() {
    let data = directory().join("data");
    let mut store = Store::open(&data).unwrap();
    let mut model = Model::default();
    let put = |store: &Store, model: &mut Model, op: &Op| match run(store, op) {
        Ok(outcome) => {
            assert_eq!(outcome, model.apply(op));
            true
        }
        Err(StoreError::Full) => false,
        Err(other) => panic!("{op:?}: {other}"),
    };
    for op in [Op::CreateCollection(0), Op::CreateUser(0, 0), Op::Put(0, Some(0), (0..20).collect())] {
        assert!(put(&store, &mut model, &op));
    }
    let (mut refused, mut accepted, mut fresh) = (0, 0, 100);
    // Every amount of space between nothing and enough, so that each write is the one that fails.
    for pages in 0..40 {
        let filler = fill(&directory(), pages * 4096);
        fresh += 30;
        let ops = [
            Op::Put(0, Some(0), (fresh..fresh + 30).collect()),
            Op::SetUser(0, None, vec![1, 2, 3]),
            Op::CreateUser(0, pages as u32 + 1),
            Op::CreateCollection(pages as u32 + 1),
            Op::Tag(0, pages as u32),
            Op::Delete(0, (fresh..fresh + 30).collect()),
        ];
        for op in &ops {
            if put(&store, &mut model, op) {
                accepted += 1;
            } else {
                refused += 1;
                assert_eq!(snapshot(&store, 50), model, "{pages} pages left: {op:?} failed and yet changed something");
            }
        }
        fs::remove_file(filler).unwrap();
        let small = Op::Put(0, None, vec![fresh + 50]);
        assert!(put(&store, &mut model, &small), "{pages} pages left before: still full after space was freed");
        assert!(put(&store, &mut model, &Op::Delete(0, (fresh..fresh + 60).collect())));
        if pages % 5 == 0 {
            drop(store);
            store = Store::open(&data).unwrap();
        }
        assert_eq!(snapshot(&store, 50), model);
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(refused > 20 && accepted > 20, "{accepted} accepted, {refused} refused");
    assert_eq!(run(&store, &Op::DeleteCollection(0)).unwrap(), Outcome::Done(0));
}

#[test]
fn a_read_only_disk_is_named() {
    with_small_disk("child_on_a_read_only_disk");
}

#[test]
#[ignore = "run by `a_read_only_disk_is_named` on its own disk"]
fn child_on_a_read_only_disk() {
    let data = directory().join("data");
    drop(store_with(&data, 0..5));
    let mounted = Command::new("mount").args(["-o", "remount,ro"]).arg(directory()).status().unwrap();
    assert!(mounted.success());
    for path in [data, directory().join("new")] {
        let outcome = Store::open(&path).map(drop);
        assert!(matches!(outcome, Err(StoreError::ReadOnly(..))), "{outcome:?}");
    }
}
