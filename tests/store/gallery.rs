//! A gallery over the store: opened from its codes, through damage and power cuts it finds what brute force finds.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use trombi::gallery::{Candidate, Collection, FaceId, Filter, Means, Search, UserId};
use trombi::store::{Kept, Store, StoreError};
use trombi::vision::{Embedding, ModelId};

use super::{DIMENSIONS, Random, face, face_id, name, scratch, store_with};

/// Kills in the ordinary run; `TROMBI_TEST_KILLS` asks for more.
const KILLS: usize = 20;
const SEED: u64 = 20_261_125;
const DIRECTORY: &str = "TROMBI_TEST_GALLERY_DIRECTORY";
const ROUND: &str = "TROMBI_TEST_GALLERY_ROUND";
/// Faces of one round have numbers of their own: this many.
const ROUND_FACES: u32 = 100_000;
/// More than the faces from which on there are codes, so that some lie behind them.
const FACES: u32 = 5_100;

/// Store and gallery as the service has them.
struct House {
    store: Store,
    gallery: Arc<Collection>,
    codes: usize,
    vectors: usize,
}

impl House {
    fn open(directory: &Path) -> Result<Self, StoreError> {
        Self::over(Store::open(directory)?)
    }

    fn over(store: Store) -> Result<Self, StoreError> {
        let slots = Arc::new(store.slots(&name())?);
        let means = Means { threads_max: 1, ..Means::default() };
        let gallery = Arc::new(Collection::with_means(ModelId::new("toy"), DIMENSIONS, means, Some(slots)));
        let (mut codes, mut vectors) = (0, 0);
        {
            let mut loader = gallery.load(0);
            store.load(&name(), &mut |kept| match kept {
                Kept::Codec(codec) => loader.codec(codec),
                Kept::Code(slot, code) => {
                    codes += 1;
                    loader.code(slot, code)
                }
                Kept::Vector(slot, face, embedding) => {
                    vectors += 1;
                    loader.vector(slot, face, &embedding)
                }
                Kept::User(user, faces) => loader.user(&user, &faces),
            })?;
        }
        Ok(Self { store, gallery, codes, vectors })
    }

    fn put(&self, faces: impl Iterator<Item = u32>) {
        let faces: Vec<_> = faces.map(face).collect();
        let placed = self.store.put_faces(&name(), &faces).unwrap();
        assert_eq!(placed.len(), faces.len());
        for ((record, embedding), (id, slot)) in faces.iter().zip(placed) {
            assert_eq!(record.face_id, id);
            self.gallery.insert_at(slot, id, embedding, None).unwrap();
        }
    }

    fn delete(&self, faces: impl Iterator<Item = u32>) {
        let ids: Vec<FaceId> = faces.map(face_id).collect();
        for id in self.store.delete_faces(&name(), &ids).unwrap() {
            assert!(self.gallery.remove(id));
        }
    }

    /// Searches and pairs are those of comparing every vector.
    fn check(&self, faces: &BTreeSet<u32>, seed: u64) {
        let truth = Collection::with_means(
            ModelId::new("toy"),
            DIMENSIONS,
            Means { codes: false, threads_max: 1, ..Means::default() },
            None,
        );
        faces.iter().for_each(|n| truth.insert(face_id(*n), &face(*n).1, None).unwrap());
        assert_eq!(self.gallery.face_count(), faces.len());
        let mut random = Random(seed);
        let mut probes: Vec<Embedding> = (0..2).map(|_| face(random.below(1 << 30) as u32).1).collect();
        probes.extend(faces.iter().nth(faces.len() / 2).map(|n| face(*n).1));
        let probes: Vec<&Embedding> = probes.iter().collect();
        for (cosine_min, limit) in [(0.3, 4096), (-1.0, 10), (-1.0, usize::MAX)] {
            let search = Search { cosine_min, limit };
            let bits = |found: Vec<Vec<Candidate>>| -> Vec<Vec<(FaceId, u32)>> {
                found.iter().map(|one| one.iter().map(|c| (c.face_id, c.cosine.to_bits())).collect()).collect()
            };
            let wanted = bits(truth.search_many(&probes, search, Filter::All).unwrap());
            assert_eq!(bits(self.gallery.search_many(&probes, search, Filter::All).unwrap()), wanted, "{search:?}");
        }
    }
}

fn code_file(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory.join("vectors")).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|e| e == "codes")).expect("a file of codes")
}

/// Where the codes begin, and bytes of one with its checksum: as `docs/store-format.md` has it.
fn layout(bytes: &[u8]) -> (usize, usize) {
    let number = |at: usize, length: usize| {
        let mut eight = [0; 8];
        eight[..length].copy_from_slice(&bytes[at..at + length]);
        usize::try_from(u64::from_le_bytes(eight)).unwrap()
    };
    assert_eq!(&bytes[..8], b"TROMBCOD");
    (64 + number(48, 8) + 4, number(12, 4) + 4)
}

#[test]
fn a_gallery_opens_from_its_codes_and_is_the_same() {
    let dir = scratch();
    let house = House::over(store_with(dir.path(), 0..0)).unwrap();
    (0..FACES).step_by(300).for_each(|n| house.put(n..(n + 300).min(FACES)));
    house.delete((0..FACES).filter(|n| n % 7 == 0));
    house.put(10_000..10_100);
    let faces: BTreeSet<u32> = (0..FACES).filter(|n| n % 7 != 0).chain(10_000..10_100).collect();
    house.check(&faces, 1);
    let footprint = house.gallery.footprint();
    assert!(footprint.vector_bytes < 100 * 4 * DIMENSIONS, "{footprint:?}");
    drop(house);
    let again = House::open(dir.path()).unwrap();
    assert!(again.codes > faces.len() - 100 && again.vectors < 100, "{} codes, {}", again.codes, again.vectors);
    again.check(&faces, 2);
    let pairs = again.gallery.pairs(Search { cosine_min: 0.4, limit: 1000 }, &|_| {}).unwrap();
    assert!(!pairs.is_empty());
    for pair in pairs.iter().take(50) {
        let one = |id| again.gallery.embedding(id).unwrap().unwrap();
        assert_eq!(one(pair.first).cosine(&one(pair.second)).unwrap().to_bits(), pair.cosine.to_bits());
    }
}

/// `format-1.bak` was written by the program before there were codes: faces 0 to 39 without 3 and 4, 7 and 8 of `anna`.
#[test]
fn a_store_of_format_1_opens_and_becomes_format_2() {
    let dir = scratch();
    let data = dir.path().join("data");
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/format-1.bak");
    let version = || {
        let sql = rusqlite::Connection::open(data.join("trombi.sqlite")).unwrap();
        sql.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).unwrap()
    };
    // SQLite's header has the version at byte 60.
    let bytes = fs::read(&old).unwrap();
    let header = bytes.windows(16).position(|window| window == b"SQLite format 3\0").unwrap();
    assert_eq!(bytes[header + 60..header + 64], [0, 0, 0, 1]);
    Store::restore(&old, &data).unwrap();
    assert_eq!(version(), 2);
    // As it was, but for the files of codes that are there already.
    let sql = rusqlite::Connection::open(data.join("trombi.sqlite")).unwrap();
    sql.execute_batch("DROP TABLE key_bindings; PRAGMA user_version = 1").unwrap();
    drop(sql);
    let house = House::open(&data).unwrap();
    assert_eq!(version(), 2);
    let mut faces: BTreeSet<u32> = (0..40).filter(|n| ![3, 4].contains(n)).collect();
    house.check(&faces, 1);
    assert!(house.gallery.user_embedding(&UserId::parse("anna").unwrap()).unwrap().is_some());
    house.put(100..100 + FACES);
    faces.extend(100..100 + FACES);
    drop(house);
    House::open(&data).unwrap().check(&faces, 2);
}

#[test]
fn a_deleted_face_leaves_no_code() {
    let dir = scratch();
    let house = House::over(store_with(dir.path(), 0..0)).unwrap();
    house.put(0..FACES);
    let bytes = fs::read(code_file(dir.path())).unwrap();
    let (start, length) = layout(&bytes);
    let of = |slot: u32| bytes[start + slot as usize * length..][..length - 4].to_vec();
    let gone: Vec<u32> = (100..400).step_by(17).collect();
    let codes: Vec<Vec<u8>> = gone.iter().map(|n| of(house.store.slot(&name(), face_id(*n)).unwrap())).collect();
    assert!(
        codes.iter().zip(&gone).all(|(code, n)| code[..16] == *face_id(*n).0.as_bytes()),
        "codes are where they are said to be"
    );
    house.delete(gone.iter().copied());
    let after = fs::read(code_file(dir.path())).unwrap();
    for code in codes {
        // Head and tail; the id of a test's face is too short a number to look for.
        assert!(!after.windows(24).any(|window| window == &code[code.len() - 24..]), "a deleted code is on disk");
    }
    house.store.delete_collection(&name()).unwrap();
    assert_eq!(fs::read_dir(dir.path().join("vectors")).unwrap().count(), 0);
}

#[test]
fn damaged_codes_are_made_anew() {
    let dir = scratch();
    let house = House::over(store_with(dir.path(), 0..0)).unwrap();
    house.put(0..FACES);
    drop(house);
    let faces: BTreeSet<u32> = (0..FACES).collect();
    let path = code_file(dir.path());
    let whole = fs::read(&path).unwrap();
    let (start, length) = layout(&whole);
    // Magic, version, length, segment, epoch, length of the codec, checksum, codec, a code of each kind of byte.
    let mut places = vec![3, 9, 13, 20, 40, 50, 61, 70, start - 1];
    places.extend([0, 15, 16, 22, 40, length - 1].map(|at| start + 1234 * length + at));
    for (n, at) in places.into_iter().enumerate() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        let house = House::open(dir.path()).unwrap();
        assert!(house.vectors > FACES as usize % 64, "byte {at} went unnoticed");
        if n % 4 == 0 {
            house.check(&faces, 3);
        }
        drop(house);
        // Whole again, so that the next opening reads no vector beyond the uncoded.
        assert_eq!(House::open(dir.path()).unwrap().vectors, FACES as usize % 64, "byte {at} was not made good");
    }
    for cut in [10, 64, 100, start, start + 5, start + 700 * length + 3] {
        fs::write(&path, &whole[..cut]).unwrap();
        House::open(dir.path()).unwrap().check(&faces, 4);
    }
    fs::remove_file(&path).unwrap();
    House::open(dir.path()).unwrap().check(&faces, 5);
    // Of a version before, whole: its codes were others.
    let mut older = whole.clone();
    older[8] = 1;
    let checksum = crc32fast::hash(&older[..60]).to_le_bytes();
    older[60..64].copy_from_slice(&checksum);
    fs::write(&path, older).unwrap();
    let house = House::open(dir.path()).unwrap();
    assert_eq!(house.codes, 0);
    house.check(&faces, 6);
}

#[test]
fn a_vector_that_cannot_be_read_fails_the_search_and_hides_nobody() {
    let dir = scratch();
    let house = House::over(store_with(dir.path(), 0..0)).unwrap();
    house.put(0..FACES);
    let path = super::fs::read_dir(dir.path().join("vectors")).unwrap().map(|entry| entry.unwrap().path());
    let path = path.into_iter().find(|path| path.extension().is_some_and(|e| e == "seg")).unwrap();
    let whole = fs::read(&path).unwrap();
    let slot = 512 + house.store.slot(&name(), face_id(77)).unwrap() as usize * (20 + 4 * DIMENSIONS);
    let all = Search { cosine_min: 0.999, limit: 10 };
    for damage in [&[0xFF; 4][..], &[0; 20 + 4 * DIMENSIONS]] {
        let mut bytes = whole.clone();
        let at = if damage.len() == 4 { slot + 40 } else { slot };
        bytes[at..at + damage.len()].copy_from_slice(damage);
        fs::write(&path, bytes).unwrap();
        assert!(house.gallery.search(&face(77).1, all, Filter::All).is_err());
        assert!(house.gallery.embedding(face_id(77)).is_err());
        assert!(house.gallery.search(&face(78).1, all, Filter::All).unwrap().len() == 1, "others are found");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(house.gallery.search(&face(77).1, all, Filter::All).unwrap()[0].face_id, face_id(77));
    // A face whose records are gone, as in the middle of a deletion, is passed over.
    house.store.delete_faces(&name(), &[face_id(77)]).unwrap();
    assert!(house.gallery.search(&face(77).1, all, Filter::All).unwrap().is_empty());
    assert!(house.gallery.embedding(face_id(77)).unwrap().is_none());
}

#[test]
fn users_come_back_and_their_vectors_follow_their_faces() {
    let dir = scratch();
    let anna = UserId::parse("anna").unwrap();
    let user_vector = |house: &House| house.gallery.user_embedding(&anna).unwrap().unwrap();
    let house = House::over(store_with(dir.path(), 0..0)).unwrap();
    house.put(0..FACES);
    house.store.create_user(&name(), &anna).unwrap();
    let own = [face_id(3), face_id(4000), face_id(5099)];
    house.store.set_user(&name(), &own, Some(&anna)).unwrap();
    house.gallery.set_user(&own, Some(&anna));
    let before = user_vector(&house);
    drop(house);
    let house = House::open(dir.path()).unwrap();
    assert_eq!(user_vector(&house), before);
    house.delete([4000].into_iter());
    let fewer = user_vector(&house);
    assert_ne!(fewer, before);
    let found = house.gallery.search_users(&fewer, Search { cosine_min: 0.9, limit: 5 }, Filter::All).unwrap();
    assert_eq!(found.len(), 1);
    drop(house);
    assert_eq!(user_vector(&House::open(dir.path()).unwrap()), fewer);
}

#[test]
#[ignore = "the process that `kills_leave_the_gallery_whole` starts and kills"]
fn child_that_changes_a_gallery_until_killed() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("started by the other test only"));
    let round: u32 = std::env::var(ROUND).unwrap().parse().unwrap();
    let house = House::open(&directory).unwrap();
    let mut there = faces_of(&house.store);
    let mut random = Random(SEED + u64::from(round));
    let mut fresh = round * ROUND_FACES;
    let say = |word: &str, kind: &str, faces: &[u32]| {
        let faces = faces.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let mut out = std::io::stdout().lock();
        out.write_all(format!("\n> {word} {kind} {faces}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    };
    loop {
        let most = if random.below(3) == 0 { 1500 } else { 40 };
        let count = 1 + random.below(most) as usize;
        // Shrinks to a few chunks, so that they merge, and grows again.
        if random.below(12_000) as usize > there.len() {
            let faces: Vec<u32> = (fresh..).take(count).collect();
            fresh += count as u32;
            say("try", "put", &faces);
            house.put(faces.iter().copied());
            say("done", "put", &faces);
            there.extend(faces);
        } else {
            let first = random.below(there.len() as u64) as usize;
            let faces: Vec<u32> = there.iter().copied().skip(first).take(count).collect();
            say("try", "del", &faces);
            house.delete(faces.iter().copied());
            say("done", "del", &faces);
            there.retain(|n| !faces.contains(n));
        }
    }
}

fn faces_of(store: &Store) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    let mut add = |id: FaceId| all.insert(u32::try_from(id.0.as_u128() - 1).unwrap());
    store.load_vectors(&name(), &mut |id, _, _| assert!(add(id), "a face comes once")).unwrap();
    all
}

fn apply(line: &str, faces: &mut BTreeSet<u32>) {
    let (kind, list) = line.split_once(' ').unwrap();
    let numbers: BTreeSet<u32> = list.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect();
    match kind {
        "put" => faces.extend(numbers),
        _ => faces.retain(|n| !numbers.contains(n)),
    }
}

/// Starts the child, kills it after a while; what it did, and what it may have done.
fn killed(directory: &Path, round: usize, after: Duration) -> (Vec<String>, Option<String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::gallery::child_that_changes_a_gallery_until_killed", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    // Read meanwhile, so that a full pipe does not stop the child.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("> "));
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    std::thread::sleep(after);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "the child ended by itself");
    let (mut answered, mut doubtful) = (Vec::new(), None);
    for line in first.into_iter().chain(rest.join().unwrap()) {
        match (line.strip_prefix("> try "), line.strip_prefix("> done ")) {
            (Some(op), _) => doubtful = Some(op.to_owned()),
            (_, Some(op)) => {
                assert_eq!(doubtful.take().as_deref(), Some(op));
                answered.push(op.to_owned());
            }
            _ => {}
        }
    }
    (answered, doubtful)
}

/// Slots that no face has hold neither vector nor code.
fn check_free_slots(directory: &Path, house: &House, faces: &BTreeSet<u32>) {
    let used: BTreeSet<usize> =
        faces.iter().map(|n| house.store.slot(&name(), face_id(*n)).unwrap() as usize).collect();
    let Some(path) = fs::read_dir(directory.join("vectors"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "codes"))
    else {
        return;
    };
    let bytes = fs::read(path).unwrap();
    let (start, length) = layout(&bytes);
    for (slot, code) in bytes[start..].chunks(length).enumerate().filter(|(slot, _)| !used.contains(slot)) {
        assert!(code.iter().all(|&byte| byte == 0), "the code of a deleted face is in slot {slot}");
    }
}

#[test]
fn kills_leave_the_gallery_whole() {
    let kills = std::env::var("TROMBI_TEST_KILLS").map_or(KILLS, |n| n.parse().unwrap());
    let dir = scratch();
    let house = House::over(store_with(dir.path(), 0..0)).unwrap();
    house.put(0..FACES);
    drop(house);
    let mut faces: BTreeSet<u32> = (0..FACES).collect();
    let mut random = Random(SEED);
    let (mut answers, mut came, mut coded) = (0, 0, 0);
    for round in 1..=kills {
        let (answered, doubtful) = killed(dir.path(), round, Duration::from_micros(random.below(120_000)));
        answered.iter().for_each(|op| apply(op, &mut faces));
        answers += answered.len();
        let house = House::open(dir.path()).unwrap();
        let there = faces_of(&house.store);
        if there != faces {
            apply(doubtful.as_ref().expect("nothing was in doubt, yet the store is another"), &mut faces);
            came += 1;
        }
        assert_eq!(there, faces, "round {round}, in doubt: {doubtful:?}");
        coded += house.codes;
        house.check(&faces, round as u64);
        check_free_slots(dir.path(), &house, &faces);
    }
    println!("{kills} kills, {answers} answers, {came} unanswered changes were whole, {coded} codes read");
    assert!(answers > kills && coded > 0, "too little happened for the kills to mean anything: {answers}, {coded}");
}
