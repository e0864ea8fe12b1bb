//! Typed reading of a request's members. Wrong types end at once; broken constraints are collected.

use std::cell::RefCell;

use super::record;
use super::value::Value;
use crate::gallery::{CollectionId, ExternalImageId, FaceId, UserId};
use crate::ledger::{Outcome, day_of_date};
use crate::operations::types::{ImageSource, QualityFilter, Tags};
use crate::protocol::errors::Fault;

/// Bytes of a picture in a request.
pub(super) const IMAGE_BYTES_MAX: usize = 5_242_880;
/// Characters of a refused value that an answer shows; AWS shows all.
const SHOWN_CHARS_MAX: usize = 256;
/// Violations that an answer spells out; all are counted.
const SHOWN_VIOLATIONS_MAX: usize = 20;

const COLLECTION_ID: &str = r"[a-zA-Z0-9_.\-]+";
const USER_ID: &str = r"[a-zA-Z0-9_.\-:]+";
const FACE_ID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const ACCESS_KEY_ID: &str = "[a-zA-Z0-9_]+";
const WORD: &str = "[a-zA-Z0-9_.\\-:/ ]+";
const OUTCOME: &str = "done|denied|refused|failed";
const DATE: &str = "YYYY-MM-DD";
const TOKEN: &str = "^[a-zA-Z0-9-_]+$";
const BUCKET: &str = r"[0-9A-Za-z\.\-_]*";
const TAG_KEY: &str = r"^(?!aws:)[\p{L}\p{Z}\p{N}_.:/=+\-@]*$";
const TAG_VALUE: &str = r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$";
const ATTRIBUTES: [&str; 14] = [
    "DEFAULT",
    "ALL",
    "AGE_RANGE",
    "BEARD",
    "EMOTIONS",
    "EYE_DIRECTION",
    "EYEGLASSES",
    "EYES_OPEN",
    "GENDER",
    "MOUTH_OPEN",
    "MUSTACHE",
    "FACE_OCCLUDED",
    "SMILE",
    "SUNGLASSES",
];
const QUALITY_FILTERS: [&str; 5] = ["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"];

/// A string's limits.
struct Limits {
    min: usize,
    max: usize,
    pattern: &'static str,
    fits: fn(&str) -> bool,
}

/// The members of a request.
pub(super) struct Members<'v, 'a> {
    object: &'v [(std::borrow::Cow<'a, str>, Value<'a>)],
    violations: RefCell<(usize, Vec<String>)>,
    clash: RefCell<bool>,
}

impl<'v, 'a> Members<'v, 'a> {
    pub(super) fn new(value: &'v Value<'a>) -> Result<Self, Fault> {
        let object = object(value)?;
        Ok(Self { object, violations: RefCell::default(), clash: RefCell::default() })
    }

    /// Ends the reading: an error when a constraint is broken.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        let violations = self.violations.borrow();
        let (count, shown) = (violations.0, violations.1.join("; "));
        match count {
            0 if *self.clash.borrow() => Err(Fault::invalid_parameters()),
            0 => Ok(()),
            1 => Err(Fault::framework("ValidationException", format!("1 validation error detected: {shown}"))),
            n => Err(Fault::framework("ValidationException", format!("{n} validation errors detected: {shown}"))),
        }
    }

    /// Notes that members cannot stand together; told only when every member by itself is right.
    pub(super) fn clash(&self) {
        self.clash.replace(true);
    }

    fn violation(&self, value: Option<&str>, path: &str, constraint: &str) {
        let mut violations = self.violations.borrow_mut();
        violations.0 += 1;
        if violations.1.len() < SHOWN_VIOLATIONS_MAX {
            let value = value.map_or("null".to_owned(), |text| format!("'{}'", shown(text)));
            violations
                .1
                .push(format!("Value {value} at '{path}' failed to satisfy constraint: Member must {constraint}"));
        }
    }

    pub(super) fn collection_id(&self) -> Result<Option<CollectionId>, Fault> {
        Ok(self.required("CollectionId", self.some_collection_id()?))
    }

    /// A collection where none is needed.
    pub(super) fn some_collection_id(&self) -> Result<Option<CollectionId>, Fault> {
        let limits =
            Limits { min: 1, max: CollectionId::LENGTH_MAX, pattern: COLLECTION_ID, fits: |text| only(text, b"_.-") };
        Ok(self.string("CollectionId", &limits)?.and_then(CollectionId::parse))
    }

    pub(super) fn access_key_id(&self) -> Result<Option<String>, Fault> {
        let limits = Limits { min: 16, max: 128, pattern: ACCESS_KEY_ID, fits: |text| only(text, b"_") };
        Ok(self.required("AccessKeyId", self.string("AccessKeyId", &limits)?).map(str::to_owned))
    }

    /// A word of the rules: a tenant, a purpose, a case, a role.
    pub(super) fn word(&self, name: &str) -> Result<Option<String>, Fault> {
        let limits = Limits { min: 1, max: 256, pattern: WORD, fits: |text| only(text, b"_.-:/ ") };
        Ok(self.string(name, &limits)?.map(str::to_owned))
    }

    /// An operation's name.
    pub(super) fn operation(&self) -> Result<Option<String>, Fault> {
        let limits = Limits { min: 1, max: 64, pattern: ACCESS_KEY_ID, fits: |text| only(text, b"_") };
        Ok(self.string("Operation", &limits)?.map(str::to_owned))
    }

    /// How an entry ended.
    pub(super) fn outcome(&self) -> Result<Option<Outcome>, Fault> {
        let fits = |text: &str| record::outcome(text).is_some();
        let limits = Limits { min: 0, max: usize::MAX, pattern: OUTCOME, fits };
        Ok(self.string("Outcome", &limits)?.and_then(record::outcome))
    }

    /// A day, as days since 1970.
    pub(super) fn date(&self, name: &str) -> Result<Option<u32>, Fault> {
        let fits = |text: &str| day_of_date(text).is_some();
        let limits = Limits { min: 0, max: usize::MAX, pattern: DATE, fits };
        Ok(self.string(name, &limits)?.and_then(day_of_date))
    }

    pub(super) fn user_id(&self) -> Result<Option<UserId>, Fault> {
        let limits = Limits { min: 1, max: UserId::LENGTH_MAX, pattern: USER_ID, fits: |text| only(text, b"_.-:") };
        Ok(self.string("UserId", &limits)?.and_then(UserId::parse))
    }

    pub(super) fn external_image_id(&self) -> Result<Option<ExternalImageId>, Fault> {
        let limits =
            Limits { min: 1, max: ExternalImageId::LENGTH_MAX, pattern: USER_ID, fits: |text| only(text, b"_.-:") };
        Ok(self.string("ExternalImageId", &limits)?.and_then(ExternalImageId::parse))
    }

    pub(super) fn face_id(&self) -> Result<Option<FaceId>, Fault> {
        let limits = Limits { min: 0, max: usize::MAX, pattern: FACE_ID, fits: |text| FaceId::parse(text).is_some() };
        Ok(self.string("FaceId", &limits)?.and_then(FaceId::parse))
    }

    pub(super) fn request_token(&self) -> Result<Option<String>, Fault> {
        let limits = Limits { min: 1, max: 64, pattern: TOKEN, fits: |text| only(text, b"-_") };
        Ok(self.string("ClientRequestToken", &limits)?.map(str::to_owned))
    }

    pub(super) fn next_token(&self) -> Result<Option<String>, Fault> {
        let limits = Limits { min: 0, max: 255, pattern: "", fits: |_| true };
        Ok(self.string("NextToken", &limits)?.map(str::to_owned))
    }

    pub(super) fn resource_arn(&self) -> Result<Option<String>, Fault> {
        let limits = Limits { min: 20, max: 2048, pattern: "", fits: |_| true };
        Ok(self.required("ResourceArn", self.string("ResourceArn", &limits)?).map(str::to_owned))
    }

    /// A whole number in `min..=max`.
    pub(super) fn count(&self, name: &str, min: u32, max: u32) -> Result<Option<usize>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = number(value, "Integer")?;
        if number.fract() != 0.0 || number.abs() > f64::from(i32::MAX) {
            return Err(Fault::serialization("NUMBER_VALUE can not be converted to an Integer"));
        }
        if !self.in_range(name, &format!("{number:.0}"), number, (f64::from(min), f64::from(max))) {
            return Ok(None);
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole and in min..=max")]
        Ok(Some(number as usize))
    }

    /// A percentage, 0 to 100.
    pub(super) fn percent(&self, name: &str) -> Result<Option<f32>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = number(value, "Float")?;
        #[expect(clippy::cast_possible_truncation, reason = "the wire's Float is 32 bits wide")]
        Ok(self.in_range(name, &format!("{number:?}"), number, (0.0, 100.0)).then_some(number as f32))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other @ (Value::List(_) | Value::Object(_))) => Err(not_expected(other)),
            Some(other) => Err(Fault::serialization(format!("{} can not be converted to a Boolean", other.kind()))),
        }
    }

    pub(super) fn quality_filter(&self, default: QualityFilter) -> Result<QualityFilter, Fault> {
        let Some(text) = self.get("QualityFilter").map(string).transpose()? else { return Ok(default) };
        Ok(match text {
            "NONE" => QualityFilter::None,
            "AUTO" => QualityFilter::Auto,
            "LOW" => QualityFilter::Low,
            "MEDIUM" => QualityFilter::Medium,
            "HIGH" => QualityFilter::High,
            _ => {
                self.check_enum("qualityFilter", text, &QUALITY_FILTERS);
                default
            }
        })
    }

    /// Checks the attributes asked for; only the default set is answered so far.
    pub(super) fn attributes(&self, name: &str) -> Result<(), Fault> {
        for (index, value) in self.list(name)?.unwrap_or_default().iter().enumerate() {
            self.check_enum(&format!("{}.{}.member", camel(name), index + 1), string(value)?, &ATTRIBUTES);
        }
        Ok(())
    }

    pub(super) fn face_ids(&self, max: usize) -> Result<Option<Vec<FaceId>>, Fault> {
        let Some(list) = self.list("FaceIds")? else { return Ok(None) };
        self.check_size("FaceIds", list.len(), 1, max);
        let mut ids = Vec::with_capacity(list.len().min(max));
        for (index, value) in list.iter().enumerate() {
            let text = string(value)?;
            match FaceId::parse(text) {
                Some(id) => ids.push(id),
                None => self.violation(Some(text), &format!("faceIds.{}.member", index + 1), &pattern(FACE_ID)),
            }
        }
        Ok(Some(ids))
    }

    pub(super) fn tag_keys(&self) -> Result<Option<Vec<String>>, Fault> {
        let Some(list) = self.list("TagKeys")? else { return Ok(None) };
        self.check_size("TagKeys", list.len(), 0, 200);
        let mut keys = Vec::with_capacity(list.len().min(200));
        for (index, value) in list.iter().enumerate() {
            let key = string(value)?;
            self.check(&format!("tagKeys.{}.member", index + 1), key, &TAG_KEY_LIMITS);
            keys.push(key.to_owned());
        }
        Ok(Some(keys))
    }

    pub(super) fn tags(&self) -> Result<Option<Tags>, Fault> {
        let Some(members) = self.get("Tags").map(object).transpose()? else { return Ok(None) };
        self.check_size("Tags", members.len(), 0, 200);
        let mut tags = Tags::new();
        for (key, value) in members {
            let value = string(value)?;
            self.check("tags.key", key, &TAG_KEY_LIMITS);
            self.check(&format!("tags.{}.member", shown(key)), value, &TAG_VALUE_LIMITS);
            tags.insert(key.clone().into_owned(), value.to_owned());
        }
        Ok(Some(tags))
    }

    /// A picture: exactly one of `Bytes` and `S3Object`.
    pub(super) fn image(&self, name: &str) -> Result<Option<ImageSource>, Fault> {
        let path = camel(name);
        let Some(value) = self.required(name, self.get(name)) else { return Ok(None) };
        let image = object(value)?;
        let bytes = member(image, "Bytes").map(|value| self.blob(&format!("{path}.bytes"), value)).transpose()?;
        let object = member(image, "S3Object").map(|value| self.s3_object(&path, value)).transpose()?;
        match (bytes, object) {
            (Some(image), None) | (None, Some(image)) => Ok(image),
            _ => {
                self.clash();
                Ok(None)
            }
        }
    }

    fn blob(&self, path: &str, value: &Value<'_>) -> Result<Option<ImageSource>, Fault> {
        let text = string(value)?.as_bytes();
        let length = base64_simd::STANDARD.decoded_length(text).map_err(|_| bad_base64())?;
        let shown = format!("java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]");
        if length == 0 || length > IMAGE_BYTES_MAX {
            self.check_length(path, &shown, length, 1, IMAGE_BYTES_MAX);
            return base64_simd::STANDARD.check(text).map(|()| None).map_err(|_| bad_base64());
        }
        let bytes = base64_simd::STANDARD.decode_to_vec(text).map_err(|_| bad_base64())?;
        Ok(Some(ImageSource::Bytes(bytes)))
    }

    fn s3_object(&self, path: &str, value: &Value<'_>) -> Result<Option<ImageSource>, Fault> {
        let members = object(value)?;
        let bucket = member(members, "Bucket").map(string).transpose()?;
        let key = member(members, "Name").map(string).transpose()?;
        let version = member(members, "Version").map(string).transpose()?;
        let free = Limits { min: 1, max: 1024, pattern: "", fits: |_| true };
        let limits = Limits { min: 3, max: 255, pattern: BUCKET, fits: |text| only(text, b".-_") };
        for (name, text, limits) in [("bucket", bucket, &limits), ("name", key, &free), ("version", version, &free)] {
            if let Some(text) = text {
                self.check(&format!("{path}.s3Object.{name}"), text, limits);
            }
        }
        let (Some(bucket), Some(key)) = (bucket, key) else {
            self.clash();
            return Ok(None);
        };
        let (bucket, key, version) = (bucket.to_owned(), key.to_owned(), version.map(str::to_owned));
        Ok(Some(ImageSource::Object { bucket, key, version }))
    }

    /// Notes a violation when a required member is absent.
    pub(super) fn required<T>(&self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && self.get(name).is_none() {
            self.violation(None, &camel(name), "not be null");
        }
        value
    }

    /// `null` is absent; of a member written twice the last one stands.
    fn get(&self, name: &str) -> Option<&'v Value<'a>> {
        member(self.object, name)
    }

    fn list(&self, name: &str) -> Result<Option<&'v [Value<'a>]>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::List(list)) => Ok(Some(list)),
            Some(other) => Err(not_expected(other)),
        }
    }

    fn string(&self, name: &str, limits: &Limits) -> Result<Option<&'v str>, Fault> {
        let text = self.get(name).map(string).transpose()?;
        if let Some(text) = text {
            self.check(&camel(name), text, limits);
        }
        Ok(text)
    }

    fn check(&self, path: &str, text: &str, limits: &Limits) {
        self.check_length(path, text, text.chars().count(), limits.min, limits.max);
        // A text that is far too long is not searched for characters as well.
        let empty_fits = !(text.is_empty() && limits.pattern.trim_end_matches('$').ends_with('+'));
        if text.len() <= limits.max.saturating_mul(4) && !(empty_fits && (limits.fits)(text)) {
            self.violation(Some(text), path, &pattern(limits.pattern));
        }
    }

    fn check_length(&self, path: &str, text: &str, length: usize, min: usize, max: usize) {
        if length < min {
            self.violation(Some(text), path, &format!("have length greater than or equal to {min}"));
        } else if length > max {
            self.violation(Some(text), path, &format!("have length less than or equal to {max}"));
        }
    }

    fn check_size(&self, name: &str, size: usize, min: usize, max: usize) {
        self.check_length(&camel(name), &format!("[{size} members]"), size, min, max);
    }

    fn check_enum(&self, path: &str, text: &str, known: &[&str]) {
        if !known.contains(&text) {
            self.violation(Some(text), path, &format!("satisfy enum value set: [{}]", known.join(", ")));
        }
    }

    fn in_range(&self, name: &str, text: &str, number: f64, (min, max): (f64, f64)) -> bool {
        if number < min {
            self.violation(Some(text), &camel(name), &format!("have value greater than or equal to {min}"));
        } else if number > max {
            self.violation(Some(text), &camel(name), &format!("have value less than or equal to {max}"));
        }
        (min..=max).contains(&number)
    }
}

const TAG_KEY_LIMITS: Limits =
    Limits { min: 1, max: 128, pattern: TAG_KEY, fits: |text| !text.starts_with("aws:") && text.chars().all(tag_char) };
const TAG_VALUE_LIMITS: Limits =
    Limits { min: 0, max: 256, pattern: TAG_VALUE, fits: |text| text.chars().all(tag_char) };

/// Letters, numbers and separators of Unicode, and a few signs. Rust's alphabetic is a little wider than `\p{L}`.
fn tag_char(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

/// The value of a member as a required part of an operation's input. `finish` has refused its absence before.
pub(super) fn present<T>(value: Option<T>) -> Result<T, Fault> {
    value.ok_or_else(Fault::internal)
}

fn member<'v, 'a>(object: &'v [(std::borrow::Cow<'a, str>, Value<'a>)], name: &str) -> Option<&'v Value<'a>> {
    object.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value).filter(|value| **value != Value::Null)
}

fn object<'v, 'a>(value: &'v Value<'a>) -> Result<&'v [(std::borrow::Cow<'a, str>, Value<'a>)], Fault> {
    match value {
        Value::Object(members) => Ok(members),
        other => Err(not_expected(other)),
    }
}

fn string<'v>(value: &'v Value<'_>) -> Result<&'v str, Fault> {
    match value {
        Value::String(text) => Ok(text),
        Value::List(_) | Value::Object(_) => Err(not_expected(value)),
        other => Err(Fault::serialization(format!("{} can not be converted to a String", other.kind()))),
    }
}

fn number(value: &Value<'_>, wanted: &str) -> Result<f64, Fault> {
    match value {
        Value::Number(number) => Ok(*number),
        Value::List(_) | Value::Object(_) => Err(not_expected(value)),
        other => Err(Fault::serialization(format!("{} can not be converted to {wanted}", other.kind()))),
    }
}

fn not_expected(value: &Value<'_>) -> Fault {
    Fault::serialization(match value {
        Value::List(_) => "Start of list found where not expected",
        Value::Object(_) => "Start of structure or map found where not expected.",
        _ => "Unexpected field type",
    })
}

fn bad_base64() -> Fault {
    Fault::serialization("a blob must be standard base64 with padding")
}

fn only(text: &str, also: &[u8]) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
}

fn pattern(pattern: &str) -> String {
    format!("satisfy regular expression pattern: {pattern}")
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `CollectionId` as AWS's validation texts call it: `collectionId`.
fn camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}
