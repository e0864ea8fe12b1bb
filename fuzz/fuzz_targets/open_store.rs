#![no_main]
//! A data directory with one damaged file: opened, read, written, never a panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use trombi::gallery::{CollectionId, FaceId, ImageId, UserId};
use trombi::store::{BoxRatio, CollectionRecord, FaceRecord, KeyBinding, Store, StoreError};
use trombi::vision::{Embedding, ModelId};

const DIMENSIONS: usize = 8;

/// The files of a small store, by name.
type Files = Vec<(String, Vec<u8>)>;

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn name() -> CollectionId {
    CollectionId::parse("staff").unwrap()
}

fn face(n: u8, user_id: Option<UserId>) -> (FaceRecord, Embedding) {
    let raw: Vec<f32> = (0..DIMENSIONS).map(|i| f32::from(n) + 1.0 + i as f32).collect();
    let id = FaceId::parse(&format!("00000000-0000-4000-8000-0000000000{n:02x}")).unwrap();
    let record = FaceRecord {
        face_id: id,
        image_id: ImageId(id.0),
        external_image_id: None,
        box_ratio: BoxRatio { left: 0.0, top: 0.0, width: 1.0, height: 1.0 },
        confidence: 99.0,
        model_version: "1".to_owned(),
        user_id,
    };
    (record, Embedding::normalised(ModelId::new("toy"), &raw).unwrap())
}

fn build(directory: &Path) -> Store {
    let store = Store::open(directory).unwrap();
    let record = CollectionRecord {
        id: name(),
        model_id: ModelId::new("toy"),
        model_version: "1".to_owned(),
        dimensions: DIMENSIONS,
        created_ms: 1,
        face_count: 0,
        user_count: 0,
    };
    store.create_collection(&record, &[("tag".to_owned(), "value".to_owned())].into()).unwrap();
    let user = UserId::parse("anna").unwrap();
    store.create_user(&name(), &user).unwrap();
    store.create_key(&KeyBinding::default()).unwrap();
    let faces: Vec<_> = (0..10).map(|n| face(n, (n % 2 == 0).then(|| user.clone()))).collect();
    store.put_faces(&name(), &faces).unwrap();
    store.delete_faces(&name(), &[face(3, None).0.face_id]).unwrap();
    store.put_faces(&name(), &[face(20, None), face(21, None)]).unwrap(); // into the log
    store
}

/// Copied while the store is open, so that the write-ahead log is among the files.
fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let dir = scratch();
        let _store = build(dir.path());
        let mut files = Files::new();
        for folder in ["", "vectors/"] {
            for entry in fs::read_dir(dir.path().join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() && !path.to_string_lossy().ends_with("-shm") {
                    let file = path.file_name().unwrap().to_str().unwrap();
                    files.push((format!("{folder}{file}"), fs::read(&path).unwrap()));
                }
            }
        }
        files.sort();
        files
    })
}

/// The first byte chooses the file, the next four how and where, the rest goes in.
fn damage(bytes: &mut Vec<u8>, how: u8, at: usize, input: &[u8]) {
    let at = at % (bytes.len() + 1);
    match how % 4 {
        0 => {
            let end = (at + input.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&input[..end - at]);
        }
        1 => drop(bytes.splice(at..at, input.iter().copied())),
        2 => bytes.truncate(at),
        _ => input.clone_into(bytes),
    }
}

fn use_it(directory: PathBuf) -> Result<(), StoreError> {
    let store = Store::open(&directory)?;
    let user = UserId::parse("anna").unwrap();
    for collection in store.collections(None, 100)? {
        let mut vectors = 0;
        let _ = store.load_vectors(&collection.id, &mut |_, _, _| vectors += 1);
        let _ = store.faces(&collection.id, None, 100, None);
        let _ = store.users(&collection.id, None, 100);
        let _ = store.tags(&collection.id);
    }
    let _ = store.keys();
    let _ = store.put_faces(&name(), &[face(30, Some(user.clone())), face(31, None)]);
    let _ = store.set_user(&name(), &[face(1, None).0.face_id], Some(&user));
    let _ = store.delete_faces(&name(), &[face(0, None).0.face_id, face(31, None).0.face_id]);
    let _ = store.delete_user(&name(), &user);
    let _ = store.backup(&directory.with_extension("bak"));
    store.delete_collection(&name())
}

fuzz_target!(|input: &[u8]| {
    let [which, how, a, b, c, rest @ ..] = input else { return };
    let dir = scratch();
    let directory = dir.path().join("data");
    fs::create_dir_all(directory.join("vectors")).unwrap();
    let at = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
    for (n, (file, bytes)) in files().iter().enumerate() {
        let mut bytes = bytes.clone();
        if n == usize::from(*which) % files().len() {
            damage(&mut bytes, *how, at, rest);
        }
        fs::write(directory.join(file), bytes).unwrap();
    }
    let _ = use_it(directory);
});
