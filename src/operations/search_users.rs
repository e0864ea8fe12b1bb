//! `SearchUsers`: users like an enrolled face or another user.

use super::types::UserMatch;
use super::{OperationError, Service, limits, unreadable};
use crate::gallery::expectation::Expectation;
use crate::gallery::{CollectionId, FaceId, UserId};

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// An enrolled face.
    Face(FaceId),
    /// A user's vector.
    User(UserId),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub probe: Probe,
    /// As on the wire.
    pub users_max: Option<usize>,
    /// As on the wire.
    pub threshold: Option<f32>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub searched: Probe,
    /// As on the wire.
    pub matches: Vec<UserMatch>,
    /// As on the wire.
    pub model_version: String,
    /// What the search of somebody who is not enrolled would find; a header on the wire.
    pub expected: Expectation,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let shelf = service.shelf(&input.collection_id)?;
    let limit = limits::count(input.users_max, limits::USERS_FOUND_MAX)?;
    let percent_min = limits::percent(input.threshold, limits::MATCH_PERCENT)?;
    let (probe, exclude) = match &input.probe {
        Probe::Face(face) => (Some(service.enrolled(&shelf, *face)?), None),
        Probe::User(user) => {
            service.user_faces(&shelf, user)?;
            let own = shelf.read(&service.store, |gallery| gallery.user_embedding(user))?;
            (own.map_err(unreadable)?, Some(user))
        }
    };
    // A user without faces has no vector and is like nobody; a user is not found by itself.
    let found = match probe {
        Some(probe) => service.users_like(&shelf, &probe, (percent_min, limit), exclude)?,
        None => service.no_users(&shelf),
    };
    Ok(Output {
        searched: input.probe,
        matches: found.matches,
        model_version: shelf.model_version().to_owned(),
        expected: found.expected,
    })
}
