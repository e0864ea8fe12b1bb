//! Error rates of comparisons and searches, with what the data can and cannot show.
//!
//! Terms as in ISO/IEC 19795-1: FMR and FNMR are rates of single comparisons at a threshold; a *mated* comparison is
//! of one person with himself; FPIR and FNIR are rates of searches in a gallery of some size. Every rate comes with
//! its interval, and none is told that the data cannot show.

mod draw;
pub mod groups;
mod histogram;
mod pairs;
mod pooled;
mod rate;
pub mod tail;

pub use draw::Draw;
pub use histogram::Histogram;
pub use pairs::{Comparison, best_threshold, fold_accuracies, right_at};
pub use pooled::{Confusions, by_person_rate, mated_comparisons, non_mated_comparisons, non_mated_rate};
pub use rate::{ERRORS_MIN, Rate, normal_above, normal_quantile};
