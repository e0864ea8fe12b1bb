//! `SearchUsers`: users like an enrolled face or another user.

use super::OperationError;
use super::Service;
use super::types::UserMatch;
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
}

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
