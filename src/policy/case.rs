//! A case (authorisation): who allowed what, on which ground, within which scope, from when until when, how often.

use std::collections::BTreeSet;

use super::commitment::{self, TENANT_ID, tenant_id};
use super::date::End;
use super::table::{PolicyError, Table};
use super::vocabulary::{Operation, Place, Purpose};

/// How long a case may be used before its authority has confirmed it: 48 hours, as Article 26(10) of Regulation (EU)
/// 2024/1689 has it.
pub const PROVISIONAL_MS: i64 = 48 * 3_600_000;

/// Whether the authority has spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseState {
    /// Asked for; usable for 48 hours from its beginning.
    Provisional,
    /// Granted.
    Confirmed,
    /// Refused.
    Refused,
    /// Given back before its end.
    Expired,
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Who grants it.
    pub authority: String,
    /// The law, cited.
    pub legal_basis: String,
    /// State.
    pub state: CaseState,
    /// First millisecond; a provisional case ends 48 hours later.
    pub from_ms: i64,
    /// Last millisecond.
    pub until_ms: i64,
    /// Most requests.
    pub quota: Option<u64>,
    /// `None`: any.
    pub collections: Option<BTreeSet<String>>,
    /// `None`: anywhere.
    pub places: Option<BTreeSet<Place>>,
    /// `None`: any.
    pub operations: Option<BTreeSet<Operation>>,
    /// `None`: any.
    pub purposes: Option<BTreeSet<Purpose>>,
    /// `None`: any.
    pub tenants: Option<BTreeSet<String>>,
    /// Persons sought, as the operator writes them (salted commitments, references); `None`: not written down.
    pub persons: Option<BTreeSet<String>>,
}

/// Why a case does not carry a request; the name is that of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CaseFault(pub(super) &'static str);

/// What a case is held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct CaseUse<'a> {
    pub(super) tenant: Option<&'a str>,
    pub(super) collection: Option<&'a str>,
    pub(super) operation: Operation,
    pub(super) purposes: &'a BTreeSet<Purpose>,
    /// Empty: not known.
    pub(super) places: &'a BTreeSet<Place>,
    pub(super) person: Option<&'a str>,
    pub(super) now_ms: Option<i64>,
    /// Requests that stood on it before this one.
    pub(super) used: u64,
}

impl Case {
    pub(super) fn read(reference: &str, table: Table<'_>) -> Result<Self, PolicyError> {
        table.only(&[
            "authority",
            "legal_basis",
            "state",
            "from",
            "until",
            "quota",
            "collections",
            "places",
            "operations",
            "purposes",
            "tenants",
            "persons",
            "text",
        ])?;
        let bad = |c: char| c.is_control();
        if reference.is_empty() || reference.len() > 128 || reference.contains(bad) {
            return Err(table.error("a case's reference has 1 to 128 bytes and no control characters"));
        }
        let moment = |key: &str, end: End| {
            table.moment(key, end)?.ok_or_else(|| table.error(format!("case `{reference}`: `{key}` is missing")))
        };
        let (from_ms, until_ms) = (moment("from", End::First)?, moment("until", End::Last)?);
        if until_ms < from_ms {
            return Err(table.error_at("until", format!("case `{reference}` ends before it begins")));
        }
        let any = |word: &str| Some(word.to_owned());
        Ok(Self {
            authority: table.needed("authority")?.to_owned(),
            legal_basis: table.needed("legal_basis")?.to_owned(),
            state: table
                .word("state", state, "one of provisional, confirmed, refused, expired")?
                .ok_or_else(|| table.error(format!("case `{reference}`: `state` is missing")))?,
            from_ms,
            until_ms,
            quota: table.count("quota")?.map(u64::from),
            collections: table.list("collections", any, "a collection")?.map(BTreeSet::from_iter),
            places: table.list("places", Place::parse, "a place, as `US` or `US-CA`")?.map(BTreeSet::from_iter),
            operations: commitment::operations(table)?,
            purposes: commitment::purposes(table)?,
            tenants: table.list("tenants", tenant_id, TENANT_ID)?.map(BTreeSet::from_iter),
            persons: table.list("persons", any, "a person")?.map(BTreeSet::from_iter),
        })
    }

    /// Whether it carries this request. What is not known is not within its scope, except the person: a picture says
    /// no name.
    pub(super) fn check(&self, asked: &CaseUse<'_>) -> Result<(), CaseFault> {
        match self.state {
            CaseState::Refused => return Err(CaseFault("case-refused")),
            CaseState::Expired => return Err(CaseFault("case-expired")),
            CaseState::Provisional | CaseState::Confirmed => {}
        }
        let now = asked.now_ms.ok_or(CaseFault("case-date-unknown"))?;
        if now < self.from_ms {
            return Err(CaseFault("case-not-begun"));
        }
        if now > self.last_ms() {
            return Err(CaseFault("case-expired"));
        }
        if self.quota.is_some_and(|quota| asked.used >= quota) {
            return Err(CaseFault("case-over-quota"));
        }
        if self.covers(asked) { Ok(()) } else { Err(CaseFault("case-out-of-scope")) }
    }

    /// Last millisecond it may be used, by its state.
    #[must_use]
    pub fn last_ms(&self) -> i64 {
        match self.state {
            CaseState::Provisional => self.until_ms.min(self.from_ms.saturating_add(PROVISIONAL_MS)),
            _ => self.until_ms,
        }
    }

    fn covers(&self, asked: &CaseUse<'_>) -> bool {
        let named = |scope: &Option<BTreeSet<String>>, name: Option<&str>| {
            scope.as_ref().is_none_or(|scope| name.is_some_and(|name| scope.contains(name)))
        };
        let within = |scope: &BTreeSet<Place>, place: &Place| {
            scope.contains(place) || Place::parse(place.country()).is_some_and(|country| scope.contains(&country))
        };
        let places = self
            .places
            .as_ref()
            .is_none_or(|scope| !asked.places.is_empty() && asked.places.iter().all(|place| within(scope, place)));
        let purposes =
            self.purposes.as_ref().is_none_or(|scope| !asked.purposes.is_empty() && asked.purposes.is_subset(scope));
        named(&self.collections, asked.collection)
            && named(&self.tenants, asked.tenant)
            && self.operations.as_ref().is_none_or(|scope| scope.contains(&asked.operation))
            && (self.persons.is_none() || asked.person.is_none() || named(&self.persons, asked.person))
            && places
            && purposes
    }
}

fn state(word: &str) -> Option<CaseState> {
    match word {
        "provisional" => Some(CaseState::Provisional),
        "confirmed" => Some(CaseState::Confirmed),
        "refused" => Some(CaseState::Refused),
        "expired" => Some(CaseState::Expired),
        _ => None,
    }
}
