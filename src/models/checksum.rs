//! Is this file the one in the catalogue?

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// A file much larger than expected is not read to its end only to print its checksum.
const HASHED_BYTES_MAX: u64 = 256 << 20;

/// What a path holds, compared with the catalogue.
#[derive(Debug)]
pub(super) enum State {
    /// Size and SHA-256 agree.
    Good,
    /// Nothing is there.
    Absent,
    /// Something else is there, or it cannot be read; the text says what.
    Bad { found: String },
}

/// Compares the file at `path` with its pin.
pub(super) fn check(path: &Path, bytes: u64, sha256: &str) -> State {
    match describe(path, bytes) {
        Ok(found) if found.bytes == bytes && found.sha256.as_deref() == Some(sha256) => State::Good,
        Ok(found) => State::Bad { found: found.to_string() },
        Err(error) if error.kind() == io::ErrorKind::NotFound => State::Absent,
        Err(error) => State::Bad { found: error.to_string() },
    }
}

/// Compares only the size; enough for what we installed ourselves.
pub(super) fn has_size(path: &Path, bytes: u64) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == bytes)
}

struct Described {
    bytes: u64,
    sha256: Option<String>,
}

impl std::fmt::Display for Described {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.sha256 {
            Some(sha256) => write!(f, "SHA-256 {sha256}, {} bytes", self.bytes),
            None => write!(f, "{} bytes", self.bytes),
        }
    }
}

fn describe(path: &Path, expected_bytes: u64) -> io::Result<Described> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        // A pipe would block, a device would never end.
        return Err(io::Error::other("not a regular file"));
    }
    if metadata.len() > HASHED_BYTES_MAX.max(expected_bytes) {
        return Ok(Described { bytes: metadata.len(), sha256: None });
    }
    let (bytes, sha256) = hash(File::open(path)?.take(HASHED_BYTES_MAX.max(expected_bytes)))?;
    Ok(Described { bytes, sha256: Some(sha256) })
}

/// Length and SHA-256 of all that `reader` gives.
pub(super) fn hash(mut reader: impl Read) -> io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok((bytes, hex(&hasher.finalize())));
        }
        hasher.update(&buffer[..count]);
        bytes += count as u64;
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn states_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        assert!(matches!(check(&path, 3, ABC), State::Absent));
        std::fs::write(&path, "abc").unwrap();
        assert!(matches!(check(&path, 3, ABC), State::Good));
        assert!(matches!(check(&path, 4, ABC), State::Bad { .. }));
        std::fs::write(&path, "abd").unwrap();
        let State::Bad { found } = check(&path, 3, ABC) else { panic!("an altered file passed") };
        assert!(found.contains("a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9"), "{found}");
        assert!(matches!(check(dir.path(), 3, ABC), State::Bad { .. }));
    }
}
