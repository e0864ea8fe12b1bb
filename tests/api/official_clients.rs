//! One scenario of every operation and its errors, run by boto3, the JavaScript SDK and the AWS CLI against a
//! started server. All three must see the same answers, and those must be the committed ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use crate::support::clients::{clients, run};
use crate::support::pictures;
use crate::support::server::Server;

fn scenario() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/scenario.json")
}

/// Runs a client against a server of its own and returns its normalised results.
fn results(client: impl FnOnce(&Path) -> Command) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let folder = pictures::write_all(&clients().portrait_png, &directory.path().join("pictures"));
    let bucket = directory.path().join("buckets/pictures/crew");
    std::fs::create_dir_all(&bucket).unwrap();
    std::fs::copy(folder.join("portrait.png"), bucket.join("portrait.png")).unwrap();
    let buckets = directory.path().join("buckets");
    let server = Server::start(&directory.path().join("data"), &["--buckets", buckets.to_str().unwrap()]);
    let output = run(server.environment(&mut client(&folder)));
    normalised(serde_json::from_slice(&output.stdout).unwrap())
}

/// Steps in the scenario's order; ids, tokens and times replaced.
fn normalised(results: Value) -> Value {
    let mut ids = BTreeMap::new();
    let steps: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(scenario()).unwrap()).unwrap();
    steps
        .iter()
        .map(|step| {
            let name = step["step"].as_str().unwrap();
            let mut document = Map::new();
            document.insert("step".into(), name.into());
            document.insert("answer".into(), redacted("", &results[name], &mut ids));
            Value::Object(document)
        })
        .collect()
}

fn redacted(name: &str, value: &Value, ids: &mut BTreeMap<String, usize>) -> Value {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(key, _)| key.as_str());
            sorted.into_iter().map(|(key, item)| (key.clone(), redacted(key, item, ids))).collect()
        }
        Value::Array(items) => items.iter().map(|item| redacted(name, item, ids)).collect(),
        _ if name == "CreationTimestamp" => "<time>".into(),
        Value::String(_) if name == "NextToken" => "<token>".into(),
        Value::String(text) if uuid::Uuid::try_parse(text).is_ok() && !text.starts_with("00000000") => {
            let next = ids.len() + 1;
            format!("<id {}>", ids.entry(text.clone()).or_insert(next)).into()
        }
        other => other.clone(),
    }
}

/// Ratios of the picture may differ by this between processors, degrees and percents by [`NUMBER_TOLERANCE`].
const RATIO_TOLERANCE: f64 = 0.005;
const NUMBER_TOLERANCE: f64 = 0.5;

/// Where two documents differ by more than another processor's last digits.
fn differences(path: &str, name: &str, a: &Value, b: &Value, into: &mut Vec<String>) {
    match (a, b) {
        // A dependency may or may not keep the order of members; their order says nothing.
        (Value::Object(x), Value::Object(y)) if x.len() == y.len() && x.keys().all(|key| y.contains_key(key)) => {
            x.iter().for_each(|(key, item)| differences(&format!("{path}.{key}"), key, item, &y[key], into));
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            for (index, (item, other)) in x.iter().zip(y).enumerate() {
                let step = item["step"].as_str().map_or_else(|| index.to_string(), str::to_owned);
                differences(&format!("{path}[{step}]"), name, item, other, into);
            }
        }
        (Value::Number(x), Value::Number(y)) => {
            let is_ratio = ["Left", "Top", "Width", "Height", "X", "Y"].contains(&name);
            let tolerance = if is_ratio { RATIO_TOLERANCE } else { NUMBER_TOLERANCE };
            if (x.as_f64().unwrap() - y.as_f64().unwrap()).abs() > tolerance {
                into.push(format!("{path}: {x} is not {y}"));
            }
        }
        _ if a == b => {}
        _ => into.push(format!("{path}: {a} is not {b}")),
    }
}

/// Holds results against the committed answers; `UPDATE_ANSWERS=1` writes them anew.
fn check(results: &Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/answers.json");
    if std::env::var_os("UPDATE_ANSWERS").is_some() {
        std::fs::write(&file, format!("{results:#}\n")).unwrap();
    }
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let mut found = Vec::new();
    differences("", "", results, &committed, &mut found);
    assert!(found.is_empty(), "answers differ from tests/api/answers.json:\n{}", found.join("\n"));
}

fn boto3(folder: &Path) -> Command {
    let mut command = Command::new(&clients().python);
    command.arg("tests/clients/run_boto3.py").arg(scenario()).arg(folder);
    command
}

#[test]
fn boto3_runs_every_operation() {
    check(&results(boto3));
}

#[test]
fn javascript_sdk_sees_what_boto3_sees() {
    let by_sdk = results(|folder| {
        let mut command = Command::new(&clients().node);
        command.arg("tests/clients/run_sdk.mjs").arg(scenario()).arg(folder).arg(&clients().packages);
        command
    });
    check(&by_sdk);
}

#[test]
fn aws_cli_sees_what_boto3_sees() {
    let by_cli = results(|folder| {
        let mut command = Command::new(&clients().python);
        command.arg("tests/clients/run_cli.py").arg(scenario()).arg(folder);
        command
    });
    check(&by_cli);
}

#[test]
fn scenario_runs_every_operation_of_the_face_core() {
    let text = std::fs::read_to_string(scenario()).unwrap();
    for operation in [
        "CreateCollection",
        "DescribeCollection",
        "ListCollections",
        "DeleteCollection",
        "IndexFaces",
        "ListFaces",
        "DeleteFaces",
        "SearchFaces",
        "SearchFacesByImage",
        "DetectFaces",
        "CompareFaces",
        "CreateUser",
        "DeleteUser",
        "ListUsers",
        "AssociateFaces",
        "DisassociateFaces",
        "SearchUsers",
        "SearchUsersByImage",
        "TagResource",
        "UntagResource",
        "ListTagsForResource",
    ] {
        assert!(text.contains(&format!("\"operation\": \"{operation}\"")), "{operation} is not in the scenario");
    }
}
