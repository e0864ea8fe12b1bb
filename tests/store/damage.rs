//! Changed bytes, newer formats, other people's files.

use std::fs;
use std::path::Path;

use trombi::gallery::UserId;
use trombi::store::{Store, StoreError};

use super::{expected, face, face_id, loaded, name, scratch, segment, store_with};

/// Opens and reads everything; what is answered must be true.
fn read_all(directory: &Path) -> Result<usize, StoreError> {
    let store = Store::open(directory)?;
    let listed = store.faces(&name(), None, 1000, None)?;
    let vectors = loaded(&store)?;
    store.users(&name(), None, 1000)?;
    store.tags(&name())?;
    store.keys()?;
    store.instance_secret()?;
    for record in &listed {
        let n = u32::try_from(record.face_id.0.as_u128() - 1).unwrap();
        assert_eq!(store.face(&name(), record.face_id)?, *record);
        let mut put = face(n).0;
        put.user_id = (n == 7).then(|| UserId::parse("anna").unwrap());
        assert_eq!(*record, put, "a changed record went unnoticed");
    }
    assert_eq!(vectors, expected(listed.iter().map(|record| u32::try_from(record.face_id.0.as_u128() - 1).unwrap())));
    Ok(listed.len())
}

#[test]
fn every_flipped_byte_of_a_segment_is_noticed() {
    let dir = scratch();
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
fn no_flipped_byte_of_the_database_is_believed() {
    let dir = scratch();
    {
        let store = store_with(dir.path(), 0..40);
        store.create_user(&name(), &UserId::parse("anna").unwrap()).unwrap();
        store.set_user(&name(), &[face_id(7)], Some(&UserId::parse("anna").unwrap())).unwrap();
        store.create_key().unwrap();
    }
    let path = dir.path().join("trombi.sqlite");
    let (whole, vectors) = (fs::read(&path).unwrap(), fs::read(segment(dir.path())).unwrap());
    let segment = segment(dir.path());
    let mut noticed = 0;
    for (at, mask) in (0..whole.len()).step_by(61).zip([0xFF, 0x01, 0x20, 0x80].into_iter().cycle()) {
        let mut bytes = whole.clone();
        bytes[at] ^= mask;
        fs::write(&path, bytes).unwrap();
        match read_all(dir.path()) {
            Ok(faces) => assert_eq!(faces, 40, "byte {at}"),
            Err(StoreError::Damaged(_) | StoreError::TooNew { .. }) => noticed += 1,
            Err(StoreError::Missing | StoreError::Io(_)) => noticed += 1,
            Err(other) => panic!("byte {at}: {other}"),
        }
        for leftover in ["trombi.sqlite-wal", "trombi.sqlite-shm"] {
            let _ = fs::remove_file(dir.path().join(leftover));
        }
        assert_eq!(fs::read(&segment).unwrap(), vectors, "byte {at}: a damaged database cost vectors");
    }
    assert!(noticed > 100, "{noticed}");
}

#[test]
fn a_changed_letter_in_any_record_is_named() {
    let changes = [
        "UPDATE faces SET external_image_id = 'visible-name-8-end' WHERE seq = 3",
        "UPDATE faces SET confidence = 98.0 WHERE seq = 3",
        "UPDATE faces SET user = (SELECT id FROM users) WHERE seq = 3",
        "UPDATE faces SET image_id = zeroblob(16) WHERE seq = 3",
        "UPDATE users SET name = 'anne'",
        "UPDATE users SET face_count = 5",
        "UPDATE collections SET face_count = 1",
        "UPDATE collections SET model_version = '2.0'",
        "UPDATE tags SET value = 'w'",
        "UPDATE access_keys SET revoked = 0",
        "UPDATE meta SET value = zeroblob(32)",
    ];
    for change in changes {
        let dir = scratch();
        {
            let store = store_with(dir.path(), 0..5);
            store.create_user(&name(), &UserId::parse("anna").unwrap()).unwrap();
            store.change_tags(&name(), &[("t".to_owned(), "v".to_owned())].into(), &[]).unwrap();
            let key = store.create_key().unwrap();
            store.revoke_key(&key.id).unwrap();
        }
        read_all(dir.path()).unwrap();
        let sql = rusqlite::Connection::open(dir.path().join("trombi.sqlite")).unwrap();
        assert_eq!(sql.execute(change, []).unwrap(), 1, "{change}");
        drop(sql);
        let outcome = read_all(dir.path());
        assert!(matches!(outcome, Err(StoreError::Damaged(_))), "{change}: {outcome:?}");
    }
}

#[test]
fn a_newer_format_and_another_programs_database_are_refused() {
    let dir = scratch();
    drop(store_with(dir.path(), 0..1));
    let sql = rusqlite::Connection::open(dir.path().join("trombi.sqlite")).unwrap();
    sql.pragma_update(None, "user_version", 3).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::TooNew { found: 3, supported: 2 })));
    sql.pragma_update(None, "user_version", 2).unwrap();
    sql.execute_batch("CREATE TRIGGER t AFTER INSERT ON tags BEGIN DELETE FROM faces; END").unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Damaged(_))));
    sql.execute_batch("DROP TRIGGER t").unwrap();
    assert_eq!(loaded(&Store::open(dir.path()).unwrap()).unwrap(), expected(0..1));
    sql.pragma_update(None, "application_id", 7).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Damaged(_))));
}

#[test]
fn a_damaged_log_gives_an_earlier_state_or_an_error() {
    let dir = scratch();
    let (source, copy) = (dir.path().join("source"), dir.path().join("copy"));
    let store = store_with(&source, 0..3);
    for n in 3..9 {
        store.put_faces(&name(), &[face(n)]).unwrap();
    }
    let wal = fs::read(source.join("trombi.sqlite-wal")).unwrap();
    assert!(wal.len() > 4096, "the log is in use");
    let (database, vectors) = (fs::read(source.join("trombi.sqlite")).unwrap(), fs::read(segment(&source)).unwrap());
    let name_of_segment = segment(&source).file_name().unwrap().to_owned();
    for at in (0..wal.len()).step_by(499).chain([usize::MAX]) {
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir_all(copy.join("vectors")).unwrap();
        fs::write(copy.join("trombi.sqlite"), &database).unwrap();
        fs::write(copy.join("vectors").join(&name_of_segment), &vectors).unwrap();
        let mut bytes = wal.clone();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 0x55;
        }
        fs::write(copy.join("trombi.sqlite-wal"), bytes).unwrap();
        match Store::open(&copy).and_then(|store| loaded(&store)) {
            Ok(there) => {
                let count = u32::try_from(there.len()).unwrap();
                assert_eq!(there, expected(0..count), "byte {at}");
                assert!(count >= 3 || count == 0, "byte {at}: batches are whole");
                assert!(at != usize::MAX || count == 9);
            }
            Err(StoreError::Damaged(_) | StoreError::Missing) => assert_ne!(at, usize::MAX),
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
}

#[test]
fn vectors_without_a_database_are_kept() {
    let dir = scratch();
    drop(store_with(dir.path(), 0..5));
    let vectors = fs::read(segment(dir.path())).unwrap();
    fs::remove_file(dir.path().join("trombi.sqlite")).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Damaged(_))));
    assert_eq!(fs::read(segment(dir.path())).unwrap(), vectors);
}
