//! Head pose from the five landmarks.

/// Degrees, each -180 to 180. Signs as Rekognition's answers have them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pose {
    /// In the picture plane; positive is clockwise.
    pub roll_deg: f32,
    /// Positive when the face turns to the picture's right.
    pub yaw_deg: f32,
    /// Positive when the face looks up.
    pub pitch_deg: f32,
}
