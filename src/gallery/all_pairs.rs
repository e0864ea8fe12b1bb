//! Every picture of a set against every other: the scores behind error rates.
//!
//! Useful for: hundreds of millions of comparisons in little memory, with the same bits as the service's own. Not
//! useful for finding somebody: that is [`super::Collection`].

use std::cmp::Ordering;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};

use super::error_rates::Histogram;
use crate::vision::cosines;

/// Vectors of one tile's side: with 256 dimensions, 256 KiB, which stay in the second cache while as many probes
/// pass over them.
const TILE: usize = 256;

/// Unit vectors of one network, one after another, and whose they are.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// Length of a vector.
    pub dimensions: usize,
    /// `dimensions` numbers for each sample.
    pub vectors: &'a [f32],
    /// Number of the person in each sample.
    pub people: &'a [u32],
}

impl<'a> Samples<'a> {
    /// Samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// The vector of a sample.
    #[must_use]
    pub fn vector(&self, sample: usize) -> &'a [f32] {
        &self.vectors[sample * self.dimensions..][..self.dimensions]
    }

    /// Cosines of one sample with a run of others, into the front of `buffer`.
    pub(super) fn cosines<'b>(&self, probe: usize, others: std::ops::Range<usize>, buffer: &'b mut [f32]) -> &'b [f32] {
        let found = &mut buffer[..others.len()];
        cosines(self.vector(probe), &self.vectors[others.start * self.dimensions..], found);
        found
    }
}

/// Two samples and how close they are; `first` has the greater number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// -1 to 1.
    pub cosine: f32,
    /// One sample.
    pub first: u32,
    /// The other.
    pub second: u32,
}

/// Which scores are kept one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The highest: where different people are confused.
    Highest,
    /// The lowest: where one person is not recognised.
    Lowest,
}

impl Kept {
    /// Kept ones first; ties by the samples' numbers, so that the choice does not depend on the order of work.
    fn order(self, a: &Pair, b: &Pair) -> Ordering {
        let by_cosine = match self {
            Self::Highest => b.cosine.total_cmp(&a.cosine),
            Self::Lowest => a.cosine.total_cmp(&b.cosine),
        };
        by_cosine.then_with(|| (a.first, a.second).cmp(&(b.first, b.second)))
    }
}

/// Many scores: all of them counted in bins, and one end of them kept pair by pair, in order.
#[derive(Debug, Clone)]
pub struct Scores {
    kept: Kept,
    limit: usize,
    histogram: Histogram,
    pairs: Vec<Pair>,
    total: u64,
    /// Pairs beyond this are not kept.
    cutoff: Option<f32>,
}

impl Scores {
    /// None yet; at least `limit` of the end `kept` will be kept.
    #[must_use]
    pub fn new(kept: Kept, limit: usize) -> Self {
        Self { kept, limit: limit.max(1), histogram: Histogram::default(), pairs: Vec::new(), total: 0, cutoff: None }
    }

    /// Adds one.
    pub fn add(&mut self, pair: Pair) {
        self.histogram.add(pair.cosine);
        let outside = match (self.cutoff, self.kept) {
            (None, _) => false,
            (Some(cutoff), Kept::Highest) => pair.cosine < cutoff,
            (Some(cutoff), Kept::Lowest) => pair.cosine > cutoff,
        };
        if !outside {
            self.pairs.push(pair);
            if self.pairs.len() >= 2 * self.limit {
                self.cut();
            }
        }
    }

    /// Adds another's.
    fn merge(&mut self, other: Self) {
        self.histogram.merge(&other.histogram);
        self.cutoff = match (self.cutoff, other.cutoff) {
            (Some(a), Some(b)) => Some(if self.kept == Kept::Highest { a.max(b) } else { a.min(b) }),
            (a, b) => a.or(b),
        };
        self.pairs.extend(other.pairs);
        if self.pairs.len() > self.limit {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let kept = self.kept;
        let (_, worst, _) = self.pairs.select_nth_unstable_by(self.limit - 1, |a, b| kept.order(a, b));
        self.cutoff = Some(worst.cosine);
        self.pairs.truncate(self.limit);
    }

    fn finish(&mut self) {
        if self.pairs.len() > self.limit {
            self.cut();
        }
        let kept = self.kept;
        self.pairs.sort_unstable_by(|a, b| kept.order(a, b));
        self.total = self.histogram.total();
    }

    /// All scores.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// All scores in bins.
    #[must_use]
    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    /// The pairs that are kept one by one, the end's extreme first.
    #[must_use]
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Whether every score is kept.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.pairs.len() as u64 == self.total
    }

    /// Scores at or above `threshold`: exact within what is kept, to the width of a bin beyond.
    #[must_use]
    pub fn at_or_above(&self, threshold: f32) -> u64 {
        let before = match self.kept {
            Kept::Highest => self.pairs.partition_point(|pair| pair.cosine >= threshold),
            Kept::Lowest => self.pairs.partition_point(|pair| pair.cosine < threshold),
        } as u64;
        // Reaching the last kept pair proves nothing about those behind it.
        if before == self.pairs.len() as u64 && !self.is_whole() {
            return self.histogram.at_or_above(threshold);
        }
        match self.kept {
            Kept::Highest => before,
            Kept::Lowest => self.total - before,
        }
    }

    /// The pairs on the wrong side of `threshold`: at or above it where the highest are kept, below it where the
    /// lowest are. `None` when some of them were not kept.
    #[must_use]
    pub fn beyond(&self, threshold: f32) -> Option<&[Pair]> {
        let wrong = match self.kept {
            Kept::Highest => self.pairs.partition_point(|pair| pair.cosine >= threshold),
            Kept::Lowest => self.pairs.partition_point(|pair| pair.cosine < threshold),
        };
        (wrong < self.pairs.len() || self.is_whole()).then(|| &self.pairs[..wrong])
    }

    /// The smallest threshold that at most a share of `rate` of the scores reaches; for scores whose highest are
    /// kept. `None` when fewer than `events` would remain above it: the data cannot show such a rate.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a count below 2^52"
    )]
    pub fn threshold_at(&self, rate: f64, events: u64) -> Option<f32> {
        let allowed = (rate * self.total as f64).floor() as u64;
        if allowed < events {
            return None;
        }
        match self.pairs.get(usize::try_from(allowed).ok()?) {
            Some(first_refused) if self.kept == Kept::Highest => Some(first_refused.cosine.next_up()),
            None if self.is_whole() && self.kept == Kept::Highest => Some(self.pairs.last()?.cosine),
            _ => self.histogram.threshold_at(rate),
        }
    }
}

/// All comparisons of a set.
#[derive(Debug, Clone)]
pub struct Compared {
    /// Of different people, the highest kept.
    pub non_mated: Scores,
    /// Of one person with himself, the lowest kept.
    pub mated: Scores,
}

/// Compares every sample with every other one, on `threads` threads; at least `kept` pairs of each kind are kept.
///
/// `progress` is told of finished comparisons, from any thread.
///
/// # Panics
/// When there are fewer vectors than people.
#[must_use]
pub fn compare_all(samples: Samples<'_>, kept: usize, threads: usize, progress: &(dyn Fn(u64) + Sync)) -> Compared {
    assert!(samples.vectors.len() >= samples.dimensions * samples.len(), "fewer vectors than people");
    let tiles = tiles(samples.len());
    let next = AtomicUsize::new(0);
    let new = || Compared { non_mated: Scores::new(Kept::Highest, kept), mated: Scores::new(Kept::Lowest, kept) };
    let total = Mutex::new(new());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, tiles.len().max(1)) {
            scope.spawn(|| {
                let mut found = new();
                while let Some(tile) = tiles.get(next.fetch_add(1, Atomic::Relaxed)) {
                    progress(compare_tile(samples, *tile, &mut found));
                }
                let mut total = total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                total.non_mated.merge(found.non_mated);
                total.mated.merge(found.mated);
            });
        }
    });
    let mut compared = total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    compared.non_mated.finish();
    compared.mated.finish();
    compared
}

/// First samples of the tiles' rows and columns, on and below the diagonal; largest work first is as good as any.
fn tiles(samples: usize) -> Vec<(usize, usize)> {
    let starts = || (0..samples).step_by(TILE);
    starts()
        .flat_map(|row| starts().take_while(move |column| *column <= row).map(move |column| (row, column)))
        .collect()
}

/// One tile; gives the number of comparisons.
fn compare_tile(samples: Samples<'_>, (rows, columns): (usize, usize), found: &mut Compared) -> u64 {
    let mut buffer = [0.0; TILE];
    let mut compared = 0;
    for first in rows..(rows + TILE).min(samples.len()) {
        let others = columns..(columns + TILE).min(first.max(columns));
        compared += others.len() as u64;
        let person = samples.people[first];
        let cosines = samples.cosines(first, others.clone(), &mut buffer);
        for (second, &cosine) in others.zip(cosines) {
            let scores = if samples.people[second] == person { &mut found.mated } else { &mut found.non_mated };
            #[expect(clippy::cast_possible_truncation, reason = "fewer than 2^32 samples fit in memory")]
            scores.add(Pair { cosine, first: first as u32, second: second as u32 });
        }
    }
    compared
}

#[cfg(test)]
mod tests {
    use super::super::error_rates::Draw;
    use super::*;
    use crate::vision::{Embedding, ModelId};

    fn set(count: usize, dimensions: usize, people: u32) -> (Vec<f32>, Vec<u32>) {
        let mut draw = Draw::seeded(count as u64);
        let mut vectors = Vec::new();
        for _ in 0..count {
            let raw: Vec<f32> = (0..dimensions).map(|_| draw.unit() as f32 - 0.5).collect();
            vectors.extend_from_slice(Embedding::normalised(ModelId::new("toy"), &raw).unwrap().vector());
        }
        (vectors, (0..count).map(|n| n as u32 % people).collect())
    }

    /// Every pair by the cosine of two embeddings, sorted.
    fn brute(samples: Samples<'_>) -> [Vec<Pair>; 2] {
        let embedding = |n: usize| Embedding::from_unit(ModelId::new("toy"), samples.vector(n).to_vec()).unwrap();
        let mut both = [Vec::new(), Vec::new()];
        for first in 0..samples.len() {
            for second in 0..first {
                let cosine = embedding(first).cosine(&embedding(second)).unwrap();
                let mated = samples.people[first] == samples.people[second];
                both[usize::from(mated)].push(Pair { cosine, first: first as u32, second: second as u32 });
            }
        }
        both[0].sort_by(|a, b| Kept::Highest.order(a, b));
        both[1].sort_by(|a, b| Kept::Lowest.order(a, b));
        both
    }

    #[test]
    fn every_pair_is_compared_once_with_the_bits_of_two_faces() {
        for (count, people) in [(0, 1), (1, 1), (2, 1), (255, 7), (256, 9), (257, 9), (600, 40)] {
            let (vectors, people) = set(count, 33, people);
            let samples = Samples { dimensions: 33, vectors: &vectors, people: &people };
            let done = std::sync::atomic::AtomicU64::new(0);
            let compared = compare_all(samples, 1 << 20, 3, &|n| {
                done.fetch_add(n, Atomic::Relaxed);
            });
            let [non_mated, mated] = brute(samples);
            assert_eq!(compared.non_mated.pairs(), non_mated);
            assert_eq!(compared.mated.pairs(), mated);
            assert_eq!(done.into_inner(), (count * count.saturating_sub(1) / 2) as u64);
        }
    }

    #[test]
    fn what_is_kept_does_not_depend_on_the_number_of_threads() {
        let (vectors, people) = set(700, 16, 20);
        let samples = Samples { dimensions: 16, vectors: &vectors, people: &people };
        let whole = brute(samples);
        for threads in [1, 2, 5] {
            let compared = compare_all(samples, 300, threads, &|_| ());
            assert_eq!(compared.non_mated.pairs(), &whole[0][..300]);
            assert_eq!(compared.mated.pairs(), &whole[1][..300]);
            assert_eq!(compared.non_mated.total(), whole[0].len() as u64);
        }
    }

    #[test]
    fn counts_are_exact_within_what_is_kept_and_say_so() {
        let (vectors, people) = set(300, 16, 30);
        let samples = Samples { dimensions: 16, vectors: &vectors, people: &people };
        let [whole, _] = brute(samples);
        let compared = compare_all(samples, 1000, 2, &|_| ());
        let scores = &compared.non_mated;
        let threshold = whole[499].cosine;
        assert_eq!(scores.at_or_above(threshold), 500);
        assert_eq!(scores.beyond(threshold).map(<[Pair]>::len), Some(500));
        assert_eq!(scores.beyond(-1.0), None);
        assert_eq!(scores.at_or_above(-1.0), scores.total());
        let rate = 500.5 / scores.total() as f64;
        assert_eq!(scores.threshold_at(rate, 10), Some(whole[500].cosine.next_up()));
        assert_eq!(scores.threshold_at(5.0 / scores.total() as f64, 10), None);
    }
}
