//! One collection's enrolled faces in memory, and the exact search over them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;
use uuid::Uuid;

use super::ids::{FaceId, UserId};
use super::search::{Footprint, Incoming, Loading, Means, Moved, Owner, Row, Rows, Scored, Slots, Unreadable, Wanted};
use crate::vision::{Embedding, ModelId};

/// What a search asks for.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Only candidates at or above this cosine count.
    pub cosine_min: f32,
    /// At most this many, best first; ties by id.
    pub limit: usize,
}

/// Which of the enrolled faces or users count.
#[derive(Debug, Clone, Copy, Default)]
pub enum Filter<'a, Id> {
    /// All of them.
    #[default]
    All,
    /// All but one.
    Except(&'a Id),
    /// Only these: a user's faces, those of some pictures.
    Among(&'a HashSet<Id>),
}

/// An enrolled face and how close it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The face.
    pub face_id: FaceId,
    /// -1 to 1.
    pub cosine: f32,
}

/// A user and how close the user's vector is.
#[derive(Debug, Clone, PartialEq)]
pub struct UserCandidate {
    /// The user.
    pub user_id: UserId,
    /// -1 to 1.
    pub cosine: f32,
}

/// Two enrolled faces and how close they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FacePair {
    /// The one with the smaller id.
    pub first: FaceId,
    /// The other.
    pub second: FaceId,
    /// -1 to 1.
    pub cosine: f32,
}

/// The enrolled faces of one collection, all of one model: what every search reads is in memory, their vectors are too
/// or lie in [`Slots`].
///
/// Every answer is a function of what is enrolled alone: not of the order in which it was enrolled, nor of the machine's
/// instruction set, nor of where the vectors are. Searches go on while faces come and go: they see what was enrolled
/// before they began and is not removed since. Whoever changes a collection from several threads puts the changes in an
/// order himself.
pub struct Collection {
    model_id: ModelId,
    face_rows: Rows<Enrolled>,
    user_rows: Rows<UserId>,
    /// INVARIANT (rows are where the register says): a row is only given out, moved or taken back under its write lock.
    register: RwLock<Register>,
}

/// A face and its user, in 20 bytes with a room for "no face".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Enrolled {
    face: FaceId,
    user: UserKey,
}

/// A user's number in this process, from 1 on; [`UserKey::NOBODY`] is none's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct UserKey(NonZeroU32);

impl UserKey {
    const NOBODY: Self = Self(NonZeroU32::MAX);
}

impl Owner for Enrolled {
    fn face(&self) -> Option<FaceId> {
        Some(self.face)
    }
}

#[derive(Default)]
struct Register {
    /// Rows by the face that they hold.
    faces: HashTable<Row>,
    hasher: RandomState,
    keys: HashMap<UserId, UserKey>,
    users: HashMap<UserKey, User>,
    last_key: u32,
    /// Users whose vectors are not made yet.
    unsettled: HashSet<UserKey>,
}

struct User {
    id: UserId,
    faces: Vec<FaceId>,
    /// `None` when the vectors cancel out, or while the user is unsettled.
    row: Option<Row>,
}

/// One, in the fixed-point numbers that a user's faces are added up in: integers add up to the same whatever the order,
/// 2^36 keeps every bit of a component above 2^-13 and leaves room for 2^27 faces.
const FIXED_ONE: f64 = 68_719_476_736.0;

/// Users that are settled while the register is locked once.
const SETTLED_AT_ONCE: usize = 16;

impl Register {
    fn hash(&self, face: FaceId) -> u64 {
        self.hasher.hash_one(face)
    }

    fn user_key(&mut self, id: &UserId) -> UserKey {
        if let Some(key) = self.keys.get(id) {
            return *key;
        }
        // More changes of users than fit are beyond any process's life; a number in use is passed over.
        let key = loop {
            self.last_key = self.last_key.wrapping_add(1);
            match NonZeroU32::new(self.last_key).map(UserKey) {
                Some(key) if key != UserKey::NOBODY && !self.users.contains_key(&key) => break key,
                _ => {}
            }
        };
        self.keys.insert(id.clone(), key);
        self.users.insert(key, User { id: id.clone(), faces: Vec::new(), row: None });
        key
    }
}

impl Collection {
    /// An empty one, with its vectors in memory.
    #[must_use]
    pub fn new(model_id: ModelId, dimensions: usize) -> Self {
        Self::with_means(model_id, dimensions, Means::default(), None)
    }

    /// An empty one whose searches are computed by these means; all give the same answers. With `slots`, vectors are
    /// read from there and codes are kept there.
    #[must_use]
    pub fn with_means(model_id: ModelId, dimensions: usize, means: Means, slots: Option<Arc<dyn Slots>>) -> Self {
        Self {
            model_id,
            face_rows: Rows::new(dimensions, means, slots),
            user_rows: Rows::new(dimensions, means, None),
            register: RwLock::default(),
        }
    }

    fn register(&self) -> RwLockReadGuard<'_, Register> {
        self.register.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn register_mut(&self) -> RwLockWriteGuard<'_, Register> {
        self.register.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&self, register: &Register, face: FaceId) -> Option<Row> {
        register.faces.find(register.hash(face), |row| self.holds(*row, face)).copied()
    }

    fn holds(&self, row: Row, face: FaceId) -> bool {
        self.face_rows.owner(row).is_some_and(|owner| owner.face == face)
    }

    /// Notes where a face is, which has no row yet.
    fn note(&self, register: &mut Register, face: FaceId, row: Row) {
        let hash = register.hash(face);
        let Register { faces, hasher, .. } = register;
        faces.insert_unique(hash, row, |row| hasher.hash_one(self.face_rows.owner(*row).map_or(face, |o| o.face)));
    }

    /// Follows rows that went elsewhere.
    fn follow(&self, register: &mut Register, moved: Vec<Moved<Enrolled>>) {
        for Moved { owner, from, row } in moved {
            let hash = register.hash(owner.face);
            if let Some(place) = register.faces.find_mut(hash, |place| *place == from) {
                *place = row;
            }
        }
    }

    /// Enrols a face, or replaces it; its vector is in memory. `None` when the embedding is another model's.
    pub fn insert(&self, face_id: FaceId, embedding: &Embedding, user: Option<UserId>) -> Option<()> {
        self.insert_at(0, face_id, embedding, user)
    }

    /// Enrols a face, or replaces it, whose vector lies in `slot` already. `None` when the embedding is another model's.
    pub fn insert_at(&self, slot: u32, face_id: FaceId, embedding: &Embedding, user: Option<UserId>) -> Option<()> {
        if !self.comparable(embedding) {
            return None;
        }
        let mut register = self.register_mut();
        self.forget(&mut register, face_id);
        let owner = Enrolled { face: face_id, user: UserKey::NOBODY };
        let row = self.face_rows.insert(owner, Incoming { vector: embedding.vector(), slot });
        self.note(&mut register, face_id, row);
        self.give(&mut register, &[face_id], user.as_ref());
        Some(())
    }

    /// Forgets a face and overwrites its vector; false when it was not enrolled.
    pub fn remove(&self, face_id: FaceId) -> bool {
        self.forget(&mut self.register_mut(), face_id)
    }

    fn forget(&self, register: &mut Register, face: FaceId) -> bool {
        self.give(register, &[face], None);
        let hash = register.hash(face);
        let Ok(entry) = register.faces.find_entry(hash, |row| self.holds(*row, face)) else { return false };
        let (row, _) = entry.remove();
        let moved = self.face_rows.remove(row);
        self.follow(register, moved);
        true
    }

    /// Gives enrolled faces to a user, or frees them; those that are not enrolled are passed over.
    pub fn set_user(&self, faces: &[FaceId], user: Option<&UserId>) {
        self.give(&mut self.register_mut(), faces, user);
    }

    fn give(&self, register: &mut Register, faces: &[FaceId], user: Option<&UserId>) {
        let mut changed = HashSet::new();
        for &face in faces {
            let Some((row, owner)) = self.row(register, face).and_then(|row| Some((row, self.face_rows.owner(row)?)))
            else {
                continue;
            };
            let now = user.map_or(UserKey::NOBODY, |user| register.user_key(user));
            if owner.user == now {
                continue;
            }
            self.face_rows.set_owner(row, Enrolled { face, user: now });
            if let Some(before) = register.users.get_mut(&owner.user) {
                before.faces.retain(|own| *own != face);
                changed.insert(owner.user);
            }
            if let Some(after) = register.users.get_mut(&now) {
                after.faces.push(face);
                changed.insert(now);
            }
        }
        for key in changed {
            // Whoever searches for users is told what cannot be read; until then the user has no vector.
            let _ = self.settle(register, key);
        }
    }

    /// Makes a user's vector from those of the user's faces, or forgets a user without faces.
    fn settle(&self, register: &mut Register, key: UserKey) -> Result<(), Unreadable> {
        let Some(user) = register.users.get(&key) else { return Ok(()) };
        let (id, row) = (user.id.clone(), user.row);
        let mean = self.mean(register, &user.faces);
        let without_faces = user.faces.is_empty();
        let row = match (row, mean.as_ref().ok().and_then(Option::as_ref)) {
            // In place, so that no search misses the user between an old and a new row.
            (Some(row), Some(mean)) => {
                self.user_rows.replace(row, mean.vector());
                Some(row)
            }
            (None, Some(mean)) => Some(self.user_rows.insert(id.clone(), Incoming { vector: mean.vector(), slot: 0 })),
            (Some(row), None) => {
                for Moved { owner, row, .. } in self.user_rows.remove(row) {
                    if let Some(user) = register.keys.get(&owner).and_then(|key| register.users.get_mut(key)) {
                        user.row = Some(row);
                    }
                }
                None
            }
            (None, None) => None,
        };
        if without_faces {
            register.users.remove(&key);
            register.keys.remove(&id);
        } else if let Some(user) = register.users.get_mut(&key) {
            user.row = row;
        }
        if mean.is_ok() {
            register.unsettled.remove(&key);
        } else {
            register.unsettled.insert(key);
        }
        mean.map(|_| ())
    }

    /// Direction of the faces' mean; `None` without any, or when they cancel out.
    fn mean(&self, register: &Register, faces: &[FaceId]) -> Result<Option<Embedding>, Unreadable> {
        let mut sum = vec![0_i64; self.face_rows.dimensions()];
        for &face in faces {
            let Some(row) = self.row(register, face) else { continue };
            if let Some(vector) = self.face_rows.vector(row)? {
                sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += fixed_from_f32(x));
            }
        }
        Ok(unit_from_sum(&self.model_id, &sum))
    }

    /// Makes the vectors of users that were loaded; searches for users wait for it. Useful for calling it beforehand:
    /// others are let in between.
    ///
    /// # Errors
    /// A face's vector cannot be read.
    pub fn warm(&self) -> Result<(), Unreadable> {
        while !self.register().unsettled.is_empty() {
            let mut register = self.register_mut();
            let some: Vec<UserKey> = register.unsettled.iter().copied().take(SETTLED_AT_ONCE).collect();
            for key in some {
                self.settle(&mut register, key)?;
            }
        }
        Ok(())
    }

    /// An enrolled face's embedding.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn embedding(&self, face_id: FaceId) -> Result<Option<Embedding>, Unreadable> {
        let register = self.register();
        let Some(row) = self.row(&register, face_id) else { return Ok(None) };
        let vector = self.face_rows.vector(row)?;
        Ok(vector.and_then(|vector| Embedding::from_unit(self.model_id.clone(), vector)))
    }

    /// A face is enrolled.
    #[must_use]
    pub fn contains(&self, face_id: FaceId) -> bool {
        self.row(&self.register(), face_id).is_some()
    }

    /// A user's vector: the normalised mean of the user's faces; `None` without faces.
    ///
    /// # Errors
    /// A face's vector cannot be read.
    pub fn user_embedding(&self, user: &UserId) -> Result<Option<Embedding>, Unreadable> {
        self.warm()?;
        let register = self.register();
        let row = register.keys.get(user).and_then(|key| register.users.get(key)?.row);
        let vector = row.map(|row| self.user_rows.vector(row)).transpose()?.flatten();
        Ok(vector.and_then(|vector| Embedding::from_unit(self.model_id.clone(), vector)))
    }

    /// Enrolled faces.
    #[must_use]
    pub fn face_count(&self) -> usize {
        self.face_rows.len()
    }

    /// Users with a vector: those with faces.
    ///
    /// # Errors
    /// A face's vector cannot be read.
    pub fn user_vector_count(&self) -> Result<usize, Unreadable> {
        self.warm()?;
        Ok(self.user_rows.len())
    }

    /// What the faces take in memory.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        let rows = self.face_rows.footprint();
        Footprint { record_bytes: rows.record_bytes + self.register().faces.allocation_size(), ..rows }
    }

    /// Every face at or above the threshold that passes the filter, best first, up to the limit.
    ///
    /// Of equal cosines the smaller face id comes first. Empty when `probe` is another model's.
    ///
    /// # Errors
    /// The vector of a face that may count cannot be read.
    pub fn search(
        &self,
        probe: &Embedding,
        search: Search,
        filter: Filter<'_, FaceId>,
    ) -> Result<Vec<Candidate>, Unreadable> {
        Ok(self.search_many(&[probe], search, filter)?.pop().unwrap_or_default())
    }

    /// [`Collection::search`] for several probes in one pass over memory; the answers in their order.
    ///
    /// # Errors
    /// As there.
    pub fn search_many(
        &self,
        probes: &[&Embedding],
        search: Search,
        filter: Filter<'_, FaceId>,
    ) -> Result<Vec<Vec<Candidate>>, Unreadable> {
        let keep = filter.keep(|owner: &Enrolled| &owner.face);
        let found = self.best_rows(&self.face_rows, probes, search, keep.as_deref())?;
        let candidate = |Scored { cosine, id }: Scored<Enrolled>| Candidate { face_id: id.face, cosine };
        Ok(found.into_iter().map(|best| best.into_iter().map(candidate).collect()).collect())
    }

    /// Every user whose vector is at or above the threshold and who passes the filter, best first.
    ///
    /// Of equal cosines the smaller user id comes first. Empty when `probe` is another model's.
    ///
    /// # Errors
    /// The vector of a user's face cannot be read.
    pub fn search_users(
        &self,
        probe: &Embedding,
        search: Search,
        filter: Filter<'_, UserId>,
    ) -> Result<Vec<UserCandidate>, Unreadable> {
        self.warm()?;
        let keep = filter.keep(|owner: &UserId| owner);
        let found = self.best_rows(&self.user_rows, &[probe], search, keep.as_deref())?.pop().unwrap_or_default();
        Ok(found.into_iter().map(|Scored { cosine, id }| UserCandidate { user_id: id, cosine }).collect())
    }

    /// Every two enrolled faces at or above the threshold, best first, then by their ids, up to the limit: faces that may
    /// be one person's. Takes the time of n (n - 1) / 2 comparisons of n faces, and tells `progress` meanwhile which share
    /// of them is done, 0 to 1; faces that come or go while it runs may be among the answer or not.
    ///
    /// # Errors
    /// A vector cannot be read.
    pub fn pairs(&self, search: Search, progress: &(dyn Fn(f64) + Sync)) -> Result<Vec<FacePair>, Unreadable> {
        let pair = |Scored { cosine, id: (first, second) }: Scored<(Enrolled, Enrolled)>| FacePair {
            first: first.face,
            second: second.face,
            cosine,
        };
        Ok(self.face_rows.pairs(search.cosine_min, search.limit, progress)?.into_iter().map(pair).collect())
    }

    /// Answers of each probe, in order; empty ones for probes of another model.
    fn best_rows<Id: Owner>(
        &self,
        rows: &Rows<Id>,
        probes: &[&Embedding],
        search: Search,
        keep: Option<&(dyn Fn(&Id) -> bool + Sync)>,
    ) -> Result<Vec<Vec<Scored<Id>>>, Unreadable> {
        let wanted = Wanted { cosine_min: search.cosine_min, limit: search.limit, keep };
        let fitting: Vec<&[f32]> = probes.iter().filter(|p| self.comparable(p)).map(|p| p.vector()).collect();
        let mut found = rows.search(&fitting, &wanted)?.into_iter();
        let answer = |probe: &&Embedding| if self.comparable(probe) { found.next() } else { None };
        Ok(probes.iter().map(answer).map(Option::unwrap_or_default).collect())
    }

    fn comparable(&self, embedding: &Embedding) -> bool {
        *embedding.model_id() == self.model_id && embedding.vector().len() == self.face_rows.dimensions()
    }

    /// Fills an empty collection from its slots; `faces` are expected. Searches see what has come so far.
    pub fn load(&self, faces: usize) -> Loader<'_> {
        let mut register = self.register_mut();
        let Register { faces: table, hasher, .. } = &mut *register;
        table.reserve(faces, |row| self.face_rows.owner(*row).map_or(0, |owner| hasher.hash_one(owner.face)));
        Loader { collection: self, rows: self.face_rows.loading(), register }
    }
}

type Keep<'a, Of> = Box<dyn Fn(&Of) -> bool + Sync + 'a>;

impl<Id: Eq + std::hash::Hash + Sync> Filter<'_, Id> {
    /// As a question to an owner; `None` when everybody counts.
    fn keep<'a, Of: 'a>(&'a self, id: fn(&Of) -> &Id) -> Option<Keep<'a, Of>> {
        match self {
            Self::All => None,
            Self::Except(one) => Some(Box::new(move |owner| id(owner) != *one)),
            Self::Among(these) => Some(Box::new(move |owner| these.contains(id(owner)))),
        }
    }
}

/// Puts faces into a collection as they were kept: see [`Collection::load`].
pub struct Loader<'a> {
    collection: &'a Collection,
    rows: Loading<'a, Enrolled>,
    register: RwLockWriteGuard<'a, Register>,
}

/// Bytes of a face id before its code.
const FACE_ID_BYTES: usize = size_of::<Uuid>();

impl Loader<'_> {
    /// Takes the codec that [`Slots::begin_codes`] was given; false when it is not whole. Before all codes.
    pub fn codec(&mut self, bytes: &[u8]) -> bool {
        self.rows.codec(bytes)
    }

    /// Adds a face by what [`Slots::write_codes`] was given for the slot; false when that is no code of this codec, or
    /// of a face that came before.
    pub fn code(&mut self, slot: u32, bytes: &[u8]) -> bool {
        let Some((id, code)) = bytes.split_first_chunk::<FACE_ID_BYTES>() else { return false };
        let face = FaceId(Uuid::from_bytes(*id));
        if self.collection.row(&self.register, face).is_some() {
            return false;
        }
        let Some(row) = self.rows.code(Enrolled { face, user: UserKey::NOBODY }, slot, code) else { return false };
        self.collection.note(&mut self.register, face, row);
        true
    }

    /// Adds a face by its vector; false when it came before, or the embedding is another model's.
    pub fn vector(&mut self, slot: u32, face: FaceId, embedding: &Embedding) -> bool {
        let collection = self.collection;
        if !collection.comparable(embedding) || collection.row(&self.register, face).is_some() {
            return false;
        }
        let owner = Enrolled { face, user: UserKey::NOBODY };
        let row = self.rows.vector(owner, Incoming { vector: embedding.vector(), slot });
        collection.note(&mut self.register, face, row);
        true
    }

    /// Gives faces that came to a user, whose vector is made by [`Collection::warm`] or when it is asked for; false
    /// when one did not come.
    pub fn user(&mut self, user: &UserId, faces: &[FaceId]) -> bool {
        let key = self.register.user_key(user);
        let mut came = true;
        for &face in faces {
            match self.collection.row(&self.register, face) {
                Some(row) => self.rows.set_owner(row, Enrolled { face, user: key }),
                None => came = false,
            }
        }
        if let Some(user) = self.register.users.get_mut(&key) {
            user.faces.extend_from_slice(faces);
        }
        self.register.unsettled.insert(key);
        came
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a component is within -1 to 1, so the product is below 2^37")]
fn fixed_from_f32(x: f32) -> i64 {
    (f64::from(x) * FIXED_ONE).round() as i64
}

/// Direction of the sum; the mean's length does not matter.
fn unit_from_sum(model_id: &ModelId, sum: &[i64]) -> Option<Embedding> {
    #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest f32, far inside its range")]
    #[expect(clippy::cast_precision_loss, reason = "a sum of fewer than 2^16 faces is exact; beyond, the nearest f64")]
    let raw: Vec<f32> = sum.iter().map(|&s| (s as f64 / FIXED_ONE) as f32).collect();
    // A mean shorter than this has no direction worth comparing (and rounding would decide it).
    let square: f64 = raw.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    if square < 1e-12 {
        return None;
    }
    Embedding::normalised(model_id.clone(), &raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use uuid::Uuid;

    const DIMENSIONS: usize = 7;

    fn model() -> ModelId {
        ModelId::new("toy")
    }

    fn face(n: u8) -> FaceId {
        FaceId(Uuid::from_u128(u128::from(n) + 1))
    }

    fn user(n: u8) -> UserId {
        UserId::parse(&format!("u{n}")).unwrap()
    }

    /// Few distinct directions, so that ties are common.
    fn embedding(direction: u8) -> Embedding {
        let raw: Vec<f32> = (0..DIMENSIONS).map(|i| f32::from((direction >> i) & 1) - 0.25).collect();
        Embedding::normalised(model(), &raw).unwrap()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, u8, Option<u8>),
        Remove(u8),
        SetUser(u8, Option<u8>),
        Search { probe: u8, cosine_min: f32, limit: usize, exclude: u8 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let owner = || proptest::option::of(0u8..4);
        prop_oneof![
            4 => (0u8..24, 0u8..16, owner()).prop_map(|(f, d, u)| Step::Insert(f, d, u)),
            2 => (0u8..24).prop_map(Step::Remove),
            2 => (0u8..24, owner()).prop_map(|(f, u)| Step::SetUser(f, u)),
            2 => (0u8..16, -1.0f32..1.0, 0usize..30, 0u8..24)
                .prop_map(|(probe, cosine_min, limit, exclude)| Step::Search { probe, cosine_min, limit, exclude }),
        ]
    }

    type Model = BTreeMap<FaceId, (u8, Option<UserId>)>;

    /// Sixteen-bit-free textbook cosine of the direction classes: exact equality of ties needs the same sum order.
    fn brute(model: &Model, probe: u8, search: Search, exclude: FaceId) -> Vec<Candidate> {
        let probe = embedding(probe);
        let mut all: Vec<Candidate> = model
            .iter()
            .filter(|(id, _)| **id != exclude)
            .map(|(id, (d, _))| Candidate { face_id: *id, cosine: plain_cosine(&probe, &embedding(*d)) })
            .filter(|c| c.cosine >= search.cosine_min)
            .collect();
        all.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.face_id.cmp(&b.face_id)));
        all.truncate(search.limit);
        all
    }

    /// Seven dimensions fit one group of lanes: products in lane order, then the tree of the scan.
    fn plain_cosine(a: &Embedding, b: &Embedding) -> f32 {
        let p: Vec<f32> = a.vector().iter().zip(b.vector()).map(|(x, y)| x * y).chain([0.0; 25]).take(32).collect();
        let mut lanes = p;
        while lanes.len() > 1 {
            let half = lanes.len() / 2;
            lanes = (0..half).map(|i| lanes[i] + lanes[i + half]).collect();
        }
        (lanes[0] + 0.0).clamp(-1.0, 1.0)
    }

    fn brute_user(model: &Model, user: &UserId) -> Option<Embedding> {
        let mut sum = [0.0f64; DIMENSIONS];
        let mine: Vec<u8> = model.values().filter(|(_, u)| u.as_ref() == Some(user)).map(|(d, _)| *d).collect();
        for d in &mine {
            sum.iter_mut().zip(embedding(*d).vector()).for_each(|(s, x)| *s += f64::from(*x));
        }
        let raw: Vec<f32> = sum.iter().map(|&s| s as f32).collect();
        let square: f32 = raw.iter().map(|x| x * x).sum();
        if mine.is_empty() || square < 1e-9 { None } else { Embedding::normalised(self::model(), &raw) }
    }

    proptest! {
        #[test]
        fn search_equals_brute_force_through_any_history(steps in proptest::collection::vec(step(), 1..80)) {
            let collection = Collection::new(model(), DIMENSIONS);
            let mut expected = Model::new();
            for step in steps {
                match step {
                    Step::Insert(f, d, u) => {
                        collection.insert(face(f), &embedding(d), u.map(user)).unwrap();
                        expected.insert(face(f), (d, u.map(user)));
                    }
                    Step::Remove(f) => {
                        prop_assert_eq!(collection.remove(face(f)), expected.remove(&face(f)).is_some());
                    }
                    Step::SetUser(f, u) => {
                        collection.set_user(&[face(f)], u.map(user).as_ref());
                        if let Some(entry) = expected.get_mut(&face(f)) {
                            entry.1 = u.map(user);
                        }
                    }
                    Step::Search { probe, cosine_min, limit, exclude } => {
                        let search = Search { cosine_min, limit };
                        prop_assert_eq!(
                            collection.search(&embedding(probe), search, Filter::Except(&face(exclude))).unwrap(),
                            brute(&expected, probe, search, face(exclude))
                        );
                    }
                }
                prop_assert_eq!(collection.face_count(), expected.len());
                for u in 0..4 {
                    let (got, wanted) = (collection.user_embedding(&user(u)).unwrap(), brute_user(&expected, &user(u)));
                    prop_assert_eq!(got.is_some(), wanted.is_some());
                    if let (Some(got), Some(wanted)) = (got, wanted) {
                        prop_assert!(got.cosine(&wanted).unwrap() > 0.999_999);
                    }
                }
            }
        }

        #[test]
        fn user_search_is_the_sorted_list_of_users(
            owners in proptest::collection::vec((0u8..16, 0u8..5), 0..40), probe in 0u8..16, cosine_min in -1.0f32..1.0,
            limit in 0usize..6, exclude in 0u8..5,
        ) {
            let collection = Collection::new(model(), DIMENSIONS);
            for (n, (direction, owner)) in owners.iter().enumerate() {
                collection.insert(face(n as u8), &embedding(*direction), Some(user(*owner))).unwrap();
            }
            let probe = embedding(probe);
            let mut wanted: Vec<UserCandidate> = (0..5).map(user).filter(|u| *u != user(exclude))
                .filter_map(|user_id| {
                    let cosine = plain_cosine(&probe, &collection.user_embedding(&user_id).unwrap()?);
                    Some(UserCandidate { user_id, cosine })
                })
                .filter(|c| c.cosine >= cosine_min)
                .collect();
            wanted.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then_with(|| a.user_id.cmp(&b.user_id)));
            wanted.truncate(limit);
            let got = collection.search_users(&probe, Search { cosine_min, limit }, Filter::Except(&user(exclude))).unwrap();
            prop_assert_eq!(got, wanted);
        }

        #[test]
        fn user_vector_does_not_depend_on_the_order_of_enrolment(
            mut faces in proptest::collection::vec(proptest::collection::vec(-1.0f32..1.0, DIMENSIONS), 1..20)
        ) {
            let vector = |faces: &[Vec<f32>]| {
                let collection = Collection::new(model(), DIMENSIONS);
                for (n, raw) in faces.iter().enumerate() {
                    if let Some(embedding) = Embedding::normalised(model(), raw) {
                        collection.insert(face(n as u8), &embedding, Some(user(0))).unwrap();
                    }
                }
                collection.user_embedding(&user(0)).unwrap()
            };
            let forward = vector(&faces);
            faces.reverse();
            prop_assert_eq!(forward, vector(&faces));
        }
    }

    #[test]
    fn another_models_embedding_is_refused_and_finds_nothing() {
        let collection = Collection::new(model(), DIMENSIONS);
        let other = Embedding::normalised(ModelId::new("other"), embedding(1).vector()).unwrap();
        assert_eq!(collection.insert(face(1), &other, None), None);
        collection.insert(face(1), &embedding(1), None).unwrap();
        assert!(collection.search(&other, Search { cosine_min: -1.0, limit: 5 }, Filter::All).unwrap().is_empty());
        let short = Embedding::normalised(model(), &[1.0, 2.0]).unwrap();
        assert_eq!(collection.insert(face(1), &short, None), None);
    }

    #[test]
    fn comparing_two_faces_gives_the_bits_of_the_search() {
        const LONG: usize = 131;
        let wave = |n: u16| {
            let raw: Vec<f32> = (0..LONG as u16).map(|i| f32::from(i * 31 + n * 7).sin()).collect();
            Embedding::normalised(model(), &raw).unwrap()
        };
        let collection = Collection::new(model(), LONG);
        for n in 0..200u8 {
            collection.insert(face(n), &wave(n.into()), None).unwrap();
        }
        let found = collection.search(&wave(1000), Search { cosine_min: -1.0, limit: 200 }, Filter::All).unwrap();
        assert_eq!(found.len(), 200);
        for candidate in found {
            let pair = wave(1000).cosine(&collection.embedding(candidate.face_id).unwrap().unwrap()).unwrap();
            assert_eq!(pair.to_bits(), candidate.cosine.to_bits());
        }
    }

    #[test]
    fn threshold_is_inclusive_and_self_similarity_is_one() {
        let collection = Collection::new(model(), DIMENSIONS);
        collection.insert(face(1), &embedding(5), None).unwrap();
        let found = collection.search(&embedding(5), Search { cosine_min: -1.0, limit: 1 }, Filter::All).unwrap();
        assert!(found[0].cosine > 0.999_999);
        let again = Search { cosine_min: found[0].cosine, limit: 1 };
        assert_eq!(collection.search(&embedding(5), again, Filter::All).unwrap(), found);
    }

    #[test]
    fn removed_rows_are_overwritten_and_used_again() {
        let collection = Collection::new(model(), DIMENSIONS);
        collection.insert(face(1), &embedding(5), Some(user(1))).unwrap();
        let row = collection.row(&collection.register(), face(1)).unwrap();
        assert!(collection.remove(face(1)));
        assert!(collection.face_rows.held_vector(row).iter().all(|&x| x == 0.0));
        assert!(collection.user_embedding(&user(1)).unwrap().is_none());
        collection.insert(face(2), &embedding(6), None).unwrap();
        assert_eq!(collection.row(&collection.register(), face(2)), Some(row));
    }
}
