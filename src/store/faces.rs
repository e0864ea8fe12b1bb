//! Enrolled faces: records in the database, vectors in the collection's segment.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::PoisonError;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::codes::CodeFile;
use super::collections::{self, Entry};
use super::segments::{Segment, SegmentId};
use super::{
    BoxRatio, FaceRecord, Store, StoreError, Writer, checksum, files, natural, scrub, slots, sql_limit, sql_number,
    users,
};
use crate::gallery::{CollectionId, ExternalImageId, FaceId, ImageId, UserId};
use crate::vision::{Embedding, ModelId};

/// Deleted faces whose place in the order is remembered.
const DEPARTED_MAX: usize = 100_000;

/// Where deleted faces were in the order of enrolment: who deletes page by page goes on from a deleted face.
///
/// In memory only and bounded, since a deleted face is to leave nothing behind.
#[derive(Default)]
pub(super) struct Departed {
    places: HashMap<(i64, FaceId), i64>,
    order: VecDeque<(i64, FaceId)>,
}

impl Departed {
    fn add(&mut self, collection: i64, face: FaceId, seq: i64) {
        if self.places.insert((collection, face), seq).is_none() {
            self.order.push_back((collection, face));
        }
        if self.order.len() > DEPARTED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.places.remove(&oldest);
        }
    }
}

/// A face that went: what must still be overwritten, and where it was.
struct Gone {
    face_id: FaceId,
    slot: u64,
    seq: i64,
}

const TABLE: &str = "faces";
/// Columns of a row before its checksum.
const COLUMNS: usize = 13;
/// Every column in the order of the schema.
const FACE: &str = "f.collection, f.seq, f.face_id, f.image_id, f.external_image_id, f.box_left, f.box_top, f.box_width, \
     f.box_height, f.confidence, f.model_version, f.user, f.slot, f.crc";
/// Of a face, and after them those of its user.
const OWNED_FACE: &str =
    "u.id, u.collection, u.name, u.face_count, u.crc FROM faces f LEFT JOIN users u ON u.id = f.user";

impl Store {
    /// Enrols faces, all or none; a face id that exists already is left as it was. Returns the new ones with their slots.
    ///
    /// # Errors
    /// `Missing` (collection; user of a record), `Full`, `Io` for an embedding of another model than the collection's.
    pub fn put_faces(
        &self,
        id: &CollectionId,
        faces: &[(FaceRecord, Embedding)],
    ) -> Result<Vec<(FaceId, u32)>, StoreError> {
        let mut writer = self.writer();
        let Writer { connection, database, unwiped, .. } = &mut *writer;
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let entry = collections::find(&transaction, id)?;
        let new = new_faces(&transaction, &entry, faces)?;
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let slots = take_slots(&transaction, &entry, new.len())?;
        let placed = new.iter().zip(&slots).map(|(face, slot)| Ok((face.0.face_id, slots::small(*slot)?)));
        let placed = placed.collect::<Result<Vec<_>, StoreError>>()?;
        let mut segment = Segment::open(&self.directory, entry.shape.clone())?;
        let vectors: Vec<_> = new.iter().map(|(record, embedding)| (record.face_id, embedding.vector())).collect();
        let recorded = segment.write(&slots, &vectors).and_then(|()| insert_faces(&transaction, &entry, &new, &slots));
        if let Err(error) = recorded {
            drop(transaction); // rolls back, so nothing names the slots
            let _ = segment.wipe(&old_slots(&entry, &slots)).and_then(|()| segment.cut(entry.slot_count));
            return Err(error);
        }
        if let Err(error) = transaction.commit() {
            // A failed commit may yet be found in the log after a crash, so its slots are kept until another
            // commit has overwritten it there.
            unwiped.push((entry.shape.id, slots));
            return Err(error.into());
        }
        // The log of an earlier failed commit is overwritten now, so its slots may go.
        let earlier = std::mem::take(unwiped);
        if !earlier.is_empty() && wipe(self, connection, &earlier).is_err() {
            *unwiped = earlier;
        }
        self.keep_log_short(connection, database);
        Ok(placed)
    }

    /// One face's record.
    ///
    /// # Errors
    /// `Missing` for collection or face.
    pub fn face(&self, id: &CollectionId, face: FaceId) -> Result<FaceRecord, StoreError> {
        self.read(|sql| {
            let key = collections::find(sql, id)?.key;
            let mut statement =
                sql.prepare_cached(&format!("SELECT {FACE}, {OWNED_FACE} WHERE f.collection = ?1 AND f.face_id = ?2"))?;
            let mut rows = statement.query(params![key, face.0.as_bytes()])?;
            let record = rows.next()?.map_or(Err(StoreError::Missing), record_from_row)?;
            if record.face_id == face { Ok(record) } else { Err(damaged("the index of faces points to another")) }
        })
    }

    /// Faces in a stable order (of enrolment), after `after`, at most `limit`, optionally one user's only.
    ///
    /// `after` may have been deleted meanwhile, as long as it is among the last 100,000 deleted since the start.
    ///
    /// # Errors
    /// `Missing` (collection, or `after` was never there).
    pub fn faces(
        &self,
        id: &CollectionId,
        after: Option<FaceId>,
        limit: usize,
        user: Option<&UserId>,
    ) -> Result<Vec<FaceRecord>, StoreError> {
        let place = after.map(|face| self.place_of(id, face)).transpose()?.unwrap_or(0);
        self.faces_after(id, place, limit, user)
    }

    /// As [`Store::faces`], after a place of [`Store::place_of`]; 0 is before the first. The place stays good when
    /// its face is deleted.
    ///
    /// # Errors
    /// `Missing` (collection).
    pub fn faces_after(
        &self,
        id: &CollectionId,
        place: i64,
        limit: usize,
        user: Option<&UserId>,
    ) -> Result<Vec<FaceRecord>, StoreError> {
        self.read(|sql| {
            let key = collections::find(sql, id)?.key;
            let owner = match user.map(|user| users::find(sql, key, user)).transpose() {
                Err(StoreError::Missing) => return Ok(Vec::new()),
                other => other?.map(|user| user.key),
            };
            let filter =
                if owner.is_some() { "f.user = ?4 AND +f.collection = ?1" } else { "f.collection = ?1 AND ?4 IS NULL" };
            let mut statement = sql.prepare_cached(&format!(
                "SELECT {FACE}, {OWNED_FACE} WHERE {filter} AND f.seq > ?2 ORDER BY f.seq LIMIT ?3"
            ))?;
            let mut rows = statement.query(params![key, place, sql_limit(limit), owner])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(record_from_row(row)?);
            }
            Ok(records)
        })
    }

    /// A face's place in the order of enrolment, 1 or more; also of a face deleted just now.
    ///
    /// # Errors
    /// `Missing` (collection or face).
    pub fn place_of(&self, id: &CollectionId, face: FaceId) -> Result<i64, StoreError> {
        let (key, place) = self.read(|sql| {
            let key = collections::find(sql, id)?.key;
            Ok((key, seq_of(sql, key, face)?))
        })?;
        let departed = || self.writer().departed.places.get(&(key, face)).copied();
        place.or_else(departed).ok_or(StoreError::Missing)
    }

    /// Deletes faces and overwrites their vectors in every file; unknown ids are skipped. Returns those deleted.
    ///
    /// # Errors
    /// `Missing` (collection).
    pub fn delete_faces(&self, id: &CollectionId, faces: &[FaceId]) -> Result<Vec<FaceId>, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let entry = collections::find(&transaction, id)?;
        let gone = remove_faces(&transaction, &entry, faces)?;
        transaction.commit()?;
        for face in &gone {
            writer.departed.add(entry.key, face.face_id, face.seq);
        }
        // After an earlier failure there may be old vectors to overwrite although this call deleted nothing.
        let mut unwiped = std::mem::take(&mut writer.unwiped);
        unwiped.push((entry.shape.id, gone.iter().map(|face| face.slot).collect()));
        if unwiped.iter().any(|(_, slots)| !slots.is_empty()) {
            let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            let wiped = wipe(self, &writer.connection, &unwiped);
            if wiped.is_err() {
                writer.unwiped = unwiped;
            }
            wiped?;
            scrub::settle(&self.directory, &writer.connection, &writer.database)?;
        }
        Ok(gone.iter().map(|face| face.face_id).collect())
    }

    /// Every face id, user and vector of a collection, for loading it into memory. `each` must not call the store.
    ///
    /// # Errors
    /// `Missing`, `Damaged`.
    pub fn load_vectors(
        &self,
        id: &CollectionId,
        each: &mut dyn FnMut(FaceId, Option<UserId>, Embedding),
    ) -> Result<(), StoreError> {
        self.read(|sql| {
            let snapshot = sql.unchecked_transaction()?;
            let entry = collections::find(&snapshot, id)?;
            let names: HashMap<i64, UserId> =
                users::all(&snapshot, entry.key)?.into_iter().map(|user| (user.key, user.name)).collect();
            let mut faces = stored_faces(&snapshot, &entry)?;
            faces.sort_unstable_by_key(|face| face.0);
            if faces.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(damaged("two faces share a slot"));
            }
            let wanted: Vec<_> = faces.iter().map(|&(slot, face_id, _)| (slot, face_id)).collect();
            let model_id = ModelId::new(&entry.shape.model_id);
            let mut segment = Segment::open(&self.directory, entry.shape)?;
            segment.check_length(entry.slot_count)?;
            segment.read(&wanted, &mut |n, vector| {
                let (_, face_id, owner) = faces[n];
                let user = match owner {
                    Some(owner) => Some(names.get(&owner).cloned().ok_or_else(|| damaged("a face's user is missing"))?),
                    None => None,
                };
                let embedding = Embedding::from_unit(model_id.clone(), vector)
                    .ok_or_else(|| damaged(&format!("face `{face_id}`: its vector has not unit length")))?;
                each(face_id, user, embedding);
                Ok(())
            })
        })
    }
}

/// Those that are not enrolled yet, each id once.
fn new_faces<'a>(
    sql: &Connection,
    entry: &Entry,
    faces: &'a [(FaceRecord, Embedding)],
) -> Result<Vec<&'a (FaceRecord, Embedding)>, StoreError> {
    let mut seen = HashSet::new();
    let mut new = Vec::new();
    for face in faces {
        let (model_id, dimensions) = (face.1.model_id(), face.1.vector().len());
        if model_id.as_str() != entry.shape.model_id || dimensions != entry.shape.dimensions {
            let wanted = &entry.shape.model_id;
            return Err(StoreError::Io(format!("embedding of model `{model_id}` for a collection of `{wanted}`")));
        }
        if seen.insert(face.0.face_id) && seq_of(sql, entry.key, face.0.face_id)?.is_none() {
            new.push(face);
        }
    }
    Ok(new)
}

/// Free slots first, then new ones at the end; in rising order.
fn take_slots(sql: &Connection, entry: &Entry, count: usize) -> Result<Vec<u64>, StoreError> {
    let mut statement =
        sql.prepare_cached("SELECT slot FROM free_slots WHERE collection = ?1 ORDER BY slot LIMIT ?2")?;
    let rows = statement.query_map(params![entry.key, sql_limit(count)], |row| row.get::<_, i64>(0))?;
    let mut slots = Vec::with_capacity(count);
    for slot in rows {
        let slot = natural(slot?, "a free slot")?;
        if slot >= entry.slot_count {
            return Err(damaged("a free slot is beyond the last"));
        }
        slots.push(slot);
    }
    let mut taken = sql.prepare_cached("DELETE FROM free_slots WHERE collection = ?1 AND slot = ?2")?;
    for slot in &slots {
        taken.execute(params![entry.key, sql_number(*slot)?])?;
    }
    slots.extend((entry.slot_count..).take(count - slots.len()));
    Ok(slots)
}

fn old_slots(entry: &Entry, slots: &[u64]) -> Vec<u64> {
    slots.iter().copied().filter(|&slot| slot < entry.slot_count).collect()
}

fn insert_faces(
    sql: &Connection,
    entry: &Entry,
    faces: &[&(FaceRecord, Embedding)],
    slots: &[u64],
) -> Result<(), StoreError> {
    let mut seq = entry.next_seq;
    for ((face, _), &slot) in faces.iter().copied().zip(slots) {
        let owner = match &face.user_id {
            Some(user) => Some(users::find(sql, entry.key, user)?.key),
            None => None,
        };
        let real = |x: f32| ValueRef::Real(f64::from(x));
        let values: [ValueRef<'_>; COLUMNS] = [
            ValueRef::Integer(entry.key),
            ValueRef::Integer(seq),
            ValueRef::Blob(face.face_id.0.as_bytes()),
            ValueRef::Blob(face.image_id.0.as_bytes()),
            face.external_image_id.as_ref().map_or(ValueRef::Null, |id| ValueRef::Text(id.as_str().as_bytes())),
            real(face.box_ratio.left),
            real(face.box_ratio.top),
            real(face.box_ratio.width),
            real(face.box_ratio.height),
            real(face.confidence),
            ValueRef::Text(face.model_version.as_bytes()),
            owner.map_or(ValueRef::Null, ValueRef::Integer),
            ValueRef::Integer(sql_number(slot)?),
        ];
        let insert = "INSERT INTO faces VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)";
        checksum::insert(sql, TABLE, insert, &values)?;
        users::count(sql, owner, 1)?;
        seq += 1;
    }
    let end = slots.last().map_or(0, |last| last + 1).max(entry.slot_count);
    let mut after = entry.clone();
    after.face_count = Entry::changed(entry.face_count, count_from_len(faces.len())?)?;
    after.next_seq = seq;
    after.slot_count = end;
    after.save(sql)
}

fn count_from_len(length: usize) -> Result<i64, StoreError> {
    sql_number(length as u64)
}

fn remove_faces(sql: &Connection, entry: &Entry, faces: &[FaceId]) -> Result<Vec<Gone>, StoreError> {
    let mut free = sql.prepare_cached("INSERT INTO free_slots VALUES (?1, ?2)")?;
    let mut delete = sql.prepare_cached("DELETE FROM faces WHERE collection = ?1 AND seq = ?2")?;
    let mut gone = Vec::new();
    for &face_id in faces {
        // Verified before it goes: a wrong slot number would cost another face its vector.
        let Some(face) = stored_face(sql, entry.key, face_id)? else { continue };
        if face.slot >= entry.slot_count {
            return Err(damaged("a face's slot is beyond the last"));
        }
        delete.execute(params![entry.key, face.seq])?;
        free.execute(params![entry.key, sql_number(face.slot)?])?;
        users::count(sql, face.owner, -1)?;
        gone.push(Gone { face_id, slot: face.slot, seq: face.seq });
    }
    let mut after = entry.clone();
    after.face_count = Entry::changed(entry.face_count, -count_from_len(gone.len())?)?;
    after.save(sql)?;
    Ok(gone)
}

/// Gives a face to a user or to nobody; says whose it was. `Missing` without such a face.
pub(super) fn give(
    sql: &Connection,
    collection: i64,
    face: FaceId,
    owner: Option<i64>,
) -> Result<Option<i64>, StoreError> {
    let mut statement =
        sql.prepare_cached(&format!("SELECT {FACE} FROM faces f WHERE collection = ?1 AND face_id = ?2"))?;
    let mut rows = statement.query(params![collection, face.0.as_bytes()])?;
    let row = rows.next()?.ok_or(StoreError::Missing)?;
    give_row(sql, row, owner)
}

/// Takes every face from a user.
pub(super) fn free_all(sql: &Connection, owner: i64) -> Result<(), StoreError> {
    // All read before the first is changed, as the index that is read is the one that changes.
    let mut statement = sql.prepare_cached("SELECT collection, face_id FROM faces WHERE user = ?1")?;
    let rows = statement.query_map([owner], |row| Ok((row.get(0)?, FaceId(Uuid::from_bytes(row.get(1)?)))))?;
    for (collection, face) in rows.collect::<Result<Vec<_>, _>>()? {
        give(sql, collection, face, None)?;
    }
    Ok(())
}

fn give_row(sql: &Connection, row: &Row<'_>, owner: Option<i64>) -> Result<Option<i64>, StoreError> {
    let face = stored_from_row(row)?;
    let mut values = [ValueRef::Null; COLUMNS];
    for (column, value) in values.iter_mut().enumerate() {
        *value = row.get_ref(column)?;
    }
    values[11] = owner.map_or(ValueRef::Null, ValueRef::Integer);
    let crc = checksum::crc(TABLE, values.into_iter());
    sql.prepare_cached("UPDATE faces SET user = ?3, crc = ?4 WHERE collection = ?1 AND seq = ?2")?.execute(params![
        row.get::<_, i64>(0)?,
        face.seq,
        owner,
        crc
    ])?;
    Ok(face.owner)
}

/// Overwrites those of the slots that are free now, of collections that still exist.
fn wipe(store: &Store, sql: &Connection, unwiped: &[(SegmentId, Vec<u64>)]) -> Result<(), StoreError> {
    for entry in collections::all(sql)? {
        if unwiped.iter().all(|(id, _)| *id != entry.shape.id) {
            continue;
        }
        let mut free = Vec::new();
        for &slot in unwiped.iter().filter(|(id, _)| *id == entry.shape.id).flat_map(|(_, slots)| slots) {
            let is_free: bool = slot < entry.slot_count
                && sql
                    .prepare_cached("SELECT EXISTS (SELECT 1 FROM free_slots WHERE collection = ?1 AND slot = ?2)")?
                    .query_row(params![entry.key, sql_number(slot)?], |row| row.get(0))?;
            if is_free {
                free.push(slot);
            }
        }
        let slot_count = entry.slot_count;
        // One that is not whole is just being written, without these slots, or is destroyed at the next opening.
        if let Ok(Some(codes)) = CodeFile::open(&store.directory, &entry.shape) {
            codes.wipe(&free)?;
        }
        let mut segment = Segment::open(&store.directory, entry.shape)?;
        segment.wipe(&free)?;
        segment.cut(slot_count)?;
    }
    Ok(())
}

/// What ties a face's record to its vector and its user.
pub(super) struct Stored {
    seq: i64,
    face_id: FaceId,
    owner: Option<i64>,
    pub(super) slot: u64,
}

fn stored_from_row(row: &Row<'_>) -> Result<Stored, StoreError> {
    checksum::verify(TABLE, row, 0..COLUMNS)?;
    Ok(Stored {
        seq: row.get(1)?,
        face_id: FaceId(Uuid::from_bytes(row.get(2)?)),
        owner: row.get(11)?,
        slot: natural(row.get(12)?, "a slot")?,
    })
}

/// A face's record, by its id.
pub(super) fn stored_face(sql: &Connection, collection: i64, face: FaceId) -> Result<Option<Stored>, StoreError> {
    let mut statement =
        sql.prepare_cached(&format!("SELECT {FACE} FROM faces f WHERE collection = ?1 AND face_id = ?2"))?;
    let mut rows = statement.query(params![collection, face.0.as_bytes()])?;
    let Some(stored) = rows.next()?.map(stored_from_row).transpose()? else { return Ok(None) };
    if stored.face_id == face { Ok(Some(stored)) } else { Err(damaged("the index of faces points to another")) }
}

/// A user's faces.
pub(super) fn of_user(sql: &Connection, collection: i64, owner: i64) -> Result<Vec<FaceId>, StoreError> {
    let mut statement =
        sql.prepare_cached(&format!("SELECT {FACE} FROM faces f WHERE f.user = ?1 AND +f.collection = ?2"))?;
    let mut rows = statement.query([owner, collection])?;
    let mut faces = Vec::new();
    while let Some(row) = rows.next()? {
        faces.push(stored_from_row(row)?.face_id);
    }
    Ok(faces)
}

fn stored_faces(sql: &Connection, entry: &Entry) -> Result<Vec<(u64, FaceId, Option<i64>)>, StoreError> {
    let mut statement = sql.prepare_cached(&format!("SELECT {FACE} FROM faces f WHERE collection = ?1"))?;
    let mut rows = statement.query([entry.key])?;
    let mut faces = Vec::new();
    while let Some(row) = rows.next()? {
        let face = stored_from_row(row)?;
        if face.slot >= entry.slot_count {
            return Err(damaged("a face's slot is beyond the last"));
        }
        faces.push((face.slot, face.face_id, face.owner));
    }
    if faces.len() as u64 != entry.face_count {
        let (found, counted) = (faces.len(), entry.face_count);
        return Err(damaged(&format!("{found} faces are found where {counted} were counted")));
    }
    Ok(faces)
}

/// A face's place in the order of enrolment.
fn seq_of(sql: &Connection, collection: i64, face: FaceId) -> Result<Option<i64>, StoreError> {
    let mut statement = sql.prepare_cached("SELECT seq FROM faces WHERE collection = ?1 AND face_id = ?2")?;
    Ok(statement.query_row(params![collection, face.0.as_bytes()], |row| row.get(0)).optional()?)
}

/// Reads the columns of [`FACE`], then those of [`OWNED_FACE`].
fn record_from_row(row: &Row<'_>) -> Result<FaceRecord, StoreError> {
    let stored = stored_from_row(row)?;
    let user_id = match stored.owner {
        Some(owner) if row.get::<_, Option<i64>>(COLUMNS + 1)? == Some(owner) => {
            Some(users::from_row(row, COLUMNS + 1)?.name)
        }
        Some(_) => return Err(damaged("a face's user is missing")),
        None => None,
    };
    let external = match row.get_ref(4)? {
        ValueRef::Null => None,
        text => text
            .as_str()
            .ok()
            .and_then(ExternalImageId::parse)
            .map(Some)
            .ok_or_else(|| damaged("an external image id is not valid"))?,
    };
    Ok(FaceRecord {
        face_id: stored.face_id,
        image_id: ImageId(Uuid::from_bytes(row.get(3)?)),
        external_image_id: external,
        box_ratio: BoxRatio { left: row.get(5)?, top: row.get(6)?, width: row.get(7)?, height: row.get(8)? },
        confidence: row.get(9)?,
        model_version: row.get(10)?,
        user_id,
    })
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{}: {what}", files::DATABASE))
}
