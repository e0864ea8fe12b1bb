//! One pass over chunks with one or several probes.

use std::ops::Deref;
use std::sync::Arc;

use super::best::Best;
use super::chunk::{CHUNK_ROWS, Chunk, Codes};
use super::codec::{Codec, CodedProbe, Products};
use super::kernels::{self, BLOCK_ROWS, FirstLook, Path, TOGETHER};
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

/// Rows after which heads of the next chunk are asked for, so that they come one after another.
const ROWS_AHEAD: usize = 8 * BLOCK_ROWS;

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

/// A probe, and the chunk it is compared with.
struct ProbeAndChunk {
    chunk: usize,
    coded: usize,
    probe: usize,
}

/// A row that passed the first look.
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
            let ahead = chunks.get(n + 1).and_then(|chunk| chunk.codes());
            if let Some(codes) = chunk.codes() {
                self.look_at_heads(n, codes, ahead, findings);
            }
        }
        self.look_again(chunks, findings);
        self.compare_candidates(chunks, findings)?;
        chunks.iter().for_each(|chunk| self.compare_uncoded(chunk, findings));
        Ok(())
    }

    /// Selects rows of a chunk by the products of their heads with each probe. `ahead` are the codes to be read next.
    fn look_at_heads<Id>(&mut self, chunk: usize, codes: &Codes, ahead: Option<&Codes>, findings: &impl Findings<Id>) {
        let coded = self.coded_for(codes.codec());
        if let Some(ahead) = ahead {
            ahead.prefetch_lengths();
        }
        let mut first = 0;
        while first < self.probes.len() {
            let count = self.multiply(codes, coded, first, ahead);
            for n in 0..count {
                let probe = first + n;
                let look = self.coded[coded].1[probe].first_look(findings.cosine_min(probe));
                self.pairs.push(ProbeAndChunk { chunk, coded, probe });
                self.select(codes, look, n);
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
    fn multiply(&mut self, codes: &Codes, coded: usize, first: usize, ahead: Option<&Codes>) -> usize {
        let Self { path, products, .. } = self;
        let probes = &self.coded[coded].1[first..];
        let values = |n: usize| probes[n].head.values.as_slice();
        let rows = codes.rows().next_multiple_of(BLOCK_ROWS);
        if probes.len() < TOGETHER {
            kernels::scan(*path, codes.heads(), [values(0)], [&mut products[0][..rows]]);
            return 1;
        }
        // While these rows are in the cache for several probes, memory can bring the next ones. (For one probe there is
        // no time to spare, and the kernel's own order of reading does better.)
        let (pass, passes) = (first / TOGETHER, (first + probes.len()) / TOGETHER);
        let head_bytes = codes.codec().head_bytes();
        for (n, heads) in codes.heads().chunks(ROWS_AHEAD * head_bytes).enumerate() {
            if let Some(ahead) = ahead {
                ahead.prefetch_heads(n * passes + pass, CHUNK_ROWS / ROWS_AHEAD * passes);
            }
            let rows = n * ROWS_AHEAD..n * ROWS_AHEAD + heads.len() / head_bytes;
            let products = products.each_mut().map(|products| &mut products[rows.clone()]);
            kernels::scan(*path, heads, std::array::from_fn::<_, TOGETHER, _>(values), products);
        }
        TOGETHER
    }

    /// Takes the rows that reach what they need at first look, by the products in a place, for the last pair.
    fn select(&mut self, codes: &Codes, look: FirstLook, place: usize) {
        let Self { path, products, rows, pairs, selected, .. } = self;
        let products = &products[place][..codes.rows()];
        rows.clear();
        kernels::select(*path, products, codes.lengths(), look, rows);
        for row in rows.iter().map(|&row| row as usize) {
            codes.prefetch_record(row);
            selected.push(Selected { pair: pairs.len() - 1, row, product: products[row] });
        }
    }

    /// Takes the rows whose bounds by all of the code reach the threshold as candidates.
    fn look_again<Id: Owner>(&mut self, chunks: &[impl Deref<Target = Chunk<Id>>], findings: &impl Findings<Id>) {
        let Self { path, coded, pairs, selected, candidates, .. } = self;
        candidates.clear();
        for &Selected { pair, row, product } in selected.iter() {
            let ProbeAndChunk { chunk, coded: codec, probe } = pairs[pair];
            let chunk = &chunks[chunk];
            let Some(codes) = chunk.codes() else { continue };
            let coded = &coded[codec].1[probe];
            let (tail, fine) = codes.record(row).split_at(codes.codec().tail_bytes());
            let products = Products {
                head: product,
                fine: kernels::fine_product(*path, fine, &coded.head.values),
                tail: kernels::tail_product(*path, tail, &coded.tail.values),
            };
            let upper = coded.upper(products, codes.bounds(row));
            let cosine_min = findings.cosine_min(probe);
            // No cosine is below -1, also where the dot product that was clamped to it is.
            if cosine_min <= -1.0 || upper >= f64::from(cosine_min) {
                chunk.prefetch(row);
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
            let Some(owner) = chunk.owner(row).filter(|owner| findings.wants(probe, row, owner)) else { continue };
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
