//! Searches of many probes in galleries of several sizes: what FPIR, FNIR and selectivity are counted from.
//!
//! The same cosines as the service's own search, and the same order of candidates; but every probe of a test is
//! searched in every size at once, and only what rates need is kept.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::all_pairs::Samples;
use super::error_rates::{Draw, Rate, by_person_rate};
use crate::vision::cosines;

/// Gallery rows that stay in the cache while a few probes pass over them.
const BLOCK: usize = 256;
/// Probes that pass over a block before the next one.
const PROBES: usize = 32;

/// Who is searched for and who is enrolled, by numbers of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Probes of people who are not enrolled at all, one for each person.
    pub non_mated: Vec<u32>,
    /// Probes of people with exactly one enrolled picture, one for each person.
    pub mated: Vec<u32>,
    /// Enrolled samples in random order, the mates among them: the first N are the gallery of size N.
    pub gallery: Vec<u32>,
}

/// How many probes a plan has at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Probes of people who are not enrolled.
    pub non_mated: usize,
    /// Probes of people who are.
    pub mated: usize,
    /// Enrolled pictures.
    pub enrolled: usize,
}

impl Plan {
    /// Chooses people for the probes, and fills the gallery with everybody else in random order.
    ///
    /// People who are searched for as not enrolled have no picture in the gallery; those who are searched for as
    /// enrolled have one, and their other pictures are left out. Fewer people than wanted give fewer probes: mated
    /// ones take at most half of those with two pictures or more, so that some of these can be strangers too.
    #[must_use]
    pub fn draw(people: &[u32], wanted: Wanted, draw: &mut Draw) -> Self {
        let mut of_person: Vec<Vec<u32>> = Vec::new();
        for (sample, &person) in (0..).zip(people) {
            let person = person as usize;
            if of_person.len() <= person {
                of_person.resize(person + 1, Vec::new());
            }
            of_person[person].push(sample);
        }
        let mut order: Vec<usize> = (0..of_person.len()).filter(|&person| !of_person[person].is_empty()).collect();
        draw.shuffle(&mut order);
        let several = order.iter().filter(|&&person| of_person[person].len() > 1).count();
        let strangers = wanted.non_mated.min(order.len().saturating_sub(1));
        let (mut mated_left, mut plan) =
            (wanted.mated.min(several / 2), Self { non_mated: vec![], mated: vec![], gallery: vec![] });
        let mut rest = Vec::new();
        for person in order {
            let pictures = &mut of_person[person];
            draw.shuffle(pictures);
            match pictures[..] {
                [probe, ..] if plan.non_mated.len() < strangers => plan.non_mated.push(probe),
                [probe, mate, ..] if mated_left > 0 => {
                    mated_left -= 1;
                    plan.mated.push(probe);
                    plan.gallery.push(mate);
                }
                _ => rest.append(pictures),
            }
        }
        // Mates among all others: people with several pictures are not like the rest, and would make the first N of the
        // gallery another gallery than the whole.
        plan.gallery.append(&mut rest);
        draw.shuffle(&mut plan.gallery);
        plan.gallery.truncate(wanted.enrolled);
        plan
    }
}

/// What one search in one gallery found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Whose picture the probe is.
    pub person: u32,
    /// Cosine of the best enrolled picture of somebody else; `None` when there is none.
    pub other: Option<f32>,
    /// Enrolled pictures of others at or above each threshold of the search.
    pub others_above: Vec<u32>,
    /// Cosine of the person's own best enrolled picture; `None` when the search is non-mated.
    pub own: Option<f32>,
    /// Pictures of others that come before the own one, those of the same cosine included.
    pub before_own: u32,
}

/// Enrolled vectors and whose they are, one after another.
#[derive(Debug, Clone, Copy)]
pub struct Enrolled<'a> {
    /// The vectors and people.
    pub samples: Samples<'a>,
    /// Sizes of the galleries, each the first so many; ascending, at most all.
    pub sizes: &'a [usize],
    /// Cosines at which candidates are counted.
    pub thresholds: &'a [f32],
}

/// Searches every probe in every size; by size, then by probe.
///
/// # Panics
/// When a size is larger than the gallery, or sizes do not ascend.
#[must_use]
pub fn search_all(enrolled: Enrolled<'_>, probes: Samples<'_>, threads: usize) -> Vec<Vec<Found>> {
    assert!(enrolled.sizes.windows(2).all(|pair| pair[0] < pair[1]), "sizes ascend");
    assert!(enrolled.sizes.last().is_none_or(|&size| size <= enrolled.samples.len()), "a size beyond the gallery");
    let next = AtomicUsize::new(0);
    let all: Mutex<Vec<(usize, Vec<Vec<Found>>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let start = next.fetch_add(PROBES, Ordering::Relaxed);
                    if start >= probes.len() {
                        break;
                    }
                    let found = search_some(enrolled, probes, start..(start + PROBES).min(probes.len()));
                    all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((start, found));
                }
            });
        }
    });
    let mut all = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    all.sort_by_key(|(start, _)| *start);
    let mut by_size = vec![Vec::with_capacity(probes.len()); enrolled.sizes.len()];
    for (_, chunk) in all {
        by_size.iter_mut().zip(chunk).for_each(|(all, mut part)| all.append(&mut part));
    }
    by_size
}

fn search_some(enrolled: Enrolled<'_>, probes: Samples<'_>, range: std::ops::Range<usize>) -> Vec<Vec<Found>> {
    let start = |person: u32| Found {
        person,
        other: None,
        others_above: vec![0; enrolled.thresholds.len()],
        own: None,
        before_own: 0,
    };
    let mut found: Vec<Found> = range.clone().map(|probe| start(probes.people[probe])).collect();
    // What comes before the own picture is only known once that is: the cosines of others that may, of probes who have
    // one.
    let people: std::collections::HashSet<u32> = enrolled.samples.people.iter().copied().collect();
    let mut others: Vec<Option<Vec<f32>>> =
        found.iter().map(|found| people.contains(&found.person).then(Vec::new)).collect();
    let mut by_size = Vec::with_capacity(enrolled.sizes.len());
    let mut buffer = [0.0; BLOCK];
    let mut at = 0;
    for &size in enrolled.sizes {
        while at < size {
            let end = (at + BLOCK).min(size);
            let rows = &enrolled.samples.vectors[at * enrolled.samples.dimensions..];
            for ((probe, found), others) in range.clone().zip(&mut found).zip(&mut others) {
                let block = &mut buffer[..end - at];
                cosines(probes.vector(probe), rows, block);
                count(block, &enrolled.samples.people[at..end], enrolled.thresholds, found, others);
            }
            at = end;
        }
        for (found, others) in found.iter_mut().zip(&mut others) {
            let (Some(own), Some(others)) = (found.own, others) else { continue };
            others.retain(|&cosine| cosine >= own);
            found.before_own = u32::try_from(others.len()).unwrap_or(u32::MAX);
        }
        by_size.push(found.clone());
    }
    by_size
}

fn count(block: &[f32], people: &[u32], thresholds: &[f32], found: &mut Found, others: &mut Option<Vec<f32>>) {
    for (&cosine, &person) in block.iter().zip(people) {
        if person == found.person {
            found.own = Some(found.own.map_or(cosine, |own| own.max(cosine)));
            continue;
        }
        found.other = Some(found.other.map_or(cosine, |other| other.max(cosine)));
        for (above, &threshold) in found.others_above.iter_mut().zip(thresholds) {
            *above += u32::from(cosine >= threshold);
        }
        if let Some(others) = others
            && found.own.is_none_or(|own| cosine >= own)
        {
            others.push(cosine);
        }
    }
}

/// Searches of people who are not enrolled that return somebody at or above `threshold`, over any number of draws:
/// the same person's searches hang together.
#[must_use]
pub fn fpir(found: &[Found], threshold: f32) -> Rate {
    by_person(found.iter().filter(|f| f.own.is_none()), |f| f.other.is_some_and(|other| other >= threshold))
}

/// Searches of people who are enrolled that do not return them at or above `threshold` within the first `rank`.
#[must_use]
pub fn fnir(found: &[Found], threshold: f32, rank: u32) -> Rate {
    by_person(found.iter().filter(|f| f.own.is_some()), |f| {
        f.own.is_none_or(|own| own < threshold) || f.before_own >= rank
    })
}

/// Comparisons of non-mated searches among so many enrolled that reach the threshold of this number: times `enrolled`,
/// the pictures of others that a search returns on average.
///
/// Without any, each person counts as one draw of a count: at most 3.7 in as many searches as there are people.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub fn selectivity(found: &[Found], threshold: usize, enrolled: u64) -> Rate {
    let mut people = std::collections::BTreeMap::new();
    for f in found.iter().filter(|f| f.own.is_none()) {
        let (returned, trials) = people.entry(f.person).or_insert((0, 0));
        *returned += u64::from(f.others_above[threshold]);
        *trials += enrolled;
    }
    let people: Vec<(u64, u64)> = people.into_values().collect();
    let rate = by_person_rate(&people);
    if rate.errors == 0 {
        return Rate { independent_trials: people.len() as f64 * enrolled as f64, ..rate };
    }
    rate
}

fn by_person<'a>(found: impl Iterator<Item = &'a Found>, is_error: impl Fn(&Found) -> bool) -> Rate {
    let mut people = std::collections::BTreeMap::new();
    for f in found {
        let (errors, trials) = people.entry(f.person).or_insert((0, 0));
        *errors += u64::from(is_error(f));
        *trials += 1;
    }
    let people: Vec<(u64, u64)> = people.into_values().collect();
    // One search for each person: those are independent, and Clopper and Pearson's interval is theirs.
    if people.iter().all(|(_, trials)| *trials == 1) {
        return Rate::counted(people.iter().map(|(errors, _)| errors).sum(), people.len() as u64);
    }
    by_person_rate(&people)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::{Embedding, ModelId};

    const DIMENSIONS: usize = 24;

    fn set(count: usize, people: u32) -> (Vec<f32>, Vec<u32>) {
        let mut draw = Draw::seeded(5);
        let mut vectors = Vec::new();
        for _ in 0..count {
            let raw: Vec<f32> = (0..DIMENSIONS).map(|_| draw.unit() as f32 - 0.5).collect();
            vectors.extend_from_slice(Embedding::normalised(ModelId::new("toy"), &raw).unwrap().vector());
        }
        (vectors, (0..count).map(|n| n as u32 % people).collect())
    }

    #[test]
    fn plans_keep_strangers_out_and_one_mate_in() {
        let people: Vec<u32> = (0..300_u32).map(|n| n % 90).collect();
        let wanted = Wanted { non_mated: 20, mated: 30, enrolled: 1000 };
        let plan = Plan::draw(&people, wanted, &mut Draw::seeded(1));
        assert_eq!((plan.non_mated.len(), plan.mated.len()), (20, 30));
        let enrolled = |person: u32| plan.gallery.iter().filter(|&&s| people[s as usize] == person).count();
        assert!(plan.non_mated.iter().all(|&probe| enrolled(people[probe as usize]) == 0));
        assert!(plan.mated.iter().all(|&probe| enrolled(people[probe as usize]) == 1));
        // In random order: the mates are not all among the first.
        let mated: Vec<u32> = plan.mated.iter().map(|&s| people[s as usize]).collect();
        let early = plan.gallery[..60].iter().filter(|&&s| mated.contains(&people[s as usize])).count();
        assert!((4..=26).contains(&early), "{early}");
        assert_eq!(plan, Plan::draw(&people, wanted, &mut Draw::seeded(1)));
        assert_ne!(plan, Plan::draw(&people, wanted, &mut Draw::seeded(2)));
    }

    #[test]
    fn small_sets_give_small_plans_and_no_panic() {
        let wanted = Wanted { non_mated: 100, mated: 100, enrolled: 1000 };
        for people in [vec![], vec![0], vec![0, 0, 0], vec![0, 1], vec![3, 3, 9, 9, 9]] {
            let plan = Plan::draw(&people, wanted, &mut Draw::seeded(1));
            assert!(plan.non_mated.len() + plan.mated.len() + plan.gallery.len() <= people.len());
        }
    }

    #[test]
    fn searches_equal_brute_force_in_every_size() {
        let (vectors, people) = set(900, 70);
        let samples = Samples { dimensions: DIMENSIONS, vectors: &vectors, people: &people };
        let (enrolled, probes) = (600, 300);
        let part = |from: usize, to: usize| Samples {
            dimensions: DIMENSIONS,
            vectors: &vectors[from * DIMENSIONS..to * DIMENSIONS],
            people: &people[from..to],
        };
        // A third of the probes are of people beyond the enrolled ones.
        let mut probe_people = people[enrolled..].to_vec();
        probe_people.iter_mut().step_by(3).for_each(|person| *person = 1000);
        let probe_set = Samples { people: &probe_people, ..part(enrolled, enrolled + probes) };
        let (sizes, thresholds) = ([1, 255, 256, 300, 600], [0.2, 0.5]);
        let gallery = Enrolled { samples: part(0, enrolled), sizes: &sizes, thresholds: &thresholds };
        let found = search_all(gallery, probe_set, 3);
        for (size, found) in sizes.iter().zip(&found) {
            for (probe, found) in found.iter().enumerate() {
                let mut buffer = vec![0.0; *size];
                cosines(samples.vector(enrolled + probe), samples.vectors, &mut buffer);
                let own: Vec<f32> = (0..*size).filter(|&s| people[s] == found.person).map(|s| buffer[s]).collect();
                let others: Vec<f32> = (0..*size).filter(|&s| people[s] != found.person).map(|s| buffer[s]).collect();
                let best = |of: &[f32]| of.iter().copied().reduce(f32::max);
                assert_eq!((found.own, found.other), (best(&own), best(&others)));
                for (threshold, above) in thresholds.iter().zip(&found.others_above) {
                    assert_eq!(*above as usize, others.iter().filter(|&&c| c >= *threshold).count());
                }
            }
        }
        let wrong = found[4].iter().filter(|f| f.own.is_none() && f.other >= Some(0.5)).count() as u64;
        assert_eq!((fpir(&found[4], 0.5).errors, fpir(&found[4], 0.5).trials), (wrong, 100));
        assert_eq!(fnir(&found[4], -1.0, u32::MAX).errors, 0);
        let returned: u64 = found[4].iter().filter(|f| f.own.is_none()).map(|f| u64::from(f.others_above[0])).sum();
        let others = selectivity(&found[4], 0, 600);
        assert_eq!((others.errors, others.trials), (returned, 100 * 600));
        // Nobody returned by searches of one person: a bound, as of one count.
        let none: Vec<Found> = found[4].iter().map(|f| Found { others_above: vec![0, 0], ..f.clone() }).collect();
        let bound = 600.0 * selectivity(&none, 0, 600).interval().1;
        assert!((bound - 3.69).abs() < 0.02, "{bound}");
        assert_eq!(fnir(&found[4], 1.1, 1).value(), Some(1.0));
    }

    #[test]
    fn the_rank_of_a_mate_counts_everybody_before_it_wherever_it_was_enrolled() {
        let (vectors, _) = set(500, 1);
        let mut people: Vec<u32> = (0..500).collect();
        let place = 300;
        people[place] = 499;
        let part = |from: usize, to: usize| Samples {
            dimensions: DIMENSIONS,
            vectors: &vectors[from * DIMENSIONS..to * DIMENSIONS],
            people: &people[from..to],
        };
        let gallery = Enrolled { samples: part(0, 499), sizes: &[100, 301, 499], thresholds: &[] };
        let found = search_all(gallery, part(499, 500), 1);
        let mut buffer = vec![0.0; 499];
        cosines(part(499, 500).vector(0), &vectors, &mut buffer);
        assert_eq!((found[0][0].own, found[0][0].before_own), (None, 0));
        for (size, found) in [301, 499].into_iter().zip(&found[1..]) {
            let before = (0..size).filter(|&s| s != place && buffer[s] >= buffer[place]).count();
            assert_eq!((found[0].own, found[0].before_own as usize), (Some(buffer[place]), before));
        }
    }
}
