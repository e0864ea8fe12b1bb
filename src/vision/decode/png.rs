//! PNG: every colour type and depth to 8-bit RGB.

use std::io::Cursor;

use super::{DecodeError, flatten};

/// Most that the PNG reader may allocate for metadata and its row buffers.
const BUFFERS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Width and height from the header; nothing is allocated for pixels.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let mut decoder = decoder(bytes);
    let info = decoder.read_header_info().map_err(|error| broken(&error))?;
    Ok(info.size())
}

/// The picture (of an animated one the default image), 16 bits cut to 8, palette and `tRNS`
/// expanded, transparency over white.
pub(super) fn pixels(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut reader = decoder(bytes).read_info().map_err(|error| broken(&error))?;
    let (width, height) = reader.info().size();
    let channels = reader.output_color_type().0.samples();
    if reader.info().interlaced {
        let bytes = reader.output_buffer_size().ok_or_else(|| DecodeError::Format("PNG size overflows".into()))?;
        let mut buffer = vec![0; bytes];
        reader.next_frame(&mut buffer).map_err(|error| broken(&error))?;
        return flatten(buffer, channels);
    }
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for _ in 0..height {
        let row = reader.next_row().map_err(|error| broken(&error))?;
        let row = row.ok_or_else(|| DecodeError::Format("PNG ends early".into()))?;
        rgb.extend_from_slice(&flatten(row.data().to_vec(), channels)?);
    }
    Ok(rgb)
}

fn decoder(bytes: &[u8]) -> png::Decoder<Cursor<&[u8]>> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: BUFFERS_BYTES_MAX });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder
}

fn broken(error: &png::DecodingError) -> DecodeError {
    DecodeError::Format(format!("PNG: {error}"))
}
