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

pub(super) use best::Scored;
pub use kernels::Path;
pub(super) use rows::{Moved, Row, Rows};
pub(super) use scan::Wanted;

#[cfg(test)]
mod tests;
