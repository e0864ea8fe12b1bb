//! The slots of one collection as its gallery knows them: vectors in the segment, codes beside it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::codes::{Code, CodeFile};
use super::collections::{self, Entry};
use super::faces::{self, stored_face};
use super::segments::Segment;
use super::{Store, StoreError, recovery, schema, users};
use crate::gallery::{CollectionId, FaceId, Slots, Unreadable, UserId};
use crate::vision::{Embedding, ModelId};

/// Where one collection's vectors and codes lie.
pub struct FaceSlots {
    directory: PathBuf,
    gate: Arc<RwLock<()>>,
    collection: i64,
    segment: Segment,
    codes: Mutex<Option<CodeFile>>,
}

/// What is kept of a collection, piece by piece: see [`Store::load`].
#[derive(Debug)]
pub enum Kept<'a> {
    /// The codec of the codes that follow; they come as vectors when it is refused.
    Codec(&'a [u8]),
    /// A slot's code; it comes again as a vector when it is refused.
    Code(u32, &'a [u8]),
    /// A slot's face and vector, where there is no code.
    Vector(u32, FaceId, Embedding),
    /// A user and the user's faces, after all of them.
    User(UserId, Vec<FaceId>),
}

impl Store {
    /// Opens the slots of a collection.
    ///
    /// # Errors
    /// `Missing`, `Damaged`.
    pub fn slots(&self, id: &CollectionId) -> Result<FaceSlots, StoreError> {
        let entry = self.read(|sql| collections::find(sql, id))?;
        let segment = Segment::open(&self.directory, entry.shape.clone())?;
        segment.check_length(entry.slot_count)?;
        // Opening the store has removed one that is damaged.
        let codes = CodeFile::open(&self.directory, &entry.shape)?;
        Ok(FaceSlots {
            directory: self.directory.clone(),
            gate: Arc::clone(&self.gate),
            collection: entry.key,
            segment,
            codes: Mutex::new(codes),
        })
    }

    /// Gives `take` everything that a gallery begins with: faces in the order of their slots, by their codes where they
    /// are kept, then users. Whoever takes says whether it fits. The collection must not change meanwhile.
    ///
    /// # Errors
    /// `Missing`, `Damaged`.
    pub fn load(&self, id: &CollectionId, take: &mut dyn FnMut(Kept<'_>) -> bool) -> Result<(), StoreError> {
        let (entry, free, users) = self.read(|sql| {
            let snapshot = sql.unchecked_transaction()?;
            let entry = collections::find(&snapshot, id)?;
            let free = recovery::free_slots(&snapshot, &entry)?;
            let users = users_with_faces(&snapshot, &entry)?;
            Ok((entry, free, users))
        })?;
        if entry.slot_count.checked_sub(free.len() as u64) != Some(entry.face_count) {
            let (slots, free, faces) = (entry.slot_count, free.len(), entry.face_count);
            return Err(damaged(&format!("{slots} slots, {free} of them free, for {faces} faces")));
        }
        load_faces(self, &entry, &free, take)?;
        for (user, faces) in users {
            if !take(Kept::User(user, faces)) {
                return Err(damaged("a user's face has no slot"));
            }
        }
        Ok(())
    }

    /// The slot of an enrolled face.
    ///
    /// # Errors
    /// `Missing` (collection or face).
    pub fn slot(&self, id: &CollectionId, face: FaceId) -> Result<u32, StoreError> {
        self.read(|sql| {
            let key = collections::find(sql, id)?.key;
            small(stored_face(sql, key, face)?.ok_or(StoreError::Missing)?.slot)
        })
    }
}

/// A slot's number as galleries have it.
pub(super) fn small(slot: u64) -> Result<u32, StoreError> {
    u32::try_from(slot).map_err(|_| StoreError::Io(format!("slot `{slot}` is too many")))
}

fn users_with_faces(sql: &rusqlite::Connection, entry: &Entry) -> Result<Vec<(UserId, Vec<FaceId>)>, StoreError> {
    let users = users::all(sql, entry.key)?.into_iter();
    let faces = users.map(|user| Ok((user.name, faces::of_user(sql, entry.key, user.key)?)));
    faces.filter(|user| user.as_ref().map_or(true, |(_, faces)| !faces.is_empty())).collect()
}

fn load_faces(
    store: &Store,
    entry: &Entry,
    free: &[u64],
    take: &mut dyn FnMut(Kept<'_>) -> bool,
) -> Result<(), StoreError> {
    let mut segment = Segment::open(&store.directory, entry.shape.clone())?;
    segment.check_length(entry.slot_count)?;
    let codes = match CodeFile::open(&store.directory, &entry.shape)? {
        Some(codes) => codes_with_codec(codes, take),
        None => None,
    };
    let model_id = ModelId::new(&entry.shape.model_id);
    let mut free = free.iter().copied().peekable();
    let (mut missing, mut bad) = (0_u64, 0_u64);
    let mut load_vector = |slot: u64, take: &mut dyn FnMut(Kept<'_>) -> bool| {
        let (face, vector) = segment.occupied(slot)?;
        let unit = Embedding::from_unit(model_id.clone(), vector);
        let unit = unit.ok_or_else(|| damaged(&format!("face `{face}`: its vector has not unit length")))?;
        let fits = take(Kept::Vector(small(slot)?, face, unit));
        if fits { Ok(()) } else { Err(damaged(&format!("slot {slot} holds face `{face}`, which has another"))) }
    };
    let mut load_slot = |slot: u64, code: Code<'_>| {
        if free.next_if_eq(&slot).is_some() {
            return Ok(());
        }
        match code {
            Code::Whole(code) if take(Kept::Code(small(slot)?, code)) => return Ok(()),
            Code::Missing => missing += 1,
            Code::Whole(_) | Code::Damaged => bad += 1,
        }
        load_vector(slot, take)
    };
    match codes {
        Some(codes) => codes.each(entry.slot_count, &mut load_slot)?,
        None => (0..entry.slot_count).try_for_each(|slot| load_slot(slot, Code::Missing))?,
    }
    if bad > 0 {
        tracing::warn!(segment.id = %entry.shape.id.0, faces = bad, "codes were damaged and are made anew");
    } else if missing > 0 {
        tracing::info!(segment.id = %entry.shape.id.0, faces = missing, "faces without a code were read");
    }
    Ok(())
}

/// The codes, unless their codec is damaged or refused: then there are none.
fn codes_with_codec(codes: CodeFile, take: &mut dyn FnMut(Kept<'_>) -> bool) -> Option<CodeFile> {
    match codes.codec() {
        Ok(codec) if take(Kept::Codec(&codec)) => return Some(codes),
        Ok(_) => tracing::warn!("a codec was refused; its codes are made anew"),
        Err(error) => tracing::warn!(%error, "codes are made anew"),
    }
    None
}

impl Slots for FaceSlots {
    fn read(&self, slot: u32, face: FaceId, vector: &mut [f32]) -> Result<bool, Unreadable> {
        if self.segment.vector(slot.into(), face, vector).is_ok() {
            return Ok(true);
        }
        self.read_again(slot, face, vector).map_err(|error| Unreadable(error.to_string()))
    }

    fn begin_codes(&self, codec: &[u8], code_bytes: usize) {
        let begun = CodeFile::create(&self.directory, self.segment.shape(), codec, code_bytes);
        let begun = begun.inspect_err(|error| tracing::warn!(%error, "codes are not kept until the next start"));
        *self.codes() = begun.ok();
    }

    fn write_codes(&self, slots: &[u32], codes: &[u8]) {
        let written = self.codes().as_ref().map_or(Ok(()), |file| file.write(slots, codes));
        if let Err(error) = written {
            tracing::warn!(%error, "codes were not kept; they are made anew at the next start");
        }
    }
}

impl FaceSlots {
    fn codes(&self) -> std::sync::MutexGuard<'_, Option<CodeFile>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a reading that found something else: while nobody overwrites, and with a look at the records.
    fn read_again(&self, slot: u32, face: FaceId, vector: &mut [f32]) -> Result<bool, StoreError> {
        let _open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let Err(error) = self.segment.vector(slot.into(), face, vector) else { return Ok(true) };
        let sql = schema::connect(&self.directory)?;
        let enrolled = stored_face(&sql, self.collection, face)?.is_some_and(|stored| stored.slot == u64::from(slot));
        if enrolled { Err(error) } else { Ok(false) }
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{}: {what}", super::files::DATABASE))
}
