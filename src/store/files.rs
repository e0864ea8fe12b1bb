//! The directory's files: names, modes, the lock, and what errors of the disk mean.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::StoreError;

/// The records.
pub(super) const DATABASE: &str = "trombi.sqlite";
const LOCK: &str = "LOCK";
const VECTORS: &str = "vectors";
/// How long another holder of the lock may take to let it go.
const LOCK_WAIT: Duration = Duration::from_millis(250);

pub(super) fn database(directory: &Path) -> PathBuf {
    directory.join(DATABASE)
}

/// SQLite's write-ahead log.
pub(super) fn log(directory: &Path) -> PathBuf {
    directory.join(format!("{DATABASE}-wal"))
}

pub(super) fn vectors(directory: &Path) -> PathBuf {
    directory.join(VECTORS)
}

/// Says what an error of the disk at `path` means.
pub(super) fn disk_error(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreError::Full,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => {
            StoreError::ReadOnly(path.display().to_string(), error.to_string())
        }
        _ => StoreError::Io(format!("{}: {error}", path.display())),
    }
}

/// Makes a directory (and those above it) that only its owner may enter; an existing one is left as it is.
pub(super) fn create_directory(directory: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(StoreError::ReadOnly(directory.display().to_string(), "it is not a directory".to_owned()))
        }
        other => other.map_err(|error| disk_error(directory, &error)),
    }
}

/// Options for our own files: read, write, and for the owner only where one is created.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes the directory's lock, held until the file is dropped (or the process dies).
pub(super) fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK);
    let file = private().create(true).truncate(false).open(&path).map_err(|error| disk_error(&path, &error))?;
    // A process that is ending, or one just being started by ours, may hold it for a moment.
    let give_up = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < give_up => std::thread::sleep(LOCK_WAIT / 50),
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(directory.display().to_string())),
            Err(TryLockError::Error(error)) => return Err(disk_error(&path, &error)),
        }
    }
}

/// Makes names created, renamed and removed in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    File::open(directory).and_then(|file| file.sync_all()).map_err(|error| disk_error(directory, &error))?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

/// Reads from a place on; fewer bytes at the file's end. Leaves the file's own place alone, so that several may read.
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match piece_at(file, &mut bytes[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(unix)]
fn piece_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(windows)]
fn piece_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
}

/// Writes at a place.
pub(super) fn write_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}
