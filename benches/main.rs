//! Time per picture, face or search. `cargo bench`; the peers beside us: `scripts/bench-peers`.
//!
//! Inputs are seeded and made here, except the networks and one LFW picture, which need the folder with shared
//! data (`TROMBI_SHARED`, by default `../shared`); without it those rows are skipped with one line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a bench stops at the first failure"
)]

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use trombi::gallery::{Collection, CollectionId, FaceId, Filter, ImageId, Search};
use trombi::models::{self, SetupOptions};
use trombi::store::{BoxRatio, CollectionRecord, FaceRecord, Store};
use trombi::vision::align::align;
use trombi::vision::detect::DetectOptions;
use trombi::vision::{DecodeLimits, Embedding, ModelId, Picture, Vision};

const SEED: u64 = 20_260_401;
const DIMENSIONS: usize = 256;
const GALLERY_SIZES: [usize; 2] = [10_000, 100_000];
const STORED_FACES: usize = 20_000;
const LFW_PICTURE: &str = "datasets/lfw/George_W_Bush/George_W_Bush_0010.jpg";

/// Uniform in -1..1, the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / 8_388_608.0 - 1.0
    }

    fn embedding(&mut self, model: &ModelId) -> Embedding {
        let raw: Vec<f32> = (0..DIMENSIONS).map(|_| self.next()).collect();
        Embedding::normalised(model.clone(), &raw).unwrap()
    }
}

fn shared() -> Option<PathBuf> {
    let directory = std::env::var_os("TROMBI_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    if directory.is_dir() {
        return Some(directory);
    }
    eprintln!("skipped: benches of decode, detect, align and embed (set TROMBI_SHARED)");
    None
}

fn vision(c: &mut Criterion) {
    let Some(shared) = shared() else { return };
    let installed = models::install(&SetupOptions {
        models_dir: Some(shared.join("models")),
        shared_dir: None,
        ..SetupOptions::new(PathBuf::from("target/trombi-bench"))
    })
    .unwrap();
    let contract = installed.embedder_contract.clone();
    let vision = Vision::open(&installed.vision_options(1, 0)).unwrap();
    let bytes = std::fs::read(shared.join(LFW_PICTURE)).unwrap();
    let limits = DecodeLimits::default();
    let overview = Picture::open(&bytes, &limits).unwrap().overview(u32::MAX).unwrap();
    let found = vision.detector().detect(&overview.image, &DetectOptions::default()).unwrap();
    let landmarks = found[0].landmarks;
    let aligned = align(&overview, &landmarks, &contract.reference_px, contract.input_px).unwrap();

    let mut group = c.benchmark_group("one picture of 250 x 250");
    group.bench_function("decode", |b| {
        b.iter(|| black_box(Picture::open(black_box(&bytes), &limits).unwrap().overview(u32::MAX).unwrap()));
    });
    group.bench_function("detect", |b| {
        b.iter(|| black_box(vision.detector().detect(&overview.image, &DetectOptions::default()).unwrap()));
    });
    group.bench_function("align", |b| {
        b.iter(|| black_box(align(&overview, &landmarks, &contract.reference_px, contract.input_px).unwrap()));
    });
    group.bench_function("embed", |b| b.iter(|| black_box(vision.embedder().embed(&aligned).unwrap())));
    group.bench_function("all of it", |b| {
        b.iter(|| {
            let scene = vision.look(black_box(&bytes)).unwrap();
            black_box(vision.embed(&[scene.faces[0].aligned.as_ref().unwrap()]).unwrap())
        });
    });
    group.finish();
}

fn search(c: &mut Criterion) {
    let model = ModelId::new("bench");
    let mut random = Random(SEED);
    let mut group = c.benchmark_group("exact search, 256-d");
    for size in GALLERY_SIZES {
        let collection = Collection::new(model.clone(), DIMENSIONS);
        for index in 0..size {
            collection.insert(FaceId(uuid::Uuid::from_u128(index as u128)), &random.embedding(&model), None).unwrap();
        }
        let probe = random.embedding(&model);
        group.throughput(Throughput::Bytes((size * DIMENSIONS * 4) as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |b, _| {
            b.iter(|| black_box(collection.search(&probe, Search { cosine_min: 0.4, limit: 10 }, Filter::All)));
        });
    }
    group.finish();
}

fn open_store(c: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let model = ModelId::new("bench");
    let id = CollectionId::parse("bench").unwrap();
    let mut random = Random(SEED);
    {
        let store = Store::open(directory.path()).unwrap();
        let record = CollectionRecord {
            id: id.clone(),
            model_id: model.clone(),
            model_version: "1".into(),
            dimensions: DIMENSIONS,
            created_ms: 0,
            face_count: 0,
            user_count: 0,
        };
        store.create_collection(&record, &std::collections::BTreeMap::new()).unwrap();
        let faces: Vec<(FaceRecord, Embedding)> = (0..STORED_FACES)
            .map(|index| {
                let record = FaceRecord {
                    face_id: FaceId(uuid::Uuid::from_u128(index as u128 + 1)),
                    image_id: ImageId(uuid::Uuid::from_u128(index as u128 + 1)),
                    external_image_id: None,
                    box_ratio: BoxRatio { left: 0.1, top: 0.1, width: 0.5, height: 0.5 },
                    confidence: 99.0,
                    model_version: "1".into(),
                    user_id: None,
                };
                (record, random.embedding(&model))
            })
            .collect();
        for batch in faces.chunks(1000) {
            store.put_faces(&id, batch).unwrap();
        }
    }
    c.bench_function("open a store of 20,000 faces and load its vectors", |b| {
        b.iter(|| {
            let store = Store::open(directory.path()).unwrap();
            let mut faces = 0;
            store.load_vectors(&id, &mut |_, _, _| faces += 1).unwrap();
            assert_eq!(faces, STORED_FACES);
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = vision, search, open_store
}
criterion_main!(benches);
