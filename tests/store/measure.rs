//! Figures, not a check: `cargo test --release --test integration store::measure -- --ignored --nocapture`.

use std::time::Instant;

use trombi::gallery::{Collection, CollectionId, FaceId, Filter, Search};
use trombi::store::{CollectionRecord, FaceRecord, Store};
use trombi::vision::{Embedding, ModelId};
use uuid::Uuid;

use super::{Random, face, name, record_of};

const DIMENSIONS: usize = 256;
const SINGLE: u32 = 300;

fn wide(n: u32, random: &mut Random) -> (FaceRecord, Embedding) {
    let raw: Vec<f32> = (0..DIMENSIONS).map(|_| random.below(20_001) as f32 / 10_000.0 - 1.0).collect();
    let mut record = face(0).0;
    record.face_id = FaceId(Uuid::from_u128(u128::from(random.below(u64::MAX)) << 64 | u128::from(n)));
    (record, Embedding::normalised(ModelId::new("toy"), &raw).unwrap())
}

#[test]
#[ignore = "prints figures; takes a minute and 2.5 GB"]
fn figures() {
    let faces: u32 = std::env::var("TROMBI_MEASURE_FACES").map_or(1_000_000, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(1);
    let store = Store::open(dir.path()).unwrap();
    let record = CollectionRecord { dimensions: DIMENSIONS, ..record_of(&name()) };
    let single = CollectionId::parse("single").unwrap();
    store.create_collection(&record, &[].into()).unwrap();
    store.create_collection(&CollectionRecord { id: single.clone(), ..record }, &[].into()).unwrap();

    let probes: Vec<_> = (0..SINGLE).map(|n| wide(n, &mut random)).collect();
    let clock = Instant::now();
    probes.iter().for_each(|face| assert_eq!(store.put_faces(&single, std::slice::from_ref(face)).unwrap().len(), 1));
    println!("put, one at a time: {:.0} faces/s", f64::from(SINGLE) / clock.elapsed().as_secs_f64());
    let clock = Instant::now();
    probes.iter().take(100).for_each(|face| drop(store.delete_faces(&single, &[face.0.face_id]).unwrap()));
    println!("delete, one at a time: {:.0} faces/s", 100.0 / clock.elapsed().as_secs_f64());

    let (mut spent, mut done) = (0.0, 0);
    while done < faces {
        let size = if done < 20_000 { 100 } else { 10_000 };
        let batch: Vec<_> = (done..done + size).map(|n| wide(n, &mut random)).collect();
        let clock = Instant::now();
        store.put_faces(&name(), &batch).unwrap();
        spent += clock.elapsed().as_secs_f64();
        done += size;
        if done == 20_000 {
            println!("put, 100 at a time: {:.0} faces/s", f64::from(done) / spent);
        }
    }
    drop(store);
    let clock = Instant::now();
    let store = Store::open(dir.path()).unwrap();
    println!("open with {done} faces: {:.1} ms", clock.elapsed().as_secs_f64() * 1e3);
    let clock = Instant::now();
    let collection = Collection::new(ModelId::new("toy"), DIMENSIONS);
    store.load_vectors(&name(), &mut |id, _, embedding| collection.insert(id, &embedding, None).unwrap()).unwrap();
    println!("load {} x {DIMENSIONS}: {:.2} s", collection.face_count(), clock.elapsed().as_secs_f64());
    let clock = Instant::now();
    for (_, probe) in &probes[..10] {
        assert!(collection.search(probe, Search { cosine_min: 0.4, limit: 10 }, Filter::All).unwrap().len() <= 10);
    }
    println!("search one probe, one core: {:.1} ms", clock.elapsed().as_secs_f64() * 100.0);
    let (clock, mut after, mut seen) = (Instant::now(), None, 0);
    while let Some(last) = {
        let page = store.faces(&name(), after, 1000, None).unwrap();
        seen += page.len();
        page.into_iter().next_back()
    } {
        after = Some(last.face_id);
    }
    println!("list {seen} faces in pages of 1000: {:.2} s", clock.elapsed().as_secs_f64());
}
