//! dlib's face detector of max-margin object detection: a sliding window of 80 x 80 over an image pyramid.
//!
//! Geometry, order and suppression are dlib's own, so that boxes and their number agree with its. dlib lays all levels of
//! the pyramid (each five sixths of the one before) out on one canvas; we lay that canvas on a larger one of few sizes,
//! for which the network is compiled, and tell the network where dlib's ends. Landmarks come from a shape predictor.

mod pyramid;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::detect::{DetectOptions, Detection, Landmarks};
use super::geometry::{BoxPx, PointPx};
use super::image::Image;
use super::network::{Network, NetworkError, NetworkSource, Runtime};
use super::shape::ShapePredictor;
use super::{NetworkFile, resize};
use pyramid::{Rect, Tiling};

/// What a file must hold to be decoded here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contract {
    /// The sliding window, width and height.
    pub window_px: [usize; 2],
    /// Of two boxes with a larger intersection over the box around both, the less confident is dropped.
    pub iou_max: f32,
    /// The same for a larger share of either box; 1 is never reached.
    pub covered_max: f32,
    /// What is subtracted from red, green and blue before the division by 256.
    pub means: [f32; 3],
}

/// The only such network there is.
pub const CONTRACT: Contract =
    Contract { window_px: [80, 80], iou_max: 0.338_276_15, covered_max: 1.0, means: [122.782, 117.001, 104.298] };

/// Pictures up to this longest side in which no face was found (those from 80 pixels are) are doubled and looked at
/// again, so that faces from 40 pixels are found: four times the work, which all other pictures are spared.
pub const DOUBLED_PX: u32 = 960;

/// Larger pictures are shrunk to this first, pixels.
pub const LONG_PX: u32 = 1920;

/// A cell of the score map for so many pixels; the first cell's middle; what the first cell sees.
const STRIDE_PX: usize = 8;
const FIRST_PX: usize = 14;
const FIELD_PX: usize = 29;

/// Compiled canvases that are kept; the one that was not used for longest goes.
const CANVASES_MAX: usize = 8;

/// A hostile picture decides how many windows score; suppression is quadratic.
const CANDIDATES_MAX: usize = 5000;

/// A face as dlib reports it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Coordinates of the first and last pixel: left, top, right, bottom. May reach outside the picture.
    pub rect: [i64; 4],
    /// Over 0; about 1 for a clear face.
    pub score: f32,
}

/// The detector, compiled for each canvas as it is needed.
pub struct Mmod {
    source: Arc<NetworkSource>,
    // Last used last.
    canvases: Mutex<Vec<(Canvas, Slot)>>,
    idle_max: usize,
    predictor: Arc<ShapePredictor>,
}

/// Locked while its network is compiled, so that callers that meet at a new canvas compile it once.
type Slot = Arc<Mutex<Option<Arc<Network>>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Canvas {
    width: usize,
    height: usize,
}

impl Mmod {
    /// Reads the network and compiles it for small pictures, the rest when needed.
    ///
    /// # Errors
    /// The file cannot be read or is not the converted detector, or `predictor` does not find five points.
    pub fn open(
        runtime: &Runtime,
        file: &NetworkFile,
        predictor: Arc<ShapePredictor>,
        idle_max: usize,
    ) -> Result<Self, NetworkError> {
        if predictor.points() != 5 {
            return Err(NetworkError(format!("a shape predictor of {} points, expected 5", predictor.points())));
        }
        let source = Arc::new(runtime.read(file)?);
        let detector = Self { source, canvases: Mutex::new(Vec::new()), idle_max, predictor };
        detector.compiled(Canvas { width: 128, height: 128 })?;
        Ok(detector)
    }

    /// Compiles what the first pictures of usual sizes would otherwise wait for.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn warm(&self) -> Result<(), NetworkError> {
        let usual = [(250, 250), (640, 480), (1024, 768)];
        usual.iter().try_for_each(|&(width, height)| self.compiled(canvas(&Tiling::of(width, height))).map(drop))
    }

    /// Faces in `image`, in its pixels, largest box first; `options.iou_max` is dlib's own and not asked.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn detect(&self, image: &Image, options: &DetectOptions) -> Result<Vec<Detection>, NetworkError> {
        let long = image.width_px().max(image.height_px());
        let mut faces = if long > LONG_PX { self.faces_shrunk(image, long)? } else { self.faces(image, 0)? };
        if faces.is_empty() && long <= DOUBLED_PX {
            faces = self.faces(image, 1)?;
        }
        faces.retain(|face| face.confidence >= options.confidence_min);
        faces.sort_by(|a, b| b.box_px.area().total_cmp(&a.box_px.area()));
        faces.truncate(options.faces_max);
        Ok(faces)
    }

    fn faces_shrunk(&self, image: &Image, long: u32) -> Result<Vec<Detection>, NetworkError> {
        let side = |side: u32| {
            let shrunk = u64::from(side) * u64::from(LONG_PX) / u64::from(long);
            u32::try_from(shrunk).unwrap_or(LONG_PX).max(1)
        };
        let level = resize::shrink(image, side(image.width_px()), side(image.height_px()));
        let ratio = |a: u32, b: u32| f64::from(a) / f64::from(b);
        let scale = (ratio(image.width_px(), level.width_px()), ratio(image.height_px(), level.height_px()));
        Ok(self.faces(&level, 0)?.iter().map(|face| face.moved(scale, (0.0, 0.0))).collect())
    }

    fn faces(&self, image: &Image, doublings: u32) -> Result<Vec<Detection>, NetworkError> {
        Ok(self.windows(image, doublings)?.iter().map(|window| self.face(image, window)).collect())
    }

    fn face(&self, image: &Image, window: &Window) -> Detection {
        let points = self.points(image, window.rect);
        let [left, top, right, bottom] = window.rect.map(whole);
        Detection {
            box_px: BoxPx { left, top, width: right - left + 1.0, height: bottom - top + 1.0 },
            landmarks: landmarks(&points),
            eye_corners: Some(points),
            confidence: confidence(window.score),
        }
    }

    /// dlib's five points of the face in `rect`, in whole pixels as dlib has them: outer and inner corner of the
    /// subject's left eye, outer and inner corner of the right eye, base of the nose.
    #[must_use]
    pub fn points(&self, image: &Image, rect: [i64; 4]) -> [PointPx; 5] {
        let [left, top, right, bottom] = rect.map(whole);
        let found = self.predictor.find(image, &BoxPx { left, top, width: right - left, height: bottom - top });
        let mut points = [PointPx { x: 0.0, y: 0.0 }; 5];
        for (point, found) in points.iter_mut().zip(found) {
            *point = PointPx { x: (found.x + 0.5).floor(), y: (found.y + 0.5).floor() };
        }
        points
    }

    /// What dlib's detector finds in `image`, doubled so often before (0 or 1), most confident first.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn windows(&self, image: &Image, doublings: u32) -> Result<Vec<Window>, NetworkError> {
        let doubled = (doublings > 0).then(|| pyramid::double(image));
        let seen = doubled.as_ref().unwrap_or(image);
        let tiling = Tiling::of(seen.width_px() as usize, seen.height_px() as usize);
        let canvas = canvas(&tiling);
        let found = self
            .compiled(canvas)?
            .infer(|input| fill(seen, &tiling, canvas, input), |outputs| candidates(outputs[0], &tiling, canvas))?;
        let mut kept = suppress(found);
        if doublings > 0 {
            kept.iter_mut().for_each(|window| window.rect = pyramid::halved(window.rect));
        }
        Ok(kept)
    }

    fn compiled(&self, canvas: Canvas) -> Result<Arc<Network>, NetworkError> {
        let slot = self.slot(canvas);
        let mut slot = lock(&slot);
        if let Some(network) = &*slot {
            return Ok(Arc::clone(network));
        }
        let network = self.source.compile([1, 4, canvas.height, canvas.width], self.idle_max)?;
        let (rows, columns) = (cells(canvas.height), cells(canvas.width));
        match network.outputs() {
            [output] if output.shape == [1, 1, rows, columns] => {}
            found => {
                let name = self.source.name();
                return Err(NetworkError(format!(
                    "network `{name}` gives {found:?}, expected one output of 1 x 1 x {rows} x {columns}"
                )));
            }
        }
        Ok(Arc::clone(slot.insert(Arc::new(network))))
    }

    fn slot(&self, canvas: Canvas) -> Slot {
        let mut canvases = lock(&self.canvases);
        let known = canvases.iter().position(|(other, _)| *other == canvas);
        let entry = known.map_or_else(|| (canvas, Slot::default()), |index| canvases.remove(index));
        if canvases.len() >= CANVASES_MAX {
            canvases.remove(0);
        }
        let slot = Arc::clone(&entry.1);
        canvases.push(entry);
        slot
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::cast_precision_loss, reason = "pixels of a picture")]
fn whole(value: i64) -> f32 {
    value as f32
}

/// Cells of the score map along a side.
fn cells(side: usize) -> usize {
    if side < FIELD_PX { 0 } else { (side - FIELD_PX) / STRIDE_PX + 1 }
}

/// The smallest of few canvases that holds a tiling: sides are multiples of a sixteenth of the next power of two.
fn canvas(tiling: &Tiling) -> Canvas {
    let side = |side: usize| side.next_multiple_of((side.next_power_of_two() / 16).max(32));
    Canvas { width: side(tiling.width), height: side(tiling.height) }
}

/// Planes R, G, B of the pyramid, and one that is 1 where dlib's canvas has ended.
fn fill(image: &Image, tiling: &Tiling, canvas: Canvas, input: &mut [f32]) {
    let plane_length = canvas.width * canvas.height;
    let (pixels, outside) = input.split_at_mut(3 * plane_length);
    for (channel, plane) in pixels.chunks_exact_mut(plane_length).enumerate() {
        plane.fill(0.0);
        pyramid::first_level(image, channel, CONTRACT.means[channel], &tiling.rects[0], plane, canvas.width);
        for levels in tiling.rects.windows(2) {
            pyramid::next_level(plane, canvas.width, &levels[0], &levels[1]);
        }
    }
    for (y, row) in outside.chunks_exact_mut(canvas.width).enumerate() {
        let inside = if y < tiling.height { tiling.width } else { 0 };
        row[..inside].fill(0.0);
        row[inside..].fill(1.0);
    }
}

/// Windows that score, most confident first, in pixels of the picture.
fn candidates(scores: &[f32], tiling: &Tiling, canvas: Canvas) -> Vec<Window> {
    let columns = cells(canvas.width);
    let inside = (cells(tiling.width), cells(tiling.height));
    let mut found: Vec<(usize, usize, f32)> = Vec::new();
    for (row, line) in scores.chunks_exact(columns.max(1)).enumerate().take(inside.1) {
        // A NaN compares false.
        found.extend(line[..inside.0].iter().enumerate().filter(|(_, s)| **s > 0.0).map(|(c, s)| (c, row, *s)));
    }
    found.sort_by(|a, b| b.2.total_cmp(&a.2));
    found.truncate(CANDIDATES_MAX);
    let window = |(column, row, score): (usize, usize, f32)| {
        let middle = [column, row].map(|cell| cell * STRIDE_PX + FIRST_PX);
        Window { rect: tiling.in_picture(middle, CONTRACT.window_px), score }
    };
    found.into_iter().map(window).collect()
}

/// Greedy suppression as dlib has it: overlap is measured against the box around both.
fn suppress(found: Vec<Window>) -> Vec<Window> {
    let mut kept: Vec<Window> = Vec::new();
    for window in found {
        if !kept.iter().any(|other| overlaps(&Rect::from(other.rect), &Rect::from(window.rect))) {
            kept.push(window);
        }
    }
    kept
}

fn overlaps(a: &Rect, b: &Rect) -> bool {
    let inner = a.intersection(b).area();
    let (iou_max, covered_max) = (f64::from(CONTRACT.iou_max), f64::from(CONTRACT.covered_max));
    inner > 0.0
        && (inner / a.hull(b).area() > iou_max || inner / a.area() > covered_max || inner / b.area() > covered_max)
}

/// dlib's score as a confidence: training pushes faces over 1 and everything else under -1, and 0 divides them, so
/// that 0.5 is the threshold and clear faces have 1.
fn confidence(score: f32) -> f32 {
    ((1.0 + score) / 2.0).clamp(0.0, 1.0)
}

/// Where a mean face has its corners of the mouth, in distances between the middles of the eyes, from their middle:
/// sideways and downwards.
const MOUTH: (f32, f32) = (0.42, 1.02);

/// The landmarks of the other detectors: eyes are the middles between their corners, the nose is its base; the corners
/// of the mouth are where a mean face has them, because dlib does not look for them.
fn landmarks([left_outer, left_inner, right_outer, right_inner, nose]: &[PointPx; 5]) -> Landmarks {
    let middle = |a: &PointPx, b: &PointPx| PointPx { x: f32::midpoint(a.x, b.x), y: f32::midpoint(a.y, b.y) };
    let (right_eye, left_eye) = (middle(right_outer, right_inner), middle(left_outer, left_inner));
    let between = middle(&right_eye, &left_eye);
    let (x, y) = (left_eye.x - right_eye.x, left_eye.y - right_eye.y);
    let mouth = |side: f32| PointPx {
        x: between.x + side * MOUTH.0 * x - MOUTH.1 * y,
        y: between.y + side * MOUTH.0 * y + MOUTH.1 * x,
    };
    Landmarks { right_eye, left_eye, nose: *nose, mouth_right: mouth(-1.0), mouth_left: mouth(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canvases_hold_their_tilings_and_are_few() {
        let mut seen = std::collections::HashSet::new();
        for width in 1..600 {
            let tiling = Tiling::of(width, width / 2 + 1);
            let canvas = canvas(&tiling);
            assert!(canvas.width >= tiling.width && canvas.height >= tiling.height);
            assert!(canvas.width >= FIELD_PX && canvas.height >= FIELD_PX);
            seen.insert((canvas.width, canvas.height));
        }
        assert!(seen.len() < 80, "{}", seen.len());
    }

    #[test]
    fn the_less_confident_of_two_overlapping_windows_goes() {
        let window = |left, score| Window { rect: [left, 0, left + 79, 79], score };
        let kept = suppress(vec![window(0, 1.0), window(20, 0.9), window(60, 0.8)]);
        assert_eq!(kept, [window(0, 1.0), window(60, 0.8)]);
    }

    #[test]
    fn landmarks_turn_with_the_face() {
        let at = |x: f32, y: f32| PointPx { x, y };
        let upright = landmarks(&[at(75.0, 50.0), at(65.0, 50.0), at(25.0, 50.0), at(35.0, 50.0), at(50.0, 75.0)]);
        assert_eq!((upright.right_eye, upright.left_eye), (at(30.0, 50.0), at(70.0, 50.0)));
        assert!(upright.mouth_right.x < upright.mouth_left.x && upright.mouth_left.y > upright.nose.y);
        // A quarter turn clockwise: down becomes left.
        let turned = landmarks(&[at(50.0, 75.0), at(50.0, 65.0), at(50.0, 25.0), at(50.0, 35.0), at(25.0, 50.0)]);
        assert!(turned.mouth_left.x < 25.0 && turned.mouth_left.y > turned.mouth_right.y, "{turned:?}");
    }

    #[test]
    fn scores_outside_dlibs_canvas_are_no_faces() {
        let tiling = Tiling::of(100, 100);
        let canvas = canvas(&tiling);
        let (columns, rows) = (cells(canvas.width), cells(canvas.height));
        let mut scores = vec![f32::NAN; columns * rows];
        scores[columns * rows - 1] = 2.0;
        assert!(columns > cells(tiling.width));
        assert!(candidates(&scores, &tiling, canvas).is_empty());
        scores[columns + 1] = 0.5;
        assert_eq!(candidates(&scores, &tiling, canvas).len(), 1);
    }
}
