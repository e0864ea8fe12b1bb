//! Floods of equal denials: the first of a minute have an entry each, the others share one that counts them.

use std::collections::HashMap;

use super::receipt::Place;
use super::record::{Outcome, Record, Unit, Units};

/// Equal denials of one minute that have an entry each.
pub const EQUAL_DENIALS_MAX: u64 = 100;
/// Kinds of denials that are told apart in one minute; more are written one by one.
const KINDS_MAX: usize = 4096;

/// What makes denials equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    tenant: String,
    principal: String,
    operation: String,
    collection: Option<String>,
    purpose: String,
    error: Option<String>,
    rules: Vec<String>,
}

impl Kind {
    fn of(record: &Record) -> Self {
        Self {
            tenant: record.tenant.clone(),
            principal: record.principal.clone(),
            operation: record.operation.clone(),
            collection: record.collection.clone(),
            purpose: record.purpose.clone(),
            error: record.error.clone(),
            rules: record.rules.clone(),
        }
    }
}

struct Flood {
    seen: u64,
    /// The entry that says that counting has begun.
    begun: Option<Place>,
    /// Denials since, and the last of them.
    folded: u64,
    last: Option<Record>,
}

/// What to do with a denial.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It has an entry of its own.
    Write,
    /// Its entry says that counting begins.
    Begin,
    /// It is counted; this entry stands for it.
    Counted(Place),
}

/// The denials of the current minute.
#[derive(Default)]
pub(super) struct Floods {
    minute: i64,
    kinds: HashMap<Kind, Flood>,
}

impl Floods {
    /// Takes one denial.
    pub(super) fn admit(&mut self, record: &Record) -> Admission {
        let kind = Kind::of(record);
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&kind) {
            return Admission::Write;
        }
        let flood = self.kinds.entry(kind).or_insert(Flood { seen: 0, begun: None, folded: 0, last: None });
        flood.seen += 1;
        match &flood.begun {
            Some(place) => {
                flood.folded += 1;
                flood.last = Some(record.clone());
                Admission::Counted(place.clone())
            }
            None if flood.seen == EQUAL_DENIALS_MAX + 1 => Admission::Begin,
            None => Admission::Write,
        }
    }

    /// The entry that says that counting begins has been written.
    pub(super) fn begun(&mut self, record: &Record, place: &Place) {
        if let Some(flood) = self.kinds.get_mut(&Kind::of(record)) {
            flood.begun = Some(place.clone());
        }
    }

    /// Is the minute of `at_ms` another than that of the denials counted here?
    pub(super) fn is_over(&self, at_ms: i64) -> bool {
        self.minute != at_ms / 60_000
    }

    /// Begins the minute of `at_ms`; the entries that say how many were counted in the one before.
    pub(super) fn turn(&mut self, at_ms: i64) -> Vec<Record> {
        self.minute = at_ms / 60_000;
        std::mem::take(&mut self.kinds).into_values().filter_map(closing).collect()
    }
}

fn closing(flood: Flood) -> Option<Record> {
    let record = flood.last?;
    let detail = Some(format!("{} equal denials, counted since entry {}", flood.folded, flood.begun?.index));
    Some(Record { units: Units::of(Unit::Requests, flood.folded), detail, request_id: String::new(), ..record })
}

/// Is it one that a flood can consist of?
pub(super) fn is_denial(record: &Record) -> bool {
    record.outcome == Outcome::Denied
}

#[cfg(test)]
mod tests {
    use super::super::verify::{Against, verify};
    use super::super::{Class, Durability, Folder, Ledger, Reader};
    use super::*;

    fn denial(at_ms: i64, principal: &str) -> Record {
        Record {
            outcome: Outcome::Denied,
            principal: principal.to_owned(),
            ..Record::new(at_ms, Class::Search, "SearchFaces", "acme")
        }
    }

    #[test]
    fn a_flood_is_counted_and_every_denial_is_accounted_for() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path(), Durability::Process).unwrap();
        let receipts: Vec<_> = (0..1000).map(|_| ledger.append(&denial(60_000, "a")).unwrap()).collect();
        assert_eq!(receipts[999].place, receipts[100].place);
        ledger.append(&denial(60_000, "b")).unwrap();
        assert_eq!(ledger.size(), 102);
        ledger.append(&denial(120_000, "a")).unwrap();
        assert_eq!(ledger.size(), 104, "the count, then the first of the next minute");
        let _: Vec<_> = (0..200).map(|_| ledger.append(&denial(120_000, "a")).unwrap()).collect();
        ledger.close().unwrap();
        let folder = Folder(dir.path().to_owned());
        assert_eq!(verify(&folder, &Against::default()).findings, []);
        let reader = Reader::open(&folder).unwrap();
        let mut requests = 0;
        reader
            .leaves(0, reader.size(), |leaf| {
                requests += if leaf.flood_ends { leaf.units.amount(Unit::Requests) } else { 1 };
                Ok::<(), super::super::LedgerError>(())
            })
            .unwrap();
        assert_eq!(requests, 1000 + 1 + 1 + 200);
        assert!(reader.leaf(100).unwrap().flood_begins && reader.leaf(102).unwrap().flood_ends);
    }
}
