//! A chunk of rows: vectors, their owners and their codes.

use std::sync::Arc;

use super::codec::{Bounds, Codec};
use super::kernels::{self, STRIDE};

/// Rows in a chunk: the unit of locking and of coding. Its head codes (64 KiB at 64 bytes a row) fit the second-level
/// cache, so several probes share one reading of them.
pub(super) const CHUNK_ROWS: usize = 1024;

/// Rows that are coded together: enough to make turning them cheap, few enough to be compared as they are until then.
const BLOCK_ROWS: usize = 64;

/// At most [`CHUNK_ROWS`] vectors of one length. A removed one is overwritten with zeros.
pub(super) struct Chunk<Id> {
    dimensions: usize,
    vectors: Box<[f32]>,
    /// Of each row used so far; `None` for a free one.
    owners: Vec<Option<Id>>,
    /// Rows with an owner.
    used: usize,
    codes: Option<Codes>,
}

/// Codes of a chunk's first rows.
pub(super) struct Codes {
    codec: Arc<Codec>,
    rows: usize,
    heads: Box<[u8]>,
    tails: Box<[u8]>,
    bounds: Box<[Bounds]>,
    /// The largest of the bounds of [`STRIDE`] rows, or larger: a row that is overwritten leaves its own behind.
    stride_bounds: Box<[Bounds]>,
}

impl<Id> Chunk<Id> {
    pub(super) fn new(dimensions: usize) -> Self {
        let vectors = vec![0.0; CHUNK_ROWS * dimensions].into_boxed_slice();
        Self { dimensions, vectors, owners: Vec::with_capacity(CHUNK_ROWS), used: 0, codes: None }
    }

    /// Rows used so far, free ones included.
    pub(super) fn rows(&self) -> usize {
        self.owners.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.owners.len() == CHUNK_ROWS
    }

    /// Full, with half of the rows free again or more.
    pub(super) fn is_sparse(&self) -> bool {
        self.is_full() && self.used <= CHUNK_ROWS / 2
    }

    /// A block of rows waits to be coded, or the last rows of a full chunk.
    pub(super) fn has_uncoded_block(&self) -> bool {
        let uncoded = self.owners.len() - self.coded_rows();
        uncoded >= BLOCK_ROWS || (uncoded > 0 && self.is_full())
    }

    /// The first so many rows have codes.
    pub(super) fn coded_rows(&self) -> usize {
        self.codes.as_ref().map_or(0, |codes| codes.rows)
    }

    pub(super) fn owner(&self, row: usize) -> Option<&Id> {
        self.owners[row].as_ref()
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = (usize, &Id)> {
        self.owners.iter().enumerate().filter_map(|(row, owner)| Some((row, owner.as_ref()?)))
    }

    pub(super) fn vector(&self, row: usize) -> &[f32] {
        &self.vectors[row * self.dimensions..][..self.dimensions]
    }

    /// Vectors of the rows used so far, from `row` on, one after another.
    pub(super) fn vectors_from(&self, row: usize) -> &[f32] {
        &self.vectors[row * self.dimensions..self.owners.len() * self.dimensions]
    }

    pub(super) fn codes(&self) -> Option<&Codes> {
        self.codes.as_ref()
    }

    /// Takes a new row into use; the chunk is not full.
    pub(super) fn push(&mut self, owner: Id, vector: &[f32]) -> usize {
        let row = self.owners.len();
        self.owners.push(None);
        self.write(row, owner, vector);
        row
    }

    /// Puts a vector into a row in use, over what it held.
    pub(super) fn write(&mut self, row: usize, owner: Id, vector: &[f32]) {
        self.vectors[row * self.dimensions..][..self.dimensions].copy_from_slice(vector);
        self.used += usize::from(self.owners[row].replace(owner).is_none());
        if let Some(codes) = self.codes.as_mut().filter(|codes| row < codes.rows) {
            codes.write(row, vector);
        }
    }

    /// Frees a row and overwrites its vector and its code.
    pub(super) fn clear(&mut self, row: usize) {
        self.vectors[row * self.dimensions..][..self.dimensions].fill(0.0);
        self.used -= usize::from(self.owners[row].take().is_some());
        if let Some(codes) = self.codes.as_mut().filter(|codes| row < codes.rows) {
            codes.write(row, &self.vectors[row * self.dimensions..][..self.dimensions]);
        }
    }

    /// Makes it full; the rows that are added are free.
    pub(super) fn close(&mut self) {
        self.owners.resize_with(CHUNK_ROWS, || None);
    }

    /// Codes the next block of rows, by the codec that the chunk's first block had.
    pub(super) fn code_block(&mut self, codec: &Arc<Codec>) {
        let codes = self.codes.get_or_insert_with(|| Codes::new(Arc::clone(codec)));
        let end = (codes.rows + BLOCK_ROWS).min(self.owners.len());
        codes.write(codes.rows, &self.vectors[codes.rows * self.dimensions..end * self.dimensions]);
        codes.rows = end;
    }
}

/// INVARIANT (deleted is overwritten): a chunk that goes out of use leaves no vector in freed memory.
impl<Id> Drop for Chunk<Id> {
    fn drop(&mut self) {
        self.vectors.fill(0.0);
        // Or the compiler would leave out a writing that nobody reads.
        std::hint::black_box(&self.vectors);
    }
}

impl Codes {
    fn new(codec: Arc<Codec>) -> Self {
        Self {
            rows: 0,
            heads: vec![0; CHUNK_ROWS * codec.head_bytes()].into(),
            tails: vec![0; CHUNK_ROWS * codec.tail_bytes()].into(),
            bounds: vec![Bounds::default(); CHUNK_ROWS].into(),
            stride_bounds: vec![Bounds::default(); CHUNK_ROWS / STRIDE].into(),
            codec,
        }
    }

    /// Codes of rows from `first` on.
    fn write(&mut self, first: usize, vectors: &[f32]) {
        let rows = vectors.len() / self.codec.dimensions();
        let (head_bytes, tail_bytes) = (self.codec.head_bytes(), self.codec.tail_bytes());
        let heads = &mut self.heads[first * head_bytes..][..rows * head_bytes];
        let tails = &mut self.tails[first * tail_bytes..][..rows * tail_bytes];
        for (row, bounds) in (first..).zip(self.codec.encode(vectors, heads, tails)) {
            self.bounds[row] = bounds;
            let stride = &mut self.stride_bounds[row / STRIDE];
            stride.head_residual = stride.head_residual.max(bounds.head_residual);
            stride.tail = stride.tail.max(bounds.tail);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.heads.len() + self.tails.len() + size_of_val(&self.bounds[..]) + size_of_val(&self.stride_bounds[..])
    }

    /// Bytes that every search reads.
    pub(super) fn scanned_bytes(&self) -> usize {
        self.heads.len() + size_of_val(&self.stride_bounds[..])
    }

    pub(super) fn codec(&self) -> &Arc<Codec> {
        &self.codec
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn heads(&self) -> &[u8] {
        &self.heads[..self.rows * self.codec.head_bytes()]
    }

    /// Empty without a tail.
    pub(super) fn tail(&self, row: usize) -> &[u8] {
        let bytes = self.codec.tail_bytes();
        &self.tails[row * bytes..][..bytes]
    }

    /// Bounds that hold for every row of a stride, its tail's residual aside.
    pub(super) fn stride_bounds(&self) -> &[Bounds] {
        &self.stride_bounds
    }

    /// Asks for what [`Codes::bounds`] and [`Codes::tail`] will read.
    pub(super) fn prefetch(&self, row: usize) {
        kernels::prefetch(&self.bounds[row..=row]);
        kernels::prefetch(self.tail(row));
    }

    pub(super) fn bounds(&self, row: usize) -> Bounds {
        self.bounds[row]
    }
}
