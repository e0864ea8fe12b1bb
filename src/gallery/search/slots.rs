//! What lies outside of memory: vectors, and copies of codes.

use crate::gallery::{FaceId, UserId};

/// Numbered places on disk, each for the vector and the code of one face; memory holds what a search reads of every
/// face. The truth is the vector: a code that is lost is made anew.
pub trait Slots: Send + Sync {
    /// Reads a face's vector from its slot, verified; false when the face is not enrolled any more.
    ///
    /// # Errors
    /// The slot cannot be read, or holds something else although the face is enrolled.
    fn read(&self, slot: u32, face: FaceId, vector: &mut [f32]) -> Result<bool, Unreadable>;

    /// Forgets all codes; those that follow have `code_bytes` each and are of this codec.
    ///
    /// A failure makes the next opening slower, no answer wrong; the implementation tells of it.
    fn begin_codes(&self, codec: &[u8], code_bytes: usize);

    /// Keeps the codes of as many slots, one after another in `codes`. A failure as above.
    fn write_codes(&self, slots: &[u32], codes: &[u8]);
}

/// A vector on disk cannot be had; says where and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Whose a row is.
pub(in crate::gallery) trait Owner: Ord + Clone + Send + Sync {
    /// The face, where the row's vector lies in a slot.
    fn face(&self) -> Option<FaceId>;
}

/// A user's vector is the mean of others and is in memory only.
impl Owner for UserId {
    fn face(&self) -> Option<FaceId> {
        None
    }
}
