//! The search equals brute force, and no bound is ever too low.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::chunk::CHUNK_ROWS;
use super::codec::{Bounds, Codec, Products};
use super::kernels::{self, BLOCK_ROWS, FINE_BYTES, FirstLook, GROUP, GROUP_BYTES, Lengths};
use super::{Incoming, Means, Moved, Owner, Path, Row, Rows, Scored, Wanted};
use crate::gallery::FaceId;
use crate::vision::cosines;

impl Owner for u32 {
    fn face(&self) -> Option<FaceId> {
        None
    }
}

fn incoming(vector: &[f32]) -> Incoming<'_> {
    Incoming { vector, slot: 0 }
}

/// The same numbers on every machine.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, end: usize) -> usize {
        self.bits() as usize % end
    }

    /// 0 to 1.
    fn uniform(&mut self) -> f32 {
        (self.bits() & 0xFF_FFFF) as f32 / 16_777_216.0
    }

    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }
}

fn means(path: Path) -> Means {
    Means { path, ..Means::default() }
}

fn unit(raw: &[f32]) -> Vec<f32> {
    let norm = raw.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    raw.iter().map(|&x| (f64::from(x) / norm.max(1e-300)) as f32).collect()
}

/// What vectors look like.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// No direction before another.
    Random,
    /// Around few centres, so that many are near each other and near a probe.
    Clustered,
    /// Few different ones, so that ties are everywhere.
    Duplicated,
    /// Nearly all in a few directions, as embeddings are.
    Flat,
    /// Far more than a codec learnt from: first flat ones, then others.
    Changing,
    /// Components next to nothing or everything: denormals, zeros, one axis, and their negatives.
    Extreme,
}

const KINDS: [Kind; 6] = [Kind::Random, Kind::Clustered, Kind::Duplicated, Kind::Flat, Kind::Changing, Kind::Extreme];

fn vector(kind: Kind, n: usize, dimensions: usize, random: &mut Random) -> Vec<f32> {
    let mut raw: Vec<f32> = (0..dimensions).map(|_| random.normal()).collect();
    match kind {
        Kind::Random => {}
        Kind::Clustered => {
            let mut centre = Random(random.below(9) as u64 + 77);
            raw.iter_mut().for_each(|x| *x = 2.0 * centre.normal() + 0.3 * *x);
        }
        Kind::Duplicated => {
            let mut one = Random(random.below(5) as u64 + 7);
            raw.iter_mut().for_each(|x| *x = one.normal());
        }
        Kind::Flat => raw.iter_mut().enumerate().for_each(|(i, x)| *x *= 0.9f32.powi(i as i32)),
        Kind::Changing if n < 6 * CHUNK_ROWS => raw.iter_mut().skip(2).for_each(|x| *x = 0.0),
        Kind::Changing => {}
        Kind::Extreme => {
            let axis = random.below(dimensions);
            let sign = if random.below(2) == 0 { 1.0 } else { -1.0 };
            let small = [1e-40, 0.0, 1e-20, 1e-3][random.below(4)];
            raw.iter_mut().enumerate().for_each(|(i, x)| *x = if i == axis { sign } else { *x * small });
        }
    }
    unit(&raw)
}

fn brute(model: &BTreeMap<u32, Vec<f32>>, probe: &[f32], cosine_min: f32, limit: usize, skip: u32) -> Vec<(u32, u32)> {
    let mut all: Vec<Scored<u32>> = model
        .iter()
        .filter(|(id, _)| **id % 7 != skip)
        .map(|(id, vector)| {
            let mut cosine = [0.0];
            cosines(probe, vector, &mut cosine);
            Scored { cosine: cosine[0], id: *id }
        })
        .filter(|scored| scored.cosine >= cosine_min)
        .collect();
    all.sort();
    all.truncate(limit);
    all.iter().map(|scored| (scored.id, scored.cosine.to_bits())).collect()
}

/// Rows beside what should be in them.
struct Beside {
    rows: Rows<u32>,
    places: BTreeMap<u32, Row>,
    model: BTreeMap<u32, Vec<f32>>,
}

impl Beside {
    fn new(dimensions: usize, path: Path) -> Self {
        Self { rows: Rows::new(dimensions, means(path), None), places: BTreeMap::new(), model: BTreeMap::new() }
    }

    fn insert(&mut self, id: u32, vector: Vec<f32>) {
        self.remove(id);
        self.places.insert(id, self.rows.insert(id, incoming(&vector)));
        self.model.insert(id, vector);
    }

    fn remove(&mut self, id: u32) {
        let Some(row) = self.places.remove(&id) else { return };
        self.model.remove(&id);
        for Moved { owner, row, .. } in self.rows.remove(row) {
            self.places.insert(owner, row);
        }
    }

    /// Comparisons made.
    fn check(&self, probes: &[&[f32]], cosine_min: f32, limit: usize) -> usize {
        let keep = |id: &u32| *id % 7 != 3;
        for keep in [None, Some(&keep as &(dyn Fn(&u32) -> bool + Sync))] {
            let found = self.rows.search(probes, &Wanted { cosine_min, limit, keep }).unwrap();
            assert_eq!(found.len(), probes.len());
            for (probe, found) in probes.iter().zip(found) {
                let found: Vec<(u32, u32)> = found.iter().map(|s| (s.id, s.cosine.to_bits())).collect();
                let wanted = brute(&self.model, probe, cosine_min, limit, if keep.is_some() { 3 } else { 7 });
                assert_eq!(found, wanted, "cosine_min {cosine_min}, limit {limit}");
            }
        }
        assert_eq!(self.rows.len(), self.model.len());
        2 * probes.len() * self.model.len()
    }
}

#[test]
fn search_equals_brute_force_for_every_kind_path_threshold_and_limit() {
    let mut compared = 0;
    for (dimensions, count) in [(128, 9000), (7, 6000), (64, 5000), (320, 4500)] {
        for kind in KINDS {
            for path in Path::available() {
                let mut random = Random(dimensions as u64);
                let mut beside = Beside::new(dimensions, path);
                for n in 0..count {
                    beside.insert(n as u32, vector(kind, n, dimensions, &mut random));
                }
                let mut probes: Vec<Vec<f32>> =
                    (0..4).map(|n| vector(kind, count + n, dimensions, &mut random)).collect();
                probes.push(beside.model[&17].clone());
                probes.push(beside.model[&(count as u32 - 1)].iter().map(|x| -x).collect());
                probes.push(vector(Kind::Random, 0, dimensions, &mut random));
                let probes: Vec<&[f32]> = probes.iter().map(Vec::as_slice).collect();
                // A threshold that some row meets to the bit.
                let mut exact = [0.0];
                cosines(probes[0], &beside.model[&5], &mut exact);
                for (cosine_min, limit) in [(0.4, 4096), (exact[0], 9), (-1.0, 10), (-2.0, 1), (0.9999, 3), (0.1, 0)] {
                    compared += beside.check(&probes, cosine_min, limit);
                }
            }
        }
    }
    assert!(compared > 5_000_000, "{compared} comparisons");
}

#[test]
fn search_equals_brute_force_through_inserts_deletes_and_merges() {
    const DIMENSIONS: usize = 96;
    for path in Path::available() {
        let mut random = Random(5);
        let mut beside = Beside::new(DIMENSIONS, path);
        for step in 0..16 {
            for _ in 0..1500 {
                let id = random.below(9000) as u32;
                // Most go away in the middle, so that chunks become sparse and merge; then they come back.
                let grows = !(5..11).contains(&step);
                if grows || random.below(8) == 0 {
                    beside.insert(id, vector(Kind::Flat, 0, DIMENSIONS, &mut random));
                } else {
                    for id in id..(id + 6).min(9000) {
                        beside.remove(id);
                    }
                }
            }
            let probe = vector(Kind::Flat, 0, DIMENSIONS, &mut random);
            beside.check(&[&probe], 0.5, 50);
            beside.check(&[&probe], -1.0, 20);
            for (id, row) in &beside.places {
                assert_eq!(beside.rows.vector(*row).unwrap().unwrap(), beside.model[id]);
            }
        }
        assert!(beside.rows.merged_away() > 2, "no chunks were merged");
    }
}

#[test]
fn pairs_are_those_of_brute_force() {
    const DIMENSIONS: usize = 128;
    for (kind, cosine_min) in [(Kind::Clustered, 0.97), (Kind::Flat, 0.9), (Kind::Random, 0.35)] {
        let mut random = Random(3);
        let mut beside = Beside::new(DIMENSIONS, Path::best());
        for n in 0..5200 {
            beside.insert(n, vector(kind, 0, DIMENSIONS, &mut random));
        }
        (0..5200).step_by(11).for_each(|id| beside.remove(id));
        let mut wanted = Vec::new();
        for (a, first) in &beside.model {
            for (b, second) in beside.model.range(a + 1..) {
                let mut cosine = [0.0];
                cosines(first, second, &mut cosine);
                if cosine[0] >= cosine_min {
                    wanted.push((cosine[0], *a, *b));
                }
            }
        }
        wanted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
        assert!(wanted.len() > 40);
        for limit in [usize::MAX, 40, 0] {
            let shares = std::sync::Mutex::new(Vec::new());
            let found = beside.rows.pairs(cosine_min, limit, &|share| shares.lock().unwrap().push(share)).unwrap();
            let found: Vec<_> = found.iter().map(|s| (s.cosine, s.id.0, s.id.1)).collect();
            assert_eq!(found, wanted[..wanted.len().min(limit)], "{kind:?}, at most {limit}");
            assert!(shares.lock().unwrap().contains(&1.0), "all is done at the end");
        }
    }
}

/// Heads, cell by cell, records and bounds of vectors that lie one after another.
fn encoded(codec: &Codec, vectors: &[f32]) -> (Vec<u8>, Vec<u8>, Vec<Bounds>) {
    let rows = vectors.len() / codec.dimensions();
    let (mut heads, mut records) = (vec![0; rows * codec.head_bytes()], vec![0; rows * codec.record_bytes()]);
    let bounds = codec.encode(vectors, &mut heads, &mut records);
    (heads, records, bounds)
}

/// By the definition: of each four bytes of a row the low halves, then the high ones.
fn head_product(head: &[u8], values: &[i8]) -> i32 {
    let levels =
        head.chunks(4).flat_map(|cell| cell.iter().map(|code| code & 15).chain(cell.iter().map(|code| code >> 4)));
    levels.zip(values).map(|(level, &value)| i32::from(level) * i32::from(value)).sum()
}

/// By the definition: of each group the lowest bits of all its bytes, then the next ones.
fn row_product(codes: &[u8], bytes: usize, values: &[i8]) -> i32 {
    let bits = 8 * bytes / GROUP;
    let groups = codes.chunks(bytes).flat_map(|group| {
        (0..8 / bits).flat_map(move |n| group.iter().map(move |code| code >> (n * bits) & ((1 << bits) - 1)))
    });
    groups.zip(values).map(|(level, &value)| i32::from(level) * i32::from(value)).sum()
}

#[test]
fn no_bound_is_below_the_cosine() {
    for (dimensions, trained) in [(128, Kind::Flat), (256, Kind::Random), (70, Kind::Extreme), (512, Kind::Duplicated)]
    {
        let mut random = Random(11);
        let sample: Vec<f32> = (0..600).flat_map(|n| vector(trained, n, dimensions, &mut random)).collect();
        let codec = Codec::train(&sample, dimensions);
        for kind in KINDS {
            let vectors: Vec<Vec<f32>> = (0..64).map(|n| vector(kind, n, dimensions, &mut random)).collect();
            let (heads, records, bounds) = encoded(&codec, &vectors.concat());
            for probe in vectors.iter().take(16) {
                let coded = codec.probes(&[probe]).remove(0);
                for (n, vector) in vectors.iter().enumerate() {
                    let record = &records[n * codec.record_bytes()..][..codec.record_bytes()];
                    let (tail, fine) = record.split_at(codec.tail_bytes());
                    let head = &heads[n * codec.head_bytes()..][..codec.head_bytes()];
                    let products = Products {
                        head: head_product(head, &coded.head.values),
                        fine: kernels::fine_product(Path::Portable, fine, &coded.head.values),
                        tail: kernels::tail_product(Path::Portable, tail, &coded.tail.values),
                    };
                    let mut cosine = [0.0];
                    cosines(probe, vector, &mut cosine);
                    let upper = coded.upper(products, bounds[n]);
                    assert!(upper >= f64::from(cosine[0]), "{kind:?} {dimensions}: {upper} below {}", cosine[0]);
                    let look = coded.first_look(cosine[0]);
                    let again = look.reached(products.head, bounds[n].lengths);
                    assert!(again, "{kind:?} {dimensions}: not looked at twice");
                    let learnt = kind == trained && matches!(kind, Kind::Flat | Kind::Random);
                    let says_something = !learnt || upper < f64::from(cosine[0]) + 0.35;
                    assert!(says_something, "{kind:?} {dimensions}: {upper} for {}", cosine[0]);
                }
            }
        }
    }
}

#[test]
fn a_codec_comes_back_from_its_bytes_and_no_other_is_taken() {
    for dimensions in [7, 128] {
        let mut random = Random(3);
        let sample: Vec<f32> = (0..500).flat_map(|n| vector(Kind::Flat, n, dimensions, &mut random)).collect();
        let codec = Codec::train(&sample, dimensions);
        let bytes = codec.to_bytes();
        let again = Codec::from_bytes(&bytes, dimensions).unwrap();
        assert_eq!(encoded(&codec, &sample), encoded(&again, &sample));
        let changed = |at: usize, to: [u8; 4]| {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&to);
            Codec::from_bytes(&bytes, dimensions).is_none()
        };
        assert!(Codec::from_bytes(&bytes, dimensions + 1).is_none() && Codec::from_bytes(&[], dimensions).is_none());
        assert!(Codec::from_bytes(&bytes[1..], dimensions).is_none());
        // Dimensions, head, tail, a step that is nothing, negative, endless, too coarse, and turns that turn too much.
        assert!(changed(0, [9, 0, 0, 0]) && changed(4, [0; 4]) && changed(4, [0, 0, 0, 1]) && changed(8, [1, 0, 0, 0]));
        for step in [0.0, -1.0, f32::INFINITY, f32::NAN, 1e-40, 1.0] {
            assert!(changed(12, step.to_le_bytes()), "step {step}");
        }
        assert!(changed(20, 5.0f32.to_le_bytes()) && changed(20, f32::NAN.to_le_bytes()));
    }
}

#[test]
fn every_path_gives_the_products_of_the_definition() {
    let mut random = Random(1);
    for groups in 1..=9 {
        let head_bytes = groups * GROUP_BYTES;
        let mixed = (0..groups * GROUP).map(|_| (random.below(255) as i32 - 127) as i8).collect();
        // The largest sums too: every code 15, every value 127 or -127.
        let probes: [Vec<i8>; 3] = [mixed, vec![127; groups * GROUP], vec![-127; groups * GROUP]];
        for blocks in [0, 1, 2, 3, 4, 5, 9] {
            let codes: Vec<u8> = (0..blocks * BLOCK_ROWS * head_bytes).map(|_| random.bits() as u8).collect();
            for codes in [&codes, &vec![255u8; codes.len()]] {
                for probe in &probes {
                    let mut wanted = Vec::new();
                    for block in codes.chunks(BLOCK_ROWS * head_bytes) {
                        for row in 0..BLOCK_ROWS {
                            let cells = block.chunks(4).skip(row).step_by(BLOCK_ROWS);
                            wanted.push(head_product(&cells.collect::<Vec<_>>().concat(), probe));
                        }
                    }
                    wanted.extend(codes.chunks(head_bytes).map(|row| row_product(row, GROUP_BYTES, probe)));
                    wanted.extend(codes.chunks(head_bytes / 2).map(|row| row_product(row, FINE_BYTES, probe)));
                    for path in Path::available() {
                        assert_eq!(path.products(codes, probe).as_ref(), Some(&wanted), "{path:?}, {groups} groups");
                    }
                }
            }
        }
    }
}

#[test]
fn every_path_selects_the_rows_that_reach_what_they_need() {
    let mut random = Random(2);
    for rows in [0, 1, 31, 32, 33, 64, 100, CHUNK_ROWS] {
        for least in [i32::MIN, -24_000, 0, 7200, 12_000, i32::MAX] {
            let look = FirstLook { shift: 3, residual_weight: 6, outside_weight: 1, least };
            let products: Vec<i32> = (0..rows).map(|_| random.below(4000) as i32 - 2000).collect();
            let mut length = || [random.below(2000) as i16, 32_767][random.below(2)];
            let lengths: Vec<Lengths> = (0..rows).map(|_| Lengths { residual: length(), outside: length() }).collect();
            let sum = |row: usize| {
                let Lengths { residual, outside } = lengths[row];
                8 * i64::from(products[row]) + 6 * i64::from(residual) + i64::from(outside)
            };
            let wanted: Vec<u32> = (0..rows as u32).filter(|&row| sum(row as usize) >= i64::from(least)).collect();
            for path in Path::available() {
                let mut found = Vec::new();
                kernels::select(path, &products, &lengths, look, &mut found);
                assert_eq!(found, wanted, "{path:?}, {rows} rows, at least {least}");
            }
        }
    }
}

/// The sum of no row leaves 32 bits, and what a first look asks for is next to what its bound says.
#[test]
fn a_first_look_has_room_for_every_row_and_loses_little_by_being_whole() {
    let dimensions = 128;
    let mut random = Random(4);
    let sample: Vec<f32> = (0..600).flat_map(|n| vector(Kind::Flat, n, dimensions, &mut random)).collect();
    let codec = Codec::train(&sample, dimensions);
    let flat = vector(Kind::Flat, 0, dimensions, &mut random);
    // Where the sample has next to no energy the head has next to nothing of the probe.
    let mut outside = vec![0.0; dimensions];
    outside[dimensions - 1] = 1.0;
    for probe in [&flat, &outside] {
        let coded = codec.probes(&[probe]).remove(0);
        for cosine_min in [-0.9, 0.0, 0.4, 1.0] {
            let look = coded.first_look(cosine_min);
            let product = i64::from(i32::try_from(codec.head_bytes() * 2 * 15 * 127).unwrap()) << look.shift;
            let weights = i64::from(look.residual_weight) + i64::from(look.outside_weight);
            assert!(product + weights * 32_768 <= i64::from(i32::MAX), "{look:?}");
        }
        assert!(coded.first_look(-1.0).reached(i32::MIN, Lengths::default()));
    }
    let look = codec.probes(&[&flat]).remove(0).first_look(0.4);
    assert!(look.shift >= 8 && look.residual_weight >= 100, "{look:?}");
}

/// A search finds what was there before it began and stays, whatever else comes and goes meanwhile.
#[test]
fn searches_go_on_while_others_come_and_go() {
    const DIMENSIONS: usize = 64;
    let mut random = Random(23);
    let rows: Rows<u32> = Rows::new(DIMENSIONS, Means::default(), None);
    let stays: Vec<Vec<f32>> = (0..200).map(|_| vector(Kind::Flat, 0, DIMENSIONS, &mut random)).collect();
    let mut places: BTreeMap<u32, Row> = BTreeMap::new();
    for n in 0..6000_u32 {
        let vector = stays
            .get(n as usize / 30)
            .filter(|_| n.is_multiple_of(30))
            .cloned()
            .unwrap_or_else(|| vector(Kind::Flat, 0, DIMENSIONS, &mut random));
        places.insert(n, rows.insert(n, incoming(&vector)));
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut gone: Vec<u32> = Vec::new();
            for round in 0..6000 {
                let id = random.below(6000) as u32;
                if id.is_multiple_of(30) {
                    continue;
                }
                if let Some(row) = places.remove(&id) {
                    for Moved { owner, row, .. } in rows.remove(row) {
                        places.insert(owner, row);
                    }
                    gone.push(id);
                }
                // First most go, then they come back.
                if round > 3500
                    && let Some(id) = gone.pop()
                {
                    places.insert(id, rows.insert(id, incoming(&vector(Kind::Flat, 0, DIMENSIONS, &mut random))));
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut searches = 0;
        while !done.load(Ordering::Relaxed) || searches < 20 {
            let at = searches % stays.len();
            let found = rows.search(&[&stays[at]], &Wanted { cosine_min: 0.9999, limit: 10, keep: None }).unwrap();
            assert!(found[0].iter().any(|s| s.id as usize == at * 30), "face {at} was missed");
            let mut ids: Vec<u32> = found[0].iter().map(|s| s.id).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), found[0].len(), "no face comes twice");
            searches += 1;
        }
    });
    assert!(rows.merged_away() > 0, "no chunks were merged");
}
