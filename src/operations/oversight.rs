//! The one door: decide, do, record. Rules on the one side of an operation, the ledger on the other.
//!
//! INVARIANT (an entry before the answer): what an operation answers leaves this file only after its entry is in the
//! ledger, as durable as the profile wants; if the entry cannot be written, the request fails.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use super::caller::{Caller, Declared};
use super::record::{Act, Tally};
use super::shelf::lock;
use super::{OperationError, Service, internal, internal_ledger, now_ms};
use crate::ledger::{Body, Class, Durability, Ledger, LedgerError, Reader, Receipt, Record};
use crate::policy::vocabulary::{Place, Profile, Role};
use crate::policy::{
    AskedCollection, AskedTags, Asker, Carried, Carriers, Decision, Gate, Outcome, Principal, Question, Ruling,
    Standing,
};
use crate::store::{KeyBinding, StoreError};

/// Who answers for what is asked, where no key and no policy set says so.
const NOBODY_ELSE: &str = "local";

/// Rules and ledger; a service cannot be built without.
pub struct Oversight {
    standing: RwLock<Arc<Standing>>,
    ledger: Ledger,
}

impl Oversight {
    /// Profile `personal` without rules of one's own, and a ledger in `directory`: for a program that serves one
    /// household, or tests.
    ///
    /// # Errors
    /// `Internal` when the ledger cannot be opened.
    pub fn personal(directory: &Path) -> Result<Self, OperationError> {
        let gate = Gate::from_files(&[]).map_err(|error| OperationError::Internal(error.to_string()))?;
        Self::over(Standing::new(gate), directory).map_err(internal_ledger)
    }

    /// Puts them together over the ledger in `directory`, whose entries are as durable as the profile wants.
    ///
    /// # Errors
    /// Those of opening a ledger.
    pub fn over(standing: Standing, directory: &Path) -> Result<Self, LedgerError> {
        // An answer waits for the disk where somebody else relies on the record; a household's survives all but the
        // last second before a power cut.
        let durability = match standing.active().profile() {
            Profile::Personal => Durability::Process,
            _ => Durability::Disk,
        };
        Ok(Self { standing: RwLock::new(Arc::new(standing)), ledger: Ledger::open(directory, durability)? })
    }

    /// The rules in force.
    #[must_use]
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leaves an entry of what became of the rules: those that stand now, or, as `refused`, a set that was not taken.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn record_rules(&self, detail: &str, refused: bool) -> Result<(), LedgerError> {
        let mut entry = self.entry_of_this_machine(Class::Policy, "ChangePolicy", detail);
        entry.outcome = if refused { Outcome::Refused } else { Outcome::Done };
        self.ledger.record(&entry).map(|_| ())
    }

    /// An entry, done, for what the person at this machine did beside the operations.
    #[must_use]
    pub fn entry_of_this_machine(&self, class: Class, operation: &str, detail: &str) -> Record {
        let standing = self.standing();
        let tenant = standing.active().set().tenant_of(None, None).unwrap_or(NOBODY_ELSE);
        let mut entry = Record::new(now_ms().unwrap_or_default(), class, operation, tenant);
        entry.principal = NOBODY_ELSE.to_owned();
        entry.detail = Some(detail.to_owned());
        entry.policy = standing.hash(entry.at_ms);
        entry
    }

    /// The ledger, for what is no request: starts, stops, changes of rules.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The first `end` entries that name a case and were allowed, by case. Bodies that were erased count no more.
    pub(super) fn case_entries(&self, end: u64) -> Result<BTreeMap<String, u64>, LedgerError> {
        let folder = self.ledger.folder();
        let reader = Reader::open(&folder)?;
        let mut uses = BTreeMap::new();
        for index in 0..end.min(reader.size()) {
            let Body::Record(record) = reader.entry(index)?.body else { continue };
            if let (Some(case), true) = (record.case, record.outcome != Outcome::Denied) {
                *uses.entry(case).or_default() += 1;
            }
        }
        Ok(uses)
    }
}

/// An operation's answer with what stands beside it.
#[derive(Debug)]
pub struct Answered<T> {
    /// The answer.
    pub result: Result<T, OperationError>,
    /// The entry, signed for; `None` only when it could not be written, and then `result` is an error.
    pub receipt: Option<Receipt>,
    /// The threshold that was applied, in hundredths of a percent, where a rule raised it.
    pub floor: Option<u32>,
}

impl Service {
    /// Has other rules stand from the next request on; requests under way end under those that they began with.
    ///
    /// # Errors
    /// `Internal` when quotas cannot be counted; the rules stay as they are.
    pub fn change_rules(&self, standing: Standing) -> Result<(), OperationError> {
        self.case_uses.make_ready_for(&standing, &self.oversight)?;
        if standing.active().profile() != Profile::Personal {
            self.oversight.ledger.sync_from_now_on();
        }
        *self.oversight.standing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
        Ok(())
    }

    /// Passes `act` through the door: `work` runs if the rules allow it, with the ruling's limits.
    pub(super) fn through_the_door<T>(
        &self,
        caller: &Caller,
        act: Act,
        work: impl FnOnce(&Ruling) -> Result<T, OperationError>,
        tally: impl FnOnce(&T) -> Tally,
    ) -> Answered<T> {
        let (started, operation) = (Instant::now(), act.operation);
        let standing = self.oversight.standing();
        // Tags are looked at and then changed, so one after the other.
        let _structure = act.retags.is_some().then(|| lock(&self.structure));
        let binding = self.binding(&caller.principal);
        let mut ruling = None;
        let guarded = catch_unwind(AssertUnwindSafe(|| {
            let ruling = ruling.insert(self.rule(&standing, caller, &binding, &act)?);
            match &ruling.decision {
                Decision::Allow => work(ruling),
                Decision::Deny { rule } => Err(refusal(act.operation, rule, ruling)),
            }
        }));
        let result = guarded.unwrap_or_else(|_| Err(OperationError::Internal("the operation panicked".to_owned())));
        let tally = result.as_ref().map_or_else(|_| Tally::default(), tally);
        let floor =
            ruling.as_ref().filter(|ruling| ruling.floored && result.is_ok()).and_then(|ruling| ruling.threshold);
        let entry = self.entry(caller, &standing, &binding, act, ruling, &tally, result.as_ref().err());
        self.finish(operation, entry, started, result, floor)
    }

    /// Writes the entry, and only then lets the answer go.
    fn finish<T>(
        &self,
        operation: &'static str,
        entry: Record,
        started: Instant,
        mut result: Result<T, OperationError>,
        floor: Option<u32>,
    ) -> Answered<T> {
        let receipt = match self.oversight.ledger.append(&entry) {
            Ok(receipt) => Some(receipt),
            Err(error) => {
                result = Err(OperationError::Internal(format!("no entry, so no answer: {error}")));
                None
            }
        };
        self.count(operation, &entry, started, result.as_ref().err());
        Answered { result, receipt, floor }
    }

    /// What the rules say; an error for a collection whose tags cannot be read.
    fn rule(
        &self,
        standing: &Standing,
        caller: &Caller,
        binding: &KeyBinding,
        act: &Act,
    ) -> Result<Ruling, OperationError> {
        let tags = match &act.collection {
            // A tag may narrow what a collection is for: one that cannot be read is not one that is not there.
            Some(id) => match self.store.tags(id) {
                Err(StoreError::Missing) => act.tags.clone(),
                tags => tags.map_err(internal)?,
            },
            None => act.tags.clone(),
        };
        let tag = |name: &str| tags.get(name).map(String::as_str);
        let key = Carried { purpose: binding.purpose.as_deref(), case: binding.case.as_deref() };
        let carriers = Carriers {
            header: carried(&caller.header),
            session: carried(&caller.session),
            key,
            collection: Carried { purpose: tag("purpose"), case: tag("case") },
        };
        let after = act.retags.as_ref().map(|(set, removed)| {
            let mut after = tags.clone();
            after.extend(set.iter().map(|(key, value)| (key.clone(), value.clone())));
            after.retain(|key, _| !removed.contains(key));
            after
        });
        let will_be = |name: &str| after.as_ref().and_then(|after| after.get(name)).map(String::as_str);
        let retagged = act.retags.as_ref().map(|_| AskedTags {
            purpose: will_be("purpose"),
            case: will_be("case"),
            place: will_be("place"),
            source: will_be("source"),
        });
        let collection = act.collection.as_ref().map(|id| AskedCollection {
            id: id.as_str(),
            place: tag("place"),
            source: tag("source"),
            faces: self.shelf(id).map_or(0, |shelf| shelf.face_count() as u64),
        });
        let said = |member: fn(&Declared) -> Option<&String>| member(&caller.header).or(member(&caller.session));
        let places: Vec<Place> =
            said(|said| said.place.as_ref()).and_then(|place| Place::parse(place)).into_iter().collect();
        let asker = Asker { tenant: binding.tenant.as_deref(), key: key_of(&caller.principal), role: role(binding)? };
        let question = |case_used| Question {
            asker,
            operation: act.operation,
            collection,
            carriers,
            retagged,
            places: &places,
            person: said(|said| said.person.as_ref()).map(String::as_str),
            threshold: act.threshold,
            faces_max: act.faces_max,
            strict: caller.strict,
            review: false,
            now_ms: now_ms(),
            case_used,
        };
        Ok(self.case_uses.decide(Gate::case_of(&carriers), |used| standing.decide(&question(used))))
    }

    /// What a key was bound to at its making; nothing for the person at this machine.
    fn binding(&self, principal: &Principal) -> KeyBinding {
        key_of(principal).and_then(|id| self.keys.binding(id)).unwrap_or_default()
    }

    #[expect(clippy::too_many_arguments, reason = "one place that gathers all there is to say of a request")]
    fn entry(
        &self,
        caller: &Caller,
        standing: &Standing,
        binding: &KeyBinding,
        act: Act,
        ruling: Option<Ruling>,
        tally: &Tally,
        error: Option<&OperationError>,
    ) -> Record {
        let set = standing.active().set();
        let tenant = set.tenant_of(binding.tenant.as_deref(), key_of(&caller.principal)).unwrap_or(NOBODY_ELSE);
        let actor = set.tenants.get(tenant).map_or("", |tenant| tenant.actor.name());
        let mut entry = Record::new(now_ms().unwrap_or_default(), act.class(), act.operation, tenant);
        entry.outcome = outcome_of(error);
        entry.request_id.clone_from(&caller.request_id);
        entry.principal = key_of(&caller.principal).unwrap_or(NOBODY_ELSE).to_owned();
        actor.clone_into(&mut entry.actor);
        entry.error = error.map(|error| error.name().to_owned());
        entry.threshold_asked = act.threshold;
        entry.gallery_faces = tally.searched;
        entry.model = tally.model.clone();
        entry.faces = tally.faces;
        entry.matches = tally.matches;
        entry.units = tally.units.clone();
        entry.policy = standing.hash(entry.at_ms);
        entry.detail = tally.detail.clone().or(act.detail);
        entry.collection = act.collection.map(|id| id.to_string());
        if let Some(ruling) = ruling {
            entry.purpose = ruling.purpose.map_or_else(String::new, |purpose| purpose.name().to_owned());
            entry.case = ruling.case;
            entry.rules = ruling.rules;
            entry.threshold_used = ruling.threshold;
            entry.max_faces = ruling.faces_max;
        }
        entry
    }

    fn count(&self, operation: &'static str, entry: &Record, started: Instant, error: Option<&OperationError>) {
        let outcome = outcome_of(error);
        self.meter.record(operation, outcome);
        let duration_ms = started.elapsed().as_secs_f64() * 1000.0;
        let collection = entry.collection.as_ref().map(tracing::field::display);
        tracing::info!(operation, collection.id = collection, duration_ms, ?outcome, "operation");
        if let Some(OperationError::Internal(error)) = error {
            tracing::error!(operation, error, "operation failed");
        }
    }
}

/// The error of a denied request: one that asked for more than a limit lets through is told the limit.
fn refusal(operation: &'static str, rule: &str, ruling: &Ruling) -> OperationError {
    let Some(limit) = ruling.refused_limit() else {
        return OperationError::AccessDenied { operation, rule: rule.to_owned() };
    };
    let mut allowed = Vec::new();
    allowed.extend(ruling.threshold.map(|least| format!("a threshold of {}.{:02} or more", least / 100, least % 100)));
    allowed.extend(ruling.faces_max.map(|most| format!("at most {most} candidates")));
    OperationError::OverLimit { rule: limit.to_owned(), allowed: allowed.join(" and ") }
}

fn carried(declared: &Declared) -> Carried<'_> {
    Carried { purpose: declared.purpose.as_deref(), case: declared.case.as_deref() }
}

fn key_of(principal: &Principal) -> Option<&str> {
    match principal {
        Principal::Local => None,
        Principal::Key { access_key_id } => Some(access_key_id),
    }
}

/// A role that this program does not know is no role at all.
fn role(binding: &KeyBinding) -> Result<Role, OperationError> {
    let Some(name) = &binding.role else { return Ok(Role::User) };
    Role::parse(name)
        .ok_or_else(|| OperationError::Internal(format!("a key has the role `{name}`, which is not known")))
}

fn outcome_of(error: Option<&OperationError>) -> Outcome {
    match error {
        None => Outcome::Done,
        Some(OperationError::AccessDenied { .. } | OperationError::OverLimit { .. }) => Outcome::Denied,
        Some(OperationError::Internal(_) | OperationError::Overloaded) => Outcome::Failed,
        Some(_) => Outcome::Refused,
    }
}
