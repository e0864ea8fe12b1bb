//! Power cuts: a child process writes until it is killed; whatever it answered must be there.

use std::collections::{BTreeSet, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use trombi::store::Store;

use super::model::{Model, Op, Outcome, run, snapshot};
use super::{Random, face, files_of, scratch};

const KILLS: usize = 60;
const SEED: u64 = 20_260_401;
/// Opening after a crash, while other tests run.
const OPEN_MAX: Duration = Duration::from_secs(1);
const DIRECTORY: &str = "TROMBI_TEST_CRASH_DIRECTORY";
const ROUND: &str = "TROMBI_TEST_CRASH_ROUND";
/// Faces of one round have numbers of their own: this many.
const ROUND_FACES: u32 = 100_000;
const COLLECTION: u32 = 0;

/// What the child will do next, given what it knows to be there.
fn next_op(random: &mut Random, model: &Model, fresh: &mut u32) -> Op {
    let contents = &model.collections[&COLLECTION];
    let some_faces = |random: &mut Random| -> Vec<u32> {
        let most = contents.faces.len().min(12) as u64;
        (0..=random.below(most)).filter_map(|_| random.pick(&contents.faces)).map(|(n, _)| *n).collect()
    };
    let users: Vec<u32> = contents.users.keys().copied().collect();
    let many = contents.faces.len() > 150;
    match random.below(20) {
        0..10 if !many => {
            let count = if random.below(3) == 0 { 1 + random.below(40) } else { 1 };
            let faces = (0..count)
                .map(|_| {
                    *fresh += 1;
                    *fresh
                })
                .collect();
            Op::Put(COLLECTION, random.pick(&users).copied().filter(|_| count % 2 == 0), faces)
        }
        10..16 => Op::SetUser(COLLECTION, random.pick(&users).copied(), some_faces(random)),
        16 | 17 => Op::CreateUser(COLLECTION, random.below(5) as u32),
        18 => Op::DeleteUser(COLLECTION, random.below(5) as u32),
        _ => Op::Delete(COLLECTION, some_faces(random)),
    }
}

fn text_from_op(op: &Op) -> String {
    let list = |faces: &[u32]| faces.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let owner = |u: &Option<u32>| u.map_or("-".to_owned(), |u| u.to_string());
    match op {
        Op::Put(_, u, faces) => format!("put {} {}", owner(u), list(faces)),
        Op::SetUser(_, u, faces) => format!("set {} {}", owner(u), list(faces)),
        Op::Delete(_, faces) => format!("del - {}", list(faces)),
        Op::CreateUser(_, u) => format!("user {u} "),
        Op::DeleteUser(_, u) => format!("nouser {u} "),
        other => panic!("{other:?} is not used here"),
    }
}

fn op_from_text(text: &str) -> Op {
    let mut words = text.split(' ');
    let (kind, owner, faces) = (words.next().unwrap(), words.next().unwrap().parse().ok(), words.next().unwrap());
    let faces = faces.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect();
    match kind {
        "put" => Op::Put(COLLECTION, owner, faces),
        "set" => Op::SetUser(COLLECTION, owner, faces),
        "del" => Op::Delete(COLLECTION, faces),
        "user" => Op::CreateUser(COLLECTION, owner.unwrap()),
        "nouser" => Op::DeleteUser(COLLECTION, owner.unwrap()),
        other => panic!("{other}"),
    }
}

#[test]
#[ignore = "the process that `kills_lose_nothing_answered` starts and kills"]
fn child_that_writes_until_killed() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("started by the other test only"));
    let round: u32 = std::env::var(ROUND).unwrap().parse().unwrap();
    let store = Store::open(&directory).unwrap();
    let mut model = snapshot(&store, 500);
    let mut random = Random(SEED + u64::from(round));
    let mut fresh = round * ROUND_FACES;
    let say = |word: &str, op: &Op| {
        let mut out = std::io::stdout().lock();
        out.write_all(format!("\n> {word} {}\n", text_from_op(op)).as_bytes()).unwrap();
        out.flush().unwrap();
    };
    loop {
        let op = next_op(&mut random, &model, &mut fresh);
        say("try", &op);
        let outcome = run(&store, &op).unwrap();
        assert_eq!(outcome, model.apply(&op));
        say("done", &op);
    }
}

/// Starts the child, kills it after a while; the operations it answered, and the one it did not.
fn killed(directory: &Path, round: usize, after: Duration) -> (Vec<Op>, Option<Op>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::crash::child_that_writes_until_killed", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The clock starts at the first operation, so that every kill finds it at work.
    let first = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("> "));
    assert!(first.is_some(), "the child ended before its first operation");
    std::thread::sleep(after);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "the child ended by itself");
    let (mut answered, mut doubtful) = (Vec::new(), None);
    for line in first.into_iter().chain(lines.map_while(Result::ok)) {
        match (line.strip_prefix("> try "), line.strip_prefix("> done ")) {
            (Some(op), _) => doubtful = Some(op_from_text(op)),
            (_, Some(op)) => {
                assert_eq!(doubtful.take(), Some(op_from_text(op)));
                answered.push(op_from_text(op));
            }
            _ => {}
        }
    }
    (answered, doubtful)
}

/// No file holds a name or the beginning of a vector of a face that is not there.
fn check_nothing_remains(directory: &Path, model: &Model, ever: &BTreeSet<u32>) {
    let gone: Vec<u32> = ever.iter().copied().filter(|n| !model.has(*n)).collect();
    let beginnings: HashSet<[u8; 8]> = gone.iter().map(|n| beginning(*n)).collect();
    for file in files_of(directory) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(8).find(|window| beginnings.contains(*window));
        assert!(found.is_none(), "{} holds a deleted vector", file.display());
        let mut rest = &bytes[..];
        while let Some(at) = rest.windows(13).position(|w| w == b"visible-name-") {
            rest = &rest[at + 13..];
            let digits: Vec<u8> = rest.iter().copied().take_while(u8::is_ascii_digit).collect();
            let number = String::from_utf8(digits).unwrap().parse::<u32>().unwrap_or(0);
            assert!(model.has(number), "{} holds the name of deleted face {number}", file.display());
        }
    }
}

fn beginning(n: u32) -> [u8; 8] {
    let vector = face(n).1;
    let bytes: Vec<u8> = vector.vector()[..2].iter().flat_map(|x| x.to_le_bytes()).collect();
    bytes.try_into().unwrap()
}

#[test]
fn kills_lose_nothing_answered() {
    let dir = scratch();
    let mut model = Model::default();
    {
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(
            run(&store, &Op::CreateCollection(COLLECTION)).unwrap(),
            model.apply(&Op::CreateCollection(COLLECTION))
        );
    }
    let mut random = Random(SEED);
    let (mut answers, mut came, mut slowest) = (0, 0, Duration::ZERO);
    let mut ever = BTreeSet::new();
    for round in 1..=KILLS {
        let (answered, doubtful) = killed(dir.path(), round, Duration::from_micros(random.below(60_000)));
        for op in answered.iter().chain(&doubtful) {
            if let Op::Put(_, _, faces) = op {
                ever.extend(faces);
            }
        }
        for op in &answered {
            assert_ne!(model.apply(op), Outcome::Done(usize::MAX));
        }
        answers += answered.len();
        let started = Instant::now();
        let store = Store::open(dir.path()).unwrap();
        slowest = slowest.max(started.elapsed());
        let there = snapshot(&store, 500);
        if there != model {
            model.apply(doubtful.as_ref().expect("nothing was in doubt, yet the store is another"));
            came += 1;
        }
        assert_eq!(there, model, "round {round}, in doubt: {doubtful:?}");
        check_nothing_remains(dir.path(), &model, &ever);
    }
    println!("{KILLS} kills, {answers} answers, {came} unanswered operations were whole, slowest opening {slowest:?}");
    assert!(answers > KILLS, "too little was written for the kills to mean anything: {answers}");
    assert!(slowest < OPEN_MAX, "opening took {slowest:?}");
}
