//! Aligned faces to unit vectors.

use std::fmt;
use std::sync::Arc;

use super::align::AlignedFace;
use super::dot::cosines;
use super::network::{Network, NetworkError, Runtime};
use super::{ChannelOrder, EmbedderContract, NetworkFile};

/// Name of an embedding network; embeddings of different models cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelId(Arc<str>);

impl ModelId {
    /// Wraps a name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A face as a unit vector, with the id of the network that made it.
///
/// INVARIANT (unit length): the Euclidean norm is 1 to within 1e-5, checked where one is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    model_id: ModelId,
    vector: Vec<f32>,
}

impl Embedding {
    /// Scales `raw` to unit length; `None` when it is empty, zero or not finite.
    #[must_use]
    pub fn normalised(model_id: ModelId, raw: &[f32]) -> Option<Self> {
        let norm = raw.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if !norm.is_finite() || norm < 1e-12 {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, reason = "a ratio of at most 1")]
        let vector = raw.iter().map(|&x| (f64::from(x) / norm) as f32).collect();
        Some(Self { model_id, vector })
    }

    /// Takes a vector that is of unit length already, bit for bit; `None` when it is not, to within 1e-5.
    #[must_use]
    pub fn from_unit(model_id: ModelId, vector: Vec<f32>) -> Option<Self> {
        // Sixteen sums, so that the compiler may use vector instructions: this runs once per stored face.
        let mut sums = [0.0f32; 16];
        for part in vector.chunks(sums.len()) {
            for (sum, x) in sums.iter_mut().zip(part) {
                *sum += x * x;
            }
        }
        let square: f32 = sums.iter().sum();
        ((square - 1.0).abs() <= 2e-5).then_some(Self { model_id, vector })
    }

    /// The network that made it.
    #[must_use]
    pub fn model_id(&self) -> &ModelId {
        &self.model_id
    }

    /// The components.
    #[must_use]
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// Cosine of the angle to `other`, -1 to 1; `None` between different models.
    ///
    /// Bit for bit what a search over a collection gives for the same two.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> Option<f32> {
        if self.model_id != other.model_id || self.vector.len() != other.vector.len() {
            return None;
        }
        let mut cosine = [0.0];
        cosines(&self.vector, &other.vector, &mut cosine);
        Some(cosine[0])
    }
}

/// An embedding network with its contract.
pub struct Embedder {
    network: Network,
    contract: EmbedderContract,
}

impl Embedder {
    /// Reads and compiles the network, and holds it against its contract.
    ///
    /// `idle_max` bounds the instances kept: the number of callers at once.
    ///
    /// # Errors
    /// The file cannot be read, or its input or its one output are not as the contract says.
    pub fn open(
        runtime: &Runtime,
        file: &NetworkFile,
        contract: EmbedderContract,
        idle_max: usize,
    ) -> Result<Self, NetworkError> {
        let source = Arc::new(runtime.read(file)?);
        let side = contract.input_px as usize;
        let network = source.compile([1, 3, side, side], idle_max)?;
        let shapes: Vec<_> = network.outputs().iter().map(|output| output.shape.as_slice()).collect();
        let values = |shape: &[usize]| shape.iter().product::<usize>();
        if contract.dimensions == 0 || shapes.len() != 1 || values(shapes[0]) != contract.dimensions {
            return Err(NetworkError(format!(
                "network `{}` gives {shapes:?}, its contract `{}` expects one output of {} values",
                source.name(),
                contract.model_id,
                contract.dimensions
            )));
        }
        Ok(Self { network, contract })
    }

    /// What the network was opened with.
    #[must_use]
    pub fn contract(&self) -> &EmbedderContract {
        &self.contract
    }

    /// Makes an instance for each caller at once beforehand.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn warm(&self) -> Result<(), NetworkError> {
        self.network.fill_idle()
    }

    /// Embeds one aligned face. One at a time: four at once take 19 % less f32 time a face on one core (2.97 instead of
    /// 3.66 ms with face-reidentification-retail-0095, 2.55 instead of 3.13 ms with MobileFaceNet; eight gain no more),
    /// which only pictures with four faces would see, against a second compiled network in every process.
    ///
    /// # Errors
    /// The face has another side than the contract's, the runtime failed, or the network's answer has no
    /// direction (all zero or not finite).
    pub fn embed(&self, face: &AlignedFace) -> Result<Embedding, NetworkError> {
        if face.side_px() != self.contract.input_px {
            return Err(NetworkError(format!(
                "an aligned face of side {} px, `{}` takes {} px",
                face.side_px(),
                self.contract.model_id,
                self.contract.input_px
            )));
        }
        let embedding = self.network.infer(
            |input| fill_planes(face.rgb(), self.contract.channels, input),
            |outputs| Embedding::normalised(self.contract.model_id.clone(), outputs[0]),
        )?;
        embedding.ok_or_else(|| NetworkError(format!("`{}` gave a vector without direction", self.contract.model_id)))
    }
}

/// RGB bytes to three planes of 0..255 in the network's channel order.
fn fill_planes(rgb: &[u8], channels: ChannelOrder, input: &mut [f32]) {
    let order = match channels {
        ChannelOrder::Rgb => [0, 1, 2],
        ChannelOrder::Bgr => [2, 1, 0],
    };
    // HWC -> CHW
    for (plane, channel) in input.chunks_exact_mut(rgb.len() / 3).zip(order) {
        for (value, pixel) in plane.iter_mut().zip(rgb.chunks_exact(3)) {
            *value = f32::from(pixel[channel]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn planes_follow_the_channel_order() {
        let mut input = [0.0; 6];
        fill_planes(&[1, 2, 3, 4, 5, 6], ChannelOrder::Bgr, &mut input);
        assert_eq!(input, [3.0, 6.0, 2.0, 5.0, 1.0, 4.0]);
        fill_planes(&[1, 2, 3, 4, 5, 6], ChannelOrder::Rgb, &mut input);
        assert_eq!(input, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn embeddings_of_different_models_have_no_cosine() {
        let a = Embedding::normalised(ModelId::new("a"), &[1.0, 0.0]).unwrap();
        let b = Embedding::normalised(ModelId::new("b"), &[1.0, 0.0]).unwrap();
        assert_eq!(a.cosine(&b), None);
        assert_eq!(a.cosine(&a), Some(1.0));
    }

    #[test]
    fn vectors_without_direction_are_no_embeddings() {
        for raw in [&[][..], &[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0]] {
            assert_eq!(Embedding::normalised(ModelId::new("a"), raw), None);
        }
    }

    proptest! {
        #[test]
        fn embeddings_have_unit_length(raw in prop::collection::vec(-1e3_f32..1e3, 1..300)) {
            if let Some(embedding) = Embedding::normalised(ModelId::new("a"), &raw) {
                let norm = embedding.vector().iter().map(|x| x * x).sum::<f32>().sqrt();
                prop_assert!((norm - 1.0).abs() < 1e-5);
            }
        }
    }
}
