//! `SearchFaces`: enrolled faces like an enrolled face.

use super::OperationError;
use super::Service;
use super::types::FaceMatch;
use crate::gallery::{CollectionId, FaceId};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub face_id: FaceId,
    /// As on the wire.
    pub faces_max: Option<usize>,
    /// As on the wire.
    pub threshold: Option<f32>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub searched_face_id: FaceId,
    /// As on the wire.
    pub matches: Vec<FaceMatch>,
    /// As on the wire.
    pub model_version: String,
}

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
