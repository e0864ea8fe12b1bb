//! `SearchFacesByImage`: enrolled faces like the largest face of a picture.

use super::OperationError;
use super::Service;
use super::types::{BoxRatio, FaceMatch, ImageSource, QualityFilter};
use crate::gallery::CollectionId;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub image: ImageSource,
    /// As on the wire.
    pub faces_max: Option<usize>,
    /// As on the wire.
    pub threshold: Option<f32>,
    /// As on the wire.
    pub quality_filter: QualityFilter,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub searched_box: BoxRatio,
    /// As on the wire.
    pub searched_confidence: f32,
    /// As on the wire.
    pub matches: Vec<FaceMatch>,
    /// As on the wire.
    pub model_version: String,
}

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
