//! `TagResource`: sets tags of a collection.

use super::OperationError;
use super::Service;
use super::types::Tags;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub resource_arn: String,
    /// As on the wire.
    pub tags: Tags,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let shelf = service.tagged(&input.resource_arn)?;
    shelf.change(&service.store)?.change_tags(&input.tags, &[])?;
    Ok(Output {})
}
