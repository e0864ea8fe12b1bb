//! `DeleteFaces`: deletes enrolled faces; those that belong to a user are refused.

use super::OperationError;
use super::Service;
use super::types::RefusedFace;
use crate::gallery::{CollectionId, FaceId};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub face_ids: Vec<FaceId>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub deleted: Vec<FaceId>,
    /// As on the wire.
    pub refused: Vec<RefusedFace>,
}

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
