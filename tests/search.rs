//! The exact search on real embeddings.

use std::path::PathBuf;

use trombi::gallery::{Candidate, Collection, FaceId, Filter, Means, Path, Search};
use trombi::vision::{Embedding, Vision};
use uuid::Uuid;

use crate::support::{installed, shared, skipped};

/// Enough that the collection has codes, and rows without.
const FACES: usize = 4_200;
const PROBES: usize = 100;
const THREADS: usize = 2;

fn pictures(lfw: &std::path::Path) -> Vec<PathBuf> {
    let mut people: Vec<PathBuf> =
        std::fs::read_dir(lfw).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    people.sort();
    let mut pictures: Vec<PathBuf> = people
        .iter()
        .flat_map(|person| std::fs::read_dir(person).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    pictures.sort();
    pictures.truncate(FACES + PROBES);
    pictures
}

fn embeddings(vision: &Vision, pictures: &[PathBuf]) -> Vec<Embedding> {
    let one = |picture: &PathBuf| {
        let scene = vision.look(&std::fs::read(picture).unwrap()).unwrap();
        let aligned = scene.faces.first().and_then(|face| face.aligned.clone());
        aligned.map(|aligned| vision.embed(&[&aligned]).unwrap().remove(0))
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = pictures
            .chunks(pictures.len().div_ceil(THREADS))
            .map(|part| scope.spawn(move || part.iter().filter_map(one).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

#[test]
fn search_over_real_faces_equals_comparing_every_one() {
    let Some(shared) = shared() else {
        skipped("LFW, for the search over real faces");
        return;
    };
    let vision = Vision::open(&installed().vision_options(THREADS, 2 * THREADS)).unwrap();
    let all = embeddings(&vision, &pictures(&shared.join("datasets/lfw")));
    assert!(all.len() > FACES, "faces in nearly all pictures");
    let (probes, faces) = all.split_at(PROBES);
    let model = faces[0].model_id().clone();
    let enrol = |means| {
        let collection = Collection::with_means(model.clone(), faces[0].vector().len(), means, None);
        for (n, face) in faces.iter().enumerate() {
            collection.insert(FaceId(Uuid::from_u128(n as u128)), face, None).unwrap();
        }
        collection
    };
    let truth = enrol(Means { codes: false, ..Means::default() });
    let bits = |found: Vec<Vec<Candidate>>| -> Vec<Vec<(FaceId, u32)>> {
        found.iter().map(|one| one.iter().map(|c| (c.face_id, c.cosine.to_bits())).collect()).collect()
    };
    let probes: Vec<&Embedding> = probes.iter().chain(&faces[..20]).collect();
    for path in Path::available() {
        let coded = enrol(Means { path, ..Means::default() });
        let footprint = coded.footprint();
        assert!(footprint.code_bytes > 0 && footprint.scanned_bytes < footprint.vector_bytes / 8, "{footprint:?}");
        for (cosine_min, limit) in [(0.4335, 4096), (0.25, 100), (0.6, 5), (-1.0, 5), (0.0, 4096)] {
            let search = Search { cosine_min, limit };
            let wanted = bits(truth.search_many(&probes, search, Filter::All).unwrap());
            assert_eq!(bits(coded.search_many(&probes, search, Filter::All).unwrap()), wanted, "{path:?} {cosine_min}");
            let one = coded.search(probes[3], search, Filter::All).unwrap();
            assert_eq!(bits(vec![one]), wanted[3..4], "{path:?} {cosine_min}, alone");
        }
        for limit in [100, usize::MAX] {
            let search = Search { cosine_min: 0.5, limit };
            assert_eq!(coded.pairs(search, &|_| {}).unwrap(), truth.pairs(search, &|_| {}).unwrap());
        }
    }
}
