//! Reading a ledger: entries, proofs, in the order of the log; beside a running server too.

use std::io;
use std::sync::Mutex;

use super::LedgerError;
use super::body;
use super::checkpoint::SignedCheckpoint;
use super::files::{self, Files};
use super::keyring::Keyring;
use super::leaf::{Ground, Leaf};
use super::note::PublicKey;
use super::proof::Proof;
use super::record::Record;
use super::stored_bodies;
use super::tiles::{TileName, bundle_entries, bundle_path, tile_hashes};
use super::tree::{Hash, TILE_WIDTH, TileHashes, consistency_proof, inclusion_proof, leaf_hash, place_in_tile};

/// What is left of an entry's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Record(Box<Record>),
    /// It was erased.
    Erased {
        /// By this entry.
        by: u64,
        /// Why.
        ground: Ground,
    },
    /// It cannot be opened here: there is no key, and no entry says that it was erased.
    Sealed,
}

/// One entry, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadEntry {
    /// What stands in the tree.
    pub leaf: Leaf,
    /// Name of the tenant, where it is known.
    pub tenant: Option<String>,
    /// What is left of the body.
    pub body: Body,
}

/// What entry `by` has erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ErasedRange {
    pub(super) by: u64,
    pub(super) erasure: super::leaf::Erasure,
}

impl ErasedRange {
    /// Does it take away the body of this entry, which is under the key of `month`? `None`: the month is not known.
    pub(super) fn covers(&self, index: u64, tenant: &Hash, month: Option<u16>) -> bool {
        let erasure = &self.erasure;
        (erasure.from..erasure.to).contains(&index)
            && index < self.by
            && erasure.tenant == *tenant
            && (erasure.month.is_none() || month.is_none() || erasure.month == month)
    }
}

/// An open ledger, read-only, as of its latest checkpoint.
pub struct Reader<'a> {
    files: &'a dyn Files,
    key: PublicKey,
    checkpoint: SignedCheckpoint,
    keyring: Keyring,
    /// The bundle read last: most reading goes along.
    last: Mutex<Option<(u64, Bundle)>>,
}

/// The bytes of one bundle's three files, the first `width` entries of them.
#[derive(Clone)]
struct Bundle {
    leaves: Vec<Vec<u8>>,
    bodies: Vec<Vec<u8>>,
}

impl<'a> Reader<'a> {
    /// Reads key and checkpoint.
    ///
    /// # Errors
    /// `Missing` if there is no ledger, `Damaged`, `Io`.
    pub fn open(files: &'a dyn Files) -> Result<Self, LedgerError> {
        let read = |path: &str| match files.read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(LedgerError::Missing(format!("there is no ledger here: no file `{path}`")))
            }
            other => other.map_err(|error| io_error(path, &error)),
        };
        let key = read(files::PUBLIC_KEY)?;
        let key = std::str::from_utf8(&key).ok().and_then(|text| PublicKey::parse(text).ok());
        let key = key.ok_or_else(|| LedgerError::Damaged(format!("{} does not read", files::PUBLIC_KEY)))?;
        let checkpoint = SignedCheckpoint::open(&read(files::CHECKPOINT)?, &key)
            .map_err(|error| LedgerError::Damaged(format!("checkpoint: {error}")))?;
        let paths = files.list().map_err(|error| io_error("the ledger", &error))?;
        let keyring = Keyring::read(files, &paths);
        Ok(Self { files, key, checkpoint, keyring, last: Mutex::new(None) })
    }

    /// The log's public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The checkpoint as of which entries are read.
    #[must_use]
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Entries that can be read.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.checkpoint.checkpoint.size
    }

    /// Names of tenants by their commitments.
    pub fn tenant_names(&self) -> impl Iterator<Item = (&Hash, &str)> {
        self.keyring.names()
    }

    /// One entry's leaf.
    ///
    /// # Errors
    /// `Missing`, `Damaged`, `Io`.
    pub fn leaf(&self, index: u64) -> Result<Leaf, LedgerError> {
        Ok(self.raw(index)?.0)
    }

    /// One entry.
    ///
    /// # Errors
    /// `Missing`, `Damaged`, `Io`.
    pub fn entry(&self, index: u64) -> Result<ReadEntry, LedgerError> {
        let (leaf, stored) = self.raw(index)?;
        let keys = self.keyring.of(&leaf.tenant);
        let tenant = keys.map(|keys| keys.name.clone());
        let opened = || {
            let keys = keys?;
            let mut room = Vec::new();
            let key = keys.of_month(body::month_of(&stored)?)?;
            body::parse(body::open(key, &leaf.body, &stored, &mut room)?, &leaf, &keys.name)
        };
        let body = match opened() {
            Some(record) => Body::Record(Box::new(record)),
            None => self.why_gone(&leaf, &stored)?,
        };
        Ok(ReadEntry { leaf, tenant, body })
    }

    /// What an entry's leaf commits to: 16 bytes of salt and the canonical body, so that anybody can hash it. `None`
    /// where the body cannot be opened.
    ///
    /// # Errors
    /// `Missing`, `Damaged`, `Io`.
    pub fn salted_body(&self, index: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        let (leaf, stored) = self.raw(index)?;
        let key = self.keyring.of(&leaf.tenant).zip(body::month_of(&stored)).and_then(|(k, month)| k.of_month(month));
        let mut room = Vec::new();
        let length = key.and_then(|key| body::open(key, &leaf.body, &stored, &mut room)).map(<[u8]>::len);
        Ok(length.map(|length| {
            room.truncate(body::SALT_BYTES + length);
            room
        }))
    }

    fn why_gone(&self, leaf: &Leaf, stored: &[u8]) -> Result<Body, LedgerError> {
        let month = body::month_of(stored).filter(|_| !stored_bodies::is_zeroed(stored));
        for index in leaf.index + 1..self.size() {
            let later = self.leaf(index)?;
            if let Some(erasure) = later.erasure {
                let range = ErasedRange { by: index, erasure };
                if range.covers(leaf.index, &leaf.tenant, month) {
                    return Ok(Body::Erased { by: index, ground: erasure.ground });
                }
            }
        }
        Ok(Body::Sealed)
    }

    /// Calls `each` with the leaves `from..to`, in order.
    ///
    /// # Errors
    /// `Missing`, `Damaged`, `Io`, and those of `each`.
    pub fn leaves<E: From<LedgerError>>(
        &self,
        from: u64,
        to: u64,
        mut each: impl FnMut(Leaf) -> Result<(), E>,
    ) -> Result<(), E> {
        (from..to.min(self.size())).try_for_each(|index| each(self.leaf(index)?))
    }

    /// A proof that the entry is in the log, with its leaf.
    ///
    /// # Errors
    /// `Missing`, `Damaged`, `Io`.
    pub fn proof(&self, index: u64) -> Result<Proof, LedgerError> {
        let leaf = self.leaf(index)?.to_bytes();
        let path = inclusion_proof(self, index, self.size())?;
        let proof = Proof { extra: Some(leaf), index, path, checkpoint: self.checkpoint.clone() };
        let leaf = leaf_hash(proof.extra.as_deref().unwrap_or_default());
        proof.verify(&leaf, &self.key).map_err(|error| LedgerError::Damaged(format!("entry {index}: {error}")))?;
        Ok(proof)
    }

    /// A proof that the tree of `old` entries is a beginning of this one.
    ///
    /// # Errors
    /// `Missing`, `Damaged`, `Io`.
    pub fn consistency_proof(&self, old: u64) -> Result<Vec<Hash>, LedgerError> {
        if old > self.size() {
            return Err(LedgerError::Missing(format!("a tree of {old} entries: this one has {}", self.size())));
        }
        consistency_proof(self, old, self.size())
    }

    /// An entry's leaf and stored body.
    pub(super) fn raw(&self, index: u64) -> Result<(Leaf, Vec<u8>), LedgerError> {
        if index >= self.size() {
            return Err(LedgerError::Missing(format!("entry {index}: the ledger has {}", self.size())));
        }
        let (number, at) = (index / TILE_WIDTH as u64, place_in_tile(index));
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.as_ref().is_none_or(|(have, _)| *have != number) {
            *last = Some((number, self.read_bundle(number)?));
        }
        let bundle = last.as_ref().map(|(_, bundle)| bundle);
        let damaged = || LedgerError::Damaged(format!("entry {index} does not read"));
        let leaf = bundle.and_then(|bundle| bundle.leaves.get(at)).and_then(|leaf| Leaf::parse(leaf));
        let leaf = leaf.filter(|leaf| leaf.index == index).ok_or_else(damaged)?;
        // A body that the disk has lost is told as one that cannot be opened.
        let stored = bundle.and_then(|bundle| bundle.bodies.get(at)).cloned().unwrap_or_default();
        Ok((leaf, stored))
    }

    fn read_bundle(&self, number: u64) -> Result<Bundle, LedgerError> {
        let width = self.width_of(number);
        let bytes = self.partial_or_full(&TileName { level: None, index: number, width })?;
        let damaged = || LedgerError::Damaged(format!("bundle {number} of entries does not read"));
        let leaves = bundle_entries(&bytes).filter(|leaves| leaves.len() >= width).ok_or_else(damaged)?;
        let leaves = leaves[..width].iter().map(|leaf| leaf.to_vec()).collect();
        let mut bodies = Vec::with_capacity(width);
        if let Ok(bytes) = self.files.read(&bundle_path(files::BODIES, number)) {
            let mut rest = &bytes[..];
            while let Some((body, _, after)) = stored_bodies::take(rest).filter(|_| bodies.len() < width) {
                bodies.push(body.to_vec());
                rest = after;
            }
        }
        Ok(Bundle { leaves, bodies })
    }

    fn width_of(&self, number: u64) -> usize {
        let left = self.size() - number * TILE_WIDTH as u64;
        usize::try_from(left).map_or(TILE_WIDTH, |left| left.min(TILE_WIDTH))
    }

    /// A partial tile may have gone when its full one came.
    fn partial_or_full(&self, name: &TileName) -> Result<std::sync::Arc<[u8]>, LedgerError> {
        let full = TileName { width: TILE_WIDTH, ..*name };
        self.files
            .read(&name.path())
            .or_else(|_| self.files.read(&full.path()))
            .map_err(|error| io_error(&name.path(), &error))
    }
}

pub(super) fn io_error(path: &str, error: &io::Error) -> LedgerError {
    if error.kind() == io::ErrorKind::NotFound {
        LedgerError::Damaged(format!("{path} is missing"))
    } else {
        LedgerError::Io(format!("{path}: {error}"))
    }
}

impl TileHashes for Reader<'_> {
    type Error = LedgerError;

    fn tile_hash(&self, level: u8, index: u64) -> Result<Hash, LedgerError> {
        let tile = index / TILE_WIDTH as u64;
        let count = self.size().checked_shr(8 * u32::from(level)).unwrap_or(0);
        let left = count - (tile * TILE_WIDTH as u64).min(count);
        let width = usize::try_from(left).map_or(TILE_WIDTH, |left| left.min(TILE_WIDTH));
        let name = TileName { level: Some(level), index: tile, width };
        let bytes = self.partial_or_full(&name)?;
        let hash = tile_hashes(&bytes).and_then(|hashes| hashes.get(place_in_tile(index))).copied();
        hash.ok_or_else(|| LedgerError::Damaged(format!("{} does not read", name.path())))
    }
}
