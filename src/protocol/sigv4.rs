//! Signature Version 4 in its header form, verified as AWS documents it ("Create a signed AWS API request").
//!
//! Two steps, so that a stranger's body is never read into memory: [`Claim::read`] judges the head alone
//! (form, scope, clock), [`Claim::verify`] the signature over head and body. Pure: the clock is an argument.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// How far the client's clock may be off, either way, seconds.
pub const WINDOW_S: i64 = 15 * 60;
/// Derived keys kept; one is one access key on one day in one region.
const KEYS_MAX: usize = 256;

/// Why a request is not believed. The texts are AWS's where AWS's are known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not signed at all.
    #[error("Missing Authentication Token")]
    Missing,
    /// A part of the signature is missing or malformed.
    #[error("{0}")]
    Incomplete(String),
    /// Signed in the query string.
    #[error("Presigned requests are not accepted: sign the request with an Authorization header.")]
    Presigned,
    /// The access key is not ours.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The session token is not one of ours, or not this key's.
    #[error(
        "The security token included in the request is invalid. Session tokens are those of this service's own AssumeRole; unset AWS_SESSION_TOKEN to sign with an access key alone."
    )]
    SessionToken,
    /// The session has ended.
    #[error("The security token included in the request is expired")]
    SessionExpired,
    /// Signed for another day, region or service.
    #[error("{0}")]
    Scope(String),
    /// A header that must be signed is not.
    #[error("{0}")]
    NotSigned(String),
    /// The client's clock is behind, or the request was kept back.
    #[error("Signature expired: {signed} is now earlier than {limit} ({now} - 15 min.)")]
    Expired {
        /// When it was signed.
        signed: String,
        /// The earliest time accepted.
        limit: String,
        /// This machine's time.
        now: String,
    },
    /// The client's clock is ahead.
    #[error("Signature not yet current: {signed} is still later than {limit} ({now} + 15 min.)")]
    NotYetCurrent {
        /// When it was signed.
        signed: String,
        /// The latest time accepted.
        limit: String,
        /// This machine's time.
        now: String,
    },
    /// The payload hash that was sent is not the body's.
    #[error("{0}")]
    Payload(String),
    /// The signature is wrong: another secret, or a changed request.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
}

/// What a request is signed for: the service's name in the credential scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeService {
    /// The API.
    Rekognition,
    /// Sessions (`AssumeRole`).
    Sts,
}

impl ScopeService {
    fn name(self) -> &'static str {
        match self {
            Self::Rekognition => "rekognition",
            Self::Sts => "sts",
        }
    }
}

/// A request without its body, as received.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// For example `POST`.
    pub method: &'a str,
    /// Path as sent, still percent-encoded.
    pub path: &'a str,
    /// Query as sent, without the `?`; empty when there is none.
    pub query: &'a str,
    /// Names in lower case, in the order received.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> Head<'a> {
    fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// The one value of a header; an error when it is there twice or is not ASCII.
    fn single(&self, name: &'static str) -> Result<Option<&'a str>, SignatureError> {
        let mut values = self.values(name);
        let Some(value) = values.next() else { return Ok(None) };
        let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii() && values.next().is_none());
        text.map(|text| Some(text.trim()))
            .ok_or_else(|| SignatureError::Incomplete(format!("Header '{name}' must be there once and be ASCII.")))
    }
}

/// What a request's head claims, with everything needed to check the signature once the body is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    access_key_id: String,
    session_token: Option<String>,
    service: ScopeService,
    date: String,
    region: String,
    signed_at: String,
    signature: Option<[u8; 32]>,
    declared_hash: Option<String>,
    /// Canonical requests up to the payload hash: by the standard, and with the path encoded once only.
    canonical: Vec<Vec<u8>>,
}

impl Claim {
    /// Reads the claim and judges what needs neither the secret nor the body. `now_s` is seconds since 1970;
    /// `region` is the only region accepted, or `None` for any; `service` the only service.
    ///
    /// # Errors
    /// All but `UnknownKey`, `Mismatch` and a wrong payload hash.
    pub fn read(
        head: &Head<'_>,
        service: ScopeService,
        now_s: i64,
        region: Option<&str>,
    ) -> Result<Self, SignatureError> {
        let header = head.single("authorization")?;
        if header.is_none() {
            let presigned = query_pairs(head.query).any(|(name, _)| name.eq_ignore_ascii_case("x-amz-signature"));
            return Err(if presigned { SignatureError::Presigned } else { SignatureError::Missing });
        }
        let parts = Authorization::parse(header.unwrap_or_default())?;
        let signed_at = signing_time(head)?;
        parts.check_scope(service, signed_at, region)?;
        check_signed_headers(head, &parts.signed_headers)?;
        check_clock(signed_at, now_s)?;
        Ok(Self {
            access_key_id: parts.access_key_id.to_owned(),
            session_token: head.single("x-amz-security-token")?.map(str::to_owned),
            service,
            date: parts.date.to_owned(),
            region: parts.region.to_owned(),
            signed_at: signed_at.to_owned(),
            signature: hex_digest(parts.signature),
            declared_hash: declared_hash(head)?,
            canonical: canonical_heads(head, &parts.signed_headers),
        })
    }

    /// Public half of the key that is said to have signed.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The session that is said to be meant; its header is signed.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// Checks the signature over head and `body` with the key's secret.
    ///
    /// # Errors
    /// `Payload` or `Mismatch`.
    pub fn verify(&self, secret: &str, body: &[u8], keys: &SigningKeys) -> Result<(), SignatureError> {
        let body_hash = hex(&Sha256::digest(body));
        if self.declared_hash.as_ref().is_some_and(|declared| *declared != body_hash) {
            let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            return Err(SignatureError::Payload(text.to_owned()));
        }
        let given = self.signature.ok_or(SignatureError::Mismatch)?;
        let key = keys.get(&self.access_key_id, secret, &self.date, &self.region, self.service.name());
        let fits = self.canonical.iter().any(|canonical| {
            let expected = hmac(&key, self.string_to_sign(canonical, &body_hash).as_bytes());
            bool::from(expected.ct_eq(&given))
        });
        if fits { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    fn string_to_sign(&self, canonical: &[u8], body_hash: &str) -> String {
        let hash = hex(&Sha256::new().chain_update(canonical).chain_update(body_hash).finalize());
        let Self { signed_at, date, region, .. } = self;
        let service = self.service.name();
        format!("{ALGORITHM}\n{signed_at}\n{date}/{region}/{service}/{TERMINATOR}\n{hash}")
    }
}

/// Derived signing keys, kept because a client uses the same one all day. Bounded.
#[derive(Debug, Default)]
pub struct SigningKeys {
    keys: Mutex<HashMap<[u8; 32], [u8; 32]>>,
}

impl SigningKeys {
    fn get(&self, access_key_id: &str, secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
        // The secret is part of the name, hashed: a changed secret never meets an old key.
        let mut name = Sha256::new();
        for part in [access_key_id, secret, date, region, service] {
            name.update(part.len().to_le_bytes());
            name.update(part);
        }
        let name: [u8; 32] = name.finalize().into();
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(&name) {
            return *key;
        }
        let key = signing_key(secret, date, region, service);
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(name, key);
        key
    }
}

/// The parts of an `Authorization` header.
#[derive(Debug)]
struct Authorization<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Result<Self, SignatureError> {
        let (algorithm, rest) = header.split_once(' ').unwrap_or((header, ""));
        if algorithm != ALGORITHM {
            let text = format!("Authorization header must begin with '{ALGORITHM}'.");
            return Err(SignatureError::Incomplete(text));
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part.trim().split_once('=').unwrap_or((part.trim(), ""));
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(incomplete("Authorization header has a part that is not known.")),
            };
            if slot.replace(value).is_some() {
                return Err(incomplete("Authorization header has a part twice."));
            }
        }
        let missing: Vec<String> =
            [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed_headers)]
                .iter()
                .filter(|(_, value)| value.is_none_or(str::is_empty))
                .map(|(name, _)| format!("Authorization header requires '{name}' parameter."))
                .collect();
        let (Some(credential), Some(signed_headers), Some(signature), true) =
            (credential, signed_headers, signature, missing.is_empty())
        else {
            return Err(SignatureError::Incomplete(missing.join(" ")));
        };
        Self::with_credential(credential, signed_headers.split(';').collect(), signature)
    }

    fn with_credential(
        credential: &'a str,
        signed_headers: Vec<&'a str>,
        signature: &'a str,
    ) -> Result<Self, SignatureError> {
        let mut parts = credential.rsplitn(5, '/');
        let (terminator, service, region, date, access_key_id) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
        match (access_key_id, date, region, service, terminator) {
            (Some(access_key_id), Some(date), Some(region), Some(service), Some(terminator))
                if !access_key_id.is_empty() && !region.is_empty() =>
            {
                Ok(Self { access_key_id, date, region, service, terminator, signed_headers, signature })
            }
            _ => Err(incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.",
            )),
        }
    }

    fn check_scope(&self, service: ScopeService, signed_at: &str, region: Option<&str>) -> Result<(), SignatureError> {
        if self.terminator != TERMINATOR {
            let text = format!("Credential should be scoped with a valid terminator: '{TERMINATOR}'.");
            return Err(SignatureError::Scope(text));
        }
        let service = service.name();
        if self.service != service {
            return Err(SignatureError::Scope(format!("Credential should be scoped to correct service: '{service}'.")));
        }
        if let Some(region) = region.filter(|region| *region != self.region) {
            return Err(SignatureError::Scope(format!("Credential should be scoped to a valid region: '{region}'.")));
        }
        if signed_at.get(..8) != Some(self.date) {
            let text = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.";
            return Err(SignatureError::Scope(text.to_owned()));
        }
        Ok(())
    }
}

fn incomplete(text: &str) -> SignatureError {
    SignatureError::Incomplete(text.to_owned())
}

fn signing_time<'a>(head: &Head<'a>) -> Result<&'a str, SignatureError> {
    let time = head
        .single("x-amz-date")?
        .ok_or_else(|| incomplete("Authorization header requires existence of an 'X-Amz-Date' header."))?;
    match seconds_from_iso_basic(time) {
        Some(_) => Ok(time),
        None => Err(incomplete("Date must be in ISO-8601 'basic format', for example 20150830T123600Z.")),
    }
}

fn check_clock(signed_at: &str, now_s: i64) -> Result<(), SignatureError> {
    let signed_s = seconds_from_iso_basic(signed_at).unwrap_or(i64::MIN);
    let (signed, now) = (signed_at.to_owned(), iso_basic_from_seconds(now_s));
    if signed_s < now_s - WINDOW_S {
        return Err(SignatureError::Expired { signed, limit: iso_basic_from_seconds(now_s - WINDOW_S), now });
    }
    if signed_s > now_s + WINDOW_S {
        return Err(SignatureError::NotYetCurrent { signed, limit: iso_basic_from_seconds(now_s + WINDOW_S), now });
    }
    Ok(())
}

/// `host`, every `x-amz-` header and every one of ours must be signed, else somebody between could change them. Two
/// SDKs leave `x-amz-user-agent` out; nothing depends on it.
fn check_signed_headers(head: &Head<'_>, signed: &[&str]) -> Result<(), SignatureError> {
    let ordered = signed.windows(2).all(|pair| pair[0] < pair[1]);
    if !ordered || signed.iter().any(|name| name.is_empty() || name.bytes().any(|b| b.is_ascii_uppercase())) {
        return Err(incomplete("SignedHeaders must be in lower case, sorted and without repetition."));
    }
    if !signed.contains(&"host") {
        let text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
        return Err(SignatureError::NotSigned(text.to_owned()));
    }
    let must = |name: &str| (name.starts_with("x-amz-") || name.starts_with("x-trombi-")) && name != "x-amz-user-agent";
    let unsigned = head.headers.iter().find(|(name, _)| must(name) && !signed.contains(name));
    if let Some((name, _)) = unsigned {
        let text = format!("There were headers present in the request which were not signed: {name}");
        return Err(SignatureError::NotSigned(text));
    }
    Ok(())
}

fn declared_hash(head: &Head<'_>) -> Result<Option<String>, SignatureError> {
    let Some(declared) = head.single("x-amz-content-sha256")? else { return Ok(None) };
    if hex_digest(declared).is_none() {
        let text = "x-amz-content-sha256 must be the SHA-256 of the body in lower-case hexadecimal; unsigned and streamed payloads are not accepted.";
        return Err(SignatureError::Payload(text.to_owned()));
    }
    Ok(Some(declared.to_owned()))
}

/// The canonical request without its last line. A path with `%` has two forms: services but S3 encode the path
/// again, hand-written clients often do not; no operation depends on the path, so both are accepted.
fn canonical_heads(head: &Head<'_>, signed: &[&str]) -> Vec<Vec<u8>> {
    let path = without_dot_segments(head.path);
    let mut paths = vec![percent_encoded(path.as_bytes(), b"/")];
    if path.contains('%') {
        paths.push(path);
    }
    let query = canonical_query(head.query);
    paths.iter().map(|path| canonical_head(head, path, &query, signed)).collect()
}

fn canonical_head(head: &Head<'_>, path: &str, query: &str, signed: &[&str]) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    for line in [head.method, path, query] {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    for name in signed {
        text.extend_from_slice(name.as_bytes());
        for (index, value) in head.values(name).enumerate() {
            text.push(if index == 0 { b':' } else { b',' });
            push_single_spaced(&mut text, value);
        }
        if head.values(name).next().is_none() {
            text.push(b':');
        }
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(signed.join(";").as_bytes());
    text.push(b'\n');
    text
}

/// Trimmed, with runs of spaces as one.
fn push_single_spaced(text: &mut Vec<u8>, value: &[u8]) {
    let mut space = false;
    for &byte in value.trim_ascii() {
        if !(space && byte == b' ') {
            text.push(byte);
        }
        space = byte == b' ';
    }
}

fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let ends_open = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let end = if ends_open && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

fn query_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn canonical_query(query: &str) -> String {
    let encode = |text: &str| percent_encoded(&percent_decoded(text), b"");
    let mut pairs: Vec<(String, String)> =
        query_pairs(query).map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn percent_encoded(bytes: &[u8], also_plain: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also_plain.contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// A `%` without two hexadecimal digits stays as it is.
fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1).and_then(hex_value), bytes.get(at + 2).and_then(hex_value)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

fn hex_value(byte: &u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Reads exactly 64 lower-case digits.
fn hex_digest(text: &str) -> Option<[u8; 32]> {
    let bytes = text.as_bytes();
    if bytes.len() != 64 || bytes.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(bytes.chunks_exact(2)) {
        *byte = hex_value(&pair[0])? << 4 | hex_value(&pair[1])?;
    }
    Some(digest)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    // A key of any length is accepted by HMAC, so there is no error to hand on.
    Hmac::<Sha256>::new_from_slice(key).map_or([0; 32], |mac| mac.chain_update(text).finalize().into_bytes().into())
}

fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let first = hmac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    [region, service, TERMINATOR].iter().fold(first, |key, part| hmac(&key, part.as_bytes()))
}

/// Seconds since 1970 of `YYYYMMDDTHHMMSSZ`.
fn seconds_from_iso_basic(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to].iter().try_fold(0_i64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let fits = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    fits.then(|| days_from_date(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// `YYYYMMDDTHHMMSSZ` of seconds since 1970.
pub(super) fn iso_basic_from_seconds(seconds: i64) -> String {
    let (year, month, day) = date_from_days(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{:02}Z", second % 60)
}

/// Days since 1970-01-01 in the Gregorian calendar. The year is counted from March, so that the leap day is its
/// last and the days before a month follow one linear rule.
fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

fn date_from_days(days: i64) -> (i64, i64, i64) {
    let first_of = |year: i64| days_from_date(year, 1, 1);
    let mut year = 1970 + days.div_euclid(366);
    while first_of(year + 1) <= days {
        year += 1;
    }
    while first_of(year) > days {
        year -= 1;
    }
    let month = (1..=12).rev().find(|&month| days_from_date(year, month, 1) <= days).unwrap_or(1);
    (year, month, days - days_from_date(year, month, 1) + 1)
}

#[cfg(test)]
mod tests;
