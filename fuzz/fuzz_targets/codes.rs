#![no_main]
//! Any bytes as the codec and the codes of a collection: refused or loaded, then searched and added to, never a panic.

use libfuzzer_sys::fuzz_target;
use trombi::gallery::{Collection, FaceId, Filter, Means, Search, Slots, Unreadable};
use trombi::vision::{Embedding, ModelId};
use uuid::Uuid;

const DIMENSIONS: usize = 8;
const PADDED: usize = 64;

/// Slots whose vectors are all alike.
struct Alike;

impl Slots for Alike {
    fn read(&self, _: u32, _: FaceId, vector: &mut [f32]) -> Result<bool, Unreadable> {
        vector.copy_from_slice(face(1).vector());
        Ok(true)
    }

    fn begin_codes(&self, _: &[u8], _: usize) {}

    fn write_codes(&self, slots: &[u32], codes: &[u8]) {
        assert!(slots.is_empty() || codes.len().is_multiple_of(slots.len()));
    }
}

fn face(n: u8) -> Embedding {
    let raw: Vec<f32> = (0..DIMENSIONS).map(|i| f32::from(n) - 8.0 + i as f32 * 1.3).collect();
    Embedding::normalised(ModelId::new("toy"), &raw).unwrap()
}

/// Numbers from the input, then a turn: none at all but for what the input says.
fn codec(numbers: &[u8; 20], turn: &[u8]) -> Vec<u8> {
    let mut bytes = numbers.to_vec();
    bytes[..4].copy_from_slice(&(DIMENSIONS as u32).to_le_bytes());
    for row in 0..PADDED {
        for column in 0..DIMENSIONS {
            bytes.extend_from_slice(&f32::from(u8::from(row == column)).to_le_bytes());
        }
    }
    let end = (numbers.len() + turn.len()).min(bytes.len());
    bytes[numbers.len()..end].copy_from_slice(&turn[..end - numbers.len()]);
    bytes
}

fuzz_target!(|input: &[u8]| {
    let Some((numbers, rest)) = input.split_first_chunk::<20>() else { return };
    let Some((cut, rest)) = rest.split_first() else { return };
    let (turn, codes) = rest.split_at(rest.len().min(usize::from(*cut)));
    let means = Means { threads_max: 1, ..Means::default() };
    let collection = Collection::with_means(ModelId::new("toy"), DIMENSIONS, means, Some(std::sync::Arc::new(Alike)));
    {
        let mut loader = collection.load(0);
        loader.codec(&codec(numbers, turn));
        // With a head of one group and no tail, a code has so many bytes.
        for (slot, code) in (0..).zip(codes.chunks(16 + 6 + 32 + 16)) {
            loader.code(slot, code);
        }
    }
    for n in 0..70 {
        collection.insert_at(900 + u32::from(n), FaceId(Uuid::from_u128(u128::from(n))), &face(n), None).unwrap();
    }
    for cosine_min in [-1.0, 0.3, 0.99] {
        let found = collection.search(&face(1), Search { cosine_min, limit: 100 }, Filter::All).unwrap();
        assert!(found.iter().all(|candidate| candidate.cosine >= cosine_min));
    }
    assert!(collection.remove(FaceId(Uuid::from_u128(3))));
});
