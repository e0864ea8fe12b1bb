//! Faces in a picture: YuNet over several scales, decoded and suppressed here.
//!
//! YuNet (Wu, Peng and Yu, 2023) sees faces of roughly 10 to 300 pixels. A large picture is therefore looked
//! at twice: shrunk to at most [`FINE_PX`], where small faces are found, and to [`COARSE_PX`], where a face
//! that fills the picture has a size that the network knows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::FACES_MAX;
use super::NetworkFile;
use super::geometry::{BoxPx, PointPx};
use super::image::Image;
use super::instructions::{Work, widest};
use super::network::{Network, NetworkError, NetworkSource, Output, Runtime};
use super::resize::shrink;

/// Longest side of the fine level, pixels: a picture of 1920 x 1080 is looked at as it is. Of 200 faces of LFW shrunk
/// to 40 pixels and put into such pictures all are found so; at 1280 it were 195, at 960 only 174.
pub const FINE_PX: u32 = 1920;

/// Longest side of the coarse level, pixels; pictures up to this size have only this level, unscaled.
pub const COARSE_PX: u32 = 256;

/// Longest sides of the canvases that the network is compiled for; these steps keep the padding small.
const CANVAS_LONG_PX: [u32; 6] = [COARSE_PX, 320, 640, 1024, 1408, FINE_PX];

/// Sizes whose canvases are compiled by [`Detector::warm`]: what cameras and screens give after decoding.
const USUAL_PX: [(u32, u32); 4] = [(640, 480), (1024, 768), (768, 1024), (1920, 1080)];

/// Single-level pictures: a face that fills one of these is still within the network's range.
const SINGLE_LEVEL_PX: u32 = 320;

/// Cells of these sizes, pixels; the contract of the YuNet files.
const STRIDES_PX: [u16; 3] = [8, 16, 32];

/// More candidates than this per picture are cut to the most confident: suppression is quadratic, and a
/// hostile picture decides how many there are.
const CANDIDATES_MAX: usize = 5000;

/// Five points of a face. Left and right are the subject's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Landmarks {
    /// The subject's right eye: at smaller x in an upright picture.
    pub right_eye: PointPx,
    /// The subject's left eye.
    pub left_eye: PointPx,
    /// Tip of the nose.
    pub nose: PointPx,
    /// The subject's right corner of the mouth.
    pub mouth_right: PointPx,
    /// The subject's left corner of the mouth.
    pub mouth_left: PointPx,
}

impl Landmarks {
    /// Right eye, left eye, nose, right and left mouth corner: the order of YuNet and of the reference points
    /// of every embedder here.
    #[must_use]
    pub fn points(&self) -> [PointPx; 5] {
        [self.right_eye, self.left_eye, self.nose, self.mouth_right, self.mouth_left]
    }

    /// The inverse of [`Landmarks::points`].
    #[must_use]
    pub fn from_points([right_eye, left_eye, nose, mouth_right, mouth_left]: [PointPx; 5]) -> Self {
        Self { right_eye, left_eye, nose, mouth_right, mouth_left }
    }
}

/// One detected face, in pixels of the upright full-size picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// May reach outside the picture.
    pub box_px: BoxPx,
    /// Five points.
    pub landmarks: Landmarks,
    /// dlib's own five points, where its shape predictor found the face: outer and inner corner of the subject's left
    /// eye, outer and inner corner of the right eye, base of the nose. The mouth in `landmarks` is not seen then, only
    /// where a mean face has it.
    pub eye_corners: Option<[PointPx; 5]>,
    /// The detector's confidence, 0 to 1.
    pub confidence: f32,
}

impl Detection {
    /// The same face where the pixel edge (x, y) is moved to (`left` + `sx` x, `top` + `sy` y). Pixel centres are
    /// at whole coordinates, so points move as the edges half a pixel before them do.
    #[expect(clippy::cast_possible_truncation, reason = "pixel coordinates; f32 holds them to a fraction")]
    #[must_use]
    pub fn moved(&self, (sx, sy): (f64, f64), (left, top): (f64, f64)) -> Self {
        let x = |x: f32| ((f64::from(x) + 0.5) * sx + left - 0.5) as f32;
        let y = |y: f32| ((f64::from(y) + 0.5) * sy + top - 0.5) as f32;
        let moved = |point: PointPx| PointPx { x: x(point.x), y: y(point.y) };
        let BoxPx { left, top, width, height } = self.box_px;
        let (width, height) = (f64::from(width) * sx, f64::from(height) * sy);
        Self {
            box_px: BoxPx { left: x(left), top: y(top), width: width as f32, height: height as f32 },
            landmarks: Landmarks::from_points(self.landmarks.points().map(moved)),
            eye_corners: self.eye_corners.map(|points| points.map(moved)),
            confidence: self.confidence,
        }
    }
}

/// What counts as a face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectOptions {
    /// Least confidence, 0 to 1.
    pub confidence_min: f32,
    /// Of two boxes that overlap by more than this intersection over union, the less confident is dropped.
    pub iou_max: f32,
    /// Most faces returned; the largest are kept.
    pub faces_max: usize,
}

impl Default for DetectOptions {
    fn default() -> Self {
        Self { confidence_min: 0.6, iou_max: 0.3, faces_max: FACES_MAX }
    }
}

/// YuNet, compiled for each canvas as it is first needed.
pub struct Detector {
    source: Arc<NetworkSource>,
    // Bounded: `canvas` yields at most 22 shapes.
    networks: Mutex<HashMap<Canvas, Slot>>,
    idle_max: usize,
}

/// Locked while its network is compiled: callers that meet at a new canvas compile it once, others go on.
type Slot = Arc<Mutex<Option<Arc<Compiled>>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Canvas {
    pub(super) width_px: u32,
    pub(super) height_px: u32,
}

struct Compiled {
    network: Network,
    heads: [Head; 3],
}

/// Indices of the four outputs of one stride.
#[derive(Debug, Clone, Copy)]
struct Head {
    cls: usize,
    obj: usize,
    bbox: usize,
    kps: usize,
}

impl Detector {
    /// Reads the network and compiles it for small pictures, the rest when first needed.
    ///
    /// `idle_max` bounds the instances kept for each canvas: the number of callers at once.
    ///
    /// # Errors
    /// The file cannot be read, or is not a YuNet with outputs `cls`, `obj`, `bbox` and `kps` at strides 8,
    /// 16 and 32.
    pub fn open(runtime: &Runtime, file: &NetworkFile, idle_max: usize) -> Result<Self, NetworkError> {
        let source = Arc::new(runtime.read(file)?);
        let detector = Self { source, networks: Mutex::new(HashMap::new()), idle_max };
        detector.compiled(canvas(COARSE_PX, COARSE_PX))?;
        Ok(detector)
    }

    /// Compiles what the first small pictures of all callers at once and the first large ones of usual sizes would
    /// otherwise wait for (a third of a second each). Meant for a thread beside the first requests.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn warm(&self) -> Result<(), NetworkError> {
        self.compiled(canvas(COARSE_PX, COARSE_PX))?.network.fill_idle()?;
        USUAL_PX.iter().try_for_each(|&(width_px, height_px)| self.compiled(canvas(width_px, height_px)).map(drop))
    }

    /// Faces in `image`, in its pixels, largest box first.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn detect(&self, image: &Image, options: &DetectOptions) -> Result<Vec<Detection>, NetworkError> {
        let mut found = Vec::new();
        for (width_px, height_px) in levels(image.width_px(), image.height_px()) {
            if (width_px, height_px) == (image.width_px(), image.height_px()) {
                found.extend(self.detect_level(image, options)?);
            } else {
                let level = shrink(image, width_px, height_px);
                let scale = (ratio(image.width_px(), width_px), ratio(image.height_px(), height_px));
                found.extend(self.detect_level(&level, options)?.iter().map(|face| face.moved(scale, (0.0, 0.0))));
            }
        }
        let mut kept = suppress(found, options.iou_max);
        kept.sort_by(|a, b| b.box_px.area().total_cmp(&a.box_px.area()));
        kept.truncate(options.faces_max);
        Ok(kept)
    }

    /// Candidates at one scale, before suppression. `image` is put at the top left of a black canvas.
    fn detect_level(&self, image: &Image, options: &DetectOptions) -> Result<Vec<Detection>, NetworkError> {
        let canvas = canvas(image.width_px(), image.height_px());
        let compiled = self.compiled(canvas)?;
        compiled.network.infer(
            |input| fill_canvas(image, canvas, input),
            |outputs| {
                let heads = STRIDES_PX.iter().zip(&compiled.heads);
                heads.flat_map(|(&stride, head)| candidates(outputs, head, stride, canvas, options)).collect()
            },
        )
    }

    fn compiled(&self, canvas: Canvas) -> Result<Arc<Compiled>, NetworkError> {
        let slot = Arc::clone(lock(&self.networks).entry(canvas).or_default());
        let mut slot = lock(&slot);
        if let Some(compiled) = &*slot {
            return Ok(Arc::clone(compiled));
        }
        let shape = [1, 3, canvas.height_px as usize, canvas.width_px as usize];
        let network = self.source.compile(shape, self.idle_max)?;
        let heads = heads(self.source.name(), network.outputs(), canvas)?;
        Ok(Arc::clone(slot.insert(Arc::new(Compiled { network, heads }))))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ratio(a: u32, b: u32) -> f64 {
    f64::from(a) / f64::from(b)
}

/// Sizes at which a picture is looked at. An unscaled level equals the picture's own size.
pub(super) fn levels(width_px: u32, height_px: u32) -> Vec<(u32, u32)> {
    let long = width_px.max(height_px);
    if long <= SINGLE_LEVEL_PX {
        return vec![(width_px, height_px)];
    }
    vec![fitted(width_px, height_px, FINE_PX), fitted(width_px, height_px, COARSE_PX)]
}

/// The size whose longest side is at most `long_px`, proportions kept; no side under 1.
fn fitted(width_px: u32, height_px: u32, long_px: u32) -> (u32, u32) {
    let long = width_px.max(height_px);
    if long <= long_px {
        return (width_px, height_px);
    }
    let side = |side: u32| {
        let rounded = (u64::from(side) * u64::from(long_px) + u64::from(long) / 2) / u64::from(long);
        u32::try_from(rounded).unwrap_or(long_px).clamp(1, long_px)
    };
    (side(width_px), side(height_px))
}

/// The smallest canvas of the fixed set that holds a level: square when small, else 16:9, 4:3 or square, lying
/// or standing. All sides are multiples of 32.
pub(super) fn canvas(width_px: u32, height_px: u32) -> Canvas {
    let (long, short) = (width_px.max(height_px), width_px.min(height_px));
    let long_px = CANVAS_LONG_PX.into_iter().find(|&side| side >= long).unwrap_or(FINE_PX);
    let short_px = if long_px <= SINGLE_LEVEL_PX {
        long_px
    } else {
        // 9/16 rounded up to a multiple of 32, 3/4, 1.
        [(long_px * 9 / 16).next_multiple_of(32), long_px * 3 / 4, long_px]
            .into_iter()
            .find(|&side| side >= short)
            .unwrap_or(long_px)
    };
    if width_px >= height_px {
        Canvas { width_px: long_px, height_px: short_px }
    } else {
        Canvas { width_px: short_px, height_px: long_px }
    }
}

/// RGB bytes to the network's input: planes B, G, R of 0..255, black where the picture does not reach.
fn fill_canvas(image: &Image, canvas: Canvas, input: &mut [f32]) {
    widest(FillCanvas { image, canvas, input });
}

/// The work of [`fill_canvas`].
struct FillCanvas<'a> {
    image: &'a Image,
    canvas: Canvas,
    input: &'a mut [f32],
}

impl Work for FillCanvas<'_> {
    type Answer = ();

    #[inline(always)]
    fn run(self) {
        let (width, height) = (self.image.width_px() as usize, self.image.height_px() as usize);
        let (canvas_width, canvas_height) = (self.canvas.width_px as usize, self.canvas.height_px as usize);
        let (blue, rest) = self.input.split_at_mut(canvas_width * canvas_height);
        let (green, red) = rest.split_at_mut(canvas_width * canvas_height);
        let planes = blue
            .chunks_exact_mut(canvas_width)
            .zip(green.chunks_exact_mut(canvas_width))
            .zip(red.chunks_exact_mut(canvas_width));
        // HWC -> CHW
        let mut rows = self.image.rgb().chunks_exact(width * 3).take(height);
        for ((blue, green), red) in planes {
            let pixels = rows.next().unwrap_or(&[]).as_chunks::<3>().0;
            // The input still holds an earlier picture.
            fill_row(pixels, 0, red);
            fill_row(pixels, 1, green);
            fill_row(pixels, 2, blue);
        }
    }
}

/// One channel of a row, and black after it.
#[inline(always)]
fn fill_row(pixels: &[[u8; 3]], channel: usize, plane: &mut [f32]) {
    const PIXELS: usize = 16;
    let (filled, black) = plane.split_at_mut(pixels.len());
    let (groups, rest) = pixels.as_chunks::<PIXELS>();
    let (wide, narrow) = filled.as_chunks_mut::<PIXELS>();
    for (values, group) in wide.iter_mut().zip(groups) {
        for (value, pixel) in values.iter_mut().zip(group) {
            *value = f32::from(pixel[channel]);
        }
    }
    for (value, pixel) in narrow.iter_mut().zip(rest) {
        *value = f32::from(pixel[channel]);
    }
    black.fill(0.0);
}

/// The outputs by position: `cls`, `obj`, `bbox`, `kps`, each at strides 8, 16 and 32. Names do not help: the
/// runtime gives any one of a tensor's names. `cls` and `obj` have the same shape, and only their product counts.
fn heads(name: &str, outputs: &[Output], canvas: Canvas) -> Result<[Head; 3], NetworkError> {
    let find = |kind: usize, depth: usize, nth: usize| {
        let (index, stride) = (kind * 3 + nth, u32::from(STRIDES_PX[nth]));
        let cells = (canvas.width_px / stride) as usize * (canvas.height_px / stride) as usize;
        match outputs.get(index) {
            Some(output) if output.shape == [1, cells, depth] => Ok(index),
            found => Err(NetworkError(format!(
                "network `{name}` is no YuNet: output {index} is {found:?}, expected [1, {cells}, {depth}]"
            ))),
        }
    };
    let head =
        |nth| Ok(Head { cls: find(0, 1, nth)?, obj: find(1, 1, nth)?, bbox: find(2, 4, nth)?, kps: find(3, 10, nth)? });
    Ok([head(0)?, head(1)?, head(2)?])
}

/// Cells of one stride whose confidence suffices. Per cell (column c, row r) and stride s: confidence
/// sqrt(cls * obj), each clamped to 0..1; centre ((c + b0) s, (r + b1) s); size (exp(b2) s, exp(b3) s); points
/// ((c + k2n) s, (r + k2n+1) s).
fn candidates(outputs: &[&[f32]], head: &Head, stride: u16, canvas: Canvas, options: &DetectOptions) -> Vec<Detection> {
    let columns = (canvas.width_px / u32::from(stride)) as usize;
    let least = options.confidence_min * options.confidence_min;
    let scores = outputs[head.cls].iter().zip(outputs[head.obj]);
    scores
        .enumerate()
        .filter_map(|(cell, (cls, obj))| {
            // A NaN compares false and is dropped here.
            let product = cls.clamp(0.0, 1.0) * obj.clamp(0.0, 1.0);
            (product >= least).then_some((cell, product))
        })
        .map(|(cell, product)| {
            let at = Cell { column: small(cell % columns), row: small(cell / columns), stride: f32::from(stride) };
            let box_px = at.box_px(&outputs[head.bbox][cell * 4..][..4]);
            let landmarks = at.landmarks(&outputs[head.kps][cell * 10..][..10]);
            Detection { box_px, landmarks, eye_corners: None, confidence: product.sqrt() }
        })
        .filter(is_finite)
        .collect()
}

fn small(index: usize) -> f32 {
    // At most 1920 / 8 cells a side.
    f32::from(u16::try_from(index).unwrap_or(u16::MAX))
}

struct Cell {
    column: f32,
    row: f32,
    stride: f32,
}

impl Cell {
    fn point(&self, x: f32, y: f32) -> PointPx {
        PointPx { x: (self.column + x) * self.stride, y: (self.row + y) * self.stride }
    }

    fn box_px(&self, b: &[f32]) -> BoxPx {
        let centre = self.point(b[0], b[1]);
        let (width, height) = (b[2].exp() * self.stride, b[3].exp() * self.stride);
        BoxPx { left: centre.x - width / 2.0, top: centre.y - height / 2.0, width, height }
    }

    fn landmarks(&self, k: &[f32]) -> Landmarks {
        let point = |n: usize| self.point(k[2 * n], k[2 * n + 1]);
        Landmarks::from_points([point(0), point(1), point(2), point(3), point(4)])
    }
}

fn is_finite(face: &Detection) -> bool {
    let b = &face.box_px;
    let sides = [b.left, b.top, b.width, b.height].iter().all(|side| side.is_finite());
    sides && face.landmarks.points().iter().all(|point| point.x.is_finite() && point.y.is_finite())
}

/// Greedy suppression, most confident first (as OpenCV's `FaceDetectorYN`, but with the true IoU).
#[must_use]
pub fn suppress(mut found: Vec<Detection>, iou_max: f32) -> Vec<Detection> {
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    found.truncate(CANDIDATES_MAX);
    let mut kept: Vec<Detection> = Vec::new();
    for face in found {
        if kept.iter().all(|other| other.box_px.iou(&face.box_px) <= iou_max) {
            kept.push(face);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn face(left: f32, side: f32, confidence: f32) -> Detection {
        let at = PointPx { x: left, y: 0.0 };
        let box_px = BoxPx { left, top: 0.0, width: side, height: side };
        Detection { box_px, landmarks: Landmarks::from_points([at; 5]), eye_corners: None, confidence }
    }

    #[test]
    fn small_pictures_are_looked_at_once_and_unscaled() {
        assert_eq!(levels(250, 250), [(250, 250)]);
        assert_eq!(canvas(250, 250), Canvas { width_px: 256, height_px: 256 });
    }

    #[test]
    fn large_pictures_have_a_fine_and_a_coarse_level() {
        assert_eq!(levels(1920, 1080), [(1920, 1080), (256, 144)]);
        assert_eq!(levels(3000, 4000), [(1440, 1920), (192, 256)]);
        assert_eq!(levels(640, 480), [(640, 480), (256, 192)]);
    }

    #[test]
    fn the_more_confident_of_two_overlapping_boxes_stays() {
        let kept = suppress(vec![face(0.0, 10.0, 0.7), face(1.0, 10.0, 0.9), face(50.0, 10.0, 0.8)], 0.3);
        assert_eq!(kept, [face(1.0, 10.0, 0.9), face(50.0, 10.0, 0.8)]);
    }

    #[test]
    fn black_fills_what_the_picture_leaves() {
        let image = Image::from_rgb(1, 1, vec![1, 2, 3]).unwrap();
        let mut input = vec![9.0; 12];
        fill_canvas(&image, Canvas { width_px: 2, height_px: 2 }, &mut input);
        assert_eq!(input, [3.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_network_that_is_no_yunet_is_refused() {
        let outputs = [Output { name: "fc1".into(), shape: vec![1, 128] }];
        let error = heads("x.onnx", &outputs, canvas(1, 1)).unwrap_err();
        assert!(error.to_string().contains("no YuNet"), "{error}");
    }

    #[test]
    fn a_cell_is_decoded_by_the_contract() {
        let canvas = Canvas { width_px: 32, height_px: 32 };
        let (mut cls, mut bbox, mut kps) = (vec![0.0; 16], vec![0.0; 64], vec![0.0; 160]);
        cls[6] = 0.81; // column 2, row 1
        bbox[24..28].copy_from_slice(&[0.5, 0.25, 2.0_f32.ln(), 3.0_f32.ln()]);
        kps[60..62].copy_from_slice(&[1.0, -0.5]);
        let obj = vec![2.0; 16]; // clamped to 1
        let outputs = [&cls[..], &obj, &bbox, &kps];
        let head = Head { cls: 0, obj: 1, bbox: 2, kps: 3 };
        let found = candidates(&outputs, &head, 8, canvas, &DetectOptions::default());
        assert_eq!(found.len(), 1);
        let (b, eye) = (found[0].box_px, found[0].landmarks.right_eye);
        assert!((found[0].confidence - 0.9).abs() < 1e-6);
        let close = |a: f32, b: f32| (a - b).abs() < 1e-4;
        assert!(close(b.left, 12.0) && close(b.top, -2.0) && close(b.width, 16.0) && close(b.height, 24.0), "{b:?}");
        assert!(close(eye.x, 24.0) && close(eye.y, 4.0), "{eye:?}");
    }

    #[test]
    fn cells_that_are_not_numbers_are_no_faces() {
        let canvas = Canvas { width_px: 8, height_px: 8 };
        let nan = [f32::NAN; 10];
        let head = Head { cls: 0, obj: 0, bbox: 1, kps: 1 };
        let one = [1.0];
        assert!(candidates(&[&one, &nan], &head, 8, canvas, &DetectOptions::default()).is_empty());
        assert!(candidates(&[&nan[..1], &nan], &head, 8, canvas, &DetectOptions::default()).is_empty());
    }

    proptest! {
        #[test]
        fn every_level_fits_its_canvas(width in 1_u32..20_000, height in 1_u32..20_000) {
            for (w, h) in levels(width, height) {
                let canvas = canvas(w, h);
                prop_assert!(w <= canvas.width_px && h <= canvas.height_px);
                prop_assert!(w <= width && h <= height && w > 0 && h > 0);
                prop_assert_eq!((canvas.width_px % 32, canvas.height_px % 32), (0, 0));
            }
        }

        #[test]
        fn what_is_kept_overlaps_no_more_than_allowed(boxes in prop::collection::vec((0.0_f32..100.0, 1.0_f32..50.0, 0.0_f32..1.0), 0..40)) {
            let kept = suppress(boxes.iter().map(|&(left, side, c)| face(left, side, c)).collect(), 0.3);
            for (i, a) in kept.iter().enumerate() {
                for b in &kept[i + 1..] {
                    prop_assert!(a.box_px.iou(&b.box_px) <= 0.3);
                }
            }
            prop_assert_eq!(kept.is_empty(), boxes.is_empty());
        }
    }
}
