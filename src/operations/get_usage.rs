//! `GetUsage`, an operation of Trombi's own: what was used, day by day, folded from the record.

use super::{OperationError, Service, internal_ledger};
use crate::ledger::Reader;
use crate::ledger::usage::{Period, Usage};

/// What is asked: days since 1970, the last not included.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// First day.
    pub from: u32,
    /// Behind the last day.
    pub until: u32,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// By day, tenant, kind of act, outcome and unit.
    pub usage: Usage,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let ledger = service.oversight.ledger();
    ledger.seal().map_err(internal_ledger)?;
    let folder = ledger.folder();
    let reader = Reader::open(&folder).map_err(internal_ledger)?;
    let usage = Usage::of(&reader, (input.from, input.until), Period::Day).map_err(internal_ledger)?;
    Ok(Output { usage })
}
