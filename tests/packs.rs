//! Packs as a user meets them: the real one from PyPI, and networks of one's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use trombi::models::onnx::{Attribute, Graph, Side};

use crate::support::clients::clients;
use crate::support::server::{Server, trombi};
use crate::support::{installed, pictures};

/// A data directory whose pack is `dlib`, kept over runs so that PyPI is asked once; nothing is found elsewhere.
fn dlib_data() -> &'static Path {
    static DATA: OnceLock<PathBuf> = OnceLock::new();
    DATA.get_or_init(|| {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/trombi-dlib-data");
        let done = trombi_without_files(&data).args(["setup", "--pack", "dlib"]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        data
    })
}

/// `trombi` that finds no networks but those of its data directory and of package registries.
pub fn trombi_without_files(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trombi"));
    command.arg("--data").arg(data).env("TROMBI_SHARED", "/nonexistent").env_remove("TROMBI_MODELS");
    command.env(trombi::models::RUNTIME_LIBRARY_ENV, installed().runtime_library);
    command
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Copies the pack into a data directory of the test's own.
pub fn own_data(dir: &Path) -> PathBuf {
    let (from, to) = (dlib_data(), dir.join("data"));
    for network in ["dlib-mmod", "dlib-resnet"] {
        fs::create_dir_all(to.join("models").join(network)).unwrap();
        for file in fs::read_dir(from.join("models").join(network)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join("models").join(network).join(file.file_name())).unwrap();
        }
    }
    fs::copy(from.join("pack.toml"), to.join("pack.toml")).unwrap();
    to
}

#[test]
fn the_pack_from_the_package_registry_enrols_and_finds() {
    let dir = tempfile::tempdir().unwrap();
    let data = own_data(dir.path());
    let portrait = pictures::read_png(&clients().portrait_png);
    let [enrolled, probe] = ["enrolled.png", "probe.png"].map(|name| dir.path().join(name));
    pictures::write_png(&enrolled, &portrait);
    pictures::write_png(&probe, &pictures::darker(&portrait));
    let ask = |words: &[&str]| run(trombi_without_files(&data).arg("--offline").args(words));
    ask(&["collections", "create", "crew"]);
    ask(&["index", "crew", enrolled.to_str().unwrap(), "--external-id", "file"]);
    let found = json(&ask(&["--json", "search", "crew", probe.to_str().unwrap()]));
    let best = &found["FaceMatches"][0];
    assert_eq!(best["Face"]["ExternalImageId"], "enrolled.png", "{found}");
    assert!(best["Similarity"].as_f64().unwrap() > 90.0, "{found}");
    assert_eq!(found["FaceModelVersion"], "29.2");

    let about = json(&ask(&["--json", "collections", "describe", "crew"]));
    let version = about["FaceModelVersion"].as_str().unwrap();
    assert!(version.starts_with("29.2 (pack dlib: CC0-1.0"), "{version}");

    // It looks for no corners of the mouth, and says none.
    let seen = json(&ask(&["--json", "detect", enrolled.to_str().unwrap()]));
    let kinds: Vec<&str> =
        seen["FaceDetails"][0]["Landmarks"].as_array().unwrap().iter().map(|l| l["Type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["eyeLeft", "eyeRight", "nose"], "{seen}");

    let server = Server::start(&data, &[]);
    assert!(server.printed.iter().any(|line| line.starts_with("pack") && line.contains("dlib (CC0-1.0")));
}

#[test]
fn encodings_of_face_recognition_are_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let data = own_data(dir.path());
    let encodings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encodings");
    let import = |file: &str| {
        let mut command = trombi_without_files(&data);
        command.args(["--offline", "import", "face-recognition"]).arg(encodings.join(file));
        command.args(["--collection", "old"]).output().unwrap()
    };
    for file in ["protocol_4.pickle", "faces.csv"] {
        let output = import(file);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("imported 3 faces into old"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    // Both files hold the same three.
    let faces = json(&run(trombi_without_files(&data).args(["--offline", "--json", "faces", "list", "old"])));
    let names: Vec<_> = faces["Faces"].as_array().unwrap().iter().map(|f| f["ExternalImageId"].clone()).collect();
    assert_eq!(names.len(), 3, "{faces}");
    let evil = import("evil.pickle");
    let said = String::from_utf8_lossy(&evil.stderr);
    assert!(!evil.status.success() && said.contains("it would call `builtins.eval`"), "{said}");
    // Another network's collections are not for them.
    let other = tempfile::tempdir().unwrap();
    let mut command = trombi(other.path());
    command.args(["import", "face-recognition"]).arg(encodings.join("faces.json")).args(["--collection", "old"]);
    let refused = command.output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("--pack dlib"), "{said}");
}

/// An embedder of one layer: the mean of a picture of 32 x 32, times three numbers to `dimensions` values.
fn embedder(dimensions: usize) -> Vec<u8> {
    let mut graph = Graph::new();
    let side = Side::Fixed(32);
    let input = graph.input("face", &[Side::Free("n"), Side::Fixed(3), side, side]);
    let pooled = graph.apply("GlobalAveragePool", &[&input], &[]);
    let flat = graph.apply("Flatten", &[&pooled], &[("axis", Attribute::Int(1))]);
    let weights: Vec<f32> = (0..3 * dimensions).map(|i| (i % 7) as f32 - 3.0).collect();
    let weights = graph.floats(&[3, dimensions], &weights);
    let out = graph.apply("MatMul", &[&flat, &weights], &[]);
    graph.output(&out, "embedding", &[Side::Free("n"), Side::Fixed(dimensions)]);
    graph.into_file("mean")
}

/// The same, after it has made a tensor of 25 thousand million numbers.
fn embedder_of_100_gigabytes() -> Vec<u8> {
    let mut graph = Graph::new();
    let side = Side::Fixed(32);
    let input = graph.input("face", &[Side::Fixed(1), Side::Fixed(3), side, side]);
    let shape = graph.ints(&[1, 25_000, 1_000, 1_000]);
    let pooled = graph.apply("GlobalAveragePool", &[&input], &[]);
    let axis = graph.ints(&[1]);
    let one = graph.apply("ReduceSum", &[&pooled, &axis], &[]);
    let huge = graph.apply("Expand", &[&one, &shape], &[]);
    let root = graph.apply("Sin", &[&huge], &[]);
    let all =
        graph.apply("ReduceMax", &[&root], &[("axes", Attribute::Ints(&[2, 3])), ("keepdims", Attribute::Int(0))]);
    graph.output(&all, "embedding", &[Side::Fixed(1), Side::Fixed(25_000)]);
    graph.into_file("huge")
}

fn own_network(dir: &Path, network: &[u8], dimensions: usize) -> PathBuf {
    use std::fmt::Write as _;
    let folder = dir.join("mine");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("mine.onnx"), network).unwrap();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(network);
    let sha256 = digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let manifest = format!(
        "schema = 1\nname = 'mine'\ntitle = 'Mine'\ntask = 'embed'\nsource = {{ page = 'p', release = 'r' }}\n\
         licence = {{ spdx = 'MIT', commercial_use = 'yes' }}\ninput = {{ channels = 'rgb', range = [-1.0, 1.0], side_px = 32 }}\n\
         [[files]]\nrole = 'network'\nname = 'mine.onnx'\nbytes = {}\nsha256 = '{sha256}'\n\
         [embedder]\nmodel_id = 'mine'\nmodel_version = '1.2'\ndimensions = {dimensions}\n\
         landmarks = ['right_eye', 'left_eye', 'nose', 'mouth_right', 'mouth_left']\n\
         reference_px = [[10.0, 13.0], [22.0, 13.0], [16.0, 18.0], [11.0, 24.0], [21.0, 24.0]]\n",
        network.len()
    );
    fs::write(folder.join("manifest.toml"), manifest).unwrap();
    folder
}

#[test]
fn a_network_of_ones_own_is_opened_before_it_is_installed() {
    struct Case {
        network: Vec<u8>,
        dimensions: usize,
        why: &'static str,
    }
    let cases = [
        Case { network: embedder(16), dimensions: 512, why: "expects one output of 1 x 512 values" },
        Case { network: b"no network".to_vec(), dimensions: 16, why: "network" },
        Case { network: embedder_of_100_gigabytes(), dimensions: 4096, why: "" },
    ];
    for Case { network, dimensions, why } in cases {
        let dir = tempfile::tempdir().unwrap();
        let folder = own_network(dir.path(), &network, dimensions);
        let data = dir.path().join("data");
        let output = trombi(&data).args(["models", "install"]).arg(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(why) && said.contains("nothing was installed"),
            "{why}: {said}"
        );
        assert!(!data.join("models/mine").exists());
    }
    let dir = tempfile::tempdir().unwrap();
    let (folder, data) = (own_network(dir.path(), &embedder(16), 16), dir.path().join("data"));
    run(trombi(&data).args(["models", "install"]).arg(&folder));
    let summary = json(&run(trombi(&data).args(["--json", "--pack", "yunet+mine", "setup"])));
    assert_eq!((summary["ModelId"].as_str(), summary["FaceModelVersion"].as_str()), (Some("mine"), Some("1.2")));
    let list = String::from_utf8(run(trombi(&data).args(["models", "list"])).stdout).unwrap();
    let line = list.lines().find(|line| line.starts_with("yunet+mine")).unwrap_or_else(|| panic!("{list}"));
    assert!(line.contains("in use") && line.contains("MIT"), "{line}");
}

#[test]
fn cards_and_lists_are_for_people() {
    let dir = tempfile::tempdir().unwrap();
    let data = own_data(dir.path());
    let said = |words: &[&str]| String::from_utf8(run(trombi_without_files(&data).args(words)).stdout).unwrap();
    let list = said(&["models", "list"]);
    for pack in ["retail", "dlib", "opencv", "auraface"] {
        assert!(list.lines().any(|line| line.starts_with(pack)), "no {pack}: {list}");
    }
    assert!(list.lines().any(|line| line.starts_with("dlib") && line.contains("in use")), "{list}");
    assert!(said(&["models", "card", "dlib"]).contains("Commercial use: yes"));
    assert!(said(&["models", "verify", "dlib"]).lines().all(|line| line.ends_with(": good")));
    fs::write(data.join("models/dlib-resnet/dlib_face_recognition_resnet_model_v1.onnx"), "poison").unwrap();
    let output = trombi_without_files(&data).args(["models", "verify", "dlib"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("trombi models install dlib"), "{said}");
}
