//! What the operations need of `vision`, so that their logic can be tested without networks.

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
        Self::look(self, bytes)
    }

    fn embed(&self, faces: &[&AlignedFace]) -> Result<Vec<Embedding>, VisionError> {
        Self::embed(self, faces)
    }

    fn model_id(&self) -> &ModelId {
        Self::model_id(self)
    }

    fn dimensions(&self) -> usize {
        self.embedder().contract().dimensions
    }
}
