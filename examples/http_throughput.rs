//! SearchFacesByImage through HTTP against the same calls on the library, in turn, in one process.
//!
//! `http_throughput --list FILE [--clients 8] [--seconds 8] [--rounds 3]`: `--list` names one picture a line. Half of
//! the pictures are enrolled; all are searched. Prints requests per second of both, their ratio round by round, and
//! the latency's p50 and p99.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a measurement stops at the first failure and prints"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use trombi::gallery::{CollectionId, ExternalImageId};
use trombi::models::{self, SetupOptions};
use trombi::operations::types::{ImageSource, QualityFilter, Tags};
use trombi::operations::{
    Oversight, Request, Service, Settings, create_collection, index_faces, search_faces_by_image,
};
use trombi::policy::Principal;
use trombi::protocol::server::{Auth, Server, ServerOptions};
use trombi::store::buckets::{BucketSource, Buckets};
use trombi::store::{AccessKey, KeyBinding, Store};
use trombi::vision::Vision;

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
struct Arguments {
    /// One picture a line.
    #[arg(long)]
    list: PathBuf,
    /// Connections at once.
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Length of each measurement.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Measurements of each kind, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

fn main() -> Fallible<()> {
    let arguments = Arguments::parse();
    let list = std::fs::read_to_string(&arguments.list)?;
    let pictures: Vec<Vec<u8>> =
        list.lines().filter(|line| !line.is_empty()).map(std::fs::read).collect::<Result<_, _>>()?;
    let directory = tempfile::tempdir()?;
    let cores = std::thread::available_parallelism()?.get();
    let (service, key) = service(directory.path(), cores)?;
    enrol(&service, &pictures)?;

    let runtime = tokio::runtime::Runtime::new()?;
    let options = ServerOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        auth: Auth::SigV4,
        tls: None,
        running_max: 4 * cores,
        queue_max: 256,
    };
    let server = runtime.block_on(Server::bind(&options))?;
    let address = server.address();
    let api: Arc<dyn trombi::protocol::Api> = service.clone();
    runtime.spawn(server.serve(api, std::future::pending()));

    let length = Duration::from_secs(arguments.seconds);
    let requests: Vec<Vec<u8>> = pictures.iter().map(|bytes| signed(address, &key, bytes)).collect();
    measure(cores, Duration::from_secs(1), |_, n| search(&service, &pictures[n % pictures.len()]));
    for round in 1..=arguments.rounds {
        let library = measure(cores, length, |_, n| search(&service, &pictures[n % pictures.len()]));
        let crowded = measure(arguments.clients, length, |_, n| search(&service, &pictures[n % pictures.len()]));
        let connections: Vec<_> =
            (0..arguments.clients).map(|_| TcpStream::connect(address)).collect::<Result<_, _>>()?;
        let http =
            measure(arguments.clients, length, |client, n| call(&connections[client], &requests[n % requests.len()]));
        println!(
            "round {round}: library {:.1}/s on {cores} threads, {:.1}/s on {}; HTTP {:.1}/s with {} clients, {:.1} % of it; p50 {:.1} ms, p99 {:.1} ms",
            library.rate,
            crowded.rate,
            arguments.clients,
            http.rate,
            arguments.clients,
            100.0 * http.rate / library.rate,
            http.percentile_ms(0.50),
            http.percentile_ms(0.99),
        );
    }
    Ok(())
}

fn service(directory: &std::path::Path, cores: usize) -> Fallible<(Arc<Service>, AccessKey)> {
    let installed = models::install(&SetupOptions {
        models_dir: None,
        shared_dir: models::shared_dir(),
        ..SetupOptions::new(PathBuf::from("target/trombi-bench"))
    })?;
    let vision = Vision::open(&installed.vision_options(cores, 256))?;
    let store = Store::open(&directory.join("data"))?;
    let key = store.create_key(&KeyBinding::default())?;
    let buckets = Buckets::open(BucketSource::Folder(directory.join("buckets")))?;
    let settings = Settings {
        model_version: installed.model_version,
        calibrations: installed.calibrations,
        ..Settings::default()
    };
    let oversight = Oversight::personal(&directory.join("ledger"))?;
    Ok((Arc::new(Service::new(Box::new(vision), store, buckets, settings, oversight)?), key))
}

fn collection() -> CollectionId {
    CollectionId::parse("load").unwrap_or_else(|| unreachable!("a fixed name that fits"))
}

fn enrol(service: &Service, pictures: &[Vec<u8>]) -> Fallible<()> {
    let create = create_collection::Input { collection_id: collection(), tags: Tags::new() };
    service.execute(&Principal::Local, Request::CreateCollection(create))?;
    for (index, bytes) in pictures.iter().enumerate().step_by(2) {
        let input = index_faces::Input {
            collection_id: collection(),
            image: ImageSource::Bytes(bytes.clone()),
            external_image_id: ExternalImageId::parse(&format!("picture-{index}")),
            faces_max: Some(1),
            quality_filter: QualityFilter::None,
        };
        service.execute(&Principal::Local, Request::IndexFaces(input))?;
    }
    Ok(())
}

fn search(service: &Service, bytes: &[u8]) {
    let input = search_faces_by_image::Input {
        collection_id: collection(),
        image: ImageSource::Bytes(bytes.to_vec()),
        faces_max: Some(5),
        threshold: None,
        quality_filter: QualityFilter::None,
    };
    service.execute(&Principal::Local, Request::SearchFacesByImage(input)).expect("every picture has a face");
}

/// Calls finished by a number of threads in a time.
struct Measured {
    rate: f64,
    latencies: Vec<Duration>,
}

impl Measured {
    fn percentile_ms(&self, share: f64) -> f64 {
        let place = (share * (self.latencies.len() - 1) as f64).round() as usize;
        1000.0 * self.latencies[place].as_secs_f64()
    }
}

fn measure(threads: usize, length: Duration, one: impl Fn(usize, usize) + Sync) -> Measured {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let mut latencies: Vec<Duration> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (next, one) = (&next, &one);
                scope.spawn(move || {
                    let mut latencies = Vec::new();
                    while started.elapsed() < length {
                        let begun = Instant::now();
                        one(thread, next.fetch_add(1, Ordering::Relaxed));
                        latencies.push(begun.elapsed());
                    }
                    latencies
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no call panics")).collect()
    });
    let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
    latencies.sort();
    Measured { rate, latencies }
}

/// One request on a kept connection; reads the whole answer.
fn call(connection: &TcpStream, request: &[u8]) {
    let mut connection = connection;
    connection.write_all(request).expect("the server reads");
    let mut reader = BufReader::new(connection);
    let mut status = String::new();
    reader.read_line(&mut status).expect("the server answers");
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the whole body");
    assert!(status.contains(" 200 "), "{status}{}", String::from_utf8_lossy(&body));
}

/// A whole request as the SDKs send it, signed once; good for 15 minutes.
fn signed(address: SocketAddr, key: &AccessKey, picture: &[u8]) -> Vec<u8> {
    let image = base64_simd::STANDARD.encode_to_string(picture);
    let body = format!(r#"{{"CollectionId":"load","Image":{{"Bytes":"{image}"}},"MaxFaces":5}}"#);
    let time = amz_date(address);
    let (date, scope) = (&time[..8], format!("{}/us-east-1/rekognition/aws4_request", &time[..8]));
    let headers = format!(
        "content-type:application/x-amz-json-1.1\nhost:{address}\nx-amz-date:{time}\nx-amz-target:RekognitionService.SearchFacesByImage\n"
    );
    let names = "content-type;host;x-amz-date;x-amz-target";
    let canonical = format!("POST\n/\n\n{headers}\n{names}\n{}", hex(&Sha256::digest(body.as_bytes())));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mut signing_key = format!("AWS4{}", key.secret).into_bytes();
    for part in [date, "us-east-1", "rekognition", "aws4_request"] {
        signing_key = hmac(&signing_key, part.as_bytes());
    }
    let signature = hex(&hmac(&signing_key, to_sign.as_bytes()));
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Date: {time}\r\n\
         X-Amz-Target: RekognitionService.SearchFacesByImage\r\nContent-Length: {}\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential={}/{scope}, SignedHeaders={names}, Signature={signature}\r\n\r\n",
        body.len(),
        key.id
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length of key");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20261122T031415Z`, from the server's own `Date` header.
fn amz_date(address: SocketAddr) -> String {
    let mut connection = TcpStream::connect(address).expect("the server listens");
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("the server reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("the server answers");
    // "date: Sun, 22 Nov 2026 03:14:15 GMT"
    let line = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("date:")).expect("a date");
    let words: Vec<&str> = line.split([' ', ':']).filter(|word| !word.is_empty()).collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = 1 + months.iter().position(|m| *m == words[3]).expect("a month");
    format!("{}{month:02}{}T{}{}{}Z", words[4], words[2], words[5], words[6], words[7])
}
