//! The only maker of [`AlignedFace`].

use std::borrow::Cow;

use super::EmbedderContract;
use super::chip;
use super::decode::Window;
use super::detect::{Detection, Landmarks};
use super::geometry::{BoxPx, PointPx, Similarity};
use super::image::Image;
use super::resize::shrink;

/// Largest side of an aligned face, pixels; no embedder here wants more than 150.
pub const SIDE_PX_MAX: u32 = 1024;

/// A face warped onto the embedder's reference points, RGB, `side x side x 3` bytes.
///
/// INVARIANT (aligned only): `align` is the only constructor, and only this type can be embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlignedFace {
    side_px: u32,
    rgb: Vec<u8>,
}

impl AlignedFace {
    /// Side of the square, pixels.
    #[must_use]
    pub fn side_px(&self) -> u32 {
        self.side_px
    }

    /// R G B, row by row.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

/// Which points a face is aligned by, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alignment {
    /// Eyes, nose and corners of the mouth, by [`align`].
    #[default]
    Landmarks,
    /// dlib's eye corners and base of the nose, by its own [`chip`].
    EyeCorners,
}

impl Alignment {
    /// The points of a face that are brought onto the reference points, in their order; `None` when the detector does
    /// not find them.
    fn points(self, face: &Detection) -> Option<[PointPx; 5]> {
        match self {
            Self::Landmarks => Some(face.landmarks.points()),
            Self::EyeCorners => face.eye_corners,
        }
    }
}

/// What aligning `face` for `contract` takes of the picture: pixels of the picture for one of the aligned face, and the
/// part that is reached.
///
/// # Errors
/// `Degenerate`; `Points` when the detector does not find the points that the contract wants.
pub fn reach(face: &Detection, contract: &EmbedderContract) -> Result<(f64, BoxPx), AlignError> {
    let points = contract.alignment.points(face).ok_or(AlignError::Points)?;
    let points = Landmarks::from_points(points);
    let step = fit(&points, &contract.reference_px)?.inverse().scale();
    Ok((step, footprint(&points, &contract.reference_px, contract.input_px)?))
}

/// Aligns `face` as `contract` wants it.
///
/// # Errors
/// As [`reach`], and `Side`.
pub fn align_for(window: &Window, face: &Detection, contract: &EmbedderContract) -> Result<AlignedFace, AlignError> {
    let points = contract.alignment.points(face).ok_or(AlignError::Points)?;
    match contract.alignment {
        Alignment::Landmarks => {
            align(window, &Landmarks::from_points(points), &contract.reference_px, contract.input_px)
        }
        Alignment::EyeCorners => chip_of(window, &points),
    }
}

/// The chip that dlib's embedder takes, of the face with these points (pixels of the upright picture, of which
/// `window` is a part).
///
/// # Errors
/// `Degenerate`.
#[expect(clippy::cast_possible_truncation, reason = "pixel coordinates; f32 holds them to a fraction")]
pub fn chip_of(window: &Window, points: &[PointPx; 5]) -> Result<AlignedFace, AlignError> {
    let scale = f64::from(window.scale.max(1));
    let local = |x: f32, start: i32| ((f64::from(x) + 0.5 - f64::from(start)) / scale - 0.5) as f32;
    let points = points.map(|p| PointPx { x: local(p.x, window.left_px), y: local(p.y, window.top_px) });
    let rgb = chip::chip(&window.image, &points).ok_or(AlignError::Degenerate)?;
    Ok(AlignedFace { side_px: chip::SIDE_PX, rgb })
}

/// Why a face cannot be aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlignError {
    /// The landmarks nearly coincide, are not finite, or would make a face of no size.
    #[error("the five landmarks nearly coincide, no alignment follows from them")]
    Degenerate,
    /// The detector does not find the points that the embedder is aligned by.
    #[error("the detector does not find the points that the embedder is aligned by")]
    Points,
    /// The side is 0 or over [`SIDE_PX_MAX`].
    #[error("side of `{0}` pixels, expected 1 to {SIDE_PX_MAX}")]
    Side(u32),
}

/// The similarity from picture pixels to the pixels of an aligned face: least squares of Umeyama (1991) from the
/// landmarks onto `reference_px`.
///
/// # Errors
/// `Degenerate`.
pub fn fit(landmarks: &Landmarks, reference_px: &[PointPx; 5]) -> Result<Similarity, AlignError> {
    Similarity::least_squares(&landmarks.points(), reference_px).ok_or(AlignError::Degenerate)
}

/// The part of the picture that an aligned face of `side_px` is made of, with the pixels that interpolation
/// reaches; may lie outside the picture.
///
/// # Errors
/// `Degenerate`.
#[expect(clippy::cast_possible_truncation, reason = "pixel coordinates; f32 holds them to a fraction")]
pub fn footprint(landmarks: &Landmarks, reference_px: &[PointPx; 5], side_px: u32) -> Result<BoxPx, AlignError> {
    let back = fit(landmarks, reference_px)?.inverse();
    let end = f64::from(side_px) - 1.0;
    let corners = [(0.0, 0.0), (end, 0.0), (0.0, end), (end, end)].map(|(x, y)| back.apply(x, y));
    let margin = back.scale().max(1.0) + 1.0;
    let bound = |pick: fn(&(f64, f64)) -> f64| {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in corners.iter().map(pick) {
            (low, high) = (low.min(value), high.max(value));
        }
        ((low - margin) as f32, (high - low + 2.0 * margin + 1.0) as f32)
    };
    let ((left, width), (top, height)) = (bound(|corner| corner.0), bound(|corner| corner.1));
    Ok(BoxPx { left, top, width, height })
}

/// Warps the face with these landmarks (pixels of the upright picture, of which `window` is a part) onto
/// `reference_px` in a square of `side_px`.
///
/// Bilinear, black outside the window, pixel centres at whole coordinates: what OpenCV's `warpAffine` gives,
/// to within its rounding. Where one pixel of the result covers two or more of the picture, the picture is
/// first averaged down by the largest power of two that keeps a pixel or more for each, because plain bilinear
/// would alias.
///
/// # Errors
/// `Degenerate`, or `Side` for a side of 0 or over [`SIDE_PX_MAX`].
pub fn align(
    window: &Window,
    landmarks: &Landmarks,
    reference_px: &[PointPx; 5],
    side_px: u32,
) -> Result<AlignedFace, AlignError> {
    if !(1..=SIDE_PX_MAX).contains(&side_px) {
        return Err(AlignError::Side(side_px));
    }
    let back = fit(landmarks, reference_px)?.inverse();
    let area = footprint(landmarks, reference_px, side_px)?;
    let source = Source::new(window, &area, reduction(back.scale() / f64::from(window.scale)));
    Ok(AlignedFace { side_px, rgb: source.warp(&back, side_px) })
}

/// The power of two to average down by when one new pixel covers `step` of the window.
fn reduction(step: f64) -> u32 {
    let mut factor = 1;
    while step / f64::from(factor) >= 2.0 && factor < 1 << 12 {
        factor *= 2;
    }
    factor
}

/// Pixels to warp from: picture coordinate x is at column (x + 0.5 - left) / scale - 0.5.
struct Source<'a> {
    image: Cow<'a, Image>,
    left: f64,
    top: f64,
    scale: f64,
}

impl<'a> Source<'a> {
    fn new(window: &'a Window, area: &BoxPx, factor: u32) -> Self {
        let (left, top) = (f64::from(window.left_px), f64::from(window.top_px));
        let scale = f64::from(window.scale.max(1));
        let image = &window.image;
        if factor == 1 {
            return Self { image: Cow::Borrowed(image), left, top, scale };
        }
        let range = |start: f32, length: f32, origin: f64, side: u32| {
            span((f64::from(start) - origin) / scale, f64::from(length) / scale, side, factor)
        };
        let columns = range(area.left, area.width, left, image.width_px());
        let rows = range(area.top, area.height, top, image.height_px());
        let cropped = crop(image, columns, rows);
        let (width, height) = ((cropped.width_px() / factor).max(1), (cropped.height_px() / factor).max(1));
        Self {
            image: Cow::Owned(shrink(&cropped, width, height)),
            left: left + f64::from(columns.0) * scale,
            top: top + f64::from(rows.0) * scale,
            scale: scale * f64::from(factor),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a bilinear mix of bytes, rounded")]
    #[expect(clippy::cast_sign_loss, reason = "checked to be inside the picture, or a mix of bytes")]
    fn warp(&self, back: &Similarity, side_px: u32) -> Vec<u8> {
        let (width, height) = (self.image.width_px() as usize, self.image.height_px() as usize);
        let (inner_width, inner_height) = (small(width) - 1.0, small(height) - 1.0);
        let stride = width * 3;
        let pixels = self.image.rgb();
        let mut rgb = vec![0; side_px as usize * side_px as usize * 3];
        // One step to the right is the same everywhere: no division inside the loop.
        let source = |x: f64, y: f64| {
            let (u, v) = back.apply(x, y);
            ((u + 0.5 - self.left) / self.scale - 0.5, (v + 0.5 - self.top) / self.scale - 0.5)
        };
        let (origin, right) = (source(0.0, 0.0), source(1.0, 0.0));
        let (du, dv) = (right.0 - origin.0, right.1 - origin.1);
        for (y, line) in (0..side_px).zip(rgb.chunks_exact_mut(side_px as usize * 3)) {
            let (u0, v0) = source(0.0, y.into());
            for (x, out) in (0..side_px).zip(line.chunks_exact_mut(3)) {
                let (u, v) = ((u0 + du * f64::from(x)) as f32, (v0 + dv * f64::from(x)) as f32);
                if u >= 0.0 && v >= 0.0 && u < inner_width && v < inner_height {
                    let (column, row) = (u as usize, v as usize);
                    let (fx, fy) = (u - small(column), v - small(row));
                    let (fx0, fy0) = (1.0 - fx, 1.0 - fy);
                    let weights = [fx0 * fy0, fx * fy0, fx0 * fy, fx * fy];
                    let upper = &pixels[row * stride + column * 3..][..6];
                    let lower = &pixels[(row + 1) * stride + column * 3..][..6];
                    for c in 0..3 {
                        let top = f32::from(upper[c]) * weights[0] + f32::from(upper[c + 3]) * weights[1];
                        let bottom = f32::from(lower[c]) * weights[2] + f32::from(lower[c + 3]) * weights[3];
                        out[c] = (top + bottom + 0.5) as u8;
                    }
                } else {
                    out.copy_from_slice(&self.at_border(u, v));
                }
            }
        }
        rgb
    }

    /// Bilinear with black beyond the last row and column.
    #[expect(clippy::cast_possible_truncation, reason = "saturating: far outside stays outside")]
    #[expect(clippy::cast_sign_loss, reason = "a mix of bytes")]
    fn at_border(&self, u: f32, v: f32) -> [u8; 3] {
        let (column, row) = (i64::from(u.floor() as i32), i64::from(v.floor() as i32));
        let (fx, fy) = (u - u.floor(), v - v.floor());
        let corners = [
            (column, row, (1.0 - fx) * (1.0 - fy)),
            (column + 1, row, fx * (1.0 - fy)),
            (column, row + 1, (1.0 - fx) * fy),
            (column + 1, row + 1, fx * fy),
        ];
        let mut sums = [0.5_f32; 3];
        for (column, row, weight) in corners {
            if let Some(pixel) = self.pixel(column, row) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += weight * f32::from(value);
                }
            }
        }
        sums.map(|sum| sum as u8)
    }

    fn pixel(&self, column: i64, row: i64) -> Option<&[u8]> {
        let column = u32::try_from(column).ok().filter(|&column| column < self.image.width_px())?;
        let row = u32::try_from(row).ok().filter(|&row| row < self.image.height_px())?;
        let start = (row as usize * self.image.width_px() as usize + column as usize) * 3;
        self.image.rgb().get(start..start + 3)
    }
}

#[expect(clippy::cast_precision_loss, reason = "picture sides are far below 2^24")]
fn small(index: usize) -> f32 {
    index as f32
}

/// Start and length, inside 0..`side`, of the wanted range rounded outwards; the length is a multiple of
/// `factor` unless the side itself is shorter than that.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the side")]
fn span(start: f64, length: f64, side: u32, factor: u32) -> (u32, u32) {
    let first = start.floor().clamp(0.0, f64::from(side - 1)) as u32;
    let end = (start + length).ceil().clamp(f64::from(first) + 1.0, f64::from(side)) as u32;
    let length = (end - first).next_multiple_of(factor);
    if length <= side - first {
        return (first, length);
    }
    // At the far edge up to a pixel of the result is cut off rather than stretched.
    let length = ((side - first) / factor * factor).max(factor.min(side - first));
    (first, length)
}

fn crop(image: &Image, (left, width): (u32, u32), (top, height): (u32, u32)) -> Image {
    let stride = image.width_px() as usize * 3;
    let (from, to) = (left as usize * 3, (left + width) as usize * 3);
    let rows = image.rgb().chunks_exact(stride).skip(top as usize).take(height as usize);
    let mut rgb = Vec::with_capacity((to - from) * height as usize);
    rows.for_each(|row| rgb.extend_from_slice(&row[from..to]));
    Image::from_rgb(width, height, rgb).unwrap_or_else(|| image.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REFERENCE: [(f32, f32); 5] = [(38.0, 52.0), (74.0, 52.0), (56.0, 72.0), (42.0, 92.0), (70.0, 92.0)];

    fn reference() -> [PointPx; 5] {
        REFERENCE.map(|(x, y)| PointPx { x, y })
    }

    fn moved(scale: f32, dx: f32, dy: f32) -> Landmarks {
        Landmarks::from_points(REFERENCE.map(|(x, y)| PointPx { x: x * scale + dx, y: y * scale + dy }))
    }

    /// A smooth picture, whose pixel at (x, y) is known at any scale.
    fn gradient(width: u32, height: u32, step: f32) -> Image {
        let value = |x: u32, y: u32| [x as f32 / step, y as f32 / step, 100.0].map(|v| (v + 0.5) as u8);
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| value(x, y))).collect();
        Image::from_rgb(width, height, rgb).unwrap()
    }

    fn whole(image: Image) -> Window {
        Window { image, left_px: 0, top_px: 0, scale: 1 }
    }

    #[test]
    fn landmarks_on_the_reference_give_the_picture_itself() {
        let image = gradient(112, 112, 1.0);
        let face = align(&whole(image.clone()), &moved(1.0, 0.0, 0.0), &reference(), 112).unwrap();
        assert_eq!(face.rgb(), image.rgb());
    }

    #[test]
    fn a_window_gives_the_same_face_as_the_whole_picture() {
        let image = gradient(250, 250, 1.0);
        let landmarks = moved(0.8, 60.0, 50.0);
        let full = align(&whole(image.clone()), &landmarks, &reference(), 112).unwrap();
        let area = footprint(&landmarks, &reference(), 112).unwrap();
        let (left, top) = (area.left as u32, area.top as u32);
        let part = crop(&image, (left, area.width.ceil() as u32 + 1), (top, area.height.ceil() as u32 + 1));
        let window = Window { image: part, left_px: left as i32, top_px: top as i32, scale: 1 };
        assert_eq!(align(&window, &landmarks, &reference(), 112).unwrap(), full);
    }

    #[test]
    fn a_large_face_is_averaged_down_in_place() {
        // A ramp survives averaging, so that any shift of the prefilter shows.
        for scale in [2.0_f32, 3.0, 5.0, 9.0] {
            let side = (112.0 * scale) as u32 + 30;
            let face = align(&whole(gradient(side, side, scale * 1.2)), &moved(scale, 9.0, 5.0), &reference(), 112);
            let face = face.unwrap();
            for (x, y) in [(5_usize, 5_usize), (56, 56), (100, 20), (104, 104)] {
                let pixel = &face.rgb()[(y * 112 + x) * 3..][..2];
                let expected = [(x as f32 * scale + 9.0) / (scale * 1.2), (y as f32 * scale + 5.0) / (scale * 1.2)];
                for (got, want) in pixel.iter().zip(expected) {
                    assert!((f32::from(*got) - want).abs() < 1.2, "scale {scale} at {x},{y}: {got}, not {want}");
                }
            }
        }
    }

    #[test]
    fn a_reduced_window_gives_the_same_face() {
        let image = gradient(448, 448, 2.0);
        let full = align(&whole(image.clone()), &moved(4.0, 0.0, 0.0), &reference(), 112).unwrap();
        let window = Window { image: shrink(&image, 224, 224), left_px: 0, top_px: 0, scale: 2 };
        let reduced = align(&window, &moved(4.0, 0.0, 0.0), &reference(), 112).unwrap();
        assert!(full.rgb().iter().zip(reduced.rgb()).all(|(a, b)| a.abs_diff(*b) <= 1));
    }

    #[test]
    fn stripes_finer_than_a_pixel_become_grey() {
        let rgb = (0..448_u32 * 448).flat_map(|i| [if i % 2 == 0 { 0 } else { 200 }; 3]).collect();
        let image = Image::from_rgb(448, 448, rgb).unwrap();
        let face = align(&whole(image), &moved(4.0, 0.0, 0.0), &reference(), 112).unwrap();
        let middle = &face.rgb()[(20 * 112 + 10) * 3..(20 * 112 + 90) * 3];
        assert!(middle.iter().all(|&v| v.abs_diff(100) <= 1), "{middle:?}");
    }

    #[test]
    fn outside_the_picture_is_black() {
        let image = Image::from_rgb(20, 20, vec![255; 1200]).unwrap();
        let face = align(&whole(image), &moved(1.0, -300.0, 0.0), &reference(), 112).unwrap();
        assert!(face.rgb().iter().all(|&v| v == 0));
    }

    #[test]
    fn degenerate_landmarks_are_refused() {
        let image = gradient(20, 20, 1.0);
        let same = Landmarks::from_points([PointPx { x: 5.0, y: 5.0 }; 5]);
        assert_eq!(align(&whole(image.clone()), &same, &reference(), 112), Err(AlignError::Degenerate));
        assert_eq!(align(&whole(image), &moved(1.0, 0.0, 0.0), &reference(), 0), Err(AlignError::Side(0)));
    }

    proptest! {
        #[test]
        fn any_landmarks_and_any_window_are_safe(
            points in prop::array::uniform5((-3000.0_f32..3000.0, -3000.0_f32..3000.0)),
            width in 1_u32..40, height in 1_u32..40, left_px in -9_i32..2000, top_px in -9_i32..2000, scale in 1_u32..9,
        ) {
            let window = Window { image: gradient(width, height, 1.0), left_px, top_px, scale };
            let landmarks = Landmarks::from_points(points.map(|(x, y)| PointPx { x, y }));
            if let Ok(face) = align(&window, &landmarks, &reference(), 32) {
                prop_assert_eq!(face.rgb().len(), 32 * 32 * 3);
            }
        }
    }
}
