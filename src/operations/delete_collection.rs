//! `DeleteCollection`: deletes a collection with its faces and users.

use super::OperationError;
use super::Service;
use crate::gallery::CollectionId;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    service.delete_collection(&input.collection_id)?;
    Ok(Output {})
}
