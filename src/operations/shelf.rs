//! One collection in memory beside its records in the store, and the only place that changes both.
//!
//! INVARIANT (store and gallery agree): vectors change only through a [`Change`], which holds the collection's
//! `changes` lock, writes the store first and the gallery after, and never the gallery alone. Searches take neither
//! lock: the gallery lets them go on while it changes. A panic between the two writes poisons `changes`; whoever
//! comes next loads the gallery from the store again, into a new one.
//!
//! Lock order: `Service::structure`, a token's lock, `changes`, `gallery`. `gallery`, `waiting` and answers are held
//! for a look, a push or a take only.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use super::replay::Receipt;
use super::{OperationError, internal, limits};
use crate::gallery::{Collection, CollectionId, FaceId, Means, UserId};
use crate::store::{CollectionRecord, FaceRecord, Kept, Store, StoreError};
use crate::vision::{Embedding, ModelId};

/// Locks even after a panic elsewhere; for data that every step leaves whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Answer = Arc<Mutex<Option<Result<Vec<FaceRecord>, OperationError>>>>;

/// One picture's faces on the way into the collection.
struct Enrolment {
    faces: Vec<(FaceRecord, Embedding)>,
    answer: Answer,
}

/// What `changes` guards.
struct State {
    deleted: bool,
}

/// A collection in memory.
pub(super) struct Shelf {
    id: CollectionId,
    model_id: ModelId,
    model_version: String,
    dimensions: usize,
    changes: Mutex<State>,
    /// Replaced as a whole only, when it is loaded again.
    gallery: RwLock<Arc<Collection>>,
    waiting: Mutex<Vec<Enrolment>>,
}

impl Shelf {
    /// The collection as the store has it.
    pub(super) fn load(record: CollectionRecord, store: &Store) -> Result<Self, StoreError> {
        let gallery = open_gallery(store, &record, Means::default())?;
        Ok(Self {
            id: record.id,
            model_id: record.model_id,
            model_version: record.model_version,
            dimensions: record.dimensions,
            changes: Mutex::new(State { deleted: false }),
            gallery: RwLock::new(gallery),
            waiting: Mutex::new(Vec::new()),
        })
    }

    pub(super) fn id(&self) -> &CollectionId {
        &self.id
    }

    pub(super) fn model_id(&self) -> &ModelId {
        &self.model_id
    }

    pub(super) fn model_version(&self) -> &str {
        &self.model_version
    }

    /// Refuses pictures seen by another network than the one that this collection began with.
    pub(super) fn check_model(&self, model: &ModelId) -> Result<(), OperationError> {
        if *model == self.model_id {
            return Ok(());
        }
        Err(OperationError::InvalidParameter(format!(
            "collection `{id}` holds faces of model `{own}`, this server runs `{model}`: start it with the pack that the collection belongs to, or embed its pictures again with `trombi collections migrate {id} PATH`",
            id = self.id,
            own = self.model_id
        )))
    }

    pub(super) fn not_found(&self) -> OperationError {
        OperationError::CollectionNotFound(self.id.to_string())
    }

    /// Gives `read` the vectors.
    pub(super) fn read<T>(&self, store: &Store, read: impl FnOnce(&Collection) -> T) -> Result<T, OperationError> {
        if self.changes.is_poisoned() {
            drop(self.change(store)?);
        }
        Ok(read(&self.gallery()))
    }

    pub(super) fn face_count(&self) -> usize {
        self.gallery().face_count()
    }

    fn gallery(&self) -> Arc<Collection> {
        Arc::clone(&self.gallery.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_gallery(&self, gallery: Arc<Collection>) {
        *self.gallery.write().unwrap_or_else(PoisonError::into_inner) = gallery;
    }

    /// Waits for other changes of this collection to end.
    pub(super) fn change<'a>(&'a self, store: &'a Store) -> Result<Change<'a>, OperationError> {
        let state = match self.changes.lock() {
            Ok(state) => state,
            Err(poisoned) => {
                let mut state = poisoned.into_inner();
                self.recover(&mut state, store)?;
                self.changes.clear_poison();
                state
            }
        };
        if state.deleted {
            return Err(self.not_found());
        }
        Ok(Change { shelf: self, store, state })
    }

    /// Puts memory in line with the store after a panic in the middle of a change.
    fn recover(&self, state: &mut State, store: &Store) -> Result<(), OperationError> {
        tracing::warn!(collection.id = %self.id, "a change ended in a panic; loading the collection again");
        let record = store.collection(&self.id);
        let gallery = match record.and_then(|record| open_gallery(store, &record, Means::default())) {
            Ok(gallery) => gallery,
            Err(StoreError::Missing) => {
                state.deleted = true;
                Arc::new(Collection::new(self.model_id.clone(), self.dimensions))
            }
            Err(error) => return Err(internal(error)),
        };
        self.put_gallery(gallery);
        Ok(())
    }

    /// Enrols one picture's faces, durably; returns their records. Faces that are enrolled already stay as they
    /// are. Calls that come while another one writes are written together, in one commit.
    pub(super) fn enrol(
        &self,
        store: &Store,
        faces: Vec<(FaceRecord, Embedding)>,
    ) -> Result<Vec<FaceRecord>, OperationError> {
        let fits = |e: &Embedding| *e.model_id() == self.model_id && e.vector().len() == self.dimensions;
        if !faces.iter().all(|(_, embedding)| fits(embedding)) {
            return Err(OperationError::Internal("an embedding does not fit its collection".to_owned()));
        }
        let answer = Answer::default();
        lock(&self.waiting).push(Enrolment { faces, answer: Arc::clone(&answer) });
        let change = self.change(store);
        if let Some(answer) = lock(&answer).take() {
            return answer;
        }
        let group = std::mem::take(&mut *lock(&self.waiting));
        match change {
            Ok(mut change) => change.enrol_group(&group),
            Err(error) => group.iter().for_each(|one| *lock(&one.answer) = Some(Err(error.clone()))),
        }
        // The group lacks this call's faces when the call that took them over ended in a panic.
        let lost = || Err(OperationError::Internal("the commit of this picture ended in a panic".to_owned()));
        lock(&answer).take().unwrap_or_else(lost)
    }
}

/// A collection's faces, from the store; the vectors of its users are made meanwhile or when they are asked for. The
/// collection must not change meanwhile, and then in the store first and in the gallery after.
///
/// # Errors
/// `Missing`, `Damaged`.
pub fn open_gallery(store: &Store, record: &CollectionRecord, means: Means) -> Result<Arc<Collection>, StoreError> {
    let slots = Arc::new(store.slots(&record.id)?);
    let gallery = Arc::new(Collection::with_means(record.model_id.clone(), record.dimensions, means, Some(slots)));
    let mut users = 0_usize;
    {
        let mut loader = gallery.load(usize::try_from(record.face_count).unwrap_or(0));
        store.load(&record.id, &mut |kept| match kept {
            Kept::Codec(codec) => loader.codec(codec),
            Kept::Code(slot, code) => loader.code(slot, code),
            Kept::Vector(slot, face, embedding) => loader.vector(slot, face, &embedding),
            Kept::User(user, faces) => {
                users += 1;
                loader.user(&user, &faces)
            }
        })?;
    }
    if users > 0 {
        warm(record.id.clone(), Arc::downgrade(&gallery));
    }
    Ok(gallery)
}

/// Makes the vectors of users in the background.
fn warm(id: CollectionId, gallery: Weak<Collection>) {
    let work = move || {
        if let Some(Err(error)) = gallery.upgrade().map(|gallery| gallery.warm()) {
            tracing::error!(collection.id = %id, %error, "searches for users will fail");
        }
    };
    let started = std::thread::Builder::new().name("warm-up".to_owned()).spawn(work);
    if let Err(error) = started {
        tracing::warn!(%error, "the first search for users will take longer");
    }
}

/// The right to change one collection.
pub(super) struct Change<'a> {
    shelf: &'a Shelf,
    store: &'a Store,
    state: MutexGuard<'a, State>,
}

impl Change<'_> {
    /// `Missing` of a collection that the shelf has cannot be; of a face or user it is the caller's to explain.
    fn enrol_group(&mut self, group: &[Enrolment]) {
        let (fresh, full) = self.fresh(group);
        let records: BTreeMap<FaceId, FaceRecord> =
            fresh.iter().map(|(record, _)| (record.face_id, record.clone())).collect();
        let written = self.put(fresh);
        for (one, full) in group.iter().zip(full) {
            let answer = match &written {
                Err(error) => Err(error.clone()),
                Ok(()) if full => Err(collection_full()),
                Ok(()) => self.records(one, &records),
            };
            *lock(&one.answer) = Some(answer);
        }
    }

    /// The faces not yet enrolled, each once, and which pictures no longer fit the collection.
    fn fresh(&self, group: &[Enrolment]) -> (Vec<(FaceRecord, Embedding)>, Vec<bool>) {
        let gallery = self.shelf.gallery();
        let mut fresh: Vec<(FaceRecord, Embedding)> = Vec::new();
        let mut taken = std::collections::BTreeSet::new();
        let mut full = Vec::with_capacity(group.len());
        for one in group {
            let new = |face: FaceId| !gallery.contains(face) && !taken.contains(&face);
            let mut own: Vec<_> = one.faces.iter().filter(|(record, _)| new(record.face_id)).cloned().collect();
            let over = gallery.face_count() + fresh.len() + own.len() > limits::COLLECTION_FACES_MAX;
            full.push(over && !own.is_empty());
            if !over {
                taken.extend(own.iter().map(|(record, _)| record.face_id));
                fresh.append(&mut own);
            }
        }
        (fresh, full)
    }

    fn put(&mut self, faces: Vec<(FaceRecord, Embedding)>) -> Result<(), OperationError> {
        if faces.is_empty() {
            return Ok(());
        }
        match self.store.put_faces(&self.shelf.id, &faces) {
            Ok(placed) => {
                let placed: HashMap<FaceId, u32> = placed.into_iter().collect();
                self.hold(faces, |face| placed.get(&face).copied());
                Ok(())
            }
            Err(error) => {
                // A disk that fails may have kept what it refused: memory follows what the records say.
                self.hold(faces, |face| self.store.slot(&self.shelf.id, face).ok());
                Err(self.failed(error))
            }
        }
    }

    /// Puts those of the faces into memory that have a slot.
    fn hold(&self, faces: Vec<(FaceRecord, Embedding)>, slot: impl Fn(FaceId) -> Option<u32>) {
        let gallery = self.shelf.gallery();
        for (record, embedding) in faces {
            if let Some(slot) = slot(record.face_id) {
                // INVARIANT (store and gallery agree): what does not fit was refused at the door of `enrol`.
                let _ = gallery.insert_at(slot, record.face_id, &embedding, record.user_id);
            }
        }
    }

    fn records(
        &self,
        one: &Enrolment,
        fresh: &BTreeMap<FaceId, FaceRecord>,
    ) -> Result<Vec<FaceRecord>, OperationError> {
        let record = |id: FaceId| match fresh.get(&id) {
            Some(record) => Ok(record.clone()),
            None => self.store.face(&self.shelf.id, id).map_err(internal),
        };
        one.faces.iter().map(|(face, _)| record(face.face_id)).collect()
    }

    fn failed(&self, error: StoreError) -> OperationError {
        match error {
            StoreError::Missing => self.shelf.not_found(),
            other => internal(other),
        }
    }

    /// One face's record; `None` when it is not enrolled.
    pub(super) fn face(&self, face: FaceId) -> Result<Option<FaceRecord>, OperationError> {
        match self.store.face(&self.shelf.id, face) {
            Ok(record) => Ok(Some(record)),
            Err(StoreError::Missing) => Ok(None),
            Err(error) => Err(internal(error)),
        }
    }

    /// Gives `read` the vectors as this change finds them.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Collection) -> T) -> T {
        read(&self.shelf.gallery())
    }

    /// Deletes enrolled faces.
    pub(super) fn delete_faces(&mut self, faces: &[FaceId]) -> Result<Vec<FaceId>, OperationError> {
        match self.store.delete_faces(&self.shelf.id, faces) {
            Ok(deleted) => {
                self.forget(&deleted);
                Ok(deleted)
            }
            Err(error) => {
                // The records may be gone although their vectors could not all be overwritten.
                let gone = faces.iter().copied().filter(|face| matches!(self.face(*face), Ok(None)));
                self.forget(&gone.collect::<Vec<_>>());
                Err(self.failed(error))
            }
        }
    }

    fn forget(&self, faces: &[FaceId]) {
        let gallery = self.shelf.gallery();
        for &face in faces {
            gallery.remove(face);
        }
    }

    /// Number of faces of a user; `UserNotFound`.
    pub(super) fn user_faces(&self, user: &UserId) -> Result<usize, OperationError> {
        match self.store.user_face_count(&self.shelf.id, user) {
            Ok(count) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
            Err(StoreError::Missing) => Err(OperationError::UserNotFound(user.to_string())),
            Err(error) => Err(internal(error)),
        }
    }

    /// Gives faces to a user or frees them. All must be enrolled.
    pub(super) fn set_user(
        &mut self,
        faces: &[FaceId],
        user: Option<&UserId>,
        receipt: &Receipt<'_>,
    ) -> Result<(), OperationError> {
        if faces.is_empty() && receipt.keep().is_none() {
            return Ok(());
        }
        self.store.set_user_once(&self.shelf.id, faces, user, receipt.keep()).map_err(internal)?;
        let gallery = self.shelf.gallery();
        gallery.set_user(faces, user);
        Ok(())
    }

    /// Creates a user without faces.
    pub(super) fn create_user(&mut self, user: &UserId, receipt: &Receipt<'_>) -> Result<(), OperationError> {
        self.store.create_user_once(&self.shelf.id, user, receipt.keep()).map_err(|error| match error {
            StoreError::Exists => OperationError::UserExists(user.to_string()),
            other => self.failed(other),
        })
    }

    /// Deletes a user and frees its faces.
    pub(super) fn delete_user(&mut self, user: &UserId, receipt: &Receipt<'_>) -> Result<(), OperationError> {
        self.user_faces(user)?;
        let faces = self.store.faces(&self.shelf.id, None, limits::PAGE_MAX, Some(user)).map_err(internal)?;
        let deleted = self.store.delete_user_once(&self.shelf.id, user, receipt.keep()).map_err(internal);
        // The user may be gone although the write-ahead log could not be emptied after: memory follows the records.
        if deleted.is_ok() || matches!(self.user_faces(user), Err(OperationError::UserNotFound(_))) {
            let gallery = self.shelf.gallery();
            gallery.set_user(&faces.iter().map(|face| face.face_id).collect::<Vec<_>>(), None);
        }
        deleted
    }

    /// Sets and removes tags, unless that makes too many.
    pub(super) fn change_tags(
        &mut self,
        set: &BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<(), OperationError> {
        let mut tags = self.store.tags(&self.shelf.id).map_err(|error| self.failed(error))?;
        tags.extend(set.iter().map(|(key, value)| (key.clone(), value.clone())));
        if tags.len() > limits::TAGS_MAX && !set.is_empty() {
            return Err(OperationError::QuotaExceeded(format!("a resource has at most {} tags", limits::TAGS_MAX)));
        }
        self.store.change_tags(&self.shelf.id, set, remove).map_err(|error| self.failed(error))
    }

    /// Deletes the collection with everything in it.
    pub(super) fn delete_collection(mut self) -> Result<(), OperationError> {
        self.store.delete_collection(&self.shelf.id).map_err(|error| self.failed(error))?;
        self.state.deleted = true;
        self.shelf.put_gallery(Arc::new(Collection::new(self.shelf.model_id.clone(), self.shelf.dimensions)));
        Ok(())
    }
}

fn collection_full() -> OperationError {
    OperationError::QuotaExceeded(format!("a collection has at most {} faces", limits::COLLECTION_FACES_MAX))
}
