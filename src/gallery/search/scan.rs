//! One pass over chunks with one or several probes.

use std::sync::Arc;

use super::best::Best;
use super::chunk::{CHUNK_ROWS, Chunk, Codes};
use super::codec::{Codec, CodedProbe};
use super::kernels::{self, Path, STRIDE, TOGETHER};
use crate::vision::cosines;

/// What a search asks for.
pub(in crate::gallery) struct Wanted<'a, Id> {
    /// Only candidates at or above this cosine count.
    pub(in crate::gallery) cosine_min: f32,
    /// At most this many for each probe.
    pub(in crate::gallery) limit: usize,
    /// Candidates to pass over.
    pub(in crate::gallery) keep: Option<&'a (dyn Fn(&Id) -> bool + Sync)>,
}

/// Two enrolled vectors and how close they are.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::gallery) struct Pair<Id> {
    pub(in crate::gallery) first: Id,
    pub(in crate::gallery) second: Id,
    pub(in crate::gallery) cosine: f32,
}

/// Where a pass puts what it finds.
pub(super) trait Findings<Id> {
    /// Rows below need not be offered to this probe.
    fn cosine_min(&self, probe: usize) -> f32;
    /// A row of the chunk at hand, with its canonical cosine.
    fn offer(&mut self, probe: usize, row: usize, owner: &Id, cosine: f32);
}

/// The best candidates of each probe.
pub(super) struct BestOfEach<'a, Id> {
    pub(super) best: Vec<Best<Id>>,
    pub(super) keep: Option<&'a (dyn Fn(&Id) -> bool + Sync)>,
}

impl<Id: Ord + Clone> Findings<Id> for BestOfEach<'_, Id> {
    fn cosine_min(&self, probe: usize) -> f32 {
        self.best[probe].cosine_min()
    }

    fn offer(&mut self, probe: usize, _: usize, owner: &Id, cosine: f32) {
        if cosine >= self.best[probe].cosine_min() && self.keep.is_none_or(|keep| keep(owner)) {
            self.best[probe].offer(cosine, owner);
        }
    }
}

/// Probes, and the room that a pass needs beside them.
pub(super) struct Scan<'a> {
    path: Path,
    probes: &'a [&'a [f32]],
    /// The probes for each codec met so far; there are one or two.
    coded: Vec<(Arc<Codec>, Vec<CodedProbe>)>,
    products: [Box<[i32]>; TOGETHER],
    cosines: Box<[f32]>,
    rows: Vec<u32>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(path: Path, probes: &'a [&'a [f32]]) -> Self {
        Self {
            path,
            probes,
            coded: Vec::new(),
            products: std::array::from_fn(|_| vec![0; CHUNK_ROWS].into()),
            cosines: vec![0.0; CHUNK_ROWS].into(),
            rows: Vec::new(),
        }
    }

    /// Offers every row of `chunk` that may count, and none that does not exist.
    pub(super) fn look<Id>(&mut self, chunk: &Chunk<Id>, findings: &mut impl Findings<Id>) {
        if let Some(codes) = chunk.codes() {
            self.look_at_codes(chunk, codes, findings);
        }
        self.compare_all(chunk, chunk.coded_rows(), findings);
    }

    /// Compares the vectors of all rows from `first` on.
    fn compare_all<Id>(&mut self, chunk: &Chunk<Id>, first: usize, findings: &mut impl Findings<Id>) {
        let found = &mut self.cosines[first..chunk.rows()];
        if found.is_empty() {
            return;
        }
        for (n, probe) in self.probes.iter().enumerate() {
            cosines(probe, chunk.vectors_from(first), found);
            let mut cosine_min = findings.cosine_min(n);
            for (row, &cosine) in (first..).zip(found.iter()) {
                if cosine >= cosine_min
                    && let Some(owner) = chunk.owner(row)
                {
                    findings.offer(n, row, owner, cosine);
                    cosine_min = findings.cosine_min(n);
                }
            }
        }
    }

    fn look_at_codes<Id>(&mut self, chunk: &Chunk<Id>, codes: &Codes, findings: &mut impl Findings<Id>) {
        let coded = self.coded_for(codes.codec());
        let mut first = 0;
        while first < self.probes.len() {
            let count = self.multiply(codes, coded, first);
            for n in 0..count {
                self.compare_some(chunk, codes, (coded, first + n, n), findings);
            }
            first += count;
        }
    }

    /// Where the probes of this codec are.
    fn coded_for(&mut self, codec: &Arc<Codec>) -> usize {
        if let Some(at) = self.coded.iter().position(|(known, _)| Arc::ptr_eq(known, codec)) {
            return at;
        }
        let coded = self.probes.iter().map(|probe| codec.probe(probe)).collect();
        self.coded.push((Arc::clone(codec), coded));
        self.coded.len() - 1
    }

    /// Products of the heads with the next probes; says with how many.
    fn multiply(&mut self, codes: &Codes, coded: usize, first: usize) -> usize {
        let probes = &self.coded[coded].1[first..];
        let values = |n: usize| probes[n].head.values.as_slice();
        if probes.len() >= TOGETHER {
            let products = self.products.each_mut().map(|products| &mut products[..codes.rows()]);
            kernels::scan_together(self.path, codes.heads(), std::array::from_fn(values), products);
            return TOGETHER;
        }
        kernels::scan(self.path, codes.heads(), values(0), &mut self.products[0][..codes.rows()]);
        1
    }

    /// Takes the rows whose bounds reach the threshold, first by the head alone, then by the whole code, and compares
    /// the vectors of those that remain.
    fn compare_some<Id>(
        &mut self,
        chunk: &Chunk<Id>,
        codes: &Codes,
        (coded, probe, slot): (usize, usize, usize),
        findings: &mut impl Findings<Id>,
    ) {
        let Self { path, probes, coded: all, products, rows, .. } = self;
        let (coded, products) = (&all[coded].1[probe], &products[slot][..codes.rows()]);
        let mut cosine_min = findings.cosine_min(probe);
        let look = coded.first_look(cosine_min);
        let mut least = [0; CHUNK_ROWS / STRIDE];
        for (least, bounds) in least.iter_mut().zip(codes.stride_bounds()) {
            *least = look.least_product(bounds.head_residual, bounds.tail);
        }
        rows.clear();
        kernels::select(*path, products, &least, rows);
        // The few rows that are left lie anywhere, so all are asked for before the first is waited for.
        rows.iter().for_each(|&row| codes.prefetch(row as usize));
        rows.retain(|&row| {
            let row = row as usize;
            let bounds = codes.bounds(row);
            if products[row] < look.least_product(bounds.head_residual, bounds.tail) {
                return false;
            }
            let mut tail = [0];
            if !coded.tail.values.is_empty() {
                kernels::scan(*path, codes.tail(row), &coded.tail.values, &mut tail);
            }
            // No cosine is below -1, also where the dot product that was clamped to it is.
            cosine_min <= -1.0 || coded.upper(products[row], tail[0], bounds) >= f64::from(cosine_min)
        });
        rows.iter().for_each(|&row| kernels::prefetch(chunk.vector(row as usize)));
        for &row in rows.iter() {
            let row = row as usize;
            let mut cosine = [0.0];
            cosines(probes[probe], chunk.vector(row), &mut cosine);
            if cosine[0] >= cosine_min
                && let Some(owner) = chunk.owner(row)
            {
                findings.offer(probe, row, owner, cosine[0]);
                cosine_min = findings.cosine_min(probe);
            }
        }
    }
}
