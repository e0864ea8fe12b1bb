//! What a search of somebody who is not enrolled may be expected to return.

use super::similarity::{Calibration, RateSource};

/// The expected rate of searches that return somebody else, for people who are not enrolled (FPIR), at one threshold
/// and one number of enrolled faces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    /// Faces, or users, that the probe was compared with.
    pub enrolled: u64,
    /// The rate, or why it is not known.
    pub fpir: Fpir,
}

/// A false positive identification rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fpir {
    /// From the calibration's false match rate.
    Known {
        /// The rate, 0 to 1.
        rate: f64,
        /// Lower end of the interval: of the calibration's, and of people being unlike in how often they are
        /// confused.
        low: f64,
        /// Upper end.
        high: f64,
        /// Whether the calibration's data reached that far, or its tail model did.
        source: RateSource,
    },
    /// Not known.
    Unknown(Unknown),
}

/// Why a rate is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// The network has no calibration.
    Uncalibrated,
    /// The calibration is of single faces, and users were compared: their vectors are means of several.
    UserVectors,
}

/// A gallery so many times larger than the calibration's people is like theirs: from 1,000 to 5,000 that was seen to hold.
const LARGER: f64 = 10.0;

/// The expectation for `enrolled` faces at or above `cosine`.
///
/// With p the false match rate and every comparison independent, a search finds somebody with 1 - (1 - p)^N. People
/// differ in how often they are taken for others, which makes fewer searches find more each: with rates spread as a
/// gamma distribution of squared coefficient of variation v, it is 1 - (1 + v N p)^(-1/v). The rate told is the
/// latter, the upper end is the former at the upper end of p.
///
/// A spread at rare matches is that of a few people who have a double. Where a search is expected to find several, or the
/// gallery is much larger than the one that showed the spread, it is everybody else who decides: v is at most that of
/// matches so many times as common as a search finds, or as the gallery is larger than [`LARGER`] times the calibration's
/// people.
#[must_use]
pub fn expect(calibration: &Calibration, cosine: f32, enrolled: u64) -> Expectation {
    let fpir = match calibration.fmr(cosine) {
        None => Fpir::Unknown(Unknown::Uncalibrated),
        Some(fmr) => {
            let spread = spread(calibration, cosine, fmr.rate, enrolled);
            Fpir::Known {
                rate: fpir(fmr.rate, enrolled, spread),
                low: fpir(fmr.low, enrolled, spread),
                high: fpir(fmr.high, enrolled, 0.0),
                source: fmr.source,
            }
        }
    };
    Expectation { enrolled, fpir }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn spread(calibration: &Calibration, cosine: f32, fmr: f64, enrolled: u64) -> f64 {
    let larger = |people: u64| enrolled as f64 / (LARGER * people as f64);
    let times = (fmr * enrolled as f64).max(calibration.people.filter(|&people| people > 0).map_or(0.0, larger));
    let own = calibration.spread(cosine);
    if times > 1.0 { own.min(calibration.spread_at_rate(fmr * times)) } else { own }
}

/// Searches of strangers that find somebody among `enrolled`, at a false match rate of `fmr` whose squared coefficient
/// of variation between probes is `spread`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub fn fpir(fmr: f64, enrolled: u64, spread: f64) -> f64 {
    if fmr >= 1.0 {
        return if enrolled > 0 { 1.0 } else { 0.0 };
    }
    // -ln(1 - p) instead of p: exact for one enrolled face and no spread.
    let events = -(-fmr).ln_1p() * enrolled as f64;
    // 1 - (1 + v m)^(-1/v); its limit for small v is 1 - exp(-m).
    let exponent = if spread * events < 1e-9 { events } else { (spread * events).ln_1p() / spread };
    -(-exponent).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::super::similarity::{Anchor, LEVELS, StatedRate};
    use super::*;
    use crate::vision::ModelId;

    #[test]
    fn published_figures_follow_from_the_rate() {
        // NPL on NEC NeoFace: 1 in 6,000 with 10,000 enrolled, 1 in 60,000 with 1,000.
        assert!((fpir(1.667e-8, 10_000, 0.0) * 6000.0 - 1.0).abs() < 1e-3);
        assert!((fpir(1.667e-8, 1000, 0.0) * 60_000.0 - 1.0).abs() < 1e-3);
        // The Congress test's 28 of 535 among 25,000 imply 2.2e-6, and that 48 % of searches among 300,000.
        let fmr = 1.0 - (1.0 - 28.0 / 535.0_f64).powf(1.0 / 25_000.0);
        assert!((fmr - 2.15e-6).abs() < 3e-8, "{fmr}");
        assert!((fpir(fmr, 300_000, 0.0) - 0.48).abs() < 0.01);
        assert!((fpir(0.25, 1, 0.0) - 0.25).abs() < 1e-15);
        assert_eq!(fpir(0.5, 0, 1.0), 0.0);
        assert_eq!(fpir(1.0, 3, 1.0), 1.0);
    }

    #[test]
    fn spread_lowers_the_rate_and_vanishes_smoothly() {
        let (alike, nearly) = (fpir(1e-4, 10_000, 0.0), fpir(1e-4, 10_000, 1e-10));
        assert!((alike - nearly).abs() < 1e-9);
        assert!(fpir(1e-4, 10_000, 2.0) < alike);
        // Rare events: spread does not matter.
        assert!((fpir(1e-7, 100, 5.0) / 1e-5 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn doubles_do_not_make_a_large_gallery_look_safe() {
        let anchors = LEVELS.iter().enumerate().map(|(step, &(percent, rate))| Anchor {
            percent,
            cosine: 0.08 * step as f32,
            fmr: StatedRate { rate, low: rate, high: rate, source: RateSource::Counted },
            spread: 0.1 * 4.0_f64.powi(step as i32 - 2),
        });
        let mut blank = Calibration::none(ModelId::new("x"));
        blank.people = Some(1000);
        let calibration = blank.with_anchors(anchors.collect()).unwrap();
        let told = |enrolled| match expect(&calibration, calibration.threshold(90.0), enrolled).fpir {
            Fpir::Known { rate, .. } => rate,
            Fpir::Unknown(_) => panic!("known"),
        };
        let at_90 = calibration.anchors()[5];
        assert!((told(9000) - fpir(at_90.fmr.rate, 9000, at_90.spread)).abs() < 1e-3);
        // Ten times as many as are like the calibration's thousand: the spread of matches ten times as common; and so on.
        assert!((told(100_000) - fpir(1e-5, 100_000, calibration.anchors()[4].spread)).abs() < 1e-3);
        assert!((told(10_000_000) - fpir(1e-5, 10_000_000, calibration.anchors()[2].spread)).abs() < 1e-3);
        let sizes: Vec<f64> = (0..40).map(|step| told(1000 * 2_u64.pow(step / 2) + u64::from(step % 2))).collect();
        assert!(sizes.windows(2).all(|pair| pair[0] <= pair[1]), "more enrolled, more found: {sizes:?}");
    }

    #[test]
    fn unknown_is_told_as_unknown() {
        let none = Calibration::none(ModelId::new("x"));
        let expected = Expectation { enrolled: 7, fpir: Fpir::Unknown(Unknown::Uncalibrated) };
        assert_eq!(expect(&none, 0.5, 7), expected);
    }

    #[test]
    fn an_expectation_lies_inside_its_interval_at_every_threshold() {
        let anchors = LEVELS.iter().enumerate().map(|(step, &(percent, rate))| Anchor {
            percent,
            cosine: 0.08 * step as f32,
            fmr: StatedRate { rate, low: 0.7 * rate, high: 1.4 * rate, source: RateSource::Counted },
            spread: 1.5,
        });
        let calibration = Calibration::none(ModelId::new("x")).with_anchors(anchors.collect()).unwrap();
        for step in -100..=100_i8 {
            let Fpir::Known { rate, low, high, .. } = expect(&calibration, f32::from(step) / 100.0, 5000).fpir else {
                panic!("known");
            };
            assert!(0.0 <= low && low <= rate && rate <= high && high <= 1.0, "{step}");
        }
    }
}
