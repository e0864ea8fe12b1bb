//! Overwrites what SQLite leaves behind: `secure_delete` wipes a deleted record, but not the copies that remain in the
//! unused middle of a page when records move to a neighbouring page.
//!
//! INVARIANT (scrubbed): a page gets into the database file through the write-ahead log only, and the log is emptied
//! here only, after each page in it has been scrubbed in the database file. A crash in between leaves the log, so
//! opening does it again.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rusqlite::Connection;

use super::{StoreError, files};

const WAL_HEADER_BYTES: i64 = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// First byte of an index's or table's page; other pages begin with a page number, below 2^24.
const TREE_PAGES: [u8; 4] = [2, 5, 10, 13];
const INTERIOR_PAGES: [u8; 2] = [2, 5];
/// The first page begins with the file's header.
const FILE_HEADER_BYTES: usize = 100;

/// Moves the write-ahead log into the database, scrubs the pages that came, and empties the log; nobody may be reading.
///
/// `database` is the open database file. It stays open as long as any connection: closing one descriptor of a file
/// gives up the locks that SQLite holds on it, and another program could then take the log away.
pub(super) fn settle(directory: &Path, connection: &Connection, database: &File) -> Result<(), StoreError> {
    checkpoint(connection, "FULL")?;
    let page_bytes: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = pages_in_log(directory, usize::try_from(page_bytes).unwrap_or(0))?;
    if !pages.is_empty() {
        let scrubbed = scrub_pages(database, &pages, usize::try_from(page_bytes).unwrap_or(0));
        scrubbed.map_err(|error| files::disk_error(&files::database(directory), &error))?;
    }
    checkpoint(connection, "TRUNCATE")
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<(), StoreError> {
    let busy: i64 = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0))?;
    if busy != 0 {
        return Err(StoreError::Io("the write-ahead log is in use and was not emptied".to_owned()));
    }
    Ok(())
}

/// Numbers (from 1) of the pages that the log's frames hold.
fn pages_in_log(directory: &Path, page_bytes: usize) -> Result<BTreeSet<u32>, StoreError> {
    let path = files::log(directory);
    let fails = |error: io::Error| files::disk_error(&path, &error);
    let mut pages = BTreeSet::new();
    let mut reader = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(pages),
        other => BufReader::with_capacity(1 << 16, other.map_err(fails)?),
    };
    reader.seek_relative(WAL_HEADER_BYTES).map_err(fails)?;
    let mut frame = vec![0u8; FRAME_HEADER_BYTES + page_bytes];
    loop {
        match reader.read_exact(&mut frame) {
            Ok(()) => pages.insert(u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]])),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(pages),
            Err(error) => return Err(fails(error)),
        };
    }
}

fn scrub_pages(mut file: &File, pages: &BTreeSet<u32>, page_bytes: usize) -> io::Result<()> {
    let mut page = vec![0u8; page_bytes];
    let mut changed = false;
    for &number in pages {
        let Some(before) = number.checked_sub(1) else { continue };
        let offset = u64::from(before) * page_bytes as u64;
        file.seek(SeekFrom::Start(offset))?;
        match file.read_exact(&mut page) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => continue, // the database became shorter
            other => other?,
        }
        let Some(unused) = unused(&page, number == 1) else { continue };
        if page[unused.clone()].iter().any(|&byte| byte != 0) {
            // The unused bytes only: whatever is torn here by a crash is not read by anybody.
            file.seek(SeekFrom::Start(offset + unused.start as u64))?;
            file.write_all(&vec![0; unused.len()])?;
            changed = true;
        }
    }
    if changed { file.sync_data() } else { Ok(()) }
}

/// The bytes between the list of cells and the cells of a tree page; `None` for other pages and damaged ones.
/// <https://www.sqlite.org/fileformat2.html#b_tree_pages>
fn unused(page: &[u8], is_first: bool) -> Option<std::ops::Range<usize>> {
    let header = if is_first { FILE_HEADER_BYTES } else { 0 };
    let kind = *page.get(header)?;
    if !TREE_PAGES.contains(&kind) {
        return None;
    }
    let number = |at: usize| Some(usize::from(u16::from_be_bytes([*page.get(at)?, *page.get(at + 1)?])));
    let list = header + if INTERIOR_PAGES.contains(&kind) { 12 } else { 8 };
    let cells = number(header + 3)?;
    let start = list + 2 * cells;
    let end = match number(header + 5)? {
        0 => 65_536,
        end => end,
    };
    let sound = start <= end && end <= page.len();
    let outside = |cell: usize| number(list + 2 * cell).is_some_and(|at| at >= end);
    (sound && (0..cells).all(outside)).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table's leaf of 64 bytes with one cell at 60.
    fn leaf() -> Vec<u8> {
        let mut page = vec![0xAA; 64];
        page[..10].copy_from_slice(&[13, 0, 0, 0, 1, 0, 60, 0, 0, 60]);
        page
    }

    #[test]
    fn unused_bytes_lie_between_list_and_cells() {
        assert_eq!(unused(&leaf(), false), Some(10..60));
        let mut first = vec![0; 100];
        first.extend(leaf());
        first[106] = 160;
        first[109] = 160;
        assert_eq!(unused(&first, true), Some(110..160));
    }

    #[test]
    fn other_and_damaged_pages_are_left_alone() {
        let changed = |at: usize, to: u8| {
            let mut page = leaf();
            page[at] = to;
            unused(&page, false)
        };
        for (at, to) in [(0, 0), (0, 1), (4, 40), (3, 255), (5, 1), (6, 5), (9, 59)] {
            assert_eq!(changed(at, to), None, "byte {at} = {to}");
        }
        assert_eq!(unused(&[], false), None);
        assert_eq!(unused(&[13], false), None);
    }

    #[test]
    fn only_unused_bytes_of_pages_in_the_log_are_overwritten() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[leaf(), leaf(), leaf()].concat()).unwrap();
        scrub_pages(&file, &BTreeSet::from([0, 2, 9]), 64).unwrap();
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let mut scrubbed = leaf();
        scrubbed[10..60].fill(0);
        assert_eq!(bytes, [leaf(), scrubbed, leaf()].concat());
    }
}
