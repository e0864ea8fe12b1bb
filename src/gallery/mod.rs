//! Who is enrolled, and who is it: in memory, pure, exact.
//!
//! Useful for: 1:1 comparison, 1:N search over one collection's faces and users, similarity percents.
//! Knows nothing of disk, HTTP or pictures.

pub mod all_pairs;
pub mod calibrate;
pub mod collection;
pub mod error_rates;
pub mod expectation;
pub mod identification;
pub mod ids;
pub mod similarity;

mod search;
pub(crate) mod spread;

pub use collection::{Candidate, Collection, FacePair, Filter, Loader, Search, UserCandidate};
pub use ids::{CollectionId, ExternalImageId, FaceId, ImageId, UserId};
pub use search::{Footprint, Means, Path, Slots, Unreadable};
