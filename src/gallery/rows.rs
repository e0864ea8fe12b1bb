//! Many vectors of one length in memory, and the scan over them.

/// Vectors per chunk: growth allocates one more chunk and copies nothing.
const CHUNK_ROWS: usize = 1024;

/// Partial sums of a dot product; a power of two.
const LANES: usize = 32;

/// Where a vector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row(usize);

/// Vectors with their owners. Removal overwrites a vector with zeros and its row is used again.
pub(super) struct Rows<Id> {
    dimensions: usize,
    chunks: Vec<Chunk<Id>>,
    free: Vec<Row>,
}

struct Chunk<Id> {
    /// `CHUNK_ROWS` rows of `dimensions` components.
    vectors: Box<[f32]>,
    /// Of each row; `None` for a free one.
    owners: Vec<Option<Id>>,
}

impl<Id> Rows<Id> {
    pub(super) fn new(dimensions: usize) -> Self {
        Self { dimensions: dimensions.max(1), chunks: Vec::new(), free: Vec::new() }
    }

    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(super) fn insert(&mut self, owner: Id, vector: &[f32]) -> Row {
        let row = self.free.pop().unwrap_or_else(|| self.fresh_row());
        self.vector_mut(row).copy_from_slice(vector);
        let (chunk, at) = row.place();
        self.chunks[chunk].owners[at] = Some(owner);
        row
    }

    pub(super) fn remove(&mut self, row: Row) {
        self.vector_mut(row).fill(0.0);
        let (chunk, at) = row.place();
        self.chunks[chunk].owners[at] = None;
        self.free.push(row);
    }

    pub(super) fn vector(&self, row: Row) -> &[f32] {
        let (chunk, at) = row.place();
        &self.chunks[chunk].vectors[at * self.dimensions..][..self.dimensions]
    }

    /// Calls `each` with the owner and cosine of every vector at or above `cosine_min`.
    ///
    /// The cosine is the clamped dot product, summed in [`LANES`] partial sums that are then folded in
    /// halves; multiplication and addition round separately. That order is fixed, so the same bits
    /// come out of every instruction set.
    pub(super) fn scan<'a>(&'a self, probe: &[f32], cosine_min: f32, each: &mut impl FnMut(&'a Id, f32)) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, as checked in the line above; the function has no other condition.
            #[expect(unsafe_code, reason = "the crate is built for every x86-64; AVX2 halves the time of a scan")]
            unsafe {
                self.scan_avx2(probe, cosine_min, each);
            }
            return;
        }
        self.scan_plain(probe, cosine_min, each);
    }

    /// The same code as [`Self::scan_plain`], which the compiler may turn into 8-wide instructions here. No FMA: it
    /// would round differently.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn scan_avx2<'a>(&'a self, probe: &[f32], cosine_min: f32, each: &mut impl FnMut(&'a Id, f32)) {
        self.scan_plain(probe, cosine_min, each);
    }

    #[inline(always)]
    fn scan_plain<'a>(&'a self, probe: &[f32], cosine_min: f32, each: &mut impl FnMut(&'a Id, f32)) {
        for chunk in &self.chunks {
            for (vector, owner) in chunk.vectors.chunks_exact(self.dimensions).zip(&chunk.owners) {
                let cosine = dot(probe, vector).clamp(-1.0, 1.0);
                if cosine >= cosine_min
                    && let Some(id) = owner
                {
                    each(id, cosine);
                }
            }
        }
    }

    fn fresh_row(&mut self) -> Row {
        if self.chunks.last().is_none_or(|chunk| chunk.owners.len() == CHUNK_ROWS) {
            let vectors = vec![0.0; CHUNK_ROWS * self.dimensions].into_boxed_slice();
            self.chunks.push(Chunk { vectors, owners: Vec::with_capacity(CHUNK_ROWS) });
        }
        let last = self.chunks.len() - 1;
        let owners = &mut self.chunks[last].owners;
        owners.push(None);
        Row(last * CHUNK_ROWS + owners.len() - 1)
    }

    fn vector_mut(&mut self, row: Row) -> &mut [f32] {
        let (chunk, at) = row.place();
        &mut self.chunks[chunk].vectors[at * self.dimensions..][..self.dimensions]
    }
}

impl Row {
    /// Chunk, and row inside it.
    fn place(self) -> (usize, usize) {
        (self.0 / CHUNK_ROWS, self.0 % CHUNK_ROWS)
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_groups, b_groups) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_groups.remainder().iter().zip(b_groups.remainder());
    for (x, y) in a_groups.zip(b_groups) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(rest) {
        *lane += x * y;
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0] + 0.0 // -0 becomes 0, so that equal cosines tie
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same_bits(
            dimensions in 1usize..200, seed in proptest::collection::vec(-1.0f32..1.0, 400)
        ) {
            let mut rows = Rows::new(dimensions);
            for n in 0..3usize {
                rows.insert(n, &seed[n * 50..][..dimensions]);
            }
            let probe = &seed[200..][..dimensions];
            let (mut best, mut plain) = (Vec::new(), Vec::new());
            rows.scan(probe, -1.0, &mut |id, cosine| best.push((*id, cosine.to_bits())));
            rows.scan_plain(probe, -1.0, &mut |id, cosine| plain.push((*id, cosine.to_bits())));
            prop_assert_eq!(best, plain);
        }

        #[test]
        fn dot_product_is_right(pairs in proptest::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..300)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let exact: f64 = pairs.iter().map(|&(x, y)| f64::from(x) * f64::from(y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4);
        }
    }
}
