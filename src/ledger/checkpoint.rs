//! Checkpoints: the signed size and root of a log (C2SP tlog-checkpoint).

use super::note::{Note, NoteError, PublicKey, SecretKey, base64, hash_from_base64};
use super::tree::Hash;

/// What a log says of itself at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Entries in the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The note's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64(&self.root))
    }

    /// The signed note.
    #[must_use]
    pub fn sign(&self, key: &SecretKey) -> String {
        let text = self.to_text();
        format!("{text}\n{}", key.sign_note(&text))
    }

    /// Reads a note's text; extension lines are allowed and not looked at.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_text(text: &str) -> Result<Self, NoteError> {
        const WRONG: NoteError = NoteError::Malformed("checkpoint");
        let mut lines = text.strip_suffix('\n').ok_or(WRONG)?.split('\n');
        let (origin, size, root) = (lines.next(), lines.next(), lines.next());
        let origin = origin.filter(|origin| !origin.is_empty()).ok_or(WRONG)?;
        let size = size.and_then(decimal).ok_or(WRONG)?;
        let root = root.and_then(hash_from_base64).ok_or(WRONG)?;
        if lines.any(str::is_empty) {
            return Err(WRONG);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// A checkpoint with its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// By whom.
    pub note: Note,
}

impl SignedCheckpoint {
    /// Reads a checkpoint file; believes nothing yet.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let note = Note::parse(bytes)?;
        Ok(Self { checkpoint: Checkpoint::from_text(&note.text)?, note })
    }

    /// Reads a checkpoint file and verifies that `key`, the log's, has signed it.
    ///
    /// # Errors
    /// `Malformed`, `Unsigned`, `Forged`; also `Malformed` if the origin is not the key's name.
    pub fn open(bytes: &[u8], key: &PublicKey) -> Result<Self, NoteError> {
        let signed = Self::parse(bytes)?;
        if signed.checkpoint.origin != key.name() {
            return Err(NoteError::Unsigned(key.name().to_owned()));
        }
        signed.note.verify(key)?;
        Ok(signed)
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let signatures: String = self.note.signatures.iter().map(ToString::to_string).collect();
        format!("{}\n{signatures}", self.note.text).into_bytes()
    }
}

/// An ASCII decimal without leading zeroes.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::super::note::KeyKind;
    use super::*;

    #[test]
    fn a_signed_checkpoint_reads_back_to_the_byte() {
        let key = SecretKey::from_seed("trombi/0011", KeyKind::Log, [1; 32]).unwrap();
        let checkpoint = Checkpoint { origin: "trombi/0011".to_owned(), size: 20_852_163, root: [9; 32] };
        let bytes = checkpoint.sign(&key).into_bytes();
        let read = SignedCheckpoint::open(&bytes, key.public()).unwrap();
        assert_eq!(read.checkpoint, checkpoint);
        assert_eq!(read.to_bytes(), bytes);
        let stranger = SecretKey::from_seed("trombi/0011", KeyKind::Log, [2; 32]).unwrap();
        assert!(matches!(SignedCheckpoint::open(&bytes, stranger.public()), Err(NoteError::Unsigned(_))));
    }

    #[test]
    fn malformed_texts_are_refused() {
        let root = base64(&[0; 32]);
        for text in [
            format!("o\n01\n{root}\n"),
            format!("o\n-1\n{root}\n"),
            format!("\n1\n{root}\n"),
            format!("o\n1\n{root}"),
            format!("o\n1\n{root}\n\n"),
            "o\n1\nAAAA\n".to_owned(),
        ] {
            assert!(Checkpoint::from_text(&text).is_err(), "{text:?}");
        }
        assert!(Checkpoint::from_text(&format!("o\n1\n{root}\nextension\n")).is_ok());
    }
}
