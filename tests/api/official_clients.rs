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

/// Steps in the scenario's order; ids, tokens and times replaced, numbers rounded to what every machine agrees on.
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
        // Degrees, percents and ratios: a processor with other vector units may differ in the last digits.
        Value::Number(number) => {
            let digits = if ["Left", "Top", "Width", "Height", "X", "Y"].contains(&name) { 100.0 } else { 1.0 };
            // JavaScript writes 80.0 as 80, and nobody means -0.0.
            serde_json::json!(number.as_f64().map(|v| (v * digits).round() / digits + 0.0))
        }
        other => other.clone(),
    }
}

fn boto3(folder: &Path) -> Command {
    let mut command = Command::new(&clients().python);
    command.arg("tests/clients/run_boto3.py").arg(scenario()).arg(folder);
    command
}

#[test]
fn boto3_runs_every_operation() {
    insta::assert_json_snapshot!("scenario", results(boto3));
}

#[test]
fn javascript_sdk_sees_what_boto3_sees() {
    let by_sdk = results(|folder| {
        let mut command = Command::new(&clients().node);
        command.arg("tests/clients/run_sdk.mjs").arg(scenario()).arg(folder).arg(&clients().packages);
        command
    });
    insta::assert_json_snapshot!("scenario", by_sdk);
}

#[test]
fn aws_cli_sees_what_boto3_sees() {
    let by_cli = results(|folder| {
        let mut command = Command::new(&clients().python);
        command.arg("tests/clients/run_cli.py").arg(scenario()).arg(folder);
        command
    });
    insta::assert_json_snapshot!("scenario", by_cli);
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
