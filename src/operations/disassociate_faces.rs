//! `DisassociateFaces`: takes faces from a user.

use super::pages::Question;
use super::replay::{Bytes, Kept};
use super::shelf::Change;
use super::types::{FaceRefusal, RefusedFace, UserStatus, status};
use super::{OperationError, Service, limits};
use crate::gallery::{CollectionId, FaceId, UserId};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub user_id: UserId,
    /// As on the wire.
    pub face_ids: Vec<FaceId>,
    /// As on the wire.
    pub token: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub disassociated: Vec<FaceId>,
    /// As on the wire.
    pub refused: Vec<RefusedFace>,
    /// As on the wire.
    pub status: UserStatus,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let wanted = limits::distinct(&input.face_ids, limits::USER_FACES_MAX)?;
    service.once(input.token.as_deref(), &question(&input), |asked| {
        let shelf = service.shelf(&input.collection_id)?;
        let mut change = shelf.change(&service.store)?;
        let output = disassociate(&change, &input.user_id, &wanted)?;
        change.set_user(&output.disassociated, None, &asked.receipt(&output))?;
        Ok(output)
    })
}

fn question(input: &Input) -> Question {
    let names = [input.collection_id.as_str().as_bytes(), input.user_id.as_str().as_bytes()];
    let ids = input.face_ids.iter().map(|face| face.0.as_bytes().as_slice());
    Question::new("DisassociateFaces", names.into_iter().chain(ids))
}

/// What the answer is and which faces are freed, changing nothing yet. A face that is free already is in neither list.
fn disassociate(change: &Change<'_>, user: &UserId, wanted: &[FaceId]) -> Result<Output, OperationError> {
    let before = change.user_faces(user)?;
    let (mut disassociated, mut refused) = (Vec::new(), Vec::new());
    for &face_id in wanted {
        let (user_id, reason) = match change.face(face_id)?.map(|record| record.user_id) {
            Some(None) => continue,
            Some(Some(own)) if own == *user => {
                disassociated.push(face_id);
                continue;
            }
            Some(other) => (other, FaceRefusal::AssociatedToADifferentUser),
            None => (None, FaceRefusal::FaceNotFound),
        };
        refused.push(RefusedFace { face_id, user_id, confidence: None, reasons: vec![reason] });
    }
    let status = status(before > disassociated.len());
    Ok(Output { disassociated, refused, status })
}

impl Kept for Output {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.disassociated.write(bytes);
        self.refused.write(bytes);
        self.status.write(bytes);
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(Self { disassociated: Kept::read(bytes)?, refused: Kept::read(bytes)?, status: Kept::read(bytes)? })
    }
}
