//! `SearchFacesByImage`: enrolled faces like the largest face of a picture.

use super::picture::{detail, largest};
use super::types::{BoxRatio, FaceMatch, ImageSource, QualityFilter};
use super::{OperationError, Service, limits};
use crate::gallery::CollectionId;
use crate::gallery::expectation::Expectation;

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
    /// What the search of somebody who is not enrolled would find; a header on the wire.
    pub expected: Expectation,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let shelf = service.shelf(&input.collection_id)?;
    shelf.check_model(service.eyes.model_id())?;
    let limit = limits::count(input.faces_max, limits::FACES_FOUND_MAX)?;
    let percent_min = limits::percent(input.threshold, limits::MATCH_PERCENT)?;
    let scene = service.look(input.image)?;
    let (_, face, aligned) = largest(&scene, input.quality_filter).ok_or(OperationError::NoFace)?;
    let probe = service.embed_one(aligned)?;
    let searched = detail(&scene, face);
    let found = service.faces_like(&shelf, &probe, (percent_min, limit), None)?;
    Ok(Output {
        searched_box: searched.box_ratio,
        searched_confidence: searched.confidence,
        matches: found.matches,
        model_version: shelf.model_version().to_owned(),
        expected: found.expected,
    })
}
