//! Receipts: what the service signs for one entry, to be kept by whoever asked.

use std::fmt;

use super::checkpoint::decimal;
use super::note::{PublicKey, SecretKey, base64, from_base64, hash_from_base64, is_key_name};
use super::tree::Hash;

const VERSION: &str = "trombi-receipt/v1";
/// Longest receipt that is read, bytes.
pub const RECEIPT_BYTES_MAX: usize = 1024;

/// Where an entry is: what a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which log.
    pub origin: String,
    /// Place in the log, from 0.
    pub index: u64,
    /// Hash of the leaf in the tree.
    pub leaf_hash: Hash,
    /// The leaf's minute since 1970.
    pub minute: u32,
}

impl Place {
    /// The value of the header `x-trombi-ledger`: `<origin>/<index>`.
    #[must_use]
    pub fn ledger_header(&self) -> String {
        format!("{}/{}", self.origin, self.index)
    }

    /// What is signed. It cannot be taken for a checkpoint, whose second line is a number.
    fn message(&self) -> String {
        format!("{VERSION}\n{}\n{}\n{}\n{}\n", self.origin, self.index, base64(&self.leaf_hash), self.minute)
    }

    /// Signs it.
    #[must_use]
    pub fn sign(self, key: &SecretKey) -> Receipt {
        let signature = key.sign(self.message().as_bytes());
        Receipt { place: self, signature }
    }
}

/// A signed promise: this entry stands at this place of this log.
///
/// Its text is one line, `v1;<origin>;<index>;<minute>;<leaf hash, base64>;<signature, base64>`: the value of the
/// header `x-trombi-receipt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What is promised.
    pub place: Place,
    /// Ed25519, 64 bytes.
    pub signature: Vec<u8>,
}

impl Receipt {
    /// Reads a receipt's text; believes nothing yet. `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let parts: Vec<&str> = text.split(';').collect();
        let ["v1", origin, index, minute, leaf_hash, signature] = parts[..] else { return None };
        let place = Place {
            origin: Some(origin).filter(|origin| is_key_name(origin))?.to_owned(),
            index: decimal(index)?,
            leaf_hash: hash_from_base64(leaf_hash)?,
            minute: u32::try_from(decimal(minute)?).ok()?,
        };
        let signature = from_base64(signature).filter(|signature| signature.len() == 64)?;
        (text.len() <= RECEIPT_BYTES_MAX).then_some(Self { place, signature })
    }

    /// Has the log with this key promised it?
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.place.origin == key.name() && key.has_signed(self.place.message().as_bytes(), &self.signature)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { origin, index, leaf_hash, minute } = &self.place;
        write!(f, "v1;{origin};{index};{minute};{};{}", base64(leaf_hash), base64(&self.signature))
    }
}

#[cfg(test)]
mod tests {
    use super::super::note::KeyKind;
    use super::*;

    #[test]
    fn a_receipt_survives_its_text_and_no_other_text_verifies() {
        let key = SecretKey::from_seed("trombi/0011", KeyKind::Log, [1; 32]).unwrap();
        let place = Place { origin: "trombi/0011".to_owned(), index: 7, leaf_hash: [3; 32], minute: 29_000_000 };
        let receipt = place.sign(&key);
        let text = receipt.to_string();
        assert_eq!(Receipt::parse(&text), Some(receipt.clone()));
        assert!(receipt.is_signed_by(key.public()));
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = Receipt::parse(&String::from_utf8(other).unwrap());
            assert!(!other.is_some_and(|other| other.is_signed_by(key.public())), "byte {at}");
        }
    }
}
