//! Shrinking pictures without aliasing.

use super::image::Image;
use super::instructions::{Work, widest};

/// Shrinks `image` to `width_px` x `height_px` by area averaging: each new pixel is the mean of the part of
/// the old picture that it covers, fractions included, so that a point at `x` moves to `x * width_px / old`
/// (pixel edges, not centres). A side that is asked to grow, or is 0, stays as it is.
#[must_use]
pub fn shrink(image: &Image, width_px: u32, height_px: u32) -> Image {
    let width = clamped(width_px, image.width_px());
    let height = clamped(height_px, image.height_px());
    if (width, height) == (image.width_px(), image.height_px()) {
        return image.clone();
    }
    widest(Shrink { image, width, height })
}

/// The work of [`shrink`], sides clamped.
struct Shrink<'a> {
    image: &'a Image,
    width: u32,
    height: u32,
}

impl Work for Shrink<'_> {
    type Answer = Image;

    #[inline(always)]
    fn run(self) -> Image {
        let Self { image, width, height } = self;
        let (old_width, new_width) = (image.width_px() as usize, width as usize);
        let columns = spans(old_width, new_width);
        let mut rgb = Vec::with_capacity(new_width * height as usize * 3);
        // Rows first: that pass is over whole rows and vectorises, and leaves less for the columns.
        let mut row = vec![0.0_f32; old_width * 3];
        for span in spans(image.height_px() as usize, height as usize) {
            mean_of_rows(image.rgb(), &span, &mut row);
            for column in &columns {
                rgb.extend_from_slice(&mean_of_pixels(&row, column));
            }
        }
        Image::from_rgb(width, height, rgb).unwrap_or_else(|| image.clone())
    }
}

fn clamped(wanted: u32, old: u32) -> u32 {
    if wanted == 0 { old } else { wanted.min(old) }
}

/// Old pixels `first..first + weights.len()` with their share of one new pixel; the shares add up to 1.
struct Span {
    first: usize,
    inner: f32,
    head: f32,
    tail: f32,
    len: usize,
}

impl Span {
    fn weight(&self, index: usize) -> f32 {
        match index {
            0 => self.head,
            index if index + 1 == self.len => self.tail,
            _ => self.inner,
        }
    }
}

/// INVARIANT (spans stay inside): `first + len <= old` for `1 <= new <= old`.
#[expect(clippy::cast_possible_truncation, reason = "weights of at most 1; f32 is what the sums use")]
fn spans(old: usize, new: usize) -> Vec<Span> {
    // Edges in units of 1 / new of an old pixel, so that they are exact.
    (0..new)
        .map(|index| {
            let (from, to) = (index * old, (index + 1) * old);
            let first = from / new;
            let len = to.div_ceil(new) - first;
            let share = |units: usize| (units as f64 / old as f64) as f32;
            let head = share(((first + 1) * new).min(to) - from);
            let tail = share(to - (first + len - 1) * new);
            Span { first, inner: share(new), head, tail, len }
        })
        .collect()
}

#[inline(always)]
fn mean_of_rows(rgb: &[u8], span: &Span, row: &mut [f32]) {
    let stride = row.len();
    row.fill(0.0);
    for index in 0..span.len {
        let weight = span.weight(index);
        let start = (span.first + index) * stride;
        for (sum, &value) in row.iter_mut().zip(&rgb[start..start + stride]) {
            *sum += weight * f32::from(value);
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of bytes, rounded")]
#[inline(always)]
fn mean_of_pixels(row: &[f32], span: &Span) -> [u8; 3] {
    let pixels = &row[span.first * 3..(span.first + span.len) * 3];
    let mut sums = [0.5_f32; 3];
    for (index, pixel) in pixels.chunks_exact(3).enumerate() {
        let weight = span.weight(index);
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += weight * value;
        }
    }
    sums.map(|sum| sum as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(width: u32, height: u32, seed: u32) -> Image {
        let bytes = (0..width * height * 3).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8);
        Image::from_rgb(width, height, bytes.collect()).unwrap()
    }

    proptest! {
        #[test]
        fn shares_of_every_span_add_up_to_one(old in 1_usize..3000, part in 0.0_f64..1.0) {
            let new = ((old as f64 * part) as usize).max(1);
            let spans = spans(old, new);
            prop_assert_eq!(spans.len(), new);
            for span in &spans {
                let sum: f32 = (0..span.len).map(|i| span.weight(i)).sum();
                prop_assert!((sum - 1.0).abs() < 1e-4, "{} to {}: {}", old, new, sum);
                prop_assert!(span.first + span.len <= old);
            }
        }

        #[test]
        fn shrinking_keeps_the_mean(width in 2_u32..60, height in 2_u32..60, w in 1_u32..60, h in 1_u32..60, seed: u32) {
            let mean = |image: &Image| {
                image.rgb().iter().map(|&v| f64::from(v)).sum::<f64>() / image.rgb().len() as f64
            };
            let image = picture(width, height, seed);
            let small = shrink(&image, w, h);
            prop_assert_eq!((small.width_px(), small.height_px()), (w.min(width), h.min(height)));
            prop_assert!((mean(&image) - mean(&small)).abs() <= 0.51);
        }
    }

    #[test]
    fn shrinking_by_two_averages_four_pixels() {
        let image = Image::from_rgb(2, 2, vec![0, 0, 0, 10, 20, 30, 20, 40, 60, 10, 20, 30]).unwrap();
        assert_eq!(shrink(&image, 1, 1), Image::from_rgb(1, 1, vec![10, 20, 30]).unwrap());
    }
}
