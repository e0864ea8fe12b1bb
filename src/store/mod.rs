//! The data directory: records in SQLite, vectors in checksummed segment files, one process at a time.
//!
//! `docs/store-format.md` describes every byte.

pub mod buckets;

use std::collections::BTreeMap;
use std::path::Path;

use crate::gallery::{CollectionId, ExternalImageId, FaceId, ImageId, UserId};
use crate::vision::{Embedding, ModelId};

/// Why the data directory could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the directory.
    #[error("data directory `{0}` is in use by another trombi process")]
    Locked(String),
    /// Cannot be written.
    #[error("data directory `{0}` cannot be written: {1}")]
    ReadOnly(String, String),
    /// No space left; nothing was changed.
    #[error("no space left on the disk of the data directory")]
    Full,
    /// A file is not what it should be; names the file and what is wrong.
    #[error("damaged store: {0}")]
    Damaged(String),
    /// A newer program wrote it.
    #[error("data directory has format {found}, this program reads up to {supported}")]
    TooNew {
        /// Version found.
        found: u32,
        /// Newest version read.
        supported: u32,
    },
    /// A unique name exists already.
    #[error("already exists")]
    Exists,
    /// The named thing does not exist.
    #[error("does not exist")]
    Missing,
    /// Anything else of disk or database.
    #[error("store: {0}")]
    Io(String),
}

/// A face's box as ratios of the picture's size; may reach outside 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxRatio {
    /// Left edge over width.
    pub left: f32,
    /// Top edge over height.
    pub top: f32,
    /// Width over width.
    pub width: f32,
    /// Height over height.
    pub height: f32,
}

/// A collection's record.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionRecord {
    /// Name.
    pub id: CollectionId,
    /// Network its vectors come from.
    pub model_id: ModelId,
    /// The wire's `FaceModelVersion`, `[0-9.]+`.
    pub model_version: String,
    /// Length of its vectors.
    pub dimensions: usize,
    /// Creation, milliseconds since 1970.
    pub created_ms: i64,
    /// Enrolled faces.
    pub face_count: u64,
    /// Users.
    pub user_count: u64,
}

/// An enrolled face's record; its vector is kept beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceRecord {
    /// Id.
    pub face_id: FaceId,
    /// The picture it came from.
    pub image_id: ImageId,
    /// The caller's name for the picture.
    pub external_image_id: Option<ExternalImageId>,
    /// Where in the picture.
    pub box_ratio: BoxRatio,
    /// Detector's confidence, 0 to 100.
    pub confidence: f32,
    /// The wire's `IndexFacesModelVersion`.
    pub model_version: String,
    /// The user it belongs to.
    pub user_id: Option<UserId>,
}

/// An access key. The secret is needed to verify signatures, so it is kept; the file is readable by its owner only.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Public half, 20 characters.
    pub id: String,
    /// Secret half, 40 characters.
    pub secret: String,
    /// Creation, milliseconds since 1970.
    pub created_ms: i64,
    /// Revoked keys no longer sign.
    pub revoked: bool,
}

/// The answer kept for a `ClientRequestToken`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// SHA-256 of operation and parameters.
    pub request_hash: [u8; 32],
    /// The answer, as `operations` wrote it.
    pub response: Vec<u8>,
}

/// The open data directory. All methods may be called from any thread; an `Ok` answer of a writing method
/// means the change is durable.
pub struct Store {}

#[expect(unused_variables, reason = "skeleton")]
impl Store {
    /// Opens or creates `directory`, takes its lock, repairs what a crash left.
    ///
    /// # Errors
    /// `Locked`, `ReadOnly`, `Damaged`, `TooNew`, `Full`, `Io`.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        unimplemented!()
    }

    /// Creates a collection with tags.
    ///
    /// # Errors
    /// `Exists`.
    pub fn create_collection(
        &self,
        record: &CollectionRecord,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// One collection's record with current counts.
    ///
    /// # Errors
    /// `Missing`.
    pub fn collection(&self, id: &CollectionId) -> Result<CollectionRecord, StoreError> {
        unimplemented!()
    }

    /// Collections by name, after `after`, at most `limit`.
    ///
    /// # Errors
    /// Of disk only.
    pub fn collections(&self, after: Option<&CollectionId>, limit: usize) -> Result<Vec<CollectionRecord>, StoreError> {
        unimplemented!()
    }

    /// Deletes a collection with its faces, users, tags and vectors.
    ///
    /// # Errors
    /// `Missing`.
    pub fn delete_collection(&self, id: &CollectionId) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Enrols faces, all or none; a face id that exists already is left as it was. Returns how many were new.
    ///
    /// # Errors
    /// `Missing` (collection), `Full`.
    pub fn put_faces(&self, id: &CollectionId, faces: &[(FaceRecord, Embedding)]) -> Result<usize, StoreError> {
        unimplemented!()
    }

    /// One face's record.
    ///
    /// # Errors
    /// `Missing` for collection or face.
    pub fn face(&self, id: &CollectionId, face: FaceId) -> Result<FaceRecord, StoreError> {
        unimplemented!()
    }

    /// Faces in a stable order (of enrolment), after `after`, at most `limit`, optionally one user's only.
    ///
    /// # Errors
    /// `Missing` (collection).
    pub fn faces(
        &self,
        id: &CollectionId,
        after: Option<FaceId>,
        limit: usize,
        user: Option<&UserId>,
    ) -> Result<Vec<FaceRecord>, StoreError> {
        unimplemented!()
    }

    /// Deletes faces and overwrites their vectors in every file; unknown ids are skipped. Returns those deleted.
    ///
    /// # Errors
    /// `Missing` (collection).
    pub fn delete_faces(&self, id: &CollectionId, faces: &[FaceId]) -> Result<Vec<FaceId>, StoreError> {
        unimplemented!()
    }

    /// Every face id, user and vector of a collection, for loading it into memory.
    ///
    /// # Errors
    /// `Missing`, `Damaged`.
    pub fn load_vectors(
        &self,
        id: &CollectionId,
        each: &mut dyn FnMut(FaceId, Option<UserId>, Embedding),
    ) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Creates a user.
    ///
    /// # Errors
    /// `Missing` (collection), `Exists`.
    pub fn create_user(&self, id: &CollectionId, user: &UserId) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Deletes a user; the faces stay and are free again.
    ///
    /// # Errors
    /// `Missing` (collection or user).
    pub fn delete_user(&self, id: &CollectionId, user: &UserId) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Users by name, after `after`, with the number of faces of each.
    ///
    /// # Errors
    /// `Missing` (collection).
    pub fn users(
        &self,
        id: &CollectionId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, u64)>, StoreError> {
        unimplemented!()
    }

    /// One user's number of faces.
    ///
    /// # Errors
    /// `Missing` (collection or user).
    pub fn user_face_count(&self, id: &CollectionId, user: &UserId) -> Result<u64, StoreError> {
        unimplemented!()
    }

    /// Gives faces to a user (`Some`) or frees them (`None`), all in one transaction.
    ///
    /// # Errors
    /// `Missing` (collection, user or a face).
    pub fn set_user(&self, id: &CollectionId, faces: &[FaceId], user: Option<&UserId>) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// A collection's tags.
    ///
    /// # Errors
    /// `Missing`.
    pub fn tags(&self, id: &CollectionId) -> Result<BTreeMap<String, String>, StoreError> {
        unimplemented!()
    }

    /// Sets and removes tags in one transaction.
    ///
    /// # Errors
    /// `Missing`.
    pub fn change_tags(
        &self,
        id: &CollectionId,
        set: &BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// The answer kept for a client request token, if it is not older than a day.
    ///
    /// # Errors
    /// Of disk only.
    pub fn token(&self, token: &str) -> Result<Option<TokenRecord>, StoreError> {
        unimplemented!()
    }

    /// Keeps an answer for a token.
    ///
    /// # Errors
    /// Of disk only.
    pub fn put_token(&self, token: &str, record: &TokenRecord) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// A secret of this data directory, made once, for signing pagination tokens.
    ///
    /// # Errors
    /// Of disk only.
    pub fn instance_secret(&self) -> Result<[u8; 32], StoreError> {
        unimplemented!()
    }

    /// Makes an access key.
    ///
    /// # Errors
    /// Of disk only.
    pub fn create_key(&self) -> Result<AccessKey, StoreError> {
        unimplemented!()
    }

    /// All access keys, oldest first.
    ///
    /// # Errors
    /// Of disk only.
    pub fn keys(&self) -> Result<Vec<AccessKey>, StoreError> {
        unimplemented!()
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// `Missing`.
    pub fn revoke_key(&self, id: &str) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Writes a consistent copy of everything to one file.
    ///
    /// # Errors
    /// Of disk only.
    pub fn backup(&self, file: &Path) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Makes a new data directory from a backup file.
    ///
    /// # Errors
    /// `Exists` when the directory holds a store already, `Damaged` when the file's checksum is wrong.
    pub fn restore(file: &Path, directory: &Path) -> Result<(), StoreError> {
        unimplemented!()
    }
}
