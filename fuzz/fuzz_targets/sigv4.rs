#![no_main]
//! Any bytes as a signed request: a request line, header lines, an empty line, the body.

use libfuzzer_sys::fuzz_target;
use trombi::protocol::sigv4::{Claim, Head, ScopeService, SigningKeys};

/// 2026-03-04 05:06:07 UTC.
const NOW_S: i64 = 1_772_600_767;

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = (&bytes[..end], bytes.get(end + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let Ok(line) = std::str::from_utf8(lines.next().unwrap_or_default()) else { return };
    let (method, target) = line.split_once(' ').unwrap_or((line, "/"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Vec<(String, &[u8])> = Vec::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let Ok(name) = std::str::from_utf8(&line[..colon]) else { continue };
        headers.push((name.to_ascii_lowercase(), line.get(colon + 1..).unwrap_or_default()));
    }
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let head = Head { method, path, query, headers: &headers };
    let Ok(claim) = Claim::read(&head, ScopeService::Rekognition, NOW_S, None) else { return };
    let keys = SigningKeys::default();
    // A secret that no seed is signed with: whatever is accepted here would be a forgery.
    assert!(claim.verify("a secret that nobody has", body, &keys).is_err());
});
