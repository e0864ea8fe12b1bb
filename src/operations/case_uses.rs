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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Class, Outcome, Record};
    use crate::policy::Gate;

    const SET: &str = "[profile]\nname = \"regulated\"\n";

    fn case(quota: &str) -> String {
        format!(
            "[case.C]\nauthority = \"a court\"\nlegal_basis = \"a law\"\nstate = \"confirmed\"\nfrom = 2020-01-01\n\
             until = 2099-01-01\n{quota}"
        )
    }

    fn gate(text: &str) -> Gate {
        Gate::from_files(&[("a.toml".to_owned(), text.to_owned())]).unwrap()
    }

    fn used(uses: &CaseUses) -> u64 {
        let mut seen = 0;
        uses.decide(Some("C"), |used| {
            seen = used;
            gate(SET).decide(&crate::policy::Question { operation: "Frobnicate", ..Default::default() })
        });
        seen
    }

    #[test]
    fn a_quota_that_waits_for_its_day_finds_what_was_used_before() {
        let dir = tempfile::tempdir().unwrap();
        let without = Standing::new(gate(&format!("{SET}{}", case(""))));
        let oversight = Oversight::over(without.clone(), dir.path()).unwrap();
        for outcome in [Outcome::Done, Outcome::Denied, Outcome::Refused] {
            let record = Record::new(0, Class::Search, "SearchFaces", "acme");
            oversight.ledger().record(&Record { outcome, case: Some("C".to_owned()), ..record }).unwrap();
        }
        drop(oversight);
        // No quota, so nothing is read; a reload then brings one.
        let oversight = Oversight::over(without.clone(), dir.path()).unwrap();
        let uses = CaseUses::of_the_ledger(&oversight).unwrap();
        assert_eq!(used(&uses), 0);
        // The quota is a changed case, which counts both ways: it waits for two administrators.
        let waiting = without.propose(gate(&format!("{SET}{}", case("quota = 3\n"))), 0, []).unwrap();
        assert!(waiting.active().set().cases["C"].quota.is_none() && waiting.gates().count() == 2);
        uses.make_ready_for(&waiting, &oversight).unwrap();
        assert_eq!(used(&uses), 2);
        uses.make_ready_for(&waiting, &oversight).unwrap();
        assert_eq!(used(&uses), 2, "counted once");
        drop(oversight);
        let oversight = Oversight::over(waiting, dir.path()).unwrap();
        assert_eq!(used(&CaseUses::of_the_ledger(&oversight).unwrap()), 2);
    }
}
