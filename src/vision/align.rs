//! The only maker of [`AlignedFace`].

/// A face warped onto the embedder's reference points, RGB, `side x side x 3` bytes.
///
/// INVARIANT (aligned only): `align` is the only constructor, and only this type can be embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlignedFace {
    side_px: u32,
    rgb: Vec<u8>,
}

impl AlignedFace {
    /// Side of the square, pixels.
    #[must_use]
    pub fn side_px(&self) -> u32 {
        self.side_px
    }

    /// R G B, row by row.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}
