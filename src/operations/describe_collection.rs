//! `DescribeCollection`: counts and model of one collection.

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
pub struct Output {
    /// As on the wire.
    pub face_count: u64,
    /// As on the wire.
    pub user_count: u64,
    /// As on the wire.
    pub model_version: String,
    /// As on the wire.
    pub collection_arn: String,
    /// As on the wire.
    pub created_ms: i64,
}

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
