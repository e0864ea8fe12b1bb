//! Scores in equal bins.

/// Counts of cosines in equal bins over [-1, 1]: enough to read FMR and FNMR at any threshold from millions
/// of comparisons in little memory.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; Self::BINS] }
    }
}

impl Histogram {
    /// Bins of width 1/10,000.
    pub const BINS: usize = 20_000;

    /// Counts one.
    pub fn add(&mut self, cosine: f32) {
        self.counts[Self::bin(cosine)] += 1;
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the bins")]
    fn bin(cosine: f32) -> usize {
        (((f64::from(cosine) + 1.0) * 0.5 * 20_000.0) as usize).min(Self::BINS - 1)
    }

    /// All comparisons.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many are at or above `threshold`, to the width of a bin.
    #[must_use]
    pub fn at_or_above(&self, threshold: f32) -> u64 {
        self.counts[Self::bin(threshold)..].iter().sum()
    }

    /// The counts of `parts` equal parts of the scale from -1 to 1, for drawing; `parts` divides [`Self::BINS`].
    #[must_use]
    pub fn coarse(&self, parts: usize) -> Vec<u64> {
        self.counts.chunks(Self::BINS / parts.clamp(1, Self::BINS)).map(|bins| bins.iter().sum()).collect()
    }

    /// The smallest bin edge with a share of at most `rate` at or above it; `None` when the data are too few to
    /// show such a rate (fewer than ten expected events).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn threshold_at(&self, rate: f64) -> Option<f32> {
        let total = self.total() as f64;
        if rate * total < 10.0 {
            return None;
        }
        let mut above = 0_u64;
        for bin in (0..Self::BINS).rev() {
            above += self.counts[bin];
            if above as f64 > rate * total {
                return Some((bin as f32 + 1.0) / 10_000.0 - 1.0);
            }
        }
        Some(-1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_reads_back_rates() {
        let mut histogram = Histogram::default();
        for i in 0..60_000_u16 {
            histogram.add(f32::from(i) / 60_000.0);
        }
        let threshold = histogram.threshold_at(0.01).unwrap();
        assert!((threshold - 0.99).abs() < 3e-4, "{threshold}");
        assert_eq!(histogram.at_or_above(-1.0), histogram.total());
        assert_eq!(histogram.threshold_at(1e-5), None);
        assert_eq!(histogram.coarse(20)[10..].iter().sum::<u64>(), 60_000);
    }
}
