//! Bytes to pixels: JPEG, PNG and WebP, upright.

//!
//! EXIF orientation is applied to JPEG and WebP, not to PNG (as Rekognition does). Transparency is
//! laid over white, of an animated PNG the still default image is taken, an animated WebP is refused.
//! Embedded colour profiles are not applied.

mod baseline;
mod colour;
mod entropy;
mod exif;
mod jpeg;
mod png;
mod reduce;
mod transform;
mod webp;

use super::geometry::BoxPx;
use super::image::Image;
use exif::Orientation;

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

/// Most pixels that one call of [`Picture::windows`] gives, all windows together; see there.
const WINDOWS_PIXELS_MAX: u64 = 32_000_000;

/// From this longest side on, baseline JPEGs are read by our own reader: all of them.
const PARTIAL_SIDE_PX: u32 = 0;

/// The largest reduction.
const SCALE_MAX: u32 = 8;

/// An opened picture: header read, limits checked; pixels are decoded as they are asked for.
///
/// All coordinates are those of the upright picture (EXIF orientation applied).
pub struct Picture<'a> {
    bytes: &'a [u8],
    limits: DecodeLimits,
    format: Format,
    orientation: Orientation,
    /// Upright width and height.
    size: (u32, u32),
    /// Reads only what is asked for, when the picture is large and of the kind for it.
    partial: Option<baseline::Reader<'a>>,
    /// The whole upright picture, once it has been decoded.
    whole: Option<Image>,
}

enum Format {
    Jpeg(jpeg::Header),
    Png,
    Webp,
}

/// A rectangle of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rect {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// A part of the picture that is wanted, and how finely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Where, in pixels of the upright picture; may reach outside of it.
    pub box_px: BoxPx,
    /// How many pixels along its longer side suffice, for example 256 for a face that will be warped
    /// onto 128 x 128. `u32::MAX` asks for full resolution.
    pub long_side_px_enough: u32,
}

/// A part of a picture, at full size or reduced.
///
/// Pixel (column, row) of `image` is the mean of the `scale x scale` picture pixels whose top-left one is
/// (`left_px + scale * column`, `top_px + scale * row`); at the picture's edge, of those that exist (or
/// that the JPEG encoder padded). With `scale` 1 it is that very pixel.
#[derive(Debug, Clone)]
pub struct Window {
    /// Its pixels.
    pub image: Image,
    /// Column of its left edge in the upright picture; may be a few pixels outside when `scale > 1`.
    pub left_px: i32,
    /// Row of its top edge in the upright picture; may be a few pixels outside when `scale > 1`.
    pub top_px: i32,
    /// Picture pixels per window pixel: 1, 2, 4 or 8.
    pub scale: u32,
}

impl<'a> Picture<'a> {
    /// Reads the header and checks `limits` before any pixel is allocated.
    ///
    /// # Errors
    /// Every [`DecodeError`].
    pub fn open(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        Self::open_partial_from(bytes, limits, PARTIAL_SIDE_PX)
    }

    /// As `open`, with the longest side from which a picture is read in parts.
    fn open_partial_from(bytes: &'a [u8], limits: &DecodeLimits, side_px: u32) -> Result<Self, DecodeError> {
        if bytes.len() > limits.bytes_max {
            return Err(DecodeError::TooLarge(format!(
                "`{}` bytes, at most {} are accepted",
                bytes.len(),
                limits.bytes_max
            )));
        }
        let (format, stored_size, orientation) = read_header(bytes)?;
        check_size(stored_size, limits)?;
        let size = orientation.upright_size(stored_size);
        let partial = match &format {
            Format::Jpeg(header) if size.0.max(size.1) >= side_px => baseline::Reader::new(bytes, header),
            _ => None,
        };
        Ok(Self { bytes, limits: *limits, format, orientation, size, partial, whole: None })
    }

    /// Upright width, pixels.
    #[must_use]
    pub fn width_px(&self) -> u32 {
        self.size.0
    }

    /// Upright height, pixels.
    #[must_use]
    pub fn height_px(&self) -> u32 {
        self.size.1
    }

    /// The whole picture, at full size or at the smallest of 1/2, 1/4, 1/8 of it whose longest side is
    /// still at least `long_side_px`. Large baseline JPEGs are decoded at that scale directly.
    ///
    /// # Errors
    /// `Format` when the pixel data is broken.
    pub fn overview(&mut self, long_side_px: u32) -> Result<Window, DecodeError> {
        let rect = Rect { left: 0, top: 0, width: self.size.0, height: self.size.1 };
        let scale = scale_for(rect, long_side_px);
        self.read(&[(rect, scale)])?.pop().ok_or_else(|| DecodeError::Format("no pixels".into()))
    }

    /// Windows of the picture, one for each region (clipped to the picture, rounded outwards, at
    /// least one pixel), in their order.
    ///
    /// Each has full size or the smallest of 1/2, 1/4, 1/8 of it whose longer side is still at least
    /// `long_side_px_enough`. When all windows together would have more than 32 million pixels, the
    /// largest are reduced further, at most to 1/8.
    ///
    /// # Errors
    /// `Format` when the pixel data is broken.
    pub fn windows(&mut self, regions: &[Region]) -> Result<Vec<Window>, DecodeError> {
        let plans = plan_windows(regions, self.size);
        self.read(&plans)
    }

    /// Upright rectangles at their scales.
    fn read(&mut self, plans: &[(Rect, u32)]) -> Result<Vec<Window>, DecodeError> {
        let (orientation, size) = (self.orientation, self.size);
        let Some(partial) = &mut self.partial else {
            let whole = self.whole()?;
            return Ok(plans.iter().map(|&(rect, scale)| cut(whole, rect, scale)).collect());
        };
        let stored: Vec<_> = plans.iter().map(|&(rect, scale)| (orientation.to_stored(rect, size), scale)).collect();
        let parts = partial.read(&stored)?;
        parts.into_iter().zip(plans).map(|(part, &(_, scale))| upright_window(part, scale, orientation, size)).collect()
    }

    /// The whole upright picture; decoded once.
    fn whole(&mut self) -> Result<&Image, DecodeError> {
        let image = match self.whole.take() {
            Some(image) => image,
            None => self.decode_whole()?,
        };
        Ok(self.whole.insert(image))
    }

    fn decode_whole(&self) -> Result<Image, DecodeError> {
        let stored_size = self.orientation.upright_size(self.size);
        let rgb = match &self.format {
            Format::Jpeg(header) => jpeg::pixels(self.bytes, header, &self.limits)?,
            Format::Png => png::pixels(self.bytes)?,
            Format::Webp => webp::pixels(self.bytes, stored_size)?,
        };
        let (rgb, size) = self.orientation.turn(rgb, stored_size);
        Image::from_rgb(size.0, size.1, rgb)
            .ok_or_else(|| DecodeError::Format("pixel data has the wrong length".into()))
    }
}

fn read_header(bytes: &[u8]) -> Result<(Format, (u32, u32), Orientation), DecodeError> {
    const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";
    if jpeg::is_jpeg(bytes) {
        let header = jpeg::header(bytes)?;
        let (size, orientation) = (header.size, header.orientation);
        Ok((Format::Jpeg(header), size, orientation))
    } else if bytes.starts_with(PNG_MAGIC) {
        Ok((Format::Png, png::size(bytes)?, Orientation::default()))
    } else if webp::is_webp(bytes) {
        let header = webp::header(bytes)?;
        Ok((Format::Webp, header.size, header.orientation))
    } else if bytes.is_empty() {
        Err(DecodeError::Format("no bytes".into()))
    } else {
        Err(DecodeError::Format(format!("begins with `{}`", bytes[..bytes.len().min(8)].escape_ascii())))
    }
}

fn check_size((width, height): (u32, u32), limits: &DecodeLimits) -> Result<(), DecodeError> {
    let (long, short) = (width.max(height), width.min(height));
    if short == 0 {
        return Err(DecodeError::Format(format!("`{width} x {height}` pixels")));
    }
    if long > limits.side_px_max {
        let side_max = limits.side_px_max;
        return Err(DecodeError::TooLarge(format!("`{width} x {height}` pixels, at most {side_max} a side")));
    }
    if u64::from(width) * u64::from(height) > limits.pixels_max {
        let pixels_max = limits.pixels_max;
        return Err(DecodeError::TooLarge(format!("`{width} x {height}` pixels, at most {pixels_max} in all")));
    }
    if short < limits.side_px_min {
        let side_min = limits.side_px_min;
        return Err(DecodeError::TooSmall(format!("`{width} x {height}` pixels, at least {side_min} a side")));
    }
    Ok(())
}

/// The largest scale at which the longer side of `rect` still has `long_side_px` pixels.
fn scale_for(rect: Rect, long_side_px: u32) -> u32 {
    let long = rect.width.max(rect.height);
    let mut scale = 1;
    while scale < SCALE_MAX && long / (2 * scale) >= long_side_px {
        scale *= 2;
    }
    scale
}

/// Clips the regions and chooses their scales.
fn plan_windows(regions: &[Region], size: (u32, u32)) -> Vec<(Rect, u32)> {
    let mut plans: Vec<(Rect, u32)> = regions
        .iter()
        .map(|region| {
            let rect = clip(&region.box_px, size);
            (rect, scale_for(rect, region.long_side_px_enough))
        })
        .collect();
    let pixels =
        |(rect, scale): &(Rect, u32)| u64::from(rect.width.div_ceil(*scale)) * u64::from(rect.height.div_ceil(*scale));
    while plans.iter().map(pixels).sum::<u64>() > WINDOWS_PIXELS_MAX {
        let Some(largest) = plans.iter_mut().filter(|plan| plan.1 < SCALE_MAX).max_by_key(|plan| pixels(plan)) else {
            break;
        };
        largest.1 *= 2;
    }
    plans
}

/// Whole pixels that `box_px` touches inside a picture of `size`; at least one.
fn clip(box_px: &BoxPx, size: (u32, u32)) -> Rect {
    let (left, right) = clip_axis(box_px.left, box_px.width, size.0);
    let (top, bottom) = clip_axis(box_px.top, box_px.height, size.1);
    Rect { left, top, width: right - left, height: bottom - top }
}

#[expect(clippy::cast_possible_truncation, reason = "saturating, and clamped to the picture at once; NaN becomes 0")]
fn clip_axis(start: f32, length: f32, size: u32) -> (u32, u32) {
    let first = (start.floor() as i64).clamp(0, i64::from(size) - 1);
    let last = ((start + length).ceil() as i64).clamp(first + 1, i64::from(size));
    (first as u32, last as u32)
}

/// Copies `rect` of an upright picture, reduced by `scale`; shares the pixels when it is all of them.
fn cut(whole: &Image, rect: Rect, scale: u32) -> Window {
    let is_whole = rect.width == whole.width_px() && rect.height == whole.height_px();
    let image = if is_whole && scale == 1 { whole.clone() } else { reduce::reduce(whole, rect, scale) };
    Window { image, left_px: rect.left.cast_signed(), top_px: rect.top.cast_signed(), scale }
}

/// Turns pixels of the stored picture upright, with their place in the upright picture of this `size`.
fn upright_window(
    part: baseline::Pixels,
    scale: u32,
    orientation: Orientation,
    size: (u32, u32),
) -> Result<Window, DecodeError> {
    let covered = (i64::from(part.width) * i64::from(scale), i64::from(part.height) * i64::from(scale));
    let (left, top) = orientation.to_upright_corner((part.left.into(), part.top.into()), covered, size);
    let (rgb, (width, height)) = orientation.turn(part.rgb, (part.width, part.height));
    let out_of_range = || DecodeError::Format("pixel data has the wrong length".into());
    Ok(Window {
        image: Image::from_rgb(width, height, rgb).ok_or_else(out_of_range)?,
        left_px: i32::try_from(left).map_err(|_| out_of_range())?,
        top_px: i32::try_from(top).map_err(|_| out_of_range())?,
        scale,
    })
}

/// Grey, grey-alpha, RGB or RGBA (1 to 4 `channels`) to RGB, transparency over white.
fn flatten(mut samples: Vec<u8>, channels: usize) -> Result<Vec<u8>, DecodeError> {
    match channels {
        1 => Ok(samples.iter().flat_map(|&grey| [grey; 3]).collect()),
        2 => Ok(samples.as_chunks::<2>().0.iter().flat_map(|&[grey, alpha]| [over_white(grey, alpha); 3]).collect()),
        3 => Ok(samples),
        4 => {
            let pixels = samples.len() / 4;
            for pixel in 0..pixels {
                let alpha = samples[4 * pixel + 3];
                for channel in 0..3 {
                    samples[3 * pixel + channel] = over_white(samples[4 * pixel + channel], alpha);
                }
            }
            samples.truncate(3 * pixels);
            Ok(samples)
        }
        _ => Err(DecodeError::Format(format!("`{channels}` channels"))),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a weighted mean of bytes is a byte")]
fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// For the fuzzer: reads `bytes` as a picture in every way, in parts and whole.
///
/// # Errors
/// Every [`DecodeError`]; a panic or an allocation beyond the limits is what the fuzzer looks for.
pub fn fuzz_decode(bytes: &[u8]) -> Result<(), DecodeError> {
    let limits = DecodeLimits { pixels_max: 1 << 20, side_px_max: 1 << 12, side_px_min: 0, ..DecodeLimits::default() };
    let box_px = BoxPx { left: 5.0, top: -3.0, width: 30.0, height: 1000.0 };
    let regions = [Region { box_px, long_side_px_enough: u32::MAX }, Region { box_px, long_side_px_enough: 16 }];
    for side_px in [0, u32::MAX] {
        let mut picture = Picture::open_partial_from(bytes, &limits, side_px)?;
        picture.overview(64)?;
        picture.windows(&regions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
