//! Rules and record as an operator, an SDK and an auditor see them: a server under a policy set, boto3 unmodified.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use trombi::store::{KeyBinding, Store};

use crate::support::clients::{clients, run};
use crate::support::server::{Server, trombi};

const POLICY: &str = r#"
[profile]
name = "regulated"

[tenant.dept]
kind = "public"
actor = "police"
jurisdictions = ["US"]

[tenant.archive]
kind = "company"
actor = "media"
jurisdictions = ["FR"]

[case.C-1]
authority = "County court"
legal_basis = "order 17"
state = "confirmed"
from = 2026-01-01
until = 2099-12-31
quota = 3
text = "a missing child"

[commitment.police-moratorium]
text = "No face recognition for police"
from = 2020-06-10
until = "never"
actors = ["police"]
places = ["US", "US-*"]
actions = ["CompareFaces", "SearchFaces*", "SearchUsers*"]
[[commitment.police-moratorium.except]]
purposes = ["find-missing-person"]
requires = ["authorisation"]
"#;

fn key(data: &Path, tenant: &str, purpose: Option<&str>) -> String {
    let binding =
        KeyBinding { tenant: Some(tenant.to_owned()), purpose: purpose.map(str::to_owned), ..KeyBinding::default() };
    let key = Store::open(data).unwrap().create_key(&binding).unwrap();
    format!("{}:{}", key.id, key.secret)
}

fn audit(data: &Path, arguments: &[&str]) -> String {
    let output = trombi(data).arg("audit").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn an_unmodified_sdk_declares_purposes_and_rules_hold() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    fs::create_dir_all(data.join("policy")).unwrap();
    fs::write(data.join("policy/set.toml"), POLICY).unwrap();
    let (police, archive) = (key(data, "dept", None), key(data, "archive", Some("media-archive")));
    let server = Server::start(data, &[]);
    let mut script = Command::new(&clients().python);
    script
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/run_oversight.py"))
        .arg(&clients().portrait_png)
        .env("POLICE_KEY", police)
        .env("ARCHIVE_KEY", archive);
    let answers: Value = serde_json::from_slice(&run(server.environment(&mut script)).stdout).unwrap();
    let of = |name: &str| &answers[name];
    let denied = |name: &str, rule: &str| {
        let answer = of(name);
        assert_eq!(answer["error"], "AccessDeniedException", "{name}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(rule), "{name}: {answer}");
        assert!(answer["headers"]["x-trombi-receipt"].is_string(), "a denial has its entry: {answer}");
    };
    denied("index without purpose", "purpose-missing");
    denied("suspect", "police-moratorium");
    // The exception needs a case, so without one the moratorium itself catches it.
    denied("no case", "police-moratorium");
    denied("over quota", "case-over-quota");
    denied("conflict", "purpose-conflict.session-key");
    for name in ["create", "index", "missing", "missing again", "key binding", "header"] {
        assert!(of(name)["error"].is_null(), "{name}: {}", of(name));
        assert!(of(name)["headers"]["x-trombi-ledger"].is_string(), "{name}: {}", of(name));
    }
    assert_eq!(of("missing")["headers"]["x-trombi-threshold"], "99.00;floor");
    assert_eq!(of("missing")["matches"], 1);
    assert_eq!(of("forged session")["error"], "UnrecognizedClientException");

    // Every answered request is in the log, and every receipt holds.
    let told: Vec<&str> = answers
        .as_object()
        .unwrap()
        .values()
        .filter_map(|answer| answer["headers"]["x-trombi-receipt"].as_str())
        .collect();
    assert_eq!(told.len(), 11);
    let receipts = data.join("receipts.txt");
    fs::write(&receipts, told.join("\n")).unwrap();
    drop(server);
    audit(data, &["verify", "--receipts", receipts.to_str().unwrap()]);
    // Killed as it was; opening it puts what it answered under a checkpoint.
    drop(Server::start(data, &[]));
    let shown = audit(data, &["show"]);
    for word in ["police-moratorium", "find-missing-person", "SearchFacesByImage", "AssumeRole"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
}

/// A started witness; killed when dropped.
struct Witness {
    process: Child,
    key: String,
    url: String,
}

impl Witness {
    fn start(folder: &Path, log: &str) -> Self {
        let mut process = trombi(folder)
            .args([
                "witness",
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--name",
                "example.org/witness",
                "--log",
                log,
                "--dir",
            ])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut value = || lines.next().unwrap().unwrap().split_whitespace().nth(1).unwrap().to_owned();
        let (key, url) = (value(), value());
        Self { process, key, url }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_witness_cosigns_what_only_grew_and_the_rest_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let ask = |arguments: &[&str]| trombi(&data).args(arguments).output().unwrap();
    let told = |arguments: &[&str]| {
        let output = ask(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    told(&["keys", "create"]);
    let status = told(&["audit", "status"]);
    assert!(status.contains("witnesses  none"), "{status}");
    let log = status.lines().find_map(|line| line.strip_prefix("key")).unwrap().trim().to_owned();
    let witness = Witness::start(&directory.path().join("witness"), &log);
    told(&["witness", "add", &witness.url, &witness.key]);
    told(&["witness", "ask"]);
    assert!(told(&["audit", "status"]).contains("; 0 since are unwitnessed"));
    told(&["keys", "create"]);
    let status = told(&["audit", "status"]);
    assert!(status.contains("has seen") && !status.contains("; 0 since are unwitnessed"), "{status}");
    told(&["witness", "ask"]);
    assert!(told(&["audit", "verify"]).contains("; 0 since are unwitnessed"));
    // One that is away is told, and the log goes on.
    drop(witness);
    assert!(!ask(&["witness", "ask"]).status.success());
    told(&["keys", "create"]);
    told(&["audit", "verify"]);
}
