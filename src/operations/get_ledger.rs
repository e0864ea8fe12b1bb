//! `GetLedger`, an operation of Trombi's own: how far the record reaches, who else has seen it, and by which rules.

use std::path::Path;
use std::time::UNIX_EPOCH;

use super::{OperationError, Service, internal_ledger};

use crate::ledger::note::{base64, hex};
use crate::ledger::witness::{KnownWitness, known_witnesses};
use crate::ledger::{CHECKPOINT, LedgerError};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input;

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Name of the log.
    pub origin: String,
    /// The log's public key, as verifiers want it.
    pub public_key: String,
    /// Entries answered so far.
    pub entries: u64,
    /// Entries under the latest checkpoint.
    pub checkpoint_size: u64,
    /// Root of the tree under it, base64.
    pub checkpoint_root: String,
    /// When it was signed, seconds since 1970.
    pub checkpoint_at_s: u64,
    /// Everyone who is asked to cosign.
    pub witnesses: Vec<WitnessState>,
    /// Hash of the rules in force, hexadecimal.
    pub policy_hash: String,
    /// Their profile.
    pub profile: &'static str,
}

/// How far a witness has come.
#[derive(Debug, Clone, PartialEq)]
pub struct WitnessState {
    /// Name of its key.
    pub name: String,
    /// Entries of the largest tree that it has cosigned; 0 if none.
    pub size: u64,
    /// When, by its clock, seconds since 1970; `None` if never.
    pub at_s: Option<u64>,
}

impl Output {
    /// Entries that no witness has cosigned.
    #[must_use]
    pub fn unwitnessed(&self) -> u64 {
        self.entries - self.witnesses.iter().map(|witness| witness.size.min(self.entries)).max().unwrap_or(0)
    }
}

pub(super) fn run(service: &Service, _: Input) -> Result<Output, OperationError> {
    let (ledger, standing) = (service.oversight.ledger(), service.oversight.standing());
    let sealed = ledger.seal().map_err(internal_ledger)?.checkpoint;
    let known = known_witnesses(&ledger.folder().0).map_err(internal_ledger)?;
    let witness = |known: &KnownWitness| {
        let (size, at_s) = ledger.witnessed_at(&known.key)?.unzip();
        Ok(WitnessState { name: known.key.name().to_owned(), size: size.unwrap_or(0), at_s })
    };
    let witnesses: Result<_, LedgerError> = known.iter().map(witness).collect();
    Ok(Output {
        origin: ledger.origin().to_owned(),
        public_key: ledger.public_key().to_string(),
        entries: ledger.size(),
        checkpoint_size: sealed.size,
        checkpoint_root: base64(&sealed.root),
        checkpoint_at_s: written_s(&ledger.folder().0.join(CHECKPOINT)),
        witnesses: witnesses.map_err(internal_ledger)?,
        policy_hash: hex(&standing.hash(super::now_s().saturating_mul(1000))),
        profile: standing.active().profile().name(),
    })
}

/// When a file was written, seconds since 1970; 0 where the system does not say.
fn written_s(file: &Path) -> u64 {
    let modified = std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs())
}
