//! Bytes to pixels: JPEG, PNG and WebP, upright.

use super::geometry::BoxPx;
use super::image::Image;

/// What is refused before anything is allocated for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Longest accepted file, bytes.
    pub bytes_max: usize,
    /// Most pixels, width times height.
    pub pixels_max: u64,
    /// Longest side, pixels.
    pub side_px_max: u32,
    /// Shortest accepted side, pixels (Rekognition: 80; 0 switches the check off).
    pub side_px_min: u32,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { bytes_max: 15 * 1024 * 1024, pixels_max: 100_000_000, side_px_max: 20_000, side_px_min: 80 }
    }
}

/// Why bytes are not a picture for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Neither JPEG, PNG nor WebP, or broken; the text says what was found.
    #[error("not a readable JPEG, PNG or WebP picture: {0}")]
    Format(String),
    /// Over a byte, pixel or side limit.
    #[error("picture too large: {0}")]
    TooLarge(String),
    /// Under the smallest side.
    #[error("picture too small: {0}")]
    TooSmall(String),
}

/// An opened picture: header read, limits checked; pixels are decoded as they are asked for.
///
/// All coordinates are those of the upright picture (EXIF orientation applied).
pub struct Picture<'a> {
    bytes: &'a [u8],
}

impl<'a> Picture<'a> {
    /// Reads the header and checks `limits` before any pixel is allocated.
    ///
    /// # Errors
    /// Every [`DecodeError`].
    pub fn open(bytes: &'a [u8], _limits: &DecodeLimits) -> Result<Self, DecodeError> {
        Ok(Self { bytes })
    }

    /// Upright width, pixels.
    #[must_use]
    pub fn width_px(&self) -> u32 {
        unimplemented!("{}", self.bytes.len())
    }

    /// Upright height, pixels.
    #[must_use]
    pub fn height_px(&self) -> u32 {
        unimplemented!()
    }

    /// The whole picture, at full size or at the smallest of 1/2, 1/4, 1/8 of it whose longest side is
    /// still at least `long_side_px`. Large baseline JPEGs are decoded at that scale directly.
    ///
    /// # Errors
    /// `Format` when the pixel data is broken.
    pub fn overview(&mut self, _long_side_px: u32) -> Result<Image, DecodeError> {
        unimplemented!()
    }

    /// Full-resolution windows of the picture, one for each region (clipped to the picture and rounded
    /// outwards), each with the position of its top-left pixel.
    ///
    /// # Errors
    /// `Format` when the pixel data is broken.
    pub fn windows(&mut self, _regions: &[BoxPx]) -> Result<Vec<Window>, DecodeError> {
        unimplemented!()
    }
}

/// A full-resolution part of a picture.
#[derive(Debug, Clone)]
pub struct Window {
    /// Its pixels.
    pub image: Image,
    /// Column of its left edge in the upright picture.
    pub left_px: u32,
    /// Row of its top edge in the upright picture.
    pub top_px: u32,
}
