//! `ClientRequestToken`: the same token with the same parameters gives the same answer without a second effect.
//!
//! Only answers are kept: a request that failed may be tried again with its token.
//!
//! INVARIANT (effect and answer in one commit): whoever changes the store for such a request hands it the
//! [`Receipt`] too, so that after a crash either both are there or neither, and trying again is safe.

use std::sync::Mutex;

use sha2::{Digest, Sha256};

use super::pages::Question;
use super::shelf::lock;
use super::types::{FaceRefusal, RefusedFace, UserStatus};
use super::{OperationError, Service, internal};
use crate::gallery::{FaceId, UserId};
use crate::store::{Keep, TokenRecord};

const LOCKS: usize = 64;

/// Locks by token, so that two requests with one token do not both take effect.
pub(super) struct TokenLocks([Mutex<()>; LOCKS]);

impl TokenLocks {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }

    fn of(&self, token: &str) -> &Mutex<()> {
        &self.0[usize::from(Sha256::digest(token.as_bytes())[0]) % LOCKS]
    }
}

/// An answer that can be kept: bytes of our own, see [`Bytes`].
pub(super) trait Kept: Sized {
    fn write(&self, bytes: &mut Vec<u8>);
    fn read(bytes: &mut Bytes<'_>) -> Option<Self>;
}

/// A token and what was asked with it, until the answer is known.
pub(super) struct Asked<'a> {
    token: Option<&'a str>,
    request: &'a Question,
}

impl<'a> Asked<'a> {
    /// What the store keeps together with the effect that `output` tells of.
    pub(super) fn receipt<O: Kept>(&self, output: &O) -> Receipt<'a> {
        let record = |token| {
            let mut response = Vec::new();
            output.write(&mut response);
            (token, TokenRecord { request_hash: self.request.digest(), response })
        };
        Receipt(self.token.map(record))
    }
}

/// An answer on its way into the commit of its effect; empty for a request without a token.
pub(super) struct Receipt<'a>(Option<(&'a str, TokenRecord)>);

impl Receipt<'_> {
    pub(super) fn keep(&self) -> Keep<'_> {
        self.0.as_ref().map(|(token, record)| (*token, record))
    }
}

impl Service {
    /// Runs `effect` unless `token` was answered before; `request` is operation and parameters. `effect` commits
    /// the receipt of its answer together with its change.
    pub(super) fn once<O: Kept>(
        &self,
        token: Option<&str>,
        request: &Question,
        effect: impl FnOnce(&Asked<'_>) -> Result<O, OperationError>,
    ) -> Result<O, OperationError> {
        let asked = Asked { token, request };
        let Some(token) = token else { return effect(&asked) };
        let _turn = lock(self.token_locks.of(token));
        if let Some(record) = self.store.token(token).map_err(internal)? {
            return replayed(token, request, &record);
        }
        effect(&asked)
    }
}

fn replayed<O: Kept>(token: &str, request: &Question, record: &TokenRecord) -> Result<O, OperationError> {
    if record.request_hash != request.digest() {
        return Err(OperationError::IdempotentParameterMismatch(token.to_owned()));
    }
    let mut bytes = Bytes(&record.response);
    let output = O::read(&mut bytes).filter(|_| bytes.0.is_empty());
    output.ok_or_else(|| OperationError::Internal("the answer kept for a request token is damaged".to_owned()))
}

/// Bytes still to read. Numbers are little-endian; lists and texts have a 4-byte length before them.
pub(super) struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(u32::read(self)?).ok()?;
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        String::from_utf8(head.to_vec()).ok()
    }
}

impl Kept for u32 {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        bytes.take().map(Self::from_le_bytes)
    }
}

impl Kept for f32 {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        bytes.take().map(Self::from_le_bytes)
    }
}

fn length(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

impl<T: Kept> Kept for Vec<T> {
    fn write(&self, bytes: &mut Vec<u8>) {
        length(self.len()).write(bytes);
        self.iter().for_each(|item| item.write(bytes));
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        (0..u32::read(bytes)?).map(|_| T::read(bytes)).collect()
    }
}

impl<T: Kept> Kept for Option<T> {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self.is_some()));
        if let Some(item) = self {
            item.write(bytes);
        }
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        match bytes.take()? {
            [0] => Some(None),
            [1] => T::read(bytes).map(Some),
            _ => None,
        }
    }
}

impl Kept for FaceId {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.0.as_bytes());
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        bytes.take().map(|id| Self(uuid::Uuid::from_bytes(id)))
    }
}

impl Kept for UserId {
    fn write(&self, bytes: &mut Vec<u8>) {
        length(self.as_str().len()).write(bytes);
        bytes.extend_from_slice(self.as_str().as_bytes());
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Self::parse(&bytes.text()?)
    }
}

impl Kept for UserStatus {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(match self {
            Self::Active => 1,
            Self::Created => 2,
        });
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        match bytes.take()? {
            [1] => Some(Self::Active),
            [2] => Some(Self::Created),
            _ => None,
        }
    }
}

impl Kept for FaceRefusal {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(match self {
            Self::AssociatedToAnExistingUser => 1,
            Self::FaceNotFound => 2,
            Self::AssociatedToADifferentUser => 3,
            Self::LowMatchConfidence => 4,
        });
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        match bytes.take()? {
            [1] => Some(Self::AssociatedToAnExistingUser),
            [2] => Some(Self::FaceNotFound),
            [3] => Some(Self::AssociatedToADifferentUser),
            [4] => Some(Self::LowMatchConfidence),
            _ => None,
        }
    }
}

impl Kept for RefusedFace {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.face_id.write(bytes);
        self.user_id.write(bytes);
        self.confidence.write(bytes);
        self.reasons.write(bytes);
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(Self {
            face_id: Kept::read(bytes)?,
            user_id: Kept::read(bytes)?,
            confidence: Kept::read(bytes)?,
            reasons: Kept::read(bytes)?,
        })
    }
}
