//! Takes the runtime's libraries out of a wheel, which is a zip.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use zip::ZipArchive;

use super::catalogue::{Platform, WheelFile};
use super::checksum;

/// Unpacks exactly the files that the catalogue names into the empty folder `to`, each verified and synced.
///
/// Hostile archives cannot write elsewhere or without bound: names and sizes come from the catalogue, never from
/// the archive.
pub(super) fn unpack(wheel: &Path, platform: &Platform, to: &Path) -> Result<(), String> {
    let archive = File::open(wheel).map_err(|error| error.to_string());
    let mut archive = ZipArchive::new(archive?).map_err(|error| format!("no readable zip: {error}"))?;
    for file in &platform.files {
        unpack_one(&mut archive, file, to).map_err(|why| format!("`{}`: {why}", file.path))?;
    }
    Ok(())
}

fn unpack_one(archive: &mut ZipArchive<File>, file: &WheelFile, to: &Path) -> Result<(), String> {
    let destination = file.destination().ok_or("has no place to go")?;
    let entry = archive.by_name(&file.path).map_err(|error| error.to_string())?;
    let destination = to.join(destination);
    let (bytes, sha256) = write_and_hash(entry, file.bytes, &destination).map_err(|error| error.to_string())?;
    if bytes == file.bytes && sha256 == file.sha256 {
        return Ok(());
    }
    Err(format!(
        "altered: SHA-256 {sha256} of the first {bytes} bytes, expected {} ({} bytes)",
        file.sha256, file.bytes
    ))
}

fn write_and_hash(entry: impl Read, bytes_max: u64, to: &Path) -> io::Result<(u64, String)> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    let mut out = File::create_new(to)?;
    // One byte more than expected shows that there is more.
    let found = checksum::hash(Tee { from: entry.take(bytes_max + 1), to: &mut out })?;
    out.sync_all()?;
    Ok(found)
}

/// Writes all that is read through it.
struct Tee<'a, R> {
    from: R,
    to: &'a mut File,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.to.write_all(&buffer[..count])?;
        Ok(count)
    }
}
