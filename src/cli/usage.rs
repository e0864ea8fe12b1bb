//! `trombi usage`: what was used, counted from verified entries of the ledger.

use std::fs::File;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::failure::{Ending, Failure, Outcome};
use super::{Global, house, output};
use crate::ledger::usage::{Period, Usage};
use crate::ledger::verify::{Against, verify};
use crate::ledger::{Folder, Reader, date_of_day, day_of_date, is_in_use};

/// Options of `usage`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of the ledger [default: `ledger` in the data directory]
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// First day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    from: Option<u32>,
    /// Day behind the last
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    until: Option<u32>,
    /// A row is of one
    #[arg(long, value_name = "PERIOD", default_value = "month")]
    by: By,
    /// Write FOCUS 1.2 rows, the common format of bills, to FILE
    #[arg(long, value_name = "FILE")]
    focus: Option<PathBuf>,
    /// Who sends the bill
    #[arg(long, value_name = "NAME", default_value = "Trombi", requires = "focus")]
    issuer: String,
    /// Currency of the bill, ISO 4217
    #[arg(long, value_name = "CODE", default_value = "EUR", requires = "focus")]
    currency: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    Day,
    Month,
}

/// Days since 1970 of a date.
fn day(text: &str) -> Result<u32, String> {
    day_of_date(text).ok_or_else(|| "expected a date such as 2026-11-25".to_owned())
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let folder = match &arguments.ledger {
        Some(folder) => folder.clone(),
        None => house::data_dir(global)?.join("ledger"),
    };
    let files = Folder(folder.clone());
    let reader = Reader::open(&files)?;
    // A bill is made of entries that can be believed, or not at all.
    let report = verify(&files, &Against { in_use: is_in_use(&folder), first_only: true, ..Against::default() });
    if let Some(finding) = report.findings.first() {
        return Err(Failure::other(format!(
            "the ledger is not whole, so nothing is counted: {finding}; `trombi audit verify` shows all of it"
        )));
    }
    let days = (arguments.from.unwrap_or(0), arguments.until.unwrap_or(u32::MAX));
    let period = match arguments.by {
        By::Day => Period::Day,
        By::Month => Period::Month,
    };
    let usage = Usage::of(&reader, days, period)?;
    if let Some(path) = &arguments.focus {
        let failed = |error: std::io::Error| Failure::other(format!("`{}`: {error}", path.display()));
        let file = File::create(path).map_err(failed)?;
        usage.write_focus(file, &arguments.issuer, &arguments.currency).map_err(failed)?;
        output::note(
            global,
            &format!("wrote {} rows, {} entries, to {}", usage.rows.len(), usage.entries(), path.display()),
        );
        return Ok(Ending::Done);
    }
    if global.json { print_json(&usage) } else { print_table(global, &usage) }?;
    Ok(Ending::Done)
}

fn date(day: u32, by: Period) -> String {
    let (year, month, day) = date_of_day(day);
    match by {
        Period::Day => format!("{year:04}-{month:02}-{day:02}"),
        Period::Month => format!("{year:04}-{month:02}"),
    }
}

fn print_json(usage: &Usage) -> Result<(), Failure> {
    let row = |(subject, counted): (&crate::ledger::usage::Subject, &crate::ledger::usage::Counted)| {
        json!({
            "Period": date(subject.day, usage.period),
            "Tenant": usage.tenant_name(&subject.tenant),
            "Class": subject.class.name(),
            "Outcome": subject.outcome.name(),
            "Unit": subject.unit.name(),
            "Quantity": counted.quantity,
            "Entries": counted.entries,
            "LedgerFrom": counted.from,
            "LedgerTo": counted.to,
        })
    };
    let rows: Vec<_> = usage.rows.iter().map(row).collect();
    let answer = json!({ "Origin": usage.origin, "Size": usage.size, "Entries": usage.entries(), "Usage": rows });
    output::line(&format!("{answer:#}"))
}

fn print_table(global: &Global, usage: &Usage) -> Result<(), Failure> {
    if usage.rows.is_empty() {
        output::note(global, "nothing was used");
        return Ok(());
    }
    let row = |(subject, counted): (&crate::ledger::usage::Subject, &crate::ledger::usage::Counted)| {
        vec![
            date(subject.day, usage.period),
            usage.tenant_name(&subject.tenant),
            subject.class.name().to_owned(),
            subject.outcome.name().to_owned(),
            subject.unit.name().to_owned(),
            counted.quantity.to_string(),
            counted.entries.to_string(),
        ]
    };
    let rows: Vec<_> = usage.rows.iter().map(row).collect();
    output::lines(&output::table(&["period", "tenant", "class", "outcome", "unit", "quantity", "entries"], &rows))?;
    output::note(global, &format!("{} of the {} entries of {}", usage.entries(), usage.size, usage.origin));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_by_the_calendar() {
        for text in ["1970-01-01", "1972-02-29", "2000-02-29", "2026-11-25", "2026-12-31", "2399-12-31"] {
            let read = day(text).unwrap();
            assert_eq!(date(read, Period::Day), text);
        }
        for text in ["2026-02-29", "2026-13-01", "2026-00-01", "1969-12-31", "yesterday", "2026-1", "99999-01-01"] {
            assert!(day(text).is_err(), "{text}");
        }
    }
}
