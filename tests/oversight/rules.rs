//! Rules that change under a server: signed, read again, refused, delayed, approved; and the commands that tell of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use trombi::ledger::{Body, Folder, Outcome, Reader};

use super::{add_absent_witness, ask, refused, told};
use crate::support::server::{Server, trombi};

const SET: &str = r#"
[profile]
name = "regulated"
default_tenant = "dept"

[tenant.dept]
actor = "police"
jurisdictions = ["US"]
"#;

const MORATORIUM: &str = r#"
[commitment.moratorium]
text = "No lists for the police"
from = 2020-06-10
until = "never"
actors = ["police"]
actions = ["ListCollections"]
"#;

const TIGHTER: &str = r#"
[commitment.tighter]
text = "Nor descriptions"
from = 2020-06-10
until = "never"
actions = ["DescribeCollection"]
"#;

/// A regulated house.
struct House {
    directory: tempfile::TempDir,
}

impl House {
    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn policy(&self) -> PathBuf {
        self.data().join("policy")
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.policy().join(file), text).unwrap();
    }

    #[track_caller]
    fn told(&self, arguments: &[&str]) -> String {
        told(&self.data(), arguments)
    }

    /// Signs `set.toml` as the board; the signer's entry for the set.
    fn sign(&self) -> String {
        let key = self.directory.path().join("board.key");
        let file = self.policy().join("set.toml");
        let words = [file.to_str().unwrap(), "--key", key.to_str().unwrap(), "--name", "board.example"];
        self.told(&[&["policy", "sign"], &words[..]].concat())
    }

    /// What the record has of rules: how each change ended, and in which words.
    fn changes(&self) -> Vec<(Outcome, String)> {
        let folder = Folder(self.data().join("ledger"));
        let reader = Reader::open(&folder).unwrap();
        let entries = (0..reader.size()).map(|index| reader.entry(index).unwrap().body);
        let records = entries.filter_map(|body| match body {
            Body::Record(record) if record.operation == "ChangePolicy" => Some(record),
            _ => None,
        });
        records.map(|record| (record.outcome, record.detail.unwrap_or_default())).collect()
    }

    /// Has the server read the rules again; what it recorded.
    fn reread(&self, server: &Server) -> (Outcome, String) {
        // Puts what was recorded under a checkpoint, where it can be read; what the start changed too.
        ask(server, "Trombi.GetLedger", "{}");
        let before = self.changes().len();
        assert!(Command::new("kill").args(["-HUP", &server.id().to_string()]).status().unwrap().success());
        let since = Instant::now();
        loop {
            ask(server, "Trombi.GetLedger", "{}");
            let changes = self.changes();
            if changes.len() > before {
                return changes.last().unwrap().clone();
            }
            assert!(since.elapsed() < Duration::from_secs(60), "the rules were not read again");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The rule that refuses, or nothing.
fn ruled(server: &Server, operation: &str) -> Option<String> {
    let body = if operation == "ListCollections" { "{}" } else { r#"{"CollectionId":"c"}"# };
    let answer = ask(server, &format!("RekognitionService.{operation}"), body);
    (answer.body["__type"] == "AccessDeniedException").then(|| answer.body["Message"].as_str().unwrap().to_owned())
}

#[test]
fn rules_are_signed_read_again_and_loosened_only_in_their_time() {
    let house = House { directory: tempfile::tempdir().unwrap() };
    let data = house.data();
    fs::create_dir_all(house.policy()).unwrap();
    house.write("set.toml", &format!("{SET}{MORATORIUM}"));
    let signer = house.sign();
    house.write("signers.toml", &signer);
    let check = house.told(&["policy", "check", house.policy().to_str().unwrap()]);
    assert!(check.contains("commitment.moratorium: from 2020-06-10 without end, signed by board.example"), "{check}");
    explained_and_tested(&house);

    // Nobody else would see what such a server records.
    let output = trombi(&data).args(["serve", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && why.contains("wants a witness") && why.contains("witness add"), "{why}");
    add_absent_witness(&data);

    let server = Server::start(&data, &["--no-auth"]);
    let lists = |server: &Server| ruled(server, "ListCollections");
    assert!(lists(&server).unwrap().contains("rule `commitment.moratorium`"));
    assert_eq!(ruled(&server, "DescribeCollection"), None);
    // A file that does not read, here because its signature is of another text: the old set stays, and it is told.
    house.write("set.toml", SET);
    let (outcome, detail) = house.reread(&server);
    assert_eq!(outcome, Outcome::Refused);
    assert!(detail.contains("stay as they are") && detail.contains("set.toml.note"), "{detail}");
    assert!(lists(&server).is_some());
    // Signed, it is announced, and does not hold yet.
    house.sign();
    let (outcome, detail) = house.reread(&server);
    assert!(outcome == Outcome::Done && detail.contains("is proposed"), "{detail}");
    assert!(lists(&server).is_some());
    // What tightens holds at once, beside what waits.
    house.write("tighter.toml", TIGHTER);
    let (_, detail) = house.reread(&server);
    assert!(detail.contains("is proposed"), "{detail}");
    assert!(lists(&server).is_some());
    assert!(ruled(&server, "DescribeCollection").unwrap().contains("rule `commitment.tighter`"));
    drop(server);

    // Two administrators agree; the days have still to pass.
    house.told(&["policy", "approve", "anna"]);
    house.told(&["policy", "approve", "ben"]);
    let server = Server::start(&data, &["--no-auth"]);
    assert!(lists(&server).is_some());
    drop(server);
    eight_days_pass(&data);
    let server = Server::start(&data, &["--no-auth"]);
    assert_eq!(lists(&server), None);
    assert!(ruled(&server, "DescribeCollection").is_some());
    ask(&server, "Trombi.GetLedger", "{}");
    drop(server);
    let (_, detail) = house.changes().last().unwrap().clone();
    assert!(detail.contains("is in force, profile regulated"), "{detail}");
    let shown = house.told(&["audit", "show", "0..1000"]);
    for word in ["ApprovePolicy", "anna agrees to policy set", "ben agrees to policy set", "ChangePolicy"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    house.told(&["audit", "verify"]);
}

/// As if the proposals had been seen eight days before.
fn eight_days_pass(data: &Path) {
    let mut moved = 0;
    for entry in fs::read_dir(data).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().unwrap().starts_with("policy.proposed-") {
            let text = fs::read_to_string(entry.path()).unwrap();
            let (since, rest) = text.split_once('\n').unwrap();
            let since = since.parse::<i64>().unwrap() - 8 * 86_400_000;
            fs::write(entry.path(), format!("{since}\n{rest}")).unwrap();
            moved += 1;
        }
    }
    assert!(moved > 0);
}

fn explained_and_tested(house: &House) {
    let policy = house.policy();
    let policy = policy.to_str().unwrap();
    let request = house.directory.path().join("request.json");
    let asked = r#"{"operation":"ListCollections","tenant":"dept","at":"2026-11-25T12:00:00Z"}"#;
    fs::write(&request, asked).unwrap();
    let explain = ["policy", "explain", request.to_str().unwrap(), "--policy", policy];
    let text = house.told(&explain);
    for word in ["denied by commitment.moratorium", "No lists for the police", "forbid ("] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let json: Value = serde_json::from_str(&house.told(&[&explain[..], &["--json"]].concat())).unwrap();
    assert_eq!((&json["Decision"], &json["Rules"][0]), (&"Deny".into(), &"commitment.moratorium".into()));
    // The set's own table of tests is read by `test`, hashed with the set, and no rule.
    let row = |expected: &str| {
        format!(
            "[[test]]\nname = \"no lists\"\nexpected = \"{expected}\"\n[test.asked]\noperation = \
             \"ListCollections\"\ntenant = \"dept\"\nat = \"2026-11-25T12:00:00Z\"\n"
        )
    };
    let own = house.directory.path().join("own");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("set.toml"), format!("{SET}{MORATORIUM}")).unwrap();
    fs::write(own.join("tests.toml"), row("commitment.moratorium")).unwrap();
    house.told(&["policy", "test", own.to_str().unwrap()]);
    fs::write(own.join("tests.toml"), row("allow")).unwrap();
    let why = refused(&house.data(), &["policy", "test", own.to_str().unwrap()]);
    assert!(why.contains("FAILS: no lists: expected allow, got commitment.moratorium"), "{why}");
}

#[test]
fn the_diff_of_the_announced_and_the_written_moratorium_names_what_was_let_through() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let diff = told(data, &["policy", "diff", "amazon-2020-announced", "amazon-2021-terms"]);
    let (through, rest) = diff.split_once("refused from now on").unwrap();
    // Each combination: a head that begins with a dash, and its facts.
    let combinations = |text: &str| text.split("\n  - ").skip(1).map(str::to_owned).collect::<Vec<_>>();
    let has =
        |text: &str, words: &[&str]| combinations(text).iter().any(|one| words.iter().all(|word| one.contains(word)));
    // Contractors of the police are caught no more; nor is looking, nor enrolling; nor what is no criminal investigation.
    assert!(has(through, &["actors: police-contractor", "SearchFacesByImage", "CompareFaces"]), "{diff}");
    assert!(has(through, &["actors: police", "IndexFaces", "DetectFaces"]), "{diff}");
    assert!(has(through, &["actors: police", "SearchFaces,", "immigration-enforcement", "event-security"]), "{diff}");
    assert!(has(through, &["the lock until 2021-06-10 is shortened or lifted"]), "{diff}");
    // A suspect is caught by both.
    assert!(!has(through, &["actors: police, unknown", "actions: SearchFaces", "investigate-suspect"]), "{diff}");
    // The named charities lose one of their two purposes, which the terms do not except.
    assert!(has(rest, &["icmec, marinus, thorn", "identify-trafficking-victim"]), "{diff}");
    let back = told(data, &["policy", "diff", "amazon-2021-terms", "amazon-2020-announced"]);
    let (through, _) = back.split_once("refused from now on").unwrap();
    assert_eq!(combinations(through).len(), combinations(rest).len() - combinations_of_locks(rest), "{back}");
    let same = told(data, &["policy", "diff", "ibm-2020", "ibm-2020"]);
    assert!(same.contains("no request is ruled otherwise"), "{same}");
}

/// Lines about locks are no combinations.
fn combinations_of_locks(text: &str) -> usize {
    text.split("locked:").nth(1).map_or(0, |locks| locks.matches("\n  - ").count())
}
