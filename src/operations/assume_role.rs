//! `AssumeRole`, of the subset of STS that is served: short-lived keys whose tags carry a purpose and a case, so that
//! an unmodified SDK can declare them.

use std::collections::BTreeMap;

use super::caller::{Caller, Declared};
use super::sessions::Session;
use super::{OperationError, Service, now_s};
use crate::policy::Principal;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Any role's ARN: what may be done follows from the key that asks, never from the role.
    pub role_arn: String,
    /// For the record.
    pub session_name: String,
    /// Seconds, 900 to 43,200.
    pub duration_s: u32,
    /// `purpose`, `case`, `place` and `person` are read; others are passed over.
    pub tags: BTreeMap<String, String>,
}

/// The answer.
#[derive(Clone, PartialEq)]
pub struct Output {
    /// Public half of the session's key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// What must be sent along.
    pub session_token: String,
    /// Seconds since 1970.
    pub expires_s: i64,
    /// ARN of the role in this session.
    pub assumed_role_arn: String,
}

/// Without the secret, so that no log has it.
impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

pub(super) fn run(service: &Service, caller: &Caller, input: Input) -> Result<Output, OperationError> {
    let Principal::Key { access_key_id: parent } = &caller.principal else {
        let text = "AssumeRole needs an access key to stand on: a server without signatures has none";
        return Err(OperationError::InvalidParameter(text.to_owned()));
    };
    if caller.session != Declared::default() {
        let text = "a session cannot open another one: ask with the access key itself";
        return Err(OperationError::InvalidParameter(text.to_owned()));
    }
    let mut tags = input.tags;
    let mut tag = |name: &str| tags.remove(name).filter(|value| !value.is_empty());
    let declared = Declared { purpose: tag("purpose"), case: tag("case"), place: tag("place"), person: tag("person") };
    let mut nonce = [0u8; 8];
    getrandom::fill(&mut nonce).map_err(|error| OperationError::Internal(error.to_string()))?;
    let expires_s = now_s() + i64::from(input.duration_s);
    let (parent, name, nonce) = (parent.clone(), input.session_name.clone(), u64::from_le_bytes(nonce));
    let session = Session { parent, name, expires_s, nonce, declared };
    let made = service.sessions.credentials(&session)?;
    let role = input.role_arn.rsplit('/').next().unwrap_or("role");
    let account = &service.settings.account_id;
    Ok(Output {
        access_key_id: made.access_key_id,
        secret_access_key: made.secret,
        session_token: made.token,
        expires_s,
        assumed_role_arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{}", input.session_name),
    })
}
