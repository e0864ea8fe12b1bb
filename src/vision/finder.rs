//! The detector of a pack, whichever family it is of.

use std::sync::Arc;

use super::NetworkFile;
use super::anchors::{AnchorContract, AnchorDetector};
use super::detect::{DetectOptions, Detection, Detector};
use super::image::Image;
use super::mmod::Mmod;
use super::network::{NetworkError, Runtime};
use super::shape::ShapePredictor;

/// How a detector's outputs become faces.
#[derive(Debug, Clone, Default)]
pub enum DetectorFamily {
    /// Boxes and landmarks at three strides, without anchors: [`super::detect`].
    #[default]
    Yunet,
    /// dlib's sliding window over a pyramid, and a shape predictor for the points: [`super::mmod`].
    Mmod(Arc<ShapePredictor>),
    /// SCRFD and RetinaFace: [`super::anchors`].
    Anchors(AnchorContract),
}

/// A detector of one of the families.
pub enum Finder {
    /// See [`DetectorFamily::Yunet`].
    Yunet(Detector),
    /// See [`DetectorFamily::Mmod`].
    Mmod(Mmod),
    /// See [`DetectorFamily::Anchors`].
    Anchors(AnchorDetector),
}

impl Finder {
    /// Reads the network and compiles it for small pictures, the rest when first needed.
    ///
    /// `idle_max` bounds the instances kept for each canvas: the number of callers at once.
    ///
    /// # Errors
    /// The file cannot be read, or is not of the family.
    pub fn open(
        runtime: &Runtime,
        file: &NetworkFile,
        family: &DetectorFamily,
        idle_max: usize,
    ) -> Result<Self, NetworkError> {
        Ok(match family {
            DetectorFamily::Yunet => Self::Yunet(Detector::open(runtime, file, idle_max)?),
            DetectorFamily::Mmod(predictor) => Self::Mmod(Mmod::open(runtime, file, Arc::clone(predictor), idle_max)?),
            DetectorFamily::Anchors(contract) => {
                Self::Anchors(AnchorDetector::open(runtime, file, *contract, idle_max)?)
            }
        })
    }

    /// Compiles what the first pictures of usual sizes would otherwise wait for.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn warm(&self) -> Result<(), NetworkError> {
        match self {
            Self::Yunet(detector) => detector.warm(),
            Self::Mmod(detector) => detector.warm(),
            Self::Anchors(detector) => detector.warm(),
        }
    }

    /// Faces in `image`, in its pixels, largest box first.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn detect(&self, image: &Image, options: &DetectOptions) -> Result<Vec<Detection>, NetworkError> {
        match self {
            Self::Yunet(detector) => detector.detect(image, options),
            // Their publishers' overlap.
            Self::Anchors(detector) => detector.detect(image, &DetectOptions { iou_max: 0.4, ..*options }),
            // Its own threshold is at a confidence of 0.5; below it, it reports nothing.
            Self::Mmod(detector) => detector.detect(image, &DetectOptions { confidence_min: 0.5, ..*options }),
        }
    }
}
