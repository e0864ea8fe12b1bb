//! `ListTagsForResource`: tags of a collection.

use super::types::Tags;
use super::{OperationError, Service, arn, internal};
use crate::store::StoreError;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub resource_arn: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub tags: Tags,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let shelf = service.tagged(&input.resource_arn)?;
    let tags = service.store.tags(shelf.id()).map_err(|error| match error {
        StoreError::Missing => arn::not_found(&input.resource_arn),
        other => internal(other),
    })?;
    Ok(Output { tags })
}
