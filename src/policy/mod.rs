//! May this principal do this, and what is counted.
//!
//! Profile `personal`: everything a valid key asks is allowed, every decision is counted. Rules, purposes
//! and the ledger stand behind the same two calls, [`decide`] and [`Meter::record`].

use std::collections::BTreeMap;
use std::sync::Mutex;

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

/// What is asked: the operation's wire name and the collection it touches.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// For example `SearchFaces`.
    pub operation: &'static str,
    /// `None` for operations without a collection.
    pub collection: Option<&'a str>,
}

/// The answer of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Stop; the rule's name goes to the client.
    Deny {
        /// Name of the rule.
        rule: String,
    },
}

/// Decides under the `personal` profile: any authenticated principal may do anything.
#[must_use]
pub fn decide(_principal: &Principal, _action: &Action<'_>) -> Decision {
    Decision::Allow
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Answered.
    Done,
    /// Refused by a rule.
    Denied,
    /// Ended in an error of the caller's.
    Refused,
    /// Ended in an error of ours.
    Failed,
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
