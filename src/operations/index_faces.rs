//! `IndexFaces`: detects, filters, embeds and enrols the faces of a picture.

use super::OperationError;
use super::Service;
use super::types::{FaceDetail, FaceRecord, ImageSource, QualityFilter, UnusedFace};
use crate::gallery::{CollectionId, ExternalImageId};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub image: ImageSource,
    /// As on the wire.
    pub external_image_id: Option<ExternalImageId>,
    /// As on the wire.
    pub faces_max: Option<usize>,
    /// As on the wire.
    pub quality_filter: QualityFilter,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub records: Vec<(FaceRecord, FaceDetail)>,
    /// As on the wire.
    pub unindexed: Vec<UnusedFace>,
    /// As on the wire.
    pub model_version: String,
}

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
