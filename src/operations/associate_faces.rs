//! `AssociateFaces`: gives enrolled faces to a user.

use super::OperationError;
use super::Service;
use super::types::{RefusedFace, UserStatus};
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

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
