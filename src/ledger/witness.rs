//! Witnesses (C2SP tlog-witness): others who sign that they saw our log grow, and never change.
//!
//! [`Witness`] is the one who cosigns: it remembers the last checkpoint of each log it knows, durably before a
//! signature leaves, and signs only what continues it. The requests and answers of `add-checkpoint` are functions
//! over bytes; who carries them is another room's business.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::LedgerError;
use super::append::Ledger;
use super::checkpoint::{Checkpoint, SignedCheckpoint, decimal};
use super::files::{self, Folder};
use super::note::{
    KeyKind, NOTE_BYTES_MAX, NoteError, PublicKey, SecretKey, base64, hash_from_base64, hex, parse_signature_lines,
    verify_line,
};
use super::read::Reader;
use super::tenants::random;
use super::tree::{Hash, is_consistent};

/// Longest proof in a request, hashes.
const PROOF_MAX: usize = 63;
/// Longest request that is read, bytes.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 8192;
const LOGS: &str = "logs";

/// The body of a request `add-checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the tree that the witness is believed to have cosigned last.
    pub old: u64,
    /// That it is a beginning of the new one.
    pub proof: Vec<Hash>,
    /// The new one.
    pub checkpoint: SignedCheckpoint,
}

impl AddCheckpoint {
    /// The bytes to send.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let proof: String = self.proof.iter().map(|hash| format!("{}\n", base64(hash))).collect();
        let mut bytes = format!("old {}\n{proof}\n", self.old).into_bytes();
        bytes.extend(self.checkpoint.to_bytes());
        bytes
    }

    /// Reads a request; believes nothing yet.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        const WRONG: NoteError = NoteError::Malformed("request of a log");
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(WRONG);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| WRONG)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(WRONG)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal).ok_or(WRONG)?;
        let proof: Vec<Hash> = lines.map(hash_from_base64).collect::<Option<_>>().ok_or(WRONG)?;
        if proof.len() > PROOF_MAX {
            return Err(WRONG);
        }
        Ok(Self { old, proof, checkpoint: SignedCheckpoint::parse(checkpoint.as_bytes())? })
    }
}

/// A witness's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200: signature lines.
    Cosigned(String),
    /// 400: not a request.
    Malformed(String),
    /// 403: not signed by the log's key.
    Unsigned,
    /// 404: the log is not known here.
    UnknownLog,
    /// 409: the last cosigned tree has this size, or another root at this size.
    Conflict(u64),
    /// 422: the new tree does not continue the old one.
    Inconsistent,
    /// 500: the state could not be kept, so nothing was signed.
    Failed(String),
}

impl Answer {
    /// HTTP's status, content type and body.
    #[must_use]
    pub fn to_http(&self) -> (u16, &'static str, String) {
        const TEXT: &str = "text/plain; charset=utf-8";
        match self {
            Self::Cosigned(lines) => (200, TEXT, lines.clone()),
            Self::Malformed(what) => (400, TEXT, format!("{what}\n")),
            Self::Unsigned => (403, TEXT, "not signed by the log's key\n".to_owned()),
            Self::UnknownLog => (404, TEXT, "this log is not known here\n".to_owned()),
            Self::Conflict(size) => (409, "text/x.tlog.size", format!("{size}\n")),
            Self::Inconsistent => (422, TEXT, "the tree does not continue the one cosigned last\n".to_owned()),
            Self::Failed(what) => (500, TEXT, format!("{what}\n")),
        }
    }
}

/// A log that a witness watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedLog {
    /// The key that must have signed.
    pub key: PublicKey,
    /// What was cosigned last.
    pub seen: Option<Checkpoint>,
}

/// One who cosigns.
pub struct Witness {
    key: SecretKey,
    directory: PathBuf,
    logs: Mutex<BTreeMap<String, WatchedLog>>,
    _lock: fs::File,
}

impl Witness {
    /// Opens or creates the witness in `directory`; `name` is that of a new one.
    ///
    /// # Errors
    /// `Locked`, `Damaged`, `Unrecordable` for a name that is none, `Full`, `Io`.
    pub fn open(directory: &Path, name: &str) -> Result<Self, LedgerError> {
        files::create_directory(&directory.join(LOGS))?;
        let lock = files::lock(directory)?;
        let path = directory.join(files::SECRET_KEY);
        let key = match files::read_if_there(&path)? {
            Some(bytes) => String::from_utf8(bytes)
                .ok()
                .and_then(|text| SecretKey::parse(&text).ok())
                .filter(|key| key.public().kind() == KeyKind::Witness)
                .ok_or_else(|| LedgerError::Damaged(format!("{} is not a witness's key", path.display())))?,
            None => {
                let key = SecretKey::from_seed(name, KeyKind::Witness, random()?)
                    .map_err(|error| LedgerError::Unrecordable(error.to_string()))?;
                files::replace(&path, key.to_text().as_bytes())?;
                key
            }
        };
        files::replace(&directory.join(files::PUBLIC_KEY), format!("{}\n", key.public()).as_bytes())?;
        let logs = read_logs(&directory.join(LOGS))?;
        Ok(Self { key, directory: directory.to_owned(), logs: Mutex::new(logs), _lock: lock })
    }

    /// The key that verifies its cosignatures.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.key.public()
    }

    /// The logs it watches.
    #[must_use]
    pub fn logs(&self) -> Vec<WatchedLog> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Watches another log.
    ///
    /// # Errors
    /// `Unrecordable` if it is watched under another key, or is not a log's key; `Full`, `Io`.
    pub fn watch(&self, key: &PublicKey) -> Result<(), LedgerError> {
        if key.kind() != KeyKind::Log {
            return Err(LedgerError::Unrecordable(format!("`{}` is not the key of a log", key.name())));
        }
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        match logs.get(key.name()) {
            Some(log) if log.key == *key => return Ok(()),
            Some(_) => {
                return Err(LedgerError::Unrecordable(format!("`{}` is watched under another key", key.name())));
            }
            None => {}
        }
        let log = WatchedLog { key: key.clone(), seen: None };
        self.keep(&log)?;
        logs.insert(key.name().to_owned(), log);
        Ok(())
    }

    fn keep(&self, log: &WatchedLog) -> Result<(), LedgerError> {
        let seen = log.seen.as_ref().map(Checkpoint::to_text).unwrap_or_default();
        let path = self.directory.join(LOGS).join(file_name(log.key.name()));
        files::replace(&path, format!("{}\n{seen}", log.key).as_bytes())
    }

    /// Answers a request, at `now_s` seconds since 1970.
    pub fn answer(&self, request: &[u8], now_s: u64) -> Answer {
        let request = match AddCheckpoint::parse(request) {
            Ok(request) => request,
            Err(error) => return Answer::Malformed(error.to_string()),
        };
        let checkpoint = &request.checkpoint.checkpoint;
        // Held until the state is kept: two requests cannot both continue the same tree.
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(log) = logs.get_mut(&checkpoint.origin) else { return Answer::UnknownLog };
        if request.checkpoint.note.verify(&log.key).is_err() {
            return Answer::Unsigned;
        }
        if request.old > checkpoint.size {
            return Answer::Malformed("the old size is larger than the new one".to_owned());
        }
        let seen = log.seen.as_ref().map_or(0, |seen| seen.size);
        if request.old != seen {
            return Answer::Conflict(seen);
        }
        if let Some(last) = &log.seen
            && last.size == checkpoint.size
            && last.root != checkpoint.root
        {
            self.keep_evidence(&request);
            return Answer::Conflict(seen);
        }
        let is_continued = match &log.seen {
            Some(last) => is_consistent(last.size, &last.root, checkpoint.size, &checkpoint.root, &request.proof),
            None => request.proof.is_empty(),
        };
        if !is_continued {
            self.keep_evidence(&request);
            return Answer::Inconsistent;
        }
        let now = WatchedLog { key: log.key.clone(), seen: Some(checkpoint.clone()) };
        // INVARIANT (witness): what is cosigned is kept before the signature leaves.
        if let Err(error) = self.keep(&now) {
            return Answer::Failed(error.to_string());
        }
        *log = now;
        Answer::Cosigned(self.key.cosign(&request.checkpoint.note.text, now_s))
    }

    /// Keeps a signed checkpoint that does not continue what was cosigned: the log's own signature convicts it.
    fn keep_evidence(&self, request: &AddCheckpoint) {
        let name = format!("{}.refused", file_name(&request.checkpoint.checkpoint.origin));
        let path = self.directory.join(LOGS).join(name);
        if !path.exists() {
            let _ = files::replace(&path, &request.to_bytes());
        }
    }
}

fn file_name(origin: &str) -> String {
    hex(&Sha256::digest(origin)[..16])
}

fn read_logs(directory: &Path) -> Result<BTreeMap<String, WatchedLog>, LedgerError> {
    let mut logs = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(|error| files::disk_error(directory, &error))? {
        let path = entry.map_err(|error| files::disk_error(directory, &error))?.path();
        if path.extension().is_some() {
            continue; // Evidence, or what a crash has left.
        }
        let damaged = || LedgerError::Damaged(format!("{} does not read", path.display()));
        let bytes = files::read_if_there(&path)?.ok_or_else(damaged)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
        let (key, seen) = text.split_once('\n').ok_or_else(damaged)?;
        let key = PublicKey::parse(key).map_err(|_| damaged())?;
        let seen = match seen {
            "" => None,
            seen => {
                Some(Checkpoint::from_text(seen).ok().filter(|seen| seen.origin == key.name()).ok_or_else(damaged)?)
            }
        };
        logs.insert(key.name().to_owned(), WatchedLog { key, seen });
    }
    Ok(logs)
}

/// A witness that a ledger asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownWitness {
    /// The key that its cosignatures verify with.
    pub key: PublicKey,
    /// Prefix of its address, without `/add-checkpoint`.
    pub url: String,
}

/// The witnesses of the ledger in `directory`; none if there is no list.
///
/// # Errors
/// `Damaged`, `Io`.
pub fn known_witnesses(directory: &Path) -> Result<Vec<KnownWitness>, LedgerError> {
    let path = directory.join(files::WITNESSES);
    let bytes = files::read_if_there(&path)?.unwrap_or_default();
    parse_witnesses(&bytes).ok_or_else(|| LedgerError::Damaged(format!("{} does not read", path.display())))
}

/// Reads a list of witnesses: lines of key, space, address.
#[must_use]
pub fn parse_witnesses(bytes: &[u8]) -> Option<Vec<KnownWitness>> {
    let line = |line: &str| {
        let (key, url) = line.split_once(' ')?;
        let key = PublicKey::parse(key).ok().filter(|key| key.kind() == KeyKind::Witness)?;
        Some(KnownWitness { key, url: url.to_owned() })
    };
    std::str::from_utf8(bytes).ok()?.lines().map(line).collect()
}

/// Adds a witness to the list of the ledger in `directory`; one with the same key gets the new address.
///
/// # Errors
/// `Damaged`, `Full`, `Io`.
pub fn add_witness(directory: &Path, witness: KnownWitness) -> Result<(), LedgerError> {
    let mut witnesses = known_witnesses(directory)?;
    witnesses.retain(|known| known.key != witness.key);
    witnesses.push(witness);
    let lines: String = witnesses.iter().map(|witness| format!("{} {}\n", witness.key, witness.url)).collect();
    files::replace(&directory.join(files::WITNESSES), lines.as_bytes())
}

/// Where the latest checkpoint that `witness` has cosigned is kept, below the ledger's folder.
#[must_use]
pub fn witnessed_path(witness: &PublicKey) -> String {
    format!("{}/{}", files::WITNESSED, hex(&witness.id()))
}

/// The request that shows the ledger's present checkpoint to a witness which has cosigned a tree of `old` entries.
///
/// # Errors
/// `Missing` if the witness has seen more than there is; those of reading.
pub fn request_for(reader: &Reader<'_>, old: u64) -> Result<AddCheckpoint, LedgerError> {
    let proof = reader.consistency_proof(old)?;
    Ok(AddCheckpoint { old, proof, checkpoint: reader.checkpoint().clone() })
}

/// `checkpoint` with the cosignature of `witness` from its answer.
///
/// # Errors
/// `Malformed`, `Unsigned` if the answer has none of this witness, `Forged` if it has one that does not verify.
pub fn with_cosignature(
    checkpoint: &SignedCheckpoint,
    answer: &[u8],
    witness: &PublicKey,
) -> Result<SignedCheckpoint, NoteError> {
    let lines = parse_signature_lines(answer)?;
    let line = lines.into_iter().find(|line| line.name == witness.name() && line.id == witness.id());
    let line = line.ok_or_else(|| NoteError::Unsigned(witness.name().to_owned()))?;
    if verify_line(&checkpoint.note.text, &line, witness).is_none() {
        return Err(NoteError::Forged(witness.name().to_owned()));
    }
    let mut cosigned = checkpoint.clone();
    cosigned.note.signatures.retain(|have| have.name != line.name || have.id != line.id);
    cosigned.note.signatures.push(line);
    Ok(cosigned)
}

impl Ledger {
    /// Keeps a checkpoint of this ledger that `witness` has cosigned, if it is its latest.
    ///
    /// # Errors
    /// `Unrecordable` if it is not signed by both; `Full`, `Io`.
    pub fn keep_witnessed(&self, cosigned: &SignedCheckpoint, witness: &PublicKey) -> Result<(), LedgerError> {
        for key in [self.public_key(), witness] {
            cosigned.note.verify(key).map_err(|error| LedgerError::Unrecordable(error.to_string()))?;
        }
        if cosigned.checkpoint.size < self.witnessed_by(witness)? {
            return Ok(());
        }
        let folder = self.shared().directory.join(files::WITNESSED);
        files::create_directory(&folder)?;
        files::replace(&folder.join(hex(&witness.id())), &cosigned.to_bytes())
    }

    /// Size of the tree that this witness has cosigned, as far as is kept here; 0 if none.
    ///
    /// # Errors
    /// `Io`.
    pub fn witnessed_by(&self, witness: &PublicKey) -> Result<u64, LedgerError> {
        Ok(self.witnessed_at(witness)?.map_or(0, |(size, _)| size))
    }

    /// Size of the tree that this witness has cosigned last, and when by its clock, seconds since 1970.
    ///
    /// # Errors
    /// `Io`.
    pub fn witnessed_at(&self, witness: &PublicKey) -> Result<Option<(u64, u64)>, LedgerError> {
        let path = self.shared().directory.join(witnessed_path(witness));
        let bytes = files::read_if_there(&path)?.unwrap_or_default();
        let Ok(kept) = SignedCheckpoint::parse(&bytes) else { return Ok(None) };
        Ok(kept.note.verify(witness).ok().map(|at_s| (kept.checkpoint.size, at_s)))
    }

    /// The request that shows the present checkpoint to a witness which has cosigned a tree of `old` entries.
    ///
    /// # Errors
    /// As [`request_for`].
    pub fn witness_request(&self, old: u64) -> Result<AddCheckpoint, LedgerError> {
        let folder = Folder(self.shared().directory.clone());
        request_for(&Reader::open(&folder)?, old)
    }
}

#[cfg(test)]
mod tests {
    use super::super::verify::{Against, verify};
    use super::super::{Class, Durability, Record};
    use super::*;

    fn grow(ledger: &Ledger, entries: usize) {
        for _ in 0..entries {
            ledger.record(&Record::new(0, Class::Read, "ListFaces", "acme")).unwrap();
        }
        ledger.seal().unwrap();
    }

    #[test]
    fn a_witness_follows_a_log_that_only_grows() {
        let (dir, witness_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ledger = Ledger::open(dir.path(), Durability::Process).unwrap();
        let mut old = 0;
        for (round, entries) in [3, 0, 300, 1].into_iter().enumerate() {
            // Opened anew each time: what it has seen is kept.
            let witness = Witness::open(witness_dir.path(), "example.com/w1").unwrap();
            witness.watch(ledger.public_key()).unwrap();
            grow(&ledger, entries);
            let request = ledger.witness_request(old).unwrap();
            assert_eq!(AddCheckpoint::parse(&request.to_bytes()).unwrap(), request);
            let Answer::Cosigned(lines) = witness.answer(&request.to_bytes(), 1000 + round as u64) else { panic!() };
            let cosigned = with_cosignature(&request.checkpoint, lines.as_bytes(), witness.public_key()).unwrap();
            ledger.keep_witnessed(&cosigned, witness.public_key()).unwrap();
            old = request.checkpoint.checkpoint.size;
            assert_eq!(witness.answer(&ledger.witness_request(0).unwrap().to_bytes(), 0), Answer::Conflict(old));
        }
        let witness = Witness::open(witness_dir.path(), "ignored").unwrap();
        grow(&ledger, 7);
        ledger.close().unwrap();
        let against = Against { witnesses: vec![witness.public_key().clone()], ..Against::default() };
        let report = verify(&Folder(dir.path().to_owned()), &against);
        assert_eq!(report.findings, []);
        assert_eq!(report.size, 311);
        assert_eq!(report.witnessed["example.com/w1"], (304, 1003));
    }

    #[test]
    fn a_log_that_was_rewritten_is_refused_and_the_evidence_kept() {
        let witness_dir = tempfile::tempdir().unwrap();
        let witness = Witness::open(witness_dir.path(), "example.com/w1").unwrap();
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ledger = Ledger::open(one.path(), Durability::Process).unwrap();
        fs::copy(one.path().join("key"), two.path().join("key")).unwrap();
        let rewritten = Ledger::open(two.path(), Durability::Process).unwrap();
        witness.watch(ledger.public_key()).unwrap();
        grow(&ledger, 5);
        grow(&rewritten, 9);
        assert!(matches!(witness.answer(&ledger.witness_request(0).unwrap().to_bytes(), 0), Answer::Cosigned(_)));
        assert_eq!(witness.answer(&rewritten.witness_request(5).unwrap().to_bytes(), 0), Answer::Inconsistent);
        let evidence = fs::read_dir(witness_dir.path().join(LOGS)).unwrap().count();
        assert_eq!(evidence, 2);
        let stranger = tempfile::tempdir().unwrap();
        let stranger = Ledger::open(stranger.path(), Durability::Process).unwrap();
        grow(&stranger, 1);
        assert_eq!(witness.answer(&stranger.witness_request(0).unwrap().to_bytes(), 0), Answer::UnknownLog);
        let mut forged = ledger.witness_request(5).unwrap();
        forged.checkpoint.note.signatures[0].signature[0] ^= 1;
        assert_eq!(witness.answer(&forged.to_bytes(), 0), Answer::Unsigned);
        assert!(matches!(witness.answer(b"old 1\n\n", 0), Answer::Malformed(_)));
    }

    #[test]
    fn a_lying_witness_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path(), Durability::Process).unwrap();
        let checkpoint = ledger.seal().unwrap();
        let witness = SecretKey::from_seed("example.com/w1", KeyKind::Witness, [1; 32]).unwrap();
        let other = SecretKey::from_seed("example.com/w1", KeyKind::Witness, [2; 32]).unwrap();
        let answer = |key: &SecretKey, text: &str| key.cosign(text, 9).into_bytes();
        let cosign = |answer: &[u8]| with_cosignature(&checkpoint, answer, witness.public());
        assert!(cosign(&answer(&witness, &checkpoint.note.text)).is_ok());
        assert!(matches!(cosign(&answer(&witness, "another\ntext\n")), Err(NoteError::Forged(_))));
        assert!(matches!(cosign(&answer(&other, &checkpoint.note.text)), Err(NoteError::Unsigned(_))));
        assert!(matches!(cosign(b"nonsense"), Err(NoteError::Malformed(_))));
    }
}
