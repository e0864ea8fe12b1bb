//! The record through its commands, on the ledger of a server that answered: the bill, bundles, receipts, rewriting.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use trombi::ledger::proof::Proof;
use trombi::ledger::{Class, Durability, Folder, Ledger, Reader, Record};

use super::{ask, refused, told};
use crate::ledger::focus;
use crate::support::clients::clients;
use crate::support::server::Server;

/// A data directory whose server has answered, and is gone.
struct Answered {
    directory: tempfile::TempDir,
    /// Of every answer, in the order of entries.
    receipts: Vec<String>,
}

/// Entries of [`Answered`]: nine answers, and a key that was made behind them.
const ENTRIES: u64 = 10;

impl Answered {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let server = Server::start(&data, &["--no-auth"]);
        let portrait = base64_simd::STANDARD.encode_to_string(fs::read(&clients().portrait_png).unwrap());
        let image = format!("{{\"Image\":{{\"Bytes\":\"{portrait}\"}}}}");
        let staff = r#"{"CollectionId":"staff"}"#;
        let mut receipts = Vec::new();
        for (target, body) in [
            ("RekognitionService.CreateCollection", staff),
            ("RekognitionService.DetectFaces", &image),
            ("RekognitionService.DetectFaces", &image),
            ("RekognitionService.ListCollections", "{}"),
            ("RekognitionService.DescribeCollection", r#"{"CollectionId":"nobody"}"#),
            ("Trombi.GetLedger", "{}"),
        ] {
            receipts.push(ask(&server, target, body).receipt());
        }
        // The checkpoint that somebody keeps: GetLedger has put what came before it under one.
        let kept = fs::read(data.join("ledger/checkpoint")).unwrap();
        fs::write(directory.path().join("kept"), kept).unwrap();
        for _ in 0..3 {
            receipts.push(ask(&server, "RekognitionService.ListCollections", "{}").receipt());
        }
        let status = told(&data, &["audit", "status"]);
        assert!(status.contains("in use by a server") && status.contains("witnesses  none"), "{status}");
        // Killed as it is; opening the ledger puts what was answered under a checkpoint.
        drop(server);
        let answered = Self { directory, receipts };
        answered.told(&["keys", "create"]);
        answered
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    #[track_caller]
    fn told(&self, arguments: &[&str]) -> String {
        told(&self.data(), arguments)
    }

    /// A log of the same key with other entries in it, consistent from its first byte to its last.
    fn rewritten(&self) -> PathBuf {
        let folder = self.path("rewritten");
        fs::create_dir(&folder).unwrap();
        fs::copy(self.data().join("ledger/key"), folder.join("key")).unwrap();
        let ledger = Ledger::open(&folder, Durability::Process).unwrap();
        for n in 0..20 {
            let at_ms = 1_790_812_800_000 + n;
            ledger.record(&Record::new(at_ms, Class::Read, "ListCollections", "local")).unwrap();
        }
        ledger.close().unwrap();
        folder
    }
}

#[test]
fn what_a_server_answered_can_be_billed_bundled_and_held_against_it() {
    let answered = Answered::new();
    let shown = answered.told(&["audit", "show"]);
    for word in ["CreateCollection", "DetectFaces", "collection-not-found", "CreateAccessKey"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    bill(&answered);
    bundle(&answered);
    receipts(&answered);
    rewriting(&answered);
}

fn bill(answered: &Answered) {
    let usage: Value = serde_json::from_str(&answered.told(&["usage", "--json"])).unwrap();
    assert_eq!((&usage["Size"], &usage["Entries"]), (&Value::from(ENTRIES), &Value::from(ENTRIES)), "{usage}");
    let rows = usage["Usage"].as_array().unwrap();
    let quantity = |class: &str, unit: &str| -> u64 {
        let has = |row: &&Value| row["Class"] == class && row["Unit"] == unit;
        rows.iter().filter(has).map(|row| row["Quantity"].as_u64().unwrap()).sum()
    };
    assert_eq!(quantity("detect", "detect"), 2);
    assert_eq!(rows.iter().map(|row| row["Entries"].as_u64().unwrap()).sum::<u64>(), ENTRIES);
    let refused_rows: Vec<&Value> = rows.iter().filter(|row| row["Outcome"] == "refused").collect();
    assert!(refused_rows.len() == 1 && refused_rows[0]["Tenant"] == "local", "{usage}");
    let table = answered.told(&["usage", "--by", "day"]);
    assert!(table.lines().any(|line| line.contains("detect") && line.contains("done")), "{table}");
    assert_eq!(answered.told(&["usage", "--until", "2020-01-01"]), "");

    let csv = answered.text("bill.csv");
    answered.told(&["usage", "--focus", &csv, "--issuer", "Example", "--by", "day"]);
    let written = fs::read_to_string(&csv).unwrap();
    let folder = Folder(answered.data().join("ledger"));
    let root = Reader::open(&folder).unwrap().checkpoint().checkpoint.root;
    let mut reader = csv::Reader::from_reader(written.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let mut entries = 0;
    for row in reader.records() {
        let row = row.unwrap();
        let of = |name: &str| &row[headers.iter().position(|header| header == name).unwrap()];
        let number = |name: &str| of(name).parse::<u64>().unwrap();
        assert_eq!(of("x_LedgerRoot"), base64_simd::STANDARD.encode_to_string(root));
        assert!(number("x_LedgerFrom") < number("x_LedgerTo") && number("x_LedgerTo") <= ENTRIES);
        assert_eq!((number("x_LedgerSize"), of("BillingAccountName")), (ENTRIES, "local"));
        entries += number("x_LedgerEntries");
    }
    assert_eq!(entries, ENTRIES);
    focus::passes(&written, &answered.path("validated.csv"));

    // A bill is made of entries that can be believed, or not at all.
    let copy = answered.path("flipped");
    copy_folder(&folder.0, &copy);
    let tile = copy.join(format!("tile/entries/000.p/{ENTRIES}"));
    let mut bytes = fs::read(&tile).unwrap();
    bytes[60] ^= 1;
    fs::write(&tile, bytes).unwrap();
    let why = refused(&answered.data(), &["usage", "--ledger", copy.to_str().unwrap()]);
    assert!(why.contains("nothing is counted"), "{why}");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Everything below has the bundle and nothing else: another data directory, no ledger.
fn bundle(answered: &Answered) {
    let out = answered.text("bundle");
    answered.told(&["audit", "bundle", "1..4", "--out", &out]);
    let (elsewhere, key) = (answered.path("elsewhere"), format!("{out}/key.pub"));
    for index in 1..4 {
        let proof = format!("{out}/{index}.tlog-proof");
        let checked =
            told(&elsewhere, &["audit", "receipt", &answered.receipts[index], "--key", &key, "--proof", &proof]);
        assert!(checked.contains(&format!("proven, in the tree of {ENTRIES} entries")), "{checked}");
        let leaf = Proof::parse(&fs::read(&proof).unwrap()).unwrap().extra.unwrap();
        let body = fs::read(format!("{out}/{index}.body")).unwrap();
        assert_eq!(leaf[47..79], Sha256::digest(&body)[..], "the leaf commits to the body");
        let told: Value = serde_json::from_str(&fs::read_to_string(format!("{out}/{index}.json")).unwrap()).unwrap();
        assert_eq!(told["Body"]["Operation"], ["DetectFaces", "DetectFaces", "ListCollections"][index - 1]);
    }
    let other = format!("{out}/2.tlog-proof");
    let why = refused(&elsewhere, &["audit", "receipt", &answered.receipts[1], "--key", &key, "--proof", &other]);
    assert!(why.contains("proves entry 2"), "{why}");
    // The proof of the very entry, with a leaf or a checkpoint that was changed.
    let text = fs::read_to_string(format!("{out}/1.tlog-proof")).unwrap();
    let changed = answered.text("changed.tlog-proof");
    let size = format!("\n{ENTRIES}\n");
    fs::write(&changed, text.replacen(&size, "\n9\n", 1)).unwrap();
    refused(&elsewhere, &["audit", "receipt", &answered.receipts[1], "--key", &key, "--proof", &changed]);
}

fn receipts(answered: &Answered) {
    let receipt = &answered.receipts[1];
    let (proof, key) = (answered.text("1.tlog-proof"), answered.text("data/ledger/key.pub"));
    let checked = answered.told(&["audit", "receipt", receipt, "--write-proof", &proof]);
    assert!(checked.contains(&format!("in ledger  yes, in the tree of {ENTRIES} entries")), "{checked}");
    let elsewhere = answered.path("elsewhere");
    told(&elsewhere, &["audit", "receipt", receipt, "--key", &key, "--proof", &proof]);
    let unchecked = told(&elsewhere, &["audit", "receipt", receipt, "--key", &key]);
    assert!(unchecked.contains("not checked"), "{unchecked}");
    // One letter of each part: another index, another minute, another leaf, another signature.
    let parts: Vec<&str> = receipt.split(';').collect();
    for at in 2..parts.len() {
        let mut flipped: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        let last = if flipped[at].starts_with('1') { "2" } else { "1" };
        flipped[at].replace_range(..1, last);
        let flipped = flipped.join(";");
        let why = refused(&elsewhere, &["audit", "receipt", &flipped, "--key", &key, "--proof", &proof]);
        assert!(why.contains("was not signed by"), "{flipped}: {why}");
    }
}

fn rewriting(answered: &Answered) {
    let kept = answered.text("kept");
    let continued = answered.told(&["audit", "compare", &kept]);
    assert!(continued.contains("continued"), "{continued}");
    assert!(answered.told(&["audit", "compare", &answered.text("data/ledger")]).contains("and 0 since"));
    let folder = answered.rewritten();
    let rewritten = ["--ledger", folder.to_str().unwrap()];
    let with =
        |arguments: &[&str]| [arguments, &rewritten].concat().iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let run = |arguments: &[&str]| {
        let all = with(arguments);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        refused(&answered.data(), &all)
    };
    // Nothing in it is wrong by itself; what somebody kept says otherwise.
    told(&answered.data(), &["audit", "verify", rewritten[0], rewritten[1]]);
    assert!(run(&["audit", "compare", &kept]).contains("rewritten"));
    assert!(run(&["audit", "receipt", &answered.receipts[3]]).contains("rewritten"));
    let receipts = answered.text("receipts");
    fs::write(&receipts, &answered.receipts[3]).unwrap();
    assert!(run(&["audit", "verify", "--receipts", &receipts]).contains("rewritten"));
    fs::write(&receipts, answered.receipts.join("\n")).unwrap();
    answered.told(&["audit", "verify", "--receipts", &receipts, "--checkpoint", &kept]);
}
