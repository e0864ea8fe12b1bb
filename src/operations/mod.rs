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
pub mod search_faces;
pub mod search_faces_by_image;
pub mod search_users;
pub mod search_users_by_image;
pub mod tag_resource;
pub mod types;
pub mod untag_resource;

use std::path::Path;

use crate::policy::{Meter, Principal};
use crate::store::Store;
use crate::store::buckets::Buckets;
use crate::vision::Vision;

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

/// Everything the operations stand on; shared by all threads.
///
/// INVARIANT (one door): operations are reached only through [`Service::execute`].
pub struct Service {}

#[expect(unused_variables, reason = "skeleton")]
impl Service {
    /// Puts the parts together and loads every collection's vectors into memory.
    ///
    /// # Errors
    /// `Internal` when the store cannot be read.
    pub fn new(vision: Vision, store: Store, buckets: Buckets) -> Result<Self, OperationError> {
        unimplemented!()
    }

    /// Decides, does, records.
    ///
    /// # Errors
    /// Every [`OperationError`].
    pub fn execute(&self, principal: &Principal, request: Request) -> Result<Response, OperationError> {
        unimplemented!()
    }

    /// Counts by operation and outcome.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        unimplemented!()
    }

    /// Secret of an access key that is known and not revoked.
    ///
    /// # Errors
    /// `Internal` when the store cannot be read.
    pub fn secret_of(&self, access_key_id: &str) -> Result<Option<String>, OperationError> {
        unimplemented!()
    }

    /// Enrolled faces over all collections.
    #[must_use]
    pub fn face_count(&self) -> u64 {
        unimplemented!()
    }

    /// Writes a consistent copy of the data directory to `file`.
    ///
    /// # Errors
    /// `Internal`.
    pub fn backup(&self, file: &Path) -> Result<(), OperationError> {
        unimplemented!()
    }
}
