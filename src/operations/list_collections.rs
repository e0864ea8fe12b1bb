//! `ListCollections`: pages through collections by name.

use super::OperationError;
use super::Service;
use crate::gallery::CollectionId;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub next_token: Option<String>,
    /// As on the wire.
    pub limit: Option<usize>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub collections: Vec<(CollectionId, String)>,
    /// As on the wire.
    pub next_token: Option<String>,
}

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
