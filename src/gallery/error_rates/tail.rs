//! False match rates beyond what can be counted: the curved normal tail.
//!
//! On the normal scale z = -quantile(FMR) a normal distribution of scores is a straight line over the cosine. Scores
//! of real networks bend a little, because some people are more alike than others, so the model is the parabola
//! z = a + b c + d c^2, fitted to counted rates only. Nothing of the
//! highest scores themselves goes in: those are where wrong labels are (one person under two names).

use super::rate::{normal_above, normal_quantile};

/// Fewest false matches, in pairs of people, behind a rate that counts as counted.
pub const COUNTED_MIN: f64 = 50.0;
/// A rate weighs in the fit as if it had at most so many false matches: the millions at high rates would otherwise
/// decide the curve where nobody asks for it.
const WEIGHING_MAX: f64 = 500.0;
/// The model is believed when it predicts the lowest counted rate from the higher ones to within this factor.
pub const CHECK_FACTOR: f64 = 2.0;

/// One counted rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// At or above this cosine.
    pub cosine: f32,
    /// False match rate.
    pub fmr: f64,
    /// False matches.
    pub events: f64,
}

/// A fitted tail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tail {
    /// z = a + b c + d c^2.
    coefficients: [f64; 3],
    /// Cosine of the lowest counted rate: the model is for what lies above.
    from: f32,
}

impl Tail {
    /// Fits a parabola, or a straight line where `curved` is false; `None` when the rates are too few or do not fall.
    #[must_use]
    pub fn fit(counted: &[Counted], curved: bool) -> Option<Self> {
        let terms = if curved { 3 } else { 2 };
        if counted.len() < terms + 1 {
            return None;
        }
        // Least squares; the standard error of z is that of the rate over the normal density.
        let (mut normal, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
        let centre = f64::from(counted[counted.len() - 1].cosine);
        for rate in counted {
            let z = -normal_quantile(rate.fmr);
            let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let weight = (density / rate.fmr).powi(2) * rate.events.min(WEIGHING_MAX);
            let x = f64::from(rate.cosine) - centre;
            let powers = [1.0, x, x * x];
            for row in 0..terms {
                for column in 0..terms {
                    normal[row][column] += weight * powers[row] * powers[column];
                }
                right[row] += weight * powers[row] * z;
            }
        }
        let [a, b, d] = solve(normal, right, terms)?;
        // Back to the cosine's own origin.
        let coefficients = [a - b * centre + d * centre * centre, b - 2.0 * d * centre, d];
        let tail = Self { coefficients, from: counted[counted.len() - 1].cosine };
        (tail.slope(tail.from) > 0.0).then_some(tail)
    }

    fn z(&self, cosine: f32) -> f64 {
        let [a, b, d] = self.coefficients;
        let c = f64::from(cosine);
        a + b * c + d * c * c
    }

    fn slope(&self, cosine: f32) -> f64 {
        self.coefficients[1] + 2.0 * self.coefficients[2] * f64::from(cosine)
    }

    /// The rate at a cosine.
    #[must_use]
    pub fn fmr(&self, cosine: f32) -> f64 {
        normal_above(self.z(cosine))
    }

    /// The cosine at which a rate is reached, by bisection; `None` when the curve turns back before, or the cosine
    /// is not below 1.
    #[must_use]
    pub fn cosine(&self, fmr: f64) -> Option<f32> {
        let wanted = -normal_quantile(fmr);
        let (mut low, mut high) = (self.from - 0.2, 1.0_f32);
        // A parabola that bends down has its highest point at -b / 2 d: beyond it, the model says nothing.
        let [_, b, d] = self.coefficients;
        if d < 0.0 {
            #[expect(clippy::cast_possible_truncation, reason = "bounded by 1")]
            let top = (-b / (2.0 * d)).min(1.0) as f32;
            high = top;
        }
        if !(self.z(high) >= wanted && self.z(low) < wanted) {
            return None;
        }
        for _ in 0..60 {
            let middle = f32::midpoint(low, high);
            if self.z(middle) >= wanted { high = middle } else { low = middle }
        }
        (high < 1.0).then_some(high)
    }

    /// The coefficients a, b, d of z = a + b c + d c^2.
    #[must_use]
    pub fn coefficients(&self) -> [f64; 3] {
        self.coefficients
    }
}

/// How far the model, fitted without the lowest counted rates, misses them: predicted over counted.
///
/// The rates below three times the lowest one are held out; `None` when too few are left.
#[must_use]
pub fn check(counted: &[Counted], curved: bool) -> Option<f64> {
    let lowest = counted.last()?;
    let kept: Vec<Counted> = counted.iter().copied().filter(|rate| rate.fmr > 5.0 * lowest.fmr).collect();
    Some(Tail::fit(&kept, curved)?.fmr(lowest.cosine) / lowest.fmr)
}

/// Gaussian elimination with the largest pivot first, of the leading `terms` equations.
fn solve(mut matrix: [[f64; 3]; 3], mut right: [f64; 3], terms: usize) -> Option<[f64; 3]> {
    for column in 0..terms {
        let pivot = (column..terms).max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))?;
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        if matrix[column][column].abs() < 1e-300 {
            return None;
        }
        for row in column + 1..terms {
            let factor = matrix[row][column] / matrix[column][column];
            let upper = matrix[column];
            for (cell, above) in matrix[row].iter_mut().zip(upper) {
                *cell -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    let mut solution = [0.0; 3];
    for row in (0..terms).rev() {
        let known: f64 = (row + 1..terms).map(|column| matrix[row][column] * solution[column]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    solution.iter().all(|x| x.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(z: impl Fn(f64) -> f64) -> Vec<Counted> {
        (0..8)
            .map(|step| {
                let cosine = 0.25 + 0.035 * step as f32;
                let fmr = normal_above(z(f64::from(cosine)));
                Counted { cosine, fmr, events: fmr * 1e8 }
            })
            .collect()
    }

    #[test]
    fn a_normal_and_a_bent_tail_are_found_again() {
        let line = |c: f64| 8.0 * c;
        let bent = |c: f64| -0.2 + 11.0 * c - 4.0 * c * c;
        for curved in [false, true] {
            let tail = Tail::fit(&counted(line), curved).unwrap();
            assert!((tail.fmr(0.65).ln() - normal_above(line(0.65)).ln()).abs() < 1e-3);
        }
        let tail = Tail::fit(&counted(bent), true).unwrap();
        assert!((tail.fmr(0.65).ln() - normal_above(bent(f64::from(0.65_f32))).ln()).abs() < 1e-3);
        let cosine = tail.cosine(1e-7).unwrap();
        assert!((tail.fmr(cosine) / 1e-7 - 1.0).abs() < 1e-3);
        // A straight line through a bent tail promises too little.
        assert!(Tail::fit(&counted(bent), false).unwrap().fmr(0.65) < tail.fmr(0.65));
        assert!((check(&counted(bent), true).unwrap() - 1.0).abs() < 0.01);
    }

    #[test]
    fn too_few_rates_and_a_curve_that_turns_back_give_nothing() {
        let some = counted(|c| 8.0 * c);
        assert_eq!(Tail::fit(&some[..3], true), None);
        assert_eq!(Tail::fit(&some[..2], false), None);
        assert_eq!(Tail::fit(&counted(|c| -8.0 * c + 5.0), true), None);
        assert_eq!(check(&[], true), None);
        let turning = Tail::fit(&counted(|c| 12.0 * c - 11.0 * c * c), true).unwrap();
        assert_eq!(turning.cosine(1e-12), None);
    }
}
