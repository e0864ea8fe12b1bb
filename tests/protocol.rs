//! The server over real sockets, with clients that behave badly. The operations behind it are a stand-in.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use trombi::operations::{Answered, Caller, OperationError, Request, Response, Signer, list_collections};
use trombi::policy::Meter;
use trombi::protocol::Api;
use trombi::protocol::server::{Auth, Limits, Server, ServerError, ServerOptions};

/// Answers by the request's page token: `slow` takes its time, `panic` panics.
#[derive(Default)]
struct Stand {
    meter: Meter,
    running: AtomicUsize,
    running_most: AtomicUsize,
    ended: AtomicUsize,
}

const SLOW: Duration = Duration::from_millis(600);

impl Api for Stand {
    fn answer(&self, _: &Caller, request: Request) -> Answered<Response> {
        Answered { result: self.act(request), receipt: None, floor: None }
    }

    fn signer_of(&self, _: &str, _: Option<&str>) -> Result<Signer, OperationError> {
        Ok(Signer::Unknown)
    }

    fn ledger_file(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }

    fn face_count(&self) -> u64 {
        42
    }
}

impl Stand {
    fn act(&self, request: Request) -> Result<Response, OperationError> {
        let Request::ListCollections(input) = request else { return Err(OperationError::NoFace) };
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.running_most.fetch_max(now, Ordering::SeqCst);
        let token = input.next_token.unwrap_or_default();
        if token == "slow" {
            sleep(SLOW);
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.ended.fetch_add(1, Ordering::SeqCst);
        assert!(token != "panic", "asked to");
        // Large enough to fill the buffers between a server and a client that does not read.
        let next_token = (token == "large").then(|| "x".repeat(32 * 1024 * 1024));
        Ok(Response::ListCollections(list_collections::Output { collections: vec![], next_token }))
    }
}

struct Running {
    address: SocketAddr,
    stand: Arc<Stand>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

fn options() -> ServerOptions {
    let listen = ([127, 0, 0, 1], 0).into();
    ServerOptions { listen, auth: Auth::Off, tls: None, running_max: 4, queue_max: 256 }
}

fn start(options: ServerOptions, limits: Limits) -> Running {
    let stand = Arc::new(Stand::default());
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (tell, told) = mpsc::channel();
    let api = Arc::clone(&stand);
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::bind_with_limits(&options, limits).await.unwrap();
            tell.send(server.address()).unwrap();
            server.serve(api, async { drop(stopped.await) }).await.unwrap();
        });
    });
    Running { address: told.recv().unwrap(), stand, stop: Some(stop), thread: Some(thread) }
}

fn plain() -> Running {
    start(options(), Limits::default())
}

impl Running {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends the bytes and reads to the connection's end.
    fn tell(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        rest(&mut stream)
    }

    fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn head(more: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: RekognitionService.ListCollections\r\n{more}\r\n")
}

fn post(body: &str, more: &str) -> String {
    head(&format!("Content-Length: {}\r\n{more}", body.len())) + body
}

const CLOSE: &str = "Connection: close\r\n";

fn body_of(answer: &str) -> serde_json::Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn assert_error(answer: &str, status: u16, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(&format!("x-amzn-errortype: {code}\r\n")), "{answer}");
    assert!(answer.contains("content-type: application/x-amz-json-1.1\r\n"), "{answer}");
    assert_eq!(body_of(answer)["__type"], code);
}

#[test]
fn an_answer_has_all_its_headers() {
    let answer = plain().tell(post("{}", CLOSE).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for header in
        ["x-amzn-requestid: ", "date: ", "content-type: application/x-amz-json-1.1\r\n", "content-length: 43\r\n"]
    {
        assert!(answer.contains(header), "{header}: {answer}");
    }
    assert_eq!(body_of(&answer), serde_json::json!({"CollectionIds": [], "FaceModelVersions": []}));
}

#[test]
fn requests_share_a_connection_one_after_another_and_at_once() {
    let server = plain();
    let both = post("{}", "") + &post("{}", CLOSE);
    assert_eq!(server.tell(both.as_bytes()).matches("HTTP/1.1 200 OK").count(), 2);
}

#[test]
fn the_pages_are_for_everybody_and_held_to_a_strict_policy() {
    let server = plain();
    let get = |line: &str, more: &str| {
        server.tell(format!("{line} HTTP/1.1\r\nHost: localhost\r\n{more}{CLOSE}\r\n").as_bytes())
    };
    let page = get("GET /", "");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<!doctype html>"), "{page}");
    let lower = page.to_ascii_lowercase();
    let header = |name: &str| {
        let line = lower.lines().find(|line| line.starts_with(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name}")).split_once(": ").unwrap().1.to_owned()
    };
    let policy = header("content-security-policy");
    for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "connect-src 'self'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-cache");

    // A browser that has it is told so; HEAD sends no body.
    let known = get("GET /", &format!("If-None-Match: \"x\", {}\r\n", header("etag")));
    assert!(known.starts_with("HTTP/1.1 304") && !known.contains("<!doctype"), "{known}");
    assert!(known.to_ascii_lowercase().contains("content-security-policy"));
    let head = get("HEAD /console/start.js", "");
    assert!(head.starts_with("HTTP/1.1 200") && head.to_ascii_lowercase().contains("content-type: text/javascript"));
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    assert!(page.contains("name=\"trombi-signed-requests\" content=\"false\""));
    // Rebinding: a name that is not this machine's gets no page from a server without signatures.
    let foreign = server.tell(format!("GET / HTTP/1.1\r\nHost: evil.example\r\n{CLOSE}\r\n").as_bytes());
    assert_error(&foreign, 400, "AccessDeniedException");
}

#[test]
fn every_path_is_the_api_and_other_methods_are_not() {
    let server = plain();
    for path in ["/", "/prefix/", "/a%20b/c", "http://localhost/"] {
        let request = post("{}", CLOSE).replacen("POST /", &format!("POST {path}"), 1);
        assert!(server.tell(request.as_bytes()).starts_with("HTTP/1.1 200"), "{path}");
    }
    for line in ["GET /nothing", "GET /console/../trombi.sqlite", "PUT /", "DELETE /healthz", "OPTIONS /"] {
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n");
        assert_error(&server.tell(request.as_bytes()), 404, "UnknownOperationException");
    }
    for path in ["/healthz", "/readyz"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n");
        assert!(server.tell(request.as_bytes()).starts_with("HTTP/1.1 200"), "{path}");
    }
}

#[test]
fn targets_that_name_nothing_are_refused() {
    let server = plain();
    let good = post("{}", CLOSE);
    let line = "X-Amz-Target: RekognitionService.ListCollections\r\n";
    for other in ["", "X-Amz-Target: ListCollections\r\n", "X-Amz-Target: RekognitionService.Nothing\r\n"] {
        assert_error(&server.tell(good.replace(line, other).as_bytes()), 400, "UnknownOperationException");
    }
    assert_error(&server.tell(good.replace(line, &line.repeat(2)).as_bytes()), 400, "UnknownOperationException");
    let labels = good.replace("ListCollections", "DetectLabels");
    let answer = server.tell(labels.as_bytes());
    assert!(answer.contains("DetectLabels is not served by this Trombi"), "{answer}");
}

#[test]
fn errors_of_operations_have_the_modeled_form() {
    let server = plain();
    let request = post("{\"CollectionId\":\"c\"}", CLOSE).replace("ListCollections", "DescribeCollection");
    let answer = server.tell(request.as_bytes());
    assert_error(&answer, 400, "InvalidParameterException");
    let body = body_of(&answer);
    assert_eq!(body["Message"], "There are no faces in the image. Should be at least 1.");
    assert!(answer.contains(&format!("x-amzn-requestid: {}\r\n", body["Logref"].as_str().unwrap())));
}

#[test]
fn unsigned_requests_are_refused_before_their_body() {
    let server = start(ServerOptions { auth: Auth::SigV4, ..options() }, Limits::default());
    let mut stream = server.connect();
    stream.write_all(head("Content-Length: 1000000\r\n").as_bytes()).unwrap();
    let mut bytes = [0; 4096];
    let length = stream.read(&mut bytes).unwrap();
    let answer = String::from_utf8_lossy(&bytes[..length]).into_owned();
    assert_error(&answer, 400, "MissingAuthenticationTokenException");
}

#[test]
fn without_signatures_only_loopback_names_are_answered() {
    let server = plain();
    for host in ["evil.example", "localhost.evil.example:80", "10.1.2.3", ""] {
        let request = post("{}", CLOSE).replace("Host: localhost", &format!("Host: {host}"));
        assert_error(&server.tell(request.as_bytes()), 400, "AccessDeniedException");
    }
    for host in ["127.0.0.1:1", "[::1]:8080", "LOCALHOST"] {
        let request = post("{}", CLOSE).replace("Host: localhost", &format!("Host: {host}"));
        assert!(server.tell(request.as_bytes()).starts_with("HTTP/1.1 200"), "{host}");
    }
    let request = post("{}", CLOSE).replace("POST /", "POST http://evil.example/");
    assert_error(&server.tell(request.as_bytes()), 400, "AccessDeniedException");
}

#[test]
fn without_signatures_only_loopback_is_bound() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = ServerOptions { listen: ([0, 0, 0, 0], 0).into(), ..options() };
    let error: ServerError = runtime.block_on(Server::bind(&options)).err().unwrap();
    assert!(error.to_string().contains("0.0.0.0:0"), "{error}");
}

#[test]
fn slow_heads_are_cut_off() {
    let server = start(options(), Limits { header_timeout: Duration::from_millis(300), ..Limits::default() });
    let started = Instant::now();
    for sent in ["", "POST / HTTP/1.1\r\nHost: loc"] {
        let answer = server.tell(sent.as_bytes());
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn slow_bodies_are_cut_off() {
    let server = start(options(), Limits { body_timeout: Duration::from_millis(300), ..Limits::default() });
    let answer = server.tell((head("Content-Length: 100\r\n") + "{").as_bytes());
    assert_error(&answer, 408, "RequestTimeoutException");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[test]
fn a_trickling_body_is_cut_off() {
    let server = start(options(), Limits { body_timeout: Duration::from_millis(300), ..Limits::default() });
    let mut stream = server.connect();
    stream.write_all(head("Content-Length: 100000\r\n").as_bytes()).unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) && stream.write_all(b" ").is_ok() {
        sleep(Duration::from_millis(50));
        if started.elapsed() > Duration::from_millis(700) {
            break;
        }
    }
    assert_error(&rest(&mut stream), 408, "RequestTimeoutException");
}

#[test]
fn bodies_over_the_limit_are_refused_in_json() {
    let server = start(options(), Limits { body_bytes_max: 1000, ..Limits::default() });
    let fits = format!("{{}}{}", " ".repeat(998));
    assert!(server.tell(post(&fits, CLOSE).as_bytes()).starts_with("HTTP/1.1 200"));
    let over = fits.clone() + " ";
    assert_error(&server.tell(post(&over, "").as_bytes()), 413, "RequestEntityTooLargeException");
    let chunked = |body: &str| {
        let mut sent = head("Transfer-Encoding: chunked\r\nConnection: close\r\n");
        for piece in body.as_bytes().chunks(100) {
            write!(sent, "{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece)).unwrap();
        }
        sent + "0\r\n\r\n"
    };
    assert!(server.tell(chunked(&fits).as_bytes()).starts_with("HTTP/1.1 200"));
    assert_error(&server.tell(chunked(&over).as_bytes()), 413, "RequestEntityTooLargeException");
    let lie = head("Content-Length: 99999999999999999999\r\n");
    assert!(server.tell(lie.as_bytes()).starts_with("HTTP/1.1 400"));
}

#[test]
fn a_client_that_sends_all_before_it_reads_sees_the_refusal() {
    let server = plain();
    let body = " ".repeat(20 * 1024 * 1024);
    let answer = server.tell(post(&body, CLOSE).as_bytes());
    assert_error(&answer, 413, "RequestEntityTooLargeException");
}

#[test]
fn bodies_in_flight_share_a_budget() {
    let limits = Limits { bodies_bytes_max: 200 * 1024, ..Limits::default() };
    let server = start(options(), limits);
    let mut holder = server.connect();
    holder.write_all(head("Content-Length: 150000\r\n").as_bytes()).unwrap();
    sleep(Duration::from_millis(200));
    let answer = server.tell(post(&format!("{{}}{}", " ".repeat(100_000)), CLOSE).as_bytes());
    assert_error(&answer, 400, "ThrottlingException");
    assert!(answer.contains("x-amz-retry-after: 500\r\n"), "{answer}");
    drop(holder);
    sleep(Duration::from_millis(200));
    let answer = server.tell(post(&format!("{{}}{}", " ".repeat(100_000)), CLOSE).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn clients_that_hang_up_leave_nothing_behind() {
    let server = start(ServerOptions { running_max: 1, queue_max: 1, ..options() }, Limits::default());
    for _ in 0..20 {
        server.connect().write_all((head("Content-Length: 100\r\n") + "{").as_bytes()).unwrap();
    }
    let slow = post("{\"NextToken\":\"slow\"}", "");
    server.connect().write_all(slow.as_bytes()).unwrap();
    sleep(SLOW + Duration::from_millis(300));
    assert!(server.tell(post("{}", CLOSE).as_bytes()).starts_with("HTTP/1.1 200"));
    let metrics = server.tell(format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n").as_bytes());
    assert!(metrics.contains("trombi_requests_in_flight 0\n"), "{metrics}");
}

#[test]
fn a_client_that_never_reads_is_cut_off() {
    let limits = Limits { write_timeout: Duration::from_millis(300), ..Limits::default() };
    let mut server = start(options(), limits);
    let mut stream = server.connect();
    stream.write_all(post("{\"NextToken\":\"large\"}", "").as_bytes()).unwrap();
    sleep(Duration::from_millis(1500));
    let started = Instant::now();
    server.stop();
    assert!(started.elapsed() < Duration::from_secs(5), "the connection was still open");
    assert!(rest(&mut stream).len() < 32 * 1024 * 1024);
}

#[test]
fn garbage_is_refused() {
    let server = plain();
    for bytes in
        [&b"\x16\x03\x01\x02\x00\x01"[..], b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\nHost\r\n\r\n", &[0xff; 100]]
    {
        let answer = server.tell(bytes);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let endless = format!("POST / HTTP/1.1\r\nA: {}", "a".repeat(300_000));
    let mut stream = server.connect();
    let _ = stream.write_all(endless.as_bytes());
    assert!(!rest(&mut stream).contains(" 200 "));
    assert!(server.tell(post("{}", CLOSE).as_bytes()).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_client_may_ask_before_it_sends() {
    let server = plain();
    let mut stream = server.connect();
    stream.write_all(head("Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n").as_bytes()).unwrap();
    let mut bytes = [0; 100];
    let length = stream.read(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").unwrap();
    assert!(rest(&mut stream).starts_with("HTTP/1.1 200"));
    let mut stream = server.connect();
    stream.write_all(head("Content-Length: 99999999\r\nExpect: 100-continue\r\n").as_bytes()).unwrap();
    assert_error(&rest(&mut stream), 413, "RequestEntityTooLargeException");
}

#[test]
fn overload_is_throttled_and_running_operations_are_bounded() {
    let server = start(ServerOptions { running_max: 2, queue_max: 2, ..options() }, Limits::default());
    let answers: Vec<String> = thread::scope(|scope| {
        let ask = || server.tell(post("{\"NextToken\":\"slow\"}", CLOSE).as_bytes());
        let asked: Vec<_> = (0..10).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.starts_with("HTTP/1.1 200"));
    assert_eq!((done.len(), refused.len()), (4, 6));
    for answer in refused {
        assert_error(answer, 400, "ThrottlingException");
        assert!(answer.contains("x-amz-retry-after: 500\r\n"));
    }
    assert_eq!(server.stand.running_most.load(Ordering::SeqCst), 2);
}

#[test]
fn a_panic_is_an_internal_error_of_one_request() {
    let server = plain();
    let both = post("{\"NextToken\":\"panic\"}", "") + &post("{}", CLOSE);
    let answer = server.tell(both.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.contains("\"Message\":\"Internal server error\"") && answer.contains("HTTP/1.1 200 OK"), "{answer}");
}

#[test]
fn metrics_count_answers_by_operation_and_outcome() {
    let server = plain();
    server.stand.meter.record("ListCollections", trombi::policy::Outcome::Denied);
    server.tell(post("{}", CLOSE).as_bytes());
    server.tell(post("[]", CLOSE).as_bytes());
    let text = server.tell(format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n").as_bytes());
    for line in [
        "trombi_requests_total{operation=\"ListCollections\",outcome=\"ok\"} 1",
        "trombi_requests_total{operation=\"ListCollections\",outcome=\"SerializationException\"} 1",
        "trombi_request_duration_seconds_count{operation=\"ListCollections\"} 2",
        "trombi_decisions_total{operation=\"ListCollections\",outcome=\"denied\"} 1",
        "trombi_requests_in_flight 0",
        "trombi_faces_enrolled 42",
        "trombi_build_info{version=",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn a_stop_lets_answers_finish() {
    let mut server = plain();
    let mut stream = server.connect();
    stream.write_all(post("{\"NextToken\":\"slow\"}", "").as_bytes()).unwrap();
    sleep(Duration::from_millis(150));
    server.stop();
    assert!(rest(&mut stream).starts_with("HTTP/1.1 200"));
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn two_hundred_connections_are_served() {
    let server = plain();
    let mut streams: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();
    for stream in &mut streams {
        stream.write_all(post("{}", CLOSE).as_bytes()).unwrap();
    }
    for stream in &mut streams {
        let answer = rest(stream);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[test]
fn connections_over_the_limit_are_closed_and_room_comes_back() {
    let server = start(options(), Limits { connections_max: 2, ..Limits::default() });
    let holders = [server.connect(), server.connect()];
    sleep(Duration::from_millis(200));
    assert_eq!(rest(&mut server.connect()), "");
    drop(holders);
    sleep(Duration::from_millis(200));
    assert!(server.tell(post("{}", CLOSE).as_bytes()).starts_with("HTTP/1.1 200"));
}

#[test]
fn tls_is_served_and_silent_handshakes_end() {
    let directory = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (directory.path().join("chain.pem"), directory.path().join("key.pem"));
    std::fs::write(&chain, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let tls = Some((chain, key.clone()));
    let limits = Limits { handshake_timeout: Duration::from_millis(300), ..Limits::default() };
    let server = start(ServerOptions { tls, ..options() }, limits);
    assert_eq!(server.tell(b""), "");

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(client, server.connect());
    stream.write_all(post("{}", CLOSE).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wrong = ServerOptions { tls: Some((key.clone(), key)), ..options() };
    assert!(runtime.block_on(Server::bind(&wrong)).is_err());
}
