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

/// A ratio of rates with its interval of at least 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The ratio.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A group and what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The group.
    pub group: Group,
    /// Its rate over that of the best group that is large enough; `None` where one of them is not, or has too few
    /// errors.
    pub to_best: Option<Ratio>,
    /// One-sided p value of being more than [`MATERIAL_RATIO`] times as bad as all others together.
    pub p_value: Option<f64>,
    /// The verdict; after [`judge`].
    pub standing: Standing,
}

/// Groups of one column and one measure side by side; verdicts are given by [`judge`] over all columns.
#[must_use]
pub fn compare(groups: &[Group]) -> Vec<Compared> {
    let enough = large_enough(groups);
    let told = |place: usize| enough[place] && groups[place].rate.errors >= ERRORS_MIN;
    let rated: Vec<usize> = (0..groups.len()).filter(|&place| told(place)).collect();
    let value = |place: usize| groups[place].rate.value().unwrap_or_default();
    let best = rated.iter().copied().min_by(|&a, &b| value(a).total_cmp(&value(b)));
    let to_best = |place: usize| {
        let best = best.filter(|_| told(place))?;
        Some(if place == best { SAME } else { ratio(&groups[place].rate, &[&groups[best].rate], rated.len()) })
    };
    let compared = |(place, group): (usize, &Group)| {
        let usable = enough[place];
        let others = groups.iter().enumerate().filter(|(other, _)| *other != place && enough[*other]);
        let others: Vec<&Rate> = others.map(|(_, other)| &other.rate).collect();
        Compared {
            group: group.clone(),
            to_best: to_best(place),
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
pub fn max_over_geometric_mean(compared: &[Compared]) -> Option<Ratio> {
    let told = |c: &&Compared| c.standing != Standing::TooFew && c.group.rate.errors >= ERRORS_MIN;
    let mut rates: Vec<&Rate> = compared.iter().filter(told).map(|c| &c.group.rate).collect();
    let value = |rate: &Rate| rate.value().unwrap_or_default();
    rates.sort_by(|a, b| value(b).total_cmp(&value(a)));
    let (largest, others) = rates.split_first().filter(|(_, others)| !others.is_empty())?;
    let over_others = ratio(largest, others, rates.len());
    // The largest is one of those in the mean: of k, its own logarithm counts k - 1 of k times.
    #[expect(clippy::cast_precision_loss, reason = "a few groups")]
    let share = others.len() as f64 / rates.len() as f64;
    let with_itself = |ratio: f64| ratio.powf(share);
    Some(Ratio {
        value: with_itself(over_others.value),
        low: with_itself(over_others.low),
        high: with_itself(over_others.high),
    })
}

/// The best group beside itself.
const SAME: Ratio = Ratio { value: 1.0, low: 1.0, high: 1.0 };

/// A rate over the geometric mean of `others`, one of `groups` that could have been chosen as extreme.
///
/// The interval is put together from those of the rates, which know that people and not trials were drawn: on the
/// logarithmic scale the distances from each rate to the end of its interval add up as squares (Zou and Donner 2008,
/// *Construction of confidence limits about effect measures*; groups share no people, so their rates are independent).
/// Which group is best or worst is seen in the same data: each comparison is made at 1 - 0.05 / (groups - 1), so that it
/// holds whichever of them it turns out to be.
#[expect(clippy::cast_precision_loss, reason = "a few groups")]
fn ratio(rate: &Rate, others: &[&Rate], groups: usize) -> Ratio {
    let alpha = 0.05 / (groups.max(2) - 1) as f64;
    let ln = |rate: &Rate| {
        let (low, high) = rate.interval_at(alpha);
        [rate.value().unwrap_or_default().ln(), low.ln(), high.ln()]
    };
    let [own, own_low, own_high] = ln(rate);
    let (mut middle, mut below, mut above) = (own, (own - own_low).powi(2), (own_high - own).powi(2));
    let share = 1.0 / others.len() as f64;
    for [other, low, high] in others.iter().map(|rate| ln(rate)) {
        middle -= share * other;
        below += (share * (high - other)).powi(2);
        above += (share * (other - low)).powi(2);
    }
    Ratio { value: middle.exp(), low: (middle - below.sqrt()).exp(), high: (middle + above.sqrt()).exp() }
}

#[cfg(test)]
mod tests {
    use super::super::draw::Draw;
    use super::super::pooled::{Confusions, non_mated_rate};
    use super::super::rate::normal_quantile;
    use super::*;

    /// False matches within a group of people who differ, whose scores are lifted by `lift`.
    fn wolves(people: usize, lift: f64, draw: &mut Draw) -> Rate {
        let mut normal = || normal_quantile(draw.unit().clamp(1e-12, 1.0 - 1e-12));
        let own: Vec<f64> = (0..people).map(|_| 0.3 * normal()).collect();
        let mut confused = Vec::new();
        for first in 0..people {
            for second in 0..first {
                if own[first] + own[second] + normal() + lift > 2.2 {
                    confused.push(Confusions { first: first as u32, second: second as u32, count: 1 });
                }
            }
        }
        non_mated_rate(&vec![1; people], &confused)
    }

    /// Three groups of 90 people; `bias` lifts the first group's scores.
    fn run(bias: f64, draw: &mut Draw) -> Vec<Compared> {
        let group =
            |(place, lift): (usize, f64)| Group { name: place.to_string(), people: 90, rate: wolves(90, lift, draw) };
        let groups: Vec<Group> = [bias, 0.0, 0.0].into_iter().enumerate().map(group).collect();
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
        let to_best = compared[1].to_best.unwrap();
        assert!((to_best.value - 4.0 / 3.0).abs() < 1e-9 && to_best.low < 1.0 && to_best.high > 2.0, "{to_best:?}");
        assert_eq!(compared[2].to_best, Some(SAME));
        let ratio = max_over_geometric_mean(&compared).unwrap();
        assert!((ratio.value - (4.0_f64 / 3.0).sqrt()).abs() < 1e-9);
        assert!(ratio.low < ratio.value && ratio.value < ratio.high);
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
        // Katz's logarithmic method says 1.25 to 5.36 of two such counts; exact ends are a little wider.
        let Ratio { value, low, high } = compared[0].to_best.unwrap();
        assert!(
            (value - 2.588).abs() < 1e-3 && (1.1..1.26).contains(&low) && (5.3..6.0).contains(&high),
            "{low} {high}"
        );
    }

    #[test]
    fn ratios_of_groups_cover_the_truth_as_often_as_they_say() {
        let mut draw = Draw::seeded(19_795);
        // Two groups of people who differ, alike as groups: the truth is 1.
        let covered = (0..1000)
            .filter(|_| {
                let rates = [(), ()].map(|()| wolves(60, 0.0, &mut draw));
                let Ratio { low, high, .. } = ratio(&rates[0], &[&rates[1]], 2);
                low <= 1.0 && 1.0 <= high
            })
            .count();
        assert!((930..=970).contains(&covered), "{covered}");
    }

    #[test]
    fn choosing_the_best_and_the_worst_group_after_looking_is_paid_for() {
        let mut draw = Draw::seeded(29);
        for groups in [2, 3, 6] {
            let (mut to_best, mut over_mean) = ((0, 0), (0, 0));
            for _ in 0..500 {
                let counted = |draw: &mut Draw| (0..600).filter(|_| draw.unit() < 0.05).count() as u64;
                let group = |draw: &mut Draw| Group {
                    name: String::new(),
                    people: 600,
                    rate: Rate::counted(counted(draw), 600),
                };
                let all: Vec<Group> = (0..groups).map(|_| group(&mut draw)).collect();
                let compared = compare(&all);
                let holds = |ratio: &Ratio| ratio.low <= 1.0 && 1.0 <= ratio.high;
                for ratio in compared.iter().filter_map(|c| c.to_best).filter(|ratio| *ratio != SAME) {
                    to_best = (to_best.0 + usize::from(holds(&ratio)), to_best.1 + 1);
                }
                let ratio = max_over_geometric_mean(&compared).unwrap();
                over_mean = (over_mean.0 + usize::from(holds(&ratio)), over_mean.1 + 1);
            }
            for (held, of) in [to_best, over_mean] {
                assert!(held * 100 >= of * 93, "{groups} groups: {held} of {of}");
            }
        }
    }
}
