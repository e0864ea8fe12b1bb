//! `trombi serve` as a process: starting, a second one, stopping.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use aws_sdk_rekognition::primitives::Blob;
use aws_sdk_rekognition::types::Image;

use crate::support::clients::{clients, run};
use crate::support::sdk;
use crate::support::server::{Server, trombi};

fn address(server: &Server) -> &str {
    server.endpoint.strip_prefix("http://").unwrap()
}

/// One plain HTTP/1.1 exchange; the whole answer.
fn exchange(server: &Server, request: &str) -> String {
    let mut connection = TcpStream::connect(address(server)).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

fn get(server: &Server, path: &str) -> String {
    let host = address(server);
    exchange(server, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

#[test]
fn a_started_server_is_ready_and_counts() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    assert!(get(&server, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(&server, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(get(&server, "/metrics").contains("trombi_"));
}

#[test]
fn a_second_process_on_the_directory_ends_with_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Server::start(directory.path(), &[]);
    let second =
        trombi(directory.path()).args(["serve", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(second.status.code(), Some(5));
    let errors = String::from_utf8(second.stderr).unwrap();
    assert_eq!(errors.lines().filter(|line| line.starts_with("trombi: ")).count(), 1, "{errors}");
}

#[test]
fn the_secret_is_printed_once_and_keeps_working() {
    let directory = tempfile::tempdir().unwrap();
    let first = Server::start(directory.path(), &[]);
    let (id, secret) = (first.access_key_id.clone(), first.secret_access_key.clone());
    assert_eq!(secret.len(), 40);
    drop(first);
    let second = Server::start(directory.path(), &[]);
    assert_eq!((second.access_key_id.as_str(), second.secret_access_key.as_str()), (id.as_str(), ""));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = sdk::client(&second.endpoint, &id, &secret);
    runtime.block_on(client.list_collections().send()).unwrap();
    let wrong = sdk::client(&second.endpoint, &id, "another");
    let refused = runtime.block_on(wrong.list_collections().send()).unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("InvalidSignatureException"));
}

#[cfg(unix)]
#[test]
fn the_printed_lines_work_as_printed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let exports: Vec<&str> = server.printed.iter().map(String::as_str).filter(|l| l.starts_with("export ")).collect();
    let example = "import boto3\nrekognition = boto3.client(\"rekognition\")\nprint(rekognition.list_collections())\n";
    let script = format!("{}\nexec \"$0\" -c '{example}'", exports.join("\n"));
    let mut shell = Command::new("sh");
    for variable in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_REKOGNITION"] {
        shell.env_remove(variable);
    }
    let output = run(shell.arg("-c").arg(script).arg(&clients().python).env("HOME", directory.path()));
    assert!(String::from_utf8(output.stdout).unwrap().contains("'CollectionIds': []"));
}

#[test]
fn unsigned_requests_are_for_no_auth_only() {
    let request = |server: &Server| {
        let host = address(server);
        let head = "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: RekognitionService.ListCollections";
        exchange(
            server,
            &format!("POST / HTTP/1.1\r\nHost: {host}\r\n{head}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"),
        )
    };
    let directory = tempfile::tempdir().unwrap();
    let strict = Server::start(directory.path(), &[]);
    assert!(request(&strict).contains("MissingAuthenticationTokenException"));
    drop(strict);
    let open = Server::start(directory.path(), &["--no-auth"]);
    assert!(request(&open).starts_with("HTTP/1.1 200"));
    let outside = trombi(directory.path()).args(["serve", "--listen", "0.0.0.0:0", "--no-auth"]).output().unwrap();
    assert_eq!(outside.status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn terminate_finishes_answers_in_flight() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(directory.path(), &[]);
    let client = sdk::client(&server.endpoint, &server.access_key_id, &server.secret_access_key);
    let picture = Blob::new(std::fs::read(&clients().portrait_png).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let in_flight: Vec<_> = (0..4)
        .map(|_| {
            let call = client.detect_faces().image(Image::builder().bytes(picture.clone()).build()).send();
            runtime.spawn(call)
        })
        .collect();
    // All have arrived: each is under way or answered already.
    let arrived = |metrics: &str| -> u32 {
        let value = |line: &str| line.rsplit(' ').next().and_then(|number| number.parse::<u32>().ok()).unwrap_or(0);
        let counted = ["trombi_requests_in_flight", "trombi_requests_total"];
        metrics.lines().filter(|line| counted.iter().any(|name| line.starts_with(name))).map(value).sum()
    };
    while arrived(&get(&server, "/metrics")) < 4 {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap().success());
    for call in in_flight {
        assert_eq!(runtime.block_on(call).unwrap().unwrap().face_details().len(), 1);
    }
    assert_eq!(server.wait().code(), Some(0));
}
