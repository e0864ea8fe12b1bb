//! The `trombi` program from outside: every command with the real networks, its output and its exit codes.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::clients::clients;
use crate::support::pictures;
use crate::support::server::trombi;

/// How a run ended.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// The failure's one line.
    #[track_caller]
    fn only_error(&self) -> &str {
        assert!(self.err.lines().count() == 1 && self.out.is_empty(), "stdout:\n{}stderr:\n{}", self.out, self.err);
        self.err.trim_end().strip_prefix("trombi: ").unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Without networks: what must fail before they are needed.
fn bare(words: &[&str]) -> Ran {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_trombi"));
    Ran::of(command.args(words).arg("--offline").env("TROMBI_DATA", data.path().join("data")))
}

/// A data directory and the portrait's pictures.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn with_collection(name: &str) -> Self {
        let bench = Self::new();
        bench.run(&["collections", "create", name]).ends(0);
        bench
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// A folder `faces` with the mirrored and the darker portrait in `faces/Eileen_Collins`.
    fn person(&self) -> String {
        let folder = self.dir.path().join("faces/Eileen_Collins");
        fs::create_dir_all(&folder).unwrap();
        for name in ["mirrored.png", "darker.png"] {
            fs::copy(picture(name), folder.join(name)).unwrap();
        }
        self.file("faces")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = trombi(&self.data());
        command.args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.command(words))
    }
}

/// One of the pictures that `support::pictures` makes.
fn picture(name: &str) -> String {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-pictures");
        pictures::write_all(&clients().portrait_png, &directory)
    });
    made.join(name).to_str().unwrap().to_owned()
}

/// Pixels of the green that sure faces are drawn in.
fn green_pixels(drawing: &pictures::Rgb) -> usize {
    let near = |pixel: &[u8]| pixel.iter().zip([74, 222, 158]).all(|(&have, want): (&u8, u8)| have.abs_diff(want) < 12);
    drawing.pixels.chunks_exact(3).filter(|pixel| near(pixel)).count()
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let help = bare(&["--help"]).ends(0).out;
    for word in ["setup", "detect", "compare", "collections", "index", "search", "faces", "keys", "serve", "Exit codes"]
    {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
}

#[test]
fn a_wrong_command_line_has_exit_code_2() {
    for words in [
        &["nonsense"][..],
        &["detect"],
        &["collections", "create", "a b"],
        &["--threads", "0", "setup"],
        &["faces", "delete", "staff", "no-face-id"],
        &["search", "staff", "a.jpg", "--threshold", "101"],
        &["index", "staff", "a", "--max-faces", "0"],
    ] {
        bare(words).ends(2);
    }
}

#[test]
fn a_drawing_that_is_no_png_is_refused_before_any_work() {
    let ran = bare(&["detect", "missing.jpg", "--draw", "out.jpg"]).ends(2);
    assert!(ran.only_error().contains("ends in .png"));
}

#[test]
fn no_auth_on_a_public_address_is_refused() {
    let ran = bare(&["serve", "--no-auth", "--listen", "0.0.0.0:0"]).ends(2);
    assert!(ran.only_error().starts_with("--no-auth is for a loopback address only"));
}

#[test]
fn a_missing_folder_is_one_line_that_names_it() {
    let ran = bare(&["index", "staff", "no/such/folder"]).ends(1);
    assert!(ran.only_error().starts_with("`no/such/folder`"));
}

#[test]
fn rules_are_listed_checked_compared_tested_and_explained() {
    let listed = bare(&["policy", "presets"]).ends(0);
    assert!(listed.out.contains("amazon-2021-terms"), "{}", listed.out);
    let diff = bare(&["policy", "diff", "amazon-2020-announced", "amazon-2021-terms"]).ends(0);
    assert_eq!(diff.out, include_str!("../src/policy/tests/amazon-2020-announced_amazon-2021-terms.txt"));

    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(path("set")).unwrap();
    fs::write(path("set/a.toml"), "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\n").unwrap();
    let wrong = bare(&["policy", "check", &path("set")]).ends(1);
    assert!(
        wrong.only_error().contains("a.toml:1: commitment `a` has no end: write until = \"never\""),
        "{}",
        wrong.err
    );

    fs::write(path("set/a.toml"), "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"\n").unwrap();
    let row = "[[test]]\nname = \"r\"\nexpected = \"commitment.a\"\n[test.asked]\noperation = \"SearchFaces\"\nat = \"2021-01-01\"\n";
    fs::write(path("set/tests.toml"), row).unwrap();
    bare(&["policy", "test", &path("set")]).ends(0);
    fs::write(path("set/tests.toml"), row.replace("commitment.a", "allow")).unwrap();
    assert!(bare(&["policy", "test", &path("set")]).ends(1).out.contains("expected allow, got commitment.a"));

    fs::write(path("asked.json"), r#"{"operation": "SearchFaces", "at": "2021-01-01"}"#).unwrap();
    let told = bare(&["policy", "explain", &path("asked.json"), "--policy", &path("set"), "--json"]).ends(0).json();
    assert_eq!((&told["Decision"], &told["Rules"][0]), (&Value::from("Deny"), &Value::from("commitment.a")));
    let told = bare(&["policy", "explain", &path("asked.json"), "--policy", &path("set")]).ends(0);
    assert!(told.out.starts_with("denied by commitment.a\n") && told.out.contains("forbid ("), "{}", told.out);
}

#[test]
fn setup_names_every_file_and_its_checksum() {
    let bench = Bench::new();
    let ran = bench.run(&["setup"]).ends(0);
    for word in ["runtime ", "detector ", "embedder ", "model "] {
        assert!(ran.out.contains(word), "{}", ran.out);
    }
    assert!(
        ran.err.contains("SHA-256 8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"),
        "{}",
        ran.err
    );
    let json = bench.run(&["setup", "--json", "--quiet"]).ends(0);
    assert_eq!(json.err, "");
    assert_eq!(json.json()["ModelId"], "face-reidentification-retail-0095");
}

#[test]
fn detect_prints_a_table_or_the_apis_own_shape() {
    let bench = Bench::new();
    let portrait = picture("portrait.png");
    let table = bench.run(&["detect", &portrait]).ends(0).out;
    assert!(table.starts_with(&format!("{portrait}: 1 face\n")) && table.lines().count() == 3, "{table}");
    let face = &bench.run(&["detect", &portrait, "--json"]).ends(0).json()["FaceDetails"][0];
    // The face of the portrait is at 35 % of the width and 14 % of the height.
    let at = |side: &str| face["BoundingBox"][side].as_f64().unwrap();
    assert!((at("Left") - 0.35).abs() < 0.03 && (at("Top") - 0.14).abs() < 0.03, "{face}");
    assert!(face["Confidence"].as_f64().unwrap() > 85.0);
    assert_eq!(face["Landmarks"].as_array().unwrap().len(), 5);
    assert!(!bench.data().exists(), "detect needs no data directory and must make none");
}

#[test]
fn one_bad_picture_fails_and_one_of_several_does_not_stop_the_rest() {
    let bench = Bench::new();
    let (portrait, text, nobody) = (picture("portrait.png"), picture("text.jpg"), picture("nobody.png"));
    let alone = bench.run(&["detect", &text]).ends(1);
    assert!(alone.only_error().contains("begins with `this is `"), "{}", alone.err);
    assert_eq!(bench.run(&["detect", &nobody]).ends(3).out, format!("{nobody}: 0 faces\n"));
    let several = bench.run(&["detect", &text, &portrait, "missing.jpg", &nobody, "--json"]).ends(4);
    assert_eq!(several.err.lines().count(), 2, "{}", several.err);
    let lines: Vec<Value> = several.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let counts: Vec<_> = lines.iter().map(|line| line["FaceDetails"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [1, 0]);
    assert_eq!(lines[0]["Picture"], Value::String(portrait));
}

#[test]
fn a_name_with_a_line_break_stays_on_one_line() {
    let bench = Bench::new();
    let odd = bench.file("two\nlines und Köln.png");
    fs::copy(picture("portrait.png"), &odd).unwrap();
    let out = bench.run(&["detect", &odd]).ends(0).out;
    assert!(out.lines().next().unwrap().ends_with("two lines und Köln.png: 1 face"), "{out}");
}

#[test]
fn a_picture_over_the_apis_limit_is_read_up_to_15_mib() {
    let bench = Bench::with_collection("large");
    let (portrait, side) = (pictures::read_png(&clients().portrait_png), 1800);
    let mut seed = 1_u32;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_be_bytes()[0]
    };
    let mut large = pictures::Rgb { width: side, height: side, pixels: Vec::new() };
    for y in 0..side {
        for x in 0..side {
            let inside = x < portrait.width && y < portrait.height;
            large.pixels.extend(if inside { pictures::at(&portrait, x, y) } else { [noise(), noise(), noise()] });
        }
    }
    let file = bench.file("large.png");
    pictures::write_png(Path::new(&file), &large);
    assert!(fs::metadata(&file).unwrap().len() > 5 * 1024 * 1024);
    bench.run(&["detect", &file]).ends(0);
    bench.run(&["index", "large", &file]).ends(0);
    bench.run(&["search", "large", &file]).ends(0);
    fs::write(&file, vec![0; 15 * 1024 * 1024 + 1]).unwrap();
    let ran = bench.run(&["detect", &file]).ends(1);
    assert!(ran.only_error().ends_with("larger than 15 MiB, the most that is read"));
}

#[test]
fn detect_draws_one_png_or_a_folder_of_them() {
    let bench = Bench::new();
    let (portrait, mirrored) = (picture("portrait.png"), picture("mirrored.png"));
    let out = bench.file("one.png");
    bench.run(&["detect", &portrait, "--draw", &out]).ends(0);
    let drawing = pictures::read_png(Path::new(&out));
    // 512 pixels are enlarged to 1000; the box alone is some 700 pixels of line.
    assert_eq!((drawing.width, drawing.height), (1000, 1000));
    assert!(green_pixels(&drawing) > 1000, "{}", green_pixels(&drawing));
    let folder = bench.file("several");
    bench.run(&["detect", &portrait, &mirrored, "--draw", &folder]).ends(0);
    for name in ["portrait.png", "mirrored.png"] {
        assert_eq!(pictures::read_png(&Path::new(&folder).join(name)).width, 1000);
    }
}

#[test]
fn compare_tells_the_same_face_and_draws_both() {
    let bench = Bench::new();
    let (portrait, mirrored, nobody) = (picture("portrait.png"), picture("mirrored.png"), picture("nobody.png"));
    let out = bench.file("pair.png");
    let ran = bench.run(&["compare", &portrait, &mirrored, "--draw", &out]).ends(0);
    assert!(ran.out.lines().nth(1).unwrap().contains(" match "), "{}", ran.out);
    let drawing = pictures::read_png(Path::new(&out));
    assert!(drawing.width > 2 * drawing.height && green_pixels(&drawing) > 2000, "{}", green_pixels(&drawing));
    let json = bench.run(&["compare", &portrait, &mirrored, "--json"]).ends(0).json();
    assert!(json["FaceMatches"][0]["Similarity"].as_f64().unwrap() > 99.0, "{json}");
    assert_eq!(bench.run(&["compare", &portrait, &mirrored, "--threshold", "100"]).ends(3).err, "");
    for words in [["compare", &portrait, &nobody], ["compare", &nobody, &portrait]] {
        let ran = bench.run(&words).ends(3);
        assert_eq!(ran.only_error(), format!("`{nobody}`: there is no face in the picture"));
    }
}

#[test]
fn collections_are_created_listed_described_and_deleted() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["collections", "list"]).ends(0).out, "");
    bench.run(&["collections", "create", "staff", "--tag", "site=paris"]).ends(0);
    let again = bench.run(&["collections", "create", "staff"]).ends(1);
    assert_eq!(again.only_error(), "collection `staff` exists already");
    assert_eq!(bench.run(&["collections", "list", "--json"]).ends(0).json()["CollectionIds"][0], "staff");
    let about = bench.run(&["collections", "describe", "staff", "--json"]).ends(0).json();
    assert_eq!((about["FaceCount"].as_u64(), about["UserCount"].as_u64()), (Some(0), Some(0)));
    assert!(bench.run(&["users", "list", "staff"]).ends(0).err.contains("has no users"));
    assert_eq!(bench.run(&["collections", "delete", "staff"]).ends(0).out, "deleted staff\n");
    let gone = bench.run(&["collections", "describe", "staff"]).ends(1);
    assert_eq!(gone.only_error(), "collection `staff` does not exist; make it with `trombi collections create staff`");
}

#[test]
fn who_was_enrolled_by_folder_is_found_by_name_and_drawn() {
    let bench = Bench::with_collection("staff");
    let portrait = picture("portrait.png");
    assert_eq!(bench.run(&["search", "staff", &portrait]).ends(3).out, "nobody matches\nnobody is enrolled\n");
    let ran = bench.run(&["index", "staff", &bench.person(), "--external-id", "folder"]).ends(0);
    assert!(ran.out.contains("2 indexed, 0 before") && ran.out.contains("2 enrolled"), "{}", ran.out);

    let out = bench.file("found.png");
    let found = bench.run(&["search", "staff", &portrait, "--draw", &out]).ends(0).out;
    assert!(found.lines().nth(1).unwrap().contains("Eileen_Collins"), "{found}");
    assert!(green_pixels(&pictures::read_png(Path::new(&out))) > 1000);
    let last = found.lines().last().unwrap();
    assert!(last.starts_with("of 1,000 strangers searched at 80 % among 2 enrolled faces, expect "), "{last}");
    let json = bench.run(&["search", "staff", &portrait, "--json", "--max-faces", "1"]).ends(0).json();
    assert!(json["Expected"].as_str().unwrap().starts_with("fpir=0.0"), "{}", json["Expected"]);
    assert_eq!(json["FaceMatches"].as_array().unwrap().len(), 1);
    assert_eq!(json["FaceMatches"][0]["Face"]["ExternalImageId"], "Eileen_Collins");
    bench.run(&["search", "staff", &picture("nobody.png")]).ends(3);

    // One person is enrolled twice, and no further.
    let twice = bench.run(&["faces", "duplicates", "staff"]).ends(0).out;
    assert!(twice.lines().nth(1).unwrap().matches("Eileen_Collins").count() == 2, "{twice}");
    let last = twice.lines().last().unwrap();
    let told = "1 of 1 pairs of 2 faces at 99 % or above; if all were different people, expect ";
    assert!(last.starts_with(told), "{last}");
    let json = bench.run(&["faces", "duplicates", "staff", "--threshold", "95", "--json"]).ends(0).json();
    assert_eq!((&json["FacesCompared"], &json["Pairs"].as_array().unwrap().len()), (&Value::from(2), &1));
    assert_eq!(json["Pairs"][0]["Faces"][1]["ExternalImageId"], "Eileen_Collins");
    assert!(json["ExpectedIfAllDifferent"]["Upper"].as_f64().unwrap() < 1e-3, "{json}");

    let faces = bench.run(&["faces", "list", "staff"]).ends(0).out;
    let id = faces.split_whitespace().next().unwrap();
    let deleted = bench.run(&["faces", "delete", "staff", id, "00000000-0000-0000-0000-000000000001"]).ends(4).out;
    assert!(deleted.starts_with("deleted 1 of 2 faces\n") && deleted.contains("not in the collection"), "{deleted}");
    let left = bench.run(&["faces", "list", "staff", "--json"]).ends(0).json();
    assert_eq!(left["Faces"].as_array().unwrap().len(), 1);
    assert!(bench.run(&["faces", "duplicates", "staff"]).ends(3).out.starts_with("0 of 0 pairs of 1 faces"));
}

#[test]
fn refused_pictures_are_counted_by_reason() {
    let bench = Bench::with_collection("staff");
    let words = ["index", "staff", &picture("text.jpg"), &picture("nobody.png"), &picture("portrait.png")];
    let ran = bench.run(&words).ends(4);
    for part in [
        "pictures  3 (1 indexed, 0 before, 2 without an enrolled face)",
        "no face in the picture: nobody.png",
        "begins with `this is `: text.jpg",
    ] {
        assert!(ran.out.contains(part), "{}", ran.out);
    }
    let again = bench.run(&words).ends(4).out;
    assert!(again.contains("(0 indexed, 2 before, 1 without"), "{again}");
}

/// Waits for what another process does.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_index_goes_on_where_it_stopped() {
    const PICTURES: usize = 80;
    let bench = Bench::with_collection("staff");
    let folder = bench.file("many");
    fs::create_dir(&folder).unwrap();
    let portrait = picture("portrait.png");
    for n in 0..PICTURES {
        fs::copy(&portrait, format!("{folder}/{n:03}.png")).unwrap();
    }
    let words = ["index", "staff", &folder, "--threads", "1"];
    let child = bench.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let journaled = || {
        let files = fs::read_dir(bench.data().join("index-journal")).into_iter().flatten().flatten();
        files.map(|file| fs::read_to_string(file.path()).unwrap().lines().count()).sum::<usize>()
    };
    until("three pictures", || journaled() > 3);
    // Beside a running one, another process on the same directory has its own exit code.
    let locked = bench.run(&["collections", "list"]).ends(5);
    assert!(locked.only_error().contains("is in use by another trombi process"));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stderr));

    let before = journaled() - 1;
    assert!((1..PICTURES).contains(&before), "{before}");
    let out = bench.run(&words).ends(0).out;
    assert!(out.contains(&format!("({} indexed, {before} before, 0 without", PICTURES - before)), "{out}");
    assert_eq!(bench.run(&["faces", "list", "staff"]).ends(0).out.lines().count(), PICTURES);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let bench = Bench::new();
    let mut child = bench
        .command(&["detect", &picture("portrait.png"), &picture("mirrored.png")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn keys_are_shown_once_and_stay_revoked() {
    let bench = Bench::new();
    let made = bench.run(&["keys", "create", "--json"]).ends(0).json();
    let (id, secret) = (made["AccessKey"]["AccessKeyId"].as_str(), made["AccessKey"]["SecretAccessKey"].as_str());
    let (id, secret) = (id.unwrap(), secret.unwrap());
    assert_eq!((id.len(), secret.len()), (20, 40));
    let listed = bench.run(&["keys", "list"]).ends(0).out;
    assert!(listed.contains(id) && listed.contains(" active ") && !listed.contains(secret), "{listed}");
    bench.run(&["keys", "revoke", id]).ends(0);
    assert!(bench.run(&["keys", "list"]).ends(0).out.contains(" inactive "));
    assert!(
        bench.run(&["keys", "revoke", "nope"]).ends(1).only_error().starts_with("access key `nope` does not exist")
    );
}

#[test]
fn a_restored_backup_answers_as_before() {
    let bench = Bench::with_collection("staff");
    bench.run(&["index", "staff", &bench.person(), "--external-id", "folder"]).ends(0);
    let (backup, portrait) = (bench.file("trombi.backup"), picture("portrait.png"));
    bench.run(&["backup", &backup]).ends(0);
    assert!(bench.run(&["backup", &backup]).ends(1).only_error().contains("exists already"));
    assert!(bench.run(&["restore", &backup]).ends(1).only_error().contains("holds collections already"));

    let other = Bench::new();
    assert!(other.run(&["restore", &portrait]).ends(1).only_error().contains("damaged"));
    other.run(&["restore", &backup]).ends(0);
    for words in [&["faces", "list", "staff"][..], &["search", "staff", &portrait], &["collections", "list"]] {
        assert_eq!(other.run(words).ends(0).out, bench.run(words).ends(0).out, "{words:?}");
    }
    // The journal stays behind: what was indexed is looked at again, and gives the same faces.
    let again = other.run(&["index", "staff", &bench.person(), "--external-id", "folder"]).ends(0).out;
    assert!(again.contains("2 indexed, 0 before"), "{again}");
    assert_eq!(other.run(&["faces", "list", "staff"]).ends(0).out.lines().count(), 2);
}
