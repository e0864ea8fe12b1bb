//! `AssociateFaces`: gives enrolled faces to a user.

use super::pages::Question;
use super::replay::{Bytes, Kept};
use super::shelf::Change;
use super::types::{FaceRefusal, RefusedFace, UserStatus, status};
use super::{OperationError, Service, limits, unreadable};
use crate::gallery::similarity::Calibration;
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
    pub threshold: Option<f32>,
    /// As on the wire.
    pub token: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub associated: Vec<FaceId>,
    /// As on the wire.
    pub refused: Vec<RefusedFace>,
    /// As on the wire.
    pub status: UserStatus,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let percent_min = limits::percent(input.threshold, limits::ASSOCIATE_PERCENT)?;
    let wanted = limits::distinct(&input.face_ids, limits::USER_FACES_MAX)?;
    service.once(input.token.as_deref(), &question(&input, percent_min), |asked| {
        let shelf = service.shelf(&input.collection_id)?;
        let mut change = shelf.change(&service.store)?;
        let bar = Bar { calibration: &service.calibration(shelf.model_id()), percent_min };
        let output = associate(&change, &input.user_id, &wanted, bar)?;
        change.set_user(&output.associated, Some(&input.user_id), &asked.receipt(&output))?;
        Ok(output)
    })
}

fn question(input: &Input, percent_min: f32) -> Question {
    let names = [input.collection_id.as_str().as_bytes(), input.user_id.as_str().as_bytes()];
    let threshold = percent_min.to_le_bytes();
    let ids = input.face_ids.iter().map(|face| face.0.as_bytes().as_slice());
    Question::new("AssociateFaces", names.into_iter().chain([threshold.as_slice()]).chain(ids))
}

/// What the answer is and which faces go to the user, changing nothing yet.
///
/// AWS says both that more than 100 faces of a user exceed a quota and that the surplus is listed as unsuccessful,
/// for which the wire has no reason. Here the quota holds for the whole request: nothing is associated.
fn associate(change: &Change<'_>, user: &UserId, wanted: &[FaceId], bar: Bar<'_>) -> Result<Output, OperationError> {
    let before = change.user_faces(user)?;
    let (mut associated, mut refused) = (Vec::new(), Vec::new());
    for &face_id in wanted {
        match verdict(change, user, face_id, bar)? {
            Verdict::Take => associated.push(face_id),
            Verdict::Ignore => {}
            Verdict::Refuse(face) => refused.push(face),
        }
    }
    if before + associated.len() > limits::USER_FACES_MAX {
        return Err(OperationError::QuotaExceeded(format!("a user has at most {} faces", limits::USER_FACES_MAX)));
    }
    let status = status(before + associated.len() > 0);
    Ok(Output { associated, refused, status })
}

/// How alike a face must be to its user, and what that means.
#[derive(Clone, Copy)]
struct Bar<'a> {
    calibration: &'a Calibration,
    percent_min: f32,
}

enum Verdict {
    Take,
    /// It is this user's already.
    Ignore,
    Refuse(RefusedFace),
}

fn verdict(change: &Change<'_>, user: &UserId, face_id: FaceId, bar: Bar<'_>) -> Result<Verdict, OperationError> {
    let refuse = |user_id, confidence, reason| {
        Verdict::Refuse(RefusedFace { face_id, user_id, confidence, reasons: vec![reason] })
    };
    let Some(record) = change.face(face_id)? else {
        return Ok(refuse(None, None, FaceRefusal::FaceNotFound));
    };
    Ok(match record.user_id {
        Some(own) if own == *user => Verdict::Ignore,
        Some(other) => refuse(Some(other), None, FaceRefusal::AssociatedToADifferentUser),
        None => match similarity(change, user, face_id, bar.calibration)? {
            Some(percent) if percent < bar.percent_min => refuse(None, Some(percent), FaceRefusal::LowMatchConfidence),
            _ => Verdict::Take,
        },
    })
}

/// Of a face to the user's vector; `None` for a user without faces, who takes any.
fn similarity(
    change: &Change<'_>,
    user: &UserId,
    face: FaceId,
    calibration: &Calibration,
) -> Result<Option<f32>, OperationError> {
    let (own, new) = change.read(|gallery| (gallery.user_embedding(user), gallery.embedding(face)));
    let (own, new) = (own.map_err(unreadable)?, new.map_err(unreadable)?);
    Ok(own.zip(new).and_then(|(own, new)| own.cosine(&new)).map(|cosine| calibration.percent(cosine)))
}

impl Kept for Output {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.associated.write(bytes);
        self.refused.write(bytes);
        self.status.write(bytes);
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(Self { associated: Kept::read(bytes)?, refused: Kept::read(bytes)?, status: Kept::read(bytes)? })
    }
}
