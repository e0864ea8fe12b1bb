//! `CreateAccessKey`, an operation of Trombi's own: a new key, whose secret this one answer shows.

use super::{OperationError, Service};
use crate::store::KeyBinding;

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    /// What it is bound to, for good.
    pub binding: KeyBinding,
}

/// The answer. The key is on disk and signs from now on.
#[derive(Clone, PartialEq)]
pub struct Output {
    /// Its public half.
    pub access_key_id: String,
    /// Its secret, shown here and never again.
    pub secret_access_key: String,
}

/// Without the secret, so that no log has it.
impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let key = service.keys.create(&service.store, &input.binding)?;
    Ok(Output { access_key_id: key.id, secret_access_key: key.secret })
}
