//! `SearchUsersByImage`: users like the largest face of a picture.

use super::OperationError;
use super::Service;
use super::types::{FaceDetail, ImageSource, QualityFilter, UnusedFace, UserMatch};
use crate::gallery::CollectionId;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub image: ImageSource,
    /// As on the wire.
    pub users_max: Option<usize>,
    /// As on the wire.
    pub threshold: Option<f32>,
    /// As on the wire.
    pub quality_filter: QualityFilter,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub searched: Option<FaceDetail>,
    /// As on the wire.
    pub unsearched: Vec<UnusedFace>,
    /// As on the wire.
    pub matches: Vec<UserMatch>,
    /// As on the wire.
    pub model_version: String,
}

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
