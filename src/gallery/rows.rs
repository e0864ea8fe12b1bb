//! Many vectors of one length in memory, and the scan over them.

use crate::vision::cosines;

/// Vectors per chunk: growth allocates one more chunk and copies nothing.
const CHUNK_ROWS: usize = 1024;

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
    pub(super) fn scan<'a>(&'a self, probe: &[f32], cosine_min: f32, each: &mut impl FnMut(&'a Id, f32)) {
        let mut buffer = [0.0; CHUNK_ROWS];
        for chunk in &self.chunks {
            let found = &mut buffer[..chunk.owners.len()];
            cosines(probe, &chunk.vectors, found);
            for (&cosine, owner) in found.iter().zip(&chunk.owners) {
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
