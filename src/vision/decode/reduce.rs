//! Cutting and area averaging of decoded pixels.

use super::super::image::Image;
use super::Rect;

/// The part `rect` of `whole`, each pixel the mean of `scale x scale` pixels, fewer at the right and
/// bottom edge of `rect`.
///
/// `rect` must lie inside `whole`.
pub(super) fn reduce(whole: &Image, rect: Rect, scale: u32) -> Image {
    let stride = whole.width_px() as usize * 3;
    let (left, width) = (rect.left as usize * 3, rect.width as usize * 3);
    let rows = whole.rgb().chunks_exact(stride).skip(rect.top as usize).take(rect.height as usize);
    let rows = rows.map(|row| &row[left..left + width]);
    let size = (rect.width.div_ceil(scale), rect.height.div_ceil(scale));
    let mut rgb = Vec::with_capacity(size.0 as usize * size.1 as usize * 3);
    if scale == 1 {
        rows.for_each(|row| rgb.extend_from_slice(row));
    } else {
        let rows: Vec<&[u8]> = rows.collect();
        rows.chunks(scale as usize).for_each(|band| mean_row(band, scale as usize, &mut rgb));
    }
    let Some(image) = Image::from_rgb(size.0, size.1, rgb) else {
        unreachable!("every row and column of the rectangle was visited")
    };
    image
}

/// Appends one row of means over a band of at most `scale` rows.
#[expect(clippy::cast_possible_truncation, reason = "a mean of bytes is a byte; at most 64 are summed")]
fn mean_row(band: &[&[u8]], scale: usize, rgb: &mut Vec<u8>) {
    let mut sums = vec![0_u16; band[0].len()];
    for row in band {
        sums.iter_mut().zip(*row).for_each(|(sum, &value)| *sum += u16::from(value));
    }
    for cell in sums.chunks(3 * scale) {
        let count = (cell.len() / 3 * band.len()) as u32;
        for channel in 0..3 {
            let sum: u32 = cell.iter().skip(channel).step_by(3).map(|&sum| u32::from(sum)).sum();
            rgb.push(((sum + count / 2) / count) as u8);
        }
    }
}
