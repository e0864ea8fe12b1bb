//! How usable a face's pixels are.

/// 0 to 100 each.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quality {
    /// Mean luma of the aligned face, as a percentage.
    pub brightness: f32,
    /// From the gradient energy of the aligned face.
    pub sharpness: f32,
}
