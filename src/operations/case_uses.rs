//! How many requests stood on each case, for quotas.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{OperationError, Oversight};
use crate::policy::Ruling;

/// Uses by case reference.
///
/// INVARIANT: never below the entries of the ledger that name the case, so that no restart gives a quota back.
#[derive(Debug, Default)]
pub(super) struct CaseUses(Mutex<BTreeMap<String, u64>>);

impl CaseUses {
    /// What the ledger knows; read only where a case has a quota.
    pub(super) fn of_the_ledger(oversight: &Oversight) -> Result<Self, OperationError> {
        let standing = oversight.standing();
        if standing.active().set().cases.values().all(|case| case.quota.is_none()) {
            return Ok(Self::default());
        }
        let damaged = |error| OperationError::Internal(format!("cases cannot be counted: {error}"));
        Ok(Self(Mutex::new(oversight.case_entries().map_err(damaged)?)))
    }

    /// Decides with the uses of `case` so far; one more when allowed. One at a time, so that the last use of a quota
    /// is given once.
    pub(super) fn decide(&self, case: Option<&str>, decide: impl FnOnce(u64) -> Ruling) -> Ruling {
        let Some(case) = case else { return decide(0) };
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = uses.get(case).copied().unwrap_or(0);
        let ruling = decide(used);
        if ruling.allows() {
            uses.insert(case.to_owned(), used + 1);
        }
        ruling
    }
}
