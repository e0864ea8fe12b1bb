//! Kills: a child process appends until it is killed; every entry whose receipt left must be there, as it was.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use trombi::ledger::verify::{Against, verify};
use trombi::ledger::{Durability, Folder, Ledger, Opening, Receipt};

use super::{Random, record};

/// Of each durability: 1,000 together.
const KILLS: u64 = 500;
/// Rounds after which everything answered so far is looked up.
const CHECK_EVERY: u64 = 50;
const SEED: u64 = 20_261_125;
const THREADS: u64 = 3;
const DIRECTORY: &str = "TROMBI_TEST_LEDGER_DIRECTORY";
const DURABILITY: &str = "TROMBI_TEST_LEDGER_DURABILITY";

fn durability(name: &str) -> Durability {
    if name == "disk" { Durability::Disk } else { Durability::Process }
}

#[test]
#[ignore = "started by another test"]
fn child_that_appends_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let durability = durability(&std::env::var(DURABILITY).unwrap());
    // Checkpoints often, so that kills come in the middle of them too.
    let opening = Opening { checkpoint_age: Duration::from_millis(2), ..Opening::from(durability) };
    let ledger = Ledger::open(Path::new(&directory), opening).unwrap();
    let next = AtomicU64::new(ledger.size());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let receipt = ledger.append(&record(next.fetch_add(1, Ordering::Relaxed))).unwrap();
                    // One write: lines of threads do not mix, and what is out is out.
                    let line = format!("> {receipt}\n");
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                    std::io::stdout().flush().unwrap();
                }
            });
        }
    });
}

/// Starts the child and kills it after a while; the receipts that left.
fn killed(directory: &Path, name: &str, after: Duration) -> Vec<Receipt> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::crash::child_that_appends_until_killed", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(DURABILITY, name)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let receipt = |line: &String| line.split_once("> ").and_then(|(_, text)| Receipt::parse(text));
    let first = lines.by_ref().find_map(|line| receipt(&line)).expect("the child ended before its first entry");
    std::thread::sleep(after);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "the child ended by itself");
    std::iter::once(first).chain(lines.filter_map(|line| receipt(&line))).collect()
}

fn check(directory: &Path, receipts: &[Receipt]) {
    let against = Against { receipts: receipts.to_vec(), ..Against::default() };
    let report = verify(&Folder(directory.to_owned()), &against);
    assert_eq!(report.findings, []);
}

fn kills_lose_nothing(name: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (mut random, mut receipts, mut slowest) = (Random(SEED), Vec::new(), Duration::ZERO);
    for round in 1..=KILLS {
        let after = Duration::from_micros(random.below(6000));
        let answered = killed(directory.path(), name, after);
        // Each round continues the one before: no index is given twice, none is left out by more than was in doubt.
        receipts.extend(answered);
        if round % CHECK_EVERY == 0 {
            // What a kill left half-written belongs to entries that were never answered.
            let started = Instant::now();
            Ledger::open(directory.path(), durability(name)).unwrap().close().unwrap();
            slowest = slowest.max(started.elapsed());
            check(directory.path(), &receipts);
        }
    }
    let mut indices: Vec<u64> = receipts.iter().map(|receipt| receipt.place.index).collect();
    indices.sort_unstable();
    assert!(indices.windows(2).all(|pair| pair[0] < pair[1]), "two entries were answered at one index");
    println!("{KILLS} kills, {} receipts, slowest opening and closing {slowest:?}", receipts.len());
    assert!(receipts.len() as u64 > KILLS, "too few entries for the kills to mean anything");
}

#[test]
fn a_thousand_kills_lose_no_entry_whose_receipt_left() {
    std::thread::scope(|scope| {
        scope.spawn(|| kills_lose_nothing("process"));
        scope.spawn(|| kills_lose_nothing("disk"));
    });
}
