//! Sessions: short-lived keys whose tags say what they are for, as `AssumeRole` hands them out.
//!
//! Nothing is kept of them. A session's token holds what it is, readable but sealed with this data directory's own
//! secret, and its signing secret is derived from the token: whoever has neither the token's answer nor the directory
//! can make neither. A session ends with its time or with the key that opened it.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::OperationError;
use super::caller::Declared;

/// Session key ids begin so; SDKs want 16 to 128 characters.
const ID_PREFIX: &str = "TRMS";
/// Longest token accepted, characters: four tags at their longest come to about 1.6 thousand.
const TOKEN_CHARS_MAX: usize = 4096;
const SEAL_BYTES: usize = 32;

/// What a token holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    /// The access key that opened it.
    pub(super) parent: String,
    /// Its name, for the record.
    pub(super) name: String,
    /// Seconds since 1970.
    pub(super) expires_s: i64,
    /// 64 random bits, so that two sessions of one name have two keys.
    pub(super) nonce: u64,
    /// What its tags declare.
    #[serde(flatten)]
    pub(super) declared: Declared,
}

/// A session's credentials.
pub(super) struct Credentials {
    pub(super) access_key_id: String,
    pub(super) secret: String,
    pub(super) token: String,
}

/// Why a token does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenFault {
    /// Not one of ours, or not this key's.
    Unknown,
    /// Its time is over.
    Expired,
}

/// Makes and opens session tokens.
pub(super) struct Sessions {
    key: [u8; 32],
}

impl Sessions {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    pub(super) fn credentials(&self, session: &Session) -> Result<Credentials, OperationError> {
        let mut bytes =
            serde_json::to_vec(session).map_err(|error| OperationError::Internal(format!("session: {error}")))?;
        let seal = self.digest("seal", &bytes)?;
        bytes.extend_from_slice(&seal);
        let (access_key_id, secret) = self.pair(&seal)?;
        Ok(Credentials { access_key_id, secret, token: base64_simd::URL_SAFE_NO_PAD.encode_to_string(&bytes) })
    }

    /// The session of a token that belongs to `access_key_id`, and the secret that it signs with.
    pub(super) fn open(
        &self,
        access_key_id: &str,
        token: &str,
        now_s: i64,
    ) -> Result<Result<(Session, String), TokenFault>, OperationError> {
        let Some((session, seal)) = self.unseal(token)? else { return Ok(Err(TokenFault::Unknown)) };
        let (id, secret) = self.pair(&seal)?;
        Ok(if id != access_key_id {
            Err(TokenFault::Unknown)
        } else if now_s >= session.expires_s {
            Err(TokenFault::Expired)
        } else {
            Ok((session, secret))
        })
    }

    fn unseal(&self, token: &str) -> Result<Option<(Session, Vec<u8>)>, OperationError> {
        if token.len() > TOKEN_CHARS_MAX {
            return Ok(None);
        }
        let Ok(mut bytes) = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.as_bytes()) else { return Ok(None) };
        let Some(length) = bytes.len().checked_sub(SEAL_BYTES) else { return Ok(None) };
        let seal = bytes.split_off(length);
        if self.mac("seal", &bytes)?.verify_slice(&seal).is_err() {
            return Ok(None);
        }
        Ok(serde_json::from_slice(&bytes).ok().map(|session| (session, seal)))
    }

    /// Key id and secret of the token with this seal.
    fn pair(&self, seal: &[u8]) -> Result<(String, String), OperationError> {
        use std::fmt::Write as _;
        let mut id = ID_PREFIX.to_owned();
        for byte in &self.digest("id", seal)?[..8] {
            // Writing to a string cannot fail.
            let _ = write!(id, "{byte:02X}");
        }
        Ok((id, base64_simd::URL_SAFE_NO_PAD.encode_to_string(self.digest("secret", seal)?)))
    }

    fn digest(&self, what: &str, of: &[u8]) -> Result<[u8; 32], OperationError> {
        Ok(self.mac(what, of)?.finalize().into_bytes().into())
    }

    fn mac(&self, what: &str, of: &[u8]) -> Result<Hmac<Sha256>, OperationError> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).map_err(|error| OperationError::Internal(error.to_string()))?;
        mac.update(b"trombi session 1 ");
        mac.update(what.as_bytes());
        mac.update(&[0]);
        mac.update(of);
        Ok(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let declared =
            Declared { purpose: Some("find-missing-person".into()), case: Some("C-7".into()), ..Declared::default() };
        Session { parent: "TRMBPARENT".to_owned(), name: "desk".to_owned(), expires_s: 1000, nonce: 7, declared }
    }

    #[test]
    fn a_token_opens_for_its_own_key_until_its_time_is_over() {
        let sessions = Sessions::new([1; 32]);
        let made = sessions.credentials(&session()).unwrap();
        let open = |id: &str, token: &str, now_s| sessions.open(id, token, now_s).unwrap();
        assert_eq!(open(&made.access_key_id, &made.token, 999), Ok((session(), made.secret.clone())));
        assert_eq!(open(&made.access_key_id, &made.token, 1000), Err(TokenFault::Expired));
        assert_eq!(open("TRMSOTHER", &made.token, 999), Err(TokenFault::Unknown));
        assert_eq!(open(&made.access_key_id, "", 999), Err(TokenFault::Unknown));
        assert_eq!(open(&made.access_key_id, &"A".repeat(5000), 999), Err(TokenFault::Unknown));
        assert_eq!(session().declared.case.as_deref(), Some("C-7"));
    }

    #[test]
    fn no_changed_token_opens() {
        let sessions = Sessions::new([1; 32]);
        let made = sessions.credentials(&session()).unwrap();
        for at in 0..made.token.len() {
            let mut changed = made.token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(sessions.open(&made.access_key_id, &changed, 0).unwrap(), Err(TokenFault::Unknown), "{at}");
        }
        let elsewhere = Sessions::new([2; 32]);
        assert_eq!(elsewhere.open(&made.access_key_id, &made.token, 0).unwrap(), Err(TokenFault::Unknown));
    }

    #[test]
    fn two_sessions_have_two_keys() {
        let sessions = Sessions::new([1; 32]);
        let other = Session { nonce: 8, ..session() };
        let [a, b] = [session(), other].map(|session| sessions.credentials(&session).unwrap());
        assert!(a.access_key_id != b.access_key_id && a.secret != b.secret);
        assert!(a.access_key_id.len() == 20 && a.access_key_id.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
