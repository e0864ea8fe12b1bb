//! `ListAccessKeys`, an operation of Trombi's own: the keys that may or might once sign, without their secrets.

use super::{OperationError, Service, internal};
use crate::store::AccessKey;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input;

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Oldest first.
    pub keys: Vec<KeySummary>,
}

/// An access key without its secret.
#[derive(Debug, Clone, PartialEq)]
pub struct KeySummary {
    /// Its public half.
    pub access_key_id: String,
    /// Whether it may sign.
    pub active: bool,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

impl From<AccessKey> for KeySummary {
    fn from(key: AccessKey) -> Self {
        Self { access_key_id: key.id, active: !key.revoked, created_ms: key.created_ms }
    }
}

pub(super) fn run(service: &Service, _: Input) -> Result<Output, OperationError> {
    let keys = service.store.keys().map_err(internal)?;
    Ok(Output { keys: keys.into_iter().map(KeySummary::from).collect() })
}
