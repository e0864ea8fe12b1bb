//! One error rate, and the interval that its data support.

use libm::{erfc, lgamma as ln_gamma};

/// A rate `errors / trials` with its 95 % interval.
///
/// Trials of one person resemble each other, so `independent_trials` may be far below `trials`: it is the number of
/// independent trials that would leave the same uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Errors seen.
    pub errors: u64,
    /// Trials made.
    pub trials: u64,
    /// Independent trials that they are worth; at most `trials`.
    pub independent_trials: f64,
}

/// Fewest errors from which a ratio or a threshold is told; with fewer, only the bound of the rate is.
pub const ERRORS_MIN: u64 = 3;

impl Rate {
    /// Of trials that do not depend on each other, as searches of different people in one gallery.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn counted(errors: u64, trials: u64) -> Self {
        Self { errors: errors.min(trials), trials, independent_trials: trials as f64 }
    }

    /// Of trials that hang together in `clusters` people (or pairs of people), whose number of errors has the
    /// given `variance`.
    ///
    /// Without errors the variance says nothing: then each cluster counts for one trial, the most careful reading.
    /// The few degrees of freedom of few clusters are paid for with Student's t, after Korn and Graubard (1998),
    /// *Confidence intervals for proportions with small expected number of positive counts*.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn clustered(errors: u64, trials: u64, variance: f64, clusters: u64) -> Self {
        let errors = errors.min(trials);
        let (n, clusters_f) = (trials as f64, clusters as f64);
        if errors == 0 || errors == trials || clusters < 2 {
            return Self { errors, trials, independent_trials: n.min(clusters_f) };
        }
        let p = errors as f64 / n;
        let binomial = n * p * (1.0 - p);
        // A variance below the binomial one is luck: trials do not know more than independent ones.
        let effect = (variance / binomial).max(1.0);
        let student = student_quantile(0.975, clusters_f - 1.0);
        let few = (normal_quantile(0.975) / student).powi(2).min(1.0);
        Self { errors, trials, independent_trials: (n / effect * few).clamp(1.0, n) }
    }

    /// `errors / trials`; `None` without trials.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn value(&self) -> Option<f64> {
        (self.trials > 0).then(|| self.errors as f64 / self.trials as f64)
    }

    /// The 95 % interval of Clopper and Pearson (1934) on the independent trials: the rates under which neither as
    /// few nor as many errors as seen would be a surprise of more than 2.5 %. `(0, 1)` without trials.
    #[must_use]
    pub fn interval(&self) -> (f64, f64) {
        self.interval_at(0.05)
    }

    /// As [`Rate::interval`], at level `1 - alpha`.
    #[must_use]
    pub fn interval_at(&self, alpha: f64) -> (f64, f64) {
        self.value().map_or((0.0, 1.0), |p| Self::interval_of(p, self.independent_trials, alpha))
    }

    /// The interval of a rate `p` seen in so many independent trials.
    #[must_use]
    pub fn interval_of(p: f64, independent_trials: f64, alpha: f64) -> (f64, f64) {
        let (n, k) = (independent_trials, p * independent_trials);
        let lower = if p <= 0.0 { 0.0 } else { beta_quantile(alpha / 2.0, k, n - k + 1.0) };
        let upper = if p >= 1.0 { 1.0 } else { beta_quantile(1.0 - alpha / 2.0, k + 1.0, n - k) };
        (lower, upper)
    }

    /// The rate of the opposite event.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self { errors: self.trials - self.errors, ..*self }
    }
}

/// The `p` quantile of the beta distribution, by bisection of its distribution function.
fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..1100 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if beta_distribution(middle, a, b) < p {
            low = middle
        } else {
            high = middle
        }
        if (high - low) < 1e-12 * low {
            break;
        }
    }
    0.5 * (low + high)
}

/// The regularised incomplete beta function, by Lentz's continued fraction (DLMF 8.17.22).
///
/// Ours, because the crates that have it (statrs) end the fraction after 140 terms: with 100,000 errors in 100 million
/// comparisons thousands are needed.
fn beta_distribution(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (ln_beta_inverse(a, b) + a * x.ln() + b * (-x).ln_1p()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(x, a, b) / a
    } else {
        1.0 - front * beta_fraction(1.0 - x, b, a) / b
    }
}

/// ln of 1 / B(a, b). With a small and b large the gamma functions nearly cancel, so their difference is taken by
/// Stirling's series.
fn ln_beta_inverse(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if large < 1e4 {
        return ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    }
    let series = |x: f64| 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3));
    let sum = small + large;
    let difference = (large - 0.5) * (small / large).ln_1p() + small * sum.ln() - small + series(sum) - series(large);
    difference - ln_gamma(small)
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..=100_000_u32 {
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

/// The `p` quantile of the standard normal distribution.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    // Bounds the tail, then Newton on the logarithm of the distribution, which is smooth far out too.
    let mut z = -(-2.0 * p.ln()).sqrt();
    for _ in 0..60 {
        let below = normal_above(-z);
        let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let step = (below.ln() - p.ln()) * below / density;
        z -= step.clamp(-1.0, 1.0);
        if step.abs() < 1e-13 * z.abs().max(1.0) {
            break;
        }
    }
    z
}

/// The `p` quantile (above one half) of Student's t, through the beta distribution: with f degrees of freedom,
/// f / (f + t^2) is beta distributed with f / 2 and 1 / 2.
fn student_quantile(p: f64, degrees: f64) -> f64 {
    let x = beta_quantile(2.0 * (1.0 - p), 0.5 * degrees, 0.5);
    (degrees * (1.0 - x) / x).sqrt()
}

/// The chance of a standard normal value above `z`.
#[must_use]
pub fn normal_above(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_equal_published_ones() {
        // The four face searches of 2018 and 2019: 28 of 535, 26 of 120, 27 of 188, 0 of 535.
        for (errors, trials, low, high) in
            [(28, 535, 0.0351, 0.0748), (26, 120, 0.1467, 0.3011), (27, 188, 0.097, 0.202), (0, 535, 0.0, 0.0069)]
        {
            let (lower, upper) = Rate::counted(errors, trials).interval();
            assert!((lower - low).abs() < 5e-4 && (upper - high).abs() < 5e-4, "{errors}/{trials}: {lower} {upper}");
        }
        assert_eq!(Rate::counted(0, 0).interval(), (0.0, 1.0));
        assert_eq!(Rate::counted(5, 5).interval().1, 1.0);
        // No error at all: the bound has a closed form.
        let bound = Rate::counted(0, 3000).interval().1;
        assert!((bound - (1.0 - 0.025_f64.powf(1.0 / 3000.0))).abs() < 1e-12);
    }

    #[test]
    fn without_errors_each_person_counts_once() {
        let rate = Rate::clustered(0, 1_000_000, 0.0, 45);
        assert!((rate.interval().1 - Rate::counted(0, 45).interval().1).abs() < 1e-12);
    }

    #[test]
    fn trials_that_hang_together_widen_the_interval() {
        let (low, high) = Rate::counted(100, 10_000).interval();
        let (lower, higher) = Rate::clustered(100, 10_000, 400.0, 500).interval();
        assert!(lower < low && higher > high);
        // A variance that happens to be small does not narrow it.
        let few = Rate::clustered(100, 10_000, 1.0, 100_000).interval();
        assert!((few.0 - low).abs() < 1e-5 && (few.1 - high).abs() < 1e-5);
    }

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        for (degrees, t) in [(1.0, 12.706_204_7), (4.0, 2.776_445_1), (29.0, 2.045_229_6), (5000.0, 1.960_438_9)] {
            assert!((student_quantile(0.975, degrees) - t).abs() < 1e-5, "{degrees}");
        }
    }

    #[test]
    fn normal_quantiles_are_those_of_the_tables() {
        assert!((normal_quantile(0.975) - 1.959_963_985).abs() < 1e-8);
        assert!((normal_quantile(1e-7) + 5.199_337_582).abs() < 1e-6);
        assert!((normal_above(1.959_963_985) - 0.025).abs() < 1e-9);
    }
}
