//! From scores of different people to a calibration: which cosine stands for which false match rate.
//!
//! Every pair of people counts once, however many pictures they have: a rate is that of two people drawn at random.
//! Counted by pictures, a few people with hundreds of them decide (in LFW one man is in 8 % of all comparisons), and the
//! rate is another one for other people.

use std::collections::BTreeSet;

use super::all_pairs::{Pair, Scores};
use super::error_rates::tail::{self, CHECK_FACTOR, COUNTED_MIN, Counted, Tail};
use super::error_rates::{Confusions, Draw, Rate};
use super::similarity::{Anchor, Calibration, LEVELS, NotMonotone, RateSource, StatedRate};
use super::spread::{SHARE_MIN, Shown, SpreadLine, spread_of};

/// Replicates behind the intervals of the tail.
const REPLICATES: usize = 60;
/// Seed of the replicates: a calibration is made again bit for bit.
const SEED: u64 = 0x7472_6f6d_6269;
/// A pair of people is suspected to be one person when so many pairs or fewer would be expected to be as close by
/// chance: most probably none.
const SUSPECTED_BELOW: f64 = 0.5;

/// What a calibration is fitted on.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// Scores of different people.
    pub non_mated: &'a Scores,
    /// Number of the person in each sample.
    pub people: &'a [u32],
    /// Pictures of each person, by number.
    pub pictures: &'a [u32],
}

/// Why there is no calibration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// Too few pairs of different people to count FMR 1e-3.
    #[error(
        "{pairs} pairs of different people are too few for a calibration: at least {PAIRS_MIN} are needed, which {PEOPLE_MIN} people make"
    )]
    TooFew {
        /// How many there are.
        pairs: u64,
    },
    /// Scores that do not spread: all faces alike, or one picture many times.
    #[error("the scores make no scale: {0}")]
    NotAScale(#[from] NotMonotone),
}

/// Fewest pairs of people: FMR 1e-3 is counted from them.
pub const PAIRS_MIN: u64 = 50_000;
/// The people who make as many pairs.
pub const PEOPLE_MIN: u64 = 317;

/// A calibration, and how far it can be believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The calibration.
    pub calibration: Calibration,
    /// The tail; `None` where it could not be fitted or failed its check.
    pub tail: Option<Tail>,
    /// Predicted over counted at the lowest counted rate, from the higher ones.
    pub check: Option<f64>,
    /// The counted rates.
    pub counted: Vec<Counted>,
    /// Pairs of people, the smaller number first, who are suspected to be one person: set aside, for somebody to look at.
    pub suspected: Vec<(u32, u32)>,
}

/// Fits the scale of `blank` (its model, data set and counts of pictures are kept).
///
/// Levels with at least [`COUNTED_MIN`] false matches are counted; those below are by the tail model, if that passes
/// its check, and are left out otherwise. Cosines are rounded to four digits, upwards, and rates to four digits. People
/// who are suspected to be one person under two names are set aside.
///
/// # Errors
/// The pairs of people are too few, or the scores make no scale.
pub fn fit(mut blank: Calibration, material: Material<'_>) -> Result<Fit, CalibrationError> {
    let people = people_in(material);
    let pairs = people * people.saturating_sub(1) / 2;
    if pairs < PAIRS_MIN {
        return Err(CalibrationError::TooFew { pairs });
    }
    let (table, suspected) = without_suspected(material, pairs);
    let counted = table.rates();
    let check = tail::check(&counted, true);
    let holds = check.is_some_and(|ratio| (1.0 / CHECK_FACTOR..=CHECK_FACTOR).contains(&ratio));
    let tail = if holds { Tail::fit(&counted, true) } else { None };
    let replicates = if tail.is_some() { table.replicates(&counted) } else { Vec::new() };
    let shown: Vec<Shown> = counted.iter().filter_map(|rate| table.shown(rate.cosine)).collect();
    let line = SpreadLine::fit(&shown, people);
    let mut spread = 0.0_f64;
    let anchors: Vec<Anchor> = LEVELS
        .iter()
        .map_while(|&(percent, rate)| {
            let (cosine, fmr) =
                table.level(rate).or_else(|| tail_level(tail.as_ref()?, &counted, &replicates, rate))?;
            // What cannot be seen at a level is carried on from where it can, or kept.
            let seen = table.shown(cosine).filter(|shown| shown.confused >= SHARE_MIN);
            let beyond = || line.and_then(|line| line.beyond(fmr.rate)).map_or(spread, |beyond| beyond.max(spread));
            spread = seen.map_or_else(beyond, |shown| shown.spread);
            Some(Anchor { percent, cosine, fmr: fmr.in_four_digits(), spread })
        })
        .collect();
    blank.comparisons = material.non_mated.total();
    blank.method = method(&anchors, tail.as_ref(), check, suspected.len());
    let calibration = blank.with_anchors(anchors)?;
    Ok(Fit { calibration, tail, check, counted, suspected })
}

/// The false match rate of two people drawn at random, at `cosine`, with its 95 % interval: every pair of people counts
/// once, and those of `aside` (sorted, smaller numbers first) do not count. `None` where not every false match is kept.
#[must_use]
pub fn rate_of_people(material: Material<'_>, cosine: f32, aside: &[(u32, u32)]) -> Option<(f64, f64, f64)> {
    material.non_mated.beyond(cosine)?;
    let people = people_in(material);
    let pairs = people * people.saturating_sub(1) / 2;
    if pairs <= aside.len() as u64 {
        return None;
    }
    let table = Table::of(material, pairs, &aside.iter().copied().collect());
    let (low, high) = table.interval(cosine);
    Some((table.share(cosine), low, high))
}

fn people_in(material: Material<'_>) -> u64 {
    material.pictures.iter().filter(|&&count| count > 0).count() as u64
}

/// Twice: the second look is with a tail that the first one's suspects no longer bend.
fn without_suspected(material: Material<'_>, pairs: u64) -> (Table<'_>, Vec<(u32, u32)>) {
    let mut suspected = BTreeSet::new();
    let mut table = Table::of(material, pairs, &suspected);
    for _ in 0..2 {
        let Some(tail) = Tail::fit(&table.rates(), true) else { break };
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let Some(cosine) = tail.cosine(SUSPECTED_BELOW / pairs as f64) else { break };
        let close = table.rows.iter().take_while(|row| row.cosine >= cosine);
        let more: BTreeSet<(u32, u32)> = close.map(|row| (row.first, row.second)).collect();
        if more.is_empty() {
            break;
        }
        suspected.extend(more);
        table = Table::of(material, pairs, &suspected);
    }
    (table, suspected.into_iter().collect())
}

/// One kept comparison as a part of its pair of people.
#[derive(Debug, Clone, Copy)]
struct Row {
    cosine: f32,
    /// The smaller number of the two people.
    first: u32,
    second: u32,
    /// One over the number of comparisons of the two.
    weight: f64,
    /// Weights up to here, this one included.
    above: f64,
}

/// The highest comparisons, weighted so that each pair of people counts once.
struct Table<'a> {
    material: Material<'a>,
    rows: Vec<Row>,
    /// People with pictures.
    people: u64,
    /// Pairs of people.
    total: f64,
}

impl<'a> Table<'a> {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn of(material: Material<'a>, pairs: u64, without: &BTreeSet<(u32, u32)>) -> Self {
        let mut above = 0.0;
        let row = |pair: &Pair| {
            let (first, second) = people_of(pair, material.people);
            let comparisons =
                f64::from(material.pictures[first as usize]) * f64::from(material.pictures[second as usize]);
            (!without.contains(&(first, second))).then(|| {
                above += 1.0 / comparisons;
                Row { cosine: pair.cosine, first, second, weight: 1.0 / comparisons, above }
            })
        };
        let rows = material.non_mated.pairs().iter().filter_map(row).collect();
        Self { material, rows, people: people_in(material), total: (pairs - without.len() as u64) as f64 }
    }

    /// The smallest cosine that a share of at most `rate` reaches, and that share; `None` with fewer than
    /// [`COUNTED_MIN`] pairs of people above.
    fn reached(&self, rate: f64) -> Option<(f32, f64)> {
        let allowed = rate * self.total;
        let refused = self.rows.partition_point(|row| row.above <= allowed);
        if allowed < COUNTED_MIN || refused == 0 || refused == self.rows.len() {
            return None;
        }
        let cosine = self.rows[refused].cosine.next_up();
        Some((cosine, self.share(cosine)))
    }

    fn share(&self, cosine: f32) -> f64 {
        let above = self.rows.partition_point(|row| row.cosine >= cosine);
        above.checked_sub(1).map_or(0.0, |last| self.rows[last].above) / self.total
    }

    /// Rates by quarters of a decade from 1e-2 down to the last that is counted.
    fn rates(&self) -> Vec<Counted> {
        (0..40)
            .map(|step| 1e-2 * 10.0_f64.powf(-0.25 * f64::from(step)))
            .filter_map(|rate| self.reached(rate))
            .map(|(cosine, fmr)| Counted { cosine, fmr, events: fmr * self.total })
            .filter(|counted| counted.fmr > 0.0)
            .collect()
    }

    /// A counted level of the scale. Those above what is kept pair by pair are read from all comparisons' bins, where
    /// how often somebody is pictured hardly matters.
    fn level(&self, rate: f64) -> Option<(f32, StatedRate)> {
        let Some((cosine, _)) = self.reached(rate) else {
            let scores = self.material.non_mated;
            if rate * self.total < COUNTED_MIN || self.rows.last().is_some_and(|row| rate * self.total <= row.above) {
                return None;
            }
            let cosine = round_up(scores.threshold_at(rate, 1)?);
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            let counted = scores.at_or_above(cosine) as f64 / scores.total() as f64;
            // Of tens of millions of comparisons the count itself is sure; this leaves room for people with many pictures.
            let (low, high) = (0.8 * counted, (1.25 * counted).min(1.0));
            return Some((cosine, StatedRate { rate: counted, low, high, source: RateSource::Counted }));
        };
        let cosine = round_up(cosine);
        let rate = self.share(cosine);
        let (low, high) = self.interval(cosine);
        (rate > 0.0).then_some((cosine, StatedRate { rate, low, high, source: RateSource::Counted }))
    }

    /// The 95 % interval of the share, with people and not comparisons as what was drawn: as
    /// [`super::error_rates::non_mated_rate`], of people with one picture each and parts of errors.
    fn interval(&self, cosine: f32) -> (f64, f64) {
        let above = self.rows.partition_point(|row| row.cosine >= cosine);
        let p = self.share(cosine);
        if p <= 0.0 {
            return Rate::interval_of(0.0, self.total, 0.05);
        }
        let of_pairs = by_pair(&self.rows[..above]);
        let people = self.material.pictures.len();
        let mut of_person = vec![0.0; people];
        for &(first, second, part) in &of_pairs {
            of_person[first as usize] += part;
            of_person[second as usize] += part;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let others = people as f64 - 1.0;
        let of_people: f64 = of_person.iter().map(|h| (h - p * others).powi(2)).sum();
        let squares: f64 = of_pairs.iter().map(|(_, _, part)| part * part).sum();
        let variance = of_people - (squares - p * p * self.total);
        // Parts of pairs do not count as whole errors do: the variance of a binomial count is not a floor here.
        let independent = (p * (1.0 - p) * self.total * self.total / variance.max(p)).min(self.total);
        Rate::interval_of(p, independent, 0.05)
    }

    /// Tails refitted on people drawn anew. A drawn person is there as often as drawn, and comparisons of the same
    /// person are left out; single pairs' noise is counted up to three times by this, so the intervals are rather too
    /// wide.
    fn replicates(&self, counted: &[Counted]) -> Vec<Tail> {
        let mut draw = Draw::seeded(SEED);
        let people = self.material.pictures.len();
        (0..REPLICATES)
            .filter_map(|_| {
                let mut drawn = vec![0.0_f64; people];
                (0..people).for_each(|_| drawn[draw.below(people)] += 1.0);
                let (sum, squares) = drawn.iter().fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
                let total = 0.5 * (sum * sum - squares);
                let (mut events, mut at) = (0.0, 0);
                // Rows are sorted from the highest: one pass counts all rates, from the lowest.
                let mut again: Vec<Counted> = counted
                    .iter()
                    .rev()
                    .map(|rate| {
                        while let Some(row) = self.rows.get(at).filter(|row| row.cosine >= rate.cosine) {
                            events += row.weight * drawn[row.first as usize] * drawn[row.second as usize];
                            at += 1;
                        }
                        Counted { cosine: rate.cosine, fmr: events / total, events }
                    })
                    .filter(|rate| rate.events > 0.0 && rate.fmr < 0.5)
                    .collect();
                again.reverse();
                Tail::fit(&again, true)
            })
            .collect()
    }

    /// What the people show at a cosine of how unlike they are: the share who are confused with anybody at all, and the
    /// spread that makes it. Matched to that share and not to the variance, which a few extreme people decide. `None`
    /// where not every false match is kept.
    fn shown(&self, cosine: f32) -> Option<Shown> {
        let fmr = self.share(cosine);
        let above = self.rows.partition_point(|row| row.cosine >= cosine);
        let mut alone = vec![1.0_f64; self.material.pictures.len()];
        for (first, second, part) in by_pair(&self.rows[..above]) {
            alone[first as usize] *= 1.0 - part.min(1.0);
            alone[second as usize] *= 1.0 - part.min(1.0);
        }
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let confused = alone.iter().map(|alone| 1.0 - alone).sum::<f64>() / self.people as f64;
        let shown = Shown { fmr, confused, spread: spread_of(fmr, self.people - 1, confused) };
        (above < self.rows.len() && fmr > 0.0).then_some(shown)
    }
}

/// The tail's cosine for a rate. The interval holds the spread of the replicates, and the straight line's answer:
/// what the choice of curve may be wrong by.
fn tail_level(tail: &Tail, counted: &[Counted], replicates: &[Tail], rate: f64) -> Option<(f32, StatedRate)> {
    let cosine = round_up(tail.cosine(rate)?);
    let stated = tail.fmr(cosine);
    let logs: Vec<f64> = replicates.iter().map(|tail| tail.fmr(cosine).max(1e-300).ln()).collect();
    if logs.len() < REPLICATES / 2 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few replicates")]
    let count = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / count;
    let deviation = (logs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    let (mut low, mut high) = ((stated.ln() - 1.96 * deviation).exp(), (stated.ln() + 1.96 * deviation).exp());
    if let Some(line) = Tail::fit(&counted[counted.len().saturating_sub(8)..], false) {
        low = low.min(line.fmr(cosine));
        high = high.max(line.fmr(cosine));
    }
    (low.is_finite() && high <= 1.0)
        .then_some((cosine, StatedRate { rate: stated, low, high, source: RateSource::Tail }))
}

/// The two people of a pair of samples, the smaller number first.
fn people_of(pair: &Pair, people: &[u32]) -> (u32, u32) {
    let (a, b) = (people[pair.first as usize], people[pair.second as usize]);
    (a.min(b), a.max(b))
}

/// Pairs of people, each once, with the sum of their rows' weights.
fn by_pair(rows: &[Row]) -> Vec<(u32, u32, f64)> {
    let mut parts: Vec<(u32, u32, f64)> = rows.iter().map(|row| (row.first, row.second, row.weight)).collect();
    parts.sort_unstable_by_key(|part| (part.0, part.1));
    parts
        .chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
        .map(|same| (same[0].0, same[0].1, same.iter().map(|part| part.2).sum()))
        .collect()
}

/// Pairs of samples as pairs of people, each once.
#[must_use]
pub fn confusions(pairs: &[Pair], people: &[u32]) -> Vec<Confusions> {
    let mut keys: Vec<(u32, u32)> = pairs.iter().map(|pair| people_of(pair, people)).collect();
    keys.sort_unstable();
    keys.chunk_by(|a, b| a == b)
        .map(|same| Confusions {
            first: same[0].0,
            second: same[0].1,
            count: u32::try_from(same.len()).unwrap_or(u32::MAX),
        })
        .collect()
}

/// To four digits, upwards: a rate is not above what is stated.
fn round_up(cosine: f32) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "rounded to four digits")]
    let rounded = ((f64::from(cosine) * 1e4 - 1e-3).ceil() / 1e4) as f32;
    rounded
}

fn method(anchors: &[Anchor], tail: Option<&Tail>, check: Option<f64>, suspected: usize) -> String {
    let counted = anchors.iter().rfind(|anchor| anchor.fmr.source == RateSource::Counted);
    let down_to = counted.map_or_else(String::new, |anchor| format!(" down to FMR {:.0e}", anchor.fmr.rate));
    let beyond = match (tail, check) {
        (Some(tail), Some(check)) => {
            let [a, b, d] = tail.coefficients();
            format!(
                "below, the curved normal tail z = {a:.4} {b:+.4} c {d:+.4} c^2, fitted to the counted rates from 1e-2; from the higher rates it predicts {check:.2} times the lowest counted one"
            )
        }
        (None, Some(check)) => format!(
            "nothing is said below: the curved normal tail predicts {check:.2} times the lowest counted rate and is not believed"
        ),
        _ => "nothing is said below: the counted rates are too few for a tail".to_owned(),
    };
    format!(
        "each pair of people counts once; {suspected} pairs suspected to be one person under two names are set aside; counted{down_to}; {beyond}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::all_pairs::{Compared, Samples, compare_all};
    use super::super::error_rates::normal_quantile;
    use super::*;
    use crate::vision::{Embedding, ModelId};

    const DIMENSIONS: usize = 48;

    /// One picture each of people in random directions that share a little of one direction.
    fn people(count: usize, seed: u64) -> (Vec<f32>, Vec<u32>) {
        let mut draw = Draw::seeded(seed);
        let mut vectors = Vec::new();
        for _ in 0..count {
            let raw: Vec<f32> = (0..DIMENSIONS)
                .map(|n| normal_quantile(draw.unit().clamp(1e-9, 1.0 - 1e-9)) as f32 + if n == 0 { 0.5 } else { 0.0 })
                .collect();
            vectors.extend_from_slice(Embedding::normalised(ModelId::new("toy"), &raw).unwrap().vector());
        }
        (vectors, (0..count as u32).collect())
    }

    fn compared(count: usize, seed: u64) -> (Compared, Vec<u32>) {
        let (vectors, numbers) = people(count, seed);
        let samples = Samples { dimensions: DIMENSIONS, vectors: &vectors, people: &numbers };
        (compare_all(samples, 1 << 20, 2, &|_| ()), numbers)
    }

    fn fitted(count: usize, seed: u64) -> Result<Fit, CalibrationError> {
        let (compared, numbers) = compared(count, seed);
        let pictures = vec![1; count];
        let material = Material { non_mated: &compared.non_mated, people: &numbers, pictures: &pictures };
        fit(Calibration::none(ModelId::new("toy")), material)
    }

    #[test]
    fn stated_rates_hold_on_other_people() {
        let fit = fitted(1500, 1).unwrap();
        let (others, _) = compared(2500, 2);
        for anchor in &fit.calibration.anchors()[2..6] {
            let seen = others.non_mated.at_or_above(anchor.cosine) as f64 / others.non_mated.total() as f64;
            let ratio = seen / anchor.fmr.rate;
            assert!((0.5..=2.0).contains(&ratio), "{} %: {ratio}", anchor.percent);
        }
        assert!(fit.calibration.anchors().iter().any(|anchor| anchor.fmr.source == RateSource::Tail));
        assert!(fit.calibration.method.contains("curved normal tail"));
    }

    #[test]
    fn people_who_are_all_alike_have_no_spread() {
        let fit = fitted(1500, 1).unwrap();
        let spread = fit.calibration.anchors()[4].spread;
        assert!(spread < 0.4, "{spread}");
    }

    #[test]
    fn one_person_under_two_names_is_set_aside_and_named() {
        let (mut vectors, numbers) = people(1200, 4);
        // Person 7 is person 3 with another picture of hers: nearly the same vector.
        let twin: Vec<f32> = vectors[3 * DIMENSIONS..4 * DIMENSIONS].iter().map(|x| x + 0.01).collect();
        let twin = Embedding::normalised(ModelId::new("toy"), &twin).unwrap();
        vectors[7 * DIMENSIONS..8 * DIMENSIONS].copy_from_slice(twin.vector());
        let samples = Samples { dimensions: DIMENSIONS, vectors: &vectors, people: &numbers };
        let compared = compare_all(samples, 1 << 20, 2, &|_| ());
        let material = Material { non_mated: &compared.non_mated, people: &numbers, pictures: &[1; 1200] };
        let fit = fit(Calibration::none(ModelId::new("toy")), material).unwrap();
        assert_eq!(fit.suspected, [(3, 7)]);
        assert!(fit.calibration.method.contains("1 pairs suspected"));
    }

    #[test]
    fn a_person_with_many_pictures_counts_once() {
        // The same people, the first one with fifty pictures that are nearly one: the scale stays.
        let (mut vectors, mut numbers) = people(800, 5);
        let once = fitted(800, 5).unwrap();
        let first = vectors[..DIMENSIONS].to_vec();
        for _ in 0..49 {
            vectors.extend_from_slice(&first);
        }
        numbers.extend([0; 49]);
        let samples = Samples { dimensions: DIMENSIONS, vectors: &vectors, people: &numbers };
        let compared = compare_all(samples, 1 << 20, 2, &|_| ());
        let mut pictures = vec![1; 800];
        pictures[0] = 50;
        let material = Material { non_mated: &compared.non_mated, people: &numbers, pictures: &pictures };
        let many = fit(Calibration::none(ModelId::new("toy")), material).unwrap();
        for (a, b) in once.calibration.anchors().iter().zip(many.calibration.anchors()).skip(2) {
            assert!((a.cosine - b.cosine).abs() < 2e-3, "{} %", a.percent);
        }
    }

    #[test]
    fn too_few_people_give_no_calibration() {
        assert_eq!(fitted(100, 1), Err(CalibrationError::TooFew { pairs: 4950 }));
    }

    #[test]
    fn one_face_many_times_is_no_scale() {
        let vectors: Vec<f32> = (0..600).flat_map(|_| [1.0, 0.0]).collect();
        let numbers: Vec<u32> = (0..600).collect();
        let samples = Samples { dimensions: 2, vectors: &vectors, people: &numbers };
        let compared = compare_all(samples, 1 << 20, 2, &|_| ());
        let material = Material { non_mated: &compared.non_mated, people: &numbers, pictures: &[1; 600] };
        let answer = fit(Calibration::none(ModelId::new("toy")), material);
        assert!(matches!(answer, Err(CalibrationError::NotAScale(_))), "{answer:?}");
    }

    #[test]
    fn pairs_of_pictures_become_pairs_of_people() {
        let pair = |first, second| Pair { cosine: 0.5, first, second };
        let people = [4, 4, 2, 9];
        let found = confusions(&[pair(2, 0), pair(3, 2), pair(2, 1)], &people);
        let of = |first, second, count| Confusions { first, second, count };
        assert_eq!(found, [of(2, 4, 2), of(2, 9, 1)]);
    }
}
