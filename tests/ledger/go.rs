//! Our files against Go's `golang.org/x/mod/sumdb`, the implementation that the formats come from.

use std::path::Path;
use std::process::Command;

use trombi::ledger::{Folder, Reader};

use super::ledger_of;

const PROGRAM: &str = include_str!("go/verify.go");
/// Where Debian's golang-golang-x-mod-dev puts it.
const GOPATH: &str = "/usr/share/gocode";

#[test]
fn go_reads_and_proves_our_tiles() {
    let has_go = Command::new("go").arg("version").output().is_ok_and(|output| output.status.success());
    if !has_go || !Path::new(GOPATH).join("src/golang.org/x/mod/sumdb").is_dir() {
        eprintln!("skipped: Go's sumdb beside our ledger (needs Debian's golang-go and golang-golang-x-mod-dev)");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("ledger");
    let receipts = ledger_of(&ledger, 70_000);
    let program = directory.path().join("verify.go");
    std::fs::write(&program, PROGRAM).unwrap();
    let proof = directory.path().join("proof");
    let folder = Folder(ledger.clone());
    std::fs::write(&proof, Reader::open(&folder).unwrap().proof(69_000).unwrap().to_text()).unwrap();
    let output = Command::new("go")
        .arg("run")
        .arg(&program)
        .args([&ledger, &proof])
        .arg(receipts[100].place.index.to_string())
        .arg(receipts[100].place.leaf_hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        .env("GOPATH", GOPATH)
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOCACHE", Path::new(env!("CARGO_MANIFEST_DIR")).join("target/go-cache"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.trim(), "verified 70000 entries");
}
