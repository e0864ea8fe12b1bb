//! Rules and record as an operator, an SDK and an auditor see them: a server under a policy set, boto3 unmodified.

mod record;
mod rules;

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use trombi::ledger::note::{KeyKind, SecretKey};
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

/// The profile wants a witness; that one is away is told, and the log goes on.
fn add_absent_witness(data: &Path) {
    let witness = SecretKey::from_seed("example.org/away", KeyKind::Witness, [7; 32]).unwrap();
    told(data, &["witness", "add", "http://127.0.0.1:9", &witness.public().to_string()]);
}

/// What a command that does its work prints.
#[track_caller]
fn told(data: &Path, arguments: &[&str]) -> String {
    let output = trombi(data).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What a command that refuses says.
#[track_caller]
fn refused(data: &Path, arguments: &[&str]) -> String {
    let output = trombi(data).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{arguments:?}: {text}");
    text
}

/// An answer of a server without signatures.
struct Answer {
    head: String,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn receipt(&self) -> String {
        self.header("x-trombi-receipt").unwrap_or_else(|| panic!("no receipt: {}", self.head)).to_owned()
    }
}

/// Asks a server without signatures for `Service.Operation`.
fn ask(server: &Server, target: &str, body: &str) -> Answer {
    let address = server.endpoint.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nX-Amz-Target: {target}\r\nContent-Type: \
         application/x-amz-json-1.1\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer { head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() }
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
    add_absent_witness(data);
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
    denied("tag widened", "tag-loosened.purpose");
    denied("tag removed", "tag-loosened.purpose");
    for name in ["create", "index", "missing", "missing again", "key binding", "header", "tagged", "tag narrowed"] {
        assert!(of(name)["error"].is_null(), "{name}: {}", of(name));
        assert!(of(name)["headers"]["x-trombi-ledger"].is_string(), "{name}: {}", of(name));
    }
    assert_eq!(of("missing")["headers"]["x-trombi-threshold"], "99.00;floor");
    assert_eq!(of("missing")["matches"], 1);
    // Who asks to be told is not served at the floor.
    assert_eq!(of("strict")["error"], "InvalidParameterException", "{}", of("strict"));
    let message = of("strict")["message"].as_str().unwrap();
    assert!(message.contains("floor.profile-regulated") && message.contains("99.00 or more"), "{message}");
    assert_eq!(of("forged session")["error"], "UnrecognizedClientException");

    // Every answered request is in the log, and every receipt holds.
    let given: Vec<&str> = answers
        .as_object()
        .unwrap()
        .values()
        .filter_map(|answer| answer["headers"]["x-trombi-receipt"].as_str())
        .collect();
    assert_eq!(given.len(), 16);
    let receipts = data.join("receipts.txt");
    fs::write(&receipts, given.join("\n")).unwrap();
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
    let told = |arguments: &[&str]| told(&data, arguments);
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
    refused(&data, &["witness", "ask"]);
    told(&["keys", "create"]);
    told(&["audit", "verify"]);
}
