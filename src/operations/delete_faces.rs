//! `DeleteFaces`: deletes enrolled faces; those that belong to a user are refused.

use super::types::{FaceRefusal, RefusedFace};
use super::{OperationError, Service, limits};
use crate::gallery::{CollectionId, FaceId};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub face_ids: Vec<FaceId>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub deleted: Vec<FaceId>,
    /// As on the wire.
    pub refused: Vec<RefusedFace>,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let shelf = service.shelf(&input.collection_id)?;
    let wanted = limits::distinct(&input.face_ids, limits::FACE_IDS_MAX)?;
    let mut change = shelf.change(&service.store)?;
    let (mut free, mut refused) = (Vec::new(), Vec::new());
    for face_id in wanted {
        let (user_id, reason) = match change.face(face_id)?.map(|record| record.user_id) {
            Some(None) => {
                free.push(face_id);
                continue;
            }
            Some(user) => (user, FaceRefusal::AssociatedToAnExistingUser),
            None => (None, FaceRefusal::FaceNotFound),
        };
        refused.push(RefusedFace { face_id, user_id, confidence: None, reasons: vec![reason] });
    }
    if !free.is_empty() {
        change.delete_faces(&free)?;
    }
    Ok(Output { deleted: free, refused })
}
