//! WebP: lossy and lossless stills, with and without alpha.

use std::io::Cursor;

use super::exif::{self, Orientation};
use super::{DecodeError, flatten};

/// What the container says, read by ourselves because the decoder allocates by the inner header
/// before it compares it with the outer one.
pub(super) struct Header {
    pub(super) size: (u32, u32),
    pub(super) orientation: Orientation,
}

/// Whether these are the magic bytes of WebP.
pub(super) fn is_webp(bytes: &[u8]) -> bool {
    bytes.len() >= 12 && &bytes[..4] == b"RIFF" && &bytes[8..12] == b"WEBP"
}

/// Reads the RIFF chunks; an animation is refused, since no frame of it is *the* picture.
pub(super) fn header(bytes: &[u8]) -> Result<Header, DecodeError> {
    let mut canvas = None;
    let mut frame = None;
    let mut orientation = Orientation::default();
    for (name, body) in Chunks(&bytes[12..]) {
        match name {
            b"VP8X" => canvas = Some(canvas_size(body)?),
            b"ANIM" | b"ANMF" => return Err(animated()),
            b"VP8 " | b"VP8L" => {
                let size = frame_size(name, body)?;
                if frame.is_some_and(|other| other != size) {
                    return Err(DecodeError::Format("WebP holds frames of different sizes".into()));
                }
                frame = Some(size);
            }
            b"EXIF" => orientation = exif_orientation(body),
            _ => {}
        }
    }
    let size = frame.ok_or_else(|| DecodeError::Format("WebP without a frame".into()))?;
    if canvas.is_some_and(|canvas| canvas != size) {
        return Err(DecodeError::Format("WebP canvas and frame differ in size".into()));
    }
    Ok(Header { size, orientation })
}

/// The picture, transparency over white.
pub(super) fn pixels(bytes: &[u8], size: (u32, u32)) -> Result<Vec<u8>, DecodeError> {
    let broken = |error: image_webp::DecodingError| DecodeError::Format(format!("WebP: {error}"));
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(bytes)).map_err(broken)?;
    // Our reading of the container and the decoder's must agree, or the limits were checked for another picture.
    if decoder.dimensions() != size || decoder.is_animated() {
        return Err(DecodeError::Format("WebP header contradicts itself".into()));
    }
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut buffer = vec![0; size.0 as usize * size.1 as usize * channels];
    decoder.read_image(&mut buffer).map_err(broken)?;
    flatten(buffer, channels)
}

fn animated() -> DecodeError {
    DecodeError::Format("animated WebP is not supported, send a still picture".into())
}

fn cut() -> DecodeError {
    DecodeError::Format("WebP ends early".into())
}

fn canvas_size(body: &[u8]) -> Result<(u32, u32), DecodeError> {
    const FLAG_ANIMATION: u8 = 0x02;
    let [flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = *body else { return Err(cut()) };
    if flags & FLAG_ANIMATION != 0 {
        return Err(animated());
    }
    Ok((1 + u32::from_le_bytes([w0, w1, w2, 0]), 1 + u32::from_le_bytes([h0, h1, h2, 0])))
}

/// Size in the header of a VP8 (RFC 6386, 9.1) or VP8L bit stream.
fn frame_size(name: &[u8; 4], body: &[u8]) -> Result<(u32, u32), DecodeError> {
    const SIDE_BITS: u32 = 0x3FFF;
    match (name, body) {
        (b"VP8 ", &[_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..]) => {
            let side = |low, high| u32::from(u16::from_le_bytes([low, high])) & SIDE_BITS;
            Ok((side(w0, w1), side(h0, h1)))
        }
        (b"VP8L", &[0x2F, b0, b1, b2, b3, ..]) => {
            let bits = u32::from_le_bytes([b0, b1, b2, b3]);
            Ok((1 + (bits & SIDE_BITS), 1 + ((bits >> 14) & SIDE_BITS)))
        }
        _ => Err(DecodeError::Format("WebP frame header is broken".into())),
    }
}

fn exif_orientation(body: &[u8]) -> Orientation {
    // Some writers keep the prefix that EXIF has in a JPEG.
    let tiff = body.strip_prefix(b"Exif\0\0").unwrap_or(body);
    exif::orientation(tiff).unwrap_or_default()
}

/// The chunks of a RIFF body; stops at the first that is cut off.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.0.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        // A cut last chunk still shows its header; whether its data suffice is the decoder's question.
        let body = &rest[..length.min(rest.len())];
        self.0 = length.checked_next_multiple_of(2).and_then(|padded| rest.get(padded..)).unwrap_or(&[]);
        Some((name, body))
    }
}
