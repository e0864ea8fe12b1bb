//! Value types that several operations share. No wire format here: `protocol` writes them.

use std::collections::BTreeMap;

use crate::gallery::{ExternalImageId, FaceId, UserId};
pub use crate::store::{BoxRatio, FaceRecord};
use crate::vision::{Landmarks, Pose, Quality};

/// A picture as the caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// The bytes themselves.
    Bytes(Vec<u8>),
    /// An object in a bucket.
    Object {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
        /// Version, where the bucket keeps versions.
        version: Option<String>,
    },
}

/// Which faces are good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualityFilter {
    /// All.
    None,
    /// The program's own choice.
    Auto,
    /// Low bar.
    Low,
    /// Middle bar.
    Medium,
    /// High bar.
    High,
}

/// Why a face was not indexed or searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// More faces than `MaxFaces`.
    ExceedsMaxFaces,
    /// Turned too far.
    ExtremePose,
    /// Too dark.
    LowBrightness,
    /// Too blurred.
    LowSharpness,
    /// The detector is not sure.
    LowConfidence,
    /// Too small.
    SmallBoundingBox,
    /// Landmarks degenerate, or otherwise unusable.
    LowFaceQuality,
    /// Only the largest face is searched.
    FaceNotLargest,
}

/// A detected face as answers show it. Boxes and landmarks are ratios of the upright picture.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceDetail {
    /// Box.
    pub box_ratio: BoxRatio,
    /// Detector's confidence, 0 to 100.
    pub confidence: f32,
    /// Five points as ratios (x over width, y over height); sides are the subject's.
    pub landmarks_ratio: Landmarks,
    /// Whether the corners of the mouth were seen, or are only where a mean face has them.
    pub mouth_seen: bool,
    /// Degrees.
    pub pose: Pose,
    /// 0 to 100.
    pub quality: Quality,
}

/// A face that was not used, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct UnusedFace {
    /// At least one.
    pub reasons: Vec<Reason>,
    /// The face.
    pub detail: FaceDetail,
}

/// An enrolled face and its similarity to the probe.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceMatch {
    /// 0 to 100.
    pub similarity: f32,
    /// The enrolled face.
    pub face: FaceRecord,
}

/// A user and its similarity to the probe.
#[derive(Debug, Clone, PartialEq)]
pub struct UserMatch {
    /// 0 to 100.
    pub similarity: f32,
    /// The user.
    pub user: UserSummary,
}

/// A user as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSummary {
    /// Name.
    pub user_id: UserId,
    /// State.
    pub status: UserStatus,
}

/// State of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserStatus {
    /// Has faces, all changes done.
    Active,
    /// Has no faces.
    Created,
}

/// State of a user with or without faces; changes are done when they are answered, so there is no state between.
pub(super) fn status(has_faces: bool) -> UserStatus {
    if has_faces { UserStatus::Active } else { UserStatus::Created }
}

/// Why a face could not be deleted, associated or disassociated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaceRefusal {
    /// `ASSOCIATED_TO_AN_EXISTING_USER` (DeleteFaces).
    AssociatedToAnExistingUser,
    /// `FACE_NOT_FOUND`.
    FaceNotFound,
    /// `ASSOCIATED_TO_A_DIFFERENT_USER`.
    AssociatedToADifferentUser,
    /// `LOW_MATCH_CONFIDENCE` (AssociateFaces).
    LowMatchConfidence,
}

/// One refused face.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedFace {
    /// As asked.
    pub face_id: FaceId,
    /// The user it belongs to, where that is the reason.
    pub user_id: Option<UserId>,
    /// Similarity to the user's vector, where that is the reason.
    pub confidence: Option<f32>,
    /// At least one.
    pub reasons: Vec<FaceRefusal>,
}

/// Key and value pairs of a resource.
pub type Tags = BTreeMap<String, String>;

/// Optional name of a picture.
pub type MaybeExternalId = Option<ExternalImageId>;
