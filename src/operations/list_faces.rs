//! `ListFaces`: pages through enrolled faces.

use super::OperationError;
use super::Service;
use super::types::FaceRecord;
use crate::gallery::{CollectionId, FaceId, UserId};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub next_token: Option<String>,
    /// As on the wire.
    pub limit: Option<usize>,
    /// As on the wire.
    pub user_id: Option<UserId>,
    /// As on the wire.
    pub face_ids: Vec<FaceId>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub faces: Vec<FaceRecord>,
    /// As on the wire.
    pub next_token: Option<String>,
    /// As on the wire.
    pub model_version: String,
}

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
