//! A chunk of rows: their owners, their codes, and those vectors that are in memory.

use std::sync::Arc;

use super::codec::{Bounds, Codec};
use super::kernels::{self, BLOCK_ROWS, CELL_BYTES, LINE_BYTES, Lengths};
use super::slots::Owner;

/// Rows in a chunk: the unit of locking and of coding. Its head codes (64 KiB at 64 bytes a row) fit the second-level
/// cache, so several probes share one reading of them.
pub(super) const CHUNK_ROWS: usize = 1024;

/// Rows that are coded together: enough to make turning them cheap, few enough to be compared as they are until then.
const CODED_TOGETHER: usize = 64;

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
    /// In blocks, as the kernels read them.
    heads: Aligned,
    /// Tail and fine code of each row.
    records: Aligned,
    lengths: Box<[Lengths]>,
    /// What all codes together miss.
    residuals: Box<[i16]>,
}

/// Bytes of which the first lies at the beginning of a cache line, so that no line of a block and no record of 64 bytes
/// is in two of them.
struct Aligned {
    bytes: Box<[u8]>,
    first: usize,
}

const CACHE_LINE: usize = 64;

impl Aligned {
    fn zeros(length: usize) -> Self {
        let bytes = vec![0; length + CACHE_LINE - 1].into_boxed_slice();
        let first = bytes.as_ptr().align_offset(CACHE_LINE).min(CACHE_LINE - 1);
        Self { bytes, first }
    }

    fn used(&self) -> std::ops::Range<usize> {
        self.first..self.bytes.len() - (CACHE_LINE - 1) + self.first
    }
}

impl std::ops::Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.used()]
    }
}

impl std::ops::DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        let used = self.used();
        &mut self.bytes[used]
    }
}

impl<Id: Owner> Chunk<Id> {
    /// An empty one; `coded` where a codec is at hand for every block of rows.
    pub(super) fn new(dimensions: usize, residence: Residence, coded: bool) -> Self {
        let held_max = if residence == Residence::Slots && coded { CODED_TOGETHER } else { CHUNK_ROWS };
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
        uncoded >= CODED_TOGETHER || (uncoded > 0 && self.is_full())
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

    /// Asks for a row's owner and vector.
    pub(super) fn prefetch(&self, row: usize) {
        kernels::prefetch(self.owners.get(row..=row).unwrap_or_default());
        self.held_vector(row).into_iter().for_each(kernels::prefetch);
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
        let end = (first + CODED_TOGETHER).min(self.owners.len());
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
        erase(&mut self.records);
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
            heads: Aligned::zeros(CHUNK_ROWS * codec.head_bytes()),
            records: Aligned::zeros(CHUNK_ROWS * codec.record_bytes()),
            lengths: vec![Lengths::default(); CHUNK_ROWS].into(),
            residuals: vec![0; CHUNK_ROWS].into(),
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
        let bytes = self.codec.record_bytes();
        let mut heads = vec![0; rows * self.codec.head_bytes()];
        let records = &mut self.records[first * bytes..][..rows * bytes];
        let bounds = self.codec.encode(vectors, &mut heads, records);
        for ((row, bounds), head) in (first..).zip(bounds).zip(heads.chunks_exact(self.codec.head_bytes())) {
            self.set_head(row, head);
            self.set_bounds(row, bounds);
        }
        erase(&mut heads);
    }

    /// Where the cells of a row's head begin, in order.
    fn cells(&self, row: usize) -> impl Iterator<Item = usize> + use<> {
        let head_bytes = self.codec.head_bytes();
        let first = row / BLOCK_ROWS * BLOCK_ROWS * head_bytes + row % BLOCK_ROWS * CELL_BYTES;
        (0..head_bytes / CELL_BYTES).map(move |line| first + line * LINE_BYTES)
    }

    fn set_head(&mut self, row: usize, head: &[u8]) {
        for (at, cell) in self.cells(row).zip(head.chunks_exact(CELL_BYTES)) {
            self.heads[at..at + CELL_BYTES].copy_from_slice(cell);
        }
    }

    /// A row's head, cell by cell.
    fn head(&self, row: usize) -> Vec<u8> {
        self.cells(row).flat_map(|at| &self.heads[at..at + CELL_BYTES]).copied().collect()
    }

    fn set_bounds(&mut self, row: usize, bounds: Bounds) {
        self.lengths[row] = bounds.lengths;
        self.residuals[row] = bounds.residual;
    }

    /// Adds a row with these codes.
    fn push_codes(&mut self, bounds: Bounds, head: &[u8], record: &[u8]) {
        let row = self.rows;
        self.set_head(row, head);
        self.records[row * record.len()..][..record.len()].copy_from_slice(record);
        self.set_bounds(row, bounds);
        self.rows += 1;
    }

    /// Adds a row of another chunk.
    fn copy(&mut self, from: &Self, row: usize) {
        debug_assert!(Arc::ptr_eq(&self.codec, &from.codec));
        self.push_codes(from.bounds(row), &from.head(row), from.record(row));
    }

    /// Adds a row from what [`Codes::push_bytes`] gave; false when the length is another.
    fn push(&mut self, bytes: &[u8]) -> bool {
        let Some((bounds, codes)) = bytes.split_first_chunk().filter(|_| bytes.len() == self.codec.code_bytes()) else {
            return false;
        };
        let (head, record) = codes.split_at(self.codec.head_bytes());
        self.push_codes(Bounds::from_bytes(*bounds), head, record);
        true
    }

    /// A row's bounds, head and record.
    fn push_bytes(&self, row: usize, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.bounds(row).to_bytes());
        into.extend(self.head(row));
        into.extend_from_slice(self.record(row));
    }

    pub(super) fn bytes(&self) -> usize {
        let lengths = size_of_val(&self.lengths[..]) + size_of_val(&self.residuals[..]);
        self.heads.bytes.len() + self.records.bytes.len() + lengths
    }

    /// Bytes that every search reads.
    pub(super) fn scanned_bytes(&self) -> usize {
        self.heads.len() + size_of_val(&self.lengths[..])
    }

    pub(super) fn codec(&self) -> &Arc<Codec> {
        &self.codec
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Whole blocks; rows beyond [`Codes::rows`] are of no meaning.
    pub(super) fn heads(&self) -> &[u8] {
        &self.heads[..self.rows.next_multiple_of(BLOCK_ROWS) * self.codec.head_bytes()]
    }

    /// Of each row.
    pub(super) fn lengths(&self) -> &[Lengths] {
        &self.lengths[..self.rows]
    }

    /// A row's tail, empty without one, then its fine code.
    pub(super) fn record(&self, row: usize) -> &[u8] {
        let bytes = self.codec.record_bytes();
        &self.records[row * bytes..][..bytes]
    }

    pub(super) fn bounds(&self, row: usize) -> Bounds {
        Bounds { lengths: self.lengths[row], residual: self.residuals[row] }
    }

    /// Asks for one of so many parts of the heads.
    pub(super) fn prefetch_heads(&self, part: usize, parts: usize) {
        let heads = self.heads();
        kernels::prefetch_far(heads.chunks(heads.len().div_ceil(parts).max(1)).nth(part).unwrap_or_default());
    }

    /// Asks for the lengths of all rows.
    pub(super) fn prefetch_lengths(&self) {
        kernels::prefetch_far(self.lengths());
    }

    /// Asks for what the second look at a row will read.
    pub(super) fn prefetch_record(&self, row: usize) {
        kernels::prefetch(self.record(row));
        kernels::prefetch(&self.residuals[row..=row]);
    }
}
