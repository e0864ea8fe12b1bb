//! Signed notes beside policy files: a short text that names the file and its SHA-256, signed as the ledger signs.

use sha2::{Digest as _, Sha256};

use crate::ledger::note::{self, Note, NoteError, PublicKey, SecretKey};

/// What a note beside `file` says.
#[must_use]
pub fn text_of(file: &str, text: &str) -> String {
    format!("trombi policy file v1\n{file}\nsha256 {}\n", note::hex(&Sha256::digest(text.as_bytes())))
}

/// The note of a file, signed by one key.
#[must_use]
pub fn sign(file: &str, text: &str, key: &SecretKey) -> String {
    let said = text_of(file, text);
    let line = key.sign_note(&said);
    format!("{said}\n{line}")
}

/// The names of the signers of `note`, of those whose keys are given. Signatures of others are passed over.
///
/// # Errors
/// Another text than `expected`, a known key's signature that does not verify, or no known signer.
pub(super) fn check<'k>(
    note: &str,
    expected: &str,
    keys: impl Iterator<Item = &'k PublicKey>,
) -> Result<Vec<String>, String> {
    let note = Note::parse(note.as_bytes()).map_err(|error| error.to_string())?;
    if note.text != expected {
        return Err("signs another text: the file was changed after it was signed, or renamed".to_owned());
    }
    let mut signers = Vec::new();
    for key in keys {
        match note.verify(key) {
            Ok(_) => signers.push(key.name().to_owned()),
            Err(NoteError::Unsigned(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    signers.sort();
    signers.dedup();
    if signers.is_empty() {
        return Err("is signed by nobody of the set's `[signer.NAME]`".to_owned());
    }
    Ok(signers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::note::KeyKind;

    fn key() -> SecretKey {
        SecretKey::from_seed("board.example", KeyKind::Log, [7; 32]).unwrap()
    }

    #[test]
    fn who_signed_is_told_and_a_changed_file_is_found() {
        let note = sign("a.toml", "text", &key());
        let told = check(&note, &text_of("a.toml", "text"), [key().public()].into_iter());
        assert_eq!(told, Ok(vec!["board.example".to_owned()]));
        let changed = check(&note, &text_of("a.toml", "texts"), [key().public()].into_iter());
        assert!(changed.unwrap_err().contains("changed"));
        assert!(check(&note, &text_of("a.toml", "text"), [].into_iter()).unwrap_err().contains("nobody"));
    }

    #[test]
    fn every_flipped_byte_of_a_note_is_found() {
        let note = sign("a.toml", "text", &key());
        for at in 0..note.len() - 1 {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(flipped) = String::from_utf8(bytes) else { continue };
            assert!(check(&flipped, &text_of("a.toml", "text"), [key().public()].into_iter()).is_err(), "byte {at}");
        }
    }
}
