//! Pagination tokens: a position, sealed so that only this data directory's own tokens for the same question open.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::OperationError;

/// Longest token of the wire, characters.
const TOKEN_CHARS_MAX: usize = 255;
/// HMAC-SHA256 cut to 128 bits.
const SEAL_BYTES: usize = 16;
/// Longest position that fits: `255 * 3 / 4` bytes less the seal.
#[cfg(test)]
const POSITION_BYTES_MAX: usize = TOKEN_CHARS_MAX * 3 / 4 - SEAL_BYTES;

/// What a token belongs to: operation, collection and filters, digested.
pub(super) struct Question([u8; 32]);

impl Question {
    /// Fields are kept apart by their lengths.
    pub(super) fn new<'a>(operation: &'static str, fields: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for field in std::iter::once(operation.as_bytes()).chain(fields) {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        Self(hash.finalize().into())
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        self.0
    }
}

/// Makes and opens tokens.
pub(super) struct Pages {
    key: [u8; 32],
}

impl Pages {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// A token for a position of at most 175 bytes: more would not fit the wire.
    pub(super) fn seal(&self, question: &Question, position: &[u8]) -> Result<String, OperationError> {
        let mut token = position.to_vec();
        token.extend_from_slice(&self.mac(question, position)?.finalize().into_bytes()[..SEAL_BYTES]);
        Ok(base64_simd::URL_SAFE_NO_PAD.encode_to_string(&token))
    }

    /// The position of a token of ours for this question.
    pub(super) fn open(&self, question: &Question, token: &str) -> Result<Vec<u8>, OperationError> {
        let refuse = || OperationError::InvalidPaginationToken;
        if token.len() > TOKEN_CHARS_MAX {
            return Err(refuse());
        }
        let mut token = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.as_bytes()).map_err(|_| refuse())?;
        let seal = token.split_off(token.len().checked_sub(SEAL_BYTES).ok_or_else(refuse)?);
        self.mac(question, &token)?.verify_truncated_left(&seal).map_err(|_| refuse())?;
        Ok(token)
    }

    fn mac(&self, question: &Question, position: &[u8]) -> Result<Hmac<Sha256>, OperationError> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).map_err(|error| OperationError::Internal(error.to_string()))?;
        mac.update(b"trombi page 1");
        mac.update(&question.0);
        mac.update(position);
        Ok(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_opens_for_its_own_question_only(position in prop::collection::vec(any::<u8>(), 0..=POSITION_BYTES_MAX)) {
            let pages = Pages::new([7; 32]);
            let question = Question::new("ListFaces", [b"staff".as_slice()]);
            let token = pages.seal(&question, &position).unwrap();
            prop_assert!(token.len() <= TOKEN_CHARS_MAX);
            prop_assert_eq!(pages.open(&question, &token).unwrap(), position);
            for other in [Question::new("ListFaces", [b"guests".as_slice()]), Question::new("ListUsers", [b"staff".as_slice()])] {
                prop_assert_eq!(pages.open(&other, &token), Err(OperationError::InvalidPaginationToken));
            }
            prop_assert_eq!(Pages::new([8; 32]).open(&question, &token), Err(OperationError::InvalidPaginationToken));
        }

        #[test]
        fn any_text_is_refused_without_harm(token in ".{0,400}") {
            let question = Question::new("ListFaces", []);
            prop_assert_eq!(Pages::new([7; 32]).open(&question, &token), Err(OperationError::InvalidPaginationToken));
        }
    }
}
