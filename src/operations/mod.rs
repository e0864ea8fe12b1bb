//! The API: one file per operation, named as on the wire. [`Service::execute`] is the one door: decide, do, record.
//!
//! Knows nothing of HTTP, JSON and signatures.

pub mod associate_faces;
pub mod compare_faces;
pub mod create_collection;
pub mod create_user;
pub mod delete_collection;
pub mod delete_faces;
pub mod delete_user;
pub mod describe_collection;
pub mod detect_faces;
pub mod disassociate_faces;
pub mod index_faces;
pub mod list_collections;
pub mod list_faces;
pub mod list_tags_for_resource;
pub mod list_users;
pub mod migrate_collection;
pub mod search_faces;
pub mod search_faces_by_image;
pub mod search_users;
pub mod search_users_by_image;
pub mod tag_resource;
pub mod types;
pub mod untag_resource;

mod arn;
mod derive;
mod eyes;
mod find;
mod import_embeddings;
mod limits;
mod pages;
mod picture;
mod quality_filter;
mod replay;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

pub use eyes::Eyes;
pub use shelf::open_gallery;

use crate::gallery::similarity::{Calibration, Calibrations};
use crate::gallery::{CollectionId, FaceId, Unreadable, UserId};
use crate::policy::{self, Action, Decision, Meter, Outcome, Principal};
use crate::store::buckets::Buckets;
use crate::store::{CollectionRecord, Store, StoreError};
use crate::vision::{Embedding, ModelId};
use pages::Pages;
use replay::TokenLocks;
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
                }
            }
        }

        fn dispatch(service: &Service, request: Request) -> Result<Response, OperationError> {
            match request {
                $(Request::$variant(input) => $module::run(service, input).map(Response::$variant),)*
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
}

impl Request {
    /// The collection it touches; tag operations name it in their ARN.
    #[must_use]
    pub fn collection(&self) -> Option<CollectionId> {
        let id = match self {
            Self::ListCollections(_) | Self::DetectFaces(_) | Self::CompareFaces(_) => return None,
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

/// Secrets by access key id, those revoked left out. Read once: the store belongs to this process and its keys are
/// changed only while no service has it.
type Keys = BTreeMap<String, String>;

type Shelves = BTreeMap<CollectionId, Arc<Shelf>>;

/// Everything the operations stand on; shared by all threads.
///
/// INVARIANT (one door): operations are reached only through [`Service::execute`].
pub struct Service {
    eyes: Box<dyn Eyes>,
    store: Store,
    buckets: Buckets,
    settings: Settings,
    meter: Meter,
    keys: Keys,
    pages: Pages,
    token_locks: TokenLocks,
    /// Held while collections are created and deleted.
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
    ) -> Result<Self, OperationError> {
        Ok(Self {
            eyes,
            buckets,
            settings,
            meter: Meter::default(),
            keys: keys(&store)?,
            pages: Pages::new(store.instance_secret().map_err(internal)?),
            token_locks: TokenLocks::new(),
            structure: Mutex::new(()),
            shelves: RwLock::new(load(&store)?),
            store,
        })
    }

    /// Decides, does, records. A panic inside becomes `Internal`.
    ///
    /// # Errors
    /// Every [`OperationError`].
    pub fn execute(&self, principal: &Principal, request: Request) -> Result<Response, OperationError> {
        let started = Instant::now();
        let operation = request.operation();
        let collection = request.collection();
        let answer = catch_unwind(AssertUnwindSafe(|| self.decide_and_do(principal, request, collection.as_ref())));
        let answer = answer.unwrap_or_else(|_| Err(OperationError::Internal("the operation panicked".to_owned())));
        self.record(operation, collection.as_ref(), started, &answer);
        answer
    }

    fn decide_and_do(
        &self,
        principal: &Principal,
        request: Request,
        collection: Option<&CollectionId>,
    ) -> Result<Response, OperationError> {
        let operation = request.operation();
        let action = Action { operation, collection: collection.map(CollectionId::as_str) };
        match policy::decide(principal, &action) {
            Decision::Allow => dispatch(self, request),
            Decision::Deny { rule } => Err(OperationError::AccessDenied { operation, rule }),
        }
    }

    fn record<T>(
        &self,
        operation: &'static str,
        collection: Option<&CollectionId>,
        started: Instant,
        answer: &Result<T, OperationError>,
    ) {
        let outcome = match answer {
            Ok(_) => Outcome::Done,
            Err(OperationError::AccessDenied { .. }) => Outcome::Denied,
            Err(OperationError::Internal(_) | OperationError::Overloaded) => Outcome::Failed,
            Err(_) => Outcome::Refused,
        };
        self.meter.record(operation, outcome);
        let duration_ms = started.elapsed().as_secs_f64() * 1000.0;
        let collection = collection.map(tracing::field::display);
        tracing::info!(operation, collection.id = collection, duration_ms, ?outcome, "operation");
        if let Err(OperationError::Internal(error)) = answer {
            tracing::error!(operation, error, "operation failed");
        }
    }

    /// Counts by operation and outcome.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Secret of an access key that is known and not revoked.
    ///
    /// # Errors
    /// None today: keys are read when the service starts.
    pub fn secret_of(&self, access_key_id: &str) -> Result<Option<String>, OperationError> {
        Ok(self.keys.get(access_key_id).cloned())
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

fn keys(store: &Store) -> Result<Keys, OperationError> {
    let keys = store.keys().map_err(internal)?;
    Ok(keys.into_iter().filter(|key| !key.revoked).map(|key| (key.id, key.secret)).collect())
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

fn unreadable(error: Unreadable) -> OperationError {
    OperationError::Internal(error.to_string())
}

fn internal(error: StoreError) -> OperationError {
    OperationError::Internal(error.to_string())
}
