//! Scaling of pictures for drawings: separable Catmull-Rom, widened when reducing.

use super::canvas::{byte, index};
use crate::vision::Image;

/// `image` at `scale`, at least one pixel each way.
pub(super) fn scaled(image: &Image, scale: f32) -> Image {
    let side = |side: u32| index((side as f32 * scale).round()).max(1);
    let (width, height) = (side(image.width_px()), side(image.height_px()));
    if (width, height) == (image.width_px() as usize, image.height_px() as usize) {
        return image.clone();
    }
    let rows = filtered(image.rgb(), image.width_px() as usize, width);
    let pixels = transposed(&filtered(&transposed(&rows, width), image.height_px() as usize, height), height);
    let as_u32 = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    Image::from_rgb(as_u32(width), as_u32(height), pixels).unwrap_or_else(|| image.clone())
}

/// The weights of the source pixels that make one pixel.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

fn taps(from: usize, to: usize) -> Vec<Taps> {
    let step = from as f32 / to as f32;
    let spread = step.max(1.0);
    (0..to)
        .map(|position| {
            let centre = (position as f32 + 0.5) * step;
            let first = index((centre - 2.0 * spread).floor().max(0.0));
            let last = index((centre + 2.0 * spread).ceil()).min(from).max(first + 1);
            let mut weights: Vec<f32> =
                (first..last).map(|source| catmull_rom((source as f32 + 0.5 - centre) / spread)).collect();
            let sum: f32 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            Taps { first, weights }
        })
        .collect()
}

/// The cubic of Catmull and Rom: 1 at 0, 0 at the other whole numbers.
fn catmull_rom(x: f32) -> f32 {
    match x.abs() {
        x if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        x if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        _ => 0.0,
    }
}

/// Every row of `from` pixels as one of `to` pixels.
fn filtered(rgb: &[u8], from: usize, to: usize) -> Vec<u8> {
    let taps = taps(from, to);
    let mut out = Vec::with_capacity(rgb.len() / from * to);
    for row in rgb.chunks_exact(3 * from) {
        for Taps { first, weights } in &taps {
            let mut sums = [0.0f32; 3];
            for (pixel, weight) in row.chunks_exact(3).skip(*first).zip(weights) {
                sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += weight * f32::from(value));
            }
            out.extend(sums.map(byte));
        }
    }
    out
}

/// Rows of `width` pixels as columns.
fn transposed(rgb: &[u8], width: usize) -> Vec<u8> {
    let height = rgb.len() / 3 / width;
    let mut out = vec![0; rgb.len()];
    for (position, pixel) in rgb.chunks_exact(3).enumerate() {
        let start = 3 * (position % width * height + position / width);
        if let Some(place) = out.get_mut(start..start + 3) {
            place.copy_from_slice(pixel);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_colour_stays_that_colour_at_any_scale() {
        let image = Image::from_rgb(7, 5, [10, 200, 90].repeat(35)).unwrap();
        for scale in [0.1, 0.4, 1.0, 1.7, 3.0] {
            let out = scaled(&image, scale);
            assert!(out.rgb().chunks(3).all(|pixel| pixel == [10, 200, 90]), "{scale}");
        }
    }

    #[test]
    fn left_stays_left_and_top_stays_top() {
        let rgb = [[0, 0, 0], [200, 0, 0], [0, 200, 0], [200, 200, 0]].concat();
        let out = scaled(&Image::from_rgb(2, 2, rgb).unwrap(), 4.0);
        assert_eq!((out.width_px(), out.height_px()), (8, 8));
        let at = |x: usize, y: usize| &out.rgb()[3 * (8 * y + x)..][..3];
        assert!(at(0, 0)[0] < 20 && at(7, 0)[0] > 180 && at(7, 0)[1] < 20 && at(0, 7)[1] > 180);
    }
}
