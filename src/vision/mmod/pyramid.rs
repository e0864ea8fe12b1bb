//! dlib's image pyramid on one canvas.

use crate::vision::image::Image;

/// Zeros between two levels, and around all of them, pixels.
const BETWEEN: usize = 10;
const AROUND: usize = 11;

/// Levels with fewer rows are left out.
const ROWS_MIN: usize = 5;

/// Ratio of a level's sides to those of the next one, and dlib's shift between them.
const RATIO: f64 = 1.2;
const SHIFT: f64 = 0.3;

/// A rectangle of whole pixels by its first and last ones; empty when the last comes before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) left: i64,
    pub(super) top: i64,
    pub(super) right: i64,
    pub(super) bottom: i64,
}

impl From<[i64; 4]> for Rect {
    fn from([left, top, right, bottom]: [i64; 4]) -> Self {
        Self { left, top, right, bottom }
    }
}

impl Rect {
    fn of_size(width: usize, height: usize) -> Self {
        Self { left: 0, top: 0, right: int(width) - 1, bottom: int(height) - 1 }
    }

    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "not negative")]
    pub(super) fn width(&self) -> usize {
        (self.right - self.left + 1).max(0) as usize
    }

    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "not negative")]
    pub(super) fn height(&self) -> usize {
        (self.bottom - self.top + 1).max(0) as usize
    }

    #[expect(clippy::cast_precision_loss, reason = "pixels of a picture")]
    pub(super) fn area(&self) -> f64 {
        self.width() as f64 * self.height() as f64
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// The smallest one around both.
    pub(super) fn hull(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    fn moved(&self, x: i64, y: i64) -> Self {
        Self { left: self.left + x, top: self.top + y, right: self.right + x, bottom: self.bottom + y }
    }

    /// Square of the distance to a point; 0 inside.
    fn distance(&self, [x, y]: [i64; 2]) -> i64 {
        let (dx, dy) = (x - x.clamp(self.left, self.right), y - y.clamp(self.top, self.bottom));
        dx * dx + dy * dy
    }
}

fn int(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Where the levels of a picture's pyramid lie on dlib's canvas.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tiling {
    /// At least one: the picture itself.
    pub(super) rects: Vec<Rect>,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Tiling {
    /// One column downwards, then, where the levels have become narrow enough, a second one upwards beside it.
    pub(super) fn of(width: usize, height: usize) -> Self {
        let sizes = sizes(width.max(1), height.max(1));
        let column = first_column(&sizes);
        let mut rects = Vec::with_capacity(sizes.len());
        let mut y = int(AROUND);
        let end = y + int(column);
        let mut rest = sizes.iter().peekable();
        while let Some(size) = rest.next_if(|_| y < end) {
            rects.push(Rect::of_size(size.0, size.1).moved(int(AROUND), y));
            y += int(size.1 + BETWEEN);
        }
        y -= int(BETWEEN);
        for size in rest {
            let last = (int(AROUND + sizes[0].0) - 1, y - 1);
            let rect = Rect::of_size(size.0, size.1).moved(last.0 - int(size.0) + 1, last.1 - int(size.1) + 1);
            if rects[0].intersection(&rect).area() > 0.0 || rect.left < 0 || rect.top < 0 {
                break;
            }
            rects.push(rect);
            y -= int(size.1 + BETWEEN);
        }
        Self { rects, width: sizes[0].0 + 2 * AROUND, height: column + 2 * AROUND }
    }

    /// The window around `middle` of the canvas, in pixels of the picture, as dlib rounds it.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "pixels of a picture")]
    pub(super) fn in_picture(&self, middle: [usize; 2], window: [usize; 2]) -> [i64; 4] {
        let at = middle.map(int);
        let levels = self.rects.iter().enumerate().map(|(level, rect)| (rect.distance(at), level));
        let level = levels.min().map_or(0, |(_, level)| level);
        let origin = [self.rects[level].left, self.rects[level].top];
        let edge = |axis: usize, side: f64| {
            let half = (window[axis] as f64 - 1.0) / 2.0;
            let on_level = middle[axis] as f64 + side * half - origin[axis] as f64;
            (0..level).fold(on_level, |p, _| p * RATIO + SHIFT).round() as i64
        };
        [edge(0, -1.0), edge(1, -1.0), edge(0, 1.0), edge(1, 1.0)]
    }
}

/// Sizes of all levels.
fn sizes(width: usize, height: usize) -> Vec<(usize, usize)> {
    let smaller = |&(width, height): &(usize, usize)| {
        let (width, height) = (width * 5 / 6, height * 5 / 6);
        (width > 0 && height >= ROWS_MIN).then_some((width, height))
    };
    std::iter::successors(Some((width, height)), smaller).collect()
}

/// Height of the first column: it ends where the next level fits beside the last one, and half of what is below the
/// picture is in it. dlib's differences are of numbers without sign: one that would be negative counts as very large.
fn first_column(sizes: &[(usize, usize)]) -> usize {
    let (width, first) = sizes[0];
    let total = sizes.iter().map(|(_, height)| height + BETWEEN).sum::<usize>().wrapping_sub(2 * BETWEEN);
    let (mut height, mut before) = (0_usize, 0);
    for size in sizes {
        let room = width.wrapping_sub(before).wrapping_sub(BETWEEN);
        let below = height.wrapping_sub(first).wrapping_mul(2);
        // The picture itself is always there; dlib fails on pictures of a few pixels.
        if height > 0 && size.0 <= room && below >= total.wrapping_sub(first) {
            break;
        }
        height += size.1 + BETWEEN;
        before = size.0;
    }
    height.saturating_sub(BETWEEN)
}

/// Writes the picture itself, one channel.
pub(super) fn first_level(image: &Image, channel: usize, mean: f32, rect: &Rect, plane: &mut [f32], stride: usize) {
    let rows = image.rgb().chunks_exact(image.width_px() as usize * 3);
    for (row, out) in rows.zip(rows_of(plane, stride, rect)) {
        for (value, pixel) in out.iter_mut().zip(row.chunks_exact(3)) {
            *value = (f32::from(pixel[channel]) - mean) / 256.0;
        }
    }
}

fn rows_of<'a>(plane: &'a mut [f32], stride: usize, rect: &Rect) -> impl Iterator<Item = &'a mut [f32]> {
    let (left, width) = (index(rect.left), rect.width());
    let rows = plane.chunks_exact_mut(stride).skip(index(rect.top)).take(rect.height());
    rows.map(move |row| &mut row[left..left + width])
}

fn index(value: i64) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// Writes a level from the one before: bilinear, first and last pixels on first and last pixels.
pub(super) fn next_level(plane: &mut [f32], stride: usize, from: &Rect, to: &Rect) {
    let (columns, rows) = (Taps::new(from.width(), to.width()), Taps::new(from.height(), to.height()));
    let (mut blended, mut line) = (vec![0.0; from.width()], vec![0.0; to.width()]);
    for row in 0..to.height() {
        let (upper, lower, part) = rows.at(row);
        let source = |row: usize| &plane[(index(from.top) + row) * stride + index(from.left)..][..from.width()];
        for ((value, a), b) in blended.iter_mut().zip(source(upper)).zip(source(lower)) {
            *value = a + (b - a) * part;
        }
        for (column, value) in line.iter_mut().enumerate() {
            let (left, right, part) = columns.at(column);
            *value = blended[left] + (blended[right] - blended[left]) * part;
        }
        plane[(index(to.top) + row) * stride + index(to.left)..][..to.width()].copy_from_slice(&line);
    }
}

/// For each new pixel the two old ones that it lies between, and how near to the second.
struct Taps(Vec<(usize, usize, f32)>);

impl Taps {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "pixels")]
    fn new(old: usize, new: usize) -> Self {
        let step = (old - 1) as f64 / (new.max(2) - 1) as f64;
        let tap = |at: usize| {
            let place = at as f64 * step;
            let first = (place.floor() as usize).min(old - 1);
            (first, (first + 1).min(old - 1), (place - first as f64) as f32)
        };
        Self((0..new).map(tap).collect())
    }

    fn at(&self, index: usize) -> (usize, usize, f32) {
        self.0[index]
    }
}

/// Size of a doubled picture.
pub(super) fn doubled(width: usize, height: usize) -> (usize, usize) {
    (2 * width + 2, 2 * height + 1)
}

/// Twice as large, bilinear, without rounding up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mix of bytes")]
pub(super) fn double(image: &Image) -> Image {
    let (old_width, old_height) = (image.width_px() as usize, image.height_px() as usize);
    let (width, height) = doubled(old_width, old_height);
    let (columns, rows) = (Taps::new(old_width, width), Taps::new(old_height, height));
    let mut blended = vec![0.0; old_width * 3];
    let mut rgb = Vec::with_capacity(width * height * 3);
    for row in 0..height {
        let (upper, lower, part) = rows.at(row);
        let source = |row: usize| &image.rgb()[row * old_width * 3..][..old_width * 3];
        for ((value, &a), &b) in blended.iter_mut().zip(source(upper)).zip(source(lower)) {
            *value = f32::from(a) * (1.0 - part) + f32::from(b) * part;
        }
        for &(left, right, part) in &columns.0 {
            for channel in 0..3 {
                let (a, b) = (blended[left * 3 + channel], blended[right * 3 + channel]);
                rgb.push((a * (1.0 - part) + b * part) as u8);
            }
        }
    }
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    Image::from_rgb(side(width), side(height), rgb).unwrap_or_else(|| image.clone())
}

/// A rectangle of a doubled picture in pixels of the picture, as dlib rounds it.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "pixels of a picture")]
pub(super) fn halved([left, top, right, bottom]: [i64; 4]) -> [i64; 4] {
    let x = |x: i64| (x as f64 / 2.0 - 1.25).round() as i64;
    let y = |y: i64| (y as f64 / 2.0 - 0.75).round() as i64;
    [x(left), y(top), x(right), y(bottom)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_level_keeps_its_corners() {
        let mut plane: Vec<f32> = (0..100).map(|i| (i % 10) as f32).collect();
        let (from, to) = (Rect::from([0, 0, 5, 3]), Rect::from([0, 5, 4, 7]));
        next_level(&mut plane, 10, &from, &to);
        assert_eq!(plane[50..55], [0.0, 1.25, 2.5, 3.75, 5.0]);
    }

    proptest! {
        #[test]
        fn levels_lie_on_the_canvas_and_apart(width in 1_usize..900, height in 1_usize..900) {
            let tiling = Tiling::of(width, height);
            prop_assert_eq!((tiling.rects[0].width(), tiling.rects[0].height()), (width, height));
            for (index, rect) in tiling.rects.iter().enumerate() {
                prop_assert!(rect.left >= 0 && rect.top >= 0, "{:?}", rect);
                prop_assert!(rect.right < int(tiling.width) && rect.bottom < int(tiling.height), "{:?}", rect);
                for other in &tiling.rects[index + 1..] {
                    prop_assert!(rect.intersection(other).area() == 0.0 || width.min(height) < 40, "{:?} {:?}", rect, other);
                }
            }
        }
    }
}
