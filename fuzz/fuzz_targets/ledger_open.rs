#![no_main]
//! A ledger with one damaged file: verified, read, opened, appended to; never a panic, and never found whole.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use trombi::ledger::verify::{Against, verify};
use trombi::ledger::{Class, Durability, Files, Folder, Ground, InMemory, Ledger, OPERATOR, Reader, Record};

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn record(n: i64) -> Record {
    Record::new(1_790_000_000_000 + n, Class::Search, "SearchFaces", if n % 2 == 0 { "a" } else { "b" })
}

/// Two copies of a small ledger: closed, and as a crash leaves it, with entries in the journal.
fn ledgers() -> &'static [InMemory; 2] {
    static LEDGERS: OnceLock<[InMemory; 2]> = OnceLock::new();
    LEDGERS.get_or_init(|| {
        let dir = scratch();
        let folder = Folder(dir.path().to_owned());
        let ledger = Ledger::open(dir.path(), Durability::Process).unwrap();
        (0..20).for_each(|n| drop(ledger.record(&record(n)).unwrap()));
        ledger.erase_entry(3, Ground::Request, &Record::new(0, Class::Erase, "Erase", OPERATOR)).unwrap();
        (0..5).for_each(|n| drop(ledger.record(&record(n)).unwrap()));
        let crashed = InMemory::copy_of(&folder).unwrap();
        ledger.close().unwrap();
        [InMemory::copy_of(&folder).unwrap(), crashed]
    })
}

/// The first byte chooses the file, the next how and where, the rest goes in.
fn damage(bytes: &mut Vec<u8>, how: u8, at: usize, input: &[u8]) {
    let at = at % (bytes.len() + 1);
    match how % 4 {
        0 => {
            let end = (at + input.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&input[..end - at]);
        }
        1 => drop(bytes.splice(at..at, input.iter().copied())),
        2 => bytes.truncate(at),
        _ => input.clone_into(bytes),
    }
}

fn use_it(directory: &Path) {
    let Ok(ledger) = Ledger::open(directory, Durability::Process) else { return };
    let _ = ledger.append(&record(100));
    let _ = ledger.erase_entry(5, Ground::Order, &Record::new(0, Class::Erase, "Erase", OPERATOR));
    let _ = ledger.close();
}

fuzz_target!(|input: &[u8]| {
    let [which, crashed, how, a, b, rest @ ..] = input else { return };
    let mut files = ledgers()[usize::from(crashed & 1)].clone();
    let path = files.0.keys().nth(usize::from(*which) % files.0.len()).unwrap().clone();
    let whole = files.0[&path].clone();
    let mut bytes = whole.to_vec();
    damage(&mut bytes, *how, usize::from(*a) << 8 | usize::from(*b), rest);
    let is_same = bytes[..] == whole[..];
    files.0.insert(path.clone(), Arc::from(bytes));
    let report = verify(&files, &Against { threads: 1, ..Against::default() });
    // After a crash, what is beyond the checkpoint is written again at the next start, so it may be anything.
    assert!(is_same || crashed & 1 == 1 || !report.findings.is_empty(), "{path}");
    if let Ok(reader) = Reader::open(&files) {
        for index in 0..reader.size().min(40) {
            let _ = reader.entry(index);
            let _ = reader.proof(index);
        }
    }
    let dir = scratch();
    for path in files.list().unwrap() {
        let to = dir.path().join(&path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, files.read(&path).unwrap()).unwrap();
    }
    use_it(dir.path());
});
