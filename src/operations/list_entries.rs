//! `ListEntries`, an operation of Trombi's own: the record, newest first.

use super::pages::Question;
use super::{OperationError, Service, internal_ledger};
use crate::ledger::{Body, Outcome, Reader, Record};

/// Entries of one page.
pub const PAGE_MAX: usize = 100;
/// Entries looked at for one page: a filter that matches little gives short pages, never a long wait.
const LOOKED_AT_MAX: u64 = 5_000;

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    /// Entries wanted, 1 to 100.
    pub entries_max: Option<usize>,
    /// From the page before.
    pub next_token: Option<String>,
    /// Only those of this operation.
    pub operation: Option<String>,
    /// Only those that ended so.
    pub outcome: Option<Outcome>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// For the page after, while there may be more.
    pub next_token: Option<String>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Place in the log.
    pub index: u64,
    /// What was recorded; of an erased body what the leaf keeps.
    pub record: Record,
    /// Whether the body is erased.
    pub is_erased: bool,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let question = Question::new(
        "ListEntries",
        [input.operation.as_deref().unwrap_or("").as_bytes(), input.outcome.map_or("", Outcome::name).as_bytes()],
    );
    let ledger = service.oversight.ledger();
    // What has just been answered is on the first page.
    ledger.seal().map_err(internal_ledger)?;
    let folder = ledger.folder();
    let reader = Reader::open(&folder).map_err(internal_ledger)?;
    let before = match &input.next_token {
        None => reader.size(),
        Some(token) => {
            let bytes = service.pages.open(&question, token)?;
            let bytes = bytes.try_into().map_err(|_| OperationError::InvalidPaginationToken)?;
            u64::from_le_bytes(bytes).min(reader.size())
        }
    };
    let most = input.entries_max.unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let mut entries = Vec::new();
    let mut at = before;
    while at > before.saturating_sub(LOOKED_AT_MAX) && entries.len() < most {
        at -= 1;
        let entry = read(&reader, at)?;
        if matches(&input, &entry) {
            entries.push(entry);
        }
    }
    let next_token = (at > 0).then(|| service.pages.seal(&question, &at.to_le_bytes())).transpose()?;
    Ok(Output { entries, next_token })
}

fn matches(input: &Input, entry: &Entry) -> bool {
    input.operation.as_ref().is_none_or(|operation| *operation == entry.record.operation)
        && input.outcome.is_none_or(|outcome| outcome == entry.record.outcome)
}

fn read(reader: &Reader<'_>, index: u64) -> Result<Entry, OperationError> {
    let entry = reader.entry(index).map_err(internal_ledger)?;
    Ok(match entry.body {
        Body::Record(record) => Entry { index, record: *record, is_erased: false },
        Body::Erased { .. } | Body::Sealed => {
            let leaf = entry.leaf;
            let mut record =
                Record::new(i64::from(leaf.minute) * 60_000, leaf.class, "", entry.tenant.as_deref().unwrap_or(""));
            (record.outcome, record.units, record.policy) = (leaf.outcome, leaf.units, leaf.policy);
            Entry { index, record, is_erased: true }
        }
    })
}
