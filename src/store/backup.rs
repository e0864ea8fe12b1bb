//! Backup: everything in one file, and back. `docs/store-format.md` has the layout.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use sha2::{Digest, Sha256};

use super::segments::SegmentId;
use super::{Store, StoreError, collections, files, schema};

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
    /// Of disk only.
    pub fn backup(&self, file: &Path) -> Result<(), StoreError> {
        let writer = self.writer();
        let mut names = vec![files::DATABASE.to_owned()];
        names.extend(collections::all(&writer.connection)?.iter().map(|entry| segment_name(entry.shape.id)));
        {
            let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            // INVARIANT (whole database): with an empty log and the writer held, the database file is everything.
            schema::truncate_wal(&writer.connection)?;
        }
        let partial = with_suffix(file, ".partial");
        let written = write_backup(&self.directory, &names, &partial)
            .and_then(|()| fs::rename(&partial, file).map_err(|error| files::disk_error(file, &error)));
        if written.is_err() {
            let _ = fs::remove_file(&partial); // the first error is the one to tell
        }
        written?;
        files::sync_directory(parent(file))
    }

    /// Makes a new data directory from a backup file, after verifying its checksum.
    ///
    /// # Errors
    /// `Exists` when the directory holds a store already, `Damaged` when the file's checksum is wrong.
    pub fn restore(file: &Path, directory: &Path) -> Result<(), StoreError> {
        let entries = verify(file)?;
        files::create_directory(directory)?;
        let _lock = files::lock(directory)?;
        let unfinished = directory.join(UNFINISHED);
        let fails = |error: io::Error| files::disk_error(directory, &error);
        if unfinished.exists() {
            // An earlier restore was cut off before its last step, so everything here is its own.
            fs::remove_dir_all(&unfinished).map_err(fails)?;
        }
        if files::database(directory).exists() || is_filled(&files::vectors(directory)) {
            return Err(StoreError::Exists);
        }
        let extracted = extract(file, &entries, &unfinished).and_then(|()| put_in_place(directory, &unfinished));
        if extracted.is_err() {
            let _ = fs::remove_dir_all(&unfinished); // the first error is the one to tell
        }
        extracted
    }
}

/// Refuses a directory in which a restore was cut off.
pub(super) fn refuse_unfinished_restore(directory: &Path) -> Result<(), StoreError> {
    if directory.join(UNFINISHED).exists() {
        let what = format!("{UNFINISHED}: a restore was interrupted; run it again");
        return Err(StoreError::Damaged(what));
    }
    Ok(())
}

struct Item {
    name: String,
    bytes: u64,
}

fn write_backup(directory: &Path, names: &[String], target: &Path) -> Result<(), StoreError> {
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
        let source = File::open(&path).map_err(|error| files::disk_error(&path, &error))?;
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

/// Moves vectors, then records: while the unfinished folder is there, the directory is not opened.
fn put_in_place(directory: &Path, unfinished: &Path) -> Result<(), StoreError> {
    let fails = |error: io::Error| files::disk_error(directory, &error);
    let vectors = files::vectors(directory);
    if vectors.exists() {
        fs::remove_dir(&vectors).map_err(fails)?; // empty, as checked
    }
    fs::rename(files::vectors(unfinished), &vectors).map_err(fails)?;
    fs::rename(files::database(unfinished), files::database(directory)).map_err(fails)?;
    files::sync_directory(directory)?;
    fs::remove_dir(unfinished).map_err(fails)?;
    files::sync_directory(directory)
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
