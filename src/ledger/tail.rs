//! The end of the log on disk: turns written entries into tiles, bundles, bodies and a checkpoint.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::LedgerError;
use super::checkpoint::{Checkpoint, SignedCheckpoint};
use super::files;
use super::leaf::Leaf;
use super::note::{Note, SecretKey};
use super::stored_bodies;
use super::tiles::{TileName, bundle_entries, bundle_path, push_entry, tile_bytes, tile_hashes};
use super::tree::{Edge, FullTile, Hash, TILE_WIDTH, partial_width, place_in_tile};

/// An entry on its way to the tiles.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) leaf: Vec<u8>,
    pub(super) hash: Hash,
    pub(super) body: Vec<u8>,
}

/// What the next checkpoint continues.
pub(super) struct Tail {
    directory: PathBuf,
    edge: Edge,
    /// The bundle of entries that is not full yet, as bytes.
    bundle: Vec<u8>,
    /// Length of the file of bodies that is not full yet.
    bodies_bytes: u64,
    /// Levels whose partial tile on disk may differ from that of the edge.
    stale: BTreeSet<usize>,
    /// Folders with new names.
    unsynced: BTreeSet<PathBuf>,
    /// Files and folders that full tiles have made needless.
    needless: Vec<PathBuf>,
}

impl Tail {
    /// The tail of a ledger that has no checkpoint yet.
    pub(super) fn empty(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            edge: Edge::default(),
            bundle: Vec::new(),
            bodies_bytes: 0,
            stale: BTreeSet::new(),
            unsynced: BTreeSet::new(),
            needless: Vec::new(),
        }
    }

    /// Reads the right edge of the tree and holds it against the checkpoint.
    pub(super) fn open(directory: &Path, checkpoint: &Checkpoint) -> Result<Self, LedgerError> {
        let size = checkpoint.size;
        let mut levels = Vec::new();
        while size.checked_shr(8 * u32::try_from(levels.len()).unwrap_or(u32::MAX)).unwrap_or(0) > 0 {
            levels.push(read_partial(directory, size, levels.len())?);
        }
        let edge = Edge::from_partial_tiles(size, levels)
            .ok_or_else(|| LedgerError::Damaged("tiles are not those of the checkpoint's size".to_owned()))?;
        if edge.root() != checkpoint.root {
            return Err(LedgerError::Damaged("tiles do not have the checkpoint's root".to_owned()));
        }
        let width = partial_width(size, 0);
        let index = size / TILE_WIDTH as u64;
        let bundle = if width == 0 { Vec::new() } else { read_bundle(directory, index, width)? };
        let path = directory.join(bundle_path(files::BODIES, index));
        let bodies = files::read_if_there(&path)?.unwrap_or_default();
        let bodies_bytes = stored_bodies::length_of(&bodies, width)
            .ok_or_else(|| LedgerError::Damaged(format!("{} lacks bodies", path.display())))?;
        Ok(Self { edge, bundle, bodies_bytes: bodies_bytes as u64, ..Self::empty(directory) })
    }

    /// Entries in the tiles.
    pub(super) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Writes `entries` behind those in the tiles, all of it durable when this returns; the checkpoint is not yet.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        let mut bodies = Vec::new();
        let mut full = Vec::new();
        for entry in entries {
            let index = self.edge.size() / TILE_WIDTH as u64;
            push_entry(&mut self.bundle, &entry.leaf);
            stored_bodies::push(&mut bodies, &entry.body);
            self.edge.push(entry.hash, &mut full);
            self.stale.insert(0);
            if !full.is_empty() {
                self.finish_bundle(index, &bodies)?;
                bodies.clear();
                full.drain(..).try_for_each(|tile| self.finish_tile(&tile))?;
            }
        }
        if !bodies.is_empty() {
            self.append_bodies(self.edge.size() / TILE_WIDTH as u64, &bodies)?;
        }
        self.write_partials()?;
        std::mem::take(&mut self.unsynced).iter().try_for_each(|folder| files::sync_directory(folder))
    }

    fn finish_bundle(&mut self, index: u64, bodies: &[u8]) -> Result<(), LedgerError> {
        let bundle = std::mem::take(&mut self.bundle);
        self.write(&TileName { level: None, index, width: TILE_WIDTH }, &bundle)?;
        self.append_bodies(index, bodies)?;
        self.bodies_bytes = 0;
        Ok(())
    }

    fn finish_tile(&mut self, tile: &FullTile) -> Result<(), LedgerError> {
        self.stale.insert(usize::from(tile.level) + 1);
        let name = TileName { level: Some(tile.level), index: tile.index, width: TILE_WIDTH };
        self.write(&name, &tile_bytes(&tile.hashes))
    }

    fn append_bodies(&mut self, index: u64, bodies: &[u8]) -> Result<(), LedgerError> {
        use std::io::{Seek as _, SeekFrom, Write as _};
        let path = self.directory.join(bundle_path(files::BODIES, index));
        self.prepare_folder(&path)?;
        let write = || -> std::io::Result<()> {
            let mut file = files::private().create(true).truncate(false).open(&path)?;
            // What a crash left behind the last checkpoint is written again.
            file.set_len(self.bodies_bytes)?;
            file.seek(SeekFrom::End(0))?;
            file.write_all(bodies)?;
            file.sync_data()
        };
        write().map_err(|error| files::disk_error(&path, &error))?;
        self.bodies_bytes += bodies.len() as u64;
        Ok(())
    }

    /// Partial tiles of this size. Those of earlier checkpoints stay until their tile is full, as the standard asks.
    fn write_partials(&mut self) -> Result<(), LedgerError> {
        let size = self.edge.size();
        if partial_width(size, 0) > 0 && self.stale.contains(&0) {
            let bundle = std::mem::take(&mut self.bundle);
            let name = TileName { level: None, index: size / TILE_WIDTH as u64, width: partial_width(size, 0) };
            self.write(&name, &bundle)?;
            self.bundle = bundle;
        }
        for level in std::mem::take(&mut self.stale) {
            let Some(hashes) = self.edge.partial_tiles().get(level).filter(|hashes| !hashes.is_empty()) else {
                continue;
            };
            let bytes = tile_bytes(hashes);
            let name =
                TileName { level: u8::try_from(level).ok(), index: size >> (8 * (level + 1)), width: hashes.len() };
            self.write(&name, &bytes)?;
        }
        Ok(())
    }

    fn write(&mut self, name: &TileName, bytes: &[u8]) -> Result<(), LedgerError> {
        let path = self.directory.join(name.path());
        self.prepare_folder(&path)?;
        if name.width == TILE_WIDTH {
            self.needless.push(self.directory.join(format!("{}.p", name.path())));
        }
        files::write_synced(&path, bytes)
    }

    fn prepare_folder(&mut self, path: &Path) -> Result<(), LedgerError> {
        let Some(folder) = path.parent() else { return Ok(()) };
        if !folder.is_dir() {
            files::create_directory(folder)?;
            // Its own name, and those of the folders above that may be new.
            self.unsynced
                .extend(folder.ancestors().skip(1).take_while(|f| f.starts_with(&self.directory)).map(Path::to_owned));
        }
        self.unsynced.insert(folder.to_owned());
        Ok(())
    }

    /// Signs and publishes the checkpoint of what is in the tiles, then removes what full tiles have made needless.
    pub(super) fn publish(&mut self, key: &SecretKey) -> Result<SignedCheckpoint, LedgerError> {
        let checkpoint =
            Checkpoint { origin: key.public().name().to_owned(), size: self.edge.size(), root: self.edge.root() };
        let bytes = checkpoint.sign(key).into_bytes();
        files::replace(&self.directory.join(files::CHECKPOINT), &bytes)?;
        for path in self.needless.drain(..).filter(|path| path.is_dir()) {
            fs::remove_dir_all(&path).map_err(|error| files::disk_error(&path, &error))?;
        }
        let note = Note::parse(&bytes).map_err(|error| LedgerError::Io(error.to_string()))?;
        Ok(SignedCheckpoint { checkpoint, note })
    }
}

/// Removes tiles that reach beyond a tree of `size` entries: a crash came before their checkpoint, and they may be cut
/// short, or hold entries that a power cut took back. What the journal has of them is written again.
pub(super) fn remove_unpublished(directory: &Path, size: u64) -> Result<(), LedgerError> {
    for level in std::iter::once(None).chain((0..8).map(Some)) {
        let count = size >> (8 * u32::from(level.unwrap_or(0)));
        for index in count / TILE_WIDTH as u64.. {
            let name = TileName { level, index, width: TILE_WIDTH };
            let (whole, partials) = (directory.join(name.path()), directory.join(format!("{}.p", name.path())));
            if !whole.exists() && !partials.exists() {
                break;
            }
            remove_beyond(&whole, &partials, count.saturating_sub(index * TILE_WIDTH as u64))?;
        }
    }
    Ok(())
}

/// Leaves of one tile's files those that hold at most `published` hashes or entries.
fn remove_beyond(whole: &Path, partials: &Path, published: u64) -> Result<(), LedgerError> {
    let has_partial = published == 0 || partials.join(published.to_string()).exists();
    if whole.exists() && published < TILE_WIDTH as u64 && has_partial {
        fs::remove_file(whole).map_err(|error| files::disk_error(whole, &error))?;
    }
    if !partials.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(partials).map_err(|error| files::disk_error(partials, &error))? {
        let path = entry.map_err(|error| files::disk_error(partials, &error))?.path();
        let width = path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
        if width.is_none_or(|width| width > published) {
            fs::remove_file(&path).map_err(|error| files::disk_error(&path, &error))?;
        }
    }
    Ok(())
}

/// The first `width` hashes of the tile at the right edge; the full tile serves where the partial one has gone.
fn read_partial(directory: &Path, size: u64, level: usize) -> Result<Vec<Hash>, LedgerError> {
    let width = partial_width(size, level);
    if width == 0 {
        return Ok(Vec::new());
    }
    let name = TileName { level: u8::try_from(level).ok(), index: size >> (8 * (level + 1)), width };
    let bytes = read_partial_or_full(directory, &name)?;
    tile_hashes(&bytes)
        .and_then(|hashes| hashes.get(..width))
        .map(<[Hash]>::to_vec)
        .ok_or_else(|| LedgerError::Damaged(format!("{} is not a tile of {width}", name.path())))
}

fn read_bundle(directory: &Path, index: u64, width: usize) -> Result<Vec<u8>, LedgerError> {
    let name = TileName { level: None, index, width };
    let bytes = read_partial_or_full(directory, &name)?;
    let entries = bundle_entries(&bytes).filter(|entries| entries.len() >= width);
    let entries = entries.ok_or_else(|| LedgerError::Damaged(format!("{} lacks entries", name.path())))?;
    let mut bundle = Vec::new();
    entries[..width].iter().for_each(|entry| push_entry(&mut bundle, entry));
    Ok(bundle)
}

fn read_partial_or_full(directory: &Path, name: &TileName) -> Result<Vec<u8>, LedgerError> {
    let full = TileName { width: TILE_WIDTH, ..*name };
    for name in [*name, full] {
        if let Some(bytes) = files::read_if_there(&directory.join(name.path()))? {
            return Ok(bytes);
        }
    }
    Err(LedgerError::Damaged(format!("{} is missing", name.path())))
}

impl Tail {
    /// The leaf of the last entry in the tiles.
    pub(super) fn last_leaf(&self, directory: &Path) -> Result<Option<Leaf>, LedgerError> {
        let Some(last) = self.edge.size().checked_sub(1) else { return Ok(None) };
        let index = last / TILE_WIDTH as u64;
        let width = place_in_tile(last) + 1;
        let bundle = read_bundle(directory, index, width)?;
        let leaf = bundle_entries(&bundle).and_then(|entries| entries.last().and_then(|entry| Leaf::parse(entry)));
        leaf.map(Some).ok_or_else(|| LedgerError::Damaged(format!("entry {last} does not read")))
    }
}
