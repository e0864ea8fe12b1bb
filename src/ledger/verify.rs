//! Verifying a ledger: everything that can be recomputed is, and every difference is named.
//!
//! A bundle (256 entries, their hashes and bodies) is examined by itself, by a pure function of its bytes and of the
//! keys; what the bundles show is then held against the tiles above, the checkpoint, the journal, and whatever an
//! outsider has kept: an older checkpoint, a receipt, a witness's key.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::body;
use super::checkpoint::{Checkpoint, SignedCheckpoint};
use super::files::{self, Files};
use super::journal::{self, Rest};
use super::keyring::Keyring;
use super::leaf::Leaf;
use super::note::{NoteError, PublicKey, SecretKey, SignatureLine, hex};
use super::read::ErasedRange;
use super::receipt::Receipt;
use super::stored_bodies;
use super::tiles::{TileName, bundle_entries, bundle_path, tile_bytes, tile_hashes};
use super::tree::{Edge, Hash, TILE_WIDTH, leaf_hash, partial_width, place_in_tile, root_of};
use super::witness::parse_witnesses;

/// What is verified against.
#[derive(Debug, Clone, Default)]
pub struct Against {
    /// The log's key from elsewhere than the ledger; else the ledger's own is believed.
    pub key: Option<PublicKey>,
    /// Checkpoints kept from earlier: the ledger must continue each of them.
    pub checkpoints: Vec<SignedCheckpoint>,
    /// Receipts kept: the ledger must have each of them.
    pub receipts: Vec<Receipt>,
    /// Witnesses whose cosignatures count, besides those that the ledger itself names.
    pub witnesses: Vec<PublicKey>,
    /// The ledger is a copy without keys of tenants: that bodies cannot be opened is no finding.
    pub without_keys: bool,
    /// A server is appending meanwhile: what is beyond the checkpoint may be incomplete.
    pub in_use: bool,
    /// Stop at the first finding.
    pub first_only: bool,
    /// Threads to use; 0 for one per core.
    pub threads: usize,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the ledger.
    pub file: String,
    /// The entry, if it is about one.
    pub index: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}: entry {index}: {}", self.file, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

/// What verifying found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Name of the log.
    pub origin: String,
    /// Entries under the checkpoint.
    pub size: u64,
    /// Root of the checkpoint, if it reads.
    pub root: Option<Hash>,
    /// Entries in the journal, under no checkpoint yet.
    pub unsealed: u64,
    /// Bodies that were opened and are what their leaves commit to.
    pub bodies_read: u64,
    /// Bodies that were erased, by entries that say so.
    pub bodies_erased: u64,
    /// Bodies that could not be opened for want of a key, in a copy without keys.
    pub bodies_sealed: u64,
    /// By witness: size of the largest tree it has cosigned, and when, seconds since 1970.
    pub witnessed: BTreeMap<String, (u64, u64)>,
    /// Entries read between the minutes of the first and the last, since 1970.
    pub minutes: Option<(u32, u32)>,
    /// In order of files. Empty: nothing is wrong.
    pub findings: Vec<Finding>,
}

impl Report {
    fn find(&mut self, file: impl Into<String>, index: Option<u64>, problem: impl Into<String>) {
        self.findings.push(Finding { file: file.into(), index, problem: problem.into() });
    }
}

/// Keeps what it has examined, so that verifying a ledger again costs only what is not the very same bytes in memory.
#[derive(Default)]
pub struct Verifier {
    known: Mutex<HashMap<u64, Known>>,
    keyring: Mutex<Option<Arc<Keyring>>>,
}

struct Known {
    parts: Parts,
    keyring: Arc<Keyring>,
    examined: Arc<Examined>,
}

/// The files of one bundle, and how many entries count.
#[derive(Clone)]
struct Parts {
    width: usize,
    entries: Option<Arc<[u8]>>,
    hashes: Option<Arc<[u8]>>,
    bodies: Option<Arc<[u8]>>,
}

impl Parts {
    fn path(&self, number: u64, level: Option<u8>) -> String {
        TileName { level, index: number, width: self.width }.path()
    }

    fn is_same(&self, other: &Self) -> bool {
        let same = |a: &Option<Arc<[u8]>>, b: &Option<Arc<[u8]>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        self.width == other.width
            && same(&self.entries, &other.entries)
            && same(&self.hashes, &other.hashes)
            && same(&self.bodies, &other.bodies)
    }
}

/// What one bundle shows.
#[derive(Default)]
struct Examined {
    /// The tile's, or as computed where there is no tile.
    hashes: Vec<Hash>,
    root: Hash,
    minutes: Option<(u32, u32)>,
    bodies: Vec<Run>,
    erasures: Vec<ErasedRange>,
    /// Bodies behind the last entry.
    bodies_beyond: bool,
    findings: Vec<Finding>,
}

/// What has become of the bodies of consecutive entries.
struct Run {
    from: u64,
    count: u64,
    tenant: Hash,
    month: Option<u16>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Read,
    /// Zeroes.
    Zeroed,
    /// There is no such key.
    NoKey,
    /// There is a key, and it does not open it.
    Wrong,
}

/// Verifies the ledger in `files`.
#[must_use]
pub fn verify(files: &dyn Files, against: &Against) -> Report {
    Verifier::default().verify(files, against)
}

impl Verifier {
    /// Verifies the ledger in `files`.
    pub fn verify(&self, files: &dyn Files, against: &Against) -> Report {
        let mut pass = Pass::begin(self, files, against);
        pass.run();
        let mut report = pass.report;
        report.findings.sort();
        report.findings.dedup();
        report
    }

    /// The keyring; the one known from before if it is the same.
    fn keyring(&self, files: &dyn Files, paths: &[String]) -> Arc<Keyring> {
        let read = Keyring::read(files, paths);
        let mut known = self.keyring.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(keyring) if keyring.is_same(&read) => keyring.clone(),
            _ => known.insert(Arc::new(read)).clone(),
        }
    }

    fn examine(&self, number: u64, parts: &Parts, keyring: &Arc<Keyring>, first_only: bool) -> Arc<Examined> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&number)
            && known.parts.is_same(parts)
            && (Arc::ptr_eq(&known.keyring, keyring) || known.keyring.is_same(keyring))
        {
            return known.examined.clone();
        }
        Arc::new(examine(number, parts, keyring, first_only))
    }

    /// Keeps what was examined of these files for later calls.
    pub fn remember(&self, files: &dyn Files, against: &Against) {
        let pass = Pass::begin(self, files, against);
        for number in 0..pass.bundle_count() {
            let parts = pass.parts(number);
            let examined = self.examine(number, &parts, &pass.keyring, false);
            let known = Known { parts, keyring: pass.keyring.clone(), examined };
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(number, known);
        }
    }
}

/// Examines one bundle. Pure: the same bytes and keys show the same. With `first_only`, up to the first finding.
fn examine(number: u64, parts: &Parts, keyring: &Keyring, first_only: bool) -> Examined {
    let mut examined = Examined::default();
    let stored = examined.checksums(number, parts);
    if first_only && examined.has_findings() {
        return examined;
    }
    let Some(entries) = examined.entries(number, parts) else { return examined };
    examined.hash(number, parts, &entries, first_only);
    if first_only && examined.has_findings() {
        return examined;
    }
    let Some(leaves) = examined.leaves(number, parts, &entries) else { return examined };
    examined.open_bodies(&leaves, &stored, keyring);
    examined
}

impl Examined {
    fn has_findings(&self) -> bool {
        !self.findings.is_empty()
    }

    fn find(&mut self, file: String, index: Option<u64>, problem: &str) {
        self.findings.push(Finding { file, index, problem: problem.to_owned() });
    }

    /// The stored bodies, whole ones or not: their checksums are cheap, and tell damage to those without keys.
    fn checksums<'a>(&mut self, number: u64, parts: &'a Parts) -> Vec<&'a [u8]> {
        let file = bundle_path(files::BODIES, number);
        let Some(bytes) = &parts.bodies else {
            self.find(file, None, "is missing");
            return Vec::new();
        };
        let (mut stored, mut rest) = (Vec::with_capacity(parts.width), &bytes[..]);
        for index in (number * TILE_WIDTH as u64..).take(parts.width) {
            let Some((body, is_right, after)) = stored_bodies::take(rest) else {
                self.find(file, Some(index), "its body is missing");
                return stored;
            };
            if !is_right {
                self.find(file.clone(), Some(index), "its body has another checksum");
            }
            stored.push(body);
            rest = after;
        }
        self.bodies_beyond = !rest.is_empty();
        stored
    }

    fn entries<'a>(&mut self, number: u64, parts: &'a Parts) -> Option<Vec<&'a [u8]>> {
        let file = parts.path(number, None);
        let Some(bytes) = &parts.entries else {
            self.find(file, None, "is missing");
            return None;
        };
        let entries = bundle_entries(bytes).filter(|entries| entries.len() == parts.width);
        if entries.is_none() {
            self.find(file, None, "does not hold the entries that it should");
        }
        entries
    }

    /// Hashes the entries and holds them against their tile.
    fn hash(&mut self, number: u64, parts: &Parts, entries: &[&[u8]], first_only: bool) {
        let file = parts.path(number, Some(0));
        let tile = parts.hashes.as_ref().map(|bytes| tile_hashes(bytes).filter(|tile| tile.len() == entries.len()));
        match tile {
            None => self.find(file.clone(), None, "is missing"),
            Some(None) => self.find(file.clone(), None, "does not hold the hashes that it should"),
            Some(Some(_)) => {}
        }
        let tile = tile.flatten();
        let mut hashes = Vec::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            let hash = leaf_hash(entry);
            if tile.is_some_and(|tile| tile[at] != hash) {
                let index = number * TILE_WIDTH as u64 + at as u64;
                self.find(file.clone(), Some(index), "the entry's hash is another");
                if first_only {
                    return;
                }
            }
            hashes.push(hash);
        }
        self.root = root_of(&hashes);
        self.hashes = hashes;
    }

    fn leaves(&mut self, number: u64, parts: &Parts, entries: &[&[u8]]) -> Option<Vec<Leaf>> {
        let file = parts.path(number, None);
        let mut leaves = Vec::with_capacity(entries.len());
        let mut minute = 0;
        for (index, entry) in (number * TILE_WIDTH as u64..).zip(entries) {
            let Some(leaf) = Leaf::parse(entry) else {
                self.find(file, Some(index), "does not read");
                return None;
            };
            if leaf.index != index {
                self.find(file.clone(), Some(index), "says that it is another entry");
            }
            if leaf.minute < minute {
                self.find(file.clone(), Some(index), "is of an earlier minute than the entry before");
            }
            minute = leaf.minute;
            let erased = leaf.erasure.map(|erasure| ErasedRange { by: index, erasure });
            self.erasures.extend(erased);
            leaves.push(leaf);
        }
        self.minutes = leaves.first().zip(leaves.last()).map(|(first, last)| (first.minute, last.minute));
        Some(leaves)
    }

    fn open_bodies(&mut self, leaves: &[Leaf], stored: &[&[u8]], keyring: &Keyring) {
        let mut room = Vec::new();
        for (leaf, stored) in leaves.iter().zip(stored) {
            let state = body_state(leaf, stored, keyring, &mut room);
            let month = body::month_of(stored).filter(|_| state != State::Zeroed);
            match self.bodies.last_mut() {
                Some(run) if run.tenant == leaf.tenant && run.month == month && run.state == state => run.count += 1,
                _ => self.bodies.push(Run { from: leaf.index, count: 1, tenant: leaf.tenant, month, state }),
            }
        }
    }
}

fn body_state(leaf: &Leaf, stored: &[u8], keyring: &Keyring, room: &mut Vec<u8>) -> State {
    if stored_bodies::is_zeroed(stored) {
        return State::Zeroed;
    }
    let Some(keys) = keyring.of(&leaf.tenant) else { return State::NoKey };
    let Some(key) = body::month_of(stored).and_then(|month| keys.of_month(month)) else { return State::NoKey };
    let reads = body::open(key, &leaf.body, stored, room).and_then(|body| body::parse(body, leaf, &keys.name));
    if reads.is_some() { State::Read } else { State::Wrong }
}

/// One verification on its way.
struct Pass<'a> {
    verifier: &'a Verifier,
    files: &'a dyn Files,
    against: &'a Against,
    paths: Vec<String>,
    keyring: Arc<Keyring>,
    checkpoint: Option<SignedCheckpoint>,
    key: Option<PublicKey>,
    witnesses: Vec<PublicKey>,
    size: u64,
    /// Nothing is under way: no server, no journal to be read first.
    settled: bool,
    examined: Vec<Arc<Examined>>,
    /// `rows[l]`: the hashes at level `l + 1` of tiles, computed.
    rows: Vec<Vec<Hash>>,
    edge: Option<Edge>,
    unsealed: Vec<Hash>,
    report: Report,
}

impl<'a> Pass<'a> {
    fn begin(verifier: &'a Verifier, files: &'a dyn Files, against: &'a Against) -> Self {
        let mut report = Report::default();
        let checkpoint = match files.read(files::CHECKPOINT).map(|bytes| SignedCheckpoint::parse(&bytes)) {
            Ok(Ok(signed)) => Some(signed),
            Ok(Err(error)) => {
                report.find(files::CHECKPOINT, None, error.to_string());
                None
            }
            Err(_) => {
                report.find(files::CHECKPOINT, None, "is missing");
                None
            }
        };
        let paths = files.list().unwrap_or_else(|error| {
            report.find("", None, format!("cannot be listed: {error}"));
            Vec::new()
        });
        let has_entries =
            |path: &String| path.starts_with("journal/") && files.read(path).is_ok_and(|bytes| !bytes.is_empty());
        let settled = !against.in_use && !paths.iter().any(has_entries);
        let size = checkpoint.as_ref().map_or(0, |signed| signed.checkpoint.size);
        report.size = size;
        let keyring = verifier.keyring(files, &paths);
        Self {
            verifier,
            files,
            against,
            paths,
            keyring,
            checkpoint,
            key: None,
            witnesses: against.witnesses.clone(),
            size,
            settled,
            examined: Vec::new(),
            rows: Vec::new(),
            edge: None,
            unsealed: Vec::new(),
            report,
        }
    }

    fn run(&mut self) {
        let steps = [
            Self::bundles,
            Self::checkpoint,
            Self::upper_tiles,
            Self::root,
            Self::other_files,
            Self::journal,
            Self::outsiders,
        ];
        for step in steps {
            if self.against.first_only && !self.report.findings.is_empty() {
                return;
            }
            step(self);
        }
    }

    /// Bundles that the checkpoint covers; no more than files are there, whatever it says.
    fn bundle_count(&self) -> u64 {
        let there = self.paths.iter().filter(|path| path.starts_with("tile/entries/")).count();
        self.size.div_ceil(TILE_WIDTH as u64).min(there as u64)
    }

    fn width_of(&self, number: u64) -> usize {
        let left = self.size - number * TILE_WIDTH as u64;
        usize::try_from(left).map_or(TILE_WIDTH, |left| left.min(TILE_WIDTH))
    }

    /// A tile of the checkpoint's tree. Beside a server, a partial one may have gone when its full one came.
    fn read_tile(&self, name: &TileName) -> Option<Arc<[u8]>> {
        if let Ok(bytes) = self.files.read(&name.path()) {
            return Some(bytes);
        }
        if self.settled || name.width == TILE_WIDTH {
            return None;
        }
        let bytes = self.files.read(&TileName { width: TILE_WIDTH, ..*name }.path()).ok()?;
        if name.level.is_some() {
            return bytes.get(..32 * name.width).map(Arc::from);
        }
        let taken: usize = bundle_entries(&bytes)?.iter().take(name.width).map(|entry| 2 + entry.len()).sum();
        Some(Arc::from(&bytes[..taken]))
    }

    fn parts(&self, number: u64) -> Parts {
        let width = self.width_of(number);
        Parts {
            width,
            entries: self.read_tile(&TileName { level: None, index: number, width }),
            hashes: self.read_tile(&TileName { level: Some(0), index: number, width }),
            bodies: self.files.read(&bundle_path(files::BODIES, number)).ok(),
        }
    }

    fn bundles(&mut self) {
        let count = self.bundle_count();
        if count < self.size.div_ceil(TILE_WIDTH as u64) {
            self.report.find("tile/entries", Some(count * TILE_WIDTH as u64), "entries are missing from here on");
        }
        self.examined = self.examine_all(count);
        let mut before = 0;
        for (number, examined) in self.examined.clone().iter().enumerate() {
            self.report.findings.extend_from_slice(&examined.findings);
            if let Some((first, last)) = examined.minutes {
                if first < before {
                    let index = number as u64 * TILE_WIDTH as u64;
                    let file = TileName { level: None, index: number as u64, width: TILE_WIDTH }.path();
                    self.report.find(file, Some(index), "is of an earlier minute than the entry before");
                }
                before = last;
                self.report.minutes = Some((self.report.minutes.map_or(first, |(first, _)| first), last));
            }
            if examined.bodies_beyond && (self.settled || number as u64 + 1 < count) {
                self.report.find(bundle_path(files::BODIES, number as u64), None, "has bodies of no entry");
            }
        }
        self.bodies();
    }

    fn examine_one(&self, number: u64) -> Arc<Examined> {
        self.verifier.examine(number, &self.parts(number), &self.keyring, self.against.first_only)
    }

    fn examine_all(&self, count: u64) -> Vec<Arc<Examined>> {
        let threads = match self.against.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        if threads == 1 || count < 2 {
            return (0..count).map(|number| self.examine_one(number)).collect();
        }
        let next = AtomicU64::new(0);
        let found = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return;
                        }
                        let examined = self.examine_one(number);
                        found.lock().unwrap_or_else(PoisonError::into_inner).insert(number, examined);
                    }
                });
            }
        });
        found.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
    }

    /// A body that cannot be read must have been erased by an entry, and one that was erased must not be readable.
    fn bodies(&mut self) {
        let erasures: Vec<ErasedRange> = self.examined.iter().flat_map(|e| e.erasures.iter().copied()).collect();
        let examined = self.examined.clone();
        for run in examined.iter().flat_map(|examined| &examined.bodies) {
            if run.state == State::Read && erasures.is_empty() {
                self.report.bodies_read += run.count;
                continue;
            }
            for index in run.from..run.from + run.count {
                let erased = erasures.iter().any(|erasure| erasure.covers(index, &run.tenant, run.month));
                self.body(index, run, erased);
            }
        }
    }

    fn body(&mut self, index: u64, run: &Run, erased: bool) {
        let file = bundle_path(files::BODIES, index / TILE_WIDTH as u64);
        match (run.state, erased) {
            (State::Read, false) => self.report.bodies_read += 1,
            (State::Read, true) => self.report.find(file, Some(index), "its body is said to be erased and is there"),
            (_, true) => self.report.bodies_erased += 1,
            (State::Zeroed, false) => self.report.find(file, Some(index), "its body is erased and no entry says so"),
            (State::NoKey, false) if self.against.without_keys => self.report.bodies_sealed += 1,
            (State::NoKey, false) => self.report.find(file, Some(index), "the key of its body is missing"),
            (State::Wrong, false) => self.report.find(file, Some(index), "its body is not the one that was recorded"),
        }
    }

    /// Keys, and the signatures on the checkpoint.
    fn checkpoint(&mut self) {
        let own = match self.files.read(files::PUBLIC_KEY) {
            Ok(bytes) => {
                let key = std::str::from_utf8(&bytes).ok().and_then(|text| PublicKey::parse(text).ok());
                // One form: a stray line end more would be a byte that nobody misses.
                let key = key.filter(|key| format!("{key}\n").as_bytes() == &bytes[..]);
                if key.is_none() {
                    self.report.find(files::PUBLIC_KEY, None, "is not a public key");
                }
                key
            }
            Err(_) => {
                self.report.find(files::PUBLIC_KEY, None, "is missing");
                None
            }
        };
        if let (Some(own), Some(expected)) = (&own, &self.against.key)
            && own != expected
        {
            self.report.find(files::PUBLIC_KEY, None, "is not the key that was expected");
        }
        if let (Ok(bytes), Some(own)) = (self.files.read(files::SECRET_KEY), &own) {
            let secret = std::str::from_utf8(&bytes).ok().and_then(|text| SecretKey::parse(text).ok());
            if secret.is_none_or(|secret| secret.public() != own || secret.to_text().as_bytes() != &bytes[..]) {
                self.report.find(files::SECRET_KEY, None, "is not the private key of the public one");
            }
        }
        self.key = self.against.key.clone().or(own);
        if let Ok(bytes) = self.files.read(files::WITNESSES) {
            match parse_witnesses(&bytes) {
                Some(known) => self.witnesses.extend(known.into_iter().map(|witness| witness.key)),
                None => self.report.find(files::WITNESSES, None, "does not read"),
            }
        }
        let (Some(key), Some(signed)) = (self.key.clone(), self.checkpoint.clone()) else { return };
        self.report.origin = key.name().to_owned();
        self.report.root = Some(signed.checkpoint.root);
        if signed.checkpoint.origin != key.name() {
            self.report.find(files::CHECKPOINT, None, format!("is that of `{}`", signed.checkpoint.origin));
        } else if let Err(error) = signed.note.verify(&key) {
            self.report.find(files::CHECKPOINT, None, error.to_string());
        }
        if self.files.read(files::CHECKPOINT).is_ok_and(|bytes| signed.to_bytes() != bytes[..]) && !self.against.in_use
        {
            self.report.find(files::CHECKPOINT, None, "is not in its one form");
        }
        self.cosignatures(files::CHECKPOINT, &signed);
    }

    fn cosignatures(&mut self, file: &str, signed: &SignedCheckpoint) {
        for witness in &self.witnesses {
            match signed.note.verify(witness) {
                Ok(at_s) => {
                    let seen = self.report.witnessed.entry(witness.name().to_owned()).or_default();
                    *seen = (*seen).max((signed.checkpoint.size, at_s));
                }
                Err(NoteError::Unsigned(_)) => {}
                Err(error) => self.report.find(file, None, error.to_string()),
            }
        }
        let known = |name: &str, id: [u8; 4]| {
            let keys = self.key.iter().chain(&self.witnesses);
            keys.into_iter().any(|key| key.name() == name && key.id() == id)
        };
        let strangers: Vec<String> =
            signed.note.signatures.iter().filter(|line| !known(&line.name, line.id)).map(|l| l.name.clone()).collect();
        for name in strangers {
            self.report.find(file, None, format!("is signed by `{name}`, which is not known here"));
        }
    }

    /// Tiles above the leaf hashes are what their lower ones say.
    fn upper_tiles(&mut self) {
        if self.examined.iter().any(|examined| examined.hashes.is_empty()) {
            return; // Already a finding; all above would be one more.
        }
        let full = usize::try_from(self.size / TILE_WIDTH as u64).unwrap_or(usize::MAX).min(self.examined.len());
        let mut row: Vec<Hash> = self.examined[..full].iter().map(|examined| examined.root).collect();
        while !row.is_empty() {
            let level = self.rows.len() + 1;
            for (number, hashes) in (0_u64..).zip(row.chunks(TILE_WIDTH)) {
                let name = TileName { level: u8::try_from(level).ok(), index: number, width: hashes.len() };
                match self.read_tile(&name) {
                    Some(bytes) if bytes[..] == tile_bytes(hashes)[..] => {}
                    Some(_) => self.report.find(name.path(), None, "does not hold the hashes that it should"),
                    None => self.report.find(name.path(), None, "is missing"),
                }
            }
            let above = row.chunks_exact(TILE_WIDTH).map(root_of).collect();
            self.rows.push(std::mem::replace(&mut row, above));
        }
    }

    /// The edge of the tree's first `size` entries, from what was computed.
    fn edge_of(&self, size: u64) -> Option<Edge> {
        let number = usize::try_from(size / TILE_WIDTH as u64).ok()?;
        let leaves = partial_width(size, 0);
        let mut levels =
            vec![if leaves == 0 { Vec::new() } else { self.examined.get(number)?.hashes.get(..leaves)?.to_vec() }];
        for (level, row) in (1..).zip(&self.rows) {
            let count = usize::try_from(size >> (8 * level)).ok()?;
            let start = count - partial_width(size, level);
            levels.push(row.get(start..count)?.to_vec());
        }
        Edge::from_partial_tiles(size, levels)
    }

    fn root(&mut self) {
        let Some(signed) = &self.checkpoint else { return };
        if self.examined.iter().any(|examined| examined.hashes.is_empty()) {
            return;
        }
        self.edge = self.edge_of(self.size);
        match &self.edge {
            Some(edge) if edge.root() == signed.checkpoint.root => {}
            _ => self.report.find(files::CHECKPOINT, None, "the root of the entries is another"),
        }
    }

    /// Every file belongs where it is, and says what the current ones say.
    fn other_files(&mut self) {
        for path in self.paths.clone() {
            match TileName::parse(&path) {
                Some(name) => self.other_tile(&path, &name),
                None => self.other_file(&path),
            }
        }
        for (file, problem) in &self.keyring.clone().wrong {
            self.report.find(file.clone(), None, *problem);
        }
    }

    fn other_tile(&mut self, path: &str, name: &TileName) {
        let level = usize::from(name.level.unwrap_or(0));
        let end = (name.index.saturating_mul(TILE_WIDTH as u64)).saturating_add(name.width as u64);
        let count = self.size.checked_shr(8 * u32::try_from(level).unwrap_or(u32::MAX)).unwrap_or(0);
        if end > count {
            if self.settled {
                self.report.find(path, None, "is beyond the checkpoint");
            }
            return;
        }
        if name.width == TILE_WIDTH {
            return; // Examined above.
        }
        // A partial tile of an earlier checkpoint: a beginning of the current one.
        let width = usize::try_from(count - name.index * TILE_WIDTH as u64).map_or(TILE_WIDTH, |n| n.min(TILE_WIDTH));
        let current = self.read_tile(&TileName { width, ..*name });
        let (Ok(bytes), Some(current)) = (self.files.read(path), current) else { return };
        let count = if name.level.is_some() {
            tile_hashes(&bytes).map(<[Hash]>::len)
        } else {
            bundle_entries(&bytes).map(|entries| entries.len())
        };
        if count != Some(name.width) || !current.starts_with(&bytes) {
            self.report.find(path, None, "is not a beginning of its tile");
        }
    }

    fn other_file(&mut self, path: &str) {
        let belongs = match path.split_once('/') {
            None => match path {
                files::LOCK => self.files.read(path).is_ok_and(|bytes| bytes.is_empty()),
                files::CHECKPOINT | files::PUBLIC_KEY | files::SECRET_KEY | files::WITNESSES => true,
                files::ERASING => !self.settled,
                _ => path.ends_with(files::TEMPORARY) && !self.settled,
            },
            Some((files::JOURNAL, name)) => journal::number(name).is_some(),
            Some((files::TENANTS, _)) => true,   // The keyring tells.
            Some((files::WITNESSED, _)) => true, // Held against the tree below.
            Some((files::BODIES, _)) => {
                let number = TileName::parse(&path.replacen(files::BODIES, "tile/entries", 1));
                let within = self.size.div_ceil(TILE_WIDTH as u64);
                number.is_some_and(|name| name.width == TILE_WIDTH && (name.index < within || !self.settled))
            }
            Some(_) => false,
        };
        if !belongs {
            self.report.find(path, None, "does not belong here");
        }
    }

    /// Entries that are answered and under no checkpoint yet.
    fn journal(&mut self) {
        let prefix = format!("{}/", files::JOURNAL);
        let mut numbers: Vec<u64> =
            self.paths.iter().filter_map(|path| path.strip_prefix(&prefix).and_then(journal::number)).collect();
        numbers.sort_unstable();
        for number in numbers {
            let path = format!("{prefix}{number}");
            let Ok(bytes) = self.files.read(&path) else { continue };
            let frames = journal::frames(&bytes);
            for (bytes, stored) in &frames.entries {
                self.journal_entry(&path, bytes, stored);
            }
            match frames.rest {
                Rest::Nothing => {}
                Rest::Torn if self.against.in_use => {}
                Rest::Torn => self.report.find(
                    &path,
                    None,
                    format!("is cut off in the middle of an entry, at byte {}", frames.good_bytes),
                ),
                Rest::Damaged => {
                    self.report.find(&path, None, format!("is damaged from byte {}", frames.good_bytes));
                }
            }
        }
        self.report.unsealed = self.unsealed.len() as u64;
    }

    fn journal_entry(&mut self, path: &str, bytes: &[u8], stored: &[u8]) {
        let Some(leaf) = Leaf::parse(bytes) else {
            self.report.find(path, None, "a leaf does not read");
            return;
        };
        let next = self.size + self.unsealed.len() as u64;
        if leaf.index < next {
            // Left from before the checkpoint, or a server has just sealed it: the same entry, or a second history.
            if self.hash_at(leaf.index).is_some_and(|hash| hash != leaf_hash(bytes)) {
                self.report.find(path, Some(leaf.index), "is another entry than the one in the tiles");
            }
            return;
        }
        if leaf.index > next {
            if !self.against.in_use {
                self.report.find(path, Some(next), "is missing before the next one");
            }
            return;
        }
        self.unsealed.push(leaf_hash(bytes));
        let mut room = Vec::new();
        match body_state(&leaf, stored, &self.keyring, &mut room) {
            State::Read => self.report.bodies_read += 1,
            State::NoKey if self.against.without_keys => self.report.bodies_sealed += 1,
            _ => self.report.find(path, Some(leaf.index), "its body is not the one that was recorded"),
        }
    }

    /// The hash of an entry in tiles or journal.
    fn hash_at(&self, index: u64) -> Option<Hash> {
        if index >= self.size {
            return self.unsealed.get(usize::try_from(index - self.size).ok()?).copied();
        }
        let number = usize::try_from(index / TILE_WIDTH as u64).ok()?;
        self.examined.get(number)?.hashes.get(place_in_tile(index)).copied()
    }

    /// What others have kept.
    fn outsiders(&mut self) {
        let prefix = format!("{}/", files::WITNESSED);
        let kept = self.paths.clone().into_iter().filter(|path| path.starts_with(&prefix));
        for path in kept.filter(|path| !path.ends_with(files::TEMPORARY)) {
            let Ok(bytes) = self.files.read(&path) else { continue };
            match SignedCheckpoint::parse(&bytes) {
                Ok(signed) if signed.to_bytes() == bytes[..] => {
                    self.old_checkpoint(&path, &signed);
                    self.cosignatures(&path, &signed);
                    let of_file = |line: &SignatureLine| hex(&line.id) == path[prefix.len()..];
                    if !signed.note.signatures.iter().any(of_file) {
                        self.report.find(&path, None, "has no cosignature of its witness");
                    }
                }
                Ok(_) => self.report.find(&path, None, "is not in its one form"),
                Err(error) => self.report.find(&path, None, error.to_string()),
            }
        }
        for signed in &self.against.checkpoints {
            self.old_checkpoint("checkpoint kept elsewhere", signed);
        }
        for receipt in &self.against.receipts {
            self.receipt(receipt);
        }
    }

    fn old_checkpoint(&mut self, file: &str, signed: &SignedCheckpoint) {
        let Checkpoint { origin, size, root } = &signed.checkpoint;
        let Some(key) = &self.key else { return };
        if origin != key.name() {
            let own = key.name().to_owned();
            self.report.find(file, None, format!("is of the log `{origin}`, this is `{own}`"));
            return;
        }
        if let Err(error) = signed.note.verify(key) {
            self.report.find(file, None, error.to_string());
            return;
        }
        // Beside a server it may be newer than the checkpoint that was read first.
        if *size > self.size {
            if !self.against.in_use {
                let problem = format!("was signed for {size} entries, the ledger has {}: entries are gone", self.size);
                self.report.find(file, None, problem);
            }
            return;
        }
        let ours = self.edge_of(*size).map(|edge| edge.root());
        if ours.as_ref() != Some(root) {
            let problem = format!("had another root for the first {size} entries: the ledger was rewritten");
            self.report.find(file, None, problem);
        }
    }

    fn receipt(&mut self, receipt: &Receipt) {
        let index = receipt.place.index;
        let file = "receipt kept elsewhere";
        let Some(key) = &self.key else { return };
        if !receipt.is_signed_by(key) {
            let problem = format!("was not signed by `{}` (key {})", key.name(), hex(&key.id()));
            self.report.find(file, Some(index), problem);
            return;
        }
        match self.hash_at(index) {
            Some(hash) if hash == receipt.place.leaf_hash => {}
            Some(_) => self.report.find(file, Some(index), "the ledger has another entry there: it was rewritten"),
            None => self.report.find(file, Some(index), "the ledger has no such entry: it was cut"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Class, Durability, Folder, InMemory, Ledger, Record, Unit, Units};
    use super::*;

    pub(super) fn record(n: u64) -> Record {
        Record {
            request_id: format!("00000000-0000-4000-8000-{n:012}"),
            principal: "AKIAEXAMPLE000000000".to_owned(),
            collection: Some("staff".to_owned()),
            units: Units::of(Unit::Search, 1),
            ..Record::new(
                1_790_000_000_000 + n as i64,
                Class::Search,
                "SearchFaces",
                if n.is_multiple_of(3) { "a" } else { "b" },
            )
        }
    }

    fn ledger_of(entries: u64) -> InMemory {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path(), Durability::Process).unwrap();
        for n in 0..entries {
            ledger.record(&record(n)).unwrap();
            if n % 100 == 50 {
                ledger.seal().unwrap();
            }
        }
        ledger.close().unwrap();
        InMemory::copy_of(&Folder(dir.path().to_owned())).unwrap()
    }

    #[test]
    fn an_untouched_ledger_is_whole() {
        for entries in [0, 1, 255, 256, 257, 700] {
            let report = verify(&ledger_of(entries), &Against::default());
            assert_eq!(report.findings, [], "{entries}");
            assert_eq!((report.size, report.bodies_read, report.unsealed), (entries, entries, 0));
        }
    }

    #[test]
    fn every_missing_or_stray_file_is_found() {
        let files = ledger_of(300);
        let against = Against::default();
        for (path, bytes) in &files.0 {
            let mut without = files.clone();
            without.0.remove(path);
            // The lock is only there to be locked, the private key may be kept elsewhere; an empty journal is empty.
            let needed = !["LOCK", "key"].contains(&path.as_str()) && !path.starts_with("journal/");
            // Partial tiles of earlier checkpoints may be dropped.
            let stale = path.contains(".p/") && !path.ends_with(".p/44") && !path.ends_with(".p/1");
            assert_eq!(verify(&without, &against).findings.is_empty(), !needed || stale, "{path}");
            if !path.starts_with("journal/") {
                let mut twice = files.clone();
                twice.0.insert(format!("{path}.copy"), bytes.clone());
                assert_ne!(verify(&twice, &against).findings, [], "{path}.copy");
            }
        }
    }
}
