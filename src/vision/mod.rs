//! Picture bytes to embeddings: `bytes -> Picture -> Detection -> AlignedFace -> Embedding`.
//!
//! Useful for: finding faces, aligning them, comparing two of them. Knows nothing of HTTP,
//! collections, disk layout or where weights come from. Same input, same output.

pub mod align;
pub mod decode;
pub mod detect;
pub mod embed;
pub mod geometry;
pub mod image;
pub mod network;
pub mod pose;
pub mod quality;

mod seats;

use std::path::PathBuf;

pub use align::AlignedFace;
pub use decode::{DecodeError, DecodeLimits, Picture, Region, Window};
pub use detect::{Detection, Landmarks};
pub use embed::{Embedding, ModelId};
pub use geometry::{BoxPx, PointPx};
pub use image::Image;
pub use pose::Pose;
pub use quality::Quality;

/// At most this many faces of one picture are reported, the largest ones.
pub const FACES_MAX: usize = 100;

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
    /// The five points in input pixels: the picture's left eye, right eye, nose, left and right mouth corner.
    pub reference_px: [PointPx; 5],
    /// Length of the output vector.
    pub dimensions: usize,
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
    /// YuNet.
    pub detector: NetworkFile,
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
pub struct Vision {}

impl Vision {
    /// Loads both networks and warms them.
    ///
    /// # Errors
    /// `Network` when the runtime or a network cannot be loaded or does not fit its contract.
    pub fn open(_options: &VisionOptions) -> Result<Self, VisionError> {
        unimplemented!()
    }

    /// The embedder's id.
    pub fn model_id(&self) -> &ModelId {
        unimplemented!()
    }

    /// Decodes, detects, aligns and measures; blocks while all seats are taken.
    ///
    /// # Errors
    /// `Decode` for bad bytes, `Overloaded` when the queue is full, `Network` for a failure of the runtime.
    pub fn look(&self, _bytes: &[u8]) -> Result<Scene, VisionError> {
        unimplemented!()
    }

    /// Embeds aligned faces, in order.
    ///
    /// # Errors
    /// `Overloaded`, `Network`.
    pub fn embed(&self, _faces: &[&AlignedFace]) -> Result<Vec<Embedding>, VisionError> {
        unimplemented!()
    }
}
