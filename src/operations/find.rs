//! Candidates of the gallery as matches with records.

use super::shelf::Shelf;
use super::types::{FaceMatch, UserMatch, UserStatus, UserSummary};
use super::{OperationError, Service, internal, unreadable};
use crate::gallery::expectation::{Expectation, Fpir, Unknown, expect};
use crate::gallery::similarity::Calibration;
use crate::gallery::{FaceId, Filter, Search, UserId};
use crate::store::StoreError;
use crate::vision::Embedding;

/// The gallery is asked for a hair more than the threshold's cosine; the percent decides, inclusively, so that
/// rounding between the two scales never hides a match.
const COSINE_SLACK: f32 = 1e-5;

/// Matches, best first, and what the search of a stranger would find.
pub(super) struct Found<Match> {
    pub(super) matches: Vec<Match>,
    pub(super) expected: Expectation,
}

fn all_but<Id>(exclude: Option<&Id>) -> Filter<'_, Id> {
    exclude.map_or(Filter::All, Filter::Except)
}

impl Service {
    /// Enrolled faces at or above the threshold, best first.
    pub(super) fn faces_like(
        &self,
        shelf: &Shelf,
        probe: &Embedding,
        (percent_min, limit): (f32, usize),
        exclude: Option<FaceId>,
    ) -> Result<Found<FaceMatch>, OperationError> {
        let calibration = self.calibration(probe.model_id());
        let search = Search { cosine_min: calibration.cosine(percent_min) - COSINE_SLACK, limit };
        // Counted beside the search: faces that come or go meanwhile may be in the one and not in the other.
        let (candidates, enrolled) = shelf.read(&self.store, |gallery| {
            let others =
                gallery.face_count().saturating_sub(usize::from(exclude.is_some_and(|id| gallery.contains(id))));
            (gallery.search(probe, search, all_but(exclude.as_ref())), others as u64)
        })?;
        let candidates = candidates.map_err(unreadable)?;
        let mut matches = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let similarity = calibration.percent(candidate.cosine);
            if similarity < percent_min {
                continue;
            }
            match self.store.face(shelf.id(), candidate.face_id) {
                Ok(face) => matches.push(FaceMatch { similarity, face }),
                // Deleted since the search.
                Err(StoreError::Missing) => {}
                Err(error) => return Err(internal(error)),
            }
        }
        Ok(Found { matches, expected: expect(&calibration, calibration.threshold(percent_min), enrolled) })
    }

    /// Users at or above the threshold, best first. Only users with faces have a vector, so all are active; a user that
    /// is left out is the probe, so it has one.
    pub(super) fn users_like(
        &self,
        shelf: &Shelf,
        probe: &Embedding,
        (percent_min, limit): (f32, usize),
        exclude: Option<&UserId>,
    ) -> Result<Found<UserMatch>, OperationError> {
        let calibration = self.calibration(probe.model_id());
        let search = Search { cosine_min: calibration.cosine(percent_min) - COSINE_SLACK, limit };
        let (candidates, users) = shelf.read(&self.store, |gallery| {
            (gallery.search_users(probe, search, all_but(exclude)), gallery.user_vector_count())
        })?;
        let (candidates, users) = (candidates.map_err(unreadable)?, users.map_err(unreadable)?);
        let matches = candidates.into_iter().map(|candidate| UserMatch {
            similarity: calibration.percent(candidate.cosine),
            user: UserSummary { user_id: candidate.user_id, status: UserStatus::Active },
        });
        let compared = users.saturating_sub(usize::from(exclude.is_some()));
        Ok(Found {
            matches: matches.filter(|found| found.similarity >= percent_min).collect(),
            expected: expected_of_users(&calibration, compared as u64),
        })
    }

    /// Nobody, because there is no probe: no face in the picture, or a user without faces. Nothing was compared.
    pub(super) fn no_users(&self, shelf: &Shelf) -> Found<UserMatch> {
        let calibration = self.calibration(shelf.model_id());
        Found { matches: Vec::new(), expected: expected_of_users(&calibration, 0) }
    }
}

/// What is known of a search among so many users' vectors. Calibrations are of single faces, and a user's vector is the
/// mean of several, which is closer to everybody: how many were compared is told, and no rate.
fn expected_of_users(calibration: &Calibration, compared: u64) -> Expectation {
    let why = if calibration.is_known() { Unknown::UserVectors } else { Unknown::Uncalibrated };
    Expectation { enrolled: compared, fpir: Fpir::Unknown(why) }
}
