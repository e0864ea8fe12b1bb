//! `RevokeAccessKey`, an operation of Trombi's own: a key signs no more, from the answer on.

use super::{OperationError, Service};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Public half of the key.
    pub access_key_id: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output;

/// The last active key stays: a caller who signs could otherwise lock everybody out, himself included.
pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    service.keys.revoke(&service.store, &input.access_key_id)?;
    Ok(Output)
}
