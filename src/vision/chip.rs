//! dlib's own way to cut out a face: what its embedder was trained on, pixel for pixel.
//!
//! A rotated square is taken from the picture by bilinear interpolation without rounding; where it is much larger than
//! the chip, from a Gaussian pyramid.

use super::geometry::{PointPx, Similarity};
use super::image::Image;

/// Side of the chip, pixels.
pub const SIDE_PX: u32 = 150;

/// Halvings of the picture beyond these cannot be: a picture has at most 2^16 pixels a side.
const DEPTH_MAX: usize = 16;

/// Where dlib's five points lie in the chip, pixels: outer and inner corner of the subject's left eye, outer and inner
/// corner of the right eye, base of the nose. They are fractions of the face, which fills the chip but for a margin of
/// a quarter of itself on every side.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "pixels of a square of 150")]
pub fn reference_px() -> [PointPx; 5] {
    REFERENCE.map(|(x, y)| PointPx { x: in_chip(x) as f32, y: in_chip(y) as f32 })
}

const REFERENCE: [(f64, f64); 5] = [
    (0.859_567_459_599_2, 0.213_498_153_801_4),
    (0.646_060_476_410_4, 0.228_967_438_767_7),
    (0.120_575_062_078_9, 0.213_727_452_684_8),
    (0.334_085_061_371_2, 0.229_064_240_324_2),
    (0.490_112_313_567_9, 0.627_797_531_647_5),
];
const MARGIN: f64 = 0.25;

fn in_chip(fraction: f64) -> f64 {
    (MARGIN + fraction) / (2.0 * MARGIN + 1.0) * f64::from(SIDE_PX)
}

/// The chip of the face with these five points (pixels of `image`), R G B row by row; black outside the picture.
/// `None` when the points nearly coincide.
#[must_use]
pub fn chip(image: &Image, points: &[PointPx; 5]) -> Option<Vec<u8>> {
    let square = Square::around(points)?;
    let part = square.reach(image)?;
    let mut level = crop(image, part);
    let mut rect = square.rect.moved(-small(part.left), -small(part.top));
    for _ in 0..rect.depth() {
        level = halved(&level)?;
        rect = rect.halved();
    }
    Some(warp(&level, &rect, square.angle))
}

/// A rectangle by the coordinates of its first and last pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rect {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Rect {
    fn area(&self) -> f64 {
        (self.right - self.left + 1.0) * (self.bottom - self.top + 1.0)
    }

    fn moved(&self, x: f64, y: f64) -> Self {
        Self { left: self.left + x, top: self.top + y, right: self.right + x, bottom: self.bottom + y }
    }

    /// In pixels of the next level of the pyramid.
    fn halved(&self) -> Self {
        let (x, y) = (|x: f64| x / 2.0 - 1.25, |y: f64| y / 2.0 - 0.75);
        Self { left: x(self.left), top: y(self.top), right: x(self.right), bottom: y(self.bottom) }
    }

    /// How often the picture is halved first: as long as the square still has more pixels than the chip.
    fn depth(&self) -> usize {
        let halves = std::iter::successors(Some(self.halved()), |rect| Some(rect.halved()));
        halves.take(DEPTH_MAX).take_while(|rect| rect.area() > f64::from(SIDE_PX * SIDE_PX)).count()
    }

    /// The corner at these sides, turned about the middle.
    fn corner(&self, x: f64, y: f64, angle: f64) -> (f64, f64) {
        let (cx, cy) = (f64::midpoint(self.left, self.right), f64::midpoint(self.top, self.bottom));
        let (sin, cos) = angle.sin_cos();
        (cos * (x - cx) - sin * (y - cy) + cx, sin * (x - cx) + cos * (y - cy) + cy)
    }
}

/// The square of the picture that becomes the chip, before it is turned.
struct Square {
    rect: Rect,
    angle: f64,
}

/// Columns and rows of a picture.
#[derive(Debug, Clone, Copy)]
struct Part {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Square {
    fn around(points: &[PointPx; 5]) -> Option<Self> {
        let fit = Similarity::least_squares(&reference_px(), points)?;
        let [[a, _, _], [b, _, _]] = fit.rows();
        let middle = f64::from(SIDE_PX) / 2.0;
        let ((x, y), half) = (fit.apply(middle, middle), (f64::from(SIDE_PX) * fit.scale() - 1.0) / 2.0);
        let rect = Rect { left: x - half, top: y - half, right: x + half, bottom: y + half };
        Some(Self { rect, angle: b.atan2(a) })
    }

    /// The part of the picture that is needed, with room for the pyramid's filter.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the picture")]
    fn reach(&self, image: &Image) -> Option<Part> {
        let margin = (0..self.rect.depth()).fold(2.0, |margin, _| margin * 2.0 + 2.0);
        let Rect { left, top, right, bottom } = self.rect;
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)];
        let corners = corners.map(|(x, y)| self.rect.corner(x, y, self.angle));
        let range = |pick: fn(&(f64, f64)) -> f64, side: u32| {
            let values = corners.iter().map(pick);
            let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
            let last = f64::from(side) - 1.0;
            let (low, high) = ((low - margin).max(0.0).round(), (high + margin).min(last).round());
            (low <= high).then(|| (low as usize, (high - low) as usize + 1))
        };
        let (left, width) = range(|corner| corner.0, image.width_px())?;
        let (top, height) = range(|corner| corner.1, image.height_px())?;
        Some(Part { left, top, width, height })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a side of a picture")]
fn small(value: usize) -> f64 {
    value as f64
}

/// RGB without an `Image`'s sharing.
struct Level {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

fn crop(image: &Image, part: Part) -> Level {
    let stride = image.width_px() as usize * 3;
    let rows = image.rgb().chunks_exact(stride).skip(part.top).take(part.height);
    let rgb = rows.flat_map(|row| &row[part.left * 3..(part.left + part.width) * 3]).copied().collect();
    Level { width: part.width, height: part.height, rgb }
}

/// Every second pixel after a Gaussian of five by five; `None` when there is too little to filter.
fn halved(level: &Level) -> Option<Level> {
    if level.width <= 8 || level.height <= 8 {
        return None;
    }
    let (width, height) = ((level.width - 3) / 2, (level.height - 3) / 2);
    let mut rows = vec![0_u16; width * level.height * 3];
    for (out, row) in rows.chunks_exact_mut(width * 3).zip(level.rgb.chunks_exact(level.width * 3)) {
        for (column, pixel) in out.chunks_exact_mut(3).enumerate() {
            let source = &row[column * 6..][..15];
            for (c, sum) in pixel.iter_mut().enumerate() {
                *sum = gaussian([0, 3, 6, 9, 12].map(|step| u16::from(source[step + c])));
            }
        }
    }
    let stride = width * 3;
    let mut rgb = Vec::with_capacity(stride * height);
    for row in 0..height {
        let source = &rows[row * 2 * stride..][..5 * stride];
        rgb.extend((0..stride).map(|at| {
            let sum = gaussian([0, 1, 2, 3, 4].map(|step| source[step * stride + at]));
            // The weights add up to 16 each way.
            (sum >> 8).to_le_bytes()[0]
        }));
    }
    Some(Level { width, height, rgb })
}

/// At most 255 x 256, which fits.
fn gaussian([a, b, c, d, e]: [u16; 5]) -> u16 {
    a + 4 * b + 6 * c + 4 * d + e
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be inside; a mix of bytes")]
fn warp(level: &Level, rect: &Rect, angle: f64) -> Vec<u8> {
    let origin = rect.corner(rect.left, rect.top, angle);
    let last = f64::from(SIDE_PX - 1);
    let step = |(x, y): (f64, f64)| ((x - origin.0) / last, (y - origin.1) / last);
    let right = step(rect.corner(rect.right, rect.top, angle));
    let down = step(rect.corner(rect.left, rect.bottom, angle));
    let (width, height) = (small(level.width), small(level.height));
    let stride = level.width * 3;
    let mut rgb = vec![0; (SIDE_PX * SIDE_PX * 3) as usize];
    for (row, line) in (0..SIDE_PX).zip(rgb.chunks_exact_mut((SIDE_PX * 3) as usize)) {
        for (column, out) in (0..SIDE_PX).zip(line.chunks_exact_mut(3)) {
            let (c, r) = (f64::from(column), f64::from(row));
            let (x, y) = (origin.0 + c * right.0 + r * down.0, origin.1 + c * right.1 + r * down.1);
            let (left, top) = (x.floor(), y.floor());
            if !(left >= 0.0 && top >= 0.0 && left + 1.0 < width && top + 1.0 < height) {
                continue;
            }
            let at = top as usize * stride + left as usize * 3;
            let (fx, fy) = (x - left, y - top);
            for (channel, value) in out.iter_mut().enumerate() {
                let pixel = |offset: usize| f64::from(level.rgb[at + offset + channel]);
                let upper = (1.0 - fx) * pixel(0) + fx * pixel(3);
                let lower = (1.0 - fx) * pixel(stride) + fx * pixel(stride + 3);
                *value = ((1.0 - fy) * upper + fy * lower) as u8;
            }
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gradient(side: u32, step: f64) -> Image {
        let value = |v: u32| (f64::from(v) / step) as u8;
        let rgb = (0..side).flat_map(|y| (0..side).flat_map(move |x| [value(x), value(y), 9])).collect();
        Image::from_rgb(side, side, rgb).unwrap()
    }

    fn scaled(scale: f32, dx: f32, dy: f32) -> [PointPx; 5] {
        reference_px().map(|p| PointPx { x: p.x * scale + dx, y: p.y * scale + dy })
    }

    #[test]
    fn points_on_the_reference_give_the_picture_itself() {
        let chip = chip(&gradient(170, 1.0), &scaled(1.0, 5.0, 7.0)).unwrap();
        // dlib's square ends half a pixel early on all sides.
        for (x, y) in [(10_usize, 10_usize), (75, 75), (140, 20)] {
            let pixel = &chip[(y * 150 + x) * 3..][..2];
            assert!(pixel[0].abs_diff(u8::try_from(x + 5).unwrap()) <= 1, "{x},{y}: {pixel:?}");
            assert!(pixel[1].abs_diff(u8::try_from(y + 7).unwrap()) <= 1, "{x},{y}: {pixel:?}");
        }
    }

    #[test]
    fn a_large_face_comes_from_the_pyramid() {
        for scale in [2.0_f32, 3.0, 6.0] {
            let side = (150.0 * scale) as u32 + 60;
            let chip = chip(&gradient(side, f64::from(scale) * 1.5), &scaled(scale, 20.0, 30.0)).unwrap();
            for (x, y) in [(20_usize, 20_usize), (75, 75), (130, 40)] {
                let pixel = &chip[(y * 150 + x) * 3..][..2];
                let expected = [(x as f32 * scale + 20.0), (y as f32 * scale + 30.0)].map(|v| v / (scale * 1.5));
                for (got, want) in pixel.iter().zip(expected) {
                    // dlib's own geometry is off by up to a pixel and a half for each level.
                    assert!((f32::from(*got) - want).abs() < 3.0, "scale {scale} at {x},{y}: {got}, not {want}");
                }
            }
        }
    }

    #[test]
    fn coinciding_points_have_no_chip() {
        assert_eq!(chip(&gradient(20, 1.0), &[PointPx { x: 3.0, y: 3.0 }; 5]), None);
    }

    proptest! {
        #[test]
        fn any_points_are_safe(
            points in prop::array::uniform5((-3000.0_f32..3000.0, -3000.0_f32..3000.0)), side in 1_u32..60,
        ) {
            if let Some(chip) = chip(&gradient(side, 1.0), &points.map(|(x, y)| PointPx { x, y })) {
                prop_assert_eq!(chip.len(), 150 * 150 * 3);
            }
        }
    }
}
