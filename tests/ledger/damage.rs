//! Every flipped byte, and everything missing, swapped, doubled, cut or rewritten, is found.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use trombi::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use trombi::ledger::note::SecretKey;
use trombi::ledger::tiles::{bundle_entries, push_entry, tile_bytes};
use trombi::ledger::tree::{Edge, leaf_hash};
use trombi::ledger::verify::{Against, Verifier, verify};
use trombi::ledger::{Durability, Files as _, Folder, InMemory, Ledger, Receipt};

use super::{in_memory, ledger_of, record, with};

const MEBIBYTE: usize = 1 << 20;
/// Entries of a ledger of a mebibyte.
const ENTRIES: u64 = 4300;

fn found(files: &InMemory) -> Vec<String> {
    verify(files, &Against { threads: 1, ..Against::default() }).findings.iter().map(ToString::to_string).collect()
}

#[test]
fn every_flipped_byte_of_a_mebibyte_is_found() {
    let flips = flip(ENTRIES);
    assert!(flips >= MEBIBYTE, "{flips}");
}

/// All that is not by 256 entries.
#[test]
fn every_flipped_byte_of_a_small_ledger_is_found() {
    flip(60);
}

/// Flips every byte of a ledger in turn, each in one of its bits; says how many. The verifier is the one of `trombi audit
/// verify`; it has seen the whole ledger before, so that it examines anew the 256 entries around the flip, and all the
/// rest that is not by 256s.
fn flip(entries: u64) -> usize {
    let (files, _) = in_memory(entries);
    let every = files.0.iter().flat_map(|(path, bytes)| (0..bytes.len()).map(move |at| (path, at)));
    let flips: Vec<(&String, usize)> = every.collect();
    let against = Against { threads: 1, first_only: true, ..Against::default() };
    let verifier = Verifier::default();
    verifier.remember(&files, &against);
    assert_eq!(verifier.verify(&files, &against).findings, []);
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                let mut mine = files.clone();
                loop {
                    // In runs, so that most flips of a thread are in one file.
                    let start = next.fetch_add(1024, Ordering::Relaxed);
                    for &(path, at) in flips.iter().skip(start).take(1024) {
                        let whole = files.0[path].clone();
                        let mut bytes = whole.to_vec();
                        bytes[at] ^= 1 << (at % 8);
                        mine.0.insert(path.clone(), bytes.into());
                        if verifier.verify(&mine, &against).findings.is_empty() {
                            missed.lock().unwrap().push((path.clone(), at));
                        }
                        mine.0.insert(path.clone(), whole);
                    }
                    if start >= flips.len() {
                        break;
                    }
                }
            });
        }
    });
    assert_eq!(missed.into_inner().unwrap(), []);
    flips.len()
}

#[test]
fn every_cut_file_is_found() {
    let (files, _) = in_memory(300);
    for (path, bytes) in &files.0 {
        let step = 1 + bytes.len() / 40;
        for length in (0..bytes.len()).step_by(step).chain(bytes.len().checked_sub(1)) {
            assert_ne!(found(&with(&files, path, bytes[..length].to_vec())), [""; 0], "{path} cut to {length}");
        }
        if path != "journal/0" {
            assert_ne!(found(&with(&files, path, [&bytes[..], &[0]].concat())), [""; 0], "{path} with a byte more");
        }
    }
}

/// Changes the entries of the only bundle, and the hashes in its tile along with them.
fn edited(files: &InMemory, edit: impl FnOnce(&mut Vec<Vec<u8>>)) -> InMemory {
    let path = files.0.keys().find(|path| path.starts_with("tile/entries/")).unwrap().clone();
    let mut entries: Vec<Vec<u8>> =
        bundle_entries(&files.read(&path).unwrap()).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    let width = entries.len();
    edit(&mut entries);
    let name = |level: &str, width: usize| format!("tile/{level}/000.p/{width}");
    let mut changed = files.clone();
    changed.0.remove(&name("entries", width));
    changed.0.remove(&name("0", width));
    let mut bundle = Vec::new();
    entries.iter().for_each(|entry| push_entry(&mut bundle, entry));
    let hashes: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let changed = with(&changed, &name("entries", entries.len()), bundle);
    with(&changed, &name("0", entries.len()), tile_bytes(&hashes))
}

#[test]
fn swapped_doubled_and_dropped_entries_are_found_even_with_their_hashes() {
    let (files, _) = in_memory(40);
    assert_eq!(found(&edited(&files, |_| ())), [""; 0]);
    assert_ne!(found(&edited(&files, |entries| entries.swap(3, 30))), [""; 0]);
    assert_ne!(found(&edited(&files, |entries| entries.swap(38, 39))), [""; 0]);
    assert_ne!(found(&edited(&files, |entries| entries[7] = entries[8].clone())), [""; 0]);
    assert_ne!(found(&edited(&files, |entries| entries.push(entries[39].clone()))), [""; 0]);
    for n in 0..40 {
        assert_ne!(found(&edited(&files, |entries| drop(entries.remove(n)))), [""; 0], "without {n}");
    }
}

#[test]
fn swapped_bodies_and_files_are_found() {
    let (files, _) = in_memory(600);
    let pairs = [("bodies/000", "bodies/001"), ("tile/entries/000", "tile/entries/001"), ("tile/0/000", "tile/0/001")];
    for (one, other) in pairs {
        let swapped = with(&with(&files, one, files.0[other].to_vec()), other, files.0[one].to_vec());
        assert_ne!(found(&swapped), [""; 0], "{one}");
    }
}

/// What an operator can do who has the log's key: sign whatever the files now say.
fn signed_anew(files: &InMemory) -> InMemory {
    let key = SecretKey::parse(std::str::from_utf8(&files.0["key"]).unwrap()).unwrap();
    let path = files.0.keys().find(|path| path.starts_with("tile/0/")).unwrap();
    let (mut edge, mut full) = (Edge::default(), Vec::new());
    for hash in files.0[path].as_chunks::<32>().0 {
        edge.push(*hash, &mut full);
    }
    let checkpoint = Checkpoint { origin: key.public().name().to_owned(), size: edge.size(), root: edge.root() };
    with(files, "checkpoint", checkpoint.sign(&key).into_bytes())
}

fn against_kept(files: &InMemory, checkpoint: Option<&SignedCheckpoint>, receipt: Option<&Receipt>) -> Vec<String> {
    let against = Against {
        checkpoints: checkpoint.into_iter().cloned().collect(),
        receipts: receipt.into_iter().cloned().collect(),
        threads: 1,
        ..Against::default()
    };
    verify(files, &against).findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_log_cut_short_and_signed_anew_is_found_from_a_checkpoint_or_a_receipt() {
    let (files, receipts) = in_memory(98);
    let kept = SignedCheckpoint::parse(&files.0["checkpoint"]).unwrap();
    let mut cut = signed_anew(&edited(&files, |entries| entries.truncate(97)));
    let bodies = &files.0["bodies/000"];
    // 97 frames: length, stored body, checksum.
    let length = (0..97).fold(0, |at, _| at + 6 + usize::from(u16::from_be_bytes([bodies[at], bodies[at + 1]])));
    cut.0.insert("bodies/000".to_owned(), bodies[..length].into());
    assert_eq!(found(&cut), [""; 0], "nothing in it is wrong");
    let cut_off = against_kept(&cut, Some(&kept), None);
    assert!(cut_off[0].contains("entries are gone"), "{cut_off:?}");
    assert_eq!(receipts[1].place.index, 97);
    let cut_off = against_kept(&cut, None, Some(&receipts[1]));
    assert!(cut_off[0].contains("it was cut"), "{cut_off:?}");
    assert_eq!(against_kept(&cut, None, Some(&receipts[0])), [""; 0]);
}

#[test]
fn a_log_rewritten_from_its_beginning_is_found_from_a_checkpoint_or_a_receipt() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let receipts = ledger_of(one.path(), 500);
    let kept = SignedCheckpoint::parse(&std::fs::read(one.path().join("checkpoint")).unwrap()).unwrap();
    std::fs::copy(one.path().join("key"), two.path().join("key")).unwrap();
    let ledger = Ledger::open(two.path(), Durability::Process).unwrap();
    // The same requests but one, and more of them.
    for n in (0..900).filter(|n| *n != 50) {
        ledger.record(&record(n)).unwrap();
    }
    ledger.close().unwrap();
    let rewritten = InMemory::copy_of(&Folder(two.path().to_owned())).unwrap();
    assert_eq!(found(&rewritten), [""; 0], "nothing in it is wrong");
    let by_checkpoint = against_kept(&rewritten, Some(&kept), None);
    assert!(by_checkpoint[0].contains("the ledger was rewritten"), "{by_checkpoint:?}");
    for receipt in &receipts {
        let by_receipt = against_kept(&rewritten, None, Some(receipt));
        assert!(by_receipt[0].contains("it was rewritten"), "{by_receipt:?}");
    }
    let honest = InMemory::copy_of(&Folder(one.path().to_owned())).unwrap();
    assert_eq!(against_kept(&honest, Some(&kept), Some(&receipts[0])), [""; 0]);
}

#[test]
fn a_flipped_byte_of_a_journal_is_found_and_never_answered_as_whole() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), Durability::Process).unwrap();
    (0..20).for_each(|n| drop(ledger.record(&record(n)).unwrap()));
    // As a crash would leave it: nothing is under a checkpoint yet.
    let files = InMemory::copy_of(&Folder(directory.path().to_owned())).unwrap();
    drop(ledger);
    let report = verify(&files, &Against::default());
    assert_eq!((report.findings, report.size, report.unsealed), (vec![], 0, 20));
    let (path, bytes) = files.0.iter().find(|(path, bytes)| path.starts_with("journal/") && !bytes.is_empty()).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 0x20;
        assert_ne!(found(&with(&files, path, flipped)), [""; 0], "byte {at}");
    }
}
