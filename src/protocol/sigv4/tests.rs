//! Signatures here were computed by botocore 1.44.5 (`botocore.auth.SigV4Auth`) with its clock at
//! 2026-03-04 05:06:07 UTC, key `AKIDTROMBI`, secret `secret/with+signs`.

use super::*;
use proptest::prelude::*;

const SECRET: &str = "secret/with+signs";
/// 2026-03-04 05:06:07 UTC.
const SIGNED_S: i64 = 1_772_600_767;
const PLAIN_SIGNATURE: &str = "d2cd6528b8f8e06f86baac0b998b3747dd23714f0c68b10d343a6334179344af";
const PLAIN_NAMES: &str = "content-type;host;x-amz-date;x-amz-target";

/// A signed request that tests may bend.
#[derive(Clone)]
struct Sent {
    path: &'static str,
    query: &'static str,
    headers: Vec<(&'static str, String)>,
    body: &'static [u8],
}

impl Sent {
    fn new(host: &str, region: &str, names: &str, signature: &str) -> Self {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDTROMBI/20260304/{region}/rekognition/aws4_request, SignedHeaders={names}, Signature={signature}"
        );
        let headers = vec![
            ("host", host.to_owned()),
            ("x-amz-target", "RekognitionService.ListCollections".to_owned()),
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-date", "20260304T050607Z".to_owned()),
            ("authorization", authorization),
        ];
        Self { path: "/", query: "", headers, body: b"{}" }
    }

    fn plain() -> Self {
        Self::new("127.0.0.1:8080", "us-east-1", PLAIN_NAMES, PLAIN_SIGNATURE)
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    /// Changes a part of the `Authorization` header.
    fn authorization(self, from: &str, to: &str) -> Self {
        let old = self.headers.iter().find(|(name, _)| *name == "authorization").unwrap().1.clone();
        assert!(old.contains(from), "{from}");
        self.header("authorization", &old.replace(from, to))
    }

    fn claim(&self, now_s: i64, region: Option<&str>) -> Result<Claim, SignatureError> {
        let headers: Vec<(&str, &[u8])> = self.headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let head = Head { method: "POST", path: self.path, query: self.query, headers: &headers };
        Claim::read(&head, ScopeService::Rekognition, now_s, region)
    }

    fn judged(&self) -> Result<(), SignatureError> {
        self.claim(SIGNED_S, None)?.verify(SECRET, self.body, &SigningKeys::default())
    }

    fn refused(&self) -> String {
        self.judged().unwrap_err().to_string()
    }
}

#[test]
fn signatures_of_botocore_are_accepted() {
    assert_eq!(Sent::plain().judged(), Ok(()));
    let prefix = Sent {
        path: "/pre/fix/",
        body: b"{\"MaxResults\": 3}",
        ..Sent::new(
            "127.0.0.1:8080",
            "eu-west-3",
            PLAIN_NAMES,
            "19f67e3bfcdfa054814f7eaa4e71cbde5f3af8590f0e5882afc8c1f6eaa37dec",
        )
    };
    assert_eq!(prefix.judged(), Ok(()));
    let odd = Sent {
        path: "/a%20b/",
        ..Sent::new(
            "trombi.example",
            "us-east-1",
            "content-type;host;x-amz-date;x-amz-odd;x-amz-target",
            "7c593849b822aa514b7291f49949a5990c57d591debb149b68258a47b4361dc6",
        )
    }
    .header("x-amz-odd", "  two   spaces  inside ");
    assert_eq!(odd.judged(), Ok(()));
    let query = Sent {
        query: "b=2&a=1%2F2&c",
        ..Sent::new(
            "127.0.0.1:8080",
            "us-east-1",
            PLAIN_NAMES,
            "d6ec5edcddf89890d7bb5dd4bfcddb531884bf6aece7e290c3dbdefde5e4ec5b",
        )
    };
    assert_eq!(query.judged(), Ok(()));
}

#[test]
fn whatever_was_signed_may_not_be_changed() {
    let plain = Sent::plain();
    let changed = [
        Sent { body: b"{ }", ..plain.clone() },
        Sent { body: b"", ..plain.clone() },
        Sent { path: "/x", ..plain.clone() },
        Sent { query: "a=1", ..plain.clone() },
        plain.clone().header("x-amz-target", "RekognitionService.DeleteCollection"),
        plain.clone().header("host", "elsewhere:8080"),
        plain.clone().header("content-type", "text/plain"),
        plain.clone().header("x-amz-date", "20260304T050608Z"),
        plain.clone().authorization("/us-east-1/", "/us-east-2/"),
        plain
            .clone()
            .authorization("AKIDTROMBI", "AKIDTROMBI")
            .authorization(";x-amz-date;", ";user-agent;x-amz-date;"),
        plain.clone().authorization("44af", "44ae"),
        plain.clone().authorization(PLAIN_SIGNATURE, &PLAIN_SIGNATURE.to_uppercase()),
        plain.clone().authorization("44af", "44"),
    ];
    for (index, sent) in changed.iter().enumerate() {
        assert_eq!(sent.judged(), Err(SignatureError::Mismatch), "case {index}");
    }
    let claim = plain.claim(SIGNED_S, None).unwrap();
    assert_eq!(claim.verify("another", b"{}", &SigningKeys::default()), Err(SignatureError::Mismatch));
}

#[test]
fn a_declared_payload_hash_must_be_the_bodys() {
    let unsigned = Sent::plain().header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    assert!(unsigned.refused().contains("not signed: x-amz-content-sha256"));
    let names = "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-target";
    for value in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", "00"] {
        let sent = Sent::plain().authorization(PLAIN_NAMES, names).header("x-amz-content-sha256", value);
        assert!(matches!(sent.judged(), Err(SignatureError::Payload(_))), "{value}");
    }
    let sent = Sent::plain().authorization(PLAIN_NAMES, names).header("x-amz-content-sha256", &"0".repeat(64));
    assert_eq!(sent.refused(), "The provided 'x-amz-content-sha256' header does not match what was computed.");
}

#[test]
fn clocks_may_differ_by_a_quarter_of_an_hour() {
    let sent = Sent::plain();
    assert!(sent.claim(SIGNED_S + WINDOW_S, None).is_ok());
    assert!(sent.claim(SIGNED_S - WINDOW_S, None).is_ok());
    assert_eq!(
        sent.claim(SIGNED_S + WINDOW_S + 1, None).unwrap_err().to_string(),
        "Signature expired: 20260304T050607Z is now earlier than 20260304T050608Z (20260304T052108Z - 15 min.)"
    );
    assert_eq!(
        sent.claim(SIGNED_S - WINDOW_S - 1, None).unwrap_err().to_string(),
        "Signature not yet current: 20260304T050607Z is still later than 20260304T050606Z (20260304T045106Z + 15 min.)"
    );
}

#[test]
fn malformed_heads_are_told_what_is_wrong() {
    struct Case(Sent, &'static str);
    let plain = Sent::plain;
    let cases = [
        Case(plain().without("authorization"), "Missing Authentication Token"),
        Case(Sent { query: "X-Amz-Signature=00", ..plain().without("authorization") }, "Presigned requests"),
        Case(plain().header("authorization", ""), "must begin with 'AWS4-HMAC-SHA256'"),
        Case(plain().header("authorization", "Basic YTpi"), "must begin with 'AWS4-HMAC-SHA256'"),
        Case(plain().header("authorization", "AWS4-HMAC-SHA256"), "a part that is not known"),
        Case(plain().authorization("Signature=", "Signature=a, Signature="), "a part twice"),
        Case(plain().authorization(PLAIN_SIGNATURE, ""), "Authorization header requires 'Signature' parameter."),
        Case(plain().authorization("/aws4_request", ""), "exactly 5 slash-delimited elements"),
        Case(plain().authorization("aws4_request", "aws5_request"), "valid terminator: 'aws4_request'"),
        Case(plain().authorization("/rekognition/", "/s3/"), "scoped to correct service: 'rekognition'"),
        Case(plain().authorization("/20260304/", "/20260305/"), "Date in Credential scope does not match"),
        Case(plain().without("x-amz-date"), "existence of an 'X-Amz-Date' header"),
        Case(plain().header("x-amz-date", "2026-03-04T05:06:07Z"), "ISO-8601 'basic format'"),
        Case(plain().header("x-amz-date", "20261304T050607Z"), "ISO-8601 'basic format'"),
        Case(plain().authorization("content-type;host", "host;content-type"), "lower case, sorted"),
        Case(plain().authorization("content-type;host;", "content-type;"), "'Host' or ':authority' must be"),
        Case(plain().authorization(";x-amz-target", ""), "not signed: x-amz-target"),
        Case(plain().header("x-amz-security-token", "t"), "not signed: x-amz-security-token"),
        Case(plain().header("x-trombi-purpose", "p"), "not signed: x-trombi-purpose"),
    ];
    for Case(sent, text) in cases {
        let refused = sent.refused();
        assert!(refused.contains(text), "`{refused}` lacks `{text}`");
    }
    let mut twice = plain();
    twice.headers.push(("x-amz-date", "20260304T050607Z".to_owned()));
    assert!(twice.refused().contains("must be there once"));
}

#[test]
fn a_region_can_be_demanded() {
    assert!(Sent::plain().claim(SIGNED_S, Some("us-east-1")).is_ok());
    let error = Sent::plain().claim(SIGNED_S, Some("eu-west-1")).unwrap_err();
    assert_eq!(error.to_string(), "Credential should be scoped to a valid region: 'eu-west-1'.");
}

#[test]
fn a_new_secret_does_not_meet_an_old_key() {
    let keys = SigningKeys::default();
    let claim = Sent::plain().claim(SIGNED_S, None).unwrap();
    assert_eq!(claim.verify(SECRET, b"{}", &keys), Ok(()));
    assert_eq!(claim.verify("changed", b"{}", &keys), Err(SignatureError::Mismatch));
    assert_eq!(claim.verify(SECRET, b"{}", &keys), Ok(()));
}

#[test]
fn derived_keys_are_bounded() {
    let keys = SigningKeys::default();
    for day in 0..3 * KEYS_MAX {
        keys.get("id", SECRET, &day.to_string(), "r", "s");
    }
    assert!(keys.keys.lock().unwrap().len() <= KEYS_MAX);
}

proptest! {
    #[test]
    fn times_return(seconds in 0_i64..253_402_300_800) {
        prop_assert_eq!(seconds_from_iso_basic(&iso_basic_from_seconds(seconds)), Some(seconds));
    }

    #[test]
    fn no_bytes_make_it_panic(
        method in ".{0,8}", path in ".{0,40}", query in ".{0,40}",
        values in proptest::collection::vec((0_usize..7, proptest::collection::vec(any::<u8>(), 0..120)), 0..8),
        now in any::<i32>(), body in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let names =
            ["authorization", "x-amz-date", "host", "x-amz-target", "x-amz-content-sha256", "x-amz-security-token", "x"];
        let headers: Vec<(&str, &[u8])> = values.iter().map(|(name, value)| (names[*name], &value[..])).collect();
        let head = Head { method: &method, path: &path, query: &query, headers: &headers };
        if let Ok(claim) = Claim::read(&head, ScopeService::Rekognition, i64::from(now), None) {
            prop_assert!(claim.verify("s", &body, &SigningKeys::default()).is_err());
        }
    }

    #[test]
    fn strange_paths_queries_and_parts_are_mismatches(
        path in "[ -~]{0,60}", query in "[ -~]{0,60}", extra in "[ -~&&[^,]]{0,60}",
    ) {
        let headers: Vec<(&str, Vec<u8>)> = Sent::plain().headers.into_iter()
            .map(|(name, value)| (name, value.replace("us-east-1", &extra).into_bytes()))
            .collect();
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, &value[..])).collect();
        let head = Head { method: "POST", path: &path, query: &query, headers: &headers };
        if let Ok(claim) = Claim::read(&head, ScopeService::Rekognition, SIGNED_S, None) {
            prop_assert_eq!(
                claim.verify(SECRET, b"other", &SigningKeys::default()), Err(SignatureError::Mismatch)
            );
        }
    }
}
