//! `trombi evaluate` and `trombi calibrate` as a user runs them, and their figures against another program's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use trombi::gallery::error_rates::{Draw, normal_quantile};
use trombi::gallery::{CollectionId, ExternalImageId, FaceId, ImageId, UserId};
use trombi::store::{BoxRatio, CollectionRecord, FaceRecord, Store};
use trombi::vision::Embedding;
use uuid::Uuid;

use crate::support::clients::{clients, run};
use crate::support::server::trombi;
use crate::support::{installed, numpy, pictures, shared, skipped};

fn trombi_in(data: &Path, words: &[&str]) -> Output {
    trombi(data).args(words).arg("--offline").output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(
        matches!(output.status.code(), Some(0 | 4)),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `PERSON/FILE` of the portrait's variants: `p` portrait, `m` mirrored, `d` darker, `c` that mirrored, `n` nobody, `t` text.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let portrait = pictures::read_png(&clients().portrait_png);
    for (path, kind) in files {
        let path = dir.path().join("set").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match *kind {
            "p" => pictures::write_png(&path, &portrait),
            "m" => pictures::write_png(&path, &pictures::mirrored(&portrait)),
            "d" => pictures::write_png(&path, &pictures::darker(&portrait)),
            "c" => pictures::write_png(&path, &pictures::mirrored(&pictures::darker(&portrait))),
            "n" => pictures::write_png(&path, &pictures::nobody(256)),
            _ => fs::write(&path, "this is not a picture").unwrap(),
        }
    }
    dir
}

fn report(dir: &Path, more: &[&str]) -> Value {
    let set = dir.join("set");
    let mut words = vec!["evaluate", "pictures", set.to_str().unwrap(), "--json", "--quiet"];
    words.extend(more);
    serde_json::from_str(&stdout(&trombi_in(&dir.join("data"), &words))).unwrap()
}

#[test]
fn one_person_alone_gives_no_rate_of_confusion() {
    let dir = folder(&[("ann/1.png", "p"), ("ann/2.png", "m"), ("ann/3.png", "d")]);
    let found = report(dir.path(), &[]);
    assert_eq!(found["Verification"]["NonMated"], 0);
    assert_eq!(found["Verification"]["Mated"], 3);
    for at in found["Verification"]["AtThreshold"].as_array().unwrap() {
        assert_eq!(at["Fmr"]["Value"], Value::Null);
        assert_eq!((at["Fmr"]["Low"].as_f64(), at["Fmr"]["High"].as_f64()), (Some(0.0), Some(1.0)));
    }
    assert!(found["DataSet"]["Remarks"].to_string().contains("one person only"));
    assert!(found["Statement"].to_string().contains("nothing can be said about confusing people"));
}

#[test]
fn one_picture_each_gives_no_rate_of_recognition_and_bounds_instead_of_zeros() {
    let dir = folder(&[("ann/1.png", "p"), ("bob/1.png", "m"), ("cy/1.png", "n"), ("cy/2.jpg", "t")]);
    let found = report(dir.path(), &["--preset", "congress-2018"]);
    assert_eq!(found["Verification"]["Mated"], 0);
    assert!(found["DataSet"]["Remarks"].to_string().contains("nobody has two usable pictures"));
    assert_eq!(found["DataSet"]["WithoutFace"].as_array().unwrap().len(), 1);
    assert!(found["DataSet"]["Unreadable"][0].as_str().unwrap().starts_with("cy/2.jpg: "));
    let text = stdout(&trombi_in(
        &dir.path().join("data"),
        &["evaluate", "pictures", dir.path().join("set").to_str().unwrap()],
    ));
    assert!(text.contains("cannot be read: 1") && text.contains("no data"), "{text}");
    for at in found["Verification"]["AtFmr"].as_array().unwrap() {
        assert_eq!(at["Cosine"], Value::Null, "one comparison shows no such rate");
    }
}

#[test]
fn the_same_picture_under_two_names_is_listed() {
    let dir = folder(&[("ann/1.png", "p"), ("bob/1.png", "p"), ("bob/2.png", "m"), ("bob/3.png", "m")]);
    let found = report(dir.path(), &[]);
    let same = found["Suspects"]["SamePicture"].as_array().unwrap();
    assert_eq!((same[0]["First"].as_str(), same[0]["Second"].as_str()), (Some("ann/1.png"), Some("bob/1.png")));
    assert!(found["DataSet"]["Remarks"].to_string().contains("1 pictures are copies"));
}

#[test]
fn wrong_manifests_and_folders_are_one_line_that_says_what_was_expected() {
    let dir = folder(&[("ann/1.png", "p")]);
    let manifest = dir.path().join("labels.csv");
    fs::write(&manifest, "file,who\nset/ann/1.png,ann\n").unwrap();
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for (path, said) in [
        (manifest.as_path(), "has no column `path`; it has `file`, `who`"),
        (empty.as_path(), "expected a folder for each person"),
        (Path::new("no/such/set"), "cannot be read"),
    ] {
        let output = trombi_in(&dir.path().join("data"), &["evaluate", "pictures", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(said) && error.trim_end().lines().count() == 1, "{error}");
    }
    let set = dir.path().join("set");
    let output = trombi_in(&dir.path().join("data"), &["calibrate", set.to_str().unwrap()]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("too few for a calibration"), "{error}");
}

/// A manifest of pictures of [`folder`]: file, person, group.
fn manifest(dir: &Path, people: &[(&str, &str, &str)]) -> PathBuf {
    let mut text = String::from("path,person,sex\n");
    for (file, person, sex) in people {
        text.push_str(&format!("set/{file},{person},{sex}\n"));
    }
    let path = dir.join("labels.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn groups_of_three_people_are_too_few_for_a_verdict_or_a_ratio() {
    let files = ["a/1.png", "b/1.png", "c/1.png", "d/1.png", "e/1.png", "f/1.png"];
    let kinds = ["p", "m", "d", "p", "m", "d"];
    let dir = folder(&files.into_iter().zip(kinds).collect::<Vec<_>>());
    let row = |(place, file): (usize, &'static str)| (file, &file[..1], if place < 3 { "f" } else { "m" });
    let labels = manifest(dir.path(), &files.into_iter().enumerate().map(row).collect::<Vec<_>>());
    let words = ["evaluate", "pictures", labels.to_str().unwrap(), "--quiet"];
    let data = dir.path().join("data");
    let json: Value = serde_json::from_str(&stdout(&trombi_in(&data, &[&words[..], &["--json"]].concat()))).unwrap();
    let tables = json["Groups"].as_array().unwrap();
    assert_eq!(tables[0]["Measure"], "FMR within the group");
    for table in tables {
        assert_eq!(table["MaxOverGeometricMean"], Value::Null, "{table}");
        for group in table["Groups"].as_array().unwrap() {
            assert_eq!((&group["Standing"], &group["RatioToBest"]), (&"too few".into(), &Value::Null), "{table}");
        }
    }
    let text = stdout(&trombi_in(&data, &words));
    assert!(
        text.contains("3 of 3  too few      too few") && text.contains("largest over geometric mean too few"),
        "{text}"
    );
    assert!(text.contains("FNMR by sex: no data") && !text.contains("FNMR by sex, at"), "{text}");
}

#[test]
fn files_that_cannot_be_read_give_no_figures() {
    let dir = folder(&[("ann/1.jpg", "t"), ("bob/1.jpg", "t")]);
    let found = report(dir.path(), &["--preset", "congress-2018"]);
    assert_eq!(found["DataSet"]["Unreadable"].as_array().unwrap().len(), 2);
    assert_eq!(
        found["DataSet"]["FailureToEnrol"]["Value"],
        Value::Null,
        "a file that is no picture says nothing of faces"
    );
    assert_eq!((&found["Verification"]["NonMated"], &found["Verification"]["Mated"]), (&0.into(), &0.into()));
    let paragraph = found["Congress"]["Paragraph"].as_str().unwrap();
    assert!(paragraph.starts_with("This test cannot be made:"), "{paragraph}");
}

/// A made-up face: its vector, its user, its external image id.
type MadeUp = (Vec<f32>, Option<&'static str>, Option<&'static str>);

/// A collection of made-up faces of the network that runs.
fn collection(data: &Path, name: &str, faces: &[MadeUp]) {
    let installed = installed::installed();
    let contract = &installed.embedder_contract;
    let store = Store::open(data).unwrap();
    let id = CollectionId::parse(name).unwrap();
    let record = CollectionRecord {
        id: id.clone(),
        model_id: contract.model_id.clone(),
        model_version: installed.model_version.clone(),
        dimensions: contract.dimensions,
        created_ms: 5,
        face_count: 0,
        user_count: 0,
    };
    store.create_collection(&record, &BTreeMap::new()).unwrap();
    let face = |(number, (vector, _, name)): (usize, &MadeUp)| {
        let record = FaceRecord {
            face_id: face_id(number),
            image_id: ImageId(Uuid::from_u128(number as u128 + 1_000_000)),
            external_image_id: name.map(|name| ExternalImageId::parse(name).unwrap()),
            box_ratio: BoxRatio { left: 0.1, top: 0.1, width: 0.3, height: 0.4 },
            confidence: 99.0,
            model_version: installed.model_version.clone(),
            user_id: None,
        };
        (record, Embedding::normalised(contract.model_id.clone(), vector).unwrap())
    };
    store.put_faces(&id, &faces.iter().enumerate().map(face).collect::<Vec<_>>()).unwrap();
    let mut users: BTreeMap<&str, Vec<FaceId>> = BTreeMap::new();
    for (number, (_, user, _)) in faces.iter().enumerate() {
        user.iter().for_each(|user| users.entry(user).or_default().push(face_id(number)));
    }
    for (user, faces) in users {
        let user = UserId::parse(user).unwrap();
        store.create_user(&id, &user).unwrap();
        store.set_user(&id, &faces, Some(&user)).unwrap();
    }
}

fn face_id(number: usize) -> FaceId {
    FaceId(Uuid::from_u128(number as u128 + 1))
}

/// So many vectors in random directions.
fn random_vectors(count: usize) -> Vec<Vec<f32>> {
    let dimensions = installed::installed().embedder_contract.dimensions;
    let mut draw = Draw::seeded(3);
    let mut normal = || normal_quantile(draw.unit().clamp(1e-9, 1.0 - 1e-9)) as f32;
    (0..count).map(|_| (0..dimensions).map(|_| normal()).collect()).collect()
}

/// Another picture of the same face: a tenth of another direction beside it.
fn like(vector: &[f32], other: &[f32]) -> Vec<f32> {
    vector.iter().zip(other).map(|(a, b)| a + 0.1 * b).collect()
}

#[test]
fn a_collection_without_labels_gives_a_calibration_and_its_suspected_duplicates() {
    let dir = tempfile::tempdir().unwrap();
    let vectors = random_vectors(700);
    let mut faces: Vec<MadeUp> = vectors[..600].iter().map(|vector| (vector.clone(), None, None)).collect();
    // A user with three faces is one person, and no suspect.
    faces[0].1 = Some("ann");
    for other in &vectors[600..602] {
        faces.push((like(&vectors[0], other), Some("ann"), None));
    }
    // One face twice without a user, the second time with a name; and one person as two users.
    faces.push((like(&vectors[7], &vectors[602]), None, Some("seven-again.jpg")));
    faces[20].1 = Some("bob");
    faces.push((like(&vectors[20], &vectors[603]), Some("robert"), None));
    collection(dir.path(), "crew", &faces);

    let file = dir.path().join("made.toml");
    let words = ["calibrate", "--collection", "crew", "--quiet"];
    let to_file = [&words[..], &["--out", file.to_str().unwrap()]].concat();
    let json: Value =
        serde_json::from_str(&stdout(&trombi_in(dir.path(), &[&to_file[..], &["--json"]].concat()))).unwrap();
    assert_eq!(
        (&json["DataSet"], &json["Pictures"], &json["People"]),
        (&"collection crew".into(), &604.into(), &602.into())
    );
    // All pairs of faces but ann's three.
    assert_eq!(json["Comparisons"], 604 * 603 / 2 - 3);
    let seven = [format!("face {}", face_id(7)), format!("seven-again.jpg (face {})", face_id(602))];
    assert_eq!(json["SuspectedOnePerson"], serde_json::json!([seven, ["bob", "robert"]]));
    // What it states is what the normal distribution of such directions has.
    for anchor in json["Anchors"].as_array().unwrap() {
        let (fmr, cosine) = (anchor["Fmr"].as_f64().unwrap(), anchor["Cosine"].as_f64().unwrap());
        let sigmas = cosine * (installed::installed().embedder_contract.dimensions as f64).sqrt();
        assert!((sigmas + normal_quantile(fmr)).abs() < 0.35, "{anchor}");
    }
    let text = stdout(&trombi_in(dir.path(), &to_file));
    assert!(text.contains("suspected to be one person, please look (2):"), "{text}");
    assert!(text.contains(&format!("  {} = {}", seven[0], seven[1])) && text.contains("  bob = robert"), "{text}");
    // A bare name is a file where one stands.
    let here = [&words[..], &["--out", "here.toml"]].concat();
    stdout(&trombi(dir.path()).args(here).arg("--offline").current_dir(dir.path()).output().unwrap());
    assert_eq!(fs::read(dir.path().join("here.toml")).unwrap(), fs::read(&file).unwrap());
    // Without a file named it goes where every later command reads it.
    stdout(&trombi_in(dir.path(), &words));
    let set = folder(&[("ann/1.png", "p"), ("bob/1.png", "m")]);
    let evaluate = ["evaluate", "pictures", set.path().to_str().unwrap()];
    let text = stdout(&trombi_in(dir.path(), &evaluate));
    assert!(text.contains("calibrated on collection crew, 182,103 comparisons"), "{text}");
}

#[test]
fn collections_that_make_no_calibration_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let vectors = random_vectors(5);
    collection(dir.path(), "few", &vectors.into_iter().map(|vector| (vector, None, None)).collect::<Vec<_>>());
    collection(dir.path(), "empty", &[]);
    for (name, said) in [("few", "too few for a calibration"), ("empty", "has no faces"), ("none", "does not exist")] {
        let output = trombi_in(dir.path(), &["calibrate", "--collection", name]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(said) && error.trim_end().lines().count() == 1, "{error}");
    }
    let output = trombi_in(dir.path(), &["calibrate", "set", "--collection", "few"]);
    assert_eq!(output.status.code(), Some(2), "pictures or a collection, not both");
}

#[test]
fn a_test_in_a_collection_searches_for_nobody_who_is_known_to_be_enrolled_there() {
    let dir = folder(&[("ann/1.png", "p"), ("bob/1.png", "m"), ("Zo\u{eb} Z/1.png", "d"), ("stranger/1.png", "c")]);
    let data = dir.path().join("data");
    let vectors = random_vectors(30);
    let mut faces: Vec<MadeUp> = vectors.into_iter().map(|vector| (vector, None, None)).collect();
    faces[3].1 = Some("bob");
    faces[4].2 = Some("Zo__Z");
    // A user of another name, and a picture that is only called as everybody's are.
    faces[5] = (faces[5].0.clone(), Some("stranger-2"), Some("1.png"));
    collection(&data, "crew", &faces);
    let picture = dir.path().join("set/ann/1.png");
    stdout(&trombi_in(&data, &["index", "crew", picture.to_str().unwrap(), "--quiet"]));

    let test = ["--preset", "congress-2018", "--collection", "crew"];
    let found = report(dir.path(), &test);
    let congress = &found["Congress"];
    assert_eq!(congress["LeftOut"], serde_json::json!({"ByUser": 1, "ByExternalImageId": 1, "ByPicture": 1}));
    assert_eq!((&congress["Gallery"], &congress["Outcome"]["Trials"]), (&31.into(), &1.into()));
    let paragraph = congress["Paragraph"].as_str().unwrap();
    assert!(
        paragraph.starts_with(
            "1 person who is not enrolled was searched for among collection `crew`, 31 faces at similarity 80"
        ),
        "{paragraph}"
    );
    assert!(paragraph.contains("3 people of set are enrolled there and were not searched for (1 by their user, 1 by an external image id, 1 by the same picture)"), "{paragraph}");
    // The stranger's face is ann's: nobody can know that from names, so it is listed for somebody to look.
    let taken = congress["TakenFor"].as_array().unwrap();
    assert_eq!((taken.len(), taken[0]["First"].as_str()), (1, Some("stranger/1.png")));
    assert!(taken[0]["Second"].as_str().unwrap().starts_with("1.png (face "), "{}", taken[0]);

    fs::remove_dir_all(dir.path().join("set/stranger")).unwrap();
    let found = report(dir.path(), &test);
    let paragraph = found["Congress"]["Paragraph"].as_str().unwrap();
    assert!(paragraph.starts_with("This test cannot be made: all people of set"), "{paragraph}");
    assert_eq!(found["Congress"]["Outcome"]["Value"], Value::Null);
}

/// The first pictures of every twelfth person of LFW, three at most of each.
fn some_of_lfw(to: &Path) -> Option<usize> {
    let Some(shared) = shared() else {
        skipped("the data set LFW");
        return None;
    };
    let lfw = shared.join("datasets/lfw");
    let mut people: Vec<PathBuf> =
        fs::read_dir(&lfw).ok()?.map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()).collect();
    people.sort();
    let mut count = 0;
    for person in people.iter().step_by(12) {
        let mut files: Vec<PathBuf> = fs::read_dir(person).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let name = person.file_name().unwrap();
        fs::create_dir_all(to.join(name)).unwrap();
        for file in files.iter().take(3) {
            fs::copy(file, to.join(name).join(file.file_name().unwrap())).unwrap();
            count += 1;
        }
    }
    Some(count)
}

#[test]
fn figures_equal_another_programs_and_the_same_inputs_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let Some(pictures) = some_of_lfw(&dir.path().join("set")) else { return };
    // Two groups that mean nothing: none may be called worse.
    let mut manifest = String::from("path,person,parity\n");
    let mut people: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for person in fs::read_dir(dir.path().join("set")).unwrap() {
        let person = person.unwrap().path();
        let number = people.len();
        let number = *people.entry(person.clone()).or_insert(number);
        for file in fs::read_dir(&person).unwrap() {
            let file = file.unwrap().path();
            let name = person.file_name().unwrap().to_str().unwrap();
            manifest.push_str(&format!("{},{name},{}\n", file.strip_prefix(dir.path()).unwrap().display(), number % 2));
        }
    }
    let labels = dir.path().join("labels.csv");
    fs::write(&labels, manifest).unwrap();
    let data = dir.path().join("data");
    let export = dir.path().join("export");
    let evaluate = |report: &Path, threads: &str| {
        let words = [
            "evaluate",
            "pictures",
            labels.to_str().unwrap(),
            "--face",
            "central",
            "--draws",
            "3",
            "--probes",
            "100",
            "--preset",
            "congress-2018",
            "--threads",
            threads,
            "--report",
            report.to_str().unwrap(),
            "--export",
            export.to_str().unwrap(),
            "--quiet",
        ];
        stdout(&trombi_in(&data, &words))
    };
    let (first, second) = (dir.path().join("first.html"), dir.path().join("second.html"));
    let text = evaluate(&first, "2");
    assert_eq!(text, evaluate(&second, "1"));
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
    let json = first.with_extension("json");
    assert_eq!(fs::read(&json).unwrap(), fs::read(second.with_extension("json")).unwrap());

    let found: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(found["DataSet"]["Pictures"], pictures);
    let paragraph = found["Congress"]["Paragraph"].as_str().unwrap();
    assert!(paragraph.contains("Of 1,000 searches") || paragraph.contains("of 1,000 searches"), "{paragraph}");
    assert!(!text.contains(" worse") || text.contains("not worse"), "{text}");
    for table in found["Groups"].as_array().unwrap() {
        for group in table["Groups"].as_array().unwrap() {
            assert_ne!(group["Standing"], "worse", "{table}");
        }
    }
    let page = fs::read_to_string(&first).unwrap();
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    agrees(&export, &json);
}

/// Lets NumPy compute the figures again.
fn agrees(export: &Path, json: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/error_rates.py");
    run(Command::new(numpy::python()).arg(script).arg(export).arg(json));
}

#[test]
#[ignore = "all of LFW: minutes, best in release"]
fn all_of_lfw_equals_another_program() {
    let Some(shared) = shared() else { return skipped("the data set LFW") };
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/evaluation-of-lfw");
    let report = data.join("lfw.html");
    let lfw = shared.join("datasets/lfw");
    fs::create_dir_all(&data).unwrap();
    let words =
        ["evaluate", "lfw", lfw.to_str().unwrap(), "--preset", "congress-2018", "--report", report.to_str().unwrap()];
    let export = data.join("export");
    println!("{}", stdout(&trombi_in(&data, &[&words[..], &["--export", export.to_str().unwrap()]].concat())));
    let found: Value = serde_json::from_slice(&fs::read(report.with_extension("json")).unwrap()).unwrap();
    assert_eq!(found["Verification"]["NonMated"], 87_307_271);
    assert_eq!(found["Verification"]["Mated"], 242_257);
    agrees(&export, &report.with_extension("json"));
}

/// The central face of each picture of LFW as a vector of `pack`, with the number of its person.
fn embedded_lfw(shared: &Path, pack: &crate::vision::Pack) -> (Vec<f32>, Vec<u32>) {
    let mut options = crate::support::installed().vision_options(2, 100);
    options.embedder = pack.file(shared);
    options.embedder_contract = pack.contract(shared);
    let vision = trombi::vision::Vision::open(&options).unwrap();
    let mut files: Vec<(u32, PathBuf)> = Vec::new();
    let mut people: Vec<PathBuf> =
        fs::read_dir(shared.join("datasets/lfw")).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    people.sort();
    for (number, person) in (0..).zip(&people) {
        files.extend(fs::read_dir(person).unwrap().map(|entry| (number, entry.unwrap().path())));
    }
    files.sort();
    let embed = |file: &Path| -> Vec<f32> {
        let scene = vision.look(&fs::read(file).unwrap()).unwrap();
        let middle = (scene.width_px as f32 / 2.0, scene.height_px as f32 / 2.0);
        let distance = |face: &trombi::vision::Face| {
            let b = &face.detection.box_px;
            (b.left + b.width / 2.0 - middle.0).hypot(b.top + b.height / 2.0 - middle.1)
        };
        let face = scene.faces.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
        vision.embed(&[face.aligned.as_ref().unwrap()]).unwrap()[0].vector().to_vec()
    };
    let (left, right) = files.split_at(files.len() / 2);
    let half = |files: &[(u32, PathBuf)]| files.iter().flat_map(|(_, file)| embed(file)).collect::<Vec<f32>>();
    let vectors = std::thread::scope(|scope| {
        let left = scope.spawn(|| half(left));
        let right = half(right);
        [left.join().unwrap(), right].concat()
    });
    (vectors, files.iter().map(|(person, _)| *person).collect())
}

#[test]
#[ignore = "all of LFW with two networks: minutes, best in release"]
fn stated_rates_hold_on_people_whom_the_calibration_has_not_seen() {
    use trombi::gallery::all_pairs::{Samples, compare_all};
    use trombi::gallery::calibrate::{Material, fit, rate_of_people};
    use trombi::gallery::similarity::Calibration;
    use trombi::vision::ModelId;
    let Some(shared) = shared() else { return skipped("the data set LFW") };
    for (name, pack) in [("retail-0095", crate::vision::RETAIL), ("mobilefacenet", crate::vision::MOBILE)] {
        let (vectors, people) = embedded_lfw(&shared, &pack);
        let dimensions = vectors.len() / people.len();
        // Every second person, each half renumbered.
        let halves = [0, 1].map(|half| {
            let of_half: Vec<usize> = (0..people.len()).filter(|&s| people[s] % 2 == half).collect();
            let numbers: Vec<u32> = of_half.iter().map(|&s| people[s] / 2).collect();
            let part: Vec<f32> =
                of_half.iter().flat_map(|&s| vectors[s * dimensions..][..dimensions].iter().copied()).collect();
            let mut pictures = vec![0_u32; *numbers.iter().max().unwrap() as usize + 1];
            numbers.iter().for_each(|&person| pictures[person as usize] += 1);
            let samples = Samples { dimensions, vectors: &part, people: &numbers };
            let compared = compare_all(samples, 1 << 20, 2, &|_| ());
            (compared, numbers, pictures)
        });
        let material = |half: usize| {
            let (compared, people, pictures) = &halves[half];
            Material { non_mated: &compared.non_mated, people, pictures }
        };
        let fits = [0, 1].map(|half| fit(Calibration::none(ModelId::new(name)), material(half)).unwrap());
        for (seen, unseen) in [(0, 1), (1, 0)] {
            println!("{name}, half {seen} on half {unseen}: {}", fits[seen].calibration.method);
            for anchor in &fits[seen].calibration.anchors()[4..] {
                let measured = rate_of_people(material(unseen), anchor.cosine, &fits[unseen].suspected).unwrap();
                let ratio = measured.0 / anchor.fmr.rate;
                println!(
                    "  {} %: stated {:.1e} ({:.1e} to {:.1e}), measured {:.1e} ({:.1e} to {:.1e}), ratio {ratio:.2}",
                    anchor.percent,
                    anchor.fmr.rate,
                    anchor.fmr.low,
                    anchor.fmr.high,
                    measured.0,
                    measured.1,
                    measured.2
                );
                // Where four million pairs of people can show the rate; below, where their interval begins.
                let least = if anchor.fmr.rate > 5e-6 { measured.0 } else { measured.1 };
                assert!(
                    least <= 2.0 * anchor.fmr.rate && measured.2 >= 0.5 * anchor.fmr.rate,
                    "{name} {}",
                    anchor.percent
                );
            }
        }
    }
}
