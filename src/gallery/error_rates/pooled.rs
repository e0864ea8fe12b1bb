//! Rates over all comparisons of a set of pictures, with intervals that know people.
//!
//! Two comparisons that share a person are not independent: a *wolf* resembles many, a *goat* resembles nobody, not
//! even himself. So the variance is that of people drawn anew, not of comparisons drawn anew.

use super::rate::Rate;

/// How often two people's pictures were confused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confusions {
    /// One person.
    pub first: u32,
    /// The other.
    pub second: u32,
    /// Comparisons of the two at or above the threshold.
    pub count: u32,
}

/// The false match rate of all comparisons of different people.
///
/// `pictures[s]` is the number of pictures of person `s`; `confused` names each unordered pair of people at most
/// once. The variance counts every two comparisons that share a person as dependent: with e the errors of a pair of
/// people less the mean for their number of comparisons, it is the sum over people of (sum of e)^2, less the sum of
/// e^2, which that sum has twice. It is what a bootstrap over people would give once the noise of single pairs, which
/// such a bootstrap counts three times, is counted once (Fafchamps and Gubert 2007; Aronow, Samii and Assenova 2015).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub fn non_mated_rate(pictures: &[u32], confused: &[Confusions]) -> Rate {
    let n: Vec<f64> = pictures.iter().map(|&count| f64::from(count)).collect();
    let sum: f64 = n.iter().sum();
    let squares: f64 = n.iter().map(|x| x * x).sum();
    let fourths: f64 = n.iter().map(|x| x.powi(4)).sum();
    let trials = non_mated_comparisons(pictures);
    let errors: u64 = confused.iter().map(|pair| u64::from(pair.count)).sum();
    let people = pictures.iter().filter(|&&count| count > 0).count() as u64;
    let pairs = people * people.saturating_sub(1) / 2;
    if trials == 0 {
        return Rate::counted(0, 0);
    }
    let p = errors as f64 / trials as f64;
    let mut of_person = vec![0.0; n.len()];
    let (mut own_squares, mut cross) = (0.0, 0.0);
    for pair in confused {
        let (s, t, h) = (pair.first as usize, pair.second as usize, f64::from(pair.count));
        of_person[s] += h;
        of_person[t] += h;
        own_squares += h * h;
        cross += h * n[s] * n[t];
    }
    let of_people: f64 = of_person.iter().zip(&n).map(|(h, n)| (h - p * n * (sum - n)).powi(2)).sum();
    let of_pairs = own_squares - 2.0 * p * cross + p * p * 0.5 * (squares * squares - fourths);
    // A person is in many pairs: people, not pairs, are what was drawn.
    let mut rate = Rate::clustered(errors, trials, of_people - of_pairs, people);
    if errors == 0 || errors == trials {
        rate.independent_trials = (trials as f64).min(pairs as f64);
    }
    rate
}

/// Comparisons of different people among so many pictures of each.
#[must_use]
pub fn non_mated_comparisons(pictures: &[u32]) -> u64 {
    let sum: u64 = pictures.iter().map(|&count| u64::from(count)).sum();
    let squares: u64 = pictures.iter().map(|&count| u64::from(count).pow(2)).sum();
    (sum * sum - squares) / 2
}

/// Comparisons of each person with himself among so many pictures of each.
#[must_use]
pub fn mated_comparisons(pictures: &[u32]) -> u64 {
    pictures.iter().map(|&count| u64::from(count) * u64::from(count).saturating_sub(1) / 2).sum()
}

/// A rate over trials that belong to one person each, given as errors and trials of every person.
///
/// The variance is that of drawing people, in its limit of many draws: the sum over people of (errors less the mean
/// for their number of trials)^2.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub fn by_person_rate(people: &[(u64, u64)]) -> Rate {
    let (errors, trials) = people.iter().fold((0, 0), |(errors, trials), (e, n)| (errors + e, trials + n));
    if trials == 0 {
        return Rate::counted(0, 0);
    }
    let p = errors as f64 / trials as f64;
    let variance: f64 = people.iter().map(|&(e, n)| (e as f64 - p * n as f64).powi(2)).sum();
    let clusters = people.iter().filter(|(_, n)| *n > 0).count() as u64;
    Rate::clustered(errors, trials, variance * clusters as f64 / (clusters.max(2) - 1) as f64, clusters)
}

#[cfg(test)]
mod tests {
    use super::super::draw::Draw;
    use super::super::rate::normal_quantile;
    use super::*;

    fn normal(draw: &mut Draw) -> f64 {
        normal_quantile(draw.unit().clamp(1e-12, 1.0 - 1e-12))
    }

    /// People who differ in how alike they are to others, and pairs that add their own: the share of pairs above 0.
    fn confused(people: usize, wolves: f64, threshold: f64, draw: &mut Draw) -> Vec<Confusions> {
        let own: Vec<f64> = (0..people).map(|_| wolves * normal(draw)).collect();
        let mut confused = Vec::new();
        for first in 0..people {
            for second in 0..first {
                if own[first] + own[second] + normal(draw) > threshold {
                    confused.push(Confusions { first: first as u32, second: second as u32, count: 1 });
                }
            }
        }
        confused
    }

    /// True rate of [`confused`]: both people and the pair are normal.
    fn truth(wolves: f64, threshold: f64) -> f64 {
        super::super::rate::normal_above(threshold / (1.0 + 2.0 * wolves * wolves).sqrt())
    }

    #[test]
    fn intervals_of_pooled_comparisons_cover_the_truth_as_often_as_they_say() {
        let mut draw = Draw::seeded(20_181);
        for (people, wolves, threshold) in [(60, 0.0, 1.6), (60, 0.3, 1.9), (100, 0.5, 2.4)] {
            let (runs, truth) = (1000, truth(wolves, threshold));
            let covered = (0..runs)
                .filter(|_| {
                    let rate = non_mated_rate(&vec![1; people], &confused(people, wolves, threshold, &mut draw));
                    let (low, high) = rate.interval();
                    low <= truth && truth <= high
                })
                .count();
            assert!((930..=970).contains(&covered), "{people} people, wolves {wolves}: {covered} of {runs}");
        }
    }

    #[test]
    fn intervals_by_person_cover_the_truth_as_often_as_they_say() {
        let mut draw = Draw::seeded(2);
        // Half of the people fail one time in ten, half never: 5 %, ten trials each.
        let covered = (0..1000)
            .filter(|_| {
                let people: Vec<(u64, u64)> = (0..200)
                    .map(|_| {
                        let rate = if draw.unit() < 0.5 { 0.1 } else { 0.0 };
                        ((0..10).filter(|_| draw.unit() < rate).count() as u64, 10)
                    })
                    .collect();
                let (low, high) = by_person_rate(&people).interval();
                low <= 0.05 && 0.05 <= high
            })
            .count();
        assert!((930..=970).contains(&covered), "{covered}");
    }

    #[test]
    fn variance_is_that_of_a_bootstrap_over_people() {
        let mut draw = Draw::seeded(3);
        let people = 80;
        let pictures: Vec<u32> = (0..people).map(|i| 1 + i % 3).collect();
        let mut list = confused(people as usize, 0.6, 2.4, &mut draw);
        list.iter_mut().for_each(|pair| pair.count = pictures[pair.first as usize] * pictures[pair.second as usize]);
        let rate = non_mated_rate(&pictures, &list);
        let p = rate.value().unwrap();
        let mut weights = vec![0.0; people as usize];
        let replicates: Vec<f64> = (0..4000)
            .map(|_| {
                weights.fill(0.0);
                (0..people).for_each(|_| weights[draw.below(people as usize)] += 1.0);
                let weighted: Vec<f64> = weights.iter().zip(&pictures).map(|(w, n)| w * f64::from(*n)).collect();
                let sum: f64 = weighted.iter().sum();
                let squares: f64 = weighted.iter().map(|x| x * x).sum();
                let errors: f64 = list
                    .iter()
                    .map(|c| weights[c.first as usize] * weights[c.second as usize] * f64::from(c.count))
                    .sum();
                errors / (0.5 * (sum * sum - squares))
            })
            .collect();
        let mean = replicates.iter().sum::<f64>() / 4000.0;
        let bootstrap = replicates.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 3999.0;
        // The noise of single pairs, which the bootstrap has three times and the truth once.
        let trials = rate.trials as f64;
        let own: f64 = (0..people as usize)
            .flat_map(|s| (0..s).map(move |t| (s, t)))
            .map(|(s, t)| {
                let count =
                    list.iter().find(|c| (c.first as usize, c.second as usize) == (s, t)).map_or(0, |c| c.count);
                (f64::from(count) - p * f64::from(pictures[s] * pictures[t])).powi(2)
            })
            .sum();
        let expected = bootstrap - 2.0 * own / (trials * trials);
        let few = normal_quantile(0.975) / 1.990_45; // Student's t of 79 degrees
        let ours = p * (1.0 - p) / rate.independent_trials * few * few;
        assert!((ours / expected - 1.0).abs() < 0.12, "{ours} is not {expected}");
    }

    #[test]
    fn counts_of_comparisons_are_those_of_the_pairs() {
        assert_eq!(non_mated_comparisons(&[3, 2, 1]), 11);
        assert_eq!(mated_comparisons(&[3, 2, 1]), 4);
        assert_eq!(non_mated_comparisons(&[]), 0);
    }

    #[test]
    fn nobody_and_one_person_have_no_rate_and_no_errors_have_a_bound() {
        assert_eq!(non_mated_rate(&[], &[]).value(), None);
        assert_eq!(non_mated_rate(&[5], &[]).value(), None);
        let rate = non_mated_rate(&[10, 10, 10], &[]);
        assert_eq!((rate.errors, rate.trials), (0, 300));
        // Three pairs of people are all there is: 300 comparisons are not 300 observations.
        assert!((rate.interval().1 - Rate::counted(0, 3).interval().1).abs() < 1e-12);
        assert_eq!(by_person_rate(&[]).value(), None);
    }
}
