//! `SearchFaces`: enrolled faces like an enrolled face.

use super::types::FaceMatch;
use super::{OperationError, Service, limits};
use crate::gallery::expectation::Expectation;
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
    /// What the search of somebody who is not enrolled would find; a header on the wire.
    pub expected: Expectation,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let shelf = service.shelf(&input.collection_id)?;
    let limit = limits::count(input.faces_max, limits::FACES_FOUND_MAX)?;
    let percent_min = limits::percent(input.threshold, limits::MATCH_PERCENT)?;
    let probe = service.enrolled(&shelf, input.face_id)?;
    let found = service.faces_like(&shelf, &probe, (percent_min, limit), Some(input.face_id))?;
    Ok(Output {
        searched_face_id: input.face_id,
        matches: found.matches,
        model_version: shelf.model_version().to_owned(),
        expected: found.expected,
    })
}
