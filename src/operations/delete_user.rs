//! `DeleteUser`: deletes a user; its faces stay enrolled.

use super::OperationError;
use super::Service;
use crate::gallery::{CollectionId, UserId};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub user_id: UserId,
    /// As on the wire.
    pub token: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {}

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
