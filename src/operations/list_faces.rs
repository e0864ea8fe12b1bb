//! `ListFaces`: pages through enrolled faces.

use super::pages::Question;
use super::shelf::Shelf;
use super::types::FaceRecord;
use super::{OperationError, Service, internal, limits};
use crate::gallery::{CollectionId, FaceId, UserId};
use crate::store::StoreError;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub next_token: Option<String>,
    /// As on the wire.
    pub limit: Option<usize>,
    /// As on the wire.
    pub user_id: Option<UserId>,
    /// As on the wire.
    pub face_ids: Vec<FaceId>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub faces: Vec<FaceRecord>,
    /// As on the wire.
    pub next_token: Option<String>,
    /// As on the wire.
    pub model_version: String,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let shelf = service.shelf(&input.collection_id)?;
    let limit = limits::page(input.limit)?;
    if input.face_ids.len() > limits::FACE_IDS_MAX {
        return Err(limits::invalid());
    }
    if let Some(user) = &input.user_id {
        service.user_faces(&shelf, user)?;
    }
    let question = question(&input);
    let position = input.next_token.as_ref().map(|token| service.pages.open(&question, token)).transpose()?;
    let (faces, next) = if input.face_ids.is_empty() {
        all(service, &shelf, &input, limit, position)?
    } else {
        listed(service, &shelf, &input, limit, position)?
    };
    let next_token = next.map(|position| service.pages.seal(&question, &position)).transpose()?;
    Ok(Output { faces, next_token, model_version: shelf.model_version().to_owned() })
}

fn question(input: &Input) -> Question {
    let user = input.user_id.as_ref().map_or("", |user| user.as_str());
    let ids = input.face_ids.iter().map(|face| face.0.as_bytes().as_slice());
    Question::new("ListFaces", [input.collection_id.as_str().as_bytes(), user.as_bytes()].into_iter().chain(ids))
}

/// One page and the position after it, if more follow.
type Page = (Vec<FaceRecord>, Option<Vec<u8>>);

/// In order of enrolment; the position is the place of the last face shown, which outlives the face.
fn all(
    service: &Service,
    shelf: &Shelf,
    input: &Input,
    limit: usize,
    position: Option<Vec<u8>>,
) -> Result<Page, OperationError> {
    let after = match position {
        Some(bytes) => i64::from_le_bytes(bytes.try_into().map_err(|_| OperationError::InvalidPaginationToken)?),
        None => 0,
    };
    let refuse = |error| match error {
        StoreError::Missing => shelf.not_found(),
        other => internal(other),
    };
    let mut faces = service.store.faces_after(shelf.id(), after, limit + 1, input.user_id.as_ref()).map_err(refuse)?;
    let more = faces.len() > limit;
    faces.truncate(limit);
    let place = |face: &FaceRecord| service.store.place_of(shelf.id(), face.face_id).map_err(refuse);
    let next = faces.last().filter(|_| more).map(place).transpose()?;
    Ok((faces, next.map(|place| place.to_le_bytes().to_vec())))
}

/// In the order asked, unknown ids and other users' faces left out; the position is an index into the list.
fn listed(
    service: &Service,
    shelf: &Shelf,
    input: &Input,
    limit: usize,
    position: Option<Vec<u8>>,
) -> Result<Page, OperationError> {
    let wanted = limits::distinct(&input.face_ids, limits::FACE_IDS_MAX)?;
    let start = match position {
        Some(bytes) => u32::from_le_bytes(bytes.try_into().map_err(|_| OperationError::InvalidPaginationToken)?),
        None => 0,
    };
    let mut faces = Vec::new();
    for (face, index) in wanted.into_iter().zip(0_u32..).skip_while(|(_, index)| *index < start) {
        let record = match service.store.face(shelf.id(), face) {
            Ok(record) => record,
            Err(StoreError::Missing) => continue,
            Err(error) => return Err(internal(error)),
        };
        if input.user_id.is_some() && record.user_id != input.user_id {
            continue;
        }
        if faces.len() == limit {
            return Ok((faces, Some(index.to_le_bytes().to_vec())));
        }
        faces.push(record);
    }
    Ok((faces, None))
}
