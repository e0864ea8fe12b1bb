//! Fetches one file over HTTP: bounded in size and time, verified before anybody sees it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::redirect::{Attempt, Policy};
use sha2::{Digest, Sha256};

use super::catalogue::CatalogueFile;
use super::checksum;

const REDIRECTS_MAX: usize = 5;

/// How long a server may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until it answers, and between two reads.
    pub(super) idle: Duration,
    /// For the whole file, whatever its size.
    pub(super) total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30), total: Duration::from_secs(15 * 60) }
    }
}

/// Fetches `address` to `to`, synced. On failure says why; what came so far stays in `to` when it may be the beginning
/// of the file, and the next call goes on from there.
///
/// Runs on a thread of its own, because the blocking client must not run inside an async runtime.
pub(super) fn fetch(address: &str, file: &CatalogueFile, to: &Path, patience: Patience) -> Result<(), String> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| fetch_here(address, file, to, patience));
        worker.join().unwrap_or_else(|_| Err("the fetching thread failed".to_owned()))
    })
}

fn fetch_here(address: &str, file: &CatalogueFile, to: &Path, patience: Patience) -> Result<(), String> {
    let started = Instant::now();
    let client = client(patience).map_err(|error| chain(&error))?;
    let mut have = to.metadata().map_or(0, |metadata| metadata.len());
    if have >= file.bytes {
        have = 0;
    }
    let mut request = client.get(address);
    if have > 0 {
        request = request.header(reqwest::header::RANGE, format!("bytes={have}-"));
    }
    let response = request.send().map_err(|error| chain(&error))?;
    if !response.status().is_success() {
        return Err(format!("the server answered {}", response.status()));
    }
    if response.status() != StatusCode::PARTIAL_CONTENT {
        // It sends all of it, asked for or not.
        have = 0;
    }
    let rest = file.bytes - have;
    if let Some(bytes) = response.content_length().filter(|&bytes| bytes != rest) {
        return Err(format!("the server has {bytes} bytes, expected {rest}"));
    }
    let found = copy(response, file, to, have, started + patience.total)?;
    if found == file.sha256 {
        return Ok(());
    }
    let _ = fs::remove_file(to);
    Err(format!("altered: SHA-256 {found}, expected {}", file.sha256))
}

/// Appends to the first `have` bytes of `to`; gives the SHA-256 of all.
fn copy(
    mut response: Response,
    file: &CatalogueFile,
    to: &Path,
    have: u64,
    deadline: Instant,
) -> Result<String, String> {
    let cannot_write = |error: io::Error| format!("cannot write `{}`: {error}", to.display());
    let (mut out, mut hasher) = begin(to, have).map_err(cannot_write)?;
    let bar = progress_bar(&file.name, file.bytes);
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = have;
    loop {
        let count = response.read(&mut buffer).map_err(|error| format!("after {bytes} bytes: {}", chain(&error)))?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
        if bytes > file.bytes {
            return Err(format!("the server sends more than the expected {} bytes", file.bytes));
        }
        if Instant::now() > deadline {
            return Err(format!("too slow: {bytes} of {} bytes when the time was over", file.bytes));
        }
        hasher.update(&buffer[..count]);
        out.write_all(&buffer[..count]).map_err(cannot_write)?;
        bar.set_position(bytes);
    }
    bar.finish_and_clear();
    if bytes < file.bytes {
        return Err(format!("the answer ended after {bytes} of {} bytes", file.bytes));
    }
    out.sync_all().map_err(cannot_write)?;
    Ok(checksum::hex(&hasher.finalize()))
}

/// Opens `to` for going on after its first `have` bytes, which are hashed.
fn begin(to: &Path, have: u64) -> io::Result<(File, Sha256)> {
    let mut out = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(to)?;
    out.set_len(have)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = out.read(&mut buffer)?;
        if count == 0 {
            return Ok((out, hasher));
        }
        hasher.update(&buffer[..count]);
    }
}

fn client(patience: Patience) -> reqwest::Result<Client> {
    install_crypto();
    Client::builder()
        .user_agent(concat!("trombi/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(patience.idle)
        .timeout(patience.idle)
        .redirect(Policy::custom(follow))
        .build()
}

fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let was_https = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > REDIRECTS_MAX {
        attempt.error("too many redirects")
    } else if was_https && attempt.url().scheme() != "https" {
        attempt.error("a redirect from https to plain http")
    } else {
        attempt.follow()
    }
}

/// Makes ring the process's crypto provider, unless somebody else chose one before.
pub(super) fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error only says that a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// A bar on stderr; invisible when stderr is no terminal.
pub(super) fn progress_bar(name: &str, bytes: u64) -> ProgressBar {
    let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style).with_message(name.to_owned())
}

/// The error with its causes: reqwest's own text leaves out what went wrong underneath.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = Vec::new();
    for text in causes.map(ToString::to_string) {
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
