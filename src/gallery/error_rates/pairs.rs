//! Decisions on given pairs: the protocol of the public data sets.

/// One scored comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// -1 to 1.
    pub cosine: f32,
    /// Whether both pictures show one person.
    pub mated: bool,
}

/// Comparisons decided rightly at `threshold` (mated when at or above it).
#[must_use]
pub fn right_at(comparisons: &[Comparison], threshold: f32) -> usize {
    comparisons.iter().filter(|c| (c.cosine >= threshold) == c.mated).count()
}

/// The threshold with the most right decisions; the middle of the gap between the two scores around it.
#[must_use]
pub fn best_threshold(comparisons: &[Comparison]) -> f32 {
    let mut sorted: Vec<Comparison> = comparisons.to_vec();
    sorted.sort_by(|a, b| a.cosine.total_cmp(&b.cosine));
    // Threshold below everything: all mated ones are right.
    let mut right = sorted.iter().filter(|c| c.mated).count();
    let mut best = (right, sorted.first().map_or(0.0, |c| c.cosine));
    for (index, comparison) in sorted.iter().enumerate() {
        // Moving the threshold past this score turns its decision over.
        if comparison.mated {
            right -= 1
        } else {
            right += 1
        }
        if right > best.0 {
            let next = sorted.get(index + 1).map_or(comparison.cosine + 1e-6, |c| c.cosine);
            best = (right, f32::midpoint(comparison.cosine, next));
        }
    }
    best.1
}

/// Accuracy on each fold at the threshold that is best on all the others (the protocol of LFW's `View 2`).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub fn fold_accuracies(folds: &[Vec<Comparison>]) -> Vec<(f64, f32)> {
    (0..folds.len())
        .filter(|&held_out| !folds[held_out].is_empty())
        .map(|held_out| {
            let rest: Vec<Comparison> =
                folds.iter().enumerate().filter(|(i, _)| *i != held_out).flat_map(|(_, fold)| fold).copied().collect();
            let threshold = best_threshold(&rest);
            (right_at(&folds[held_out], threshold) as f64 / folds[held_out].len() as f64, threshold)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_threshold_splits_separable_scores() {
        let comparisons: Vec<Comparison> = [(0.1, false), (0.2, false), (0.6, true), (0.9, true)]
            .map(|(cosine, mated)| Comparison { cosine, mated })
            .into();
        let threshold = best_threshold(&comparisons);
        assert!((0.2..=0.6).contains(&threshold));
        assert_eq!(right_at(&comparisons, threshold), 4);
    }

    #[test]
    fn best_threshold_is_the_best_of_all() {
        // Every possible threshold is tried by brute force.
        let mut state = 7_u32;
        let comparisons: Vec<Comparison> = (0..200)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let mated = state & 1 == 0;
                let noise = f32::from(u16::try_from(state >> 16).unwrap()) / 65_536.0;
                Comparison { cosine: noise + if mated { 0.3 } else { 0.0 }, mated }
            })
            .collect();
        let best = right_at(&comparisons, best_threshold(&comparisons));
        for c in &comparisons {
            assert!(best >= right_at(&comparisons, c.cosine) && best >= right_at(&comparisons, c.cosine + 1e-6));
        }
    }
}
