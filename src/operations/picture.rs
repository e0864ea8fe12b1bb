//! Pictures as callers name them to faces as answers show them.

use super::quality_filter::faults;
use super::types::{BoxRatio, FaceDetail, ImageSource, QualityFilter};
use super::{OperationError, Service, limits};
use crate::store::buckets::BucketError;
use crate::vision::{AlignedFace, DecodeError, Embedding, Face, Landmarks, PointPx, Scene, VisionError};

impl Service {
    /// The picture's bytes, from the request or from a bucket.
    pub(super) fn bytes_of(&self, source: ImageSource) -> Result<Vec<u8>, OperationError> {
        match source {
            ImageSource::Bytes(bytes) => Ok(bytes),
            ImageSource::Object { bucket, key, version } => self
                .buckets
                .get(&bucket, &key, version.as_deref(), limits::OBJECT_BYTES_MAX)
                .map_err(|error| match error {
                    BucketError::TooLarge { .. } => too_large(),
                    other => {
                        tracing::debug!(error = %other, "bucket object not available");
                        OperationError::InvalidS3Object
                    }
                }),
        }
    }

    /// Everything seen in a picture.
    pub(super) fn look(&self, source: ImageSource) -> Result<Scene, OperationError> {
        self.eyes.look(&self.bytes_of(source)?).map_err(vision_error)
    }

    /// Embeds faces in order.
    pub(super) fn embed(&self, faces: &[&AlignedFace]) -> Result<Vec<Embedding>, OperationError> {
        let embeddings = self.eyes.embed(faces).map_err(vision_error)?;
        if embeddings.len() != faces.len() {
            return Err(OperationError::Internal("the embedder gave another number of embeddings".to_owned()));
        }
        Ok(embeddings)
    }

    /// Embeds one face.
    pub(super) fn embed_one(&self, face: &AlignedFace) -> Result<Embedding, OperationError> {
        let none = || OperationError::Internal("the embedder gave no embedding".to_owned());
        self.embed(&[face])?.pop().ok_or_else(none)
    }
}

/// The largest face that passes the filter and can be embedded, with its index.
pub(super) fn largest(scene: &Scene, filter: QualityFilter) -> Option<(usize, &Face, &AlignedFace)> {
    let usable = |(index, face): (usize, &'_ Face)| faults(face, filter).is_empty().then_some(index);
    let index = scene.faces.iter().enumerate().find_map(usable)?;
    let face = &scene.faces[index];
    face.aligned.as_ref().map(|aligned| (index, face, aligned))
}

/// A face as answers show it.
pub(super) fn detail(scene: &Scene, face: &Face) -> FaceDetail {
    let (width, height) = (side(scene.width_px), side(scene.height_px));
    let box_px = &face.detection.box_px;
    let ratio = |point: PointPx| PointPx { x: point.x / width, y: point.y / height };
    FaceDetail {
        box_ratio: BoxRatio {
            left: box_px.left / width,
            top: box_px.top / height,
            width: box_px.width / width,
            height: box_px.height / height,
        },
        confidence: (face.detection.confidence * 100.0).clamp(0.0, 100.0),
        landmarks_ratio: Landmarks::from_points(face.detection.landmarks.points().map(ratio)),
        mouth_seen: face.detection.eye_corners.is_none(),
        pose: face.pose,
        quality: face.quality,
    }
}

fn side(px: u32) -> f32 {
    px.max(1) as f32
}

fn too_large() -> OperationError {
    OperationError::ImageTooLarge("Image size is too large.".to_owned())
}

pub(super) fn vision_error(error: VisionError) -> OperationError {
    match error {
        VisionError::Decode(DecodeError::Format(_)) => {
            OperationError::InvalidImageFormat("Request has invalid image format".to_owned())
        }
        VisionError::Decode(DecodeError::TooLarge(_)) => too_large(),
        VisionError::Decode(DecodeError::TooSmall(_)) => limits::invalid(),
        VisionError::Overloaded => OperationError::Overloaded,
        other => OperationError::Internal(other.to_string()),
    }
}
