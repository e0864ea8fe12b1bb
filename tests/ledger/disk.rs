//! A disk that fills: the entry fails, the ledger takes no more, and nothing half-written counts.

use std::path::Path;
use std::process::Command;

use trombi::ledger::verify::{Against, verify};
use trombi::ledger::{Durability, Folder, Ledger, LedgerError, Opening, Receipt};

use super::record;

const DIRECTORY: &str = "TROMBI_TEST_LEDGER_FULL_DIRECTORY";

#[test]
#[ignore = "started by another test"]
fn child_that_fills_the_disk() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    // No checkpoint comes in between: the journal itself meets the limit.
    let opening = Opening { checkpoint_age: std::time::Duration::from_secs(3600), ..Opening::from(Durability::Disk) };
    let ledger = Ledger::open(Path::new(&directory), opening).unwrap();
    let error = (0..100_000).find_map(|n| match ledger.append(&record(n)) {
        Ok(receipt) => {
            println!("> {receipt}");
            None
        }
        Err(error) => Some(error),
    });
    println!("> failed: {:?}", error.unwrap());
    println!("> then: {:?}", ledger.append(&record(0)).unwrap_err());
    println!("> closed: {:?}", ledger.close());
}

#[test]
#[cfg(unix)]
fn a_full_disk_fails_the_request_and_loses_no_answered_one() {
    let directory = tempfile::tempdir().unwrap();
    let child = std::env::current_exe().unwrap();
    // The limit on file sizes stands for a full disk; ignoring its signal makes it an error of the write.
    let script = format!(
        "trap '' XFSZ; ulimit -f 100; exec '{}' --exact ledger::disk::child_that_fills_the_disk --ignored --nocapture",
        child.display()
    );
    let output = Command::new("sh").args(["-c", &script]).env(DIRECTORY, directory.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().filter_map(|line| line.split_once("> ").map(|(_, rest)| rest)).collect();
    let receipts: Vec<Receipt> = lines.iter().filter_map(|line| Receipt::parse(line)).collect();
    assert!(lines.contains(&"failed: Full"), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("then: Stopped(")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("closed: Err(Stopped(")), "{text}");
    assert!(receipts.len() > 50, "{text}");
    let ledger = Ledger::open(directory.path(), Durability::Disk).unwrap();
    assert_eq!(ledger.size(), receipts.len() as u64, "the one that failed does not count");
    assert_eq!(ledger.append(&record(7)).unwrap().place.index, receipts.len() as u64);
    ledger.close().unwrap();
    let report = verify(&Folder(directory.path().to_owned()), &Against { receipts, ..Against::default() });
    assert_eq!(report.findings, []);
}

#[test]
fn a_failure_while_sealing_stops_the_ledger_too() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), Durability::Process).unwrap();
    ledger.append(&record(0)).unwrap();
    // The folder of tiles cannot be made where a file stands.
    std::fs::write(directory.path().join("tile"), b"").unwrap();
    assert!(matches!(ledger.seal(), Err(LedgerError::Stopped(_))));
    assert!(matches!(ledger.append(&record(1)), Err(LedgerError::Stopped(_))));
    drop(ledger);
    std::fs::remove_file(directory.path().join("tile")).unwrap();
    let ledger = Ledger::open(directory.path(), Durability::Process).unwrap();
    assert_eq!(ledger.size(), 1, "the answered entry was in the journal");
}
