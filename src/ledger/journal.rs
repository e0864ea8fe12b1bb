//! The journal: entries that are answered, or about to be, and in no tile yet.
//!
//! A file `journal/<n>` is a row of frames: length of leaf and of body (16 bit each, big-endian), leaf, stored body,
//! CRC-32 of all that. A crash can only leave a beginning of what was written, so a last frame that is cut short was
//! not answered and is dropped; any other frame that does not read is damage.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LedgerError;
use super::files;

const LENGTHS: usize = 4;
const CHECKSUM: usize = 4;

/// Appends a frame.
pub(super) fn push_frame(frames: &mut Vec<u8>, leaf: &[u8], body: &[u8]) {
    let start = frames.len();
    for part in [leaf, body] {
        frames.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
    }
    frames.extend_from_slice(leaf);
    frames.extend_from_slice(body);
    let checksum = crc32fast::hash(&frames[start..]);
    frames.extend_from_slice(&checksum.to_be_bytes());
}

/// What the bytes of a journal file hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frames<'a> {
    /// Leaf and stored body of each whole frame.
    pub(super) entries: Vec<(&'a [u8], &'a [u8])>,
    /// Bytes they take.
    pub(super) good_bytes: usize,
    /// What follows them.
    pub(super) rest: Rest,
}

/// What follows the last whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing.
    Nothing,
    /// The beginning of a frame, or zeroes that a power cut left.
    Torn,
    /// A frame that was whole and is not what was written.
    Damaged,
}

/// Reads the frames of a journal file.
pub(super) fn frames(bytes: &[u8]) -> Frames<'_> {
    let (mut entries, mut rest) = (Vec::new(), bytes);
    loop {
        let good_bytes = bytes.len() - rest.len();
        let ended = |rest| Frames { entries: Vec::new(), good_bytes, rest };
        let ending = match take_frame(rest) {
            Ok(None) => ended(Rest::Nothing),
            Err(rest) => ended(rest),
            Ok(Some((leaf, body, after))) => {
                entries.push((leaf, body));
                rest = after;
                continue;
            }
        };
        return Frames { entries, ..ending };
    }
}

/// Does a whole frame of an entry begin anywhere in `bytes`? Then what stands before it is damage, not a torn end.
pub(super) fn has_frame(bytes: &[u8]) -> bool {
    (1..bytes.len()).any(|start| {
        let Ok(Some((leaf, _, _))) = take_frame(&bytes[start..]) else { return false };
        super::leaf::Leaf::parse(leaf).is_some()
    })
}

type Frame<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn take_frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, Rest> {
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(Rest::Torn);
    }
    let Some(lengths) = bytes.first_chunk::<LENGTHS>() else { return Err(Rest::Torn) };
    let leaf_length = usize::from(u16::from_be_bytes([lengths[0], lengths[1]]));
    let body_length = usize::from(u16::from_be_bytes([lengths[2], lengths[3]]));
    let summed = LENGTHS + leaf_length + body_length;
    let Some((frame, after)) = bytes.split_at_checked(summed + CHECKSUM) else { return Err(Rest::Torn) };
    let (frame, checksum) = frame.split_at(summed);
    if crc32fast::hash(frame).to_be_bytes() != checksum {
        return Err(Rest::Damaged);
    }
    let (leaf, body) = frame[LENGTHS..].split_at(leaf_length);
    Ok(Some((leaf, body, after)))
}

/// A journal file that is being written.
pub(super) struct Journal {
    pub(super) file: Arc<File>,
    path: PathBuf,
    length: u64,
}

impl Journal {
    /// A new, empty file whose name is durable.
    pub(super) fn create(directory: &Path, number: u64) -> Result<Self, LedgerError> {
        let path = directory.join(number.to_string());
        let file = files::private().create_new(true).open(&path).map_err(|error| files::disk_error(&path, &error))?;
        files::sync_directory(directory)?;
        Ok(Self { file: Arc::new(file), path, length: 0 })
    }

    /// Appends frames; with `sync`, they survive a power cut when this returns.
    ///
    /// After an error the file is cut to what it was, as far as the disk allows.
    pub(super) fn append(&mut self, frames: &[u8], sync: bool) -> Result<(), LedgerError> {
        let write = |mut file: &File| -> io::Result<()> {
            file.write_all(frames)?;
            if sync { file.sync_data() } else { Ok(()) }
        };
        write(&self.file).map_err(|error| {
            let _ = self.file.set_len(self.length);
            let _ = self.file.sync_data();
            files::disk_error(&self.path, &error)
        })?;
        self.length += frames.len() as u64;
        Ok(())
    }

    /// Removes the file: its entries are in tiles.
    pub(super) fn remove(self) -> Result<(), LedgerError> {
        fs::remove_file(&self.path).map_err(|error| files::disk_error(&self.path, &error))
    }

    pub(super) fn sync(&self) -> Result<(), LedgerError> {
        self.file.sync_data().map_err(|error| files::disk_error(&self.path, &error))
    }
}

/// The numbers of the files in the journal's folder, ascending.
pub(super) fn numbers(directory: &Path) -> Result<Vec<u64>, LedgerError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| files::disk_error(directory, &error))? {
        let name = entry.map_err(|error| files::disk_error(directory, &error))?.file_name();
        let number = name.to_str().and_then(number);
        numbers.push(number.ok_or_else(|| {
            LedgerError::Damaged(format!("`{}` does not belong into {}", name.display(), directory.display()))
        })?);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The number of a journal file's name.
pub(super) fn number(name: &str) -> Option<u64> {
    super::checkpoint::decimal(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Vec<u8> {
        let mut bytes = Vec::new();
        push_frame(&mut bytes, b"leaf", b"body");
        push_frame(&mut bytes, b"another leaf", b"");
        bytes
    }

    #[test]
    fn every_beginning_is_whole_frames_and_a_torn_one() {
        let bytes = two();
        let first = LENGTHS + 8 + CHECKSUM;
        for length in 0..=bytes.len() {
            let read = frames(&bytes[..length]);
            assert_ne!(read.rest, Rest::Damaged, "{length}");
            assert_eq!(read.entries.len(), usize::from(length >= first) + usize::from(length == bytes.len()));
            assert_eq!(read.rest == Rest::Nothing, [0, first, bytes.len()].contains(&length));
        }
    }

    #[test]
    fn any_other_byte_ends_the_frames() {
        let bytes = two();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x11;
            assert!(frames(&other).entries.len() < 2, "byte {at}");
        }
    }
}
