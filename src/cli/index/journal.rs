//! Which pictures were indexed before: a file for each collection, one line for each picture.
//!
//! A line is the SHA-256 of path, size, time of change and settings: a picture that changed has another
//! key, and the journal tells nobody which pictures there were. The first line names the collection and its
//! creation time, so that the journal of a collection that was deleted and made again is not believed.
//! Losing lines is harmless, because indexing a picture again enrols the same face ids.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest as _, Sha256};

use crate::cli::failure::Failure;
use crate::gallery::CollectionId;

const FOLDER: &str = "index-journal";

/// A picture file in one state, indexed with certain settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::cli) struct PictureKey([u8; 32]);

impl PictureKey {
    /// `None` when the file's size or time cannot be had; such a picture is indexed each time.
    pub(super) fn of(path: &Path, settings: &str) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let modified_ns = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        let mut hash = Sha256::new();
        for part in [settings.as_bytes(), path.as_os_str().as_encoded_bytes()] {
            // Lengths first, so that no two different lists of parts hash the same bytes.
            hash.update(u64::try_from(part.len()).ok()?.to_le_bytes());
            hash.update(part);
        }
        hash.update(metadata.len().to_le_bytes());
        hash.update(modified_ns.to_le_bytes());
        Some(Self(hash.finalize().into()))
    }

    fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads 64 hexadecimal digits; `None` for a line that a crash cut short.
    fn from_hex(text: &str) -> Option<Self> {
        let mut key = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(key))
    }
}

/// An open journal.
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    keys: HashSet<PictureKey>,
}

impl Journal {
    /// Opens the journal of a collection created at `created_ms`, or starts it.
    pub(super) fn open(data_dir: &Path, id: &CollectionId, created_ms: i64) -> Result<Self, Failure> {
        let path = path_of(data_dir, id);
        Self::open_file(&path, &format!("trombi index journal 1 {id} {created_ms}"))
            .map_err(|error| failure(&path, &error))
    }

    fn open_file(path: &Path, header: &str) -> io::Result<Self> {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let believed = lines.next() == Some(header);
        let keys = if believed {
            lines.filter_map(PictureKey::from_hex).collect()
        } else {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{header}")?;
            HashSet::new()
        };
        file.seek(SeekFrom::End(0))?;
        // A crash may have cut the last line: close it, so that the next key has its own.
        if believed && bytes.last() != Some(&b'\n') {
            writeln!(file)?;
        }
        Ok(Self { file, path: path.to_path_buf(), keys })
    }

    pub(super) fn contains(&self, key: PictureKey) -> bool {
        self.keys.contains(&key)
    }

    /// Writes one line. It reaches the disk when the system likes: a lost line only costs time.
    pub(super) fn add(&mut self, key: PictureKey) -> Result<(), Failure> {
        if self.keys.insert(key) {
            let line = format!("{}\n", key.to_hex());
            self.file.write_all(line.as_bytes()).map_err(|error| failure(&self.path, &error))?;
        }
        Ok(())
    }
}

/// The names of collections differ by case and may be as long as a file name: their hash names the file.
fn path_of(data_dir: &Path, id: &CollectionId) -> PathBuf {
    let hash: [u8; 32] = Sha256::digest(id.as_str().as_bytes()).into();
    let short: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    data_dir.join(FOLDER).join(format!("{short}.txt"))
}

/// Removes the journal of a deleted collection.
pub(in crate::cli) fn forget(data_dir: &Path, id: &CollectionId) -> Result<(), Failure> {
    let path = path_of(data_dir, id);
    gone(fs::remove_file(&path), &path)
}

/// Removes every journal of a data directory.
pub(in crate::cli) fn forget_all(data_dir: &Path) -> Result<(), Failure> {
    let path = data_dir.join(FOLDER);
    gone(fs::remove_dir_all(&path), &path)
}

fn gone(removed: io::Result<()>, path: &Path) -> Result<(), Failure> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure(path, &error)),
        _ => Ok(()),
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::other(format!("cannot write the index journal `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staff() -> CollectionId {
        CollectionId::parse("staff").unwrap()
    }

    fn key(n: u8) -> PictureKey {
        PictureKey([n; 32])
    }

    #[test]
    fn pictures_are_remembered_across_runs() {
        let dir = tempfile::tempdir().unwrap();
        Journal::open(dir.path(), &staff(), 7).unwrap().add(key(1)).unwrap();
        let mut again = Journal::open(dir.path(), &staff(), 7).unwrap();
        again.add(key(2)).unwrap();
        drop(again);
        let journal = Journal::open(dir.path(), &staff(), 7).unwrap();
        assert!(journal.contains(key(1)) && journal.contains(key(2)) && !journal.contains(key(3)));
    }

    #[test]
    fn a_collection_made_again_starts_afresh() {
        let dir = tempfile::tempdir().unwrap();
        Journal::open(dir.path(), &staff(), 7).unwrap().add(key(1)).unwrap();
        assert!(!Journal::open(dir.path(), &staff(), 8).unwrap().contains(key(1)));
        assert!(!Journal::open(dir.path(), &staff(), 7).unwrap().contains(key(1)));
    }

    #[test]
    fn a_line_cut_by_a_crash_is_ignored_and_the_next_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), &staff(), 7).unwrap();
        journal.add(key(1)).unwrap();
        journal.add(key(2)).unwrap();
        drop(journal);
        let path = path_of(dir.path(), &staff());
        let length = fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 10).unwrap();
        let mut journal = Journal::open(dir.path(), &staff(), 7).unwrap();
        assert!(journal.contains(key(1)) && !journal.contains(key(2)));
        journal.add(key(3)).unwrap();
        drop(journal);
        let journal = Journal::open(dir.path(), &staff(), 7).unwrap();
        assert!(journal.contains(key(1)) && journal.contains(key(3)));
    }

    #[test]
    fn a_changed_file_and_other_settings_have_other_keys() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.jpg");
        fs::write(&file, "one").unwrap();
        let before = PictureKey::of(&file, "s").unwrap();
        assert_eq!(PictureKey::of(&file, "s"), Some(before));
        assert_ne!(PictureKey::of(&file, "t"), Some(before));
        fs::write(&file, "more").unwrap();
        assert_ne!(PictureKey::of(&file, "s"), Some(before));
        assert_eq!(PictureKey::of(&dir.path().join("b.jpg"), "s"), None);
    }

    #[test]
    fn forgetting_what_never_was_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        forget(dir.path(), &staff()).unwrap();
        forget_all(dir.path()).unwrap();
        drop(Journal::open(dir.path(), &staff(), 7).unwrap());
        forget(dir.path(), &staff()).unwrap();
        assert!(!path_of(dir.path(), &staff()).exists());
    }

    #[test]
    fn collections_that_differ_by_case_have_their_own_journals() {
        let upper = CollectionId::parse("Staff").unwrap();
        let names = [staff(), upper].map(|id| path_of(Path::new("d"), &id).to_string_lossy().to_lowercase());
        assert_ne!(names[0], names[1]);
    }
}
