//! Proofs that an entry is in a log, to be checked without it (C2SP tlog-proof), files `.tlog-proof`.

use super::checkpoint::{SignedCheckpoint, decimal};
use super::note::{NoteError, PublicKey, base64, from_base64, hash_from_base64};
use super::tree::{Hash, is_included, leaf_hash};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Longest proof that is read, bytes.
pub const PROOF_BYTES_MAX: usize = 128 << 10;
/// Longest path in a tree of 2^63 entries.
const PATH_MAX: usize = 63;

/// A proof of inclusion with its checkpoint. `extra` carries the leaf's bytes, so that the proof shows what it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The entry's bytes, if they go with the proof.
    pub extra: Option<Vec<u8>>,
    /// Place in the log, from 0.
    pub index: u64,
    /// The leaf's sibling first.
    pub path: Vec<Hash>,
    /// With the signatures of the log and of witnesses.
    pub checkpoint: SignedCheckpoint,
}

impl Proof {
    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let extra = self.extra.as_ref().map_or_else(String::new, |extra| format!("extra {}\n", base64(extra)));
        let path: String = self.path.iter().map(|hash| format!("{}\n", base64(hash))).collect();
        let checkpoint = String::from_utf8_lossy(&self.checkpoint.to_bytes()).into_owned();
        format!("{HEADER}\n{extra}index {}\n{path}\n{checkpoint}", self.index)
    }

    /// Reads a proof; believes nothing yet.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        const WRONG: NoteError = NoteError::Malformed("proof");
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(WRONG);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| WRONG)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(WRONG)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(WRONG);
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(extra) => {
                let extra = from_base64(extra).ok_or(WRONG)?;
                lines.next();
                Some(extra)
            }
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal).ok_or(WRONG)?;
        let path: Vec<Hash> = lines.map(hash_from_base64).collect::<Option<_>>().ok_or(WRONG)?;
        if path.len() > PATH_MAX {
            return Err(WRONG);
        }
        Ok(Self { extra, index, path, checkpoint: SignedCheckpoint::parse(checkpoint.as_bytes())? })
    }

    /// Does it prove that an entry with this hash is in the log of `key`?
    ///
    /// # Errors
    /// `Unsigned`, `Forged`, or `Malformed` if the path does not lead from the entry to the root, or if `extra` is
    /// another entry.
    pub fn verify(&self, leaf: &Hash, key: &PublicKey) -> Result<(), NoteError> {
        let checkpoint = &self.checkpoint.checkpoint;
        if checkpoint.origin != key.name() {
            return Err(NoteError::Unsigned(key.name().to_owned()));
        }
        self.checkpoint.note.verify(key)?;
        if self.extra.as_ref().is_some_and(|extra| leaf_hash(extra) != *leaf) {
            return Err(NoteError::Malformed("proof: it carries another entry"));
        }
        if is_included(leaf, self.index, checkpoint.size, &checkpoint.root, &self.path) {
            Ok(())
        } else {
            Err(NoteError::Malformed("proof: its path does not lead from the entry to the root"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::Checkpoint;
    use super::super::note::{KeyKind, SecretKey};
    use super::super::tree::node_hash;
    use super::*;

    #[test]
    fn a_proof_survives_its_text_and_proves_one_entry_only() {
        let key = SecretKey::from_seed("trombi/0011", KeyKind::Log, [1; 32]).unwrap();
        let (leaf, other) = (leaf_hash(b"entry"), leaf_hash(b"other"));
        let checkpoint = Checkpoint { origin: "trombi/0011".to_owned(), size: 2, root: node_hash(&other, &leaf) };
        let checkpoint = SignedCheckpoint::parse(checkpoint.sign(&key).as_bytes()).unwrap();
        for extra in [None, Some(b"entry".to_vec())] {
            let proof = Proof { extra, index: 1, path: vec![other], checkpoint: checkpoint.clone() };
            let read = Proof::parse(proof.to_text().as_bytes()).unwrap();
            assert_eq!(read, proof);
            assert_eq!(read.verify(&leaf, key.public()), Ok(()));
            assert!(read.verify(&other, key.public()).is_err());
        }
    }
}
