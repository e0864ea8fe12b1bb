//! How unlike people are in how often they are taken for others, and what that becomes where it cannot be seen.
//!
//! It grows as false matches become rare: what is left then is a few people who have a double each. A gallery of 1,000
//! shows it at rates of 1e-2 and 1e-3, and is asked about 1e-4 and below.

use super::error_rates::normal_quantile;
use super::expectation::fpir;

/// Above this share of people confused with anybody, more confusion hardly changes the share: it says nothing.
const SHARE_MAX: f64 = 0.9;
/// Fewest people, as a share, who must be confused with anybody for a rate to show by itself how unlike people are: with
/// fewer, chance decides.
pub(super) const SHARE_MIN: f64 = 0.1;
/// The line is carried on to rates so many times rarer than the last that shows the spread; beyond, it is kept. A spread
/// that is too small says too many strangers found, one that is too large too few.
const CARRIED: f64 = 10.0;
/// The line is believed when it rises by so many standard errors; otherwise its rise may be chance.
const ERRORS_OF_SLOPE: f64 = 2.0;

/// What a set of people shows at one false match rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shown {
    /// False match rate of two people.
    pub(super) fmr: f64,
    /// Share of the people who are confused with anybody of the others.
    pub(super) confused: f64,
    /// The spread that makes the one out of the other: see [`spread_of`].
    pub(super) spread: f64,
}

/// The spread with which [`fpir`] makes `confused` out of `fmr` among so many others; 0 where even people who are all
/// alike would make no more.
pub(crate) fn spread_of(fmr: f64, others: u64, confused: f64) -> f64 {
    if fpir(fmr, others, 0.0) <= confused {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1000.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if fpir(fmr, others, middle) > confused { low = middle } else { high = middle }
    }
    (high * 1e3_f64).round() / 1e3
}

/// The logarithm of the spread as a straight line over the normal scale of the rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SpreadLine {
    /// The rarest rate that shows the spread by itself.
    last: Shown,
    z: f64,
    ln_spread: f64,
    slope: f64,
}

impl SpreadLine {
    /// Fits what so many people show, rarer and rarer rates; `None` where that is too little to tell a rise from chance.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub(super) fn fit(shown: &[Shown], people: u64) -> Option<Self> {
        let last = *shown.iter().rfind(|s| s.confused >= SHARE_MIN)?;
        let usable = shown.iter().filter(|s| s.spread > 0.0 && s.confused > 0.0 && s.confused < SHARE_MAX);
        // Weighted by how well the share of people tells the logarithm of the spread (the delta method).
        let points: Vec<(f64, f64, f64)> = usable
            .map(|s| {
                let told = s.spread * share_by_spread(s, people);
                let weight = told * told * people as f64 / (s.confused * (1.0 - s.confused));
                (-normal_quantile(s.fmr), s.spread.ln(), weight)
            })
            .collect();
        let total: f64 = points.iter().map(|(_, _, weight)| weight).sum();
        let mean = |of: fn(&(f64, f64, f64)) -> f64| points.iter().map(|p| p.2 * of(p)).sum::<f64>() / total;
        let (z, ln_spread) = (mean(|p| p.0), mean(|p| p.1));
        let squares: f64 = points.iter().map(|p| p.2 * (p.0 - z).powi(2)).sum();
        let slope = points.iter().map(|p| p.2 * (p.0 - z) * p.1).sum::<f64>() / squares;
        (points.len() >= 2 && slope * squares.sqrt() > ERRORS_OF_SLOPE).then_some(Self { last, z, ln_spread, slope })
    }

    /// The spread at `fmr`, carried on from the last rate that shows it; `None` at commoner rates. It grows at most as one
    /// over the rate: then the same few pairs of doubles are all that is left.
    pub(super) fn beyond(&self, fmr: f64) -> Option<f64> {
        let last = self.last;
        if fmr >= last.fmr {
            return None;
        }
        let fmr = fmr.max(last.fmr / CARRIED);
        let line = (self.ln_spread + self.slope * (-normal_quantile(fmr) - self.z)).exp();
        let spread = line.min(last.spread * last.fmr / fmr).max(last.spread);
        Some((spread * 1e3_f64).round() / 1e3)
    }
}

/// How much the share of people who are confused falls as the spread grows.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn share_by_spread(shown: &Shown, people: u64) -> f64 {
    let events = -(-shown.fmr).ln_1p() * (people - 1) as f64;
    let v = shown.spread;
    (1.0 - shown.confused) * ((v * events).ln_1p() / (v * v) - events / (v * (1.0 + v * events)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `people` show whose spread is `of` the rate.
    fn shown(people: u64, of: impl Fn(f64) -> f64) -> Vec<Shown> {
        let at = |step: i32| {
            let fmr = 1e-2 * 10.0_f64.powf(-0.25 * f64::from(step));
            let confused = fpir(fmr, people - 1, of(fmr));
            Shown { fmr, confused, spread: spread_of(fmr, people - 1, confused) }
        };
        (0..8).map(at).collect()
    }

    #[test]
    fn the_spread_of_a_share_makes_that_share_again() {
        for spread in [0.0, 0.3, 2.0, 40.0] {
            let confused = fpir(1e-4, 3000, spread);
            assert!((spread_of(1e-4, 3000, confused) - spread).abs() < 2e-3, "{spread}");
        }
        assert_eq!(spread_of(1e-4, 3000, 0.9), 0.0);
    }

    #[test]
    fn a_spread_that_grows_is_carried_on_and_one_that_does_not_is_kept() {
        let grows = |fmr: f64| 0.5 * (fmr / 1e-3).powf(-0.6);
        let seen = shown(2000, grows);
        let last = *seen.last().unwrap();
        let line = SpreadLine::fit(&seen, 2000).unwrap();
        for fmr in [0.6, 0.3, 0.1].map(|part| part * last.fmr) {
            let (found, truth) = (line.beyond(fmr).unwrap(), grows(fmr));
            assert!((0.7..1.4).contains(&(found / truth)), "{fmr}: {found} is not {truth}");
            assert!(found <= last.spread * last.fmr / fmr + 1e-3);
        }
        assert_eq!(line.beyond(last.fmr / 1e4), line.beyond(last.fmr / 10.0), "not carried on for ever");
        assert_eq!(line.beyond(1e-2), None, "that is seen");
        assert_eq!(SpreadLine::fit(&shown(2000, |_| 0.8), 2000), None);
        assert_eq!(SpreadLine::fit(&[], 2000), None);
        assert_eq!(SpreadLine::fit(&seen[7..], 2000), None);
    }
}
