//! What a store must hold after any sequence of operations, in the simplest form.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trombi::gallery::{CollectionId, FaceId, UserId};
use trombi::store::{Store, StoreError};

use super::{face, face_id, record_of, scratch};

/// Small numbers name everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    CreateCollection(u32),
    DeleteCollection(u32),
    Tag(u32, u32),
    Untag(u32, u32),
    Put(u32, Option<u32>, Vec<u32>),
    Delete(u32, Vec<u32>),
    CreateUser(u32, u32),
    DeleteUser(u32, u32),
    SetUser(u32, Option<u32>, Vec<u32>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done(usize),
    Exists,
    Missing,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    pub collections: BTreeMap<u32, Contents>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    pub tags: BTreeMap<String, String>,
    /// Number of faces of each.
    pub users: BTreeMap<u32, u64>,
    /// In the order of enrolment.
    pub faces: Vec<(u32, Option<u32>)>,
}

pub fn collection(n: u32) -> CollectionId {
    CollectionId::parse(&format!("collection-{n}")).unwrap()
}

pub fn user(n: u32) -> UserId {
    UserId::parse(&format!("user-{n}")).unwrap()
}

fn number(name: &str) -> u32 {
    name.rsplit_once('-').unwrap().1.parse().unwrap()
}

fn tag(n: u32) -> (String, String) {
    (format!("tag-{}", n % 4), format!("value-{n}"))
}

impl Model {
    pub fn apply(&mut self, op: &Op) -> Outcome {
        let id = match op {
            Op::CreateCollection(c) => {
                if self.collections.contains_key(c) {
                    return Outcome::Exists;
                }
                self.collections.insert(*c, Contents::default());
                return Outcome::Done(0);
            }
            Op::DeleteCollection(c) => {
                return if self.collections.remove(c).is_some() { Outcome::Done(0) } else { Outcome::Missing };
            }
            Op::Tag(c, _)
            | Op::Untag(c, _)
            | Op::Put(c, ..)
            | Op::Delete(c, _)
            | Op::CreateUser(c, _)
            | Op::DeleteUser(c, _)
            | Op::SetUser(c, ..) => c,
        };
        match self.collections.get_mut(id) {
            Some(contents) => contents.apply(op),
            None => Outcome::Missing,
        }
    }

    pub fn has(&self, face: u32) -> bool {
        self.collections.values().any(|c| c.faces.iter().any(|(n, _)| *n == face))
    }
}

impl Contents {
    fn apply(&mut self, op: &Op) -> Outcome {
        let mut done = 0;
        match op {
            Op::CreateCollection(_) | Op::DeleteCollection(_) => unreachable!(),
            Op::Tag(_, n) => drop(self.tags.insert(tag(*n).0, tag(*n).1)),
            Op::Untag(_, n) => drop(self.tags.remove(&tag(*n).0)),
            Op::Put(_, owner, faces) => {
                let mut after = self.faces.clone();
                for n in faces {
                    if after.iter().all(|(had, _)| had != n) {
                        after.push((*n, *owner));
                        done += 1;
                    }
                }
                if done > 0 && owner.is_some_and(|u| !self.users.contains_key(&u)) {
                    return Outcome::Missing;
                }
                self.faces = after;
            }
            Op::Delete(_, faces) => {
                let before = self.faces.len();
                self.faces.retain(|(n, _)| !faces.contains(n));
                done = before - self.faces.len();
            }
            Op::CreateUser(_, u) => {
                if self.users.insert(*u, 0).is_some() {
                    self.count();
                    return Outcome::Exists;
                }
            }
            Op::DeleteUser(_, u) => {
                if self.users.remove(u).is_none() {
                    return Outcome::Missing;
                }
                self.faces.iter_mut().filter(|(_, owner)| *owner == Some(*u)).for_each(|(_, owner)| *owner = None);
            }
            Op::SetUser(_, owner, faces) => {
                let known = |n: &u32| self.faces.iter().any(|(had, _)| had == n);
                if !faces.iter().all(known) || owner.is_some_and(|u| !self.users.contains_key(&u)) {
                    return Outcome::Missing;
                }
                self.faces.iter_mut().filter(|(n, _)| faces.contains(n)).for_each(|(_, o)| *o = *owner);
            }
        }
        self.count();
        Outcome::Done(done)
    }

    fn count(&mut self) {
        for (user, count) in &mut self.users {
            *count = self.faces.iter().filter(|(_, owner)| owner == &Some(*user)).count() as u64;
        }
    }
}

/// Does it to the store.
pub fn run(store: &Store, op: &Op) -> Result<Outcome, StoreError> {
    let ids = |faces: &[u32]| faces.iter().map(|n| face_id(*n)).collect::<Vec<FaceId>>();
    let done = match op {
        Op::CreateCollection(c) => store.create_collection(&record_of(&collection(*c)), &BTreeMap::new()).map(|()| 0),
        Op::DeleteCollection(c) => store.delete_collection(&collection(*c)).map(|()| 0),
        Op::Tag(c, n) => store.change_tags(&collection(*c), &BTreeMap::from([tag(*n)]), &[]).map(|()| 0),
        Op::Untag(c, n) => store.change_tags(&collection(*c), &BTreeMap::new(), &[tag(*n).0]).map(|()| 0),
        Op::Put(c, owner, faces) => {
            let mut faces: Vec<_> = faces.iter().map(|n| face(*n)).collect();
            faces.iter_mut().for_each(|(record, _)| record.user_id = owner.map(user));
            store.put_faces(&collection(*c), &faces).map(|placed| placed.len())
        }
        Op::Delete(c, faces) => store.delete_faces(&collection(*c), &ids(faces)).map(|gone| gone.len()),
        Op::CreateUser(c, u) => store.create_user(&collection(*c), &user(*u)).map(|()| 0),
        Op::DeleteUser(c, u) => store.delete_user(&collection(*c), &user(*u)).map(|()| 0),
        Op::SetUser(c, owner, faces) => {
            store.set_user(&collection(*c), &ids(faces), owner.map(user).as_ref()).map(|()| 0)
        }
    };
    match done {
        Ok(done) => Ok(Outcome::Done(done)),
        Err(StoreError::Exists) => Ok(Outcome::Exists),
        Err(StoreError::Missing) => Ok(Outcome::Missing),
        Err(other) => Err(other),
    }
}

/// Everything the store holds, read through every listing in pages; each record and vector is compared with what was put.
pub fn snapshot(store: &Store, page: usize) -> Model {
    let mut model = Model::default();
    let mut after = None;
    while let Some(last) = {
        let records = store.collections(after.as_ref(), page).unwrap();
        for record in &records {
            let contents = contents_of(store, &record.id, page);
            assert_eq!(record.face_count, contents.faces.len() as u64);
            assert_eq!(record.user_count, contents.users.len() as u64);
            assert_eq!(*record, store.collection(&record.id).unwrap());
            model.collections.insert(number(record.id.as_str()), contents);
        }
        records.into_iter().next_back()
    } {
        after = Some(last.id);
    }
    model
}

fn contents_of(store: &Store, id: &CollectionId, page: usize) -> Contents {
    let mut contents = Contents { tags: store.tags(id).unwrap(), ..Contents::default() };
    let mut after = None;
    loop {
        let users = store.users(id, after.as_ref(), page).unwrap();
        let Some((last, _)) = users.last() else { break };
        after = Some(last.clone());
        contents.users.extend(users.iter().map(|(user, count)| (number(user.as_str()), *count)));
    }
    let mut after = None;
    loop {
        let faces = store.faces(id, after, page, None).unwrap();
        let Some(last) = faces.last() else { break };
        after = Some(last.face_id);
        for record in faces {
            let n = u32::try_from(record.face_id.0.as_u128() - 1).unwrap();
            let owner = record.user_id.clone();
            let mut put = face(n).0;
            put.user_id.clone_from(&owner);
            assert_eq!(record, put);
            assert_eq!(store.face(id, face_id(n)).unwrap(), put);
            contents.faces.push((n, owner.map(|user| number(user.as_str()))));
        }
    }
    let mut vectors = BTreeMap::new();
    store.load_vectors(id, &mut |id, owner, embedding| drop(vectors.insert(id, (owner, embedding)))).unwrap();
    assert_eq!(vectors.len(), contents.faces.len());
    for (n, owner) in &contents.faces {
        assert_eq!(vectors[&face_id(*n)], (owner.map(user), face(*n).1));
    }
    for (number, count) in &contents.users {
        assert_eq!(store.user_face_count(id, &user(*number)).unwrap(), *count);
        let theirs = store.faces(id, None, usize::MAX, Some(&user(*number))).unwrap();
        assert_eq!(theirs.len() as u64, *count);
    }
    contents
}

#[derive(Debug, Clone)]
enum Step {
    Do(Op),
    Reopen,
    BackupAndRestore,
}

fn step() -> impl Strategy<Value = Step> {
    let (c, u, faces) = (|| 0u32..2, || 0u32..3, || proptest::collection::vec(0u32..20, 0..6));
    let owner = move || proptest::option::weighted(0.6, u());
    let op = prop_oneof![
        3 => c().prop_map(Op::CreateCollection),
        1 => c().prop_map(Op::DeleteCollection),
        1 => (c(), 0u32..8).prop_map(|(c, n)| Op::Tag(c, n)),
        1 => (c(), 0u32..8).prop_map(|(c, n)| Op::Untag(c, n)),
        6 => (c(), owner(), faces()).prop_map(|(c, u, f)| Op::Put(c, u, f)),
        4 => (c(), faces()).prop_map(|(c, f)| Op::Delete(c, f)),
        4 => (c(), u()).prop_map(|(c, u)| Op::CreateUser(c, u)),
        2 => (c(), u()).prop_map(|(c, u)| Op::DeleteUser(c, u)),
        3 => (c(), owner(), faces()).prop_map(|(c, u, f)| Op::SetUser(c, u, f)),
    ];
    prop_oneof![12 => op.prop_map(Step::Do), 1 => Just(Step::Reopen), 1 => Just(Step::BackupAndRestore)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_operations_leaves_what_the_model_has(
        steps in proptest::collection::vec(step(), 1..40), page in 1usize..5
    ) {
        let dir = scratch();
        let mut data = dir.path().join("0");
        let mut store = Store::open(&data).unwrap();
        let mut model = Model::default();
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Do(op) => prop_assert_eq!(run(&store, op).unwrap(), model.apply(op), "{:?}", op),
                Step::Reopen => {
                    drop(store);
                    store = Store::open(&data).unwrap();
                }
                Step::BackupAndRestore => {
                    let file = dir.path().join("backup");
                    store.backup(&file).unwrap();
                    data = dir.path().join((n + 1).to_string());
                    Store::restore(&file, &data).unwrap();
                    store = Store::open(&data).unwrap();
                }
            }
            prop_assert_eq!(snapshot(&store, page), model.clone());
        }
    }
}
