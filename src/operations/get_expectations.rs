//! `GetExpectations`, an operation of Trombi's own: what similarities stand for, and how often a search of somebody
//! who is not enrolled would return somebody, at every threshold. Computed from the calibration as the search
//! answers' own expectation is.

use std::sync::Arc;

use super::{OperationError, Service};
use crate::gallery::CollectionId;
use crate::gallery::expectation::{Fpir, Unknown, expect};
use crate::gallery::similarity::{Calibration, StatedRate};
use crate::vision::ModelId;

/// Thresholds told, percent: every whole one.
const THRESHOLDS: std::ops::RangeInclusive<u8> = 0..=100;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Without one, what similarities of the network in use stand for, and nothing of searches.
    pub collection_id: Option<CollectionId>,
    /// Whether users are searched instead of faces.
    pub users: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The network that embeds.
    pub model: ModelId,
    /// Enrolled faces of the collection.
    pub faces: Option<u64>,
    /// What the percents rest on.
    pub calibration: Arc<Calibration>,
    /// Rising; empty where the network has no calibration.
    pub thresholds: Vec<AtThreshold>,
    /// Why nothing is said of searches, where a collection was named.
    pub unknown: Option<Unknown>,
}

/// What a threshold stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct AtThreshold {
    /// Similarity percent.
    pub percent: f32,
    /// Comparisons of different people at or above it.
    pub fmr: StatedRate,
    /// Searches of people who are not enrolled that return somebody; `None` where that is not known or not asked.
    pub fpir: Option<Fpir>,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let shelf = input.collection_id.as_ref().map(|id| service.shelf(id)).transpose()?;
    let model = shelf.as_ref().map_or_else(|| service.eyes.model_id(), |shelf| shelf.model_id()).clone();
    let faces = shelf.as_ref().map(|shelf| shelf.face_count() as u64);
    let calibration = service.calibration(&model);
    let unknown = faces.and_then(|_| why_unknown(&calibration, input.users));
    let enrolled = faces.filter(|_| unknown.is_none());
    let thresholds = THRESHOLDS.filter_map(|percent| at_threshold(&calibration, percent.into(), enrolled)).collect();
    Ok(Output { model, faces, calibration, thresholds, unknown })
}

fn why_unknown(calibration: &Calibration, users: bool) -> Option<Unknown> {
    if !calibration.is_known() {
        return Some(Unknown::Uncalibrated);
    }
    users.then_some(Unknown::UserVectors)
}

fn at_threshold(calibration: &Calibration, percent: f32, enrolled: Option<u64>) -> Option<AtThreshold> {
    let cosine = calibration.threshold(percent);
    let fmr = calibration.fmr(cosine)?;
    Some(AtThreshold { percent, fmr, fpir: enrolled.map(|faces| expect(calibration, cosine, faces).fpir) })
}
