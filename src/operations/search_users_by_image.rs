//! `SearchUsersByImage`: users like the largest face of a picture.

use super::picture::{detail, largest};
use super::quality_filter::faults;
use super::types::{FaceDetail, ImageSource, QualityFilter, Reason, UnusedFace, UserMatch};
use super::{OperationError, Service, limits};
use crate::gallery::CollectionId;
use crate::gallery::expectation::Expectation;
use crate::vision::{Face, Scene};

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
    /// What the search of somebody who is not enrolled would find; a header on the wire.
    pub expected: Expectation,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let shelf = service.shelf(&input.collection_id)?;
    shelf.check_model(service.eyes.model_id())?;
    let limit = limits::count(input.users_max, limits::USERS_FOUND_MAX)?;
    let percent_min = limits::percent(input.threshold, limits::MATCH_PERCENT)?;
    let scene = service.look(input.image)?;
    let searched = largest(&scene, input.quality_filter);
    let found = match searched {
        Some((_, _, aligned)) => {
            service.users_like(&shelf, &service.embed_one(aligned)?, (percent_min, limit), None)?
        }
        None => service.no_users(&shelf),
    };
    Ok(Output {
        searched: searched.map(|(_, face, _)| detail(&scene, face)),
        unsearched: unsearched(&scene, input.quality_filter, searched.map(|(place, _, _)| place)),
        matches: found.matches,
        model_version: shelf.model_version().to_owned(),
        expected: found.expected,
    })
}

/// All faces but the searched one: what the filter has against each, or that it is not the largest.
fn unsearched(scene: &Scene, filter: QualityFilter, searched: Option<usize>) -> Vec<UnusedFace> {
    let others = scene.faces.iter().enumerate().filter(|(place, _)| Some(*place) != searched);
    let unused = |face: &Face| {
        let mut reasons = faults(face, filter);
        if reasons.is_empty() {
            reasons.push(Reason::FaceNotLargest);
        }
        UnusedFace { reasons, detail: detail(scene, face) }
    };
    others.map(|(_, face)| unused(face)).collect()
}
