//! Pixels after decoding.

/// RGB, 8 bit, upright, origin top-left, rows without padding.
///
/// INVARIANT (one pixel form): no room but `vision::decode` makes one from bytes, and none swaps channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    width_px: u32,
    height_px: u32,
    rgb: Vec<u8>,
}

impl Image {
    /// Wraps `rgb`, `3 * width * height` bytes; `None` when the length does not fit.
    #[must_use]
    pub fn from_rgb(width_px: u32, height_px: u32, rgb: Vec<u8>) -> Option<Self> {
        let bytes = (width_px as usize).checked_mul(height_px as usize)?.checked_mul(3)?;
        (rgb.len() == bytes).then_some(Self { width_px, height_px, rgb })
    }

    /// Width, pixels.
    #[must_use]
    pub fn width_px(&self) -> u32 {
        self.width_px
    }

    /// Height, pixels.
    #[must_use]
    pub fn height_px(&self) -> u32 {
        self.height_px
    }

    /// The pixels, row by row, R G B.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}
