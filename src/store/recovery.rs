//! What opening repairs: whatever a crash left between a segment file and the database.
//!
//! Cost: one look at each segment's header and length, and at its free slots; not at the faces.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::codes::{self, CodeFile};
use super::collections::{self, Entry};
use super::segments::{Segment, SegmentId};
use super::{StoreError, files, natural, sql_number};

/// Overwrites vectors nobody refers to, and removes segments of collections that are gone or never came to be.
pub(super) fn repair(directory: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    let entries = collections::all(connection)?;
    let known: HashSet<SegmentId> = entries.iter().map(|entry| entry.shape.id).collect();
    for entry in &entries {
        repair_segment(directory, connection, entry)?;
    }
    let dropped = dropped_segments(connection)?;
    for id in segments_in(directory)?.into_iter().filter(|id| !known.contains(id)) {
        // Only an empty file can be left by a crash without the database knowing of it.
        if !dropped.contains(&id) && fs::metadata(id.path(directory)).is_ok_and(|file| file.len() > 512) {
            let name = id.file_name();
            return Err(StoreError::Damaged(format!("vectors/{name}: belongs to no collection; move it away")));
        }
        Segment::destroy(directory, id)?;
    }
    // Left by a crash in the middle of removing both.
    for id in files_in(directory, codes::id_from_file_name)?.into_iter().filter(|id| !known.contains(id)) {
        codes::destroy(directory, id)?;
    }
    connection.execute("DELETE FROM dropped_segments", [])?;
    Ok(())
}

fn repair_segment(directory: &Path, sql: &Connection, entry: &Entry) -> Result<(), StoreError> {
    let mut segment = Segment::open(directory, entry.shape.clone())?;
    segment.check_length(entry.slot_count)?;
    let mut unwiped = Vec::new();
    let free = free_slots(sql, entry)?;
    match CodeFile::open(directory, &entry.shape) {
        Ok(None) => {}
        Ok(Some(codes)) => codes.wipe(&free)?,
        Err(StoreError::Damaged(what)) => {
            tracing::warn!(%what, "codes are worth nothing and are made anew");
            codes::destroy(directory, entry.shape.id)?;
        }
        Err(other) => return Err(other),
    }
    for slot in free {
        let Some(face_id) = segment.occupant(slot)? else { continue };
        // A damaged list of free slots must not cost a face its vector.
        let mut owner = sql.prepare_cached("SELECT slot FROM faces WHERE collection = ?1 AND face_id = ?2")?;
        let owned: Option<i64> =
            owner.query_row(params![entry.key, face_id.0.as_bytes()], |row| row.get(0)).optional()?;
        if owned == Some(sql_number(slot)?) {
            return Err(StoreError::Damaged(format!("{}: slot {slot} is both free and in use", files::DATABASE)));
        }
        unwiped.push(slot);
    }
    if !unwiped.is_empty() {
        segment.wipe(&unwiped)?;
    }
    segment.cut(entry.slot_count)
}

/// Numbers of the slots that no face has, in rising order.
pub(super) fn free_slots(sql: &Connection, entry: &Entry) -> Result<Vec<u64>, StoreError> {
    let mut statement = sql.prepare("SELECT slot FROM free_slots WHERE collection = ?1 ORDER BY slot")?;
    let mut rows = statement.query([entry.key])?;
    let mut slots = Vec::new();
    while let Some(row) = rows.next()? {
        let slot = natural(row.get(0)?, "a free slot")?;
        if slot >= entry.slot_count {
            return Err(StoreError::Damaged(format!("{}: free slot {slot} is beyond the last", files::DATABASE)));
        }
        slots.push(slot);
    }
    Ok(slots)
}

fn dropped_segments(sql: &Connection) -> Result<HashSet<SegmentId>, StoreError> {
    let mut statement = sql.prepare("SELECT segment FROM dropped_segments")?;
    let rows = statement.query_map([], |row| Ok(SegmentId(Uuid::from_bytes(row.get(0)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Segments' files; others are left alone.
pub(super) fn segments_in(directory: &Path) -> Result<Vec<SegmentId>, StoreError> {
    files_in(directory, SegmentId::from_file_name)
}

/// Files beside the segments whose names `read` understands.
fn files_in(directory: &Path, read: fn(&str) -> Option<SegmentId>) -> Result<Vec<SegmentId>, StoreError> {
    let folder = files::vectors(directory);
    let fails = |error: std::io::Error| files::disk_error(&folder, &error);
    let mut ids = Vec::new();
    for item in fs::read_dir(&folder).map_err(fails)? {
        let name = item.map_err(fails)?.file_name();
        ids.extend(name.to_str().and_then(read));
    }
    Ok(ids)
}
