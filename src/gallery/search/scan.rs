//! One pass over chunks with one or several probes.

use std::ops::Deref;
use std::sync::Arc;

use super::best::Best;
use super::chunk::{CHUNK_ROWS, Chunk, Codes};
use super::codec::{Codec, CodedProbe, FirstLook};
use super::kernels::{self, Path, STRIDE, TOGETHER};
use super::slots::{Owner, Slots, Unreadable};
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
    /// A row of the chunk at hand may count for this probe, whatever its cosine.
    fn wants(&self, probe: usize, row: usize, owner: &Id) -> bool;
    /// A row that is wanted, with its canonical cosine.
    fn offer(&mut self, probe: usize, owner: &Id, cosine: f32);
}

/// The best candidates of each probe.
pub(super) struct BestOfEach<'a, Id> {
    pub(super) best: Vec<Best<Id>>,
    pub(super) keep: Option<&'a (dyn Fn(&Id) -> bool + Sync)>,
}

impl<Id: Owner> Findings<Id> for BestOfEach<'_, Id> {
    fn cosine_min(&self, probe: usize) -> f32 {
        self.best[probe].cosine_min()
    }

    fn wants(&self, _: usize, _: usize, owner: &Id) -> bool {
        self.keep.is_none_or(|keep| keep(owner))
    }

    fn offer(&mut self, probe: usize, owner: &Id, cosine: f32) {
        self.best[probe].offer(cosine, owner);
    }
}

/// Copies a row's vector from memory or from its slot; false when nobody owns the row any more.
pub(super) fn read_vector<Id: Owner>(
    chunk: &Chunk<Id>,
    row: usize,
    outside: Option<&dyn Slots>,
    vector: &mut [f32],
) -> Result<bool, Unreadable> {
    if let Some(held) = chunk.held_vector(row) {
        vector.copy_from_slice(held);
        return Ok(chunk.owner(row).is_some());
    }
    match (chunk.owner(row).and_then(Owner::face), outside) {
        (Some(face), Some(outside)) => outside.read(chunk.slot(row), face, vector),
        _ => Ok(false),
    }
}

/// Pairs of a probe and a chunk that are worked on together: rows that are looked at again lie anywhere in memory, and
/// while one is waited for the others are on their way too.
const PAIRS_TOGETHER: usize = 64;
/// Chunks that are worked on together: of more, the rows that are on their way would push each other out again.
const CHUNKS_TOGETHER: usize = 16;

/// Chunks to be shown to [`Scan::look`] at once for so many probes.
pub(super) fn chunks_together(probes: usize) -> usize {
    (PAIRS_TOGETHER / probes.max(1)).clamp(1, CHUNKS_TOGETHER)
}

/// Rows whose heads are asked for at once, while as many of the chunk before are looked at.
const ROWS_AHEAD: usize = 128;

/// Probes, and the room that a pass needs beside them.
pub(super) struct Scan<'a> {
    path: Path,
    probes: &'a [&'a [f32]],
    outside: Option<&'a dyn Slots>,
    /// The probes for each codec met so far; there is one, or two while everything is coded anew.
    coded: Vec<(Arc<Codec>, Vec<CodedProbe>)>,
    products: [Box<[i32]>; TOGETHER],
    rows: Vec<u32>,
    pairs: Vec<ProbeAndChunk>,
    selected: Vec<Selected>,
    candidates: Vec<Candidate>,
    cosines: Box<[f32]>,
    /// A vector from its slot.
    vector: Vec<f32>,
}

/// A probe, the chunk it is compared with, and what a row needs.
struct ProbeAndChunk {
    chunk: usize,
    coded: usize,
    probe: usize,
    look: FirstLook,
}

/// A row that passed the bound of its stride.
struct Selected {
    pair: usize,
    row: usize,
    product: i32,
}

/// A row whose vector is to be compared.
struct Candidate {
    /// What its cosine is at most.
    upper: f64,
    pair: usize,
    row: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(path: Path, probes: &'a [&'a [f32]], outside: Option<&'a dyn Slots>) -> Self {
        Self {
            path,
            probes,
            outside,
            coded: Vec::new(),
            products: std::array::from_fn(|_| vec![0; CHUNK_ROWS].into()),
            rows: Vec::new(),
            pairs: Vec::new(),
            selected: Vec::new(),
            candidates: Vec::new(),
            cosines: vec![0.0; CHUNK_ROWS].into(),
            vector: vec![0.0; probes.first().map_or(0, |probe| probe.len())],
        }
    }

    /// Offers every row of the chunks that may count, and none that does not exist.
    pub(super) fn look<Id: Owner>(
        &mut self,
        chunks: &[impl Deref<Target = Chunk<Id>>],
        findings: &mut impl Findings<Id>,
    ) -> Result<(), Unreadable> {
        self.pairs.clear();
        self.selected.clear();
        for (n, chunk) in chunks.iter().enumerate() {
            let ahead = chunks.get(n + 1).and_then(|chunk| chunk.codes()).map_or(&[][..], Codes::heads);
            if let Some(codes) = chunk.codes() {
                self.look_at_heads(n, codes, ahead, findings);
            }
        }
        self.look_at_tails(chunks, findings);
        self.compare_candidates(chunks, findings)?;
        chunks.iter().for_each(|chunk| self.compare_uncoded(chunk, findings));
        Ok(())
    }

    /// Selects rows of a chunk by the products of their heads with each probe. `ahead` are the heads to be read next.
    fn look_at_heads<Id>(&mut self, chunk: usize, codes: &Codes, ahead: &[u8], findings: &impl Findings<Id>) {
        let coded = self.coded_for(codes.codec());
        let mut first = 0;
        while first < self.probes.len() {
            let count = self.multiply(codes, coded, first, ahead);
            for n in 0..count {
                let probe = first + n;
                let look = self.coded[coded].1[probe].first_look(findings.cosine_min(probe));
                self.pairs.push(ProbeAndChunk { chunk, coded, probe, look });
                self.select(codes, n);
            }
            first += count;
        }
    }

    /// Where the probes of this codec are.
    fn coded_for(&mut self, codec: &Arc<Codec>) -> usize {
        if let Some(at) = self.coded.iter().position(|(known, _)| Arc::ptr_eq(known, codec)) {
            return at;
        }
        self.coded.push((Arc::clone(codec), codec.probes(self.probes)));
        self.coded.len() - 1
    }

    /// Products of the heads with the next probes; says with how many.
    fn multiply(&mut self, codes: &Codes, coded: usize, first: usize, ahead: &[u8]) -> usize {
        let Self { path, products, .. } = self;
        let probes = &self.coded[coded].1[first..];
        let values = |n: usize| probes[n].head.values.as_slice();
        let bytes = ROWS_AHEAD * codes.codec().head_bytes();
        // The processor fetches ahead by itself, but not beyond a page of memory, so it would wait every few rows.
        let ahead = if first == 0 { ahead } else { &[] };
        let ahead = ahead.chunks(bytes).chain(std::iter::repeat(&[][..]));
        let several = probes.len() >= TOGETHER;
        for (n, (heads, ahead)) in codes.heads().chunks(bytes).zip(ahead).enumerate() {
            kernels::prefetch_far(ahead);
            let rows = n * ROWS_AHEAD..(n * ROWS_AHEAD + ROWS_AHEAD).min(codes.rows());
            if several {
                let products = products.each_mut().map(|products| &mut products[rows.clone()]);
                kernels::scan_together(*path, heads, std::array::from_fn(values), products);
            } else {
                kernels::scan(*path, heads, values(0), &mut products[0][rows]);
            }
        }
        if several { TOGETHER } else { 1 }
    }

    /// Takes the rows that reach what their stride needs, by the products in a slot, for the last pair.
    fn select(&mut self, codes: &Codes, slot: usize) {
        let Self { path, products, rows, pairs, selected, .. } = self;
        let products = &products[slot][..codes.rows()];
        let Some(ProbeAndChunk { look, .. }) = pairs.last() else { return };
        let mut least = [0; CHUNK_ROWS / STRIDE];
        for (least, bounds) in least.iter_mut().zip(codes.stride_bounds()) {
            *least = look.least_product(bounds.head_residual, bounds.tail);
        }
        rows.clear();
        kernels::select(*path, products, &least, rows);
        for row in rows.iter().map(|&row| row as usize) {
            codes.prefetch(row);
            selected.push(Selected { pair: pairs.len() - 1, row, product: products[row] });
        }
    }

    /// Takes the rows whose own bounds reach the threshold as candidates, first by the head alone, then by all of the
    /// code.
    fn look_at_tails<Id: Owner>(&mut self, chunks: &[impl Deref<Target = Chunk<Id>>], findings: &impl Findings<Id>) {
        let Self { path, coded, pairs, selected, candidates, .. } = self;
        candidates.clear();
        for &Selected { pair, row, product } in selected.iter() {
            let ProbeAndChunk { chunk, coded: codec, probe, look } = pairs[pair];
            let chunk = &chunks[chunk];
            let Some(codes) = chunk.codes() else { continue };
            let bounds = codes.bounds(row);
            if product < look.least_product(bounds.head_residual, bounds.tail) {
                continue;
            }
            let coded = &coded[codec].1[probe];
            let mut tail = [0];
            if !coded.tail.values.is_empty() {
                kernels::scan(*path, codes.tail(row), &coded.tail.values, &mut tail);
            }
            let upper = coded.upper(product, tail[0], bounds);
            let cosine_min = findings.cosine_min(probe);
            // No cosine is below -1, also where the dot product that was clamped to it is.
            if (cosine_min <= -1.0 || upper >= f64::from(cosine_min))
                && let Some(owner) = chunk.owner(row)
                && findings.wants(probe, row, owner)
            {
                chunk.held_vector(row).into_iter().for_each(kernels::prefetch);
                candidates.push(Candidate { upper, pair, row });
            }
        }
    }

    /// Compares the vectors of the candidates, those first that may be best: when there are enough good ones, the
    /// others need not be read.
    fn compare_candidates<Id: Owner>(
        &mut self,
        chunks: &[impl Deref<Target = Chunk<Id>>],
        findings: &mut impl Findings<Id>,
    ) -> Result<(), Unreadable> {
        let Self { probes, outside, pairs, candidates, vector, .. } = self;
        candidates.sort_unstable_by(|a, b| b.upper.total_cmp(&a.upper));
        for &Candidate { upper, pair, row } in candidates.iter() {
            let ProbeAndChunk { chunk, probe, .. } = pairs[pair];
            let (chunk, cosine_min) = (&chunks[chunk], findings.cosine_min(probe));
            if cosine_min > -1.0 && upper < f64::from(cosine_min) {
                continue;
            }
            let Some(owner) = chunk.owner(row) else { continue };
            let mut cosine = [0.0];
            match (chunk.held_vector(row), owner.face(), *outside) {
                (Some(held), ..) => cosines(probes[probe], held, &mut cosine),
                (None, Some(face), Some(outside)) if outside.read(chunk.slot(row), face, vector)? => {
                    cosines(probes[probe], vector, &mut cosine);
                }
                _ => continue,
            }
            if cosine[0] >= cosine_min {
                findings.offer(probe, owner, cosine[0]);
            }
        }
        Ok(())
    }

    /// Compares the vectors of all rows without a code.
    fn compare_uncoded<Id: Owner>(&mut self, chunk: &Chunk<Id>, findings: &mut impl Findings<Id>) {
        let first = chunk.coded_rows();
        let found = &mut self.cosines[first..chunk.rows()];
        if found.is_empty() {
            return;
        }
        for (n, probe) in self.probes.iter().enumerate() {
            cosines(probe, chunk.uncoded_vectors(), found);
            let mut cosine_min = findings.cosine_min(n);
            for (row, &cosine) in (first..).zip(found.iter()) {
                if cosine >= cosine_min
                    && let Some(owner) = chunk.owner(row)
                    && findings.wants(n, row, owner)
                {
                    findings.offer(n, owner, cosine);
                    cosine_min = findings.cosine_min(n);
                }
            }
        }
    }
}
