//! A folder with hostile names in it, and an endpoint that misbehaves.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use super::*;

const BYTES_MAX: u64 = 1000;
const QUICK: Timeouts = Timeouts {
    connect: Duration::from_millis(500),
    answer: Duration::from_millis(1000),
    object: Duration::from_millis(1500),
};
/// Beyond the timeouts, for a loaded machine.
const GRACE: Duration = Duration::from_secs(3);

fn folder(root: &Path) -> Buckets {
    Buckets::open(BucketSource::Folder(root.to_owned())).unwrap()
}

fn is_unavailable(answer: &Result<Vec<u8>, BucketError>) -> bool {
    matches!(answer, Err(BucketError::Unavailable(_)))
}

#[test]
fn a_folder_gives_what_lies_in_it_under_any_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("photos/a b")).unwrap();
    let names =
        ["plain.jpg", "a b/with space.jpg", "größe 人 🙂.jpg", "per%2Fcent%2e%2e.jpg", "q?a#b&c=d+e.jpg", "..two dots"];
    for name in names {
        fs::write(dir.path().join("photos").join(name), name).unwrap();
        assert_eq!(folder(dir.path()).get("photos", name, None, BYTES_MAX).unwrap(), name.as_bytes(), "{name}");
    }
}

#[test]
fn a_folder_is_not_left() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("photos/inner")).unwrap();
    fs::create_dir_all(root.join("other")).unwrap();
    fs::create_dir_all(dir.path().join("outside")).unwrap();
    for file in ["secret", "outside/secret", "root/secret", "root/other/secret", "root/photos/in"] {
        fs::write(dir.path().join(file), "x").unwrap();
    }
    #[cfg(unix)]
    {
        let link = |to: &str, at: &str| std::os::unix::fs::symlink(dir.path().join(to), root.join(at)).unwrap();
        link("secret", "photos/link-out");
        link("root/other/secret", "photos/link-to-neighbour");
        link("outside", "photos/folder-out");
        link("outside", "bucket-out");
        link("root/photos/in", "photos/link-in");
        assert_eq!(folder(&root).get("photos", "link-in", None, BYTES_MAX).unwrap(), b"x");
    }
    let absolute = dir.path().join("secret").display().to_string();
    let keys = [
        "../secret",
        "../../secret",
        "inner/../in",
        "./in",
        "",
        "/",
        "in/",
        "/in",
        "inner//in",
        "..",
        ".",
        "inner",
        "%2e%2e/other/secret",
        "..%2fother%2fsecret",
        "..\\other\\secret",
        "in\0",
        "link-out",
        "link-to-neighbour",
        "folder-out/secret",
        "missing",
        &absolute,
    ];
    for key in keys {
        let answer = folder(&root).get("photos", key, None, BYTES_MAX);
        assert!(is_unavailable(&answer), "{key:?}: {answer:?}");
    }
    for bucket in ["..", ".", "", "missing", "bucket-out", "a/b", "photos/..", "...", "photos\0", "/root"] {
        let answer = folder(&root).get(bucket, "secret", None, BYTES_MAX);
        assert!(is_unavailable(&answer), "{bucket:?}: {answer:?}");
    }
    assert!(is_unavailable(&folder(&root).get("photos", "in", Some("v1"), BYTES_MAX)));
    assert!(is_unavailable(&folder(&dir.path().join("no-root")).get("photos", "in", None, BYTES_MAX)));
}

#[test]
fn too_large_a_file_is_refused_by_its_length() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("photos")).unwrap();
    for (bytes, fits) in [(999, true), (1000, true), (1001, false)] {
        fs::write(dir.path().join("photos/p"), vec![7; bytes]).unwrap();
        let answer = folder(dir.path()).get("photos", "p", None, BYTES_MAX);
        assert_eq!(answer.is_ok(), fits);
        assert!(fits || matches!(answer, Err(BucketError::TooLarge { bytes: 1001, bytes_max: 1000 })));
    }
}

/// Answers every request with what `respond` writes after the request's first line; the lines are collected.
fn endpoint(respond: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> (Buckets, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, respond) = (Arc::clone(&seen), Arc::new(respond));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, log, respond) = (stream.unwrap(), Arc::clone(&log), Arc::clone(&respond));
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().and_then(Result::ok).unwrap_or_default();
                let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                log.lock().unwrap().push(format!("{first}\n{}", headers.join("\n")));
                respond(&first, &mut stream);
            });
        }
    });
    let source = BucketSource::S3 {
        endpoint: Some(url),
        region: "us-east-1".to_owned(),
        access_key_id: "id".to_owned(),
        secret_access_key: "secret".to_owned(),
    };
    (Buckets::open_with(source, QUICK).unwrap(), seen)
}

const HEAD: &str = "ETag: \"e\"\r\nLast-Modified: Wed, 01 Apr 2026 10:00:00 GMT\r\nConnection: close\r\n";

fn say(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}

/// The answer, and that it came in time.
fn bounded(buckets: &Buckets) -> Result<Vec<u8>, BucketError> {
    let started = Instant::now();
    let answer = buckets.get("photos", "p.jpg", None, BYTES_MAX);
    assert!(started.elapsed() < QUICK.object + GRACE, "took {:?}", started.elapsed());
    answer
}

#[test]
fn an_endpoint_is_asked_by_path_with_a_signature_and_version() {
    let (buckets, seen) =
        endpoint(|_, stream| say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 5\r\n\r\nhello")));
    assert_eq!(buckets.get("photos", "a b/größe.jpg", Some("v 1"), BYTES_MAX).unwrap(), b"hello");
    let seen = seen.lock().unwrap();
    assert!(seen[0].starts_with("GET /photos/a%20b/gr%C3%B6%C3%9Fe.jpg?versionId=v"), "{}", seen[0]);
    assert!(seen[0].to_lowercase().contains("authorization: aws4-hmac-sha256 credential=id/"), "{}", seen[0]);
}

#[test]
fn missing_and_forbidden_objects_are_unavailable() {
    for status in ["404 Not Found", "403 Forbidden", "500 Internal Server Error", "301 Moved Permanently"] {
        let (buckets, _) = endpoint(move |_, stream| {
            say(stream, &format!("HTTP/1.1 {status}\r\n{HEAD}Content-Length: 6\r\n\r\n<Error"));
        });
        let answer = bounded(&buckets);
        assert!(is_unavailable(&answer), "{status}: {answer:?}");
    }
}

#[test]
fn an_announced_length_above_the_limit_is_refused_at_once() {
    let (buckets, _) =
        endpoint(|_, stream| say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 1001\r\n\r\nx")));
    assert!(matches!(bounded(&buckets), Err(BucketError::TooLarge { bytes: 1001, bytes_max: 1000 })));
}

#[test]
fn an_endless_body_ends_at_the_limit() {
    let (buckets, _) = endpoint(|_, stream| {
        say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n"));
        while stream.write_all(b"10\r\n0123456789abcdef\r\n").is_ok() {}
    });
    let answer = bounded(&buckets);
    // Without an announced length the client may refuse it outright; it must not read on.
    assert!(answer.is_err(), "{answer:?}");
}

#[test]
fn a_silent_endpoint_and_a_stalled_body_are_given_up() {
    let wait = || std::thread::sleep(Duration::from_secs(30));
    let (silent, _) = endpoint(move |_, _| wait());
    assert!(is_unavailable(&bounded(&silent)));
    let (stalled, _) = endpoint(move |_, stream| {
        say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 500\r\n\r\nbegin"));
        wait();
    });
    assert!(is_unavailable(&bounded(&stalled)));
    let (dripping, _) = endpoint(move |_, stream| {
        say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 900\r\n\r\n"));
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    assert!(is_unavailable(&bounded(&dripping)));
}

#[test]
fn a_body_cut_off_is_not_taken_for_the_object() {
    let (buckets, _) =
        endpoint(|_, stream| say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 500\r\n\r\nbegin")));
    assert!(is_unavailable(&bounded(&buckets)));
}

#[test]
fn nobody_listening_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let source = |endpoint: String| BucketSource::S3 {
        endpoint: Some(endpoint),
        region: "us-east-1".to_owned(),
        access_key_id: "id".to_owned(),
        secret_access_key: "secret".to_owned(),
    };
    let buckets = Buckets::open_with(source(format!("http://127.0.0.1:{port}")), QUICK).unwrap();
    assert!(is_unavailable(&bounded(&buckets)));
    assert!(matches!(Buckets::open(source("ftp://host".to_owned())), Err(BucketError::Unavailable(_))));
}
