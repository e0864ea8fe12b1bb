//! The data directory as an outsider sees it.

mod crash;
mod damage;
mod disk;
mod gallery;
mod measure;
mod model;
mod old_formats;
mod restore;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use trombi::gallery::{CollectionId, ExternalImageId, FaceId, ImageId, UserId};
use trombi::store::{BoxRatio, CollectionRecord, FaceRecord, KeyBinding, Store, StoreError};
use trombi::vision::{Embedding, ModelId};
use uuid::Uuid;

const DIMENSIONS: usize = 64;

/// A directory in memory where there is one: these tests make files durable thousands of times.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let in_memory = memory.is_dir().then(|| tempfile::tempdir_in(memory).ok()).flatten();
    in_memory.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// The same on every machine.
struct Random(u64);

impl Random {
    /// Uniform enough, below `end`; 0 when that is 0.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.below(from.len() as u64);
        from.get(usize::try_from(at).unwrap())
    }
}

fn name() -> CollectionId {
    CollectionId::parse("staff").unwrap()
}

fn face_id(n: u32) -> FaceId {
    FaceId(Uuid::from_u128(u128::from(n) + 1))
}

fn face(n: u32) -> (FaceRecord, Embedding) {
    let mut random = Random(u64::from(n) << 20 | 0xface);
    let raw: Vec<f32> = (0..DIMENSIONS).map(|_| random.below(20_001) as f32 / 10_000.0 - 1.0).collect();
    let record = FaceRecord {
        face_id: face_id(n),
        image_id: ImageId(Uuid::from_u128(77)),
        external_image_id: ExternalImageId::parse(&format!("visible-name-{n}-end")),
        box_ratio: BoxRatio { left: 0.1, top: -0.2, width: 0.3, height: 1.4 },
        confidence: 99.5,
        model_version: "1.0".to_owned(),
        user_id: None,
    };
    (record, Embedding::normalised(ModelId::new("toy"), &raw).unwrap())
}

fn record_of(id: &CollectionId) -> CollectionRecord {
    CollectionRecord {
        id: id.clone(),
        model_id: ModelId::new("toy"),
        model_version: "1.0".to_owned(),
        dimensions: DIMENSIONS,
        created_ms: 5,
        face_count: 0,
        user_count: 0,
    }
}

fn store_with(directory: &Path, faces: std::ops::Range<u32>) -> Store {
    let store = Store::open(directory).unwrap();
    store.create_collection(&record_of(&name()), &BTreeMap::new()).unwrap();
    let faces: Vec<_> = faces.map(face).collect();
    assert_eq!(store.put_faces(&name(), &faces).unwrap().len(), faces.len());
    store
}

fn loaded(store: &Store) -> Result<BTreeMap<FaceId, Vec<f32>>, StoreError> {
    let mut all = BTreeMap::new();
    store.load_vectors(&name(), &mut |id, _, embedding| drop(all.insert(id, embedding.vector().to_vec())))?;
    Ok(all)
}

fn expected(faces: impl Iterator<Item = u32>) -> BTreeMap<FaceId, Vec<f32>> {
    faces.map(|n| (face_id(n), face(n).1.vector().to_vec())).collect()
}

fn segment(directory: &Path) -> std::path::PathBuf {
    fs::read_dir(directory.join("vectors")).unwrap().next().unwrap().unwrap().path()
}

/// Every file of a data directory.
fn files_of(directory: &Path) -> Vec<std::path::PathBuf> {
    let folders = [directory.to_owned(), directory.join("vectors")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

fn found_anywhere(directory: &Path, needle: &[u8]) -> bool {
    files_of(directory).into_iter().any(|f| fs::read(f).unwrap().windows(needle.len()).any(|w| w == needle))
}

#[test]
fn faces_survive_reopening_and_backup() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy, file) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("all.bak"));
    let store = store_with(&data, 0..50);
    assert_eq!(store.put_faces(&name(), &[face(3), face(50), face(50)]).unwrap(), [(face_id(50), 50)]);
    store.backup(&file).unwrap();
    let secret = store.instance_secret().unwrap();
    drop(store);
    Store::restore(&file, &copy).unwrap();
    for directory in [&data, &copy] {
        let store = Store::open(directory).unwrap();
        assert_eq!(loaded(&store).unwrap(), expected(0..51));
        assert_eq!(store.face(&name(), face_id(7)).unwrap(), face(7).0);
        assert_eq!(store.collection(&name()).unwrap().face_count, 51);
        assert_eq!(store.instance_secret().unwrap(), secret);
    }
    assert!(matches!(Store::restore(&file, &copy), Err(StoreError::Exists)));
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(matches!(Store::restore(&file, &dir.path().join("c")), Err(StoreError::Damaged(_))));
}

#[test]
fn deleted_faces_are_in_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with(dir.path(), 0..2000);
    let gone: Vec<FaceId> = (0..2000).filter(|n| n % 3 == 0).map(face_id).collect();
    for part in gone.chunks(50) {
        assert_eq!(store.delete_faces(&name(), part).unwrap(), part);
    }
    for n in (0..2000).filter(|n| n % 3 == 0).step_by(37) {
        let vector: Vec<u8> = face(n).1.vector()[..8].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert!(!found_anywhere(dir.path(), &vector), "vector of face {n}");
        assert!(!found_anywhere(dir.path(), format!("visible-name-{n}-end").as_bytes()), "record of face {n}");
    }
    assert!(found_anywhere(dir.path(), b"visible-name-1-end"));
    assert_eq!(loaded(&store).unwrap(), expected((0..2000).filter(|n| n % 3 != 0)));
}

#[test]
fn paging_goes_on_from_a_deleted_face() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with(dir.path(), 0..25);
    let mut seen = 0;
    let mut after = None;
    loop {
        let page = store.faces(&name(), after, 10, None).unwrap();
        let ids: Vec<FaceId> = page.iter().map(|f| f.face_id).collect();
        let Some(last) = ids.last() else { break };
        seen += ids.len();
        after = Some(*last);
        store.delete_faces(&name(), &ids).unwrap();
    }
    assert_eq!(seen, 25);
}

#[test]
fn users_count_their_faces() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with(dir.path(), 0..5);
    let user = UserId::parse("anna").unwrap();
    store.create_user(&name(), &user).unwrap();
    assert!(matches!(store.create_user(&name(), &user), Err(StoreError::Exists)));
    store.set_user(&name(), &[face_id(1), face_id(4)], Some(&user)).unwrap();
    assert!(matches!(store.set_user(&name(), &[face_id(0), face_id(99)], Some(&user)), Err(StoreError::Missing)));
    assert_eq!(store.user_face_count(&name(), &user).unwrap(), 2);
    assert_eq!(store.faces(&name(), None, 9, Some(&user)).unwrap().len(), 2);
    store.delete_faces(&name(), &[face_id(1)]).unwrap();
    assert_eq!(store.users(&name(), None, 9).unwrap(), vec![(user.clone(), 1)]);
    store.delete_user(&name(), &user).unwrap();
    assert_eq!(store.face(&name(), face_id(4)).unwrap().user_id, None);
    store.delete_collection(&name()).unwrap();
    assert!(matches!(store.collection(&name()), Err(StoreError::Missing)));
}

#[test]
fn second_store_is_locked_out_and_a_file_is_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Store::open(dir.path()).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Locked(_))));
    fs::write(dir.path().join("file"), b"x").unwrap();
    assert!(matches!(Store::open(&dir.path().join("file/data")), Err(StoreError::ReadOnly(..))));
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    let keys = [store.create_key(&KeyBinding::default()).unwrap(), store.create_key(&KeyBinding::default()).unwrap()];
    for key in &keys {
        assert!(
            key.id.len() == 20 && key.id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()),
            "{}",
            key.id
        );
        assert!(key.secret.len() == 40 && key.secret.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(!format!("{key:?}").contains(&key.secret));
    }
    let text = |text: &str| Some(text.to_owned());
    let binding =
        KeyBinding { tenant: text("archive"), purpose: text("media-archive"), case: None, role: text("auditor") };
    let bound = store.create_key(&binding).unwrap();
    assert_ne!(keys[0].secret, keys[1].secret);
    store.revoke_key(&keys[0].id).unwrap();
    assert!(matches!(store.revoke_key("TRMBNOBODY"), Err(StoreError::Missing)));
    drop(store);
    let listed = Store::open(dir.path()).unwrap().keys().unwrap();
    assert_eq!(listed.iter().map(|key| key.revoked).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(listed[1], keys[1]);
    assert_eq!((&listed[2], &listed[2].binding), (&bound, &binding));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_what_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let dir = scratch();
    let data = dir.path().join("data");
    let store = store_with(&data, 0..3);
    store.create_key(&KeyBinding::default()).unwrap();
    let backup = dir.path().join("backup");
    store.backup(&backup).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(&data), mode(&data.join("vectors")), mode(&backup)], [0o700, 0o700, 0o600]);
    let files = files_of(&data);
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn tags_are_set_replaced_and_removed_together() {
    let dir = scratch();
    let store = store_with(dir.path(), 0..1);
    let tags = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    store.change_tags(&name(), &tags(&[("a", "1"), ("größe", "")]), &[]).unwrap();
    store.change_tags(&name(), &tags(&[("a", "2"), ("b", "3")]), &["größe".to_owned(), "missing".to_owned()]).unwrap();
    assert_eq!(store.tags(&name()).unwrap(), tags(&[("a", "2"), ("b", "3")]));
    let nobody = CollectionId::parse("nobody").unwrap();
    assert!(matches!(store.tags(&nobody), Err(StoreError::Missing)));
    assert!(matches!(store.change_tags(&nobody, &tags(&[("a", "1")]), &[]), Err(StoreError::Missing)));
}

#[test]
fn threads_write_and_read_at_once() {
    const WRITERS: u32 = 4;
    const EACH: u32 = 60;
    let dir = scratch();
    let store = store_with(dir.path(), 0..0);
    let kept = |n: &u32| !n.is_multiple_of(3);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                for n in writer * EACH..(writer + 1) * EACH {
                    assert_eq!(store.put_faces(&name(), &[face(n)]).unwrap().len(), 1);
                    assert_eq!(store.face(&name(), face_id(n)).unwrap(), face(n).0, "what is answered is seen");
                    if !kept(&n) {
                        assert_eq!(store.delete_faces(&name(), &[face_id(n)]).unwrap(), [face_id(n)]);
                        assert!(matches!(store.face(&name(), face_id(n)), Err(StoreError::Missing)));
                    }
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..60 {
                    for (id, vector) in loaded(&store).unwrap() {
                        let n = u32::try_from(id.0.as_u128() - 1).unwrap();
                        assert_eq!(vector, face(n).1.vector());
                    }
                    let listed = store.faces(&name(), None, 1000, None).unwrap();
                    assert!(listed.len() <= (WRITERS * EACH) as usize);
                }
            });
        }
    });
    assert_eq!(loaded(&store).unwrap(), expected((0..WRITERS * EACH).filter(kept)));
    assert_eq!(store.collection(&name()).unwrap().face_count, u64::from(WRITERS * EACH * 2 / 3));
}
