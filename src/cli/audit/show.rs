//! `trombi audit show` and `bundle`: entries for people, and entries with their proofs for experts.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::{Failure, Global, LedgerArguments, existing, minute};
use crate::cli::failure::{Ending, Outcome};
use crate::cli::output;
use crate::ledger::note::PublicKey;
use crate::ledger::{Body, PUBLIC_KEY, ReadEntry, Reader, Record};

/// Entries shown when nothing is said.
const SHOWN: u64 = 20;

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    #[command(flatten)]
    ledger: LedgerArguments,
    /// One entry, or entries FROM..TO (TO is not among them) [default: the last 20]
    #[arg(value_parser = entries)]
    entries: Option<Range<u64>>,
    /// Only entries of this tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct BundleArguments {
    #[command(flatten)]
    ledger: LedgerArguments,
    /// One entry, or entries FROM..TO (TO is not among them)
    #[arg(value_parser = entries)]
    entries: Range<u64>,
    /// Folder to write; must not exist. It holds what the entries say of people
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn entries(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| "expected N or FROM..TO".to_owned());
    match text.split_once("..") {
        Some((from, to)) => Ok(number(from)?..number(to)?),
        None => number(text).map(|from| from..from.saturating_add(1)),
    }
}

pub(super) fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn show(global: &Global, arguments: &ShowArguments) -> Outcome {
    let files = existing(&arguments.ledger.folder(global)?)?;
    let reader = Reader::open(&files)?;
    let last = reader.size();
    let range = arguments.entries.clone().unwrap_or(last.saturating_sub(SHOWN)..last);
    if range.start >= last && arguments.entries.is_some() {
        return Err(Failure::other(format!("there is no entry {}: the ledger has {last}", range.start)));
    }
    let mut rows = Vec::new();
    for index in range.start..range.end.min(last) {
        let entry = reader.entry(index)?;
        if arguments.tenant.is_some() && entry.tenant != arguments.tenant {
            continue;
        }
        if global.json {
            output::line(&to_json(&entry).to_string())?;
        } else {
            rows.push(row(&entry));
        }
    }
    if global.json {
        return Ok(Ending::Done);
    }
    if rows.is_empty() {
        output::note(global, "no entries");
        return Ok(Ending::Done);
    }
    let header = ["entry", "time", "class", "outcome", "tenant", "principal", "operation", "purpose", "what"];
    output::lines(&output::table(&header, &rows))?;
    Ok(Ending::Done)
}

fn row(entry: &ReadEntry) -> Vec<String> {
    let leaf = &entry.leaf;
    let tenant = entry.tenant.clone().unwrap_or_else(|| format!("{}…", &hex(leaf.tenant)[..8]));
    let head =
        [leaf.index.to_string(), minute(leaf.minute), leaf.class.name().to_owned(), leaf.outcome.name().to_owned()];
    let (principal, operation, purpose, what) = match &entry.body {
        Body::Record(record) => {
            (record.principal.clone(), record.operation.clone(), record.purpose.clone(), what(record))
        }
        Body::Erased { by, ground } => (
            String::new(),
            String::new(),
            String::new(),
            format!("body erased by entry {by}, ground {}", ground.name()),
        ),
        Body::Sealed => (String::new(), String::new(), String::new(), "body sealed: there is no key here".to_owned()),
    };
    head.into_iter().chain([tenant, principal, operation, purpose, what]).collect()
}

/// The rest of a record in few words.
fn what(record: &Record) -> String {
    let hundredths = |value: u32| format!("{}.{:02}", value / 100, value % 100);
    let mut words = Vec::new();
    words.extend(record.collection.clone());
    words.extend(record.threshold_used.map(|value| format!("at {}", hundredths(value))));
    if record.faces > 0 {
        words.push(format!("{} faces", record.faces));
    }
    if record.matches > 0 {
        words.push(format!("{} matches", record.matches));
    }
    words.extend(record.case.as_ref().map(|case| format!("case {case}")));
    words.extend(record.error.clone());
    words.extend((!record.rules.is_empty()).then(|| record.rules.join(" ")));
    words.extend(record.detail.clone());
    words.join(", ")
}

fn to_json(entry: &ReadEntry) -> Value {
    let leaf = &entry.leaf;
    let units: serde_json::Map<String, Value> =
        leaf.units.iter().map(|(unit, amount)| (unit.name().to_owned(), amount.into())).collect();
    let body = match &entry.body {
        Body::Record(record) => record_json(record),
        Body::Erased { by, ground } => json!({ "ErasedBy": by, "Ground": ground.name() }),
        Body::Sealed => Value::Null,
    };
    json!({
        "Index": leaf.index,
        "Minute": minute(leaf.minute),
        "ClockWentBack": leaf.clock_went_back,
        "Class": leaf.class.name(),
        "Outcome": leaf.outcome.name(),
        "Tenant": entry.tenant,
        "TenantCommitment": hex(leaf.tenant),
        "BodyCommitment": hex(leaf.body),
        "Policy": hex(leaf.policy),
        "Units": units,
        "LeafHash": hex(leaf.hash()),
        "Body": body,
    })
}

fn record_json(record: &Record) -> Value {
    let percent = |value: Option<u32>| value.map(|hundredths| f64::from(hundredths) / 100.0);
    json!({
        "Time": crate::cli::collections::date(record.at_ms),
        "TimeMs": record.at_ms,
        "RequestId": record.request_id,
        "Operation": record.operation,
        "CollectionId": record.collection,
        "Principal": record.principal,
        "Actor": record.actor,
        "Purpose": record.purpose,
        "Case": record.case,
        "Error": record.error,
        "Rules": record.rules,
        "ThresholdAsked": percent(record.threshold_asked),
        "ThresholdUsed": percent(record.threshold_used),
        "MaxFaces": record.max_faces,
        "GalleryFaces": record.gallery_faces,
        "Model": record.model,
        "Faces": record.faces,
        "Matches": record.matches,
        "Detail": record.detail,
    })
}

/// Key, checkpoint and witnesses; of each entry its proof with the leaf, its record, and what the leaf commits to.
pub(super) fn bundle(global: &Global, arguments: &BundleArguments) -> Outcome {
    let files = existing(&arguments.ledger.folder(global)?)?;
    let reader = Reader::open(&files)?;
    let out = &arguments.out;
    let range = arguments.entries.clone();
    if range.is_empty() || range.end > reader.size() {
        return Err(Failure::other(format!("the ledger has entries 0..{}", reader.size())));
    }
    fs::create_dir(out).map_err(|error| about(out, &error))?;
    write(&out.join(PUBLIC_KEY), format!("{}\n", reader.public_key()).as_bytes())?;
    write(&out.join("checkpoint"), &reader.checkpoint().to_bytes())?;
    for index in range.clone() {
        write(&out.join(format!("{index}.tlog-proof")), reader.proof(index)?.to_text().as_bytes())?;
        write(&out.join(format!("{index}.json")), format!("{:#}\n", to_json(&reader.entry(index)?)).as_bytes())?;
        if let Some(body) = reader.salted_body(index)? {
            write(&out.join(format!("{index}.body")), &body)?;
        }
    }
    write(&out.join("README.txt"), readme(reader.public_key()).as_bytes())?;
    output::note(global, &format!("wrote {} entries to {}", range.end - range.start, out.display()));
    Ok(Ending::Done)
}

fn readme(key: &PublicKey) -> String {
    format!(
        "Entries of the log {name}, to be checked without the program that wrote them.\n\n\
         key.pub        the log's public key, as in C2SP signed-note; compare it with the one you know from elsewhere\n\
         checkpoint     size and root of the log, signed (C2SP tlog-checkpoint)\n\
         N.tlog-proof   that entry N is in the log (C2SP tlog-proof); its `extra` line is the leaf, base64\n\
         N.body         salt and body: its SHA-256 is bytes 47 to 78 of the leaf\n\
         N.json         the same for people\n\n\
         docs/ledger-format.md of Trombi describes leaf and body byte by byte.\n",
        name = key.name()
    )
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| about(path, &error))
}

fn about(path: &Path, error: &std::io::Error) -> Failure {
    Failure::other(format!("`{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_one_or_a_range() {
        assert_eq!(entries("7"), Ok(7..8));
        assert_eq!(entries("7..9"), Ok(7..9));
        assert!(entries("seven").is_err());
    }
}
