//! May this principal do this, and what is counted.
//!
//! A [`Gate`] is a policy set, compiled: it rules on a [`Question`] from what it is told, without clock and disk. Rules
//! are data that the operator writes (`docs/policy.md`); without any, the profile is `personal`, which asks nothing
//! and refuses nothing.

mod asked;
mod case;
mod commitment;
mod compare;
mod date;
mod engine;
mod facts;
mod floor;
mod gate;
pub mod note;
mod presets;
mod question;
mod set;
mod standing;
mod table;
#[cfg(test)]
mod tests;
pub mod vocabulary;

use std::collections::BTreeMap;
use std::sync::Mutex;

pub use crate::ledger::Outcome;
pub use asked::{Asked, AskedOfCollection, AskedOfTags, Named, TestResult, run_table};
pub use case::{Case, CaseState, PROVISIONAL_MS};
pub use commitment::{Commitment, Exception, PlacePattern, Until};
pub use compare::{Change, Combination, Difference, compare, lines};
pub use date::day;
pub use floor::{DEFAULT_THRESHOLD, Floor};
pub use gate::Gate;
pub use presets::{PRESETS, Preset};
pub use question::{AskedCollection, AskedTags, Asker, Carried, Carriers, Decision, Question, Ruling};
pub use set::{CollectionFacts, Event, FILES_MAX, OwnRules, PolicySet, SET_BYTES_MAX, Tenant};
pub use standing::{APPROVALS, DELAY_MS, Force, Proposed, Standing};
pub use table::PolicyError;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The person at this machine's command line, or anyone on a loopback server without auth.
    Local,
    /// The holder of an access key.
    Key {
        /// Public half of the key.
        access_key_id: String,
    },
}

/// Counts of operations by name and outcome since start.
#[derive(Debug, Default)]
pub struct Meter {
    counts: Mutex<BTreeMap<(&'static str, Outcome), u64>>,
}

impl Meter {
    /// Counts one.
    pub fn record(&self, operation: &'static str, outcome: Outcome) {
        let mut counts = self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *counts.entry((operation, outcome)).or_default() += 1;
    }

    /// All counts.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<(&'static str, Outcome), u64> {
        self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}
