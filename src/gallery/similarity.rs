//! Cosine to similarity percent, and what a percent stands for, in one place.
//!
//! INVARIANT (calibrated percent): a similarity percent exists only through this file, and every calibration
//! names its data set, its number of comparisons and the FMR at each level. The calibrations themselves are data:
//! `models` reads them from beside the networks, `trombi calibrate` writes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error_rates::{normal_above, normal_quantile};
use crate::vision::ModelId;

/// The percents of the published levels, and the FMR that each stands for.
pub const LEVELS: [(f32, f64); 8] =
    [(10.0, 0.5), (30.0, 1e-1), (50.0, 1e-2), (65.0, 1e-3), (80.0, 1e-4), (90.0, 1e-5), (95.0, 1e-6), (99.0, 1e-7)];

/// One level of a calibration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anchor {
    /// Similarity percent there, between 0 and 100.
    pub percent: f32,
    /// Cosine at which the percent is reached.
    pub cosine: f32,
    /// False match rate at that cosine.
    pub fmr: StatedRate,
    /// How unlike people are in how often they are taken for others there: `spread` of
    /// [`super::expectation::fpir`]. 0 when all are alike.
    pub spread: f64,
}

/// A rate as a calibration states it, between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StatedRate {
    /// The rate.
    pub rate: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Where it comes from.
    pub source: RateSource,
}

impl StatedRate {
    /// With four significant digits: more would promise what no data hold.
    #[must_use]
    pub fn in_four_digits(self) -> Self {
        let round = |rate: f64| format!("{rate:.3e}").parse().unwrap_or(rate);
        let rate = round(self.rate);
        // Digits round up or down, and the rate stays inside its interval.
        Self { rate, low: round(self.low).min(rate), high: round(self.high).max(rate), ..self }
    }
}

/// Where a stated rate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateSource {
    /// Counted on the data set.
    Counted,
    /// By the tail model, beyond what the data set can show or can be trusted with.
    Tail,
}

/// What the percents of one network stand for, and on what data that rests.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The network.
    pub model_id: ModelId,
    /// Pictures it was fitted on.
    pub data_set: String,
    /// People in them; `None` where nobody counted, as for a collection without users.
    pub people: Option<u64>,
    /// Pictures with a usable face.
    pub pictures: u64,
    /// Comparisons of different people behind the rates.
    pub comparisons: u64,
    /// How rates beyond the data were found, and what was left out.
    pub method: String,
    /// Strictly increasing in cosine and percent, strictly decreasing in rate; at least two.
    anchors: Vec<Anchor>,
}

/// Why anchors are no calibration; the text says which rule they break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotMonotone(String);

impl Calibration {
    /// Takes `anchors` when they are a strictly monotone scale inside -1 to 1 and 0 to 100 with rates inside their
    /// intervals.
    ///
    /// # Errors
    /// They are not.
    pub fn with_anchors(mut self, anchors: Vec<Anchor>) -> Result<Self, NotMonotone> {
        let wrong = |text: &str| Err(NotMonotone(text.to_owned()));
        if anchors.len() < 2 || anchors.len() > 64 {
            return wrong("a calibration has 2 to 64 anchors");
        }
        for anchor in &anchors {
            let StatedRate { rate, low, high, .. } = anchor.fmr;
            // `contains` is false for what is no number.
            let inside = (0.0..100.0).contains(&anchor.percent) && (-1.0..1.0).contains(&anchor.cosine);
            if !inside || anchor.percent <= 0.0 || anchor.cosine <= -1.0 {
                return wrong("percents lie between 0 and 100, cosines between -1 and 1");
            }
            if !(anchor.spread >= 0.0 && anchor.spread.is_finite()) {
                return wrong("spreads are not negative");
            }
            if !(rate > 0.0 && rate < 1.0 && low >= 0.0 && low <= rate && rate <= high && high <= 1.0) {
                return wrong("rates lie between 0 and 1 and inside their intervals");
            }
        }
        if !anchors.windows(2).all(|pair| {
            pair[0].percent < pair[1].percent && pair[0].cosine < pair[1].cosine && pair[0].fmr.rate > pair[1].fmr.rate
        }) {
            return wrong("percent and cosine grow from anchor to anchor, and the rate falls");
        }
        self.anchors = anchors;
        Ok(self)
    }

    /// For networks without a calibration of their own: the half circle's cosine as it is. It promises no rate.
    #[must_use]
    pub fn none(model_id: ModelId) -> Self {
        Self {
            model_id,
            data_set: "none".to_owned(),
            people: None,
            pictures: 0,
            comparisons: 0,
            method: "uncalibrated: percent = 50 (1 + cosine); no false match rate is known".to_owned(),
            anchors: Vec::new(),
        }
    }

    /// The levels; empty when there is no calibration.
    #[must_use]
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// Whether rates are known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.anchors.is_empty()
    }

    /// Similarity percent, 0 to 100, of a cosine. Increasing.
    #[must_use]
    pub fn percent(&self, cosine: f32) -> f32 {
        self.between(cosine, |(cosine, _)| cosine, |(_, percent)| percent)
    }

    /// The cosine at which `percent` is reached: a threshold for searching.
    ///
    /// Rounded towards more candidates by less than 1e-5, so a caller that asks for "at least `percent`" keeps only
    /// those whose own [`Calibration::percent`] is.
    #[must_use]
    pub fn cosine(&self, percent: f32) -> f32 {
        self.between(percent, |(_, percent)| percent, |(cosine, _)| cosine) - 4e-6
    }

    /// The smallest cosine whose [`Calibration::percent`] is at least `percent`: exactly where decisions change.
    #[must_use]
    pub fn threshold(&self, percent: f32) -> f32 {
        if percent >= 100.0 {
            return 1.0;
        }
        let (mut below, mut reached) = (self.cosine(percent) - 4e-6, self.cosine(percent) + 2e-5);
        if self.percent(below) >= percent {
            return below.max(-1.0);
        }
        // Halves the gap until no number of 32 bits lies between.
        loop {
            let middle = f32::midpoint(below, reached);
            if middle <= below || middle >= reached {
                return reached.min(1.0);
            }
            if self.percent(middle) >= percent { reached = middle } else { below = middle }
        }
    }

    /// False match rate of a comparison at `cosine` or above; `None` where the calibration says nothing.
    ///
    /// Between levels by straight lines on the normal scale. Above the highest level only a bound is known: the rate
    /// there is at most that of the level, and the lower end is 0. Below the lowest level: nothing but at least that.
    #[must_use]
    pub fn fmr(&self, cosine: f32) -> Option<StatedRate> {
        let (first, last) = (self.anchors.first()?, self.anchors.last()?);
        if cosine.is_nan() {
            return None;
        }
        if cosine <= first.cosine {
            let low = if cosine < first.cosine { first.fmr.low } else { return Some(first.fmr) };
            return Some(StatedRate { rate: first.fmr.rate, low, high: 1.0, source: RateSource::Tail });
        }
        if cosine > last.cosine + 1e-5 {
            return Some(StatedRate { rate: last.fmr.rate, low: 0.0, high: last.fmr.high, source: RateSource::Tail });
        }
        let upper = self.anchors.iter().position(|a| a.cosine > cosine).unwrap_or(self.anchors.len() - 1);
        let (a, b) = (&self.anchors[upper - 1], &self.anchors[upper]);
        let share = ((f64::from(cosine) - f64::from(a.cosine)) / (f64::from(b.cosine) - f64::from(a.cosine))).min(1.0);
        let mix = |of: fn(&StatedRate) -> f64| {
            let z = |rate: f64| -normal_quantile(rate.clamp(1e-15, 1.0 - 1e-12));
            normal_above(z(of(&a.fmr)) + share * (z(of(&b.fmr)) - z(of(&a.fmr))))
        };
        let source = if a.fmr.source == RateSource::Counted && b.fmr.source == RateSource::Counted {
            RateSource::Counted
        } else {
            RateSource::Tail
        };
        Some(StatedRate { rate: mix(|r| r.rate), low: mix(|r| r.low), high: mix(|r| r.high), source })
    }

    /// How unlike people are at `cosine`: between levels by even factors, as it grows with rarer matches; the nearest
    /// level's beyond them.
    #[must_use]
    pub fn spread(&self, cosine: f32) -> f64 {
        let (Some(first), Some(last)) = (self.anchors.first(), self.anchors.last()) else { return 0.0 };
        let Some(upper) = self.anchors.iter().position(|a| a.cosine > cosine) else { return last.spread };
        let Some((a, b)) = upper.checked_sub(1).map(|lower| (&self.anchors[lower], &self.anchors[upper])) else {
            return first.spread;
        };
        let share = f64::from(cosine - a.cosine) / f64::from(b.cosine - a.cosine);
        even_factors(a.spread, b.spread, share)
    }

    /// How unlike people are where the false match rate is `rate`, by even factors between levels; the nearest level's
    /// beyond them.
    #[must_use]
    pub fn spread_at_rate(&self, rate: f64) -> f64 {
        let (Some(first), Some(last)) = (self.anchors.first(), self.anchors.last()) else { return 0.0 };
        let Some(rarer) = self.anchors.iter().position(|a| a.fmr.rate < rate) else { return last.spread };
        let Some((a, b)) = rarer.checked_sub(1).map(|commoner| (&self.anchors[commoner], &self.anchors[rarer])) else {
            return first.spread;
        };
        even_factors(a.spread, b.spread, (rate / a.fmr.rate).ln() / (b.fmr.rate / a.fmr.rate).ln())
    }

    /// Straight lines between the levels and the scale's ends, from the axis `of` to the axis `to`; flat beyond.
    fn between(&self, x: f32, of: fn((f32, f32)) -> f32, to: fn((f32, f32)) -> f32) -> f32 {
        const LOWEST: (f32, f32) = (-1.0, 0.0);
        const HIGHEST: (f32, f32) = (1.0, 100.0);
        // A value that is no number counts as lowest.
        if x.is_nan() || x <= of(LOWEST) {
            return to(LOWEST);
        }
        let mut before = LOWEST;
        for after in self.anchors.iter().map(|a| (a.cosine, a.percent)).chain([HIGHEST]) {
            if of(after) > x {
                let share = (f64::from(x) - f64::from(of(before))) / (f64::from(of(after)) - f64::from(of(before)));
                #[expect(clippy::cast_possible_truncation, reason = "between two f32 values")]
                let y = (f64::from(to(before)) + share * (f64::from(to(after)) - f64::from(to(before)))) as f32;
                return y;
            }
            before = after;
        }
        to(HIGHEST)
    }
}

/// From `a` to `b` by even factors, or by a straight line where one of them is 0.
fn even_factors(a: f64, b: f64, share: f64) -> f64 {
    if a > 0.0 && b > 0.0 { a * (b / a).powf(share) } else { a + share * (b - a) }
}

/// The calibrations of the networks that this program knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calibrations {
    by_model: BTreeMap<String, Arc<Calibration>>,
}

impl Calibrations {
    /// Adds one, in place of an earlier one of the same network.
    pub fn insert(&mut self, calibration: Calibration) {
        self.by_model.insert(calibration.model_id.as_str().to_owned(), Arc::new(calibration));
    }

    /// The calibration of `model`, or the uncalibrated scale.
    #[must_use]
    pub fn of(&self, model: &ModelId) -> Arc<Calibration> {
        self.by_model.get(model.as_str()).map_or_else(|| Arc::new(Calibration::none(model.clone())), Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Calibration {
        let anchors = LEVELS.iter().zip([0.0045, 0.1278, 0.247, 0.3472, 0.4335, 0.5121, 0.5824, 0.6466]);
        let anchor = |(&(percent, rate), cosine): (&(f32, f64), f32)| {
            let source = if rate < 1e-5 { RateSource::Tail } else { RateSource::Counted };
            let fmr = StatedRate { rate, low: 0.8 * rate, high: 1.25 * rate, source };
            Anchor { percent, cosine, fmr, spread: 0.0 }
        };
        Calibration::none(ModelId::new("toy")).with_anchors(anchors.map(anchor).collect()).unwrap()
    }

    fn both() -> [Calibration; 2] {
        [known(), Calibration::none(ModelId::new("another"))]
    }

    #[test]
    fn ends_are_0_and_100() {
        for calibration in both() {
            assert_eq!(calibration.percent(-1.0), 0.0);
            assert_eq!(calibration.percent(1.0), 100.0);
            assert_eq!(calibration.percent(f32::NAN), 0.0);
        }
    }

    #[test]
    fn percent_grows_with_cosine_and_back() {
        for calibration in both() {
            let mut before = -1.0;
            for step in 0..=2000_u16 {
                let cosine = f32::from(step) / 1000.0 - 1.0;
                let percent = calibration.percent(cosine);
                assert!(percent > before, "at {cosine}");
                before = percent;
                let back = calibration.cosine(percent);
                assert!(back <= cosine && cosine - back < 1.2e-5, "{cosine} came back as {back}");
            }
        }
    }

    #[test]
    fn threshold_is_the_first_cosine_that_reaches_the_percent() {
        for calibration in both() {
            for percent in [1.0_f32, 10.0, 50.0, 79.9, 80.0, 90.0, 95.0, 99.0, 99.9] {
                let cosine = calibration.threshold(percent);
                assert!(calibration.percent(cosine) >= percent, "{percent}");
                assert!(calibration.percent(cosine.next_down()) < percent, "{percent}");
            }
            assert_eq!(calibration.threshold(0.0), -1.0);
            assert_eq!(calibration.threshold(100.0), 1.0);
        }
    }

    #[test]
    fn levels_stand_for_their_rates_and_the_rate_falls_between_them() {
        let calibration = known();
        for (percent, rate) in LEVELS {
            let stated = calibration.fmr(calibration.threshold(percent)).unwrap();
            assert!((stated.rate / rate - 1.0).abs() < 1e-3, "{percent}: {}", stated.rate);
        }
        let mut before = 1.0;
        for step in 5..640_u16 {
            let stated = calibration.fmr(f32::from(step) / 1000.0).unwrap();
            assert!(stated.rate < before && stated.low <= stated.rate && stated.rate <= stated.high);
            before = stated.rate;
        }
        assert_eq!(calibration.fmr(0.5).unwrap().source, RateSource::Counted);
        assert_eq!(calibration.fmr(0.6).unwrap().source, RateSource::Tail);
    }

    #[test]
    fn beyond_the_levels_only_bounds_are_told_and_nothing_without_calibration() {
        let calibration = known();
        let above = calibration.fmr(0.9).unwrap();
        assert_eq!((above.low, above.high), (0.0, 1.25e-7));
        assert_eq!(calibration.fmr(-0.5).unwrap().high, 1.0);
        assert_eq!(Calibration::none(ModelId::new("x")).fmr(0.5), None);
    }

    #[test]
    fn scales_that_are_not_monotone_are_refused() {
        let good = known().anchors().to_vec();
        type Spoil = fn(&mut Vec<Anchor>);
        let spoils: [Spoil; 7] = [
            |a| a.truncate(1),
            |a| a[2].cosine = a[1].cosine,
            |a| a[3].percent = 100.0,
            |a| a[3].fmr.rate = 0.5,
            |a| a[3].fmr.high = a[3].fmr.rate / 2.0,
            |a| a[0].cosine = f32::NAN,
            |a| a[0].fmr.rate = f64::NAN,
        ];
        for (number, spoil) in spoils.iter().enumerate() {
            let mut anchors = good.clone();
            spoil(&mut anchors);
            assert!(Calibration::none(ModelId::new("x")).with_anchors(anchors).is_err(), "{number}");
        }
    }

    #[test]
    fn spreads_lie_between_those_of_the_levels() {
        let mut anchors = known().anchors().to_vec();
        anchors.iter_mut().zip([0.0, 0.0, 0.1, 0.4, 1.6, 6.4, 6.4, 6.4]).for_each(|(a, spread)| a.spread = spread);
        let calibration = known().with_anchors(anchors).unwrap();
        for (number, anchor) in calibration.anchors().iter().enumerate() {
            assert!((calibration.spread(anchor.cosine) - anchor.spread).abs() < 1e-4, "{number}");
            assert!((calibration.spread_at_rate(anchor.fmr.rate) - anchor.spread).abs() < 1e-9, "{number}");
        }
        assert!((calibration.spread_at_rate(1e-4 / 10.0_f64.sqrt()) - 3.2).abs() < 1e-6);
        assert!((calibration.spread(f32::midpoint(0.4335, 0.5121)) - 3.2).abs() < 1e-3);
        assert_eq!((calibration.spread_at_rate(0.9), calibration.spread_at_rate(1e-9)), (0.0, 6.4));
        assert_eq!(Calibration::none(ModelId::new("x")).spread_at_rate(0.1), 0.0);
    }

    #[test]
    fn each_model_has_its_own_calibration() {
        let mut calibrations = Calibrations::default();
        calibrations.insert(known());
        assert!(calibrations.of(&ModelId::new("toy")).is_known());
        assert!(!calibrations.of(&ModelId::new("other")).is_known());
    }
}
