//! `ListUsers`: pages through users.

use super::pages::Question;
use super::types::{UserSummary, status};
use super::{OperationError, Service, internal, limits};
use crate::gallery::{CollectionId, UserId};
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
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub users: Vec<UserSummary>,
    /// As on the wire.
    pub next_token: Option<String>,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let shelf = service.shelf(&input.collection_id)?;
    let limit = limits::count(input.limit, limits::USER_PAGE_MAX)?;
    let question = Question::new("ListUsers", [input.collection_id.as_str().as_bytes()]);
    let position = input.next_token.as_ref().map(|token| service.pages.open(&question, token)).transpose()?;
    let name = |bytes: Vec<u8>| String::from_utf8(bytes).ok().and_then(|name| UserId::parse(&name));
    let after = match position {
        Some(bytes) => Some(name(bytes).ok_or(OperationError::InvalidPaginationToken)?),
        None => None,
    };
    let mut users = service.store.users(shelf.id(), after.as_ref(), limit + 1).map_err(|error| match error {
        StoreError::Missing => shelf.not_found(),
        other => internal(other),
    })?;
    let more = users.len() > limit;
    users.truncate(limit);
    let last = users.last().filter(|_| more);
    let next_token = last.map(|(last, _)| service.pages.seal(&question, last.as_str().as_bytes())).transpose()?;
    let summary = |(user_id, faces)| UserSummary { user_id, status: status(faces > 0) };
    Ok(Output { users: users.into_iter().map(summary).collect(), next_token })
}
