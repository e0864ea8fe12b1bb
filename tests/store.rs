//! The data directory as an outsider sees it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use trombi::gallery::{CollectionId, ExternalImageId, FaceId, ImageId, UserId};
use trombi::store::{BoxRatio, CollectionRecord, FaceRecord, Store, StoreError};
use trombi::vision::{Embedding, ModelId};
use uuid::Uuid;

const DIMENSIONS: usize = 64;

fn name() -> CollectionId {
    CollectionId::parse("staff").unwrap()
}

fn face_id(n: u32) -> FaceId {
    FaceId(Uuid::from_u128(u128::from(n) + 1))
}

fn face(n: u32) -> (FaceRecord, Embedding) {
    let raw: Vec<f32> = (0..DIMENSIONS as u32).map(|i| ((n * 31 + i * 17) as f32).sin()).collect();
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

fn store_with(directory: &Path, faces: std::ops::Range<u32>) -> Store {
    let store = Store::open(directory).unwrap();
    let record = CollectionRecord {
        id: name(),
        model_id: ModelId::new("toy"),
        model_version: "1.0".to_owned(),
        dimensions: DIMENSIONS,
        created_ms: 5,
        face_count: 0,
        user_count: 0,
    };
    store.create_collection(&record, &BTreeMap::new()).unwrap();
    let faces: Vec<_> = faces.map(face).collect();
    assert_eq!(store.put_faces(&name(), &faces).unwrap(), faces.len());
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

fn found_anywhere(directory: &Path, needle: &[u8]) -> bool {
    let files = [directory.to_owned(), directory.join("vectors")];
    let files = files.iter().flat_map(|d| fs::read_dir(d).unwrap()).map(|f| f.unwrap().path()).filter(|f| f.is_file());
    files.into_iter().any(|f| fs::read(f).unwrap().windows(needle.len()).any(|w| w == needle))
}

#[test]
fn faces_survive_reopening_and_backup() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy, file) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("all.bak"));
    let store = store_with(&data, 0..50);
    assert_eq!(store.put_faces(&name(), &[face(3), face(50), face(50)]).unwrap(), 1);
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
fn every_flipped_byte_of_a_segment_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    drop(store_with(dir.path(), 0..2));
    let path = segment(dir.path());
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        fs::write(&path, bytes).unwrap();
        let outcome = Store::open(dir.path()).and_then(|store| loaded(&store));
        assert!(matches!(outcome, Err(StoreError::Damaged(_))), "byte {at}");
    }
}

#[test]
fn flipped_bytes_of_the_database_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    drop(store_with(dir.path(), 0..40));
    let path = dir.path().join("trombi.sqlite");
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(64) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xFF;
        fs::write(&path, bytes).unwrap();
        let outcome = Store::open(dir.path()).and_then(|store| {
            store.faces(&name(), None, 100, None)?;
            loaded(&store)
        });
        if let Ok(vectors) = outcome {
            assert!(vectors.iter().all(|(id, v)| expected(0..40).get(id) == Some(v)), "byte {at}");
        }
    }
}
