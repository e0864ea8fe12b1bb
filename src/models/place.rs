//! Putting files into the data directory: whole or not at all, also when several processes do it at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::event::{Event, Report};

const PARTIAL: &str = ".partial";
const STAGING_PREFIX: &str = ".setup-";
/// What a killed process left is removed when it is older than any set-up can last.
const STALE_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder of our own beside the final place, removed with all it holds when dropped.
///
/// INVARIANT (whole or not at all): files are written here, verified and synced, and only then renamed to their
/// final names on the same file system.
pub(super) struct Staging {
    dir: PathBuf,
}

impl Staging {
    pub(super) fn inside(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        remove_stale(parent);
        let dir = parent.join(format!("{STAGING_PREFIX}{}", Uuid::new_v4().simple()));
        fs::create_dir(&dir)?;
        Ok(Self { dir })
    }

    pub(super) fn path(&self) -> &Path {
        &self.dir
    }

    /// Gives a synced file its final name; an older file there is replaced.
    pub(super) fn publish_file(&self, name: &str, to: &Path) -> io::Result<()> {
        fs::rename(self.dir.join(name), to)?;
        sync_parent(to)
    }

    /// Gives a folder its final name; what is there already is replaced.
    pub(super) fn publish_dir(&self, name: &str, to: &Path) -> io::Result<()> {
        if to.symlink_metadata().is_ok() {
            // A folder cannot be renamed onto a full one; the old one goes the way of the staging folder.
            fs::rename(to, self.dir.join("replaced"))?;
        }
        fs::rename(self.dir.join(name), to)?;
        sync_parent(to)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::debug!(path = %self.dir.display(), %error, "a staging folder was left behind");
        }
    }
}

fn remove_stale(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(STAGING_PREFIX));
        let age =
            entry.metadata().and_then(|metadata| metadata.modified()).map(|at| SystemTime::now().duration_since(at));
        if is_ours && matches!(age, Ok(Ok(age)) if age > STALE_AFTER) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Where a download goes until it is whole, so that a broken one can be gone on with: only whoever has the lock uses it.
pub(super) fn partial(data_dir: &Path, sha256: &str) -> io::Result<PathBuf> {
    let dir = data_dir.join("models").join(PARTIAL);
    fs::create_dir_all(&dir)?;
    Ok(dir.join(sha256))
}

/// Gives a synced file its final name, in a folder that may not be there yet; an older file there is replaced.
pub(super) fn publish(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Writes `bytes` at `to`, whole or not at all.
pub(super) fn write(to: &Path, bytes: &[u8]) -> io::Result<()> {
    let staging = Staging::inside(to.parent().unwrap_or(to))?;
    let mut file = File::create(staging.path().join("new"))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    staging.publish_file("new", to)
}

/// Makes a rename durable; without effect where folders cannot be synced.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        // A name without a folder lies in the one where we are.
        Some(parent) if parent.as_os_str().is_empty() => sync_parent(&Path::new(".").join(path)),
        Some(parent) if cfg!(unix) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// One process at a time fetches into `data_dir`, so that the others need not fetch the same again.
///
/// Waits for as long as the other one works. Where the file system has no locks we go on without: renames keep
/// the result whole, only the work is done twice.
pub(super) fn lock(data_dir: &Path, report: &Report<'_>) -> io::Result<File> {
    fs::create_dir_all(data_dir)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(data_dir.join(".setup.lock"))?;
    if file.try_lock().is_err() {
        report(&Event::Waiting);
        if let Err(error) = file.lock() {
            tracing::debug!(%error, "no file locks here");
        }
    }
    Ok(file)
}
