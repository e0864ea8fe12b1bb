//! JPEG: the header as we read it, and full decoding of every kind through `zune-jpeg`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::exif::{self, Orientation};
use super::{DecodeError, DecodeLimits};

/// More scans than any encoder writes; each costs a walk over the whole picture.
const SCANS_MAX: usize = 64;

/// The parts of a JPEG header that decide how it is decoded.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) size: (u32, u32),
    pub(super) orientation: Orientation,
    /// Marker of the frame: 0xC0 baseline, 0xC1 extended, 0xC2 progressive.
    pub(super) frame_marker: u8,
    pub(super) components: Vec<Component>,
    /// Transform byte of the Adobe segment, if there is one.
    pub(super) adobe: Option<u8>,
    pub(super) precision: u8,
}

/// One component of the frame header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component {
    pub(super) id: u8,
    pub(super) across: u8,
    pub(super) down: u8,
    pub(super) quantization: u8,
}

/// Whether these are the magic bytes of JPEG.
pub(super) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xD8, 0xFF])
}

/// Reads the segments up to the first scan.
pub(super) fn header(bytes: &[u8]) -> Result<Header, DecodeError> {
    let mut orientation = None;
    let mut adobe = None;
    let mut frame = None;
    for segment in segments(bytes) {
        match segment.marker {
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                if frame.is_some() {
                    return Err(DecodeError::Format("JPEG with two frame headers".into()));
                }
                frame = Some(frame_header(segment.marker, segment.body)?);
            }
            0xE1 if orientation.is_none() => {
                orientation = segment.body.strip_prefix(b"Exif\0\0").and_then(exif::orientation);
            }
            0xEE if segment.body.starts_with(b"Adobe") => adobe = adobe.or(segment.body.get(11).copied()),
            0xDA => {
                let frame: Header =
                    frame.ok_or_else(|| DecodeError::Format("JPEG scan without a frame header".into()))?;
                return Ok(Header { orientation: orientation.unwrap_or_default(), adobe, ..frame });
            }
            _ => {}
        }
    }
    Err(DecodeError::Format("JPEG without picture data".into()))
}

fn frame_header(marker: u8, body: &[u8]) -> Result<Header, DecodeError> {
    let broken = || DecodeError::Format("JPEG frame header is broken".into());
    let (&[precision, h0, h1, w0, w1, count], rest) = body.split_first_chunk::<6>().ok_or_else(broken)?;
    let components: Vec<Component> = rest
        .chunks_exact(3)
        .take(usize::from(count))
        .map(|entry| Component { id: entry[0], across: entry[1] >> 4, down: entry[1] & 15, quantization: entry[2] })
        .collect();
    if components.len() != usize::from(count) || components.is_empty() {
        return Err(broken());
    }
    let size = (u32::from(u16::from_be_bytes([w0, w1])), u32::from(u16::from_be_bytes([h0, h1])));
    Ok(Header { size, orientation: Orientation::default(), frame_marker: marker, components, adobe: None, precision })
}

/// One marker segment; `end` is where the next one begins.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    pub(super) body: &'a [u8],
    pub(super) end: usize,
}

/// The segments with a length, from the start of the file; the caller stops at the scan (0xDA).
/// Stray bytes between segments are skipped, as other decoders do.
pub(super) fn segments(bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut at = 2;
    std::iter::from_fn(move || {
        loop {
            let marker_at = at + bytes.get(at..)?.windows(2).position(|pair| pair[0] == 0xFF && pair[1] != 0xFF)?;
            let marker = bytes[marker_at + 1];
            at = marker_at + 2;
            match marker {
                0x00 | 0x01 | 0xD0..=0xD8 => {} // no length
                0xD9 => return None,
                _ => {
                    let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
                    let body = bytes.get(at + 2..at.checked_add(length)?)?;
                    at += length;
                    return Some(Segment { marker, body, end: at });
                }
            }
        }
    })
}

/// The whole picture as stored, RGB.
pub(super) fn pixels(bytes: &[u8], header: &Header, limits: &DecodeLimits) -> Result<Vec<u8>, DecodeError> {
    // The decoder indexes by what later segments say; should a hostile file trip one of its
    // assertions, that is a broken picture and not the end of the request.
    catch_unwind(AssertUnwindSafe(|| pixels_unguarded(bytes, header, limits)))
        .unwrap_or_else(|_| Err(DecodeError::Format("JPEG structure is inconsistent".into())))
}

fn pixels_unguarded(bytes: &[u8], header: &Header, limits: &DecodeLimits) -> Result<Vec<u8>, DecodeError> {
    let broken = |error: zune_jpeg::errors::DecodeErrors| DecodeError::Format(format!("JPEG: {error:?}"));
    // Without Adobe's segment, four components are plain CMYK; the decoder would take them as inverted.
    let plain_cmyk = header.components.len() == 4 && header.adobe.is_none();
    let out = if plain_cmyk { ColorSpace::CMYK } else { ColorSpace::RGB };
    let mut decoder = decoder(bytes, out, limits, true);
    if decoder.decode_headers().is_err() {
        // Strict reading is what refuses a cut scan; stray bytes between segments are no reason to refuse.
        decoder = self::decoder(bytes, out, limits, false);
        decoder.decode_headers().map_err(broken)?;
    }
    let (width, height) = (header.size.0 as usize, header.size.1 as usize);
    if decoder.dimensions() != Some((width, height)) {
        return Err(DecodeError::Format("JPEG header contradicts itself".into()));
    }
    let channels = if plain_cmyk { 4 } else { 3 };
    let mut buffer = vec![0; width * height * channels];
    if decoder.output_buffer_size() != Some(buffer.len()) {
        return Err(DecodeError::Format("JPEG colour form is not supported".into()));
    }
    decoder.decode_into(&mut buffer).map_err(broken)?;
    Ok(if plain_cmyk { cmyk_to_rgb(buffer) } else { buffer })
}

fn decoder<'a>(
    bytes: &'a [u8],
    out: ColorSpace,
    limits: &DecodeLimits,
    strict: bool,
) -> JpegDecoder<ZCursor<&'a [u8]>> {
    let options = DecoderOptions::default()
        .set_max_width(limits.side_px_max as usize)
        .set_max_height(limits.side_px_max as usize)
        .set_strict_mode(strict)
        .jpeg_set_max_scans(SCANS_MAX)
        .jpeg_set_out_colorspace(out);
    JpegDecoder::new_with_options(ZCursor::new(bytes), options)
}

/// Plain CMYK (0 is no ink) to RGB by the textbook product, in place.
fn cmyk_to_rgb(mut cmyk: Vec<u8>) -> Vec<u8> {
    let pixels = cmyk.len() / 4;
    for pixel in 0..pixels {
        let light = 255 - u32::from(cmyk[4 * pixel + 3]);
        for channel in 0..3 {
            let product = (255 - u32::from(cmyk[4 * pixel + channel])) * light;
            cmyk[3 * pixel + channel] = rounded_255th(product);
        }
    }
    cmyk.truncate(3 * pixels);
    cmyk
}

#[expect(clippy::cast_possible_truncation, reason = "a product of two bytes over 255 is a byte")]
fn rounded_255th(product: u32) -> u8 {
    ((product + 127) / 255) as u8
}
