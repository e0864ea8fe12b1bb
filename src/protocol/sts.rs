//! The subset of AWS STS that is served: `AssumeRole`, in the Query protocol that SDKs speak to STS (a form in, XML
//! out; API version 2011-06-15). <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::errors::Fault;
use crate::operations::{Request, Response, assume_role};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const DURATION_S: u32 = 3600;
const TAGS_MAX: usize = 50;
/// Parameters of one request: the most that the API's own limits make, twice.
const PARAMETERS_MAX: usize = 256;

/// Reads a form.
///
/// # Errors
/// `InvalidAction` for another operation, `ValidationError` with what is wrong.
pub fn parse_request(body: &[u8]) -> Result<Request, Fault> {
    let mut parameters = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body).take(PARAMETERS_MAX) {
        parameters.insert(name.into_owned(), value.into_owned());
    }
    let mut take = |name: &str| parameters.remove(name).filter(|value| !value.is_empty());
    match take("Action").as_deref() {
        Some("AssumeRole") => {}
        other => {
            let text =
                format!("Could not find operation {} here: of STS, AssumeRole is served", shown(other.unwrap_or("")));
            return Err(Fault::framework("InvalidAction", text));
        }
    }
    let role_arn = checked(take("RoleArn"), "roleArn", 20..=2048, |c| !c.is_control())?;
    let session_name = checked(take("RoleSessionName"), "roleSessionName", 2..=64, is_name)?;
    let duration_s = match take("DurationSeconds") {
        None => DURATION_S,
        Some(text) => text
            .parse()
            .ok()
            .filter(|seconds| (900..=43_200).contains(seconds))
            .ok_or_else(|| invalid("durationSeconds", "Member must be from 900 to 43200"))?,
    };
    let tags = tags(&mut parameters)?;
    Ok(Request::AssumeRole(assume_role::Input { role_arn, session_name, duration_s, tags }))
}

/// Characters of a session's name: letters, digits and `_+=,.@-`.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// `Tags.member.N.Key` and `.Value`, from 1 without a gap.
fn tags(parameters: &mut BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Fault> {
    let mut tags = BTreeMap::new();
    for n in 1.. {
        let Some(key) = parameters.remove(&format!("Tags.member.{n}.Key")) else { break };
        if n > TAGS_MAX {
            return Err(invalid("tags", "Member must have length less than or equal to 50"));
        }
        let value = parameters.remove(&format!("Tags.member.{n}.Value")).unwrap_or_default();
        let key = checked(Some(key), "tags.key", 1..=128, |c| !c.is_control())?;
        if value.chars().count() > 256 || value.chars().any(char::is_control) {
            return Err(invalid(
                "tags.value",
                "Member must have length less than or equal to 256, without control characters",
            ));
        }
        // Keys differ in case alone for nobody: AWS compares them so.
        if tags.keys().any(|known: &String| known.eq_ignore_ascii_case(&key)) {
            return Err(Fault::framework(
                "InvalidParameterValue",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(key, value);
    }
    Ok(tags)
}

fn checked(
    value: Option<String>,
    member: &str,
    length: std::ops::RangeInclusive<usize>,
    allowed: impl Fn(char) -> bool,
) -> Result<String, Fault> {
    let value = value.ok_or_else(|| invalid(member, "Member must not be null"))?;
    if !length.contains(&value.chars().count()) {
        let text = format!("Member must have length from {} to {}", length.start(), length.end());
        return Err(invalid(member, &text));
    }
    if !value.chars().all(allowed) {
        return Err(invalid(member, "Member must satisfy its pattern"));
    }
    Ok(value)
}

fn invalid(member: &str, what: &str) -> Fault {
    Fault::framework(
        "ValidationError",
        format!("1 validation error detected: Value at '{member}' failed to satisfy constraint: {what}"),
    )
}

fn shown(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Writes an answer; nothing for another operation's.
#[must_use]
pub fn write_response(response: &Response, request_id: &str) -> Vec<u8> {
    let Response::AssumeRole(out) = response else { return Vec::new() };
    let (arn, key) = (escaped(&out.assumed_role_arn), escaped(&out.access_key_id));
    let expiration = iso(out.expires_s);
    let (secret, token) = (escaped(&out.secret_access_key), escaped(&out.session_token));
    format!(
        "<AssumeRoleResponse xmlns=\"{NAMESPACE}\"><AssumeRoleResult>\
         <AssumedRoleUser><AssumedRoleId>{key}</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
         </AssumeRoleResult><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></AssumeRoleResponse>\n"
    )
    .into_bytes()
}

/// Writes an error in STS's names and shape; gives its status too.
#[must_use]
pub fn write_fault(fault: &Fault, request_id: &str) -> (u16, Vec<u8>) {
    let (code, status) = match fault.code {
        "AccessDeniedException" => ("AccessDenied", 403),
        "UnrecognizedClientException" => ("InvalidClientTokenId", 403),
        "InvalidSignatureException" => ("SignatureDoesNotMatch", 403),
        "ExpiredTokenException" => ("ExpiredToken", 403),
        "MissingAuthenticationTokenException" => ("MissingAuthenticationToken", 403),
        "IncompleteSignatureException" => ("IncompleteSignature", 400),
        "InternalServerError" => ("InternalFailure", 500),
        "ThrottlingException" => ("Throttling", 400),
        "InvalidParameterException" => ("ValidationError", 400),
        other => (other, fault.status),
    };
    let blame = if status >= 500 { "Receiver" } else { "Sender" };
    let message = escaped(&fault.message);
    let body = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{blame}</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>{request_id}</RequestId></ErrorResponse>\n"
    );
    (status, body.into_bytes())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // XML 1.0 has no place for other control characters.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// `2026-11-25T02:00:00Z`.
fn iso(seconds: i64) -> String {
    let basic = super::sigv4::iso_basic_from_seconds(seconds);
    let mut text = String::with_capacity(20);
    for (at, c) in basic.chars().enumerate() {
        let before = match at {
            4 | 6 => "-",
            11 | 13 => ":",
            _ => "",
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "{before}{c}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Result<assume_role::Input, String> {
        match parse_request(body.as_bytes()) {
            Ok(Request::AssumeRole(input)) => Ok(input),
            Ok(_) => Err("another request".to_owned()),
            Err(fault) => Err(format!("{}: {}", fault.code, fault.message)),
        }
    }

    const LEAST: &str = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Fdesk&RoleSessionName=anna";

    #[test]
    fn a_form_is_read_with_its_tags() {
        let form = format!(
            "{LEAST}&DurationSeconds=900&Tags.member.1.Key=purpose&Tags.member.1.Value=find-missing-person&Tags.member.2.Key=case&Tags.member.2.Value=C+7"
        );
        let input = parsed(&form).unwrap();
        assert_eq!((input.session_name.as_str(), input.duration_s), ("anna", 900));
        assert_eq!(input.role_arn, "arn:aws:iam::000000000000:role/desk");
        assert_eq!(input.tags["purpose"], "find-missing-person");
        assert_eq!(input.tags["case"], "C 7");
        assert_eq!(parsed(LEAST).unwrap().duration_s, 3600);
    }

    #[test]
    fn bad_forms_say_what_is_wrong() {
        let cases = [
            (String::new(), "InvalidAction"),
            ("Action=GetSessionToken".to_owned(), "GetSessionToken"),
            ("Action=AssumeRole".to_owned(), "'roleArn' failed to satisfy constraint: Member must not be null"),
            (LEAST.replace("=anna", "=a"), "'roleSessionName'"),
            (LEAST.replace("=anna", "=an%20na"), "'roleSessionName'"),
            (format!("{LEAST}&DurationSeconds=899"), "'durationSeconds'"),
            (format!("{LEAST}&DurationSeconds=x"), "'durationSeconds'"),
            (format!("{LEAST}&Tags.member.1.Key=a&Tags.member.2.Key=A"), "Duplicate tag keys"),
            (format!("{LEAST}&Tags.member.1.Key=a&Tags.member.1.Value={}", "v".repeat(257)), "'tags.value'"),
            ((1..=51).fold(LEAST.to_owned(), |form, n| format!("{form}&Tags.member.{n}.Key=k{n}")), "'tags'"),
        ];
        for (form, expected) in cases {
            let refused = parsed(&form).unwrap_err();
            assert!(refused.contains(expected), "{form}: {refused}");
        }
        assert!(parse_request(&[0xff; 1000]).is_err());
    }

    #[test]
    fn xml_is_escaped_and_dated() {
        let (status, body) = write_fault(&Fault::framework("ValidationError", "a <b> & c\u{7}"), "id");
        let body = String::from_utf8(body).unwrap();
        assert!(status == 400 && body.contains("<Message>a &lt;b&gt; &amp; c </Message>"), "{body}");
        assert_eq!(iso(1_772_600_767), "2026-03-04T05:06:07Z");
    }
}
