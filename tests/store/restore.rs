//! Backups that are cut off, hostile, or put into directories that are not empty.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use trombi::store::{Store, StoreError};

use super::{expected, files_of, loaded, name, scratch, store_with};

/// A backup of a store with 20 faces, and the folder it lies in.
fn backup() -> (tempfile::TempDir, PathBuf) {
    let dir = scratch();
    let file = dir.path().join("all.bak");
    store_with(&dir.path().join("source"), 0..20).backup(&file).unwrap();
    (dir, file)
}

fn is_whole(directory: &Path) -> bool {
    let store = Store::open(directory).unwrap();
    assert!(!directory.join("restore.unfinished").exists());
    loaded(&store).unwrap() == expected(0..20)
}

/// Gives changed bytes the checksum that a forger would.
fn seal(bytes: &mut [u8]) {
    let end = bytes.len() - 32;
    let hash = Sha256::digest(&bytes[..end]);
    bytes[end..].copy_from_slice(&hash);
}

#[test]
fn a_directory_with_fetched_networks_takes_a_backup() {
    let (dir, file) = backup();
    let data = dir.path().join("new");
    for folder in ["models/face", "runtime"] {
        fs::create_dir_all(data.join(folder)).unwrap();
        fs::write(data.join(folder).join("file.bin"), b"fetched").unwrap();
    }
    fs::create_dir(data.join("vectors")).unwrap();
    Store::restore(&file, &data).unwrap();
    assert!(is_whole(&data));
    assert_eq!(fs::read(data.join("models/face/file.bin")).unwrap(), b"fetched");
    assert_eq!(fs::read(data.join("runtime/file.bin")).unwrap(), b"fetched");
}

#[test]
fn a_store_or_parts_of_one_are_never_replaced() {
    let (dir, file) = backup();
    for part in ["trombi.sqlite", "trombi.sqlite-wal", "vectors/00000000000000000000000000000000.seg"] {
        let data = dir.path().join("has").join(part.replace('/', "-"));
        fs::create_dir_all(data.join("vectors")).unwrap();
        fs::write(data.join(part), b"mine").unwrap();
        assert!(matches!(Store::restore(&file, &data), Err(StoreError::Exists)), "{part}");
        assert_eq!(fs::read(data.join(part)).unwrap(), b"mine");
    }
    let served = dir.path().join("served");
    let _store = Store::open(&served).unwrap();
    assert!(matches!(Store::restore(&file, &served), Err(StoreError::Locked(_))));
}

#[test]
fn a_restore_cut_off_anywhere_can_be_repeated() {
    let (dir, file) = backup();
    // What a crash leaves after each of the steps of a restore, as `docs/store-format.md` lists them.
    let whole = |at: &Path| {
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        Store::restore(&file, at).unwrap();
    };
    type CutOff<'a> = (&'a str, &'a dyn Fn(&Path));
    let cut_off: [CutOff<'_>; 4] = [
        ("while it was written", &|data| {
            fs::create_dir_all(data.join("restore.unfinished/vectors")).unwrap();
            fs::write(data.join("restore.unfinished/trombi.sqlite"), b"half").unwrap();
        }),
        ("before the move", &|data| whole(&data.join("restore.unfinished"))),
        ("after the vectors were moved", &|data| {
            whole(&data.join("restore.unfinished"));
            fs::rename(data.join("restore.unfinished/vectors"), data.join("vectors")).unwrap();
        }),
        ("while an earlier one was cleared", &|data| {
            whole(&data.join("restore.unfinished"));
            fs::remove_dir_all(data.join("restore.unfinished/vectors")).unwrap();
        }),
    ];
    for (n, (when, leave)) in cut_off.iter().enumerate() {
        let data = dir.path().join(n.to_string());
        leave(&data);
        assert!(matches!(Store::open(&data), Err(StoreError::Damaged(_))), "{when}: opened");
        Store::restore(&file, &data).unwrap_or_else(|error| panic!("{when}: {error}"));
        assert!(is_whole(&data), "{when}");
    }
    // After the last move it is a store, and opening tidies up.
    let data = dir.path().join("last");
    whole(&data);
    fs::create_dir_all(data.join("restore.unfinished/vectors")).unwrap();
    assert!(matches!(Store::restore(&file, &data), Err(StoreError::Exists)));
    assert!(is_whole(&data));
}

/// Every restore of this backup must fail and leave nothing; then a good one must succeed.
fn check_refused(good: &Path, bad: &[u8], what: &str) {
    let dir = scratch();
    let (file, data) = (dir.path().join("bad.bak"), dir.path().join("data"));
    fs::write(&file, bad).unwrap();
    match Store::restore(&file, &data) {
        Err(StoreError::Damaged(_) | StoreError::TooNew { .. } | StoreError::Io(_) | StoreError::Missing) => {}
        other => panic!("{what}: {other:?}"),
    }
    let left = if data.exists() { files_of_all(&data) } else { Vec::new() };
    assert!(left.iter().all(|path| path.ends_with("LOCK")), "{what} left {left:?}");
    Store::restore(good, &data).unwrap();
    assert!(is_whole(&data));
}

fn files_of_all(data: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(data.join("vectors")).unwrap();
    assert!(!data.join("restore.unfinished").exists());
    files_of(data)
}

#[test]
fn a_backup_cut_off_or_changed_is_refused() {
    let (_dir, file) = backup();
    let whole = fs::read(&file).unwrap();
    for length in [0, 10, 47, 48, 100, whole.len() / 2, whole.len() - 1] {
        check_refused(&file, &whole[..length], &format!("{length} bytes"));
    }
    for at in [0, 9, 13, 17, 40, 5000, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        check_refused(&file, &bytes, &format!("byte {at}"));
    }
}

#[test]
fn a_forged_backup_is_refused_before_it_replaces_anything() {
    let (dir, file) = backup();
    let whole = fs::read(&file).unwrap();
    let find = |needle: &[u8]| whole.windows(needle.len()).position(|w| w == needle).unwrap();
    let mut changes: Vec<(&str, usize, Vec<u8>)> = vec![
        ("a newer backup version", 8, vec![2]),
        ("a count beyond the file", 12, vec![0xFF; 4]),
        ("a path upwards", find(b"vectors/"), b"vector/../".to_vec()),
        ("an absolute path", find(b"vectors/"), b"/vectors".to_vec()),
        ("a longer length", find(b".seg") + 4, vec![0xFF; 8]),
        ("no database", find(b"trombi.sqlite"), b"trombi.sqlit_".to_vec()),
        ("a foreign schema", find(b"CREATE TABLE faces"), b"CREATE TABLE facez".to_vec()),
        ("another user version", find(b"SQLite format 3\0") + 60, vec![0, 0, 0, 9]),
        ("another segment", find(b"TROMBSEG"), b"TROMBSEX".to_vec()),
        ("a changed name in a record", find(b"visible-name-1"), b"visible-nane-1".to_vec()),
    ];
    changes.push(("a changed vector", whole.len() - 40, vec![whole[whole.len() - 40] ^ 1]));
    for (what, at, bytes) in changes {
        let mut forged = whole.clone();
        forged[at..at + bytes.len()].copy_from_slice(&bytes);
        seal(&mut forged);
        check_refused(&file, &forged, what);
    }
    drop(dir);
}

#[test]
fn a_backup_does_not_go_into_the_data_directory() {
    let dir = scratch();
    let store = store_with(dir.path(), 0..20);
    for target in ["trombi.sqlite", "new.bak", "vectors/new.bak"] {
        assert!(matches!(store.backup(&dir.path().join(target)), Err(StoreError::Io(_))), "{target}");
    }
    assert_eq!(loaded(&store).unwrap(), expected(0..20));
    assert_eq!(store.collection(&name()).unwrap().face_count, 20);
}
