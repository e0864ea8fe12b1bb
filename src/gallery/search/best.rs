//! The best candidates found so far.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A row's owner and cosine; the greater one is the *worse* one, so that a max-heap drops it first.
#[derive(Debug, Clone)]
pub(in crate::gallery) struct Scored<Id> {
    pub(in crate::gallery) cosine: f32,
    pub(in crate::gallery) id: Id,
}

impl<Id: Ord> Ord for Scored<Id> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.cosine.total_cmp(&self.cosine).then_with(|| self.id.cmp(&other.id))
    }
}

impl<Id: Ord> PartialOrd for Scored<Id> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<Id: Ord> PartialEq for Scored<Id> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<Id: Ord> Eq for Scored<Id> {}

/// At most `limit` candidates at or above `cosine_min`.
pub(super) struct Best<Id> {
    cosine_min: f32,
    limit: usize,
    heap: BinaryHeap<Scored<Id>>,
}

impl<Id: Ord + Clone> Best<Id> {
    pub(super) fn new(cosine_min: f32, limit: usize) -> Self {
        Self { cosine_min, limit, heap: BinaryHeap::new() }
    }

    /// No candidate below can enter; one that is equal still may, by its id.
    pub(super) fn cosine_min(&self) -> f32 {
        match self.heap.peek() {
            Some(worst) if self.heap.len() >= self.limit => self.cosine_min.max(worst.cosine),
            _ => self.cosine_min,
        }
    }

    pub(super) fn offer(&mut self, cosine: f32, id: &Id) {
        if self.limit == 0 || cosine < self.cosine_min {
            return;
        }
        if self.heap.len() < self.limit {
            self.heap.push(Scored { cosine, id: id.clone() });
        } else if let Some(mut worst) = self.heap.peek_mut()
            && (cosine > worst.cosine || (cosine >= worst.cosine && *id < worst.id))
        {
            *worst = Scored { cosine, id: id.clone() };
        }
    }

    /// The best of both.
    pub(super) fn merge(mut self, other: Self) -> Self {
        for Scored { cosine, id } in other.heap {
            self.offer(cosine, &id);
        }
        self
    }

    /// Best first, ties by id.
    pub(super) fn into_sorted(self) -> Vec<Scored<Id>> {
        self.heap.into_sorted_vec()
    }
}
