//! `ListCollections`: pages through collections by name.

use sha2::{Digest, Sha256};

use super::pages::Question;
use super::{OperationError, Service, internal, limits};
use crate::gallery::CollectionId;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub next_token: Option<String>,
    /// As on the wire.
    pub limit: Option<usize>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub collections: Vec<(CollectionId, String)>,
    /// As on the wire.
    pub next_token: Option<String>,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let limit = limits::page(input.limit)?;
    let question = Question::new("ListCollections", []);
    let after = match &input.next_token {
        Some(token) => service.after(&service.pages.open(&question, token)?)?,
        None => None,
    };
    let mut records = service.store.collections(after.as_ref(), limit + 1).map_err(internal)?;
    let more = records.len() > limit;
    records.truncate(limit);
    let last = records.last().filter(|_| more);
    let next_token = last.map(|last| service.pages.seal(&question, &position(&last.id))).transpose()?;
    Ok(Output {
        collections: records.into_iter().map(|record| (record.id, record.model_version)).collect(),
        next_token,
    })
}

/// Bytes of a name that go into a token as they are.
const PREFIX_BYTES: usize = 150;
/// Bytes of its digest behind a longer name's prefix.
const DIGEST_BYTES: usize = 16;

/// A name can be longer than a token: a long one becomes its beginning and a digest of the whole.
fn position(id: &CollectionId) -> Vec<u8> {
    let name = id.as_str().as_bytes();
    if name.len() <= PREFIX_BYTES {
        return [&[0], name].concat();
    }
    [&[1], &name[..PREFIX_BYTES], &Sha256::digest(name)[..DIGEST_BYTES]].concat()
}

impl Service {
    /// The name to go on after. When a long name was deleted between the pages, its beginning is gone on after:
    /// names that share 150 characters with it may then come twice, and none is left out.
    fn after(&self, position: &[u8]) -> Result<Option<CollectionId>, OperationError> {
        let refuse = || OperationError::InvalidPaginationToken;
        let (&form, rest) = position.split_first().ok_or_else(refuse)?;
        let name = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(CollectionId::parse).ok_or_else(refuse);
        if form == 0 {
            return Ok(Some(name(rest)?));
        }
        let (prefix, digest) = rest.split_at_checked(PREFIX_BYTES).ok_or_else(refuse)?;
        let prefix = name(prefix)?;
        let exact = |id: &&CollectionId| Sha256::digest(id.as_str())[..DIGEST_BYTES] == *digest;
        let shelves = self.shelves();
        let alike = shelves.range(prefix.clone()..).map(|(id, _)| id);
        let mut alike = alike.take_while(|id| id.as_str().starts_with(prefix.as_str()));
        Ok(Some(alike.find(exact).cloned().unwrap_or(prefix)))
    }
}
