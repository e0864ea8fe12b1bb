//! `trombi audit`: what the ledger says, and whether it can be believed. Reads only; works beside a server too.

mod show;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::collections::date;
use super::failure::{Ending, Failure, Outcome};
use super::{Global, house, output};
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::note::PublicKey;
use crate::ledger::proof::Proof;
use crate::ledger::verify::{Against, Report, verify};
use crate::ledger::witness::{known_witnesses, witnessed_path};
use crate::ledger::{CHECKPOINT, Files as _, Folder, Reader, Receipt, is_in_use};

/// Longest file of a checkpoint, receipt, proof or key that is read, bytes.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Findings that are printed; there are as many as entries in a ledger that was overwritten.
const FINDINGS_MAX: usize = 100;

/// Options of `audit`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Recompute everything; every flipped, missing, swapped or rewritten entry is named
    Verify(VerifyArguments),
    /// Size, checkpoint, witnesses, and how much nobody else has seen yet
    Status(LedgerArguments),
    /// Entries, newest last
    Show(show::ShowArguments),
    /// Write entries with everything an expert needs to check them without this program
    Bundle(show::BundleArguments),
    /// Does the ledger continue what was kept: a checkpoint file, or the copy of a ledger?
    Compare(CompareArguments),
    /// Check a receipt: against the log's key, a proof, and the ledger if it is at hand
    Receipt(ReceiptArguments),
}

/// Which ledger.
#[derive(Debug, Clone, Args)]
struct LedgerArguments {
    /// Folder of the ledger [default: `ledger` in the data directory]
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
}

impl LedgerArguments {
    fn folder(&self, global: &Global) -> Result<PathBuf, Failure> {
        match &self.ledger {
            Some(folder) => Ok(folder.clone()),
            None => Ok(house::data_dir(global)?.join("ledger")),
        }
    }
}

#[derive(Debug, Args)]
struct VerifyArguments {
    #[command(flatten)]
    ledger: LedgerArguments,
    /// The log's public key from elsewhere: its text, or a file with it
    #[arg(long, value_name = "KEY", value_parser = public_key)]
    key: Option<PublicKey>,
    /// A checkpoint kept from earlier; the ledger must continue it. Once or more
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// A file of receipts, one a line; the ledger must have each of them. Once or more
    #[arg(long = "receipts", value_name = "FILE")]
    receipts: Vec<PathBuf>,
    /// The ledger is a copy without keys: do not expect bodies to open
    #[arg(long)]
    without_keys: bool,
}

#[derive(Debug, Args)]
struct CompareArguments {
    #[command(flatten)]
    ledger: LedgerArguments,
    /// A checkpoint kept from earlier, or the folder of a copy
    kept: PathBuf,
}

#[derive(Debug, Args)]
struct ReceiptArguments {
    #[command(flatten)]
    ledger: LedgerArguments,
    /// The receipt's text, or a file with it
    receipt: String,
    /// The log's public key: its text, or a file with it [default: that of the ledger]
    #[arg(long, value_name = "KEY", value_parser = public_key)]
    key: Option<PublicKey>,
    /// A proof (`.tlog-proof`) to check it against, without the ledger
    #[arg(long, value_name = "FILE", requires = "key")]
    proof: Option<PathBuf>,
    /// Write a proof from the ledger
    #[arg(long, value_name = "FILE", conflicts_with = "proof")]
    write_proof: Option<PathBuf>,
}

/// A public key from the command line: its text, or the file that holds it.
pub(super) fn public_key(text: &str) -> Result<PublicKey, String> {
    let read = |text: &str| PublicKey::parse(text.trim()).map_err(|error| error.to_string());
    if Path::new(text).is_file() {
        let bytes = house::read_bounded(Path::new(text), KEPT_BYTES_MAX)?;
        return read(&String::from_utf8_lossy(&bytes));
    }
    read(text)
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    match &arguments.action {
        Action::Verify(arguments) => run_verify(global, arguments),
        Action::Status(arguments) => status(global, arguments),
        Action::Show(arguments) => show::show(global, arguments),
        Action::Bundle(arguments) => show::bundle(global, arguments),
        Action::Compare(arguments) => compare(global, arguments),
        Action::Receipt(arguments) => receipt(global, arguments),
    }
}

fn read_kept(path: &Path) -> Result<Vec<u8>, Failure> {
    house::read_bounded(path, KEPT_BYTES_MAX).map_err(Failure::other)
}

fn read_checkpoint(path: &Path) -> Result<SignedCheckpoint, Failure> {
    let about = |error| Failure::other(format!("`{}`: {error}", path.display()));
    SignedCheckpoint::parse(&read_kept(path)?).map_err(about)
}

fn read_receipts(path: &Path) -> Result<Vec<Receipt>, Failure> {
    let bytes = read_kept(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let wrong = |line: &str| Failure::other(format!("`{}`: `{line}` is not a receipt", path.display()));
    lines.map(|line| Receipt::parse(line).ok_or_else(|| wrong(line))).collect()
}

/// Refuses a folder that holds no ledger with a word on how one comes about.
fn existing(folder: &Path) -> Result<Folder, Failure> {
    if folder.join(CHECKPOINT).is_file() || folder.join("key.pub").is_file() {
        return Ok(Folder(folder.to_owned()));
    }
    Err(Failure::other(format!("there is no ledger in `{}`; the first request makes one", folder.display())))
}

/// What verifying `folder` is held against, besides itself.
fn against(folder: &Path) -> Against {
    Against { in_use: is_in_use(folder), ..Against::default() }
}

fn run_verify(global: &Global, arguments: &VerifyArguments) -> Outcome {
    let folder = arguments.ledger.folder(global)?;
    let files = existing(&folder)?;
    let checkpoints = arguments.checkpoints.iter().map(|path| read_checkpoint(path)).collect::<Result<_, _>>()?;
    let receipts: Vec<Vec<Receipt>> = arguments.receipts.iter().map(|p| read_receipts(p)).collect::<Result<_, _>>()?;
    let against = Against {
        key: arguments.key.clone(),
        checkpoints,
        receipts: receipts.into_iter().flatten().collect(),
        without_keys: arguments.without_keys,
        ..against(&folder)
    };
    let report = verify(&files, &against);
    print_report(global, &report)?;
    conclude(&report)
}

/// Exit code 1 and one line for a ledger that is not whole.
fn conclude(report: &Report) -> Outcome {
    match report.findings.len() {
        0 => Ok(Ending::Done),
        1 => Err(Failure::other("the ledger is not whole: 1 finding")),
        count => Err(Failure::other(format!("the ledger is not whole: {count} findings"))),
    }
}

fn print_report(global: &Global, report: &Report) -> Result<(), Failure> {
    if global.json {
        return output::line(&format!("{:#}", report_json(report)));
    }
    output::lines(&report_lines(report))
}

fn report_json(report: &Report) -> serde_json::Value {
    let findings = report
        .findings
        .iter()
        .map(|finding| json!({ "File": finding.file, "Index": finding.index, "Problem": finding.problem }));
    json!({
        "Origin": report.origin,
        "Size": report.size,
        "Root": report.root.map(show::hex),
        "Unsealed": report.unsealed,
        "BodiesRead": report.bodies_read,
        "BodiesErased": report.bodies_erased,
        "BodiesSealed": report.bodies_sealed,
        "Witnessed": witnessed_json(report),
        "Findings": findings.collect::<Vec<_>>(),
    })
}

fn witnessed_json(report: &Report) -> Vec<serde_json::Value> {
    let one = |(name, (size, at_s)): (&String, &(u64, u64))| json!({ "Name": name, "Size": size, "Time": at_s });
    report.witnessed.iter().map(one).collect()
}

fn report_lines(report: &Report) -> Vec<String> {
    let mut lines = vec![
        format!("log        {}", report.origin),
        format!("entries    {} under the checkpoint, {} waiting for the next", report.size, report.unsealed),
        format!(
            "bodies     {} read, {} erased, {} sealed",
            report.bodies_read, report.bodies_erased, report.bodies_sealed
        ),
    ];
    lines.extend(report.root.map(|root| format!("root       {}", show::hex(root))));
    if let Some((first, last)) = report.minutes {
        lines.push(format!("from, to   {}, {}", minute(first), minute(last)));
    }
    lines.extend(witness_lines(report));
    if report.findings.is_empty() {
        lines.push("whole      every entry, hash, body and signature is what it should be".to_owned());
    }
    lines.extend(report.findings.iter().take(FINDINGS_MAX).map(|finding| format!("FOUND      {finding}")));
    if report.findings.len() > FINDINGS_MAX {
        lines.push(format!("FOUND      … and {} more", report.findings.len() - FINDINGS_MAX));
    }
    lines
}

/// What others have seen, and what nobody else has.
fn witness_lines(report: &Report) -> Vec<String> {
    if report.witnessed.is_empty() {
        return vec!["witnesses  none: only receipts and kept checkpoints can show that it was rewritten".to_owned()];
    }
    let one = |(name, (size, at_s)): (&String, &(u64, u64))| {
        let at = date(i64::try_from(at_s.saturating_mul(1000)).unwrap_or(i64::MAX));
        format!("witness    {name} has seen {size} entries at {at}; {} since are unwitnessed", report.size - size)
    };
    report.witnessed.iter().map(one).collect()
}

fn minute(minute: u32) -> String {
    date(i64::from(minute) * 60_000)
}

fn status(global: &Global, arguments: &LedgerArguments) -> Outcome {
    let folder = arguments.folder(global)?;
    let files = existing(&folder)?;
    let reader = Reader::open(&files)?;
    let witnesses = known_witnesses(&folder)?;
    let mut seen = Report { size: reader.size(), ..Report::default() };
    for witness in &witnesses {
        let kept =
            files.read(&witnessed_path(&witness.key)).ok().and_then(|bytes| SignedCheckpoint::parse(&bytes).ok());
        if let Some((kept, at_s)) = kept.and_then(|kept| kept.note.verify(&witness.key).ok().map(|at_s| (kept, at_s))) {
            let size = kept.checkpoint.size.min(seen.size);
            seen.witnessed.insert(witness.key.name().to_owned(), (size, at_s));
        }
    }
    let in_use = is_in_use(&folder);
    let last = reader.size().checked_sub(1).map(|index| reader.leaf(index)).transpose()?;
    if global.json {
        let answer = json!({
            "Folder": folder.display().to_string(),
            "Origin": reader.public_key().name(),
            "PublicKey": reader.public_key().to_string(),
            "Size": reader.size(),
            "Root": show::hex(reader.checkpoint().checkpoint.root),
            "InUse": in_use,
            "LastMinute": last.map(|leaf| minute(leaf.minute)),
            "Witnesses": witnesses.iter().map(|w| json!({ "Key": w.key.to_string(), "Url": w.url })).collect::<Vec<_>>(),
            "Witnessed": witnessed_json(&seen),
        });
        output::line(&format!("{answer:#}"))?;
        return Ok(Ending::Done);
    }
    let mut lines = vec![
        format!("folder     {}{}", folder.display(), if in_use { ", in use by a server" } else { "" }),
        format!("log        {}", reader.public_key().name()),
        format!("key        {}", reader.public_key()),
        format!("entries    {}", reader.size()),
        format!("root       {}", show::hex(reader.checkpoint().checkpoint.root)),
    ];
    lines.extend(last.map(|leaf| format!("last       {}", minute(leaf.minute))));
    lines.extend(witness_lines(&seen));
    output::lines(&lines)?;
    Ok(Ending::Done)
}

fn compare(global: &Global, arguments: &CompareArguments) -> Outcome {
    let folder = arguments.ledger.folder(global)?;
    let files = existing(&folder)?;
    let kept = if arguments.kept.is_dir() { arguments.kept.join(CHECKPOINT) } else { arguments.kept.clone() };
    let kept = read_checkpoint(&kept)?;
    let (size, origin) = (kept.checkpoint.size, kept.checkpoint.origin.clone());
    let report = verify(&files, &Against { checkpoints: vec![kept], ..against(&folder) });
    if report.findings.is_empty() && !global.json {
        let since = report.size.saturating_sub(size);
        output::lines(&[format!("continued  {origin}: the {size} entries that were kept, and {since} since")])?;
        return Ok(Ending::Done);
    }
    print_report(global, &report)?;
    conclude(&report)
}

fn receipt(global: &Global, arguments: &ReceiptArguments) -> Outcome {
    let text = match Path::new(&arguments.receipt) {
        path if path.is_file() => String::from_utf8_lossy(&read_kept(path)?).into_owned(),
        _ => arguments.receipt.clone(),
    };
    let receipt = Receipt::parse(&text).ok_or_else(|| Failure::other("this is not a receipt; it begins with `v1;`"))?;
    let folder = arguments.ledger.folder(global)?;
    let has_ledger = folder.join(CHECKPOINT).is_file();
    let key = match &arguments.key {
        Some(key) => key.clone(),
        None => Reader::open(&existing(&folder)?)?.public_key().clone(),
    };
    if !receipt.is_signed_by(&key) {
        return Err(Failure::other(format!("the receipt was not signed by `{key}`")));
    }
    let mut shown = vec![format!("signed     by {}", receipt.place.origin)];
    shown.push(format!("entry      {} of {}", receipt.place.index, minute(receipt.place.minute)));
    if let Some(path) = &arguments.proof {
        shown.push(check_proof(path, &receipt, &key)?);
    } else if has_ledger && Reader::open(&Folder(folder.clone()))?.public_key() == &key {
        shown.push(check_ledger(&folder, &receipt, arguments.write_proof.as_deref())?);
    } else {
        shown.push("in ledger  not checked: there is neither a proof nor the ledger here".to_owned());
    }
    if global.json {
        let place = &receipt.place;
        let answer = json!({
            "Origin": place.origin,
            "Index": place.index,
            "LeafHash": show::hex(place.leaf_hash),
            "Minute": minute(place.minute),
            "Included": !shown.iter().any(|line| line.contains("not checked")),
        });
        output::line(&format!("{answer:#}"))?;
    } else {
        output::lines(&shown)?;
    }
    Ok(Ending::Done)
}

fn check_proof(path: &Path, receipt: &Receipt, key: &PublicKey) -> Result<String, Failure> {
    let wrong = |what: String| Failure::other(format!("`{}`: {what}", path.display()));
    let proof = Proof::parse(&read_kept(path)?).map_err(|error| wrong(error.to_string()))?;
    if proof.index != receipt.place.index {
        return Err(wrong(format!("proves entry {}, the receipt is for {}", proof.index, receipt.place.index)));
    }
    proof.verify(&receipt.place.leaf_hash, key).map_err(|error| wrong(error.to_string()))?;
    Ok(format!("in ledger  proven, in the tree of {} entries", proof.checkpoint.checkpoint.size))
}

fn check_ledger(folder: &Path, receipt: &Receipt, write_proof: Option<&Path>) -> Result<String, Failure> {
    let files = Folder(folder.to_owned());
    let reader = Reader::open(&files)?;
    let index = receipt.place.index;
    if index >= reader.size() {
        // The journal has what is under no checkpoint yet.
        let report = verify(&files, &Against { receipts: vec![receipt.clone()], ..against(folder) });
        return conclude(&report).map(|_| "in ledger  yes, and not under a checkpoint yet".to_owned());
    }
    let proof = reader.proof(index)?;
    if crate::ledger::tree::leaf_hash(proof.extra.as_deref().unwrap_or_default()) != receipt.place.leaf_hash {
        return Err(Failure::other(format!("the ledger has another entry {index}: it was rewritten")));
    }
    if let Some(path) = write_proof {
        std::fs::write(path, proof.to_text())
            .map_err(|error| Failure::other(format!("`{}`: {error}", path.display())))?;
    }
    Ok(format!("in ledger  yes, in the tree of {} entries", reader.size()))
}
