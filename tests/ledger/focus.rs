//! The bill against `focus-validator`, the FinOps Foundation's own.

use std::path::Path;
use std::process::Command;

use trombi::ledger::usage::{Period, Usage};
use trombi::ledger::{Folder, Reader};

use super::ledger_of;
use crate::support::clients::{once, run, system_python};

/// Checks the columns of FOCUS 1.0; 1.2 has them too.
const VALIDATOR: &str = "focus-validator==1.0.0\nmultimethod<2\n"; // the newest that its own dependency works with
/// Columns that the validator spells otherwise than the specification does.
const SPELLED_OTHERWISE: [(&str, &str); 4] = [
    ("InvoiceIssuerName", "InvoiceIssuer"),
    ("ProviderName", "Provider"),
    ("PublisherName", "Publisher"),
    ("ResourceId", "ResourceID"),
];

#[test]
fn the_bill_passes_the_validator() {
    let directory = tempfile::tempdir().unwrap();
    ledger_of(directory.path(), 1000);
    let folder = Folder(directory.path().to_owned());
    let reader = Reader::open(&folder).unwrap();
    let usage = Usage::of(&reader, (0, u32::MAX), Period::Day).unwrap();
    assert_eq!(usage.entries(), 1000);
    let csv = directory.path().join("focus.csv");
    let mut written = Vec::new();
    usage.write_focus(&mut written, "Example", "EUR").unwrap();
    passes(&String::from_utf8(written).unwrap(), &csv);
}

/// Panics with what the validator says unless it takes the rows, which are put into `csv`.
pub fn passes(written: &str, csv: &Path) {
    let (header, rows) = written.split_once('\n').unwrap();
    let header = header
        .split(',')
        .map(|column| SPELLED_OTHERWISE.iter().find(|(ours, _)| *ours == column).map_or(column, |(_, theirs)| *theirs));
    // Its rule for SkuPriceId still asks for ChargeType, the name that ChargeCategory had in FOCUS 0.5.
    let header = header.collect::<Vec<_>>().join(",") + ",ChargeType\n";
    let rows: String = rows.lines().map(|row| format!("{row},Usage\n")).collect();
    std::fs::write(csv, header + &rows).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients");
    std::fs::create_dir_all(&root).unwrap();
    let lock = std::fs::File::create(root.join("focus-lock")).unwrap();
    lock.lock().unwrap();
    let validator = once(&root.join("focus"), VALIDATOR, |directory| {
        run(system_python().args(["-m", "venv"]).arg(directory));
        let requirements = root.join("focus-requirements.txt");
        std::fs::write(&requirements, VALIDATOR).unwrap();
        run(Command::new(directory.join("bin/python")).args(["-m", "pip", "install", "-q", "-r"]).arg(requirements));
    });
    // It looks for its list of currencies below the folder that it is started in.
    let packages = run(Command::new(validator.join("bin/python"))
        .args(["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]));
    let output = Command::new(validator.join("bin/focus-validator"))
        .current_dir(String::from_utf8(packages.stdout).unwrap().trim())
        .arg("--data-file")
        .arg(csv)
        .args(["--validate-version", "1.0"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !text.contains("failed:"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
