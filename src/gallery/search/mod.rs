//! Exact search over many unit vectors: short codes first, with bounds that cannot fail, then the vectors themselves.
//!
//! A search returns, bit for bit, what comparing the probe with every vector would (`docs/exact-search.md` has the
//! proof). Useful for: one probe, several in one pass over memory, all pairs of a collection.

mod best;
mod chunk;
mod codec;
mod kernels;
mod rows;
mod scan;
mod slots;

pub(super) use best::Scored;
pub use kernels::Path;
pub(super) use rows::{Incoming, Loading, Moved, Row, Rows};
pub(super) use scan::Wanted;
pub(super) use slots::Owner;
pub use slots::{Slots, Unreadable};

/// How searches are computed. Every choice gives the same answers.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// Which instructions.
    pub path: Path,
    /// Most threads of one search; few faces take one.
    pub threads_max: usize,
    /// Look at codes first. Without, every vector is compared: slow, and the truth that the rest is held against.
    pub codes: bool,
}

impl Default for Means {
    /// The fastest: codes, the best instructions of this processor, all cores.
    fn default() -> Self {
        static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        let cores = CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
        Self { path: Path::best(), threads_max: *cores, codes: true }
    }
}

/// What a collection's faces take in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Rows, free ones included.
    pub rows: usize,
    /// Bytes of vectors in memory.
    pub vector_bytes: usize,
    /// Bytes of codes and their bounds.
    pub code_bytes: usize,
    /// Bytes of ids, users and places.
    pub record_bytes: usize,
    /// Bytes that a search reads of every row.
    pub scanned_bytes: usize,
}

#[cfg(test)]
mod tests;
