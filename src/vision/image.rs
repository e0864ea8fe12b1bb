//! Pixels after decoding.

use std::sync::Arc;

/// RGB, 8 bit, upright, origin top-left, rows without padding. A clone shares the pixels.
///
/// INVARIANT (one pixel form): no room but `vision::decode` makes one from bytes, and none swaps channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    width_px: u32,
    height_px: u32,
    rgb: Arc<Vec<u8>>,
}

impl Image {
    /// Wraps `rgb`, `3 * width * height` bytes; `None` when the length does not fit.
    #[must_use]
    pub fn from_rgb(width_px: u32, height_px: u32, rgb: Vec<u8>) -> Option<Self> {
        let bytes = (width_px as usize).checked_mul(height_px as usize)?.checked_mul(3)?;
        (rgb.len() == bytes).then(|| Self { width_px, height_px, rgb: Arc::new(rgb) })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_length_is_refused() {
        assert!(Image::from_rgb(2, 2, vec![0; 12]).is_some());
        assert!(Image::from_rgb(2, 2, vec![0; 11]).is_none());
        assert!(Image::from_rgb(u32::MAX, u32::MAX, vec![0; 11]).is_none());
    }

    #[test]
    fn clones_share_their_pixels() {
        let image = Image::from_rgb(1, 1, vec![1, 2, 3]).unwrap();
        assert_eq!(image.rgb().as_ptr(), image.clone().rgb().as_ptr());
    }
}
