//! Aligned faces to unit vectors.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::align::AlignedFace;
use super::dot::cosines;
use super::network::{Network, NetworkError, NetworkSource, Runtime};
use super::{ChannelOrder, EmbedderContract, NetworkFile};

/// Faces that go through the network at once where there are as many. Median time of four on one core, each time after
/// another picture was looked at, one by one and at once: face-reidentification-retail-0095 14.2 and 12.9 ms (bf16 7.3
/// and 6.9), MobileFaceNet 10.7 and 10.3 ms (bf16 7.1 and 6.4). What is gained is reading the weights once: with
/// them in the cache already it is nothing. Eight gain no more than four.
const GROUP: usize = 4;

/// So many groups are embedded one by one before a network for groups is compiled: that takes 140 ms and a group saves
/// about 1 ms, so short-lived processes would only lose by it.
const GROUPS_BEFORE_COMPILING: u64 = 128;

/// Least cosine between a face embedded in a group and alone for a network that is used with groups.
const GROUP_COSINE_MIN: f32 = 0.99999;

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
    source: Arc<NetworkSource>,
    network: Network,
    contract: EmbedderContract,
    idle_max: usize,
    groups_seen: AtomicU64,
    // Set once, by the one caller whose group comes after the first `GROUPS_BEFORE_COMPILING`; nobody waits for it.
    // `None` inside: the network cannot take groups.
    group_network: OnceLock<Option<Network>>,
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
        let network = compiled(&source, &contract, 1, idle_max)?;
        let (groups_seen, group_network) = (AtomicU64::new(0), OnceLock::new());
        Ok(Self { source, network, contract, idle_max, groups_seen, group_network })
    }

    /// What the network was opened with.
    #[must_use]
    pub fn contract(&self) -> &EmbedderContract {
        &self.contract
    }

    /// Makes an instance for each caller at once beforehand; those for groups are made when they pay.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn warm(&self) -> Result<(), NetworkError> {
        self.network.fill_idle()
    }

    /// Whether [`Embedder::embed_all`] gives four faces to the network at once by now: it does after the first 128
    /// groups of four, unless the network takes one face only.
    #[must_use]
    pub fn takes_groups(&self) -> bool {
        matches!(self.group_network.get(), Some(Some(_)))
    }

    /// Embeds one aligned face.
    ///
    /// # Errors
    /// The face has another side than the contract's, the runtime failed, or the network's answer has no
    /// direction (all zero or not finite).
    pub fn embed(&self, face: &AlignedFace) -> Result<Embedding, NetworkError> {
        let [embedding] = self.infer(&self.network, &[face])?;
        Ok(embedding)
    }

    /// Embeds aligned faces, in order; four at once where that pays. A face's embedding may differ in its last bits
    /// from the one that [`Embedder::embed`] gives.
    ///
    /// # Errors
    /// As [`Embedder::embed`], for any of the faces.
    pub fn embed_all(&self, faces: &[&AlignedFace]) -> Result<Vec<Embedding>, NetworkError> {
        let mut embeddings = Vec::with_capacity(faces.len());
        let (groups, rest) = faces.as_chunks::<GROUP>();
        for group in groups {
            match self.network_for(group) {
                Some(network) => embeddings.extend(self.infer(network, group)?),
                None => self.embed_singly(group, &mut embeddings)?,
            }
        }
        self.embed_singly(rest, &mut embeddings)?;
        Ok(embeddings)
    }

    fn embed_singly(&self, faces: &[&AlignedFace], embeddings: &mut Vec<Embedding>) -> Result<(), NetworkError> {
        for face in faces {
            embeddings.push(self.embed(face)?);
        }
        Ok(())
    }

    /// The network for groups, once enough have come; `group` is the first one to try it on.
    fn network_for(&self, group: &[&AlignedFace; GROUP]) -> Option<&Network> {
        if self.groups_seen.fetch_add(1, Ordering::Relaxed) == GROUPS_BEFORE_COMPILING {
            // Many networks are exported for one picture at a time; those stay with that.
            let network = self.try_groups(group).ok().flatten();
            let _ = self.group_network.set(network);
        }
        self.group_network.get()?.as_ref()
    }

    /// Compiles for groups and sees whether `group` gets the answers it gets one by one: a network that was exported
    /// for one picture may take four and mix them.
    fn try_groups(&self, group: &[&AlignedFace; GROUP]) -> Result<Option<Network>, NetworkError> {
        let network = compiled(&self.source, &self.contract, GROUP, self.idle_max)?;
        let together = self.infer(&network, group)?;
        let mut singly = Vec::with_capacity(GROUP);
        self.embed_singly(group, &mut singly)?;
        let agree = |(a, b): (&Embedding, &Embedding)| a.cosine(b).is_some_and(|cosine| cosine >= GROUP_COSINE_MIN);
        Ok(together.iter().zip(&singly).all(agree).then_some(network))
    }

    /// `network` is compiled for exactly `N` faces.
    fn infer<const N: usize>(
        &self,
        network: &Network,
        faces: &[&AlignedFace; N],
    ) -> Result<[Embedding; N], NetworkError> {
        let EmbedderContract { model_id, input_px, channels, range, dimensions, .. } = &self.contract;
        if let Some(face) = faces.iter().find(|face| face.side_px() != *input_px) {
            let side_px = face.side_px();
            return Err(NetworkError(format!(
                "an aligned face of side {side_px} px, `{model_id}` takes {input_px} px"
            )));
        }
        let raw = |mirrored: bool| {
            network.infer(
                |input| {
                    for (face, planes) in faces.iter().zip(input.chunks_exact_mut(input.len() / N)) {
                        fill_planes(face.rgb(), *channels, *range, planes);
                        if mirrored {
                            planes.chunks_exact_mut(*input_px as usize).for_each(<[f32]>::reverse);
                        }
                    }
                },
                |outputs| outputs[0].to_vec(),
            )
        };
        let mut sum = raw(false)?;
        if self.contract.mirrored {
            sum.iter_mut().zip(raw(true)?).for_each(|(sum, value)| *sum += value);
        }
        let rows = sum.chunks_exact(*dimensions);
        let embeddings: Option<Vec<_>> = rows.map(|row| Embedding::normalised(model_id.clone(), row)).collect();
        embeddings
            .and_then(|embeddings| embeddings.try_into().ok())
            .ok_or_else(|| NetworkError(format!("`{model_id}` gave a vector without direction")))
    }
}

/// The network for `faces` faces at once, held against its contract: one output, one row of it for each face.
fn compiled(
    source: &Arc<NetworkSource>,
    contract: &EmbedderContract,
    faces: usize,
    idle_max: usize,
) -> Result<Network, NetworkError> {
    let side = contract.input_px as usize;
    let network = source.compile([faces, 3, side, side], idle_max)?;
    let shapes: Vec<_> = network.outputs().iter().map(|output| output.shape.as_slice()).collect();
    let fits = match shapes[..] {
        [shape] => {
            let values = shape.iter().product::<usize>();
            contract.dimensions > 0
                && values == faces * contract.dimensions
                && (faces == 1 || shape.first() == Some(&faces))
        }
        _ => false,
    };
    if !fits {
        return Err(NetworkError(format!(
            "network `{}` gives {shapes:?}, its contract `{}` expects one output of {faces} x {} values",
            source.name(),
            contract.model_id,
            contract.dimensions
        )));
    }
    Ok(network)
}

/// RGB bytes to three planes in the network's range and channel order.
fn fill_planes(rgb: &[u8], channels: ChannelOrder, [low, high]: [f32; 2], input: &mut [f32]) {
    let step = (high - low) / 255.0;
    let order = match channels {
        ChannelOrder::Rgb => [0, 1, 2],
        ChannelOrder::Bgr => [2, 1, 0],
    };
    // HWC -> CHW
    for (plane, channel) in input.chunks_exact_mut(rgb.len() / 3).zip(order) {
        for (value, pixel) in plane.iter_mut().zip(rgb.chunks_exact(3)) {
            *value = f32::from(pixel[channel]) * step + low;
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
        fill_planes(&[1, 2, 3, 4, 5, 6], ChannelOrder::Bgr, [0.0, 255.0], &mut input);
        assert_eq!(input, [3.0, 6.0, 2.0, 5.0, 1.0, 4.0]);
        fill_planes(&[1, 2, 3, 4, 5, 6], ChannelOrder::Rgb, [0.0, 255.0], &mut input);
        assert_eq!(input, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        fill_planes(&[0, 255, 255, 0, 0, 0], ChannelOrder::Rgb, [-1.0, 1.0], &mut input);
        assert_eq!(input, [-1.0, -1.0, 1.0, -1.0, 1.0, -1.0]);
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
