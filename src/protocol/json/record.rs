//! The record's own operations on the wire: `GetLedger`, `ListEntries`, `GetUsage`.

use serde::Serialize;

use super::members::Members;
use crate::ledger::{Outcome, Record, date_of_day};
use crate::operations::{self, Request, get_ledger, get_usage, list_entries};
use crate::protocol::errors::Fault;

/// Days of a request without an end: beyond the last day that a leaf's minute can tell.
const EVERY_DAY: u32 = u32::MAX / (24 * 60) + 1;

pub(super) fn get_ledger(m: &Members<'_, '_>) -> Result<Request, Fault> {
    m.finish()?;
    Ok(Request::GetLedger(get_ledger::Input))
}

pub(super) fn list_entries(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let most = u32::try_from(list_entries::PAGE_MAX).unwrap_or(u32::MAX);
    let (entries_max, next_token) = (m.count("MaxResults", 1, most)?, m.next_token()?);
    let (operation, outcome) = (m.operation()?, m.outcome()?);
    m.finish()?;
    Ok(Request::ListEntries(list_entries::Input { entries_max, next_token, operation, outcome }))
}

pub(super) fn get_usage(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (from, until) = (m.date("From")?, m.date("Until")?);
    m.finish()?;
    Ok(Request::GetUsage(get_usage::Input { from: from.unwrap_or(0), until: until.unwrap_or(EVERY_DAY) }))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ledger<'a> {
    origin: &'a str,
    public_key: &'a str,
    entries: u64,
    checkpoint: Checkpoint<'a>,
    witnesses: Vec<Witness<'a>>,
    unwitnessed_entries: u64,
    policy_hash: &'a str,
    profile: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Checkpoint<'a> {
    size: u64,
    root_hash: &'a str,
    timestamp: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Witness<'a> {
    name: &'a str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
}

/// Body of the answer.
pub(super) fn ledger(out: &get_ledger::Output) -> impl Serialize + '_ {
    Ledger {
        origin: &out.origin,
        public_key: &out.public_key,
        entries: out.entries,
        checkpoint: Checkpoint {
            size: out.checkpoint_size,
            root_hash: &out.checkpoint_root,
            timestamp: out.checkpoint_at_s,
        },
        witnesses: out.witnesses.iter().map(|w| Witness { name: &w.name, size: w.size, timestamp: w.at_s }).collect(),
        unwitnessed_entries: out.unwitnessed(),
        policy_hash: &out.policy_hash,
        profile: out.profile,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entries<'a> {
    entries: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    index: u64,
    timestamp: f64,
    operation: &'a str,
    class: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection_id: Option<&'a str>,
    principal: &'a str,
    tenant: &'a str,
    actor: &'a str,
    purpose: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<&'a str>,
    outcome: &'a str,
    rules: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold_asked: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold_used: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gallery_faces: Option<u64>,
    faces: u32,
    matches: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    request_id: &'a str,
    erased: bool,
}

fn percent(hundredths: u32) -> f64 {
    f64::from(hundredths) / 100.0
}

fn entry(entry: &list_entries::Entry) -> Entry<'_> {
    let Record { case, error, collection, detail, .. } = &entry.record;
    let record = &entry.record;
    Entry {
        index: entry.index,
        timestamp: record.at_ms as f64 / 1000.0,
        operation: &record.operation,
        class: record.class.name(),
        collection_id: collection.as_deref(),
        principal: &record.principal,
        tenant: &record.tenant,
        actor: &record.actor,
        purpose: &record.purpose,
        case: case.as_deref(),
        outcome: record.outcome.name(),
        rules: &record.rules,
        error: error.as_deref(),
        threshold_asked: record.threshold_asked.map(percent),
        threshold_used: record.threshold_used.map(percent),
        gallery_faces: record.gallery_faces,
        faces: record.faces,
        matches: record.matches,
        detail: detail.as_deref(),
        request_id: &record.request_id,
        erased: entry.is_erased,
    }
}

/// Body of the answer.
pub(super) fn entries(out: &list_entries::Output) -> impl Serialize + '_ {
    Entries { entries: out.entries.iter().map(entry).collect(), next_token: out.next_token.as_deref() }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Usage {
    rows: Vec<UsageRow>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UsageRow {
    day: String,
    tenant: String,
    operation: &'static str,
    outcome: &'static str,
    unit: &'static str,
    quantity: u64,
    entries: u64,
}

/// Body of the answer. The kind of act stands as `Operation`: the operation's own name can be erased, the kind cannot.
pub(super) fn usage(out: &operations::get_usage::Output) -> impl Serialize + use<> {
    let rows = out.usage.rows.iter().map(|(subject, counted)| {
        let (year, month, day) = date_of_day(subject.day);
        UsageRow {
            day: format!("{year:04}-{month:02}-{day:02}"),
            tenant: out.usage.tenant_name(&subject.tenant),
            operation: subject.class.name(),
            outcome: subject.outcome.name(),
            unit: subject.unit.name(),
            quantity: counted.quantity,
            entries: counted.entries,
        }
    });
    Usage { rows: rows.collect() }
}

/// Outcomes by their wire names.
pub(super) fn outcome(name: &str) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.name() == name)
}
