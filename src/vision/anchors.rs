//! Detectors with anchors: SCRFD (Guo et al., 2021) and RetinaFace (Deng et al., 2020).
//!
//! Both give, for two anchors in each cell at strides of 8, 16 and 32 pixels, a score, a box and five landmarks; they
//! differ in what the numbers are relative to. Pictures are looked at on the canvases and at the scales of
//! [`super::detect`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::detect::{Canvas, DetectOptions, Detection, Landmarks, canvas, levels, suppress};
use super::geometry::{BoxPx, PointPx};
use super::image::Image;
use super::network::{Network, NetworkError, NetworkSource, Output, Runtime};
use super::resize::shrink;
use super::{ChannelOrder, NetworkFile};

/// Sides of the cells, pixels.
const STRIDES_PX: [u32; 3] = [8, 16, 32];
/// Anchors of each cell.
const ANCHORS: usize = 2;
/// Sides of RetinaFace's anchors at each stride, pixels.
const RETINA_SIDES_PX: [[f32; ANCHORS]; 3] = [[16.0, 32.0], [64.0, 128.0], [256.0, 512.0]];
/// RetinaFace's outputs are in these parts of an anchor: places, and logarithms of sizes.
const RETINA_VARIANCE: [f32; 2] = [0.1, 0.2];

/// How such a detector is fed and read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnchorContract {
    /// What its numbers mean.
    pub family: AnchorFamily,
    /// Channel order of its input.
    pub channels: ChannelOrder,
    /// What the bytes 0 and 255 become at the input; straight between.
    pub range: [f32; 2],
    /// Subtracted afterwards, in the order of `channels`.
    pub mean: [f32; 3],
}

/// What the numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnchorFamily {
    /// Nine outputs: scores at the three strides (`cells x 1`, 0 to 1), then boxes (`x 4`: distances from the cell's
    /// corner to left, top, right, bottom, in strides), then landmarks (`x 10`: x and y from there, in strides).
    Scrfd,
    /// Three outputs over all strides: boxes (`1 x anchors x 4`: shift of the middle and logarithm of the size, in
    /// anchors), scores (`x 2`, the second one is a face's), landmarks (`x 10`: shifts from the middle, in anchors).
    RetinaFace,
}

/// A detector with anchors, compiled for each canvas as it is first needed.
pub struct AnchorDetector {
    source: Arc<NetworkSource>,
    contract: AnchorContract,
    // Bounded: `canvas` yields at most 22 shapes.
    networks: Mutex<HashMap<Canvas, Slot>>,
    idle_max: usize,
}

/// Locked while its network is compiled: callers that meet at a new canvas compile it once.
type Slot = Arc<Mutex<Option<Arc<Network>>>>;

impl AnchorDetector {
    /// Reads the network and compiles it for small pictures, the rest when first needed.
    ///
    /// # Errors
    /// The file cannot be read, or its outputs are not those of its family.
    pub fn open(
        runtime: &Runtime,
        file: &NetworkFile,
        contract: AnchorContract,
        idle_max: usize,
    ) -> Result<Self, NetworkError> {
        let source = Arc::new(runtime.read(file)?);
        let detector = Self { source, contract, networks: Mutex::new(HashMap::new()), idle_max };
        detector.compiled(canvas(256, 256))?;
        Ok(detector)
    }

    /// Compiles what the first pictures of usual sizes would otherwise wait for.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn warm(&self) -> Result<(), NetworkError> {
        [(256, 256), (640, 480), (1920, 1080)].iter().try_for_each(|&(w, h)| self.compiled(canvas(w, h)).map(drop))
    }

    /// Faces in `image`, in its pixels, largest box first.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn detect(&self, image: &Image, options: &DetectOptions) -> Result<Vec<Detection>, NetworkError> {
        let mut found = Vec::new();
        for (width_px, height_px) in levels(image.width_px(), image.height_px()) {
            let level = shrink(image, width_px, height_px);
            let ratio = |a: u32, b: u32| f64::from(a) / f64::from(b);
            let scale = (ratio(image.width_px(), width_px), ratio(image.height_px(), height_px));
            let faces = self.detect_level(&level, options)?;
            found.extend(
                faces.iter().map(|face| if scale == (1.0, 1.0) { *face } else { face.moved(scale, (0.0, 0.0)) }),
            );
        }
        let mut kept = suppress(found, options.iou_max);
        kept.sort_by(|a, b| b.box_px.area().total_cmp(&a.box_px.area()));
        kept.truncate(options.faces_max);
        Ok(kept)
    }

    fn detect_level(&self, image: &Image, options: &DetectOptions) -> Result<Vec<Detection>, NetworkError> {
        let canvas = canvas(image.width_px(), image.height_px());
        self.compiled(canvas)?.infer(
            |input| fill(image, canvas, &self.contract, input),
            |outputs| match self.contract.family {
                AnchorFamily::Scrfd => scrfd(outputs, canvas, options.confidence_min),
                AnchorFamily::RetinaFace => retina_face(outputs, canvas, options.confidence_min),
            },
        )
    }

    fn compiled(&self, canvas: Canvas) -> Result<Arc<Network>, NetworkError> {
        let slot = Arc::clone(lock(&self.networks).entry(canvas).or_default());
        let mut slot = lock(&slot);
        if let Some(network) = &*slot {
            return Ok(Arc::clone(network));
        }
        let shape = [1, 3, canvas.height_px as usize, canvas.width_px as usize];
        let network = self.source.compile(shape, self.idle_max)?;
        check(self.source.name(), self.contract.family, network.outputs(), canvas)?;
        Ok(Arc::clone(slot.insert(Arc::new(network))))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Anchors at one stride.
fn anchors(canvas: Canvas, stride: u32) -> usize {
    (canvas.width_px / stride) as usize * (canvas.height_px / stride) as usize * ANCHORS
}

/// Holds the outputs against the family: their number, order and values.
fn check(name: &str, family: AnchorFamily, outputs: &[Output], canvas: Canvas) -> Result<(), NetworkError> {
    let counts = STRIDES_PX.map(|stride| anchors(canvas, stride));
    let all: usize = counts.iter().sum();
    let expected: Vec<(usize, usize)> = match family {
        AnchorFamily::Scrfd => [1, 4, 10].into_iter().flat_map(|depth| counts.map(|count| (count, depth))).collect(),
        AnchorFamily::RetinaFace => vec![(all, 4), (all, 2), (all, 10)],
    };
    // With or without a first axis of one picture.
    let fits = |output: &Output, (count, depth): (usize, usize)| {
        output.shape == [count, depth] || output.shape == [1, count, depth]
    };
    if outputs.len() == expected.len() && outputs.iter().zip(&expected).all(|(output, &size)| fits(output, size)) {
        return Ok(());
    }
    let shapes: Vec<_> = outputs.iter().map(|output| &output.shape).collect();
    Err(NetworkError(format!("network `{name}` is no {family:?}: outputs {shapes:?}, expected {expected:?}")))
}

/// RGB bytes to planes in the contract's order and range; a black picture where the picture does not reach.
fn fill(image: &Image, canvas: Canvas, contract: &AnchorContract, input: &mut [f32]) {
    let [low, high] = contract.range;
    let step = (high - low) / 255.0;
    let order = match contract.channels {
        ChannelOrder::Rgb => [0, 1, 2],
        ChannelOrder::Bgr => [2, 1, 0],
    };
    let (width, height) = (canvas.width_px as usize, canvas.height_px as usize);
    let stride = image.width_px() as usize * 3;
    for ((plane, channel), mean) in input.chunks_exact_mut(width * height).zip(order).zip(contract.mean) {
        let black = low - mean;
        plane.fill(black);
        for (row, pixels) in plane.chunks_exact_mut(width).zip(image.rgb().chunks_exact(stride)) {
            for (value, pixel) in row.iter_mut().zip(pixels.chunks_exact(3)) {
                *value = f32::from(pixel[channel]) * step + black;
            }
        }
    }
}

/// Column and row of an anchor's cell.
fn cell(index: usize, canvas: Canvas, stride: u32) -> (f32, f32) {
    let columns = (canvas.width_px / stride) as usize;
    let cell = index / ANCHORS;
    (small(cell % columns), small(cell / columns))
}

fn small(index: usize) -> f32 {
    // At most 1920 / 8 cells a side.
    f32::from(u16::try_from(index).unwrap_or(u16::MAX))
}

fn scrfd(outputs: &[&[f32]], canvas: Canvas, confidence_min: f32) -> Vec<Detection> {
    let mut found = Vec::new();
    for (level, &stride) in STRIDES_PX.iter().enumerate() {
        let [scores, boxes, points] = [0, 3, 6].map(|kind| outputs[kind + level]);
        for (index, &confidence) in scores.iter().enumerate().filter(|(_, score)| **score >= confidence_min) {
            let step = small(stride as usize);
            let (column, row) = cell(index, canvas, stride);
            let (x, y) = (column * step, row * step);
            let b: [f32; 4] = std::array::from_fn(|at| boxes[index * 4 + at] * step);
            let box_px = BoxPx { left: x - b[0], top: y - b[1], width: b[0] + b[2], height: b[1] + b[3] };
            let point = |n: usize| {
                let at = index * 10 + 2 * n;
                PointPx { x: x + points[at] * step, y: y + points[at + 1] * step }
            };
            found.push(detection(box_px, point, confidence));
        }
    }
    found.retain(is_usable);
    found
}

fn retina_face(outputs: &[&[f32]], canvas: Canvas, confidence_min: f32) -> Vec<Detection> {
    let [boxes, scores, points] = [outputs[0], outputs[1], outputs[2]];
    let [place, size] = RETINA_VARIANCE;
    let (mut found, mut first) = (Vec::new(), 0);
    for (&stride, sides) in STRIDES_PX.iter().zip(RETINA_SIDES_PX) {
        let count = anchors(canvas, stride);
        for index in 0..count {
            let at = first + index;
            let confidence = scores[at * 2 + 1];
            // A NaN compares false.
            if confidence >= confidence_min {
                let (step, side) = (small(stride as usize), sides[index % ANCHORS]);
                let (column, row) = cell(index, canvas, stride);
                let (x, y) = ((column + 0.5) * step, (row + 0.5) * step);
                let shifted = |dx: f32, dy: f32| PointPx { x: x + dx * place * side, y: y + dy * place * side };
                let b = &boxes[at * 4..][..4];
                let middle = shifted(b[0], b[1]);
                let (width, height) = (side * (b[2] * size).exp(), side * (b[3] * size).exp());
                let (left, top) = (middle.x - width / 2.0, middle.y - height / 2.0);
                let point = |n: usize| shifted(points[at * 10 + 2 * n], points[at * 10 + 2 * n + 1]);
                found.push(detection(BoxPx { left, top, width, height }, point, confidence));
            }
        }
        first += count;
    }
    found.retain(is_usable);
    found
}

fn detection(box_px: BoxPx, point: impl Fn(usize) -> PointPx, confidence: f32) -> Detection {
    let landmarks = Landmarks::from_points(std::array::from_fn(point));
    Detection { box_px, landmarks, eye_corners: None, confidence: confidence.min(1.0) }
}

fn is_usable(face: &Detection) -> bool {
    let b = &face.box_px;
    let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    finite(&[b.left, b.top, b.width, b.height])
        && b.width > 0.0
        && b.height > 0.0
        && face.landmarks.points().iter().all(|point| finite(&[point.x, point.y]))
}
