//! Aligned faces to unit vectors.

use std::fmt;
use std::sync::Arc;

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
    #[must_use]
    pub fn cosine(&self, other: &Self) -> Option<f32> {
        if self.model_id != other.model_id || self.vector.len() != other.vector.len() {
            return None;
        }
        let dot: f32 = self.vector.iter().zip(&other.vector).map(|(a, b)| a * b).sum();
        Some(dot.clamp(-1.0, 1.0))
    }
}
