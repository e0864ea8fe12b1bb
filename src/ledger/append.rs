//! The open ledger: many threads append, one at a time writes for all that wait.
//!
//! An appender puts its entry into the batch. Whoever finds the journal free takes it and writes the batch, and with
//! it the entries of everybody who came meanwhile; the others wait. So a batch is as large as what gathers during one
//! write (and one sync), and a lone appender waits for nobody. A second thread, the sealer, turns written entries
//! into tiles and signs a checkpoint: at the latest after [`CHECKPOINT_ENTRIES`] entries or [`CHECKPOINT_AGE`].

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::LedgerError;
use super::body;
use super::checkpoint::SignedCheckpoint;
use super::files::{self, Folder};
use super::flood::{self, Admission, Floods};
use super::journal::{self, Journal, Rest};
use super::leaf::{Erasure, LEAF_BYTES_MAX, Leaf};
use super::note::{KeyKind, PublicKey, SecretKey, hex, is_key_name};
use super::receipt::{Place, Receipt};
use super::record::Record;
use super::tail::{self, Entry, Tail};
use super::tenants::{Tenants, month_of_minute, random};
use super::tree::leaf_hash;

/// A checkpoint is signed when so many entries are not under one.
pub const CHECKPOINT_ENTRIES: usize = 1000;
/// A checkpoint is signed when the oldest entry that is not under one is so old.
pub const CHECKPOINT_AGE: Duration = Duration::from_secs(10);
/// How long a written entry may wait for the disk under [`Durability::Process`].
const SYNC_AGE: Duration = Duration::from_secs(1);
/// Appenders wait when so many entries are not under a checkpoint: memory has a bound.
const UNSEALED_MAX: usize = 1 << 16;

/// What an answered entry survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, `kill -9` included; a power cut may take the last second.
    Process,
    /// A power cut.
    Disk,
}

/// How a ledger is opened.
#[derive(Debug, Clone)]
pub struct Opening {
    /// What an answered entry survives.
    pub durability: Durability,
    /// Name of a new log; `None` for `trombi/` and 16 random hexadecimal digits. An existing log keeps its own.
    pub origin: Option<String>,
    /// See [`CHECKPOINT_AGE`].
    pub checkpoint_age: Duration,
}

impl From<Durability> for Opening {
    fn from(durability: Durability) -> Self {
        Self { durability, origin: None, checkpoint_age: CHECKPOINT_AGE }
    }
}

/// The open ledger. All methods may be called from any thread. Dropping it signs a last checkpoint.
pub struct Ledger {
    shared: Arc<Shared>,
    sealer: Option<JoinHandle<()>>,
    /// Dropped last: the folder is free when the sealer has ended.
    _lock: File,
}

pub(super) struct Shared {
    pub(super) directory: PathBuf,
    key: SecretKey,
    opening: Opening,
    /// Whether an answer waits for the disk.
    synced: AtomicBool,
    pub(super) tenants: Tenants,
    /// Held shared from taking a key until the entry has its place, alone while a key is destroyed.
    pub(super) erasing: RwLock<()>,
    floods: Mutex<Floods>,
    state: Mutex<State>,
    /// Something was written, sealed, or has failed.
    progress: Condvar,
    /// Something is to be sealed or synced.
    work: Condvar,
}

struct State {
    /// Taken by whoever writes.
    journal: Option<Journal>,
    journal_number: u64,
    /// Index of the next entry.
    next: u64,
    /// Minute of the last entry.
    minute: u32,
    /// Frames and entries that nobody has written yet.
    frames: Vec<u8>,
    waiting: Vec<Entry>,
    /// Entries below are as durable as was asked.
    written: u64,
    /// Written, and in no tile.
    unsealed: Vec<Entry>,
    unsealed_since: Option<Instant>,
    unsynced_since: Option<Instant>,
    /// Entries below are under the checkpoint.
    sealed: u64,
    /// Seal up to here without waiting.
    wanted: u64,
    checkpoint: Option<SignedCheckpoint>,
    failed: Option<String>,
    closing: bool,
}

impl State {
    fn check(&self) -> Result<(), LedgerError> {
        self.failed.as_ref().map_or(Ok(()), |reason| Err(LedgerError::Stopped(reason.clone())))
    }

    fn fail(&mut self, error: &LedgerError) {
        self.failed.get_or_insert_with(|| error.to_string());
    }
}

impl Ledger {
    /// Opens or creates the ledger in `directory`, takes its lock, repairs what a crash left.
    ///
    /// # Errors
    /// `Locked`, `Damaged`, `Full`, `Io`.
    pub fn open(directory: &Path, opening: impl Into<Opening>) -> Result<Self, LedgerError> {
        let opening = opening.into();
        files::create_directory(directory)?;
        let lock = files::lock(directory)?;
        let key = open_key(directory, opening.origin.as_deref())?;
        let tenants = Tenants::open(directory)?;
        let recovered = Recovered::read(directory, &key)?;
        let state = State {
            journal: Some(recovered.journal),
            journal_number: recovered.journal_number,
            next: recovered.tail.size(),
            minute: recovered.minute,
            frames: Vec::new(),
            waiting: Vec::new(),
            written: recovered.tail.size(),
            unsealed: Vec::new(),
            unsealed_since: None,
            unsynced_since: None,
            sealed: recovered.tail.size(),
            wanted: 0,
            checkpoint: Some(recovered.checkpoint),
            failed: None,
            closing: false,
        };
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            key,
            synced: AtomicBool::new(opening.durability == Durability::Disk),
            opening,
            tenants,
            erasing: RwLock::new(()),
            floods: Mutex::default(),
            state: Mutex::new(state),
            progress: Condvar::new(),
            work: Condvar::new(),
        });
        let tail = recovered.tail;
        let sealer = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn({
                let shared = shared.clone();
                move || shared.seal_until_closed(tail)
            })
            .map_err(|error| LedgerError::Io(format!("thread of the ledger: {error}")))?;
        let ledger = Self { shared, sealer: Some(sealer), _lock: lock };
        ledger.finish_erasing()?;
        Ok(ledger)
    }

    /// Its files, for reading what is under the latest checkpoint.
    #[must_use]
    pub fn folder(&self) -> Folder {
        Folder(self.shared.directory.clone())
    }

    /// From the next entry on, answers wait for the disk: [`Durability::Disk`]. There is no way back but opening anew.
    pub fn sync_from_now_on(&self) {
        self.shared.synced.store(true, Ordering::Relaxed);
    }

    /// Name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.shared.key.public().name()
    }

    /// The key that verifies checkpoints and receipts.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.shared.key.public()
    }

    /// Entries that are answered.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.shared.lock().written
    }

    /// The latest checkpoint of this log.
    #[must_use]
    pub fn checkpoint(&self) -> Option<SignedCheckpoint> {
        self.shared.lock().checkpoint.clone()
    }

    /// Records one entry and signs for it. The entry is as durable as was asked when this returns.
    ///
    /// # Errors
    /// `Full`, `Io` when it could not be written, `Stopped` from then on, `Unrecordable`. After an error there is no
    /// such entry: the request must fail.
    pub fn append(&self, record: &Record) -> Result<Receipt, LedgerError> {
        Ok(self.record(record)?.sign(&self.shared.key))
    }

    /// As [`Ledger::append`], without the signature; [`Ledger::receipt`] adds it.
    ///
    /// After [`super::EQUAL_DENIALS_MAX`] equal denials in a minute, further ones are counted: their place is that of
    /// the entry that says so, and one entry says how many they were when the minute is over, or at the end.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub fn record(&self, record: &Record) -> Result<Place, LedgerError> {
        self.shared.end_floods(record.at_ms)?;
        if !flood::is_denial(record) {
            return self.shared.record(record, Marks::default());
        }
        let admission = self.shared.floods().admit(record);
        match admission {
            Admission::Write => self.shared.record(record, Marks::default()),
            Admission::Counted(place) => Ok(place),
            Admission::Begin => {
                let place = self.shared.record(record, Marks { flood_begins: true, ..Marks::default() })?;
                self.shared.floods().begun(record, &place);
                Ok(place)
            }
        }
    }

    /// Signs for an entry of this ledger.
    #[must_use]
    pub fn receipt(&self, place: Place) -> Receipt {
        place.sign(&self.shared.key)
    }

    /// Puts everything answered so far under a checkpoint.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn seal(&self) -> Result<SignedCheckpoint, LedgerError> {
        self.shared.seal_now()
    }

    /// Signs a last checkpoint and closes; says what dropping it would hide.
    ///
    /// # Errors
    /// `Stopped` if the last entries could not be put under a checkpoint; they are still in the journal.
    pub fn close(mut self) -> Result<(), LedgerError> {
        self.end();
        self.shared.lock().check()
    }

    fn end(&mut self) {
        // Counts of the last minute; a ledger that has failed takes none.
        let _ = self.shared.end_floods(i64::MIN);
        self.shared.lock().closing = true;
        self.shared.work.notify_all();
        if let Some(sealer) = self.sealer.take() {
            let _ = sealer.join();
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a leaf says beside its record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    pub(super) flood_begins: bool,
    pub(super) flood_ends: bool,
    pub(super) erasure: Option<Erasure>,
}

fn minute_of(at_ms: i64) -> u32 {
    u32::try_from(at_ms.max(0) / 60_000).unwrap_or(u32::MAX)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.progress.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn floods(&self) -> MutexGuard<'_, Floods> {
        self.floods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the counts of denials, if their minute is over at `at_ms`.
    fn end_floods(&self, at_ms: i64) -> Result<(), LedgerError> {
        let mut floods = self.floods();
        if !floods.is_over(at_ms) {
            return Ok(());
        }
        let closing = floods.turn(at_ms);
        drop(floods);
        let marks = Marks { flood_ends: true, ..Marks::default() };
        closing.iter().try_for_each(|record| self.record(record, marks).map(|_| ()))
    }

    pub(super) fn record(&self, record: &Record, marks: Marks) -> Result<Place, LedgerError> {
        let _shared = self.erasing.read().unwrap_or_else(PoisonError::into_inner);
        self.record_alone(record, marks)
    }

    /// As [`Shared::record`], for whoever holds `erasing` already.
    pub(super) fn record_alone(&self, record: &Record, marks: Marks) -> Result<Place, LedgerError> {
        let bytes = body::to_bytes(record);
        if bytes.len() > body::BODY_BYTES_MAX {
            return Err(LedgerError::Unrecordable(format!("a body of {} bytes", bytes.len())));
        }
        self.lock().check()?;
        let tenant = self.tenants.get(&record.tenant)?;
        let month = month_of_minute(minute_of(record.at_ms));
        let sealed = body::seal(&*tenant.key(month)?, month, random()?, &bytes)
            .ok_or_else(|| LedgerError::Io("cannot encrypt a body".to_owned()))?;
        let leaf = Leaf {
            index: 0,
            minute: minute_of(record.at_ms),
            clock_went_back: false,
            flood_begins: marks.flood_begins,
            flood_ends: marks.flood_ends,
            class: record.class,
            outcome: record.outcome,
            tenant: tenant.commitment,
            body: sealed.commitment,
            policy: record.policy,
            units: record.units.clone(),
            erasure: marks.erasure,
        };
        self.enqueue(leaf, sealed.bytes)
    }

    /// Gives the leaf its place, and returns when it is written.
    fn enqueue(&self, mut leaf: Leaf, body: Vec<u8>) -> Result<Place, LedgerError> {
        let mut state = self.lock();
        while state.failed.is_none() && state.unsealed.len() + state.waiting.len() >= UNSEALED_MAX {
            state = self.wait(state);
        }
        state.check()?;
        leaf.index = state.next;
        leaf.clock_went_back = leaf.minute < state.minute;
        leaf.minute = leaf.minute.max(state.minute);
        let bytes = leaf.to_bytes();
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LedgerError::Unrecordable(format!("a leaf of {} bytes", bytes.len())));
        }
        let hash = leaf_hash(&bytes);
        state.next += 1;
        state.minute = leaf.minute;
        journal::push_frame(&mut state.frames, &bytes, &body);
        state.waiting.push(Entry { leaf: bytes, hash, body });
        self.write_or_wait(state, leaf.index)?;
        Ok(Place {
            origin: self.key.public().name().to_owned(),
            index: leaf.index,
            leaf_hash: hash,
            minute: leaf.minute,
        })
    }

    fn write_or_wait<'a>(&'a self, mut state: MutexGuard<'a, State>, index: u64) -> Result<(), LedgerError> {
        loop {
            // An entry that is written counts, whatever failed after it.
            if state.written > index {
                return Ok(());
            }
            state.check()?;
            state = match state.journal.take() {
                Some(journal) => self.write_batch(state, journal)?,
                None => self.wait(state),
            };
        }
    }

    /// Writes what gathered, for everybody; the lock is free meanwhile.
    fn write_batch<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        mut journal: Journal,
    ) -> Result<MutexGuard<'a, State>, LedgerError> {
        let frames = std::mem::take(&mut state.frames);
        let entries = std::mem::take(&mut state.waiting);
        drop(state);
        let sync = self.synced.load(Ordering::Relaxed);
        let result = journal.append(&frames, sync);
        let mut state = self.lock();
        state.journal = Some(journal);
        match &result {
            Ok(()) => state.took(entries, sync),
            Err(error) => state.fail(error),
        }
        // The sealer sleeps until the first entry, and again until there are many.
        if state.unsealed_since.is_some() {
            self.work.notify_one();
        }
        self.progress.notify_all();
        result.map(|()| state)
    }

    pub(super) fn seal_now(&self) -> Result<SignedCheckpoint, LedgerError> {
        let mut state = self.lock();
        let size = state.written;
        state.wanted = state.wanted.max(size);
        self.work.notify_one();
        while state.sealed < size || state.checkpoint.is_none() {
            state.check()?;
            state = self.wait(state);
        }
        state.checkpoint.clone().ok_or_else(|| LedgerError::Stopped("no checkpoint".to_owned()))
    }

    /// The sealer's life.
    fn seal_until_closed(&self, mut tail: Tail) {
        loop {
            let work = self.next_work();
            let result = match work {
                Work::End => return,
                Work::Sync(file) => file.sync_data().map_err(|error| files::disk_error(&self.directory, &error)),
                Work::Seal => self.seal_once(&mut tail),
            };
            if let Err(error) = result {
                let mut state = self.lock();
                state.fail(&error);
                self.progress.notify_all();
                return;
            }
        }
    }

    fn next_work(&self) -> Work {
        let mut state = self.lock();
        loop {
            if state.failed.is_some() {
                return Work::End;
            }
            let now = Instant::now();
            let seal_at = state.seal_at(self.opening.checkpoint_age, now);
            if seal_at.is_some_and(|at| at <= now) {
                return Work::Seal;
            }
            if state.closing {
                return Work::End;
            }
            let sync_at = state.unsynced_since.map(|since| since + SYNC_AGE);
            if sync_at.is_some_and(|at| at <= now)
                && let Some(journal) = &state.journal
            {
                let file = journal.file.clone();
                state.unsynced_since = None;
                return Work::Sync(file);
            }
            let next = [seal_at, sync_at].into_iter().flatten().min();
            state = match next {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    // At least a moment: the journal may be out for writing.
                    let pause = at.saturating_duration_since(now).max(Duration::from_millis(1));
                    self.work.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Puts what is written into tiles and under a checkpoint.
    fn seal_once(&self, tail: &mut Tail) -> Result<(), LedgerError> {
        let folder = self.directory.join(files::JOURNAL);
        let number = self.lock().journal_number + 1;
        let fresh = Journal::create(&folder, number)?;
        let (old, entries) = self.rotate(fresh, number);
        // INVARIANT (signed once): what a checkpoint covers can be lost by no power cut, so no other entry can ever
        // come to its place.
        old.sync()?;
        tail.append(&entries)?;
        let checkpoint = tail.publish(&self.key)?;
        old.remove()?;
        let mut state = self.lock();
        state.sealed = tail.size();
        state.checkpoint = Some(checkpoint);
        self.progress.notify_all();
        Ok(())
    }

    /// Lets appenders go on in another journal; the old one, and what is in it and in no tile.
    fn rotate(&self, fresh: Journal, number: u64) -> (Journal, Vec<Entry>) {
        let mut state = self.lock();
        loop {
            if let Some(old) = state.journal.take() {
                state.journal = Some(fresh);
                state.journal_number = number;
                state.unsealed_since = None;
                state.unsynced_since = None;
                return (old, std::mem::take(&mut state.unsealed));
            }
            state = self.wait(state);
        }
    }
}

enum Work {
    Seal,
    Sync(Arc<File>),
    End,
}

impl State {
    fn took(&mut self, mut entries: Vec<Entry>, synced: bool) {
        let now = Instant::now();
        self.written += entries.len() as u64;
        self.unsealed.append(&mut entries);
        self.unsealed_since.get_or_insert(now);
        if !synced {
            self.unsynced_since.get_or_insert(now);
        }
    }

    /// When the next checkpoint is due.
    fn seal_at(&self, age: Duration, now: Instant) -> Option<Instant> {
        let since = self.unsealed_since?;
        let at_once = self.unsealed.len() >= CHECKPOINT_ENTRIES || self.closing || self.wanted > self.sealed;
        Some(if at_once { now } else { since + age })
    }
}

/// The log's key, made on first use.
fn open_key(directory: &Path, origin: Option<&str>) -> Result<SecretKey, LedgerError> {
    let path = directory.join(files::SECRET_KEY);
    let key = match files::read_if_there(&path)? {
        Some(bytes) => String::from_utf8(bytes)
            .ok()
            .and_then(|text| SecretKey::parse(&text).ok())
            .ok_or_else(|| LedgerError::Damaged(format!("{} is not a private key", path.display())))?,
        None => {
            if directory.join(files::CHECKPOINT).exists() {
                return Err(LedgerError::Damaged(format!("{} is missing", path.display())));
            }
            let origin = match origin {
                Some(origin) => origin.to_owned(),
                None => format!("trombi/{}", hex(&random::<8>()?)),
            };
            if !is_key_name(&origin) || origin.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(LedgerError::Unrecordable(format!("a log named `{origin}`")));
            }
            let key = SecretKey::from_seed(&origin, KeyKind::Log, random()?)
                .map_err(|error| LedgerError::Unrecordable(error.to_string()))?;
            files::replace(&path, key.to_text().as_bytes())?;
            key
        }
    };
    let public = format!("{}\n", key.public()).into_bytes();
    let path = directory.join(files::PUBLIC_KEY);
    match files::read_if_there(&path)? {
        Some(found) if found == public => {}
        Some(_) => return Err(LedgerError::Damaged(format!("{} is not that of the private key", path.display()))),
        None => files::replace(&path, &public)?,
    }
    Ok(key)
}

/// What a folder holds when it is opened, all of it under a checkpoint.
struct Recovered {
    tail: Tail,
    checkpoint: SignedCheckpoint,
    minute: u32,
    journal: Journal,
    journal_number: u64,
}

impl Recovered {
    fn read(directory: &Path, key: &SecretKey) -> Result<Self, LedgerError> {
        let folder = directory.join(files::JOURNAL);
        files::create_directory(&folder)?;
        let mut tail = open_tail(directory, key)?;
        let numbers = journal::numbers(&folder)?;
        let mut entries = Vec::new();
        for number in &numbers {
            read_journal(&folder.join(number.to_string()), tail.size(), &mut entries)?;
        }
        tail.append(&entries)?;
        let checkpoint = tail.publish(key)?;
        let minute = last_minute(directory, &tail, &entries)?;
        for number in &numbers {
            let path = folder.join(number.to_string());
            std::fs::remove_file(&path).map_err(|error| files::disk_error(&path, &error))?;
        }
        let journal_number = numbers.last().map_or(0, |last| last + 1);
        let journal = Journal::create(&folder, journal_number)?;
        Ok(Self { tail, checkpoint, minute, journal, journal_number })
    }
}

fn open_tail(directory: &Path, key: &SecretKey) -> Result<Tail, LedgerError> {
    let Some(bytes) = files::read_if_there(&directory.join(files::CHECKPOINT))? else {
        tail::remove_unpublished(directory, 0)?;
        return Ok(Tail::empty(directory));
    };
    let signed = SignedCheckpoint::open(&bytes, key.public())
        .map_err(|error| LedgerError::Damaged(format!("checkpoint: {error}")))?;
    tail::remove_unpublished(directory, signed.checkpoint.size)?;
    Tail::open(directory, &signed.checkpoint)
}

/// Adds the entries of a journal file that continue those in tiles and in `entries`.
fn read_journal(path: &Path, sealed: u64, entries: &mut Vec<Entry>) -> Result<(), LedgerError> {
    let damaged = |what: &str| LedgerError::Damaged(format!("{}: {what}", path.display()));
    let bytes = files::read_if_there(path)?.unwrap_or_default();
    let frames = journal::frames(&bytes);
    for (leaf, body) in frames.entries {
        let index = Leaf::parse(leaf).ok_or_else(|| damaged("a leaf does not read"))?.index;
        let next = sealed + entries.len() as u64;
        if index > next {
            return Err(damaged("entries are missing before it"));
        }
        // Below: a crash came between the checkpoint and the removal of the journal.
        if index == next {
            entries.push(Entry { leaf: leaf.to_vec(), hash: leaf_hash(leaf), body: body.to_vec() });
        }
    }
    match frames.rest {
        Rest::Nothing => Ok(()),
        Rest::Torn => cut_off(path, &bytes[frames.good_bytes..]),
        // A power cut may leave garbage at the end; whole entries behind it mean that it is something else.
        Rest::Damaged if journal::has_frame(&bytes[frames.good_bytes..]) => {
            Err(damaged(&format!("damage at byte {}", frames.good_bytes)))
        }
        Rest::Damaged => cut_off(path, &bytes[frames.good_bytes..]),
    }
}

fn cut_off(path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    tracing::warn!(file = %path.display(), bytes = bytes.len(), "the end of the ledger's journal was torn and is cut off");
    Ok(())
}

/// The minute that the next leaf must not go below.
fn last_minute(directory: &Path, tail: &Tail, entries: &[Entry]) -> Result<u32, LedgerError> {
    if let Some(entry) = entries.last() {
        return Ok(Leaf::parse(&entry.leaf).map_or(0, |leaf| leaf.minute));
    }
    tail.last_leaf(directory).map(|leaf| leaf.map_or(0, |leaf| leaf.minute))
}

#[cfg(test)]
mod tests {
    use super::super::record::{Class, Unit, Units};
    use super::*;

    fn record(n: u64) -> Record {
        Record {
            request_id: format!("00000000-0000-4000-8000-{n:012}"),
            units: Units::of(Unit::Search, 1),
            ..Record::new(1_790_000_000_000 + n as i64, Class::Search, "SearchFaces", "acme")
        }
    }

    #[test]
    fn entries_have_the_order_of_their_answers_and_survive_reopening() {
        for durability in [Durability::Process, Durability::Disk] {
            let dir = tempfile::tempdir().unwrap();
            let origin = {
                let ledger = Ledger::open(dir.path(), durability).unwrap();
                for n in 0..700 {
                    let receipt = ledger.append(&record(n)).unwrap();
                    assert_eq!(receipt.place.index, n);
                    assert!(receipt.is_signed_by(ledger.public_key()));
                }
                assert_eq!(ledger.seal().unwrap().checkpoint.size, 700);
                ledger.origin().to_owned()
            };
            let ledger = Ledger::open(dir.path(), durability).unwrap();
            assert_eq!((ledger.origin(), ledger.size()), (origin.as_str(), 700));
            assert_eq!(ledger.append(&record(700)).unwrap().place.index, 700);
            ledger.close().unwrap();
        }
    }

    #[test]
    fn many_threads_get_an_index_each() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path(), Durability::Disk).unwrap();
        let indices = std::sync::Mutex::new(std::collections::BTreeSet::new());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for n in 0..200 {
                        let index = ledger.record(&record(n)).unwrap().index;
                        assert!(indices.lock().unwrap().insert(index));
                    }
                });
            }
        });
        assert_eq!(indices.into_inner().unwrap().len(), 1600);
    }

    #[test]
    fn a_clock_that_jumps_back_is_marked_and_keeps_the_order() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path(), Durability::Process).unwrap();
        let at = |ms| ledger.record(&Record::new(ms, Class::Manage, "ListFaces", "acme")).unwrap().minute;
        assert_eq!([at(120_000), at(0), at(-5), at(180_000)], [2, 2, 2, 3]);
    }

    #[test]
    fn two_cannot_have_the_same_ledger() {
        let dir = tempfile::tempdir().unwrap();
        let _one = Ledger::open(dir.path(), Durability::Process).unwrap();
        assert!(matches!(Ledger::open(dir.path(), Durability::Process), Err(LedgerError::Locked(_))));
    }
}
