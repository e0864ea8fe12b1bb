//! How fast the ledger takes entries, how fast it verifies them, and what they weigh.
//!
//! `cargo run --release --example ledger_throughput [-- ENTRIES [THREADS]]`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "an example prints, and stops at the first failure"
)]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use trombi::ledger::verify::{Against, verify};
use trombi::ledger::{Class, Durability, Folder, Ledger, Record, Unit, Units};

const ENTRIES: u64 = 200_000;
const THREADS: usize = 64;

/// A search as the profile `personal` records it.
fn record(n: u64) -> Record {
    Record {
        request_id: format!("8a1f2c3d-0000-4000-8000-{n:012x}"),
        collection: Some("family".to_owned()),
        principal: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        actor: "person".to_owned(),
        purpose: "personal-photos".to_owned(),
        threshold_used: Some(8000),
        max_faces: Some(4096),
        gallery_faces: Some(10_000 + n),
        model: Some("face-reidentification-retail-0095".to_owned()),
        faces: 1,
        matches: 3,
        units: Units::of(Unit::Search, 1).and(Unit::Detect, 1),
        policy: [7; 32],
        ..Record::new(1_790_000_000_000 + n as i64, Class::Search, "SearchFacesByImage", "local")
    }
}

fn bytes_of(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|e| if e.path().is_dir() { bytes_of(&e.path()) } else { e.metadata().unwrap().len() }).sum()
}

/// Appends with `threads` callers; the time each call took.
fn append(ledger: &Ledger, entries: u64, threads: usize, sign: bool) -> Vec<Duration> {
    let next = AtomicU64::new(0);
    let times = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= entries {
                        break times.lock().unwrap().extend(mine);
                    }
                    let record = record(n);
                    let started = Instant::now();
                    if sign {
                        ledger.append(&record).unwrap();
                    } else {
                        ledger.record(&record).unwrap();
                    }
                    mine.push(started.elapsed());
                }
            });
        }
    });
    let mut times = times.into_inner().unwrap();
    times.sort();
    times
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let entries = arguments.next().map_or(ENTRIES, |n| n.parse().unwrap());
    let threads = arguments.next().map_or(THREADS, |n| n.parse().unwrap());
    for (durability, threads, entries, sign) in [
        (Durability::Process, threads, entries, false),
        (Durability::Process, threads, entries, true),
        (Durability::Process, 1, entries / 4, true),
        (Durability::Disk, threads, entries, false),
        (Durability::Disk, threads, entries, true),
        (Durability::Disk, 1, 1000, true),
    ] {
        let directory = tempfile::tempdir_in(".").unwrap();
        let ledger = Ledger::open(directory.path(), durability).unwrap();
        let started = Instant::now();
        let times = append(&ledger, entries, threads, sign);
        let appended = started.elapsed();
        ledger.close().unwrap();
        let closed = started.elapsed();
        let signed = if sign { "with receipts" } else { "without receipts" };
        println!(
            "{durability:?}, {threads} threads, {signed}: {:.0} entries/s ({:.0} until all is under a checkpoint), a call {:?} median, {:?} p99; {:.1} bytes an entry",
            entries as f64 / appended.as_secs_f64(),
            entries as f64 / closed.as_secs_f64(),
            times[times.len() / 2],
            times[times.len() * 99 / 100],
            bytes_of(directory.path()) as f64 / entries as f64,
        );
        let started = Instant::now();
        let report = verify(&Folder(directory.path().to_owned()), &Against::default());
        assert_eq!(report.findings, []);
        assert_eq!(report.bodies_read, entries);
        println!("  verified, bodies opened: {:.0} entries/s", entries as f64 / started.elapsed().as_secs_f64());
    }
}
