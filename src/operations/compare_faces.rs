//! `CompareFaces`: the largest face of a source picture against every face of a target picture.

use super::OperationError;
use super::Service;
use super::types::{BoxRatio, FaceDetail, ImageSource, QualityFilter};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub source: ImageSource,
    /// As on the wire.
    pub target: ImageSource,
    /// As on the wire.
    pub threshold: Option<f32>,
    /// As on the wire.
    pub quality_filter: QualityFilter,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub source_box: BoxRatio,
    /// As on the wire.
    pub source_confidence: f32,
    /// As on the wire.
    pub matches: Vec<(f32, FaceDetail)>,
    /// As on the wire.
    pub unmatched: Vec<FaceDetail>,
}

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
