//! Numbers of the API in one place, and the checks on what callers ask. The protocol checks the wire's own
//! ranges before; the command line comes through here only.

use super::OperationError;

/// Longest object read from a bucket, bytes.
pub(super) const OBJECT_BYTES_MAX: u64 = 15 * 1024 * 1024;
/// Page size of ListFaces and ListCollections: most, and what `None` and 0 mean (AWS does not document its own).
pub(super) const PAGE_MAX: usize = 4096;
/// Page size of ListUsers: most and default.
pub(super) const USER_PAGE_MAX: usize = 500;
/// `MaxFaces` of searches: most, and the default: every face at or above the threshold (AWS documents none).
pub(super) const FACES_FOUND_MAX: usize = 4096;
/// `MaxUsers` of searches: most and default.
pub(super) const USERS_FOUND_MAX: usize = 500;
/// `FaceIds` of ListFaces and DeleteFaces.
pub(super) const FACE_IDS_MAX: usize = 4096;
/// `FaceIds` of one association or disassociation, and faces of one user.
pub(super) const USER_FACES_MAX: usize = 100;
/// Tags of one resource.
pub(super) const TAGS_MAX: usize = 200;
/// Faces of one collection.
pub(super) const COLLECTION_FACES_MAX: usize = 20_000_000;
/// Access keys that may sign at one time.
pub(super) const KEYS_MAX: usize = 1000;
/// Threshold of searches and comparisons, percent.
pub(super) const MATCH_PERCENT: f32 = 80.0;
/// Threshold of AssociateFaces, percent.
pub(super) const ASSOCIATE_PERCENT: f32 = 75.0;

pub(super) fn invalid() -> OperationError {
    OperationError::InvalidParameter("Request has invalid parameters".to_owned())
}

/// A threshold, 0 to 100.
pub(super) fn percent(asked: Option<f32>, default: f32) -> Result<f32, OperationError> {
    let percent = asked.unwrap_or(default);
    if (0.0..=100.0).contains(&percent) { Ok(percent) } else { Err(invalid()) }
}

/// A count from 1 to `max`; `max` when not asked.
pub(super) fn count(asked: Option<usize>, max: usize) -> Result<usize, OperationError> {
    let count = asked.unwrap_or(max);
    if (1..=max).contains(&count) { Ok(count) } else { Err(invalid()) }
}

/// A page size of ListFaces and ListCollections, where 0 means the default.
pub(super) fn page(asked: Option<usize>) -> Result<usize, OperationError> {
    count(asked.filter(|&limit| limit > 0), PAGE_MAX)
}

/// Refuses longer lists than `max`, and empty ones, and drops repeated entries.
pub(super) fn distinct<T: Ord + Copy>(list: &[T], max: usize) -> Result<Vec<T>, OperationError> {
    if list.is_empty() || list.len() > max {
        return Err(invalid());
    }
    let mut seen = std::collections::BTreeSet::new();
    Ok(list.iter().copied().filter(|&item| seen.insert(item)).collect())
}
