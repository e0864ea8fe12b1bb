//! Cosine to similarity percent, in one place.

/// Similarity percent, 0 to 100, of a cosine under the calibration of `model`.
#[must_use]
pub fn percent_from_cosine(_model: &crate::vision::ModelId, _cosine: f32) -> f32 {
    unimplemented!()
}

/// The smallest cosine whose percent is at least `percent`.
#[must_use]
pub fn cosine_from_percent(_model: &crate::vision::ModelId, _percent: f32) -> f32 {
    unimplemented!()
}
