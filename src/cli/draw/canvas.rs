//! Pixels to draw on: shapes as signed distances, one pixel of anti-aliasing.

use crate::operations::types::BoxRatio;
use crate::vision::{Image, PointPx};

/// R, G, B.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub(super) u8, pub(super) u8, pub(super) u8);

/// An axis-parallel rectangle, pixels of the drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

impl Rect {
    pub(super) fn of_size(width: f32, height: f32) -> Self {
        Self { left: 0.0, top: 0.0, width, height }
    }

    pub(super) fn right(&self) -> f32 {
        self.left + self.width
    }

    pub(super) fn bottom(&self) -> f32 {
        self.top + self.height
    }

    pub(super) fn centre(&self) -> PointPx {
        PointPx { x: self.left + self.width / 2.0, y: self.top + self.height / 2.0 }
    }

    /// The part of this frame that a box covers; clipped to the frame.
    pub(super) fn part(&self, ratio: &BoxRatio) -> Self {
        let x = |ratio: f32| self.left + self.width * finite(ratio).clamp(0.0, 1.0);
        let y = |ratio: f32| self.top + self.height * finite(ratio).clamp(0.0, 1.0);
        let (left, top) = (x(ratio.left), y(ratio.top));
        Self { left, top, width: x(ratio.left + ratio.width) - left, height: y(ratio.top + ratio.height) - top }
    }

    pub(super) fn point(&self, ratio: PointPx) -> PointPx {
        PointPx { x: self.left + self.width * finite(ratio.x), y: self.top + self.height * finite(ratio.y) }
    }

    /// Area shared with `other`.
    pub(super) fn shared(&self, other: &Self) -> f32 {
        let width = self.right().min(other.right()) - self.left.max(other.left);
        let height = self.bottom().min(other.bottom()) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }

    fn grown(&self, by: f32) -> Self {
        let (width, height) = (self.width + 2.0 * by, self.height + 2.0 * by);
        Self { left: self.left - by, top: self.top - by, width, height }
    }
}

fn finite(value: f32) -> f32 {
    if value.is_finite() { value } else { 0.0 }
}

/// A value of the drawing as an index: rounded down, 0 when negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, and indices are checked")]
pub(super) fn index(value: f32) -> usize {
    value as usize
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 255")]
pub(super) fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// RGB pixels.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Canvas {
    pub(super) fn of(image: &Image) -> Self {
        let (width, height) = (image.width_px() as usize, image.height_px() as usize);
        Self { width, height, rgb: image.rgb().to_vec() }
    }

    pub(super) fn filled(width: f32, height: f32, colour: Colour) -> Self {
        let (width, height) = (index(width.ceil()).max(1), index(height.ceil()).max(1));
        Self { width, height, rgb: [colour.0, colour.1, colour.2].repeat(width * height) }
    }

    pub(super) fn frame(&self) -> Rect {
        Rect::of_size(self.width as f32, self.height as f32)
    }

    /// Mixes `colour` into one pixel; outside the canvas nothing happens.
    pub(super) fn blend(&mut self, x: usize, y: usize, colour: Colour, opacity: f32) {
        if x >= self.width || y >= self.height || opacity <= 0.0 {
            return;
        }
        let start = 3 * (y * self.width + x);
        let Some(pixel) = self.rgb.get_mut(start..start + 3) else { return };
        for (old, new) in pixel.iter_mut().zip([colour.0, colour.1, colour.2]) {
            *old = byte(f32::from(*old) + (f32::from(new) - f32::from(*old)) * opacity.min(1.0));
        }
    }

    /// Colours the pixels of `area` by `coverage` (0 to 1) at their centres.
    fn shade(&mut self, area: &Rect, colour: Colour, opacity: f32, coverage: impl Fn(f32, f32) -> f32) {
        let columns = index(area.left.floor())..index(area.right().ceil().max(0.0)).min(self.width);
        let rows = index(area.top.floor())..index(area.bottom().ceil().max(0.0)).min(self.height);
        for y in rows {
            for x in columns.clone() {
                let covered = coverage(x as f32 + 0.5, y as f32 + 0.5);
                self.blend(x, y, colour, opacity * covered);
            }
        }
    }

    /// The outline of a rounded rectangle, centred on its edge.
    pub(super) fn stroke(&mut self, rect: &Rect, radius: f32, line: f32, colour: Colour, opacity: f32) {
        let distance = rounded(*rect, radius);
        let inside = move |x, y| (0.5 + line / 2.0 - distance(x, y).abs()).clamp(0.0, 1.0);
        self.shade(&rect.grown(line), colour, opacity, inside);
    }

    /// As [`Self::stroke`], fading out over the line's width: a shadow.
    pub(super) fn stroke_soft(&mut self, rect: &Rect, radius: f32, line: f32, colour: Colour, opacity: f32) {
        let distance = rounded(*rect, radius);
        let faded = move |x, y| smooth(1.0 - distance(x, y).abs() / line);
        self.shade(&rect.grown(line), colour, opacity, faded);
    }

    /// A filled rounded rectangle.
    pub(super) fn fill(&mut self, rect: &Rect, radius: f32, colour: Colour, opacity: f32) {
        let distance = rounded(*rect, radius);
        self.shade(&rect.grown(1.0), colour, opacity, move |x, y| (0.5 - distance(x, y)).clamp(0.0, 1.0));
    }

    /// As [`Self::fill`], fading out over `blur` pixels outside: a shadow.
    pub(super) fn fill_soft(&mut self, rect: &Rect, radius: f32, blur: f32, colour: Colour, opacity: f32) {
        let distance = rounded(*rect, radius);
        let faded = move |x, y| smooth(1.0 - distance(x, y).max(0.0) / blur);
        self.shade(&rect.grown(blur), colour, opacity, faded);
    }

    pub(super) fn disc(&mut self, centre: PointPx, radius: f32, colour: Colour, opacity: f32) {
        let area = Rect { left: centre.x, top: centre.y, width: 0.0, height: 0.0 }.grown(radius + 1.0);
        let inside = move |x: f32, y: f32| (0.5 + radius - (x - centre.x).hypot(y - centre.y)).clamp(0.0, 1.0);
        self.shade(&area, colour, opacity, inside);
    }

    /// A line through `points` with round ends; where segments meet, nothing is coloured twice.
    pub(super) fn polyline(&mut self, points: &[PointPx], line: f32, colour: Colour, opacity: f32) {
        let Some(area) = bounds(points) else { return };
        let distance = |x: f32, y: f32| {
            points.windows(2).map(|pair| to_segment(PointPx { x, y }, pair)).fold(f32::INFINITY, f32::min)
        };
        let inside = |x: f32, y: f32| (0.5 + line / 2.0 - distance(x, y)).clamp(0.0, 1.0);
        self.shade(&area.grown(line), colour, opacity, inside);
    }

    /// Puts a picture at `at` with rounded corners.
    pub(super) fn picture(&mut self, image: &Image, at: &Rect, radius: f32) {
        let (left, top) = (index(at.left), index(at.top));
        let size = Rect::of_size(image.width_px() as f32, image.height_px() as f32);
        let distance = rounded(size, radius);
        let width = image.width_px() as usize;
        for (position, pixel) in image.rgb().chunks_exact(3).enumerate() {
            let (x, y) = (position % width, position / width);
            let covered = (0.5 - distance(x as f32 + 0.5, y as f32 + 0.5)).clamp(0.0, 1.0);
            if let &[r, g, b] = pixel {
                self.blend(left + x, top + y, Colour(r, g, b), covered);
            }
        }
    }

    pub(super) fn to_png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width), side(self.height));
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        writer.finish()?;
        Ok(bytes)
    }
}

/// Signed distance to the edge of a rounded rectangle, negative inside.
fn rounded(rect: Rect, radius: f32) -> impl Fn(f32, f32) -> f32 {
    let radius = radius.min(rect.width / 2.0).min(rect.height / 2.0).max(0.0);
    let centre = rect.centre();
    move |x, y| {
        let dx = (x - centre.x).abs() - rect.width / 2.0 + radius;
        let dy = (y - centre.y).abs() - rect.height / 2.0 + radius;
        dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius
    }
}

fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn to_segment(point: PointPx, segment: &[PointPx]) -> f32 {
    let &[a, b] = segment else { return f32::INFINITY };
    let (abx, aby, apx, apy) = (b.x - a.x, b.y - a.y, point.x - a.x, point.y - a.y);
    let t = ((apx * abx + apy * aby) / (abx * abx + aby * aby).max(1e-9)).clamp(0.0, 1.0);
    (apx - t * abx).hypot(apy - t * aby)
}

fn bounds(points: &[PointPx]) -> Option<Rect> {
    let first = points.first()?;
    let (mut left, mut top, mut right, mut bottom) = (first.x, first.y, first.x, first.y);
    for point in points {
        (left, right) = (left.min(point.x), right.max(point.x));
        (top, bottom) = (top.min(point.y), bottom.max(point.y));
    }
    Some(Rect { left, top, width: right - left, height: bottom - top })
}
