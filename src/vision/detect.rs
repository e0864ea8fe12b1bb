//! Faces in a picture: YuNet over several scales, decoded and suppressed here.

use super::geometry::{BoxPx, PointPx};

/// Five points of a face. Left and right are the subject's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Landmarks {
    /// The subject's right eye: at smaller x in an upright picture.
    pub right_eye: PointPx,
    /// The subject's left eye.
    pub left_eye: PointPx,
    /// Tip of the nose.
    pub nose: PointPx,
    /// The subject's right corner of the mouth.
    pub mouth_right: PointPx,
    /// The subject's left corner of the mouth.
    pub mouth_left: PointPx,
}

/// One detected face, in pixels of the upright full-size picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// May reach outside the picture.
    pub box_px: BoxPx,
    /// Five points.
    pub landmarks: Landmarks,
    /// The detector's confidence, 0 to 1.
    pub confidence: f32,
}
