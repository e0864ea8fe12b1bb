//! The ledger's files: names, modes, the lock, durable writing, and reading from a folder or from memory.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::LedgerError;

/// The latest signed checkpoint.
pub const CHECKPOINT: &str = "checkpoint";
/// The log's public key, one line.
pub const PUBLIC_KEY: &str = "key.pub";
/// The log's private key.
pub(super) const SECRET_KEY: &str = "key";
pub(super) const LOCK: &str = "LOCK";
/// Encrypted bodies, one file per 256 entries.
pub(super) const BODIES: &str = "bodies";
/// Entries that are in no tile yet.
pub(super) const JOURNAL: &str = "journal";
/// Salts and keys by tenant.
pub(super) const TENANTS: &str = "tenants";
/// Public keys of witnesses, and where they are.
pub const WITNESSES: &str = "witnesses";
/// By id of the witness's key: the latest checkpoint that it has cosigned.
pub(super) const WITNESSED: &str = "witnessed";
/// What is being erased right now.
pub(super) const ERASING: &str = "erasing";
/// End of the names of files that are being written.
pub(super) const TEMPORARY: &str = ".new";

/// How long another holder of the lock may take to let it go.
const LOCK_WAIT: Duration = Duration::from_millis(250);

/// Says what an error of the disk at `path` means.
pub(super) fn disk_error(path: &Path, error: &io::Error) -> LedgerError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => LedgerError::Full,
        _ => LedgerError::Io(format!("{}: {error}", path.display())),
    }
}

/// Makes a directory (and those above it) that only its owner may enter; an existing one is left as it is.
pub(super) fn create_directory(directory: &Path) -> Result<(), LedgerError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|error| disk_error(directory, &error))
}

/// Options for our own files: read, write, and for the owner only where one is created.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes the folder's lock, held until the file is dropped (or the process dies).
pub(super) fn lock(directory: &Path) -> Result<File, LedgerError> {
    let path = directory.join(LOCK);
    let file = private().create(true).truncate(false).open(&path).map_err(|error| disk_error(&path, &error))?;
    let give_up = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < give_up => std::thread::sleep(LOCK_WAIT / 50),
            Err(TryLockError::WouldBlock) => return Err(LedgerError::Locked(directory.display().to_string())),
            Err(TryLockError::Error(error)) => return Err(disk_error(&path, &error)),
        }
    }
}

/// Has another process the ledger open for writing?
#[must_use]
pub fn is_in_use(directory: &Path) -> bool {
    let Ok(file) = File::open(directory.join(LOCK)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Makes names created, renamed and removed in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), LedgerError> {
    #[cfg(unix)]
    File::open(directory).and_then(|file| file.sync_all()).map_err(|error| disk_error(directory, &error))?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

/// Writes a file anew and makes its contents durable; its name is durable once its folder is synced.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    let write = || -> io::Result<()> {
        let mut file = private().create(true).truncate(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_data()
    };
    write().map_err(|error| disk_error(path, &error))
}

/// Replaces a file at once and durably: whoever reads it sees the old or the new bytes, after a crash too.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(TEMPORARY);
    let temporary = PathBuf::from(temporary);
    write_synced(&temporary, bytes)?;
    fs::rename(&temporary, path).map_err(|error| disk_error(path, &error))?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// Reads a file; `None` if there is none.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk_error(path, &error)),
    }
}

/// Where a ledger is read from: paths are relative, with `/` between elements.
pub trait Files: Sync {
    /// All files, in order.
    ///
    /// # Errors
    /// Those of the disk.
    fn list(&self) -> io::Result<Vec<String>>;

    /// The bytes of one file.
    ///
    /// # Errors
    /// `NotFound` if there is none, others of the disk.
    fn read(&self, path: &str) -> io::Result<Arc<[u8]>>;
}

/// A folder on disk.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

impl Folder {
    fn collect(&self, below: &str, into: &mut Vec<String>) -> io::Result<()> {
        for entry in fs::read_dir(self.0.join(below))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = if below.is_empty() { name.into_owned() } else { format!("{below}/{name}") };
            if entry.file_type()?.is_dir() {
                self.collect(&path, into)?;
            } else {
                into.push(path);
            }
        }
        Ok(())
    }
}

impl Files for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut paths = Vec::new();
        self.collect("", &mut paths)?;
        paths.sort();
        Ok(paths)
    }

    fn read(&self, path: &str) -> io::Result<Arc<[u8]>> {
        fs::read(self.0.join(path)).map(Arc::from)
    }
}

/// Files held in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemory(pub BTreeMap<String, Arc<[u8]>>);

impl InMemory {
    /// A copy of a folder.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn copy_of(files: &impl Files) -> io::Result<Self> {
        files
            .list()?
            .into_iter()
            .map(|path| files.read(&path).map(|bytes| (path, bytes)))
            .collect::<io::Result<_>>()
            .map(Self)
    }
}

impl Files for InMemory {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }

    fn read(&self, path: &str) -> io::Result<Arc<[u8]>> {
        self.0.get(path).cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }
}
