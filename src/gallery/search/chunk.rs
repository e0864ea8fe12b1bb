//! A chunk of rows: their owners, their codes, and those vectors that are in memory.

use std::sync::Arc;

use super::codec::{Bounds, Codec};
use super::kernels::{self, STRIDE};
use super::slots::Owner;

/// Rows in a chunk: the unit of locking and of coding. Its head codes (64 KiB at 64 bytes a row) fit the second-level
/// cache, so several probes share one reading of them.
pub(super) const CHUNK_ROWS: usize = 1024;

/// Rows that are coded together: enough to make turning them cheap, few enough to be compared as they are until then.
const BLOCK_ROWS: usize = 64;

/// Where the vectors of a chunk are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Residence {
    /// In memory, all of them.
    Memory,
    /// In slots outside, except those that have no code yet.
    Slots,
}

/// At most [`CHUNK_ROWS`] vectors of one length. A removed one is overwritten with zeros.
pub(super) struct Chunk<Id> {
    dimensions: usize,
    residence: Residence,
    /// One after another, from row `first_held` on. Never grows beyond its room, so that no copy is left behind.
    vectors: Vec<f32>,
    /// Most vectors that are held at once.
    held_max: usize,
    /// 0, or the first row without a code.
    first_held: usize,
    /// Of each row used so far; `None` for a free one.
    owners: Vec<Option<Id>>,
    /// Where each row's vector lies outside; of no meaning where it does not.
    slots: Vec<u32>,
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

impl<Id: Owner> Chunk<Id> {
    /// An empty one; `coded` where a codec is at hand for every block of rows.
    pub(super) fn new(dimensions: usize, residence: Residence, coded: bool) -> Self {
        let held_max = if residence == Residence::Slots && coded { BLOCK_ROWS } else { CHUNK_ROWS };
        Self {
            dimensions,
            residence,
            vectors: Vec::new(),
            held_max,
            first_held: 0,
            owners: Vec::with_capacity(CHUNK_ROWS),
            slots: Vec::with_capacity(CHUNK_ROWS),
            used: 0,
            codes: None,
        }
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
        self.owners.get(row)?.as_ref()
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = (usize, &Id)> {
        self.owners.iter().enumerate().filter_map(|(row, owner)| Some((row, owner.as_ref()?)))
    }

    pub(super) fn slot(&self, row: usize) -> u32 {
        self.slots[row]
    }

    /// A row's vector; `None` where it lies in its slot.
    pub(super) fn held_vector(&self, row: usize) -> Option<&[f32]> {
        let at = row.checked_sub(self.first_held)? * self.dimensions;
        self.vectors.get(at..at + self.dimensions)
    }

    /// Vectors of the rows from `row` on, which have no codes, one after another.
    pub(super) fn uncoded_vectors(&self) -> &[f32] {
        &self.vectors[(self.coded_rows() - self.first_held) * self.dimensions..]
    }

    pub(super) fn codes(&self) -> Option<&Codes> {
        self.codes.as_ref()
    }

    /// Bytes of vectors in memory.
    pub(super) fn held_bytes(&self) -> usize {
        4 * self.vectors.capacity()
    }

    /// Bytes of everything that is neither vector nor code.
    pub(super) fn record_bytes(&self) -> usize {
        self.owners.capacity() * size_of::<Option<Id>>() + 4 * self.slots.capacity() + size_of::<Self>()
    }

    /// Takes a new row into use; the chunk is not full.
    pub(super) fn push(&mut self, owner: Id, slot: u32, vector: &[f32]) -> usize {
        self.hold(vector);
        self.push_owner(owner, slot)
    }

    fn hold(&mut self, vector: &[f32]) {
        debug_assert!(vector.len() == self.dimensions && self.vectors.len() < self.held_max * self.dimensions);
        if self.vectors.capacity() == 0 {
            self.vectors.reserve_exact(self.held_max * self.dimensions);
        }
        self.vectors.extend_from_slice(vector);
    }

    fn push_owner(&mut self, owner: Id, slot: u32) -> usize {
        self.owners.push(Some(owner));
        self.slots.push(slot);
        self.used += 1;
        self.owners.len() - 1
    }

    /// Takes a new row into use whose code is known, after rows that all have theirs. False when it is none of the
    /// codec's.
    pub(super) fn push_coded(&mut self, owner: Id, slot: u32, code: &[u8], codec: &Arc<Codec>) -> bool {
        debug_assert!(self.coded_rows() == self.rows() && self.residence == Residence::Slots);
        let codes = self.codes.get_or_insert_with(|| Codes::new(Arc::clone(codec)));
        if !codes.push(code) {
            return false;
        }
        self.push_owner(owner, slot);
        self.first_held = self.owners.len();
        true
    }

    /// Puts a vector into a row in use, over what it held.
    pub(super) fn write(&mut self, row: usize, owner: Id, slot: u32, vector: &[f32]) {
        self.write_vector(row, vector);
        self.slots[row] = slot;
        self.used += usize::from(self.owners[row].replace(owner).is_none());
    }

    /// Gives a row in use another owner of the same vector.
    pub(super) fn set_owner(&mut self, row: usize, owner: Id) {
        if let Some(place) = self.owners.get_mut(row).filter(|place| place.is_some()) {
            *place = Some(owner);
        }
    }

    /// Frees a row and overwrites its vector and its code.
    pub(super) fn clear(&mut self, row: usize) {
        self.write_vector(row, &vec![0.0; self.dimensions]);
        self.slots[row] = 0;
        self.used -= usize::from(self.owners[row].take().is_some());
    }

    fn write_vector(&mut self, row: usize, vector: &[f32]) {
        if let Some(at) = row.checked_sub(self.first_held) {
            let at = at * self.dimensions;
            self.vectors[at..at + self.dimensions].copy_from_slice(vector);
        }
        if let Some(codes) = self.codes.as_mut().filter(|codes| row < codes.rows) {
            codes.write(row, vector);
        }
    }

    /// Copies another chunk's rows in use behind its own; both have codes of one codec, or none at all.
    /// Says whose they are, their places there and here.
    pub(super) fn append(&mut self, other: &Self) -> Vec<(Id, usize, usize)> {
        let mut moved = Vec::new();
        for (row, owner) in other.owners() {
            if let Some(from) = &other.codes {
                let codes = self.codes.get_or_insert_with(|| Codes::new(Arc::clone(&from.codec)));
                codes.copy(from, row);
            }
            match other.held_vector(row) {
                Some(vector) => self.hold(vector),
                None => self.first_held = self.owners.len() + 1,
            }
            moved.push((owner.clone(), row, self.push_owner(owner.clone(), other.slot(row))));
        }
        moved
    }

    /// Makes it full; the rows that are added are free.
    pub(super) fn close(&mut self) {
        let added = CHUNK_ROWS - self.owners.len();
        let zeros = vec![0.0; self.dimensions];
        for _ in 0..added {
            match &mut self.codes {
                Some(codes) if self.residence == Residence::Slots => codes.push_vector(&zeros),
                Some(codes) => {
                    codes.push_vector(&zeros);
                    self.vectors.extend_from_slice(&zeros);
                }
                None => self.hold(&zeros),
            }
        }
        self.owners.resize_with(CHUNK_ROWS, || None);
        self.slots.resize(CHUNK_ROWS, 0);
        if self.residence == Residence::Slots && self.codes.is_some() {
            self.first_held = CHUNK_ROWS;
        }
    }

    /// Codes the next block of rows, by the codec that the chunk's first block had; gives the rows.
    pub(super) fn code_block(&mut self, codec: &Arc<Codec>) -> std::ops::Range<usize> {
        let first = self.coded_rows();
        let end = (first + BLOCK_ROWS).min(self.owners.len());
        let block = (first - self.first_held) * self.dimensions..(end - self.first_held) * self.dimensions;
        let codes = self.codes.get_or_insert_with(|| Codes::new(Arc::clone(codec)));
        codes.write(first, &self.vectors[block]);
        codes.rows = end;
        if self.residence == Residence::Slots {
            self.let_go(end);
        }
        first..end
    }

    /// Forgets the vectors of rows before `end`, which lie in their slots.
    fn let_go(&mut self, end: usize) {
        let gone = (end - self.first_held) * self.dimensions;
        let kept = self.vectors.len() - gone;
        self.vectors.copy_within(gone.., 0);
        erase(&mut self.vectors[kept..]);
        self.vectors.truncate(kept);
        if kept == 0 {
            self.vectors = Vec::new();
        }
        self.first_held = end;
    }

    /// Takes codes of another codec in place of its own, of as many rows.
    pub(super) fn recode(&mut self, codes: Codes) {
        debug_assert_eq!(codes.rows, self.coded_rows());
        self.codes = Some(codes);
    }

    /// What is kept of rows with codes outside of memory, one after another: owners without a face are left out.
    pub(super) fn kept_codes(&self, rows: std::ops::Range<usize>) -> (Vec<u32>, Vec<u8>) {
        let (mut slots, mut bytes) = (Vec::new(), Vec::new());
        let Some(codes) = &self.codes else { return (slots, bytes) };
        for row in rows {
            if let Some(face) = self.owner(row).and_then(Owner::face) {
                slots.push(self.slots[row]);
                bytes.extend_from_slice(face.0.as_bytes());
                codes.push_bytes(row, &mut bytes);
            }
        }
        (slots, bytes)
    }
}

/// INVARIANT (deleted is overwritten): a chunk that goes out of use leaves no vector in freed memory.
impl<Id> Drop for Chunk<Id> {
    fn drop(&mut self) {
        erase(&mut self.vectors);
    }
}

/// As above: a code tells nearly as much as its vector.
impl Drop for Codes {
    fn drop(&mut self) {
        erase(&mut self.heads);
        erase(&mut self.tails);
    }
}

/// Overwrites what nobody will read: the compiler would leave out such a writing by itself.
fn erase<T: Default + Copy>(values: &mut [T]) {
    values.fill(T::default());
    std::hint::black_box(values);
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

    /// Codes of rows whose vectors lie one after another.
    pub(super) fn of(codec: &Arc<Codec>, vectors: &[f32]) -> Self {
        let mut codes = Self::new(Arc::clone(codec));
        codes.write(0, vectors);
        codes.rows = vectors.len() / codec.dimensions();
        codes
    }

    /// Adds a row.
    fn push_vector(&mut self, vector: &[f32]) {
        self.write(self.rows, vector);
        self.rows += 1;
    }

    /// Codes of rows from `first` on.
    fn write(&mut self, first: usize, vectors: &[f32]) {
        let rows = vectors.len() / self.codec.dimensions();
        let (head_bytes, tail_bytes) = (self.codec.head_bytes(), self.codec.tail_bytes());
        let heads = &mut self.heads[first * head_bytes..][..rows * head_bytes];
        let tails = &mut self.tails[first * tail_bytes..][..rows * tail_bytes];
        for (row, bounds) in (first..).zip(self.codec.encode(vectors, heads, tails)) {
            self.set_bounds(row, bounds);
        }
    }

    fn set_bounds(&mut self, row: usize, bounds: Bounds) {
        self.bounds[row] = bounds;
        let stride = &mut self.stride_bounds[row / STRIDE];
        stride.head_residual = stride.head_residual.max(bounds.head_residual);
        stride.tail = stride.tail.max(bounds.tail);
    }

    /// Adds a row of another chunk.
    fn copy(&mut self, from: &Self, row: usize) {
        debug_assert!(Arc::ptr_eq(&self.codec, &from.codec));
        let to = self.rows;
        let (head_bytes, tail_bytes) = (self.codec.head_bytes(), self.codec.tail_bytes());
        self.heads[to * head_bytes..][..head_bytes].copy_from_slice(&from.heads[row * head_bytes..][..head_bytes]);
        self.tails[to * tail_bytes..][..tail_bytes].copy_from_slice(from.tail(row));
        self.set_bounds(to, from.bounds[row]);
        self.rows += 1;
    }

    /// Adds a row from what [`Codes::push_bytes`] gave; false when the length is another.
    fn push(&mut self, bytes: &[u8]) -> bool {
        let Some((bounds, codes)) = bytes.split_first_chunk().filter(|_| bytes.len() == self.codec.code_bytes()) else {
            return false;
        };
        let row = self.rows;
        let (head, tail) = codes.split_at(self.codec.head_bytes());
        self.heads[row * head.len()..][..head.len()].copy_from_slice(head);
        self.tails[row * tail.len()..][..tail.len()].copy_from_slice(tail);
        self.set_bounds(row, Bounds::from_bytes(*bounds));
        self.rows += 1;
        true
    }

    /// A row's bounds, head and tail.
    fn push_bytes(&self, row: usize, into: &mut Vec<u8>) {
        let head_bytes = self.codec.head_bytes();
        into.extend_from_slice(&self.bounds[row].to_bytes());
        into.extend_from_slice(&self.heads[row * head_bytes..][..head_bytes]);
        into.extend_from_slice(self.tail(row));
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
