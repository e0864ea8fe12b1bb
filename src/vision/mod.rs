//! Picture bytes to embeddings: `bytes -> Picture -> Detection -> AlignedFace -> Embedding`.
//!
//! Useful for: finding faces, aligning them, comparing two of them. Knows nothing of HTTP,
//! collections, disk layout or where weights come from. Same input, same output.

pub mod align;
pub mod anchors;
pub mod chip;
pub mod decode;
pub mod detect;
pub mod embed;
pub mod finder;
pub mod geometry;
pub mod image;
pub mod mmod;
pub mod network;
pub mod pose;
pub mod quality;
pub mod resize;
pub mod shape;

mod dot;
mod instructions;
mod seats;

use std::path::PathBuf;
use std::sync::Arc;

use seats::{Seats, Turn};

pub use align::{AlignedFace, Alignment};
pub use decode::{DecodeError, DecodeLimits, Picture, Region, Window};
pub use detect::{DetectOptions, Detection, Detector, Landmarks};
pub(crate) use dot::cosines;
pub use embed::{Embedder, Embedding, ModelId};
pub use finder::{DetectorFamily, Finder};
pub use geometry::{BoxPx, PointPx};
pub use image::Image;
pub use network::{NetworkError, Runtime};
pub use pose::Pose;
pub use quality::Quality;

/// At most this many faces of one picture are reported, the largest ones.
pub const FACES_MAX: usize = 100;

/// Pictures larger than `detect::FINE_PX` are decoded at the smallest scale whose longest side is at least this,
/// pixels, so that twelve megapixels are not more work than two; smaller ones at full size.
pub const OVERVIEW_PX: u32 = 960;

/// Why a picture could not be seen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisionError {
    /// The bytes are no picture we read, or break a limit.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// More callers wait for a seat than the queue allows; try again later.
    #[error("too many pictures are waiting")]
    Overloaded,
    /// The inference runtime failed; our bug or a broken installation.
    #[error("inference failed: {0}")]
    Network(#[from] network::NetworkError),
}

/// One network as `vision` needs to be told of it: files and contract, nothing guessed.
#[derive(Debug, Clone)]
pub struct NetworkFile {
    /// ONNX file, or OpenVINO IR `.xml`.
    pub file: PathBuf,
    /// OpenVINO IR `.bin`; `None` for ONNX.
    pub weights: Option<PathBuf>,
}

/// The embedder's input contract.
#[derive(Debug, Clone)]
pub struct EmbedderContract {
    /// Travels with every embedding, for example `face-reidentification-retail-0095`.
    pub model_id: ModelId,
    /// Side of the square input, pixels.
    pub input_px: u32,
    /// Channel order of the network's input; our pixels are RGB everywhere else.
    pub channels: ChannelOrder,
    /// What the bytes 0 and 255 become at the network's input; straight between.
    pub range: [f32; 2],
    /// Which points are brought onto the reference points.
    pub alignment: Alignment,
    /// The five points in input pixels, in the order of the alignment: for landmarks the picture's left eye, right eye,
    /// nose, left and right mouth corner.
    pub reference_px: [PointPx; 5],
    /// Length of the output vector.
    pub dimensions: usize,
    /// Whether the face and its mirror image are both embedded and their outputs added: twice the work, and a steadier
    /// vector from a network that was measured with several views of a face.
    pub mirrored: bool,
}

/// Order of a network's input channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Numeric precision that the inference runtime computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32-bit floats: the same answer on every machine to about 1e-6.
    #[default]
    F32,
    /// bfloat16 where the processor has it.
    Bf16,
}

/// What [`Vision::open`] needs.
#[derive(Debug, Clone)]
pub struct VisionOptions {
    /// The inference runtime's C library (`libopenvino_c.so...`), opened by path.
    pub runtime_library: PathBuf,
    /// The network that finds faces.
    pub detector: NetworkFile,
    /// How its outputs become faces.
    pub detector_family: DetectorFamily,
    /// The embedding network.
    pub embedder: NetworkFile,
    /// How the embedder wants its input.
    pub embedder_contract: EmbedderContract,
    /// Pictures worked on at once; 0 means the number of cores.
    pub seats: usize,
    /// Callers that may wait for a seat before `Overloaded`.
    pub queue_max: usize,
    /// Inference precision.
    pub precision: Precision,
    /// Byte and pixel limits of decoding.
    pub limits: DecodeLimits,
}

/// One face of a picture. `aligned` is `None` when the landmarks are degenerate.
#[derive(Debug, Clone)]
pub struct Face {
    /// Box, landmarks and confidence, in pixels of the upright picture.
    pub detection: Detection,
    /// Head pose from the landmarks.
    pub pose: Pose,
    /// Brightness and sharpness, 0 to 100.
    pub quality: Quality,
    /// The face as the embedder sees it.
    pub aligned: Option<AlignedFace>,
}

/// What was seen in one picture: its upright size and its faces, largest box first, at most [`FACES_MAX`].
#[derive(Debug, Clone)]
pub struct Scene {
    /// Width of the upright picture, pixels.
    pub width_px: u32,
    /// Height of the upright picture, pixels.
    pub height_px: u32,
    /// Largest first.
    pub faces: Vec<Face>,
}

/// The detector and the embedder, shared by all threads; bounded by its seats.
pub struct Vision {
    // Before what its workers use: they end first.
    seats: Seats,
    networks: Arc<Networks>,
}

/// What the work in a seat needs.
struct Networks {
    finder: Finder,
    embedder: Embedder,
    limits: DecodeLimits,
}

impl Vision {
    /// Loads both networks and compiles them for one caller at a time and small pictures; the rest is compiled
    /// when first needed.
    ///
    /// # Errors
    /// `Network` when the runtime or a network cannot be loaded or does not fit its contract.
    pub fn open(options: &VisionOptions) -> Result<Self, VisionError> {
        let seats = Seats::new(seat_count(options.seats), options.queue_max);
        let runtime = Runtime::load(&options.runtime_library, options.precision)?;
        let finder = Finder::open(&runtime, &options.detector, &options.detector_family, seats.count())?;
        let contract = options.embedder_contract.clone();
        let embedder = Embedder::open(&runtime, &options.embedder, contract, seats.count())?;
        Ok(Self { seats, networks: Arc::new(Networks { finder, embedder, limits: options.limits }) })
    }

    /// The embedder's id.
    pub fn model_id(&self) -> &ModelId {
        &self.embedder().contract().model_id
    }

    /// The detector alone, for callers that keep to their own number of threads.
    pub fn detector(&self) -> &Finder {
        &self.networks.finder
    }

    /// The embedder alone, for callers that keep to their own number of threads.
    pub fn embedder(&self) -> &Embedder {
        &self.networks.embedder
    }

    /// Compiles what the first requests would otherwise wait for; takes a few seconds, so give it a thread of its own
    /// beside them. Nothing depends on it. Let it end before the process does.
    ///
    /// # Errors
    /// `Network` for a failure of the runtime.
    pub fn warm(&self) -> Result<(), VisionError> {
        self.embedder().warm()?;
        Ok(self.detector().warm()?)
    }

    /// Decodes, detects, aligns and measures; blocks while all seats are taken.
    ///
    /// # Errors
    /// `Decode` for bad bytes, `Overloaded` when the queue is full, `Network` for a failure of the runtime.
    pub fn look(&self, bytes: &[u8]) -> Result<Scene, VisionError> {
        if let Some(_seat) = self.seats.try_take() {
            return self.networks.look(bytes);
        }
        let (networks, bytes) = (Arc::clone(&self.networks), bytes.to_vec());
        self.seats.queue(Turn::New, move || networks.look(&bytes))?
    }

    /// Embeds aligned faces, in order, as [`Embedder::embed_all`] does; blocks while all seats are taken, but goes
    /// before new pictures.
    ///
    /// # Errors
    /// `Overloaded`, `Network`.
    pub fn embed(&self, faces: &[&AlignedFace]) -> Result<Vec<Embedding>, VisionError> {
        if faces.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(_seat) = self.seats.try_take() {
            return Ok(self.embedder().embed_all(faces)?);
        }
        let networks = Arc::clone(&self.networks);
        let faces: Vec<AlignedFace> = faces.iter().map(|&face| face.clone()).collect();
        let embedded = self.seats.queue(Turn::Continued, move || {
            let faces: Vec<&AlignedFace> = faces.iter().collect();
            networks.embedder.embed_all(&faces)
        })?;
        Ok(embedded?)
    }
}

impl Networks {
    fn look(&self, bytes: &[u8]) -> Result<Scene, VisionError> {
        let mut picture = Picture::open(bytes, &self.limits)?;
        let long_px = picture.width_px().max(picture.height_px());
        let overview = picture.overview(if long_px > detect::FINE_PX { OVERVIEW_PX } else { long_px })?;
        let found = self.finder.detect(&overview.image, &DetectOptions::default())?;
        let found: Vec<_> = found.iter().map(|face| in_picture(face, &overview)).collect();
        let aligned = self.align_all(&mut picture, &overview, &found)?;
        let faces = found.into_iter().zip(aligned).map(|(detection, aligned)| face(detection, aligned)).collect();
        Ok(Scene { width_px: picture.width_px(), height_px: picture.height_px(), faces })
    }

    /// Aligns each face from the overview where that has a pixel or more for each of the aligned face, and from
    /// a finer window otherwise. `None` for degenerate landmarks.
    fn align_all(
        &self,
        picture: &mut Picture<'_>,
        overview: &Window,
        found: &[Detection],
    ) -> Result<Vec<Option<AlignedFace>>, DecodeError> {
        let mut aligned: Vec<Option<AlignedFace>> = vec![None; found.len()];
        let (mut finer, mut regions) = (Vec::new(), Vec::new());
        for (index, face) in found.iter().enumerate() {
            match self.region(face) {
                Some((step, region)) if step < f64::from(overview.scale) && overview.scale > 1 => {
                    finer.push(index);
                    regions.push(region);
                }
                _ => aligned[index] = self.align(overview, face),
            }
        }
        if !regions.is_empty() {
            for (index, window) in finer.into_iter().zip(picture.windows(&regions)?) {
                aligned[index] = self.align(&window, &found[index]);
            }
        }
        Ok(aligned)
    }

    fn align(&self, window: &Window, face: &Detection) -> Option<AlignedFace> {
        align::align_for(window, face, self.embedder.contract()).ok()
    }

    /// Picture pixels for one of the aligned face, and the region to ask for: a pixel or more for each suffices.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates at full resolution")]
    fn region(&self, face: &Detection) -> Option<(f64, Region)> {
        let (step, box_px) = align::reach(face, self.embedder.contract()).ok()?;
        let long = f64::from(box_px.width.max(box_px.height));
        Some((step, Region { box_px, long_side_px_enough: (long / step).ceil() as u32 }))
    }
}

/// From pixels of the overview to pixels of the picture.
fn in_picture(face: &Detection, overview: &Window) -> Detection {
    let scale = f64::from(overview.scale);
    face.moved((scale, scale), (overview.left_px.into(), overview.top_px.into()))
}

impl From<seats::Full> for VisionError {
    fn from(_: seats::Full) -> Self {
        Self::Overloaded
    }
}

fn seat_count(wanted: usize) -> usize {
    if wanted > 0 { wanted } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

fn face(detection: Detection, aligned: Option<AlignedFace>) -> Face {
    let quality = aligned.as_ref().map_or_else(Quality::default, quality::quality);
    Face { detection, pose: pose::pose(&detection.landmarks), quality, aligned }
}
