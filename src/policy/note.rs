//! Signed notes beside policy files: Ed25519 over a short text that names the file and its SHA-256, in the signed-note
//! form of C2SP (`c2sp.org/signed-note`).

use std::fmt::Write as _;

use ed25519_dalek::{Signature, Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

/// Most bytes of a note.
const NOTE_BYTES_MAX: usize = 64 << 10;
/// Most signatures of a note.
const SIGNATURES_MAX: usize = 100;
/// Algorithm byte of Ed25519 in keys and key ids.
const ED25519: u8 = 1;

/// A signer's name and public key, `name+hash+key` in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    id: [u8; 4],
    key: ed25519_dalek::VerifyingKey,
}

impl VerifyingKey {
    /// Reads `name+hash+key`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "is no verifying key of the form name+hash+key".to_owned();
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let bytes = base64(key).ok_or_else(wrong)?;
        let (algorithm, key) = bytes.split_first().ok_or_else(wrong)?;
        if *algorithm != ED25519 || !good_name(name) {
            return Err(wrong());
        }
        let key: [u8; 32] = key.try_into().map_err(|_| wrong())?;
        let id = key_id(name, &key);
        if format!("{:08x}", u32::from_be_bytes(id)) != hash {
            return Err("has a hash that is not that of its key".to_owned());
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(&key).map_err(|_| "is no point of the curve".to_owned())?;
        Ok(Self { name: name.to_owned(), id, key })
    }

    /// The signer's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// `name+hash+key` of a signing key's public half.
///
/// # Errors
/// A name with blanks, `+`, or none.
pub fn verifying_key(name: &str, key: &SigningKey) -> Result<String, String> {
    if !good_name(name) {
        return Err(format!("`{name}` is no signer's name: no blanks and no `+`"));
    }
    let public = key.verifying_key().to_bytes();
    let id = u32::from_be_bytes(key_id(name, &public));
    let mut bytes = vec![ED25519];
    bytes.extend_from_slice(&public);
    Ok(format!("{name}+{id:08x}+{}", encode(&bytes)))
}

/// What a note beside `file` says.
#[must_use]
pub fn text_of(file: &str, text: &str) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    format!("trombi policy file v1\n{file}\nsha256 {hex}\n")
}

/// The note of a file, signed by one key.
///
/// # Errors
/// As [`verifying_key`].
pub fn sign(file: &str, text: &str, name: &str, key: &SigningKey) -> Result<String, String> {
    verifying_key(name, key)?;
    let said = text_of(file, text);
    let mut bytes = key_id(name, &key.verifying_key().to_bytes()).to_vec();
    bytes.extend_from_slice(&key.sign(said.as_bytes()).to_bytes());
    Ok(format!("{said}\n\u{2014} {name} {}\n", encode(&bytes)))
}

/// The names of the signers of `note`, of those whose keys are given. Signatures of others are passed over.
///
/// # Errors
/// Another text than `expected`, a known key's signature that does not verify, or no known signer.
pub(super) fn check<'k>(
    note: &str,
    expected: &str,
    keys: impl Iterator<Item = &'k VerifyingKey>,
) -> Result<Vec<String>, String> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(format!("is larger than {NOTE_BYTES_MAX} bytes"));
    }
    let (said, signatures) = note.split_once("\n\n").ok_or("is no signed note: an empty line is missing")?;
    if format!("{said}\n") != expected {
        return Err("signs another text: the file was changed after it was signed, or renamed".to_owned());
    }
    let keys: Vec<&VerifyingKey> = keys.collect();
    let mut signers = Vec::new();
    for (count, line) in signatures.lines().enumerate() {
        if count == SIGNATURES_MAX {
            return Err(format!("has more than {SIGNATURES_MAX} signatures"));
        }
        let (name, id, signature) = signature(line).ok_or("has a line that is no signature")?;
        let Some(key) = keys.iter().find(|key| key.name == name && key.id == id) else { continue };
        // The strict check: no small-order keys, one encoding only.
        key.key
            .verify_strict(expected.as_bytes(), &signature)
            .map_err(|_| format!("has a signature of `{name}` that does not verify"))?;
        if !signers.contains(&key.name) {
            signers.push(key.name.clone());
        }
    }
    if signers.is_empty() {
        return Err("is signed by nobody of the set's `[signer.NAME]`".to_owned());
    }
    Ok(signers)
}

/// Name, key id and signature of a line.
fn signature(line: &str) -> Option<(&str, [u8; 4], Signature)> {
    let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = base64(encoded)?;
    let (id, signature) = bytes.split_at_checked(4)?;
    Some((name, id.try_into().ok()?, Signature::from_slice(signature).ok()?))
}

fn good_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.contains(|c: char| c.is_whitespace() || c == '+' || c.is_control())
}

/// The first four bytes of SHA-256 over name, line end, algorithm and key.
fn key_id(name: &str, key: &[u8; 32]) -> [u8; 4] {
    let mut state = Sha256::new();
    state.update(name.as_bytes());
    state.update([b'\n', ED25519]);
    state.update(key);
    let hash: [u8; 32] = state.finalize().into();
    [hash[0], hash[1], hash[2], hash[3]]
}

fn base64(text: &str) -> Option<Vec<u8>> {
    base64_simd::STANDARD.decode_to_vec(text).ok()
}

fn encode(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    #[test]
    fn who_signed_is_told_and_a_changed_file_is_found() {
        let note = sign("a.toml", "text", "board.example", &key()).unwrap();
        let known = VerifyingKey::parse(&verifying_key("board.example", &key()).unwrap()).unwrap();
        let told = check(&note, &text_of("a.toml", "text"), [&known].into_iter());
        assert_eq!(told, Ok(vec!["board.example".to_owned()]));
        let changed = check(&note, &text_of("a.toml", "texts"), [&known].into_iter());
        assert!(changed.unwrap_err().contains("changed"));
        assert!(check(&note, &text_of("a.toml", "text"), [].into_iter()).unwrap_err().contains("nobody"));
    }

    #[test]
    fn every_flipped_byte_of_a_note_is_found() {
        let note = sign("a.toml", "text", "board.example", &key()).unwrap();
        let known = VerifyingKey::parse(&verifying_key("board.example", &key()).unwrap()).unwrap();
        for at in 0..note.len() - 1 {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(flipped) = String::from_utf8(bytes) else { continue };
            assert!(check(&flipped, &text_of("a.toml", "text"), [&known].into_iter()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_key_whose_hash_is_anothers_is_refused() {
        let good = verifying_key("board.example", &key()).unwrap();
        assert!(VerifyingKey::parse(&good.replacen("board", "bored", 1)).is_err());
        for bad in ["", "a", "a+b", "a+00000000+AA==", "a b+00000000+AA=="] {
            assert!(VerifyingKey::parse(bad).is_err(), "{bad}");
        }
    }
}
