//! One collection's enrolled vectors in memory, and the exact search over them.

use super::ids::{FaceId, UserId};
use crate::vision::{Embedding, ModelId};

/// What a search asks for.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Only candidates at or above this cosine count.
    pub cosine_min: f32,
    /// At most this many, best first; ties by id.
    pub limit: usize,
}

/// An enrolled face and how close it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The face.
    pub face_id: FaceId,
    /// -1 to 1.
    pub cosine: f32,
}

/// A user and how close the user's vector is.
#[derive(Debug, Clone, PartialEq)]
pub struct UserCandidate {
    /// The user.
    pub user_id: UserId,
    /// -1 to 1.
    pub cosine: f32,
}

/// The enrolled faces of one collection, all of one model.
pub struct Collection {
    _model_id: ModelId,
}

impl Collection {
    /// An empty one.
    #[must_use]
    pub fn new(model_id: ModelId, _dimensions: usize) -> Self {
        Self { _model_id: model_id }
    }

    /// Enrols a face, or replaces it. `None` when the embedding is another model's.
    pub fn insert(&mut self, _face_id: FaceId, _embedding: &Embedding, _user: Option<UserId>) -> Option<()> {
        unimplemented!()
    }

    /// Forgets a face and overwrites its vector; false when it was not enrolled.
    pub fn remove(&mut self, _face_id: FaceId) -> bool {
        unimplemented!()
    }

    /// Gives an enrolled face to a user, or frees it.
    pub fn set_user(&mut self, _face_id: FaceId, _user: Option<UserId>) {
        unimplemented!()
    }

    /// An enrolled face's embedding.
    #[must_use]
    pub fn embedding(&self, _face_id: FaceId) -> Option<Embedding> {
        unimplemented!()
    }

    /// A user's vector: the normalised mean of the user's faces; `None` without faces.
    #[must_use]
    pub fn user_embedding(&self, _user: &UserId) -> Option<Embedding> {
        unimplemented!()
    }

    /// Every face at or above the threshold, best first, up to the limit, without `exclude`.
    #[must_use]
    pub fn search(&self, _probe: &Embedding, _search: Search, _exclude: Option<FaceId>) -> Vec<Candidate> {
        unimplemented!()
    }

    /// Every user whose vector is at or above the threshold, best first, without `exclude`.
    #[must_use]
    pub fn search_users(&self, _probe: &Embedding, _search: Search, _exclude: Option<&UserId>) -> Vec<UserCandidate> {
        unimplemented!()
    }
}
