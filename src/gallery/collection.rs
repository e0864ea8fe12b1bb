//! One collection's enrolled vectors in memory, and the exact search over them.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::ids::{FaceId, UserId};
use super::search::{Footprint, Means, Moved, Row, Rows, Scored, Wanted};
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

/// The enrolled faces of one collection, all of one model, in memory.
///
/// Every answer is a function of what is enrolled alone: not of the order in which it was enrolled, nor of the machine's
/// instruction set. Searches go on while faces come and go: they see what was enrolled before they began and is not
/// removed since. Whoever changes a collection from several threads puts the changes in an order himself.
pub struct Collection {
    model_id: ModelId,
    face_rows: Rows<FaceId>,
    user_rows: Rows<UserId>,
    /// INVARIANT (rows are where the register says): a row is only given out, moved or taken back under its write lock.
    register: RwLock<Register>,
}

#[derive(Default)]
struct Register {
    faces: HashMap<FaceId, Face>,
    users: HashMap<UserId, User>,
}

struct Face {
    row: Row,
    user: Option<UserId>,
}

struct User {
    /// Sum of the faces' vectors in units of 1 / [`FIXED_ONE`]: integers add up to the same whatever the order.
    sum: Vec<i64>,
    face_count: u64,
    /// `None` when the vectors cancel out.
    row: Option<Row>,
}

/// One, in the fixed-point numbers of [`User::sum`]: 2^36 keeps every bit of a component above 2^-13 and
/// leaves room for 2^27 faces.
const FIXED_ONE: f64 = 68_719_476_736.0;

impl Collection {
    /// An empty one.
    #[must_use]
    pub fn new(model_id: ModelId, dimensions: usize) -> Self {
        Self::with_means(model_id, dimensions, Means::default())
    }

    /// An empty one whose searches are computed by these means; all give the same answers.
    #[must_use]
    pub fn with_means(model_id: ModelId, dimensions: usize, means: Means) -> Self {
        Self {
            model_id,
            face_rows: Rows::new(dimensions, means),
            user_rows: Rows::new(dimensions, means),
            register: RwLock::default(),
        }
    }

    fn register(&self) -> RwLockReadGuard<'_, Register> {
        self.register.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn register_mut(&self) -> RwLockWriteGuard<'_, Register> {
        self.register.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enrols a face, or replaces it. `None` when the embedding is another model's.
    pub fn insert(&self, face_id: FaceId, embedding: &Embedding, user: Option<UserId>) -> Option<()> {
        if !self.comparable(embedding) {
            return None;
        }
        let mut register = self.register_mut();
        self.forget(&mut register, face_id);
        let row = self.face_rows.insert(face_id, embedding.vector());
        register.faces.insert(face_id, Face { row, user: None });
        self.give(&mut register, face_id, user);
        Some(())
    }

    /// Forgets a face and overwrites its vector; false when it was not enrolled.
    pub fn remove(&self, face_id: FaceId) -> bool {
        self.forget(&mut self.register_mut(), face_id)
    }

    fn forget(&self, register: &mut Register, face_id: FaceId) -> bool {
        self.give(register, face_id, None);
        let Some(face) = register.faces.remove(&face_id) else { return false };
        for Moved { owner, row } in self.face_rows.remove(face.row) {
            register.faces.entry(owner).and_modify(|face| face.row = row);
        }
        true
    }

    /// Gives an enrolled face to a user, or frees it; nothing happens when it is not enrolled.
    pub fn set_user(&self, face_id: FaceId, user: Option<UserId>) {
        self.give(&mut self.register_mut(), face_id, user);
    }

    fn give(&self, register: &mut Register, face_id: FaceId, user: Option<UserId>) {
        let Some(face) = register.faces.get_mut(&face_id) else { return };
        if face.user == user {
            return;
        }
        let vector = self.face_rows.vector(face.row);
        if let Some(before) = std::mem::replace(&mut face.user, user.clone()) {
            self.change_user(register, before, &vector, Change::Leaves);
        }
        if let Some(now) = user {
            self.change_user(register, now, &vector, Change::Joins);
        }
    }

    /// An enrolled face's embedding.
    #[must_use]
    pub fn embedding(&self, face_id: FaceId) -> Option<Embedding> {
        let register = self.register();
        let vector = self.face_rows.vector(register.faces.get(&face_id)?.row);
        Embedding::from_unit(self.model_id.clone(), vector)
    }

    /// A face is enrolled.
    #[must_use]
    pub fn contains(&self, face_id: FaceId) -> bool {
        self.register().faces.contains_key(&face_id)
    }

    /// A user's vector: the normalised mean of the user's faces; `None` without faces.
    #[must_use]
    pub fn user_embedding(&self, user: &UserId) -> Option<Embedding> {
        let register = self.register();
        let vector = self.user_rows.vector(register.users.get(user)?.row?);
        Embedding::from_unit(self.model_id.clone(), vector)
    }

    /// Enrolled faces.
    #[must_use]
    pub fn face_count(&self) -> usize {
        self.face_rows.len()
    }

    /// What the faces' vectors and codes take.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        self.face_rows.footprint()
    }

    /// Every face at or above the threshold that passes the filter, best first, up to the limit.
    ///
    /// Of equal cosines the smaller face id comes first. Empty when `probe` is another model's.
    #[must_use]
    pub fn search(&self, probe: &Embedding, search: Search, filter: Filter<'_, FaceId>) -> Vec<Candidate> {
        self.search_many(&[probe], search, filter).pop().unwrap_or_default()
    }

    /// [`Collection::search`] for several probes in one pass over memory; the answers in their order.
    #[must_use]
    pub fn search_many(
        &self,
        probes: &[&Embedding],
        search: Search,
        filter: Filter<'_, FaceId>,
    ) -> Vec<Vec<Candidate>> {
        let found = self.best_rows(&self.face_rows, probes, search, filter);
        let candidate = |Scored { cosine, id }| Candidate { face_id: id, cosine };
        found.into_iter().map(|best| best.into_iter().map(candidate).collect()).collect()
    }

    /// Every user whose vector is at or above the threshold and who passes the filter, best first.
    ///
    /// Of equal cosines the smaller user id comes first. Empty when `probe` is another model's.
    #[must_use]
    pub fn search_users(&self, probe: &Embedding, search: Search, filter: Filter<'_, UserId>) -> Vec<UserCandidate> {
        let found = self.best_rows(&self.user_rows, &[probe], search, filter).pop().unwrap_or_default();
        found.into_iter().map(|Scored { cosine, id }| UserCandidate { user_id: id, cosine }).collect()
    }

    /// Every two enrolled faces whose cosine is at or above `cosine_min`: best first, then by their ids.
    ///
    /// Memory grows with what is found, so the threshold bounds it: n faces have n (n - 1) / 2 pairs.
    #[must_use]
    pub fn pairs(&self, cosine_min: f32) -> Vec<FacePair> {
        let pairs = self.face_rows.pairs(cosine_min).into_iter();
        pairs.map(|pair| FacePair { first: pair.first, second: pair.second, cosine: pair.cosine }).collect()
    }

    /// Answers of each probe, in order; empty ones for probes of another model.
    fn best_rows<Id: Ord + Clone + Send + Sync + std::hash::Hash>(
        &self,
        rows: &Rows<Id>,
        probes: &[&Embedding],
        search: Search,
        filter: Filter<'_, Id>,
    ) -> Vec<Vec<Scored<Id>>> {
        let keep = |id: &Id| match filter {
            Filter::All => true,
            Filter::Except(one) => id != one,
            Filter::Among(these) => these.contains(id),
        };
        let wanted = Wanted { cosine_min: search.cosine_min, limit: search.limit, keep: Some(&keep) };
        let fitting: Vec<&[f32]> = probes.iter().filter(|p| self.comparable(p)).map(|p| p.vector()).collect();
        let mut found = rows.search(&fitting, &wanted).into_iter();
        let answer = |probe: &&Embedding| if self.comparable(probe) { found.next() } else { None };
        probes.iter().map(answer).map(Option::unwrap_or_default).collect()
    }

    fn comparable(&self, embedding: &Embedding) -> bool {
        *embedding.model_id() == self.model_id && embedding.vector().len() == self.face_rows.dimensions()
    }

    fn change_user(&self, register: &mut Register, user_id: UserId, vector: &[f32], change: Change) {
        let user = register.users.entry(user_id.clone()).or_insert_with(|| User {
            sum: vec![0; vector.len()],
            face_count: 0,
            row: None,
        });
        for (sum, &x) in user.sum.iter_mut().zip(vector) {
            match change {
                Change::Joins => *sum += fixed_from_f32(x),
                Change::Leaves => *sum -= fixed_from_f32(x),
            }
        }
        match change {
            Change::Joins => user.face_count += 1,
            Change::Leaves => user.face_count -= 1,
        }
        let mean = unit_from_sum(&self.model_id, &user.sum).filter(|_| user.face_count > 0);
        let moved = match (user.row, mean) {
            // In place, so that no search misses the user between an old and a new row.
            (Some(row), Some(mean)) => {
                self.user_rows.replace(row, mean.vector());
                Vec::new()
            }
            (None, Some(mean)) => {
                user.row = Some(self.user_rows.insert(user_id.clone(), mean.vector()));
                Vec::new()
            }
            (Some(row), None) => {
                user.row = None;
                self.user_rows.remove(row)
            }
            (None, None) => Vec::new(),
        };
        if user.face_count == 0 {
            register.users.remove(&user_id);
        }
        for Moved { owner, row } in moved {
            register.users.entry(owner).and_modify(|user| user.row = Some(row));
        }
    }
}

#[derive(Clone, Copy)]
enum Change {
    Joins,
    Leaves,
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
                        collection.set_user(face(f), u.map(user));
                        if let Some(entry) = expected.get_mut(&face(f)) {
                            entry.1 = u.map(user);
                        }
                    }
                    Step::Search { probe, cosine_min, limit, exclude } => {
                        let search = Search { cosine_min, limit };
                        prop_assert_eq!(
                            collection.search(&embedding(probe), search, Filter::Except(&face(exclude))),
                            brute(&expected, probe, search, face(exclude))
                        );
                    }
                }
                prop_assert_eq!(collection.face_count(), expected.len());
                for u in 0..4 {
                    let (got, wanted) = (collection.user_embedding(&user(u)), brute_user(&expected, &user(u)));
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
                    let cosine = plain_cosine(&probe, &collection.user_embedding(&user_id)?);
                    Some(UserCandidate { user_id, cosine })
                })
                .filter(|c| c.cosine >= cosine_min)
                .collect();
            wanted.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then_with(|| a.user_id.cmp(&b.user_id)));
            wanted.truncate(limit);
            let got = collection.search_users(&probe, Search { cosine_min, limit }, Filter::Except(&user(exclude)));
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
                collection.user_embedding(&user(0))
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
        assert!(collection.search(&other, Search { cosine_min: -1.0, limit: 5 }, Filter::All).is_empty());
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
        let found = collection.search(&wave(1000), Search { cosine_min: -1.0, limit: 200 }, Filter::All);
        assert_eq!(found.len(), 200);
        for candidate in found {
            let pair = wave(1000).cosine(&collection.embedding(candidate.face_id).unwrap()).unwrap();
            assert_eq!(pair.to_bits(), candidate.cosine.to_bits());
        }
    }

    #[test]
    fn threshold_is_inclusive_and_self_similarity_is_one() {
        let collection = Collection::new(model(), DIMENSIONS);
        collection.insert(face(1), &embedding(5), None).unwrap();
        let found = collection.search(&embedding(5), Search { cosine_min: -1.0, limit: 1 }, Filter::All);
        assert!(found[0].cosine > 0.999_999);
        let again = Search { cosine_min: found[0].cosine, limit: 1 };
        assert_eq!(collection.search(&embedding(5), again, Filter::All), found);
    }

    #[test]
    fn removed_rows_are_overwritten_and_used_again() {
        let collection = Collection::new(model(), DIMENSIONS);
        collection.insert(face(1), &embedding(5), Some(user(1))).unwrap();
        let row = collection.register().faces[&face(1)].row;
        assert!(collection.remove(face(1)));
        assert!(collection.face_rows.vector(row).iter().all(|&x| x == 0.0));
        assert!(collection.user_embedding(&user(1)).is_none());
        collection.insert(face(2), &embedding(6), None).unwrap();
        assert_eq!(collection.register().faces[&face(2)].row, row);
    }
}
