//! Backup: everything in one file, and back. `docs/store-format.md` has the layout.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use sha2::{Digest, Sha256};

use super::segments::SegmentId;
use super::{Store, StoreError, collections, files, schema, scrub};
use crate::gallery::CollectionId;

const MAGIC: &[u8; 8] = b"TROMBBAK";
const VERSION: u32 = 1;
const HEADER_BYTES: u64 = 16;
const HASH_BYTES: u64 = 32;
/// Where a restore works until it is complete.
const UNFINISHED: &str = "restore.unfinished";

impl Store {
    /// Writes a consistent copy of everything to one file, which only its owner may read; an older one is replaced.
    ///
    /// Reading goes on meanwhile; writers wait.
    ///
    /// # Errors
    /// Of disk, or when `file` is to lie inside the data directory.
    pub fn backup(&self, file: &Path) -> Result<(), StoreError> {
        self.refuse_own(file)?;
        let writer = self.writer();
        let mut names = vec![files::DATABASE.to_owned()];
        names.extend(collections::all(&writer.connection)?.iter().map(|entry| segment_name(entry.shape.id)));
        {
            let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            // INVARIANT (whole database): with an empty log and the writer held, the database file is everything.
            scrub::settle(&self.directory, &writer.connection, &writer.database)?;
        }
        let partial = with_suffix(file, ".partial");
        let written = write_backup(&self.directory, &writer.database, &names, &partial)
            .and_then(|()| fs::rename(&partial, file).map_err(|error| files::disk_error(file, &error)));
        if written.is_err() {
            let _ = fs::remove_file(&partial); // the first error is the one to tell
        }
        written?;
        files::sync_directory(parent(file))
    }

    /// A backup among the store's own files could replace one of them, and would be lost with them.
    fn refuse_own(&self, file: &Path) -> Result<(), StoreError> {
        let resolved = |path: &Path| path.canonicalize().map_err(|error| files::disk_error(path, &error));
        if resolved(parent(file))?.starts_with(resolved(&self.directory)?) {
            let name = file.display();
            return Err(StoreError::Io(format!("backup `{name}` would lie inside the data directory; name another")));
        }
        Ok(())
    }

    /// Makes a data directory from a backup file: a new one, or one that holds no store yet (fetched networks may
    /// lie there).
    ///
    /// The copy is opened and read in full before anything of it is put in place; a crash leaves either no store, and
    /// then a second restore begins afresh, or all of it.
    ///
    /// # Errors
    /// `Exists` when the directory holds a store already; `Damaged` when the file's checksum is wrong or what it holds
    /// is no whole store; `TooNew`; those of the disk.
    pub fn restore(file: &Path, directory: &Path) -> Result<(), StoreError> {
        let items = verify(file)?;
        files::create_directory(directory)?;
        let _lock = files::lock(directory)?;
        if holds_store(directory) {
            return Err(StoreError::Exists);
        }
        let unfinished = directory.join(UNFINISHED);
        let restored = begin(directory, &unfinished)
            .and_then(|()| extract(file, &items, &unfinished))
            .and_then(|()| judge(&unfinished))
            .and_then(|()| put_in_place(directory, &unfinished));
        if restored.is_err() && !files::database(directory).exists() {
            let _ = clear(directory, &unfinished); // the first error is the one to tell
        }
        restored
    }
}

/// What an interrupted restore means for opening: refused before its records came, cleaned up after.
pub(super) fn finish_restore(directory: &Path) -> Result<(), StoreError> {
    let unfinished = directory.join(UNFINISHED);
    if !unfinished.exists() {
        return Ok(());
    }
    if files::database(directory).exists() {
        return remove(&unfinished);
    }
    let what = format!("{UNFINISHED}: a restore was interrupted; run it again");
    Err(StoreError::Damaged(what))
}

/// Records, a log that would be played into them, or vectors that no unfinished restore left.
fn holds_store(directory: &Path) -> bool {
    let database = files::database(directory);
    let records = ["", "-wal", "-shm", "-journal"].iter().any(|suffix| with_suffix(&database, suffix).exists());
    records || (!directory.join(UNFINISHED).exists() && is_filled(&files::vectors(directory)))
}

/// Removes what an earlier restore left and makes the folder to work in.
///
/// INVARIANT (restore): while there is an unfinished folder and no database, everything in both folders is a restore's.
fn begin(directory: &Path, unfinished: &Path) -> Result<(), StoreError> {
    clear(directory, unfinished)?;
    files::create_directory(&files::vectors(unfinished))?;
    files::sync_directory(directory)
}

/// Undoes a restore whose records are not in place yet; the folder that marks it goes last.
fn clear(directory: &Path, unfinished: &Path) -> Result<(), StoreError> {
    if unfinished.exists() {
        remove(&files::vectors(directory))?;
        files::sync_directory(directory)?;
        remove(unfinished)?;
        files::sync_directory(directory)?;
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(files::disk_error(folder, &error)),
        _ => Ok(()),
    }
}

/// Opens the copy as a store and reads every record and vector; it may be hostile, though its checksum is right.
fn judge(copy: &Path) -> Result<(), StoreError> {
    let store = Store::open(copy)?;
    store.read(schema::check_whole)?;
    let mut after = None;
    loop {
        let collections = store.collections(after.as_ref(), PAGE)?;
        for collection in &collections {
            judge_collection(&store, &collection.id)?;
        }
        let Some(last) = collections.into_iter().next_back() else { break };
        after = Some(last.id);
    }
    store.keys()?;
    store.instance_secret()?;
    drop(store);
    // Closing emptied the write-ahead log, so the database file is everything.
    if with_suffix(&files::database(copy), "-wal").exists() {
        return Err(StoreError::Io("the restored database could not be closed".to_owned()));
    }
    Ok(())
}

fn judge_collection(store: &Store, id: &CollectionId) -> Result<(), StoreError> {
    store.load_vectors(id, &mut |_, _, _| ())?;
    store.tags(id)?;
    let mut after = None;
    while let Some(last) = store.faces(id, after, PAGE, None)?.into_iter().next_back() {
        after = Some(last.face_id);
    }
    let mut after = None;
    while let Some((last, _)) = store.users(id, after.as_ref(), PAGE)?.into_iter().next_back() {
        after = Some(last);
    }
    Ok(())
}

/// Records read at once while judging.
const PAGE: usize = 1000;

struct Item {
    name: String,
    bytes: u64,
}

fn write_backup(directory: &Path, database: &File, names: &[String], target: &Path) -> Result<(), StoreError> {
    let fails = |error: io::Error| files::disk_error(target, &error);
    let file = files::private().create(true).truncate(true).open(target).map_err(fails)?;
    let mut out = Hashing { inner: BufWriter::with_capacity(1 << 20, file), hash: Sha256::new() };
    out.write_all(&header(names.len())?).map_err(fails)?;
    let mut sources = Vec::new();
    for name in names {
        let path = directory.join(name);
        let bytes = fs::metadata(&path).map_err(|error| files::disk_error(&path, &error))?.len();
        out.write_all(&manifest_line(name, bytes)).map_err(fails)?;
        sources.push((path, bytes));
    }
    for (path, bytes) in sources {
        let unreadable = |error: io::Error| files::disk_error(&path, &error);
        let segment;
        let mut source = if path == files::database(directory) {
            database // not opened again, see `scrub::settle`
        } else {
            segment = File::open(&path).map_err(unreadable)?;
            &segment
        };
        source.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        if io::copy(&mut source.take(bytes), &mut out).map_err(fails)? != bytes {
            return Err(StoreError::Damaged(format!("{}: it became shorter", path.display())));
        }
    }
    let Hashing { inner: mut out, hash } = out;
    out.write_all(&hash.finalize()).and_then(|()| out.flush()).map_err(fails)?;
    out.get_ref().sync_all().map_err(fails)
}

fn header(count: usize) -> Result<Vec<u8>, StoreError> {
    let count = u32::try_from(count).map_err(|_| StoreError::Io("too many collections for one backup".to_owned()))?;
    Ok([MAGIC.as_slice(), &VERSION.to_le_bytes(), &count.to_le_bytes()].concat())
}

fn manifest_line(name: &str, bytes: u64) -> Vec<u8> {
    // Our names have at most 44 characters, so one byte holds the length.
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    [&[length], name.as_bytes(), &bytes.to_le_bytes()].concat()
}

/// Verifies the checksum, then reads the manifest.
fn verify(path: &Path) -> Result<Vec<Item>, StoreError> {
    let fails = |error: io::Error| files::disk_error(path, &error);
    let damaged = |what: &str| StoreError::Damaged(format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(fails)?;
    let length = file.metadata().map_err(fails)?.len();
    if length < HEADER_BYTES + HASH_BYTES {
        return Err(damaged("it is too short for a backup"));
    }
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut hashing = Hashing { inner: io::sink(), hash: Sha256::new() };
    io::copy(&mut (&mut reader).take(length - HASH_BYTES), &mut hashing).map_err(fails)?;
    let mut wanted = [0u8; 32];
    reader.read_exact(&mut wanted).map_err(fails)?;
    if hashing.hash.finalize().as_slice() != wanted {
        return Err(damaged("its checksum is wrong"));
    }
    let mut reader = BufReader::new(File::open(path).map_err(fails)?);
    let (items, manifest_bytes) = read_manifest(&mut reader).map_err(|error| damaged(&error.to_string()))?;
    let sum = items.iter().try_fold(manifest_bytes + HASH_BYTES, |sum, item| sum.checked_add(item.bytes));
    if sum != Some(length) {
        return Err(damaged("its manifest does not add up to its length"));
    }
    let mut names = HashSet::new();
    if !items.iter().all(|item| names.insert(item.name.as_str())) {
        return Err(damaged("it holds a file twice"));
    }
    if !names.contains(files::DATABASE) {
        return Err(damaged("it holds no records"));
    }
    Ok(items)
}

fn read_manifest(reader: &mut impl Read) -> io::Result<(Vec<Item>, u64)> {
    let mut head = [0u8; 16];
    reader.read_exact(&mut head)?;
    if head[..8] != *MAGIC {
        return Err(io::Error::other("it is no backup of trombi"));
    }
    let [_, _, _, _, _, _, _, _, v0, v1, v2, v3, n0, n1, n2, n3] = head;
    if u32::from_le_bytes([v0, v1, v2, v3]) != VERSION {
        return Err(io::Error::other("its version is not known"));
    }
    let (mut items, mut bytes_read) = (Vec::new(), HEADER_BYTES);
    for _ in 0..u32::from_le_bytes([n0, n1, n2, n3]) {
        let (mut length, mut size) = ([0u8; 1], [0u8; 8]);
        reader.read_exact(&mut length)?;
        let mut name = vec![0u8; usize::from(length[0])];
        reader.read_exact(&mut name)?;
        reader.read_exact(&mut size)?;
        let name = String::from_utf8(name).ok().filter(|name| is_ours(name));
        let name = name.ok_or_else(|| io::Error::other("it holds a file that is not of a store"))?;
        bytes_read += 9 + name.len() as u64;
        items.push(Item { name, bytes: u64::from_le_bytes(size) });
    }
    Ok((items, bytes_read))
}

/// Only names that a backup writes: nothing may leave the target directory.
fn is_ours(name: &str) -> bool {
    name == files::DATABASE || name.strip_prefix("vectors/").is_some_and(|n| SegmentId::from_file_name(n).is_some())
}

fn extract(backup: &Path, items: &[Item], target: &Path) -> Result<(), StoreError> {
    files::create_directory(&files::vectors(target))?;
    let mut reader = BufReader::with_capacity(1 << 20, File::open(backup).map_err(|e| files::disk_error(backup, &e))?);
    read_manifest(&mut reader).map_err(|error| files::disk_error(backup, &error))?;
    for item in items {
        let path = target.join(&item.name);
        let fails = |error: io::Error| files::disk_error(&path, &error);
        let mut file = files::private().create_new(true).open(&path).map_err(fails)?;
        io::copy(&mut (&mut reader).take(item.bytes), &mut file).map_err(fails)?;
        file.sync_all().map_err(fails)?;
    }
    files::sync_directory(&files::vectors(target))?;
    files::sync_directory(target)
}

/// Moves the vectors, then, in one step, the records that make them a store.
fn put_in_place(directory: &Path, unfinished: &Path) -> Result<(), StoreError> {
    let fails = |error: io::Error| files::disk_error(directory, &error);
    let vectors = files::vectors(directory);
    if vectors.exists() {
        fs::remove_dir(&vectors).map_err(fails)?; // empty, as checked
    }
    fs::rename(files::vectors(unfinished), &vectors).map_err(fails)?;
    files::sync_directory(directory)?;
    fs::rename(files::database(unfinished), files::database(directory)).map_err(fails)?;
    files::sync_directory(directory)?;
    // The store is there. What is left is removed now or by the next opening.
    let _ = remove(unfinished);
    Ok(())
}

fn is_filled(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut items| items.next().is_some())
}

fn segment_name(id: SegmentId) -> String {
    format!("vectors/{}", id.file_name())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn parent(file: &Path) -> &Path {
    file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Hashes what passes.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
