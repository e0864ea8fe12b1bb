//! Collections and their tags.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::segments::{Segment, SegmentId, SegmentShape};
use super::{CollectionRecord, Store, StoreError, files, natural, sql_limit, sql_number};
use crate::gallery::CollectionId;
use crate::vision::ModelId;

/// What the other methods need of a collection's row.
pub(super) struct Entry {
    pub(super) key: i64,
    pub(super) shape: SegmentShape,
    pub(super) slot_count: u64,
    pub(super) next_seq: i64,
}

const RECORD: &str =
    "SELECT name, model_id, model_version, dimensions, created_ms, face_count, user_count FROM collections";

impl Store {
    /// Creates a collection with tags.
    ///
    /// # Errors
    /// `Exists`.
    pub fn create_collection(
        &self,
        record: &CollectionRecord,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        let id = SegmentId::random();
        let model_id = record.model_id.as_str().to_owned();
        let shape = SegmentShape { id, dimensions: record.dimensions, model_id };
        self.write(|sql| {
            if key_of(sql, &record.id)?.is_some() {
                return Err(StoreError::Exists);
            }
            // Before the commit that names it. A crash between leaves an empty file, which `open` removes.
            Segment::create(&self.directory, shape)?;
            sql.execute(
                "INSERT INTO collections (name, segment, model_id, model_version, dimensions, created_ms) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    record.id.as_str(),
                    id.0.as_bytes(),
                    record.model_id.as_str(),
                    record.model_version,
                    sql_number(record.dimensions as u64)?,
                    record.created_ms
                ],
            )?;
            set_tags(sql, sql.last_insert_rowid(), tags)
        })
    }

    /// One collection's record with current counts.
    ///
    /// # Errors
    /// `Missing`.
    pub fn collection(&self, id: &CollectionId) -> Result<CollectionRecord, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(&format!("{RECORD} WHERE name = ?1"))?;
            let mut rows = statement.query([id.as_str()])?;
            rows.next()?.map_or(Err(StoreError::Missing), record_from_row)
        })
    }

    /// Collections by name, after `after`, at most `limit`.
    ///
    /// # Errors
    /// Of disk only.
    pub fn collections(&self, after: Option<&CollectionId>, limit: usize) -> Result<Vec<CollectionRecord>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(&format!("{RECORD} WHERE name > ?1 ORDER BY name LIMIT ?2"))?;
            let mut rows = statement.query(params![after.map_or("", CollectionId::as_str), sql_limit(limit)])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(record_from_row(row)?);
            }
            Ok(records)
        })
    }

    /// Deletes a collection with its faces, users, tags and vectors.
    ///
    /// # Errors
    /// `Missing`.
    pub fn delete_collection(&self, id: &CollectionId) -> Result<(), StoreError> {
        let segment = self.write_and_forget(|sql| {
            let entry = find(sql, id)?;
            for table in ["faces", "users", "free_slots", "tags"] {
                sql.execute(&format!("DELETE FROM {table} WHERE collection = ?1"), [entry.key])?;
            }
            sql.execute("DELETE FROM collections WHERE id = ?1", [entry.key])?;
            sql.execute("INSERT INTO dropped_segments VALUES (?1)", [entry.shape.id.0.as_bytes()])?;
            Ok(entry.shape.id)
        })?;
        Segment::destroy(&self.directory, segment)?;
        self.write(|sql| Ok(sql.execute("DELETE FROM dropped_segments WHERE segment = ?1", [segment.0.as_bytes()])?))?;
        Ok(())
    }

    /// A collection's tags.
    ///
    /// # Errors
    /// `Missing`.
    pub fn tags(&self, id: &CollectionId) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(|sql| {
            let key = key_of(sql, id)?.ok_or(StoreError::Missing)?;
            let mut statement = sql.prepare_cached("SELECT name, value FROM tags WHERE collection = ?1")?;
            let rows = statement.query_map([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Sets and removes tags in one transaction.
    ///
    /// # Errors
    /// `Missing`.
    pub fn change_tags(
        &self,
        id: &CollectionId,
        set: &BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<(), StoreError> {
        self.write_and_forget(|sql| {
            let key = key_of(sql, id)?.ok_or(StoreError::Missing)?;
            for name in remove {
                sql.execute("DELETE FROM tags WHERE collection = ?1 AND name = ?2", params![key, name])?;
            }
            set_tags(sql, key, set)
        })
    }
}

/// A collection's key in the other tables.
pub(super) fn key_of(sql: &Connection, id: &CollectionId) -> Result<Option<i64>, StoreError> {
    let mut statement = sql.prepare_cached("SELECT id FROM collections WHERE name = ?1")?;
    Ok(statement.query_row([id.as_str()], |row| row.get(0)).optional()?)
}

/// A collection by name; `Missing` without.
pub(super) fn find(sql: &Connection, id: &CollectionId) -> Result<Entry, StoreError> {
    let mut statement = sql.prepare_cached(&format!("{ENTRY} WHERE name = ?1"))?;
    let mut rows = statement.query([id.as_str()])?;
    rows.next()?.map_or(Err(StoreError::Missing), entry_from_row)
}

/// All collections.
pub(super) fn all(sql: &Connection) -> Result<Vec<Entry>, StoreError> {
    let mut statement = sql.prepare(ENTRY)?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry_from_row(row)?);
    }
    Ok(entries)
}

const ENTRY: &str = "SELECT id, segment, dimensions, model_id, slot_count, next_seq FROM collections";

fn entry_from_row(row: &Row<'_>) -> Result<Entry, StoreError> {
    let shape = SegmentShape {
        id: SegmentId(Uuid::from_bytes(row.get(1)?)),
        dimensions: dimensions_from_sql(row.get(2)?)?,
        model_id: row.get(3)?,
    };
    Ok(Entry { key: row.get(0)?, shape, slot_count: natural(row.get(4)?, "a slot count")?, next_seq: row.get(5)? })
}

fn record_from_row(row: &Row<'_>) -> Result<CollectionRecord, StoreError> {
    let name: String = row.get(0)?;
    Ok(CollectionRecord {
        id: CollectionId::parse(&name).ok_or_else(|| damaged("a collection's name"))?,
        model_id: ModelId::new(&row.get::<_, String>(1)?),
        model_version: row.get(2)?,
        dimensions: dimensions_from_sql(row.get(3)?)?,
        created_ms: row.get(4)?,
        face_count: natural(row.get(5)?, "a face count")?,
        user_count: natural(row.get(6)?, "a user count")?,
    })
}

fn dimensions_from_sql(value: i64) -> Result<usize, StoreError> {
    usize::try_from(value).map_err(|_| damaged("a vector length"))
}

fn set_tags(sql: &Connection, key: i64, tags: &BTreeMap<String, String>) -> Result<(), StoreError> {
    for (name, value) in tags {
        sql.execute("INSERT OR REPLACE INTO tags VALUES (?1, ?2, ?3)", params![key, name, value])?;
    }
    Ok(())
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{}: {what} is not valid", files::DATABASE))
}
