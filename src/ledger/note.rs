//! Signed notes and their keys (C2SP signed-note), and the timestamped cosignatures of witnesses (tlog-cosignature).
//!
//! Ed25519 only. Signatures of unknown keys are ignored, as the standard asks; one of a known key that does not
//! verify makes the note worthless.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

/// Longest note that is read, bytes.
pub const NOTE_BYTES_MAX: usize = 64 << 10;
/// Most signatures that are read; the standard asks for 16.
pub const SIGNATURES_MAX: usize = 64;
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// Why a note or a key is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Not the format; says what is wrong.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// A known key's signature does not verify.
    #[error("the signature of `{0}` does not verify")]
    Forged(String),
    /// No known key has signed.
    #[error("not signed by `{0}`")]
    Unsigned(String),
}

/// What a key signs, the signature type byte of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum KeyKind {
    /// The text of notes (0x01): a log.
    Log = 1,
    /// Checkpoints with the time of seeing them (0x04): a witness.
    Witness = 4,
}

/// A public key with its name: who is believed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey {
    name: String,
    kind: KeyKind,
    key: [u8; 32],
}

/// Can `name` stand in a signature line?
#[must_use]
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

impl PublicKey {
    /// The name in signature lines.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Log or witness.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The first four bytes of `SHA-256(name ‖ 0x0a ‖ kind ‖ key)`.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', self.kind as u8])
            .chain_update(self.key)
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Reads `<name>+<id, hex>+<base64 of kind and key>`.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        const WRONG: NoteError = NoteError::Malformed("public key");
        let mut parts = text.trim_end_matches('\n').splitn(3, '+');
        let (name, id, key) = (parts.next(), parts.next(), parts.next());
        let name = name.filter(|name| is_key_name(name)).ok_or(WRONG)?;
        let bytes = from_base64(key.ok_or(WRONG)?).ok_or(WRONG)?;
        let (kind, key) = bytes.split_first().ok_or(WRONG)?;
        let kind = match kind {
            1 => KeyKind::Log,
            4 => KeyKind::Witness,
            _ => return Err(NoteError::Malformed("public key: only Ed25519 keys of logs and witnesses are known")),
        };
        let key = Self { name: name.to_owned(), kind, key: key.try_into().map_err(|_| WRONG)? };
        if id != Some(hex(&key.id()).as_str()) {
            return Err(NoteError::Malformed("public key: its id is not that of its name and key"));
        }
        Ok(key)
    }

    /// Is `signature` (64 bytes) one over `message`?
    #[must_use]
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.kind as u8][..], &self.key].concat();
        write!(f, "{}+{}+{}", self.name, hex(&self.id()), base64(&bytes))
    }
}

/// A private key with its name.
pub struct SecretKey {
    public: PublicKey,
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// The key of a seed.
    ///
    /// # Errors
    /// `Malformed` if `name` cannot stand in a signature line.
    pub fn from_seed(name: &str, kind: KeyKind, seed: [u8; 32]) -> Result<Self, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::Malformed("key name: it is empty or has spaces or `+`"));
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| NoteError::Malformed("private key"))?;
        let key = pair.public_key().as_ref().try_into().map_err(|_| NoteError::Malformed("private key"))?;
        Ok(Self { public: PublicKey { name: name.to_owned(), kind, key }, seed, pair })
    }

    /// Reads `PRIVATE+KEY+<name>+<id, hex>+<base64 of kind and seed>`, the form of Go's `note` package.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        const WRONG: NoteError = NoteError::Malformed("private key");
        let rest = text.strip_suffix('\n').unwrap_or(text).strip_prefix("PRIVATE+KEY+").ok_or(WRONG)?;
        let mut parts = rest.splitn(3, '+');
        let (name, id, seed) = (parts.next().ok_or(WRONG)?, parts.next(), parts.next().ok_or(WRONG)?);
        let bytes = from_base64(seed).ok_or(WRONG)?;
        let (kind, seed) = bytes.split_first().ok_or(WRONG)?;
        let kind = match kind {
            1 => KeyKind::Log,
            4 => KeyKind::Witness,
            _ => return Err(WRONG),
        };
        let key = Self::from_seed(name, kind, seed.try_into().map_err(|_| WRONG)?)?;
        if id != Some(hex(&key.public.id()).as_str()) {
            return Err(WRONG);
        }
        Ok(key)
    }

    /// What [`SecretKey::parse`] reads. Keep it secret.
    #[must_use]
    pub fn to_text(&self) -> String {
        let bytes = [&[self.public.kind as u8][..], &self.seed].concat();
        format!("PRIVATE+KEY+{}+{}+{}\n", self.public.name, hex(&self.public.id()), base64(&bytes))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// 64 bytes over `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// A signature line over the text of a note, with its line end.
    #[must_use]
    pub fn sign_note(&self, text: &str) -> String {
        signature_line(&self.public, &self.sign(text.as_bytes()))
    }

    /// A witness's signature line over a checkpoint's text, seen at `at_s` seconds since 1970.
    #[must_use]
    pub fn cosign(&self, text: &str, at_s: u64) -> String {
        let signature = self.sign(cosigned_message(text, at_s).as_bytes());
        signature_line(&self.public, &[&at_s.to_be_bytes()[..], &signature].concat())
    }
}

fn cosigned_message(text: &str, at_s: u64) -> String {
    format!("cosignature/v1\ntime {at_s}\n{text}")
}

fn signature_line(key: &PublicKey, signature: &[u8]) -> String {
    format!("{SIGNATURE_PREFIX}{} {}\n", key.name, base64(&[&key.id()[..], signature].concat()))
}

/// One line of signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub id: [u8; 4],
    /// What follows the id.
    pub signature: Vec<u8>,
}

impl SignatureLine {
    fn parse(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let bytes = from_base64(signature)?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        (is_key_name(name) && !signature.is_empty()).then(|| Self {
            name: name.to_owned(),
            id: *id,
            signature: signature.to_vec(),
        })
    }
}

/// Reads signature lines, as a witness answers them.
///
/// # Errors
/// `Malformed`.
pub fn parse_signature_lines(bytes: &[u8]) -> Result<Vec<SignatureLine>, NoteError> {
    const WRONG: NoteError = NoteError::Malformed("signature line");
    if bytes.len() > NOTE_BYTES_MAX {
        return Err(WRONG);
    }
    let text = std::str::from_utf8(bytes).ok().and_then(|text| text.strip_suffix('\n')).ok_or(WRONG)?;
    let lines: Vec<_> = text.split('\n').map(SignatureLine::parse).collect::<Option<_>>().ok_or(WRONG)?;
    if lines.len() > SIGNATURES_MAX { Err(WRONG) } else { Ok(lines) }
}

/// A text with signatures, not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// With its last line end, without the blank line.
    pub text: String,
    /// In the note's order.
    pub signatures: Vec<SignatureLine>,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Malformed("note: too long"));
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("note: not UTF-8"))?;
        if whole.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(NoteError::Malformed("note: control characters"));
        }
        let split = whole.rfind("\n\n").ok_or(NoteError::Malformed("note: no blank line before signatures"))?;
        let (text, signatures) = (&whole[..=split], &whole[split + 2..]);
        Ok(Self { text: text.to_owned(), signatures: parse_signature_lines(signatures.as_bytes())? })
    }

    /// Has `key` signed? The time of a witness's signature, seconds since 1970; 0 for a log's.
    ///
    /// # Errors
    /// `Unsigned` if no line is this key's, `Forged` if one is and does not verify.
    pub fn verify(&self, key: &PublicKey) -> Result<u64, NoteError> {
        let id = key.id();
        let mut lines = self.signatures.iter().filter(|line| line.name == key.name && line.id == id).peekable();
        if lines.peek().is_none() {
            return Err(NoteError::Unsigned(key.name.clone()));
        }
        let mut at_s = 0;
        for line in lines {
            at_s = verify_line(&self.text, line, key).ok_or_else(|| NoteError::Forged(key.name.clone()))?;
        }
        Ok(at_s)
    }
}

/// The time of the signature in `line`, if it is `key`'s over `text`.
#[must_use]
pub fn verify_line(text: &str, line: &SignatureLine, key: &PublicKey) -> Option<u64> {
    if line.name != key.name || line.id != key.id() {
        return None;
    }
    match key.kind {
        KeyKind::Log => key.has_signed(text.as_bytes(), &line.signature).then_some(0),
        KeyKind::Witness => {
            let (at_s, signature) = line.signature.split_first_chunk::<8>()?;
            let at_s = u64::from_be_bytes(*at_s);
            let in_range = i64::try_from(at_s).is_ok();
            (in_range && key.has_signed(cosigned_message(text, at_s).as_bytes(), signature)).then_some(at_s)
        }
    }
}

/// A signature line as it stands in a note.
impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id[..], &self.signature].concat();
        writeln!(f, "{SIGNATURE_PREFIX}{} {}", self.name, base64(&bytes))
    }
}

/// Standard base64 with padding, as notes have it.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// Strict: padded, no white space, and only the one canonical form.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = base64_simd::STANDARD.decode_to_vec(text.as_bytes()).ok()?;
    (base64(&bytes) == text).then_some(bytes)
}

pub(super) fn hash_from_base64(text: &str) -> Option<[u8; 32]> {
    from_base64(text)?.try_into().ok()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published example of the standard's own reference implementation (Go's `note` package documentation).
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_reference_note_verifies() {
        let key = PublicKey::parse(GO_KEY).unwrap();
        assert_eq!(key.to_string(), GO_KEY);
        let note = Note::parse(GO_NOTE.as_bytes()).unwrap();
        assert_eq!(note.verify(&key), Ok(0));
        let mut other = note.clone();
        other.text = other.text.replace("answer", "question");
        assert_eq!(other.verify(&key), Err(NoteError::Forged("PeterNeumann".to_owned())));
    }

    #[test]
    fn keys_survive_their_text() {
        let key = SecretKey::from_seed("example.com/w1", KeyKind::Witness, [7; 32]).unwrap();
        let again = SecretKey::parse(&key.to_text()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(PublicKey::parse(&key.public().to_string()).unwrap(), *key.public());
        assert!(SecretKey::from_seed("a b", KeyKind::Log, [7; 32]).is_err());
    }

    #[test]
    fn a_cosignature_carries_its_time() {
        let key = SecretKey::from_seed("example.com/w1", KeyKind::Witness, [7; 32]).unwrap();
        let text = "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        let note = Note::parse(format!("{text}\n{}", key.cosign(text, 1_679_315_147)).as_bytes()).unwrap();
        assert_eq!(note.verify(key.public()), Ok(1_679_315_147));
        assert_eq!(note.signatures[0].to_string(), key.cosign(text, 1_679_315_147));
    }

    #[test]
    fn malformed_notes_are_refused() {
        for bytes in
            [&b""[..], b"text\n", b"text\n\n", b"te\txt\n\n\xe2\x80\x94 a AAAAAAA=\n", b"text\n\nnot a signature\n"]
        {
            assert!(Note::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
