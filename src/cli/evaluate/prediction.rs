//! Whether a smaller gallery predicts what the largest one does, and where it does not, why.
//!
//! A prediction has two ingredients: how often two people are confused (the rate), and how unlike people are in that
//! (the spread). To find which one fails, each is replaced by what the largest gallery itself shows.

use std::collections::BTreeMap;

use super::findings::PredictionCheck;
use super::measure::{Level, Measured};
use super::words::{count, share};
use crate::gallery::all_pairs::{Samples, compare_all};
use crate::gallery::calibrate::{self, Fit, Material};
use crate::gallery::error_rates::Rate;
use crate::gallery::expectation::{Fpir, expect, fpir as expected_fpir};
use crate::gallery::identification::{Found, Plan, fpir, selectivity};
use crate::gallery::similarity::{Calibration, RateSource};
use crate::gallery::spread::spread_of;
use crate::vision::ModelId;

/// Enrolled people that predictions are made from.
const FROM: [usize; 2] = [1000, 5000];
/// Pairs kept one by one.
const KEPT: usize = 1 << 18;

/// Predictions of the largest gallery's FPIR, draw by draw.
pub(super) struct Checks<'a> {
    levels: &'a [Level],
    largest: usize,
    /// By size, then by level.
    found: BTreeMap<(usize, usize), Check>,
}

/// Sums over the draws.
#[derive(Debug, Default)]
struct Check {
    draws: u64,
    inside: u64,
    overlapping: u64,
    /// Inside with every comparison independent.
    independent: u64,
    /// Inside with the largest gallery's own rate.
    with_its_rate: u64,
    /// Inside with the largest gallery's own spread.
    with_its_spread: u64,
    /// Draws whose rate is by the tail model.
    extrapolated: u64,
    /// Draws whose rate is above the largest gallery's.
    rate_above: u64,
    predicted: f64,
    measured: f64,
    /// False matches among the first people enrolled.
    false_matches: f64,
    /// How far the rate is off, as the size of a logarithm.
    rate_off: f64,
    spread: f64,
    its_spread: f64,
}

/// What the searches of one draw show at one threshold.
struct Shown {
    /// Searches that return somebody.
    fpir: Rate,
    value: f64,
    /// Share of all comparisons of the searches.
    fmr: f64,
    /// How unlike the people searched for are.
    spread: f64,
}

impl<'a> Checks<'a> {
    pub(super) fn new(levels: &'a [Level], largest: usize) -> Self {
        Self { levels, largest, found: BTreeMap::new() }
    }

    /// Predicts from the first people enrolled in a draw, and holds that against what was found in all of its gallery.
    pub(super) fn add(&mut self, measured: &Measured<'_>, plan: &Plan, found: &[Found]) {
        for size in FROM.into_iter().filter(|&size| size < self.largest) {
            let (vectors, people) = measured.gather(plan.gallery[..size].iter());
            // One picture of each: people are numbered anew.
            let numbers: Vec<u32> = (0..).take(people.len()).collect();
            let samples = Samples { dimensions: measured.samples().dimensions, vectors: &vectors, people: &numbers };
            let compared = compare_all(samples, KEPT, measured.threads(), &|_| ());
            let pictures = vec![1; numbers.len()];
            let material = Material { non_mated: &compared.non_mated, people: &numbers, pictures: &pictures };
            let Ok(fit) = calibrate::fit(Calibration::none(ModelId::new("self")), material) else { continue };
            for (place, level) in self.levels.iter().enumerate() {
                let Some(shown) = shown(found, level.cosine, place, self.largest as u64) else { continue };
                let false_matches = compared.non_mated.at_or_above(level.cosine);
                let check = self.found.entry((size, place)).or_default();
                check.add(&fit, level.cosine, self.largest as u64, &shown, false_matches);
            }
        }
    }

    pub(super) fn finish(self) -> Vec<PredictionCheck> {
        let Self { levels, largest, found } = self;
        let finished =
            |((size, place), check): ((usize, usize), Check)| check.finish(&levels[place].label, size, largest);
        found.into_iter().map(finished).collect()
    }
}

fn shown(found: &[Found], cosine: f32, place: usize, enrolled: u64) -> Option<Shown> {
    let rate = fpir(found, cosine);
    let value = rate.value()?;
    let fmr = selectivity(found, place, enrolled).value()?;
    Some(Shown { fpir: rate, value, fmr, spread: spread_of(fmr, enrolled, value) })
}

impl Check {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn add(&mut self, fit: &Fit, cosine: f32, enrolled: u64, shown: &Shown, false_matches: u64) {
        let calibration = &fit.calibration;
        let (Fpir::Known { rate: predicted, low: from, high: to, source }, Some(fmr)) =
            (expect(calibration, cosine, enrolled).fpir, calibration.fmr(cosine))
        else {
            return;
        };
        let (low, high) = shown.fpir.interval();
        let inside = |fpir: f64| u64::from((low..=high).contains(&fpir));
        let spread = calibration.spread(cosine);
        self.draws += 1;
        self.inside += inside(predicted);
        self.overlapping += u64::from(from <= high && low <= to);
        self.independent += inside(expected_fpir(fmr.rate, enrolled, 0.0));
        self.with_its_rate += inside(expected_fpir(shown.fmr, enrolled, spread));
        self.with_its_spread += inside(expected_fpir(fmr.rate, enrolled, shown.spread));
        self.extrapolated += u64::from(source == RateSource::Tail);
        self.rate_above += u64::from(fmr.rate > shown.fmr);
        self.predicted += predicted;
        self.measured += shown.value;
        self.false_matches += false_matches as f64;
        self.rate_off += if shown.fmr > 0.0 { (fmr.rate / shown.fmr).ln().abs() } else { 0.0 };
        self.spread += spread;
        self.its_spread += shown.spread;
    }

    #[expect(clippy::cast_precision_loss, reason = "a few draws")]
    fn finish(self, label: &str, size: usize, largest: usize) -> PredictionCheck {
        let draws = self.draws as f64;
        let holds = self.enough(self.inside);
        PredictionCheck {
            label: label.to_owned(),
            from_enrolled: size as u64,
            to_enrolled: largest as u64,
            draws: self.draws,
            inside: self.inside,
            overlapping: self.overlapping,
            inside_if_independent: self.independent,
            inside_with_measured_rate: self.with_its_rate,
            inside_with_measured_spread: self.with_its_spread,
            predicted: self.predicted / draws,
            measured: self.measured / draws,
            holds,
            why_not: (!holds).then(|| self.why_not(label, size, largest)),
        }
    }

    /// Nine draws of ten.
    fn enough(&self, inside: u64) -> bool {
        inside * 10 >= self.draws * 9
    }

    /// That the model does not hold, and which of its ingredients is why: the one that has to be replaced for nine draws
    /// of ten to hold, or both.
    fn why_not(&self, label: &str, size: usize, largest: usize) -> String {
        let (rate_would_do, spread_would_do) = (self.enough(self.with_its_rate), self.enough(self.with_its_spread));
        let mut text = format!(
            "From {} enrolled people the model does not hold at {label} for {}: its prediction lies inside the measured interval in {} of {} draws. ",
            count(size as u64),
            count(largest as u64),
            self.inside,
            self.draws
        );
        if rate_would_do || !spread_would_do {
            text.push_str(&self.rate_is_why(size));
        }
        if spread_would_do || !rate_would_do {
            text.push_str(&self.spread_is_why(size));
        }
        text.push_str(&match (rate_would_do, spread_would_do) {
            (true, true) => format!("Either one, as measured in the large gallery, would make it hold ({} and {} draws).", self.with_its_rate, self.with_its_spread),
            (true, false) => format!("With the rate measured in the large gallery {} draws would hold.", self.with_its_rate),
            (false, true) => format!("With the spread measured in the large gallery {} draws would hold.", self.with_its_spread),
            (false, false) => format!("Neither alone is enough: with the rate measured in the large gallery {} draws would hold, with the spread measured there {}.", self.with_its_rate, self.with_its_spread),
        });
        text
    }

    #[expect(clippy::cast_precision_loss, reason = "a few draws")]
    fn rate_is_why(&self, size: usize) -> String {
        let draws = self.draws as f64;
        let seen = self.false_matches / draws;
        let beyond = if self.extrapolated * 2 > self.draws {
            ", so their rate is extrapolated from lower thresholds"
        } else {
            ""
        };
        format!(
            "{} people show only {} false matches there{beyond}: it is off by a factor of {:.2} on average, too high in {} of {} draws. ",
            count(size as u64),
            if seen < 10.0 { format!("{seen:.1}") } else { format!("{seen:.0}") },
            (self.rate_off / draws).exp(),
            self.rate_above,
            self.draws
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "a few draws")]
    fn spread_is_why(&self, size: usize) -> String {
        let draws = self.draws as f64;
        let (seen, there) = (self.spread / draws, self.its_spread / draws);
        let becomes = if seen < there { "high" } else { "low" };
        format!(
            "People differ in how often they are taken for others, and {} people do not show how much: a spread of {seen:.1} on average where the large gallery has {there:.1}, which makes predictions too {becomes} (on average {} for {}). ",
            count(size as u64),
            share(self.predicted / draws),
            share(self.measured / draws)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(with_its_rate: u64, with_its_spread: u64) -> Check {
        Check {
            draws: 20,
            inside: 14,
            with_its_rate,
            with_its_spread,
            rate_above: 12,
            predicted: 7.0,
            measured: 6.0,
            false_matches: 1000.0,
            rate_off: 4.0,
            spread: 20.0,
            its_spread: 40.0,
            ..Check::default()
        }
    }

    #[test]
    fn what_fails_is_said_by_what_would_mend_it() {
        let why = |rate, spread| check(rate, spread).why_not("similarity 80", 1000, 5183);
        let blames = |text: &str| (text.contains("false matches there"), text.contains("People differ"));
        assert_eq!(blames(&why(20, 14)), (true, false));
        assert_eq!(blames(&why(14, 18)), (false, true));
        assert_eq!(blames(&why(18, 18)), (true, true));
        let text = why(15, 16);
        assert_eq!(blames(&text), (true, true));
        assert!(
            text.starts_with("From 1,000 enrolled people the model does not hold at similarity 80 for 5,183:"),
            "{text}"
        );
        assert!(text.contains("only 50 false matches") && text.contains("factor of 1.22"), "{text}");
        assert!(
            text.contains("spread of 1.0 on average where the large gallery has 2.0")
                && text.contains("too high (on average 35.0 % for 30.0 %)")
        );
        assert!(text.contains("would hold, with the spread measured there 16"), "{text}");
        let beyond = Check { extrapolated: 20, false_matches: 100.0, ..check(14, 14) };
        assert!(
            beyond.why_not("x", 1000, 5183).contains("only 5.0 false matches there, so their rate is extrapolated")
        );
    }

    #[test]
    fn a_prediction_that_holds_needs_no_reason() {
        let held = Check { inside: 18, ..check(20, 20) }.finish("x", 1000, 5000);
        assert!(held.holds && held.why_not.is_none());
        let failed = Check { inside: 17, ..check(20, 20) }.finish("x", 1000, 5000);
        assert!(!failed.holds && failed.why_not.is_some());
    }
}
