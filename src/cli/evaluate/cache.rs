//! Embeddings of pictures seen before, so that an evaluation that was interrupted, or is made again with other
//! settings, embeds nothing twice.
//!
//! One file for each network, grown at its end: a head of 48 bytes (magic, dimensions, the networks' hash), then
//! records of one length: SHA-256 of the picture's bytes, state, measures, vector, CRC-32. A record that a crash cut
//! short or that was altered ends the reading: it and what follows are made anew.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

const MAGIC: &[u8; 8] = b"trombiE1";
const HEAD_BYTES: usize = 48;

/// SHA-256.
pub(in crate::cli) type Hash = [u8; 32];

/// What was seen in a picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    /// The chosen face as a unit vector, and measures of it.
    Face { vector: Vec<f32>, measures: [f32; MEASURES.len()] },
    /// No face that can be embedded.
    NoFace,
    /// No picture.
    NoPicture,
}

/// Measures of a face, in the order of [`Seen::Face`].
pub(super) const MEASURES: [&str; 4] = ["sharpness", "brightness", "detector confidence", "face width in pixels"];

/// An open cache.
pub(super) struct Cache {
    known: HashMap<Hash, Seen>,
    dimensions: usize,
    /// `None` for one that only lives in memory.
    file: Option<File>,
}

impl Cache {
    /// One that is forgotten at the end.
    pub(super) fn in_memory(dimensions: usize) -> Self {
        Self { known: HashMap::new(), dimensions, file: None }
    }

    /// Opens the file, or begins it. A file of other networks is begun anew.
    pub(super) fn open(path: &Path, networks: &Hash, dimensions: usize) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // Two evaluations at once would write into each other's records.
        file.try_lock().map_err(|_| io::Error::other("another evaluation is using it"))?;
        let head = head(networks, dimensions);
        let (known, whole_bytes) = read(BufReader::new(&file), &head, dimensions)?;
        file.set_len(whole_bytes)?;
        file.seek(SeekFrom::End(0))?;
        if whole_bytes == 0 {
            file.write_all(&head)?;
        }
        Ok(Self { known, dimensions, file: Some(file) })
    }

    pub(super) fn get(&self, picture: &Hash) -> Option<&Seen> {
        self.known.get(picture)
    }

    /// Adds what was seen; on disk when this returns, as far as the system has written it.
    pub(super) fn put(&mut self, picture: Hash, seen: Seen) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(&record(&picture, &seen, self.dimensions))?;
        }
        self.known.insert(picture, seen);
        Ok(())
    }
}

fn head(networks: &Hash, dimensions: usize) -> Vec<u8> {
    let dimensions = u64::try_from(dimensions).unwrap_or(u64::MAX);
    [MAGIC.as_slice(), &dimensions.to_le_bytes(), networks].concat()
}

fn record_bytes(dimensions: usize) -> usize {
    32 + 1 + 4 * (MEASURES.len() + dimensions) + 4
}

fn record(picture: &Hash, seen: &Seen, dimensions: usize) -> Vec<u8> {
    let mut bytes = picture.to_vec();
    bytes.push(match seen {
        Seen::Face { .. } => 1,
        Seen::NoFace => 2,
        Seen::NoPicture => 3,
    });
    let mut numbers = vec![0.0_f32; MEASURES.len() + dimensions];
    if let Seen::Face { vector, measures } = seen {
        numbers[..MEASURES.len()].copy_from_slice(measures);
        numbers[MEASURES.len()..].copy_from_slice(vector);
    }
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The whole records, and how many bytes they and the head take; 0 for another head.
fn read(mut from: impl Read, expected: &[u8], dimensions: usize) -> io::Result<(HashMap<Hash, Seen>, u64)> {
    let mut known = HashMap::new();
    let mut head = [0; HEAD_BYTES];
    if !read_whole(&mut from, &mut head)? || head != *expected {
        return Ok((known, 0));
    }
    let mut bytes = vec![0; record_bytes(dimensions)];
    let mut whole = HEAD_BYTES as u64;
    while read_whole(&mut from, &mut bytes)? {
        let Some((picture, seen)) = parse(&bytes) else { break };
        known.insert(picture, seen);
        whole += bytes.len() as u64;
    }
    Ok((known, whole))
}

/// False at the end, also in the middle of `buffer`.
fn read_whole(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn parse(bytes: &[u8]) -> Option<(Hash, Seen)> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (picture, rest) = body.split_first_chunk::<32>()?;
    let (state, numbers) = rest.split_first()?;
    let mut numbers = numbers.chunks_exact(4).map(|chunk| f32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]));
    let seen = match state {
        1 => {
            let measures: Vec<f32> = numbers.by_ref().take(MEASURES.len()).collect();
            Seen::Face { measures: measures.try_into().ok()?, vector: numbers.collect() }
        }
        2 => Seen::NoFace,
        3 => Seen::NoPicture,
        _ => return None,
    };
    Some((*picture, seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORKS: Hash = [7; 32];

    fn face(n: u8) -> Seen {
        Seen::Face { vector: vec![f32::from(n), 0.5, -1.0], measures: [1.0, 2.0, 3.0, f32::from(n)] }
    }

    fn fill(path: &Path) {
        let mut cache = Cache::open(path, &NETWORKS, 3).unwrap();
        cache.put([1; 32], face(1)).unwrap();
        cache.put([2; 32], Seen::NoFace).unwrap();
        cache.put([3; 32], Seen::NoPicture).unwrap();
    }

    #[test]
    fn what_was_put_is_there_when_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/cache");
        fill(&path);
        let mut cache = Cache::open(&path, &NETWORKS, 3).unwrap();
        assert_eq!(cache.get(&[1; 32]), Some(&face(1)));
        assert_eq!(cache.get(&[2; 32]), Some(&Seen::NoFace));
        assert_eq!(cache.get(&[3; 32]), Some(&Seen::NoPicture));
        assert!(Cache::open(&path, &NETWORKS, 3).is_err(), "two at once");
        cache.put([4; 32], face(4)).unwrap();
        drop(cache);
        assert_eq!(Cache::open(&path, &NETWORKS, 3).unwrap().get(&[4; 32]), Some(&face(4)));
    }

    #[test]
    fn other_networks_find_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache");
        fill(&path);
        assert_eq!(Cache::open(&path, &[8; 32], 3).unwrap().get(&[1; 32]), None);
        fill(&path);
        assert_eq!(Cache::open(&path, &NETWORKS, 4).unwrap().get(&[1; 32]), None);
    }

    #[test]
    fn a_file_cut_anywhere_or_altered_keeps_what_came_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache");
        fill(&path);
        let whole = fs::read(&path).unwrap();
        let record = record_bytes(3);
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut cache = Cache::open(&path, &NETWORKS, 3).unwrap();
            assert_eq!(cache.known.len(), length.saturating_sub(HEAD_BYTES) / record, "{length}");
            // It goes on from there.
            cache.put([9; 32], face(9)).unwrap();
            drop(cache);
            assert_eq!(Cache::open(&path, &NETWORKS, 3).unwrap().get(&[9; 32]), Some(&face(9)));
        }
        for place in HEAD_BYTES..whole.len() {
            let mut altered = whole.clone();
            altered[place] ^= 1;
            fs::write(&path, &altered).unwrap();
            assert_eq!(Cache::open(&path, &NETWORKS, 3).unwrap().known.len(), (place - HEAD_BYTES) / record);
        }
    }
}
