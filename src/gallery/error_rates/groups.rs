//! Rates by group of people: which group is worse off, and whether that is more than chance.

use super::rate::{ERRORS_MIN, Rate, normal_above};

/// Fewest people of a group whose rate is compared with others'.
pub const PEOPLE_MIN: u64 = 30;
/// A group counts as worse off when its rate is surely more than this many times that of all others together: the
/// four-fifths rule of US employment practice, turned round.
pub const MATERIAL_RATIO: f64 = 1.25;

/// A group's part of the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// As in the manifest.
    pub name: String,
    /// People in it.
    pub people: u64,
    /// Their error rate.
    pub rate: Rate,
}

/// What can be said of a group beside the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// Fewer than [`PEOPLE_MIN`] people, or fewer than three errors to be expected: nothing is said.
    TooFew,
    /// No more than chance, or than [`MATERIAL_RATIO`], above the others.
    NotWorse,
    /// Worse off than all others together.
    Worse,
}

/// A group and what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The group.
    pub group: Group,
    /// Its rate over that of the best group that is large enough; `None` where one of them is not, or has no errors.
    pub to_best: Option<f64>,
    /// One-sided p value of being more than [`MATERIAL_RATIO`] times as bad as all others together.
    pub p_value: Option<f64>,
    /// The verdict; after [`judge`].
    pub standing: Standing,
}

/// Groups of one column and one measure side by side; verdicts are given by [`judge`] over all columns.
#[must_use]
pub fn compare(groups: &[Group]) -> Vec<Compared> {
    let enough = large_enough(groups);
    let best = groups
        .iter()
        .zip(&enough)
        .filter(|(group, enough)| **enough && group.rate.errors >= ERRORS_MIN)
        .filter_map(|(group, _)| group.rate.value())
        .min_by(f64::total_cmp);
    let compared = |(place, group): (usize, &Group)| {
        let usable = enough[place];
        let ratio = |best: f64| group.rate.value().map(|value| value / best);
        let others = groups.iter().enumerate().filter(|(other, _)| *other != place && enough[*other]);
        let others: Vec<&Rate> = others.map(|(_, other)| &other.rate).collect();
        Compared {
            group: group.clone(),
            to_best: best.filter(|_| usable && group.rate.errors >= ERRORS_MIN).and_then(ratio),
            p_value: (usable && !others.is_empty()).then(|| p_value(&group.rate, &others)),
            standing: if usable { Standing::NotWorse } else { Standing::TooFew },
        }
    };
    groups.iter().enumerate().map(compared).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn large_enough(groups: &[Group]) -> Vec<bool> {
    let errors: u64 = groups.iter().map(|group| group.rate.errors).sum();
    let trials: u64 = groups.iter().map(|group| group.rate.trials).sum();
    let overall = errors as f64 / trials.max(1) as f64;
    let expected = |group: &Group| overall * group.rate.trials as f64;
    groups.iter().map(|group| group.people >= PEOPLE_MIN && expected(group) >= ERRORS_MIN as f64).collect()
}

/// By the logarithm of the ratio, which is close to normal from a few errors on.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn p_value(rate: &Rate, others: &[&Rate]) -> f64 {
    // Half an error more on both sides keeps none from meaning never.
    let smoothed = |errors: f64, trials: f64| (errors + 0.5) / (trials + 1.0);
    let (errors, trials) =
        others.iter().fold((0.0, 0.0), |(e, n), rate| (e + rate.errors as f64, n + rate.trials as f64));
    let worth: f64 = others.iter().map(|rate| rate.independent_trials).sum();
    let (own, rest) = (smoothed(rate.errors as f64, rate.trials as f64), smoothed(errors, trials));
    let relative = |p: f64, worth: f64| (1.0 - p) / (p * worth.max(1.0));
    let error = (relative(own, rate.independent_trials) + relative(rest, worth)).sqrt();
    normal_above(((own / rest).ln() - MATERIAL_RATIO.ln()) / error)
}

/// Gives verdicts over every group of every column and measure of a report, such that the chance of calling any group
/// worse off that is not is below 5 % (Holm 1979).
pub fn judge(all: &mut [Compared]) {
    let mut order: Vec<usize> = (0..all.len()).filter(|&place| all[place].p_value.is_some()).collect();
    order.sort_by(|&a, &b| all[a].p_value.partial_cmp(&all[b].p_value).unwrap_or(std::cmp::Ordering::Equal));
    for (step, &place) in order.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a few groups")]
        let level = 0.05 / (order.len() - step) as f64;
        if all[place].p_value.is_none_or(|p| p > level) {
            break;
        }
        all[place].standing = Standing::Worse;
    }
}

/// Largest rate over the geometric mean of all (NIST FRTE Part 8's leading summary), of the groups that are large
/// enough and have errors; `None` with fewer than two such groups.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a few groups")]
pub fn max_over_geometric_mean(compared: &[Compared]) -> Option<f64> {
    let rates: Vec<f64> = compared
        .iter()
        .filter(|c| c.standing != Standing::TooFew && c.group.rate.errors >= ERRORS_MIN)
        .filter_map(|c| c.group.rate.value())
        .collect();
    let largest = rates.iter().copied().max_by(f64::total_cmp)?;
    let mean = (rates.iter().map(|rate| rate.ln()).sum::<f64>() / rates.len() as f64).exp();
    (rates.len() >= 2).then(|| largest / mean)
}

#[cfg(test)]
mod tests {
    use super::super::draw::Draw;
    use super::super::pooled::{Confusions, non_mated_rate};
    use super::super::rate::normal_quantile;
    use super::*;

    /// False matches within three groups of 90 people, with people who differ; `bias` lifts the first group's scores.
    fn run(bias: f64, draw: &mut Draw) -> Vec<Compared> {
        let mut normal = || normal_quantile(draw.unit().clamp(1e-12, 1.0 - 1e-12));
        let people = 90;
        let groups: Vec<Group> = (0..3)
            .map(|group| {
                let own: Vec<f64> = (0..people).map(|_| 0.3 * normal()).collect();
                let lift = if group == 0 { bias } else { 0.0 };
                let mut confused = Vec::new();
                for first in 0..people {
                    for second in 0..first {
                        if own[first] + own[second] + normal() + lift > 2.2 {
                            confused.push(Confusions { first: first as u32, second: second as u32, count: 1 });
                        }
                    }
                }
                let rate = non_mated_rate(&vec![1; people], &confused);
                Group { name: group.to_string(), people: people as u64, rate }
            })
            .collect();
        let mut compared = compare(&groups);
        judge(&mut compared);
        compared
    }

    #[test]
    fn planted_bias_is_flagged_and_none_is_in_100_runs_without() {
        let mut draw = Draw::seeded(8280);
        let worse = |compared: &[Compared]| {
            compared.iter().filter(|c| c.standing == Standing::Worse).map(|c| c.group.name.clone()).collect::<Vec<_>>()
        };
        let flagged: usize = (0..100).map(|_| worse(&run(0.0, &mut draw)).len()).sum();
        assert_eq!(flagged, 0);
        // Half a standard deviation: about three times the rate.
        for _ in 0..20 {
            assert_eq!(worse(&run(0.5, &mut draw)), ["0"]);
        }
    }

    #[test]
    fn small_groups_and_rare_errors_are_too_few() {
        let group = |people: u64, errors: u64, trials: u64| Group {
            name: String::new(),
            people,
            rate: Rate::counted(errors, trials),
        };
        let compared = compare(&[group(3, 30, 30), group(500, 40, 9000), group(400, 30, 9000), group(60, 0, 100)]);
        let standings: Vec<_> = compared.iter().map(|c| c.standing).collect();
        use Standing::{NotWorse, TooFew};
        assert_eq!(standings, [TooFew, NotWorse, NotWorse, TooFew]);
        assert_eq!((compared[0].to_best, compared[0].p_value), (None, None));
        assert!((compared[1].to_best.unwrap() - 4.0 / 3.0).abs() < 1e-9);
        let ratio = max_over_geometric_mean(&compared).unwrap();
        assert!((ratio - (4.0_f64 / 3.0).sqrt()).abs() < 1e-9);
        assert_eq!(max_over_geometric_mean(&compare(&[group(100, 0, 0)])), None);
        assert!(compare(&[]).is_empty());
    }

    #[test]
    fn congress_is_told_as_likely_but_not_sure() {
        // 11 of 107 against 17 of 428: 2.6 times, and 28 events are few.
        let group = |people, errors| Group { name: String::new(), people, rate: Rate::counted(errors, people) };
        let mut compared = compare(&[group(107, 11), group(428, 17)]);
        judge(&mut compared);
        assert!(compared[0].p_value.unwrap() < 0.06 && compared[1].p_value.unwrap() > 0.5);
        assert!((compared[0].to_best.unwrap() - 2.588).abs() < 1e-3);
    }
}
