//! The API: one file per operation, named as on the wire. [`Service::execute`] is the one door: decide, do, record.
//!
//! Knows nothing of HTTP, JSON and signatures.

pub mod associate_faces;
pub mod assume_role;
pub mod caller;
pub mod compare_faces;
pub mod create_access_key;
pub mod create_collection;
pub mod create_user;
pub mod delete_collection;
pub mod delete_faces;
pub mod delete_user;
pub mod describe_collection;
pub mod detect_faces;
pub mod disassociate_faces;
pub mod get_expectations;
pub mod get_ledger;
pub mod get_usage;
pub mod index_faces;
pub mod list_access_keys;
pub mod list_collections;
pub mod list_entries;
pub mod list_faces;
pub mod list_tags_for_resource;
pub mod list_users;
pub mod migrate_collection;
pub mod revoke_access_key;
pub mod search_faces;
pub mod search_faces_by_image;
pub mod search_faces_pairwise;
pub mod search_users;
pub mod search_users_by_image;
pub mod tag_resource;
pub mod types;
pub mod untag_resource;

mod arn;
mod case_uses;
mod derive;
mod eyes;
mod find;
mod import_embeddings;
mod keys;
mod limits;
mod oversight;
mod pages;
mod picture;
mod quality_filter;
mod record;
mod replay;
mod sessions;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

pub use crate::store::KeyBinding;
use std::time::{SystemTime, UNIX_EPOCH};

pub use caller::{Caller, Declared};
pub use derive::image_id_of_hash;
pub use eyes::Eyes;
pub use oversight::{Answered, Oversight};
pub use shelf::open_gallery;

use crate::gallery::similarity::{Calibration, Calibrations};
use crate::gallery::{CollectionId, FaceId, Unreadable, UserId};
use crate::ledger::tiles::TileName;
use crate::ledger::{self, Files as _, LedgerError};
use crate::policy::{Meter, Principal, Ruling};
use crate::store::buckets::Buckets;
use crate::store::{CollectionRecord, Store, StoreError};
use crate::vision::{Embedding, ModelId};
use case_uses::CaseUses;
use keys::Keys;
use pages::Pages;
use record::{Act, Tally};
use replay::TokenLocks;
use sessions::{Sessions, TokenFault};
use shelf::{Shelf, lock};

/// What went wrong, by meaning; `protocol::errors` gives each its code, status and message.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// SearchFacesByImage found no usable face.
    #[error("there is no face in the picture")]
    NoFace,
    /// A parameter makes no sense here; the text is for the client.
    #[error("{0}")]
    InvalidParameter(String),
    /// The bytes are no picture; the text is for the client.
    #[error("{0}")]
    InvalidImageFormat(String),
    /// Too many bytes or pixels; the text is for the client.
    #[error("{0}")]
    ImageTooLarge(String),
    /// The bucket object cannot be had.
    #[error("the object cannot be read")]
    InvalidS3Object,
    /// No such collection.
    #[error("collection `{0}` does not exist")]
    CollectionNotFound(String),
    /// The collection exists already.
    #[error("collection `{0}` exists already")]
    CollectionExists(String),
    /// No such user.
    #[error("user `{0}` does not exist")]
    UserNotFound(String),
    /// The user exists already.
    #[error("user `{0}` exists already")]
    UserExists(String),
    /// SearchFaces or SearchUsers with a face that is not enrolled.
    #[error("face `{0}` is not in the collection")]
    FaceNotFound(String),
    /// No such access key, or one that is revoked already.
    #[error("access key `{0}` does not exist")]
    KeyNotFound(String),
    /// No resource of that ARN.
    #[error("resource `{0}` does not exist")]
    ResourceNotFound(String),
    /// The pagination token is not ours, or not for this call.
    #[error("invalid pagination token")]
    InvalidPaginationToken,
    /// The client request token was used with other parameters.
    #[error("request token `{0}` is already in use")]
    IdempotentParameterMismatch(String),
    /// A limit of the service; the text is for the client.
    #[error("{0}")]
    QuotaExceeded(String),
    /// A rule forbids it.
    #[error("rule `{rule}` forbids {operation}")]
    AccessDenied {
        /// Wire name of the operation.
        operation: &'static str,
        /// The rule.
        rule: String,
    },
    /// Strict callers only: a rule's floor or ceiling does not let through what was asked for.
    #[error("rule `{rule}` allows {allowed}")]
    OverLimit {
        /// The rule.
        rule: String,
        /// What it does let through, in words.
        allowed: String,
    },
    /// Too many requests wait; the client should try again.
    #[error("too many requests are waiting")]
    Overloaded,
    /// Ours; the text is for the log only.
    #[error("internal error: {0}")]
    Internal(String),
}

/// One request of the API.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "one variant per operation, documented in its file")]
pub enum Request {
    CreateCollection(create_collection::Input),
    DescribeCollection(describe_collection::Input),
    ListCollections(list_collections::Input),
    DeleteCollection(delete_collection::Input),
    IndexFaces(index_faces::Input),
    ListFaces(list_faces::Input),
    DeleteFaces(delete_faces::Input),
    SearchFaces(search_faces::Input),
    SearchFacesByImage(search_faces_by_image::Input),
    DetectFaces(detect_faces::Input),
    CompareFaces(compare_faces::Input),
    CreateUser(create_user::Input),
    DeleteUser(delete_user::Input),
    ListUsers(list_users::Input),
    AssociateFaces(associate_faces::Input),
    DisassociateFaces(disassociate_faces::Input),
    SearchUsers(search_users::Input),
    SearchUsersByImage(search_users_by_image::Input),
    TagResource(tag_resource::Input),
    UntagResource(untag_resource::Input),
    ListTagsForResource(list_tags_for_resource::Input),
    ListAccessKeys(list_access_keys::Input),
    CreateAccessKey(create_access_key::Input),
    RevokeAccessKey(revoke_access_key::Input),
    GetExpectations(get_expectations::Input),
    AssumeRole(assume_role::Input),
    GetLedger(get_ledger::Input),
    ListEntries(list_entries::Input),
    GetUsage(get_usage::Input),
}

/// The answer to a [`Request`] of the same name.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "one variant per operation, documented in its file")]
pub enum Response {
    CreateCollection(create_collection::Output),
    DescribeCollection(describe_collection::Output),
    ListCollections(list_collections::Output),
    DeleteCollection(delete_collection::Output),
    IndexFaces(index_faces::Output),
    ListFaces(list_faces::Output),
    DeleteFaces(delete_faces::Output),
    SearchFaces(search_faces::Output),
    SearchFacesByImage(search_faces_by_image::Output),
    DetectFaces(detect_faces::Output),
    CompareFaces(compare_faces::Output),
    CreateUser(create_user::Output),
    DeleteUser(delete_user::Output),
    ListUsers(list_users::Output),
    AssociateFaces(associate_faces::Output),
    DisassociateFaces(disassociate_faces::Output),
    SearchUsers(search_users::Output),
    SearchUsersByImage(search_users_by_image::Output),
    TagResource(tag_resource::Output),
    UntagResource(untag_resource::Output),
    ListTagsForResource(list_tags_for_resource::Output),
    ListAccessKeys(list_access_keys::Output),
    CreateAccessKey(create_access_key::Output),
    RevokeAccessKey(revoke_access_key::Output),
    GetExpectations(get_expectations::Output),
    AssumeRole(assume_role::Output),
    GetLedger(get_ledger::Output),
    ListEntries(list_entries::Output),
    GetUsage(get_usage::Output),
}

/// One line of the wire's name, one of the dispatch, for every operation.
macro_rules! operations {
    ($($variant:ident => $module:ident,)*) => {
        impl Request {
            /// Wire name of the operation.
            #[must_use]
            pub fn operation(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($variant),)*
                    Self::AssumeRole(_) => "AssumeRole",
                }
            }
        }

        fn dispatch(service: &Service, caller: &Caller, request: Request) -> Result<Response, OperationError> {
            match request {
                $(Request::$variant(input) => $module::run(service, input).map(Response::$variant),)*
                // The one operation whose answer depends on who asks.
                Request::AssumeRole(input) => assume_role::run(service, caller, input).map(Response::AssumeRole),
            }
        }
    };
}

operations! {
    CreateCollection => create_collection,
    DescribeCollection => describe_collection,
    ListCollections => list_collections,
    DeleteCollection => delete_collection,
    IndexFaces => index_faces,
    ListFaces => list_faces,
    DeleteFaces => delete_faces,
    SearchFaces => search_faces,
    SearchFacesByImage => search_faces_by_image,
    DetectFaces => detect_faces,
    CompareFaces => compare_faces,
    CreateUser => create_user,
    DeleteUser => delete_user,
    ListUsers => list_users,
    AssociateFaces => associate_faces,
    DisassociateFaces => disassociate_faces,
    SearchUsers => search_users,
    SearchUsersByImage => search_users_by_image,
    TagResource => tag_resource,
    UntagResource => untag_resource,
    ListTagsForResource => list_tags_for_resource,
    ListAccessKeys => list_access_keys,
    CreateAccessKey => create_access_key,
    RevokeAccessKey => revoke_access_key,
    GetExpectations => get_expectations,
    GetLedger => get_ledger,
    ListEntries => list_entries,
    GetUsage => get_usage,
}

impl Request {
    /// The collection it touches; tag operations name it in their ARN.
    #[must_use]
    pub fn collection(&self) -> Option<CollectionId> {
        let id = match self {
            Self::ListCollections(_) | Self::DetectFaces(_) | Self::CompareFaces(_) => return None,
            Self::ListAccessKeys(_)
            | Self::CreateAccessKey(_)
            | Self::RevokeAccessKey(_)
            | Self::AssumeRole(_)
            | Self::GetLedger(_)
            | Self::ListEntries(_)
            | Self::GetUsage(_) => return None,
            Self::GetExpectations(input) => return input.collection_id.clone(),
            Self::TagResource(input) => return arn::collection(&input.resource_arn),
            Self::UntagResource(input) => return arn::collection(&input.resource_arn),
            Self::ListTagsForResource(input) => return arn::collection(&input.resource_arn),
            Self::CreateCollection(input) => &input.collection_id,
            Self::DescribeCollection(input) => &input.collection_id,
            Self::DeleteCollection(input) => &input.collection_id,
            Self::IndexFaces(input) => &input.collection_id,
            Self::ListFaces(input) => &input.collection_id,
            Self::DeleteFaces(input) => &input.collection_id,
            Self::SearchFaces(input) => &input.collection_id,
            Self::SearchFacesByImage(input) => &input.collection_id,
            Self::CreateUser(input) => &input.collection_id,
            Self::DeleteUser(input) => &input.collection_id,
            Self::ListUsers(input) => &input.collection_id,
            Self::AssociateFaces(input) => &input.collection_id,
            Self::DisassociateFaces(input) => &input.collection_id,
            Self::SearchUsers(input) => &input.collection_id,
            Self::SearchUsersByImage(input) => &input.collection_id,
        };
        Some(id.clone())
    }
}

/// Whose signature is to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// With this secret.
    Known {
        /// Of the key, or of the session.
        secret: String,
        /// Whom it signs for.
        principal: Principal,
        /// What the session's tags say; empty without a session.
        session: Declared,
    },
    /// No such key, or a revoked one.
    Unknown,
    /// No such session, or one of a revoked key.
    UnknownSession,
    /// A session that has ended.
    Expired,
}

impl Signer {
    fn known(secret: String, access_key_id: &str, session: Declared) -> Self {
        Self::Known { secret, principal: Principal::Key { access_key_id: access_key_id.to_owned() }, session }
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Region in ARNs.
    pub region: String,
    /// Account in ARNs, 12 digits.
    pub account_id: String,
    /// The wire's `FaceModelVersion` of new collections, `[0-9.]+`: `models::Installed::model_version`.
    pub model_version: String,
    /// The pack in use with its licence, for people; empty to say nothing.
    pub model_licence: String,
    /// What similarities stand for; without any, percents promise no rate: `models::Installed::calibrations`.
    pub calibrations: Calibrations,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            model_version: "1.0".to_owned(),
            model_licence: String::new(),
            calibrations: Calibrations::default(),
        }
    }
}

type Shelves = BTreeMap<CollectionId, Arc<Shelf>>;

/// Everything the operations stand on; shared by all threads.
///
/// INVARIANT (one door): operations are reached only through [`Service::answer`].
pub struct Service {
    eyes: Box<dyn Eyes>,
    store: Store,
    buckets: Buckets,
    settings: Settings,
    oversight: Oversight,
    case_uses: CaseUses,
    meter: Meter,
    keys: Keys,
    sessions: Sessions,
    pages: Pages,
    token_locks: TokenLocks,
    /// Held while collections are created, deleted and tagged.
    structure: Mutex<()>,
    shelves: RwLock<Shelves>,
}

impl Service {
    /// Puts the parts together and loads every collection's codes into memory.
    ///
    /// # Errors
    /// `Internal` when the store cannot be read.
    pub fn new(
        eyes: Box<dyn Eyes>,
        store: Store,
        buckets: Buckets,
        settings: Settings,
        oversight: Oversight,
    ) -> Result<Self, OperationError> {
        let secret = store.instance_secret().map_err(internal)?;
        Ok(Self {
            eyes,
            buckets,
            settings,
            meter: Meter::default(),
            case_uses: CaseUses::of_the_ledger(&oversight)?,
            oversight,
            keys: Keys::load(&store)?,
            sessions: Sessions::new(secret),
            pages: Pages::new(secret),
            token_locks: TokenLocks::new(),
            structure: Mutex::new(()),
            shelves: RwLock::new(load(&store)?),
            store,
        })
    }

    /// Decides, does, records, for a caller of whom nothing more is known than who it is.
    ///
    /// # Errors
    /// Every [`OperationError`].
    pub fn execute(&self, principal: &Principal, request: Request) -> Result<Response, OperationError> {
        self.answer(&Caller::from(principal), request).result
    }

    /// Decides, does, records. A panic inside becomes `Internal`.
    pub fn answer(&self, caller: &Caller, request: Request) -> Answered<Response> {
        let act = Act::of(&request);
        let work = |ruling: &Ruling| dispatch(self, caller, request.limited(ruling.threshold, ruling.faces_max));
        self.through_the_door(caller, act, work, Tally::of)
    }

    /// Counts by operation and outcome.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What signs for an access key that is known and not revoked, or for a session that one opened: the secret, and
    /// who that is.
    ///
    /// # Errors
    /// `Internal`.
    pub fn signer_of(&self, access_key_id: &str, session_token: Option<&str>) -> Result<Signer, OperationError> {
        let Some(token) = session_token else {
            let secret = self.keys.secret(access_key_id);
            return Ok(
                secret.map_or(Signer::Unknown, |secret| Signer::known(secret, access_key_id, Declared::default()))
            );
        };
        Ok(match self.sessions.open(access_key_id, token, now_s())? {
            Ok((session, secret)) if self.keys.secret(&session.parent).is_some() => {
                Signer::known(secret, &session.parent, session.declared)
            }
            Ok(_) | Err(TokenFault::Unknown) => Signer::UnknownSession,
            Err(TokenFault::Expired) => Signer::Expired,
        })
    }

    /// A file of the ledger that is everybody's: checkpoint, public key, hashes of the tree. Neither leaves nor bodies.
    #[must_use]
    pub fn public_ledger_file(&self, path: &str) -> Option<Vec<u8>> {
        let is_public = path == ledger::CHECKPOINT
            || path == ledger::PUBLIC_KEY
            || TileName::parse(path).is_some_and(|tile| tile.level.is_some());
        is_public.then(|| self.oversight.ledger().folder().read(path).ok()).flatten().map(|bytes| bytes.to_vec())
    }

    /// Rules and ledger.
    #[must_use]
    pub fn oversight(&self) -> &Oversight {
        &self.oversight
    }

    /// Enrolled faces over all collections.
    #[must_use]
    pub fn face_count(&self) -> u64 {
        self.shelves().values().map(|shelf| shelf.face_count() as u64).sum()
    }

    /// Writes a consistent copy of the data directory to `file`.
    ///
    /// # Errors
    /// `Internal`.
    pub fn backup(&self, file: &Path) -> Result<(), OperationError> {
        self.store.backup(file).map_err(internal)
    }

    fn shelves(&self) -> RwLockReadGuard<'_, Shelves> {
        self.shelves.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf(&self, id: &CollectionId) -> Result<Arc<Shelf>, OperationError> {
        let shelf = self.shelves().get(id).cloned();
        shelf.ok_or_else(|| OperationError::CollectionNotFound(id.to_string()))
    }

    /// The collection of an ARN, with the tag operations' error.
    fn tagged(&self, resource_arn: &str) -> Result<Arc<Shelf>, OperationError> {
        let id = arn::resource(resource_arn)?;
        self.shelf(&id).map_err(|_| arn::not_found(resource_arn))
    }

    /// What the similarities of a network stand for.
    fn calibration(&self, model: &ModelId) -> Arc<Calibration> {
        self.settings.calibrations.of(model)
    }

    /// An enrolled face's embedding.
    fn enrolled(&self, shelf: &Shelf, face: FaceId) -> Result<Embedding, OperationError> {
        let embedding = shelf.read(&self.store, |gallery| gallery.embedding(face))?.map_err(unreadable)?;
        embedding.ok_or_else(|| OperationError::FaceNotFound(face.to_string()))
    }

    /// Number of faces of a user.
    fn user_faces(&self, shelf: &Shelf, user: &UserId) -> Result<u64, OperationError> {
        self.store.user_face_count(shelf.id(), user).map_err(|error| match error {
            StoreError::Missing => OperationError::UserNotFound(user.to_string()),
            other => internal(other),
        })
    }

    fn create_collection(&self, record: CollectionRecord, tags: &types::Tags) -> Result<(), OperationError> {
        let _structure = lock(&self.structure);
        self.store.create_collection(&record, tags).map_err(|error| match error {
            StoreError::Exists => OperationError::CollectionExists(record.id.to_string()),
            other => internal(other),
        })?;
        let id = record.id.clone();
        let shelf = Arc::new(Shelf::load(record, &self.store).map_err(internal)?);
        self.shelves.write().unwrap_or_else(PoisonError::into_inner).insert(id, shelf);
        Ok(())
    }

    fn delete_collection(&self, id: &CollectionId) -> Result<(), OperationError> {
        let _structure = lock(&self.structure);
        self.shelf(id)?.change(&self.store)?.delete_collection()?;
        self.shelves.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok(())
    }
}

/// Milliseconds since 1970; `None` for a clock before that.
fn now_ms() -> Option<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Seconds since 1970; 0 for a clock before that.
fn now_s() -> i64 {
    now_ms().unwrap_or_default() / 1000
}

/// All collections of the store.
fn load(store: &Store) -> Result<Shelves, OperationError> {
    let mut shelves = Shelves::new();
    loop {
        let after = shelves.last_key_value().map(|(id, _)| id);
        let records = store.collections(after, limits::PAGE_MAX).map_err(internal)?;
        if records.is_empty() {
            return Ok(shelves);
        }
        for record in records {
            shelves.insert(record.id.clone(), Arc::new(Shelf::load(record, store).map_err(internal)?));
        }
    }
}

fn internal_ledger(error: LedgerError) -> OperationError {
    OperationError::Internal(error.to_string())
}

fn unreadable(error: Unreadable) -> OperationError {
    OperationError::Internal(error.to_string())
}

fn internal(error: StoreError) -> OperationError {
    OperationError::Internal(error.to_string())
}
