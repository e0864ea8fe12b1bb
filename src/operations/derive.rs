//! Face and picture ids from content.
//!
//! AWS documents two things: the same picture, collection and external id save no second face; and the same
//! picture in several collections gets the same face ids. With the external id in the derivation both hold,
//! and the same picture under another external id is another enrolment with ids of its own, as its record is.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::gallery::{ExternalImageId, FaceId, ImageId};
use crate::vision::ModelId;

/// Namespaces of the two kinds of ids: chosen once at random, never changed.
const IMAGES: Uuid = Uuid::from_u128(0x5f1c_21f6_9b0e_4c62_8d37_a8e4_02d9_7b15);
const FACES: Uuid = Uuid::from_u128(0xc3a7_940d_6e58_4f1b_b2c9_17f0_5ad3_8e64);

/// Id of a picture: of its bytes alone.
pub(super) fn image_id(bytes: &[u8]) -> ImageId {
    image_id_of_hash(&Sha256::digest(bytes).into())
}

/// Id of a picture by the SHA-256 of its bytes.
#[must_use]
pub fn image_id_of_hash(sha256: &[u8; 32]) -> ImageId {
    ImageId(Uuid::new_v5(&IMAGES, sha256))
}

/// Id of a face: of the embedding network, the picture, the external id, and the face's place among the faces
/// of the picture, largest first. The place rather than the box, whose last bits depend on the processor.
pub(super) fn face_id(model: &ModelId, image: ImageId, external: Option<&ExternalImageId>, place: usize) -> FaceId {
    let mut name = Vec::new();
    name.extend_from_slice(image.0.as_bytes());
    name.extend_from_slice(&(place as u64).to_le_bytes());
    name.push(u8::from(external.is_some()));
    // A length before the only two fields of varying length, so that no two inputs share a name.
    let external = external.map_or("", |external| external.as_str());
    name.extend_from_slice(&(external.len() as u64).to_le_bytes());
    name.extend_from_slice(external.as_bytes());
    name.extend_from_slice(model.as_str().as_bytes());
    FaceId(Uuid::new_v5(&FACES, &name))
}
