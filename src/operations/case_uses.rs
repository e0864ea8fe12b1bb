//! How many requests stood on each case, for quotas.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{OperationError, Oversight, internal_ledger};
use crate::policy::{Ruling, Standing};

/// Uses by case reference.
///
/// INVARIANT: never below the entries of the ledger that name the case, so that no restart gives a quota back.
#[derive(Debug)]
pub(super) struct CaseUses {
    uses: Mutex<Uses>,
    /// Entries of the ledger when counting began.
    began_at: u64,
}

#[derive(Debug, Default)]
struct Uses {
    by_case: BTreeMap<String, u64>,
    /// Whether those of the ledger are among them.
    has_the_ledgers: bool,
}

impl CaseUses {
    /// What the ledger knows; read only where a case has a quota.
    pub(super) fn of_the_ledger(oversight: &Oversight) -> Result<Self, OperationError> {
        let fresh = Self { uses: Mutex::default(), began_at: oversight.ledger().size() };
        fresh.make_ready_for(&oversight.standing(), oversight)?;
        Ok(fresh)
    }

    /// Counts what the ledger had when this began, if rules that stand, or that wait for their day, have a quota.
    pub(super) fn make_ready_for(&self, standing: &Standing, oversight: &Oversight) -> Result<(), OperationError> {
        let has_quota = standing.gates().any(|gate| gate.set().cases.values().any(|case| case.quota.is_some()));
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if !has_quota || uses.has_the_ledgers {
            return Ok(());
        }
        for (case, before) in oversight.case_entries(self.began_at).map_err(internal_ledger)? {
            *uses.by_case.entry(case).or_default() += before;
        }
        uses.has_the_ledgers = true;
        Ok(())
    }

    /// Decides with the uses of `case` so far; one more when allowed. One at a time, so that the last use of a quota
    /// is given once.
    pub(super) fn decide(&self, case: Option<&str>, decide: impl FnOnce(u64) -> Ruling) -> Ruling {
        let Some(case) = case else { return decide(0) };
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let used = uses.by_case.get(case).copied().unwrap_or(0);
        let ruling = decide(used);
        if ruling.allows() {
            uses.by_case.insert(case.to_owned(), used + 1);
        }
        ruling
    }
}
