//! The ledger held against flips, cuts, crashes, full disks, rewriting, and against other people's programs.

mod crash;
mod damage;
mod disk;
pub mod focus;
mod go;
mod tree;

use std::path::Path;
use std::sync::Arc;

use trombi::ledger::{Class, Durability, Folder, InMemory, Ledger, Outcome, Receipt, Record, Unit, Units};

/// 1 October 2026, milliseconds since 1970.
pub const AT_MS: i64 = 1_790_812_800_000;

/// Reproducible numbers (PCG's multiplier and increment).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The `n`th request: some tenants, classes and outcomes, one a second.
pub fn record(n: u64) -> Record {
    let (class, operation, units) = match n % 4 {
        0 => (Class::Search, "SearchFacesByImage", Units::of(Unit::Search, 1).and(Unit::Detect, 1)),
        1 => (Class::Index, "IndexFaces", Units::of(Unit::Index, 1 + n % 5).and(Unit::Detect, 1)),
        2 => (Class::Read, "ListFaces", Units::none()),
        _ => (Class::Compare, "CompareFaces", Units::of(Unit::Compare, 1)),
    };
    Record {
        request_id: format!("8a1f2c3d-0000-4000-8000-{n:012x}"),
        outcome: Outcome::ALL[if n.is_multiple_of(7) { 2 } else { 0 }],
        collection: Some("staff".to_owned()),
        principal: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        actor: "person".to_owned(),
        purpose: "access-control".to_owned(),
        units,
        policy: [7; 32],
        ..Record::new(
            AT_MS + 1000 * i64::try_from(n).unwrap(),
            class,
            operation,
            ["acme", "other"][usize::from(n.is_multiple_of(3))],
        )
    }
}

/// A closed ledger of so many entries, with the receipts of some.
pub fn ledger_of(directory: &Path, entries: u64) -> Vec<Receipt> {
    let ledger = Ledger::open(directory, Durability::Process).unwrap();
    let mut receipts = Vec::new();
    for n in 0..entries {
        if n % 97 == 0 {
            receipts.push(ledger.append(&record(n)).unwrap());
        } else {
            ledger.record(&record(n)).unwrap();
        }
    }
    ledger.close().unwrap();
    receipts
}

/// As [`ledger_of`], in memory.
pub fn in_memory(entries: u64) -> (InMemory, Vec<Receipt>) {
    let directory = tempfile::tempdir().unwrap();
    let receipts = ledger_of(directory.path(), entries);
    (InMemory::copy_of(&Folder(directory.path().to_owned())).unwrap(), receipts)
}

/// `files` with one of them changed.
pub fn with(files: &InMemory, path: &str, bytes: Vec<u8>) -> InMemory {
    let mut changed = files.clone();
    changed.0.insert(path.to_owned(), Arc::from(bytes));
    changed
}
