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

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
