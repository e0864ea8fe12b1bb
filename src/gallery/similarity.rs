//! Cosine to similarity percent, in one place.
//!
//! INVARIANT (calibrated percent): a similarity percent exists only through this file, and every calibration
//! names its data set, its number of comparisons and the FMR at each level.

use crate::vision::ModelId;

/// One point of a calibration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anchor {
    /// Cosine at which the percent is reached.
    pub cosine: f32,
    /// Similarity percent there.
    pub percent: f32,
    /// False match rate at that threshold, and whether it was counted or extrapolated.
    pub fmr: Fmr,
}

/// Where a false match rate comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fmr {
    /// Counted on the data set.
    Measured(f64),
    /// Beyond what the data set can show; see [`Calibration::method`].
    Extrapolated(f64),
    /// An end of the scale, without a rate.
    End,
}

/// What the percents of one network stand for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// The network; `*` for any other.
    pub model_id: &'static str,
    /// Pictures it was fitted on.
    pub data_set: &'static str,
    /// Non-mated comparisons behind the measured rates.
    pub comparisons: u64,
    /// How rates beyond the data were found.
    pub method: &'static str,
    /// Strictly increasing in cosine and percent, from -1 and 0 to 1 and 100; straight lines between.
    pub anchors: &'static [Anchor],
}

const fn measured(cosine: f32, percent: f32, fmr: f64) -> Anchor {
    Anchor { cosine, percent, fmr: Fmr::Measured(fmr) }
}

const fn extrapolated(cosine: f32, percent: f32, fmr: f64) -> Anchor {
    Anchor { cosine, percent, fmr: Fmr::Extrapolated(fmr) }
}

const LOWEST: Anchor = Anchor { cosine: -1.0, percent: 0.0, fmr: Fmr::End };
const HIGHEST: Anchor = Anchor { cosine: 1.0, percent: 100.0, fmr: Fmr::End };

/// All comparisons of pictures with different names in LFW (deep-funneled), the central face of each. Below 1e-5 the
/// data set's own label errors (one person under two names) decide the count, so the tail is a stated extrapolation.
const RETAIL_0095: Calibration = Calibration {
    model_id: "face-reidentification-retail-0095",
    data_set: "LFW (deep-funneled, 13,233 pictures), all pairs of different names",
    comparisons: 87_307_271,
    method: "below FMR 1e-5: the normal tail through the thresholds measured at 1e-4 and 1e-5",
    anchors: &[
        LOWEST,
        measured(0.0045, 10.0, 0.5),
        measured(0.1278, 30.0, 1e-1),
        measured(0.2470, 50.0, 1e-2),
        measured(0.3472, 65.0, 1e-3),
        measured(0.4335, 80.0, 1e-4),
        measured(0.5121, 90.0, 1e-5),
        extrapolated(0.5824, 95.0, 1e-6),
        extrapolated(0.6466, 99.0, 1e-7),
        HIGHEST,
    ],
};

/// As above, through dlib's own detector and alignment. Its cosines lie close together: between an FMR of 1e-2 and one of
/// 1e-5 there are 0.05.
const DLIB_RESNET: Calibration = Calibration {
    model_id: "dlib-face-recognition-resnet-v1",
    data_set: "LFW (deep-funneled, 13,233 pictures), all pairs of different names",
    comparisons: 87_307_271,
    method: "below FMR 1e-5: the normal tail through the thresholds measured at 1e-4 and 1e-5",
    anchors: &[
        LOWEST,
        measured(0.9072, 50.0, 1e-2),
        measured(0.9259, 65.0, 1e-3),
        measured(0.9407, 80.0, 1e-4),
        measured(0.9525, 90.0, 1e-5),
        extrapolated(0.9630, 95.0, 1e-6),
        extrapolated(0.9727, 99.0, 1e-7),
        HIGHEST,
    ],
};

/// For networks without a calibration of their own: the half circle's cosine as it is. It promises no rate.
const UNCALIBRATED: Calibration = Calibration {
    model_id: "*",
    data_set: "none",
    comparisons: 0,
    method: "uncalibrated: percent = 50 (1 + cosine); no false match rate is known",
    anchors: &[LOWEST, HIGHEST],
};

/// The calibration of `model`, or the uncalibrated scale.
#[must_use]
pub fn calibration(model: &ModelId) -> &'static Calibration {
    [&RETAIL_0095, &DLIB_RESNET].into_iter().find(|known| known.model_id == model.as_str()).unwrap_or(&UNCALIBRATED)
}

/// Similarity percent, 0 to 100, of a cosine under the calibration of `model`. Strictly increasing.
#[must_use]
pub fn percent_from_cosine(model: &ModelId, cosine: f32) -> f32 {
    between(calibration(model).anchors, cosine, |a| a.cosine, |a| a.percent)
}

/// The cosine at which `percent` is reached: a threshold for searching.
///
/// Rounded towards more candidates by less than 1e-5, so a caller that asks for "at least `percent`" keeps only
/// those whose own [`percent_from_cosine`] is.
#[must_use]
pub fn cosine_from_percent(model: &ModelId, percent: f32) -> f32 {
    between(calibration(model).anchors, percent, |a| a.percent, |a| a.cosine) - 4e-6
}

/// Straight lines between the anchors, from the axis `of` to the axis `to`; flat beyond the ends.
fn between(anchors: &[Anchor], x: f32, of: fn(&Anchor) -> f32, to: fn(&Anchor) -> f32) -> f32 {
    let (first, last) = (anchors[0], anchors[anchors.len() - 1]);
    // `not above`: a value that is no number counts as lowest.
    if x.is_nan() || x <= of(&first) {
        return to(&first);
    }
    if x >= of(&last) {
        return to(&last);
    }
    let upper = anchors.iter().position(|a| of(a) > x).unwrap_or(anchors.len() - 1);
    let (a, b) = (&anchors[upper - 1], &anchors[upper]);
    let share = (f64::from(x) - f64::from(of(a))) / (f64::from(of(b)) - f64::from(of(a)));
    #[expect(clippy::cast_possible_truncation, reason = "between two f32 values")]
    let y = (f64::from(to(a)) + share * (f64::from(to(b)) - f64::from(to(a)))) as f32;
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> [ModelId; 3] {
        [ModelId::new(RETAIL_0095.model_id), ModelId::new(DLIB_RESNET.model_id), ModelId::new("another")]
    }

    #[test]
    fn ends_are_0_and_100() {
        for model in models() {
            assert_eq!(percent_from_cosine(&model, -1.0), 0.0);
            assert_eq!(percent_from_cosine(&model, 1.0), 100.0);
            assert_eq!(percent_from_cosine(&model, f32::NAN), 0.0);
        }
    }

    #[test]
    fn documented_levels_hold() {
        let model = ModelId::new(RETAIL_0095.model_id);
        for (percent, fmr) in [(80.0, 1e-4), (90.0, 1e-5), (95.0, 1e-6), (99.0, 1e-7)] {
            let anchor = RETAIL_0095.anchors.iter().find(|a| a.percent == percent).unwrap();
            assert!(matches!(anchor.fmr, Fmr::Measured(rate) | Fmr::Extrapolated(rate) if rate == fmr));
            assert!((percent_from_cosine(&model, anchor.cosine) - percent).abs() < 1e-3);
        }
    }

    #[test]
    fn percent_grows_with_cosine_and_back() {
        for model in models() {
            let mut before = -1.0;
            for step in 0..=2000_u16 {
                let cosine = f32::from(step) / 1000.0 - 1.0;
                let percent = percent_from_cosine(&model, cosine);
                assert!(percent > before, "{model} at {cosine}");
                before = percent;
                let back = cosine_from_percent(&model, percent);
                assert!(back <= cosine && cosine - back < 1.2e-5, "{model}: {cosine} came back as {back}");
            }
        }
    }
}
