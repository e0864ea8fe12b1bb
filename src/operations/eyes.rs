//! What the operations need of `vision`, so that their logic can be tested without networks.

use std::sync::Arc;

use crate::vision::{AlignedFace, Embedding, ModelId, Scene, Vision, VisionError};

/// Sees faces and embeds them; shared by all threads.
pub trait Eyes: Send + Sync {
    /// The faces of a picture, largest first.
    ///
    /// # Errors
    /// Every [`VisionError`].
    fn look(&self, bytes: &[u8]) -> Result<Scene, VisionError>;

    /// One embedding for each aligned face, in order.
    ///
    /// # Errors
    /// `Overloaded`, `Network`.
    fn embed(&self, faces: &[&AlignedFace]) -> Result<Vec<Embedding>, VisionError>;

    /// The embedder's id.
    fn model_id(&self) -> &ModelId;

    /// Length of the embeddings.
    fn dimensions(&self) -> usize;
}

impl Eyes for Vision {
    fn look(&self, bytes: &[u8]) -> Result<Scene, VisionError> {
        Vision::look(self, bytes)
    }

    fn embed(&self, faces: &[&AlignedFace]) -> Result<Vec<Embedding>, VisionError> {
        Vision::embed(self, faces)
    }

    fn model_id(&self) -> &ModelId {
        Vision::model_id(self)
    }

    fn dimensions(&self) -> usize {
        self.embedder().contract().dimensions
    }
}

/// Shared, so that a server can warm them beside the first requests.
impl<E: Eyes> Eyes for Arc<E> {
    fn look(&self, bytes: &[u8]) -> Result<Scene, VisionError> {
        E::look(self, bytes)
    }

    fn embed(&self, faces: &[&AlignedFace]) -> Result<Vec<Embedding>, VisionError> {
        E::embed(self, faces)
    }

    fn model_id(&self) -> &ModelId {
        E::model_id(self)
    }

    fn dimensions(&self) -> usize {
        E::dimensions(self)
    }
}
