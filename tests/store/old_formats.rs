//! Directories that older versions wrote.

use std::fs;
use std::path::Path;

use trombi::gallery::{CollectionId, FaceId, UserId};
use trombi::store::{KeyBinding, Store};

use super::scratch;

/// A writable copy of `tests/store/format_<version>`.
fn copy_of(version: u32, into: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/store/format_{version}"));
    fs::create_dir_all(into.join("vectors")).unwrap();
    fs::copy(from.join("trombi.sqlite"), into.join("trombi.sqlite")).unwrap();
    for file in fs::read_dir(from.join("vectors")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), into.join("vectors").join(file.file_name())).unwrap();
    }
}

#[test]
fn an_old_store_opens() {
    let dir = scratch();
    copy_of(1, dir.path());
    // Twice: brought up, then as it is now.
    for _ in 0..2 {
        let store = Store::open(dir.path()).unwrap();
        let [empty, people] = ["empty", "people"].map(|name| CollectionId::parse(name).unwrap());
        let names: Vec<_> = store.collections(None, 10).unwrap().into_iter().map(|record| record.id).collect();
        assert_eq!(names, [empty.clone(), people.clone()]);
        assert_eq!(store.tags(&people).unwrap()["a"], "b");
        assert_eq!(store.tags(&empty).unwrap()["purpose"], "personal-photos");
        let face = FaceId("ad315bad-4af6-5ec4-952a-2b3e43500f7f".parse().unwrap());
        assert_eq!(store.face(&people, face).unwrap().external_image_id.unwrap().as_str(), "result.png");
        assert_eq!(store.user_face_count(&people, &UserId::parse("drawn").unwrap()).unwrap(), 1);
        let mut vectors = 0;
        store.load_vectors(&people, &mut |_, _, embedding| vectors += embedding.vector().len()).unwrap();
        assert_eq!(vectors, 256);
        let keys = store.keys().unwrap();
        assert!(keys.len() == 1 && !keys[0].revoked && keys[0].binding == KeyBinding::default());
    }
}
