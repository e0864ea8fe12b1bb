//! `CreateUser`: creates a user in a collection.

use super::pages::Question;
use super::replay::{Bytes, Kept};
use super::{OperationError, Service};
use crate::gallery::{CollectionId, UserId};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub user_id: UserId,
    /// As on the wire.
    pub token: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let (collection, user) = (&input.collection_id, &input.user_id);
    let request = Question::new("CreateUser", [collection.as_str().as_bytes(), user.as_str().as_bytes()]);
    service.once(input.token.as_deref(), &request, |asked| {
        let output = Output {};
        service.shelf(collection)?.change(&service.store)?.create_user(user, &asked.receipt(&output))?;
        Ok(output)
    })
}

impl Kept for Output {
    fn write(&self, _: &mut Vec<u8>) {}

    fn read(_: &mut Bytes<'_>) -> Option<Self> {
        Some(Self {})
    }
}
