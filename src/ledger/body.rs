//! The body of an entry: the rest of the record in its one canonical form, salted, committed to, encrypted.
//!
//! `docs/ledger-format.md` has every byte.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

use super::leaf::Leaf;
use super::record::Record;
use super::tree::Hash;
use super::varint;
use super::words;

/// Version of what is written: 2 since the lists of words grew. Version 1 is read, and differs in nothing else.
const VERSION: u8 = 2;
/// Longest text of one field, bytes; longer ones are cut at a character.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Most rule names of one record.
pub const RULES_MAX: usize = 16;
/// Longest body in its canonical form, bytes.
pub const BODY_BYTES_MAX: usize = 32 << 10;
pub(super) const SALT_BYTES: usize = 16;
const MONTH_BYTES: usize = 2;
const TAG_BYTES: usize = 16;

/// Tags of fields, ascending in a body. A text has a tag for its number in the list of words and one for itself.
mod tag {
    pub(super) const AT: u64 = 1;
    pub(super) const REQUEST_UUID: u64 = 2;
    pub(super) const REQUEST: u64 = 3;
    pub(super) const OPERATION_WORD: u64 = 4;
    pub(super) const OPERATION: u64 = 5;
    pub(super) const COLLECTION: u64 = 6;
    pub(super) const PRINCIPAL_WORD: u64 = 7;
    pub(super) const PRINCIPAL: u64 = 8;
    pub(super) const ACTOR_WORD: u64 = 9;
    pub(super) const ACTOR: u64 = 10;
    pub(super) const PURPOSE_WORD: u64 = 11;
    pub(super) const PURPOSE: u64 = 12;
    pub(super) const CASE: u64 = 13;
    pub(super) const ERROR_WORD: u64 = 14;
    pub(super) const ERROR: u64 = 15;
    pub(super) const RULE: u64 = 16;
    pub(super) const THRESHOLD_ASKED: u64 = 17;
    pub(super) const THRESHOLD_USED: u64 = 18;
    pub(super) const MAX_FACES: u64 = 19;
    pub(super) const GALLERY_FACES: u64 = 20;
    pub(super) const MODEL_WORD: u64 = 21;
    pub(super) const MODEL: u64 = 22;
    pub(super) const FACES: u64 = 23;
    pub(super) const MATCHES: u64 = 24;
    pub(super) const DETAIL: u64 = 25;
}

fn put_number(bytes: &mut Vec<u8>, tag: u64, value: u64) {
    varint::put(bytes, tag);
    varint::put(bytes, value);
}

fn put_text(bytes: &mut Vec<u8>, tag: u64, text: &str) {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    varint::put(bytes, tag);
    varint::put(bytes, end as u64);
    bytes.extend_from_slice(&text.as_bytes()[..end]);
}

/// `text` as its number in `list`, or as itself; nothing if empty.
fn put_word(bytes: &mut Vec<u8>, tags: (u64, u64), list: &[&str], text: &str) {
    match list.iter().position(|word| *word == text) {
        _ if text.is_empty() => {}
        Some(number) => put_number(bytes, tags.0, number as u64),
        None => put_text(bytes, tags.1, text),
    }
}

/// The 16 bytes of a UUID written the usual way, in lower case.
fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(&text.replace('-', ""), 16).ok()?;
    (uuid_text(number.to_be_bytes()) == text).then_some(number.to_be_bytes())
}

fn uuid_text(bytes: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The canonical form of what is not in the leaf. Over-long texts are cut.
pub(super) fn to_bytes(record: &Record) -> Vec<u8> {
    to_bytes_of(VERSION, record)
}

fn to_bytes_of(version: u8, record: &Record) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    bytes.push(version);
    put_number(&mut bytes, tag::AT, u64::try_from(record.at_ms).unwrap_or(0));
    if let Some(uuid) = uuid_bytes(&record.request_id) {
        varint::put(&mut bytes, tag::REQUEST_UUID);
        bytes.extend_from_slice(&uuid);
    } else if !record.request_id.is_empty() {
        put_text(&mut bytes, tag::REQUEST, &record.request_id);
    }
    let optional = |bytes: &mut Vec<u8>, tag: u64, text: &Option<String>| {
        if let Some(text) = text {
            put_text(bytes, tag, text);
        }
    };
    put_word(
        &mut bytes,
        (tag::OPERATION_WORD, tag::OPERATION),
        words::OPERATIONS.of_version(version),
        &record.operation,
    );
    optional(&mut bytes, tag::COLLECTION, &record.collection);
    put_word(
        &mut bytes,
        (tag::PRINCIPAL_WORD, tag::PRINCIPAL),
        words::PRINCIPALS.of_version(version),
        &record.principal,
    );
    put_word(&mut bytes, (tag::ACTOR_WORD, tag::ACTOR), words::ACTORS.of_version(version), &record.actor);
    put_word(&mut bytes, (tag::PURPOSE_WORD, tag::PURPOSE), words::PURPOSES.of_version(version), &record.purpose);
    optional(&mut bytes, tag::CASE, &record.case);
    put_word(
        &mut bytes,
        (tag::ERROR_WORD, tag::ERROR),
        words::ERRORS.of_version(version),
        record.error.as_deref().unwrap_or(""),
    );
    for rule in record.rules.iter().take(RULES_MAX) {
        put_text(&mut bytes, tag::RULE, rule);
    }
    let numbers = [
        (tag::THRESHOLD_ASKED, record.threshold_asked.map(u64::from)),
        (tag::THRESHOLD_USED, record.threshold_used.map(u64::from)),
        (tag::MAX_FACES, record.max_faces.map(u64::from)),
        (tag::GALLERY_FACES, record.gallery_faces),
    ];
    for (tag, value) in numbers {
        if let Some(value) = value {
            put_number(&mut bytes, tag, value);
        }
    }
    put_word(
        &mut bytes,
        (tag::MODEL_WORD, tag::MODEL),
        words::MODELS.of_version(version),
        record.model.as_deref().unwrap_or(""),
    );
    for (tag, count) in [(tag::FACES, record.faces), (tag::MATCHES, record.matches)] {
        if count > 0 {
            put_number(&mut bytes, tag, u64::from(count));
        }
    }
    optional(&mut bytes, tag::DETAIL, &record.detail);
    bytes
}

/// Puts a record together again; `None` unless `bytes` is exactly what [`to_bytes`] writes, or wrote.
pub(super) fn parse(bytes: &[u8], leaf: &Leaf, tenant: &str) -> Option<Record> {
    let (version, mut rest) = bytes.split_first()?;
    if !(1..=VERSION).contains(version) || bytes.len() > BODY_BYTES_MAX {
        return None;
    }
    let mut record = Record::new(0, leaf.class, "", tenant);
    record.outcome = leaf.outcome;
    record.units = leaf.units.clone();
    record.policy = leaf.policy;
    while !rest.is_empty() {
        let tag = varint::take(&mut rest)?;
        take_field(&mut record, *version, tag, &mut rest)?;
    }
    (to_bytes_of(*version, &record) == bytes).then_some(record)
}

fn take_field(record: &mut Record, version: u8, tag: u64, rest: &mut &[u8]) -> Option<()> {
    let number = |rest: &mut &[u8]| varint::take(rest);
    let small = |rest: &mut &[u8]| varint::take(rest).and_then(|value| u32::try_from(value).ok());
    match tag {
        tag::AT => record.at_ms = i64::try_from(number(rest)?).ok()?,
        tag::REQUEST_UUID => {
            let (uuid, after) = rest.split_first_chunk::<16>()?;
            *rest = after;
            record.request_id = uuid_text(*uuid);
        }
        tag::REQUEST => record.request_id = take_text(rest)?,
        tag::OPERATION_WORD => record.operation = take_word(rest, words::OPERATIONS.of_version(version))?,
        tag::OPERATION => record.operation = take_text(rest)?,
        tag::COLLECTION => record.collection = Some(take_text(rest)?),
        tag::PRINCIPAL_WORD => record.principal = take_word(rest, words::PRINCIPALS.of_version(version))?,
        tag::PRINCIPAL => record.principal = take_text(rest)?,
        tag::ACTOR_WORD => record.actor = take_word(rest, words::ACTORS.of_version(version))?,
        tag::ACTOR => record.actor = take_text(rest)?,
        tag::PURPOSE_WORD => record.purpose = take_word(rest, words::PURPOSES.of_version(version))?,
        tag::PURPOSE => record.purpose = take_text(rest)?,
        tag::CASE => record.case = Some(take_text(rest)?),
        tag::ERROR_WORD => record.error = Some(take_word(rest, words::ERRORS.of_version(version))?),
        tag::ERROR => record.error = Some(take_text(rest)?),
        tag::RULE => record.rules.push(take_text(rest)?),
        tag::THRESHOLD_ASKED => record.threshold_asked = Some(small(rest)?),
        tag::THRESHOLD_USED => record.threshold_used = Some(small(rest)?),
        tag::MAX_FACES => record.max_faces = Some(small(rest)?),
        tag::GALLERY_FACES => record.gallery_faces = Some(number(rest)?),
        tag::MODEL_WORD => record.model = Some(take_word(rest, words::MODELS.of_version(version))?),
        tag::MODEL => record.model = Some(take_text(rest)?),
        tag::FACES => record.faces = small(rest)?,
        tag::MATCHES => record.matches = small(rest)?,
        tag::DETAIL => record.detail = Some(take_text(rest)?),
        _ => return None,
    }
    Some(())
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(varint::take(rest)?).ok().filter(|length| *length <= TEXT_BYTES_MAX)?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}

fn take_word(rest: &mut &[u8], list: &[&str]) -> Option<String> {
    let number = usize::try_from(varint::take(rest)?).ok()?;
    list.get(number).map(|word| (*word).to_owned())
}

/// A key for the bodies of one tenant and month.
pub(super) struct BodyKey(LessSafeKey);

impl BodyKey {
    /// The cipher under `key`.
    pub(super) fn new(key: &[u8; 32]) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM, key).ok().map(|key| Self(LessSafeKey::new(key)))
    }
}

/// A body as it is stored: month of its key (2 bytes), then AES-256-GCM of salt and canonical body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SealedBody {
    /// What the leaf commits to.
    pub(super) commitment: Hash,
    /// What is stored.
    pub(super) bytes: Vec<u8>,
}

/// Encrypts a canonical body.
///
/// The nonce is the beginning of the commitment, which is the hash of a random salt and the body: it repeats under
/// one key only if 96 bits of SHA-256 collide, and needs no room of its own.
pub(super) fn seal(key: &BodyKey, month: u16, salt: [u8; SALT_BYTES], body: &[u8]) -> Option<SealedBody> {
    let mut bytes = Vec::with_capacity(MONTH_BYTES + SALT_BYTES + body.len() + TAG_BYTES);
    bytes.extend_from_slice(&month.to_be_bytes());
    bytes.extend_from_slice(&salt);
    bytes.extend_from_slice(body);
    let commitment: Hash = Sha256::digest(&bytes[MONTH_BYTES..]).into();
    let nonce = Nonce::assume_unique_for_key(*commitment.first_chunk::<NONCE_LEN>()?);
    let (associated, secret) = bytes.split_at_mut(MONTH_BYTES);
    let tag = key.0.seal_in_place_separate_tag(nonce, Aad::from(associated), secret).ok()?;
    bytes.extend_from_slice(tag.as_ref());
    Some(SealedBody { commitment, bytes })
}

/// The month of the key that a stored body is under, counted from January 1970.
pub(super) fn month_of(sealed: &[u8]) -> Option<u16> {
    sealed.first_chunk::<MONTH_BYTES>().map(|month| u16::from_be_bytes(*month))
}

/// Decrypts a stored body and holds it against the leaf's commitment; the canonical body.
pub(super) fn open<'a>(key: &BodyKey, commitment: &Hash, sealed: &[u8], into: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let (associated, secret) = sealed.split_at_checked(MONTH_BYTES)?;
    let nonce = Nonce::assume_unique_for_key(*commitment.first_chunk::<NONCE_LEN>()?);
    into.clear();
    into.extend_from_slice(secret);
    let plain = key.0.open_in_place(nonce, Aad::from(associated), into).ok()?;
    let found: Hash = Sha256::digest(&*plain).into();
    if found != *commitment { None } else { plain.get(SALT_BYTES..) }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Class, Outcome, Unit, Units};
    use super::*;

    fn full() -> Record {
        Record {
            outcome: Outcome::Denied,
            request_id: "8a1f2c3d-0000-4000-8000-00000000000f".to_owned(),
            collection: Some("staff".to_owned()),
            principal: "AKIAEXAMPLE000000000".to_owned(),
            actor: "police".to_owned(),
            purpose: "find-missing-person".to_owned(),
            case: Some("A-17".to_owned()),
            error: Some("AccessDeniedException".to_owned()),
            rules: vec!["police-moratorium".to_owned(), "floor".to_owned()],
            threshold_asked: Some(8000),
            threshold_used: Some(9900),
            max_faces: Some(5),
            gallery_faces: Some(300_000),
            model: Some("face-reidentification-retail-0095".to_owned()),
            faces: 2,
            matches: 1,
            detail: Some("é".repeat(10)),
            units: Units::of(Unit::Search, 1),
            ..Record::new(1_790_000_000_123, Class::Search, "SearchFacesByImage", "acme")
        }
    }

    fn leaf(record: &Record) -> Leaf {
        Leaf {
            index: 0,
            minute: 0,
            clock_went_back: false,
            flood_begins: false,
            flood_ends: false,
            class: record.class,
            outcome: record.outcome,
            tenant: [0; 32],
            body: [0; 32],
            policy: record.policy,
            units: record.units.clone(),
            erasure: None,
        }
    }

    #[test]
    fn records_survive_their_bytes() {
        let plain = Record::new(5, Class::Manage, "NoSuchOperation", "acme");
        let named = Record { request_id: "not a uuid".to_owned(), error: Some("Odd".to_owned()), ..plain.clone() };
        for record in [full(), plain, named] {
            let bytes = to_bytes(&record);
            assert_eq!(parse(&bytes, &leaf(&record), "acme"), Some(record));
        }
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        let record = full();
        let bytes = to_bytes(&record);
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            if let Some(read) = parse(&other, &leaf(&record), "acme") {
                assert_eq!(to_bytes_of(other[0], &read), other);
            }
        }
        let twice = [&bytes[..], &bytes[1..]].concat();
        assert_eq!(parse(&twice, &leaf(&record), "acme"), None);
    }

    #[test]
    fn bodies_from_before_the_lists_grew_are_read_and_stay_the_same_bytes() {
        let grown = Record {
            operation: "ListAccessKeys".to_owned(),
            actor: "media".to_owned(),
            error: Some("access-denied".to_owned()),
            ..full()
        };
        for record in [full(), grown] {
            let (old, new) = (to_bytes_of(1, &record), to_bytes(&record));
            assert_eq!(parse(&old, &leaf(&record), "acme").as_ref(), Some(&record));
            // Neither passes for the other: one record has one form in a version.
            let (mut swapped, same_words) = (old.clone(), old[1..] == new[1..]);
            swapped[0] = 2;
            assert_eq!(parse(&swapped, &leaf(&record), "acme").is_some(), same_words);
        }
        assert_eq!(parse(&to_bytes_of(3, &full()), &leaf(&full()), "acme"), None);
    }

    #[test]
    fn over_long_texts_are_cut_at_a_character() {
        let record = Record { detail: Some("é".repeat(4000)), ..full() };
        let read = parse(&to_bytes(&record), &leaf(&record), "acme").unwrap();
        assert_eq!(read.detail.unwrap().len(), TEXT_BYTES_MAX);
    }

    #[test]
    fn a_sealed_body_opens_and_any_other_byte_does_not() {
        let key = BodyKey::new(&[9; 32]).unwrap();
        let sealed = seal(&key, 682, [4; 16], b"canonical").unwrap();
        let mut room = Vec::new();
        assert_eq!(open(&key, &sealed.commitment, &sealed.bytes, &mut room), Some(&b"canonical"[..]));
        assert_eq!(month_of(&sealed.bytes), Some(682));
        for at in 0..sealed.bytes.len() {
            let mut other = sealed.bytes.clone();
            other[at] ^= 0x40;
            assert_eq!(open(&key, &sealed.commitment, &other, &mut room), None, "byte {at}");
        }
        assert_eq!(open(&BodyKey::new(&[8; 32]).unwrap(), &sealed.commitment, &sealed.bytes, &mut room), None);
    }
}
