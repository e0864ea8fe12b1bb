//! Collections and their tags.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::segments::{Segment, SegmentId, SegmentShape};
use super::{CollectionRecord, Store, StoreError, checksum, files, natural, sql_limit, sql_number};
use crate::gallery::CollectionId;
use crate::vision::ModelId;

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
        let shape = SegmentShape {
            id: SegmentId::random(),
            dimensions: record.dimensions,
            model_id: record.model_id.as_str().to_owned(),
        };
        self.write(|sql| {
            match find(sql, &record.id) {
                Err(StoreError::Missing) => {}
                Ok(_) => return Err(StoreError::Exists),
                Err(other) => return Err(other),
            }
            // Before the commit that names it. A crash between leaves an empty file, which `open` removes.
            Segment::create(&self.directory, &shape)?;
            let id = shape.id;
            let mut entry = Entry {
                key: 0,
                shape,
                face_count: 0,
                user_count: 0,
                next_seq: 1,
                slot_count: 0,
                name: record.id.as_str().to_owned(),
                model_version: record.model_version.clone(),
                created_ms: record.created_ms,
            };
            let recorded = entry.insert(sql).and_then(|()| set_tags(sql, entry.key, tags));
            if recorded.is_err() {
                let _ = Segment::destroy(&self.directory, id); // empty; the first error is the one to tell
            }
            recorded
        })
    }

    /// One collection's record with current counts.
    ///
    /// # Errors
    /// `Missing`.
    pub fn collection(&self, id: &CollectionId) -> Result<CollectionRecord, StoreError> {
        self.read(|sql| find(sql, id)?.record())
    }

    /// Collections by name, after `after`, at most `limit`.
    ///
    /// # Errors
    /// Of disk only.
    pub fn collections(&self, after: Option<&CollectionId>, limit: usize) -> Result<Vec<CollectionRecord>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(&format!("{ENTRY} WHERE name > ?1 ORDER BY name LIMIT ?2"))?;
            let mut rows = statement.query(params![after.map_or("", CollectionId::as_str), sql_limit(limit)])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(entry_from_row(row)?.record()?);
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

    /// Gives collections other names, one after the other in one transaction: `(from, to)`.
    ///
    /// # Errors
    /// `Missing`; `Exists` when a name is taken at that point.
    pub fn rename_collections(&self, renames: &[(CollectionId, CollectionId)]) -> Result<(), StoreError> {
        self.write(|sql| {
            for (from, to) in renames {
                let mut entry = find(sql, from)?;
                match find(sql, to) {
                    Err(StoreError::Missing) => {}
                    Ok(_) => return Err(StoreError::Exists),
                    Err(other) => return Err(other),
                }
                to.as_str().clone_into(&mut entry.name);
                sql.execute("UPDATE collections SET name = ?2 WHERE id = ?1", params![entry.key, entry.name])?;
                entry.save(sql)?; // with the checksum, which covers the name
            }
            Ok(())
        })
    }

    /// A collection's tags.
    ///
    /// # Errors
    /// `Missing`.
    pub fn tags(&self, id: &CollectionId) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(|sql| {
            let key = find(sql, id)?.key;
            let mut statement =
                sql.prepare_cached("SELECT collection, name, value, crc FROM tags WHERE collection = ?1")?;
            let mut rows = statement.query([key])?;
            let mut tags = BTreeMap::new();
            while let Some(row) = rows.next()? {
                checksum::verify("tags", row, 0..3)?;
                tags.insert(row.get(1)?, row.get(2)?);
            }
            Ok(tags)
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
            let key = find(sql, id)?.key;
            for name in remove {
                sql.execute("DELETE FROM tags WHERE collection = ?1 AND name = ?2", params![key, name])?;
            }
            set_tags(sql, key, set)
        })
    }
}

/// A collection's row.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: i64,
    pub(super) shape: SegmentShape,
    pub(super) face_count: u64,
    pub(super) user_count: u64,
    pub(super) next_seq: i64,
    pub(super) slot_count: u64,
    name: String,
    model_version: String,
    created_ms: i64,
}

const TABLE: &str = "collections";
/// Every column in the order of the schema.
const ENTRY: &str = "SELECT id, name, segment, model_id, model_version, dimensions, created_ms, face_count, user_count, \
     next_seq, slot_count, crc FROM collections";

impl Entry {
    /// Writes the counters back.
    pub(super) fn save(&self, sql: &Connection) -> Result<(), StoreError> {
        let [faces, users, slots] = [self.face_count, self.user_count, self.slot_count].map(sql_number);
        let (faces, users, slots) = (faces?, users?, slots?);
        let values = [
            ValueRef::Integer(self.key),
            ValueRef::Text(self.name.as_bytes()),
            ValueRef::Blob(self.shape.id.0.as_bytes()),
            ValueRef::Text(self.shape.model_id.as_bytes()),
            ValueRef::Text(self.model_version.as_bytes()),
            ValueRef::Integer(sql_number(self.shape.dimensions as u64)?),
            ValueRef::Integer(self.created_ms),
            ValueRef::Integer(faces),
            ValueRef::Integer(users),
            ValueRef::Integer(self.next_seq),
            ValueRef::Integer(slots),
        ];
        let crc = checksum::crc(TABLE, values.into_iter());
        sql.prepare_cached(
            "UPDATE collections SET face_count = ?2, user_count = ?3, next_seq = ?4, slot_count = ?5, crc = ?6 \
             WHERE id = ?1",
        )?
        .execute(params![self.key, faces, users, self.next_seq, slots, crc])?;
        Ok(())
    }

    /// Adds to (or takes from) a count that must stay a count.
    pub(super) fn changed(count: u64, change: i64) -> Result<u64, StoreError> {
        count.checked_add_signed(change).ok_or_else(|| damaged("a count"))
    }

    fn insert(&mut self, sql: &Connection) -> Result<(), StoreError> {
        sql.execute(
            "INSERT INTO collections (name, segment, model_id, model_version, dimensions, created_ms, \
             face_count, user_count, next_seq, slot_count, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, 0)",
            params![
                self.name,
                self.shape.id.0.as_bytes(),
                self.shape.model_id,
                self.model_version,
                sql_number(self.shape.dimensions as u64)?,
                self.created_ms
            ],
        )?;
        self.key = sql.last_insert_rowid();
        self.save(sql) // with the checksum, which covers the key
    }

    fn record(self) -> Result<CollectionRecord, StoreError> {
        Ok(CollectionRecord {
            id: CollectionId::parse(&self.name).ok_or_else(|| damaged("a collection's name"))?,
            model_id: ModelId::new(&self.shape.model_id),
            model_version: self.model_version,
            dimensions: self.shape.dimensions,
            created_ms: self.created_ms,
            face_count: self.face_count,
            user_count: self.user_count,
        })
    }
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

fn entry_from_row(row: &Row<'_>) -> Result<Entry, StoreError> {
    checksum::verify(TABLE, row, 0..11)?;
    Ok(Entry {
        key: row.get(0)?,
        shape: SegmentShape {
            id: SegmentId(Uuid::from_bytes(row.get(2)?)),
            dimensions: usize::try_from(row.get::<_, i64>(5)?).map_err(|_| damaged("a vector length"))?,
            model_id: row.get(3)?,
        },
        name: row.get(1)?,
        model_version: row.get(4)?,
        created_ms: row.get(6)?,
        face_count: natural(row.get(7)?, "a face count")?,
        user_count: natural(row.get(8)?, "a user count")?,
        next_seq: row.get(9)?,
        slot_count: natural(row.get(10)?, "a slot count")?,
    })
}

fn set_tags(sql: &Connection, key: i64, tags: &BTreeMap<String, String>) -> Result<(), StoreError> {
    for (name, value) in tags {
        let values = [ValueRef::Integer(key), ValueRef::Text(name.as_bytes()), ValueRef::Text(value.as_bytes())];
        checksum::insert(sql, "tags", "INSERT OR REPLACE INTO tags VALUES (?1, ?2, ?3, ?4)", &values)?;
    }
    Ok(())
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{}: {what} is not valid", files::DATABASE))
}
