//! Candidates of the gallery as matches with records.

use super::shelf::Shelf;
use super::types::{FaceMatch, UserMatch, UserStatus, UserSummary};
use super::{OperationError, Service, internal};
use crate::gallery::similarity::{cosine_from_percent, percent_from_cosine};
use crate::gallery::{FaceId, Filter, Search, UserId};
use crate::store::StoreError;
use crate::vision::Embedding;

/// The gallery is asked for a hair more than the threshold's cosine; the percent decides, inclusively, so that
/// rounding between the two scales never hides a match.
const COSINE_SLACK: f32 = 1e-5;

fn search(probe: &Embedding, percent_min: f32, limit: usize) -> Search {
    Search { cosine_min: cosine_from_percent(probe.model_id(), percent_min) - COSINE_SLACK, limit }
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
    ) -> Result<Vec<FaceMatch>, OperationError> {
        let search = search(probe, percent_min, limit);
        let candidates = shelf.read(&self.store, |gallery| gallery.search(probe, search, all_but(exclude.as_ref())))?;
        let mut matches = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let similarity = percent_from_cosine(probe.model_id(), candidate.cosine);
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
        Ok(matches)
    }

    /// Users at or above the threshold, best first. Only users with faces have a vector, so all are active.
    pub(super) fn users_like(
        &self,
        shelf: &Shelf,
        probe: &Embedding,
        (percent_min, limit): (f32, usize),
        exclude: Option<&UserId>,
    ) -> Result<Vec<UserMatch>, OperationError> {
        let search = search(probe, percent_min, limit);
        let candidates = shelf.read(&self.store, |gallery| gallery.search_users(probe, search, all_but(exclude)))?;
        let matches = candidates.into_iter().map(|candidate| UserMatch {
            similarity: percent_from_cosine(probe.model_id(), candidate.cosine),
            user: UserSummary { user_id: candidate.user_id, status: UserStatus::Active },
        });
        Ok(matches.filter(|found| found.similarity >= percent_min).collect())
    }
}
