//! Error rates of comparisons, with what the data can and cannot show.
//!
//! Terms as in ISO/IEC 19795-1: FMR and FNMR are rates of single comparisons at a threshold; a *mated*
//! comparison is of one person with himself. Every rate comes with its interval.

/// A rate `errors / trials` with its exact 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Errors seen.
    pub errors: u64,
    /// Comparisons made.
    pub trials: u64,
}

impl Rate {
    /// `errors / trials`; `None` without trials.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn value(&self) -> Option<f64> {
        (self.trials > 0).then(|| self.errors as f64 / self.trials as f64)
    }

    /// The 95 % interval of Clopper and Pearson (1934): the rates under which neither as few nor as many
    /// errors as seen would be a surprise of more than 2.5 %. `(0, 1)` without trials.
    #[must_use]
    pub fn interval(&self) -> (f64, f64) {
        clopper_pearson(self.errors, self.trials, 0.05)
    }
}

/// The Clopper-Pearson interval of `errors / trials` at level `1 - alpha`.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn clopper_pearson(errors: u64, trials: u64, alpha: f64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let (k, n) = (errors as f64, trials as f64);
    let lower = if errors == 0 { 0.0 } else { beta_quantile(alpha / 2.0, k, n - k + 1.0) };
    let upper = if errors >= trials { 1.0 } else { beta_quantile(1.0 - alpha / 2.0, k + 1.0, n - k) };
    (lower, upper)
}

/// The `p` quantile of the beta distribution, by bisection of its distribution function.
fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    // 200 halvings: also rates near 1e-30 are exact to the last digit.
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if beta_distribution(middle, a, b) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The regularised incomplete beta function, by Lentz's continued fraction (Numerical analysis: DLMF 8.17.22).
fn beta_distribution(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(x, a, b) / a
    } else {
        1.0 - front * beta_fraction(1.0 - x, b, a) / b
    }
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..=500_u32 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for numerator in [even, odd] {
            d = 1.0 / guard(1.0 + numerator * d);
            c = guard(1.0 + numerator / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-14 {
            break;
        }
    }
    fraction
}

/// Logarithm of the gamma function for positive arguments: Stirling's series after shifting above 10 (DLMF 5.11.1).
fn ln_gamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    while x < 10.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    let series = (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r / 1680.0))) / x;
    shift + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

/// One scored comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// -1 to 1.
    pub cosine: f32,
    /// Whether both pictures show one person.
    pub mated: bool,
}

/// Comparisons decided rightly at `threshold` (mated when at or above it).
#[must_use]
pub fn right_at(comparisons: &[Comparison], threshold: f32) -> usize {
    comparisons.iter().filter(|c| (c.cosine >= threshold) == c.mated).count()
}

/// The threshold with the most right decisions; the middle of the gap between the two scores around it.
#[must_use]
pub fn best_threshold(comparisons: &[Comparison]) -> f32 {
    let mut sorted: Vec<Comparison> = comparisons.to_vec();
    sorted.sort_by(|a, b| a.cosine.total_cmp(&b.cosine));
    // Threshold below everything: all mated ones are right.
    let mut right = sorted.iter().filter(|c| c.mated).count();
    let mut best = (right, sorted.first().map_or(0.0, |c| c.cosine));
    for (index, comparison) in sorted.iter().enumerate() {
        // Moving the threshold past this score turns its decision over.
        if comparison.mated {
            right -= 1
        } else {
            right += 1
        }
        if right > best.0 {
            let next = sorted.get(index + 1).map_or(comparison.cosine + 1e-6, |c| c.cosine);
            best = (right, f32::midpoint(comparison.cosine, next));
        }
    }
    best.1
}

/// Accuracy on each fold at the threshold that is best on all the others (the protocol of LFW's `View 2`).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub fn fold_accuracies(folds: &[Vec<Comparison>]) -> Vec<(f64, f32)> {
    (0..folds.len())
        .filter(|&held_out| !folds[held_out].is_empty())
        .map(|held_out| {
            let rest: Vec<Comparison> =
                folds.iter().enumerate().filter(|(i, _)| *i != held_out).flat_map(|(_, fold)| fold).copied().collect();
            let threshold = best_threshold(&rest);
            (right_at(&folds[held_out], threshold) as f64 / folds[held_out].len() as f64, threshold)
        })
        .collect()
}

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
    pub fn at_or_above(&self, threshold: f32) -> Rate {
        Rate { errors: self.counts[Self::bin(threshold)..].iter().sum(), trials: self.total() }
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

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 5e-5, "{a} is not {b}");
    }

    #[test]
    fn intervals_equal_published_ones() {
        // The four face searches of 2018 and 2019: 28 of 535, 26 of 120, 27 of 188, 0 of 535.
        for (errors, trials, low, high) in
            [(28, 535, 0.0351, 0.0748), (26, 120, 0.1467, 0.3011), (27, 188, 0.097, 0.202), (0, 535, 0.0, 0.0069)]
        {
            let (lower, upper) = Rate { errors, trials }.interval();
            assert!((lower - low).abs() < 5e-4 && (upper - high).abs() < 5e-4, "{errors}/{trials}: {lower} {upper}");
        }
        assert_eq!(Rate { errors: 0, trials: 0 }.interval(), (0.0, 1.0));
        assert_eq!(Rate { errors: 5, trials: 5 }.interval().1, 1.0);
        // The rule of three.
        close(Rate { errors: 0, trials: 3000 }.interval().1, 1.0 - 0.025_f64.powf(1.0 / 3000.0));
    }

    #[test]
    fn best_threshold_splits_separable_scores() {
        let comparisons: Vec<Comparison> = [(0.1, false), (0.2, false), (0.6, true), (0.9, true)]
            .map(|(cosine, mated)| Comparison { cosine, mated })
            .into();
        let threshold = best_threshold(&comparisons);
        assert!((0.2..=0.6).contains(&threshold));
        assert_eq!(right_at(&comparisons, threshold), 4);
    }

    #[test]
    fn best_threshold_is_the_best_of_all() {
        // Every possible threshold is tried by brute force.
        let mut state = 7_u32;
        let comparisons: Vec<Comparison> = (0..200)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let mated = state & 1 == 0;
                let noise = f32::from(u16::try_from(state >> 16).unwrap()) / 65_536.0;
                Comparison { cosine: noise + if mated { 0.3 } else { 0.0 }, mated }
            })
            .collect();
        let best = right_at(&comparisons, best_threshold(&comparisons));
        for c in &comparisons {
            assert!(best >= right_at(&comparisons, c.cosine) && best >= right_at(&comparisons, c.cosine + 1e-6));
        }
    }

    #[test]
    fn histogram_reads_back_rates() {
        let mut histogram = Histogram::default();
        for i in 0..60_000_u16 {
            histogram.add(f32::from(i) / 60_000.0);
        }
        let threshold = histogram.threshold_at(0.01).unwrap();
        assert!((threshold - 0.99).abs() < 3e-4, "{threshold}");
        assert_eq!(histogram.at_or_above(-1.0).errors, histogram.total());
        assert_eq!(histogram.threshold_at(1e-5), None);
    }
}
