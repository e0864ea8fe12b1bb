//! Set-up against a local server, a made-up catalogue and a made-up pip.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

const BLOB_BYTES: usize = 70_000;

fn blob() -> Vec<u8> {
    (0..BLOB_BYTES).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect()
}

fn sha256_of(bytes: &[u8]) -> String {
    checksum::hash(bytes).unwrap().1
}

/// A server whose paths misbehave as they are called; counts its requests.
struct Server {
    base: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || answer(stream.unwrap()));
            }
        });
        Self { base, requests }
    }

    fn count(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let request = lines.next()?.ok()?;
    let mut range = None;
    loop {
        let line = lines.next()?.ok()?;
        if line.is_empty() {
            break;
        }
        if let Some(from) = line.to_lowercase().strip_prefix("range: bytes=") {
            range = from.trim_end_matches('-').parse::<usize>().ok();
        }
    }
    let blob = blob();
    let head = |status: &str, extra: &str| format!("HTTP/1.1 {status}\r\nConnection: close\r\n{extra}\r\n");
    let sized = |bytes: usize| head("200 OK", &format!("Content-Length: {bytes}\r\n"));
    let (head, body) = match request.split(' ').nth(1)? {
        "/good" => (sized(blob.len()), blob),
        // Breaks off at first, and answers a request for the rest with the rest.
        "/resumable" => match range {
            Some(from) => {
                let length = blob.len() - from;
                (head("206 Partial Content", &format!("Content-Length: {length}\r\n")), blob[from..].to_vec())
            }
            None => (sized(blob.len()), blob[..40_000].to_vec()),
        },
        "/truncated" => (sized(blob.len()), blob[..1000].to_vec()),
        "/truncated-unsized" => (head("200 OK", ""), blob[..1000].to_vec()),
        "/altered" => (sized(blob.len()), [&blob[1..], b"x"].concat()),
        "/short" => (sized(10), blob[..10].to_vec()),
        "/endless" => (head("200 OK", ""), blob.repeat(50)),
        "/redirect" => (head("302 Found", "Location: /good\r\n"), Vec::new()),
        "/loop" => (head("302 Found", "Location: /loop\r\n"), Vec::new()),
        "/slow" => {
            stream.write_all(sized(blob.len()).as_bytes()).ok()?;
            for byte in blob {
                stream.write_all(&[byte]).ok()?;
                std::thread::sleep(Duration::from_millis(20));
            }
            return Some(());
        }
        "/silent" => {
            std::thread::sleep(Duration::from_secs(5));
            return None;
        }
        _ => (head("404 Not Found", "Content-Length: 0\r\n"), Vec::new()),
    };
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

/// A folder with everything that one set-up needs.
struct World {
    dir: TempDir,
    server: Server,
    catalogue: Catalogue,
    python: Mutex<OsString>,
    own_library: Option<PathBuf>,
}

impl World {
    /// Every file of every network has these addresses.
    fn new(addresses: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start();
        let wheel = dir.path().join("pypi").join(WHEEL);
        fs::create_dir(wheel.parent().unwrap()).unwrap();
        write_wheel(&wheel, &[("openvino/libs/lib.so", b"library"), ("../evil", b"evil"), ("unwanted", b"?")]);
        let source = members();
        let source = source.each_ref().map(|(_, member, bytes)| (*member, &bytes[..]));
        write_source(
            &wheel.with_file_name(SOURCE),
            &[&[("../evil", &b"evil"[..]), ("p/unwanted", b"?")], &source[..]].concat(),
        );
        let addresses: Vec<String> = addresses.iter().map(|path| format!("{}{path}", server.base)).collect();
        let catalogue = catalogue(&addresses, &wheel);
        let python = Mutex::new(OsString::new());
        let world = Self { dir, server, catalogue, python, own_library: None };
        world.python_does(
            "grep -q face_recognition \"$dest/requirements.txt\" && kind=tar.gz || kind=whl\ncp \"$(dirname \"$0\")/pypi/\"*.$kind \"$dest\"/",
        );
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Installs a made-up Python whose pip does `what` with the download folder in `$dest`.
    fn python_does(&self, what: &str) {
        let script = format!(
            "#!/bin/sh\n[ \"$3\" = --version ] && exit 0\nwhile [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\necho called >> \"$(dirname \"$0\")/pip-calls\"\n{what}\n"
        );
        let path = self.path("python");
        // Written by another process: were the file open here while another test forks, it could not be executed.
        let write = "printf %s \"$1\" > \"$0\" && chmod +x \"$0\"";
        let status = std::process::Command::new("sh").arg("-c").arg(write).arg(&path).arg(script).status();
        assert!(status.unwrap().success());
        *self.python.lock().unwrap() = path.into();
    }

    fn pip_calls(&self) -> usize {
        fs::read_to_string(self.path("pip-calls")).unwrap_or_default().lines().count()
    }

    fn options(&self) -> SetupOptions {
        SetupOptions { pack: Some(DEFAULT_PACK.to_owned()), ..self.choosing() }
    }

    /// As a user starts it who has named no pack.
    fn choosing(&self) -> SetupOptions {
        SetupOptions::new(self.path("data"))
    }

    fn install(&self, options: &SetupOptions) -> Result<Installed, SetupError> {
        self.install_thoroughly(options, Thoroughness::Quick).0
    }

    fn install_thoroughly(
        &self,
        options: &SetupOptions,
        thoroughness: Thoroughness,
    ) -> (Result<Installed, SetupError>, String) {
        let events = Mutex::new(String::new());
        let report = |event: &Event| *events.lock().unwrap() += &format!("{event}\n");
        let pythons = [self.python.lock().unwrap().clone()];
        let setup = Setup {
            catalogue: &self.catalogue,
            options: options.clone(),
            own_library: self.own_library.clone(),
            pythons: &pythons,
            patience: Patience { idle: Duration::from_secs(1), total: Duration::from_secs(2) },
            thoroughness,
            report: &report,
        };
        let result = setup.run();
        (result, events.into_inner().unwrap())
    }
}

const WHEEL: &str = "openvino-1.0-py3-none-any.whl";

fn write_wheel(path: &Path, entries: &[(&str, &[u8])]) {
    let mut writer = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
}

fn catalogue(addresses: &[String], wheel: &Path) -> Catalogue {
    let yunet = include_str!("../../models/yunet/manifest.toml");
    let retail = include_str!("../../models/retail-0095/manifest.toml");
    let networks = [yunet, retail].map(|text| {
        let mut manifest: toml::Table = toml::from_str(text).unwrap();
        for file in manifest["files"].as_array_mut().unwrap() {
            let file = file.as_table_mut().unwrap();
            file["bytes"] = i64::try_from(BLOB_BYTES).unwrap().into();
            file["sha256"] = sha256_of(&blob()).into();
            file["addresses"] = addresses.to_vec().into();
        }
        toml::to_string(&manifest).unwrap()
    });
    let packed = fs::read(wheel).unwrap();
    let runtime = format!(
        "schema = 1\nname = 'openvino'\nversion = '1.0'\npage = 'https://example.org/'\n\
         licence = {{ spdx = 'MIT', commercial_use = 'yes' }}\n[[platforms]]\ntarget = '{}'\nwheel = '{WHEEL}'\n\
         bytes = {}\nsha256 = '{}'\npip_platform = 'any'\nlibrary = 'lib.so'\n\
         files = [{{ path = 'openvino/libs/lib.so', bytes = 7, sha256 = '{}' }}]\n",
        runtime::target(),
        packed.len(),
        sha256_of(&packed),
        sha256_of(b"library"),
    );
    let dlib =
        [include_str!("../../models/dlib-mmod/manifest.toml"), include_str!("../../models/dlib-resnet/manifest.toml")];
    let dlib = dlib.map(|text| {
        let mut manifest: toml::Table = toml::from_str(text).unwrap();
        for file in manifest["files"].as_array_mut().unwrap() {
            let file = file.as_table_mut().unwrap();
            let name = file["name"].as_str().unwrap().to_owned();
            let (_, member, bytes) = members().into_iter().find(|(known, ..)| *known == name).unwrap();
            let (size, sha256) = (i64::try_from(bytes.len()).unwrap(), sha256_of(&bytes));
            file["bytes"] = size.into();
            file["sha256"] = sha256.clone().into();
            let made = file["made"].as_table_mut().unwrap();
            made["by"] = "copy".into();
            made["member"] = member.into();
            made["bytes"] = size.into();
            made["sha256"] = sha256.into();
        }
        toml::to_string(&manifest).unwrap()
    });
    let source = fs::read(wheel.with_file_name(SOURCE)).unwrap();
    let mut package: toml::Table =
        toml::from_str(include_str!("../../models/face-recognition-models/manifest.toml")).unwrap();
    package["bytes"] = i64::try_from(source.len()).unwrap().into();
    package["sha256"] = sha256_of(&source).into();
    let package = &*toml::to_string(&package).unwrap();
    let more = [include_str!("../../models/sface/manifest.toml"), include_str!("../../models/auraface/manifest.toml")];
    let networks = [networks[0].as_str(), networks[1].as_str(), &*dlib[0], &*dlib[1], more[0], more[1]];
    Catalogue::parse(&networks, &[package], include_str!("../../models/packs.toml"), &runtime).unwrap()
}

fn names_in(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    names.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// A package whose two members are copied, so that the fallback can be made up; dlib's own files are not at hand here.
const SOURCE: &str = "face_recognition_models-0.3.0.tar.gz";

fn write_source(path: &Path, members: &[(&str, &[u8])]) {
    let gz = flate2::write::GzEncoder::new(fs::File::create(path).unwrap(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gz);
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // Names that the library itself would refuse to write.
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}

/// The members of the made-up package: file name, member, contents.
fn members() -> [(&'static str, &'static str, Vec<u8>); 3] {
    [
        ("mmod_human_face_detector.onnx", "p/mmod.dat", b"detector".to_vec()),
        ("shape_predictor_5_face_landmarks.dat", "p/shape.dat", tiny_predictor()),
        ("dlib_face_recognition_resnet_model_v1.onnx", "p/resnet.dat", b"embedder".to_vec()),
    ]
}

/// A shape predictor as dlib writes it: one stage, one tree of one split, five points that never move.
fn tiny_predictor() -> Vec<u8> {
    let (zero, one) = ([1, 0, 1, 0], [1, 1, 1, 0]);
    let shape = |number: &[u8]| [&[0x81, 10, 0x81, 1], &*number.repeat(10)].concat();
    let mean = [&[0x81, 10, 0x81, 1][..], &[&zero[..], &one[..]].concat().repeat(5)].concat();
    let split = [&[1, 0, 1, 1][..], &zero].concat();
    let tree = [&[1, 1][..], &split, &[1, 2], &shape(&zero), &shape(&zero)].concat();
    let anchors = [1, 1, 1, 2, 1, 0, 1, 1];
    let offsets = [&[1, 1, 1, 2][..], &zero.repeat(4)].concat();
    [&[1, 1][..], &mean, &[1, 1, 1, 1], &tree, &anchors, &offsets].concat()
}

const YUNET: &str = "face_detection_yunet_2023mar.onnx";

#[test]
fn bad_answers_are_refused_and_leave_nothing() {
    struct Case {
        path: &'static str,
        why: &'static str,
    }
    let cases = [
        Case { path: "/missing", why: "the server answered 404" },
        Case { path: "/truncated", why: "after 1000 bytes" },
        Case { path: "/truncated-unsized", why: "ended after 1000 of 70000 bytes" },
        Case { path: "/altered", why: "altered: SHA-256" },
        Case { path: "/short", why: "the server has 10 bytes, expected 70000" },
        Case { path: "/endless", why: "more than the expected 70000 bytes" },
        Case { path: "/loop", why: "too many redirects" },
        Case { path: "/slow", why: "too slow: " },
        Case { path: "/silent", why: "timed out" },
    ];
    for Case { path, why } in cases {
        let world = World::new(&[path]);
        let error = world.install(&world.options()).unwrap_err();
        assert!(matches!(error, SetupError::Missing { .. }), "{path}: {error}");
        let text = error.to_string();
        let sha256 = sha256_of(&blob());
        for part in [why, YUNET, &sha256, "trombi setup --models DIR", path] {
            assert!(text.contains(part), "{path}: no `{part}` in: {text}");
        }
        assert!(names_in(&world.path("data/models/yunet")).is_empty(), "{path}");
    }
}

#[test]
fn next_address_is_tried_and_redirects_are_followed() {
    let world = World::new(&["/altered", "/redirect"]);
    let (installed, events) = world.install_thoroughly(&world.options(), Thoroughness::Quick);
    let installed = installed.unwrap();
    assert_eq!(fs::read(&installed.detector.file).unwrap(), blob());
    assert_eq!(fs::read(&installed.runtime_library).unwrap(), b"library");
    assert_eq!(installed.model_version, "95.1");
    for line in [
        format!("fetching 70000 bytes from {}/altered", world.server.base),
        format!("installed from {}/redirect", world.server.base),
        "installed from PyPI, through pip".to_owned(),
    ] {
        assert!(events.contains(&line), "no `{line}` in: {events}");
    }
    assert_eq!(names_in(&world.path("data/models/yunet")), [YUNET]);
}

#[test]
fn repeated_install_needs_no_network() {
    let world = World::new(&["/good"]);
    world.install(&world.options()).unwrap();
    assert_eq!((world.server.count(), world.pip_calls()), (3, 1));
    world.install(&world.options()).unwrap();
    world.install(&SetupOptions { offline: true, ..world.options() }).unwrap();
    assert_eq!((world.server.count(), world.pip_calls()), (3, 1));
}

#[test]
fn installers_at_once_fetch_once() {
    let world = World::new(&["/good"]);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| world.install(&world.options()).unwrap());
        }
    });
    assert_eq!((world.server.count(), world.pip_calls()), (3, 1));
    assert_eq!(names_in(&world.path("data/runtime")).len(), 1);
    assert_eq!(names_in(&world.path("data/models/yunet")), [YUNET]);
}

#[test]
fn offline_refuses_and_says_what_to_do() {
    let world = World::new(&["/good"]);
    let options = SetupOptions { offline: true, ..world.options() };
    let text = world.install(&options).unwrap_err().to_string();
    for part in [YUNET, &sha256_of(&blob()), "`--offline` forbids", "/good", "trombi setup --models DIR"] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
    assert_eq!((world.server.count(), world.pip_calls()), (0, 0));

    world.install(&world.options()).unwrap();
    fs::remove_dir_all(world.path("data/runtime")).unwrap();
    let text = world.install(&options).unwrap_err().to_string();
    for part in [WHEEL, "`--offline` forbids", "TROMBI_RUNTIME_LIBRARY", "https://example.org/"] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

#[test]
fn altered_file_in_the_named_folder_is_an_error() {
    let world = World::new(&["/good"]);
    let models = world.path("mine");
    fs::create_dir_all(models.join("yunet")).unwrap();
    fs::write(models.join("yunet").join(YUNET), "poison").unwrap();
    let options = SetupOptions { models_dir: Some(models), ..world.options() };
    let error = world.install(&options).unwrap_err();
    assert!(matches!(error, SetupError::Altered { .. }), "{error}");
    for part in ["mine/yunet", &sha256_of(b"poison"), &sha256_of(&blob()), "replace it"] {
        assert!(error.to_string().contains(part), "no `{part}` in: {error}");
    }
    assert_eq!(world.server.count(), 0);
}

#[test]
fn altered_files_elsewhere_are_passed_over_and_reported() {
    let world = World::new(&["/good"]);
    for dir in ["data/models/yunet", "shared/yunet"] {
        fs::create_dir_all(world.path(dir)).unwrap();
        fs::write(world.path(dir).join(YUNET), "poison").unwrap();
    }
    let options = SetupOptions { shared_dir: Some(world.path("shared")), ..world.options() };
    let text = world.install(&SetupOptions { offline: true, ..options.clone() }).unwrap_err().to_string();
    assert_eq!(text.matches(&sha256_of(b"poison")).count(), 2, "{text}");

    let (installed, events) = world.install_thoroughly(&options, Thoroughness::Quick);
    assert_eq!(fs::read(installed.unwrap().detector.file).unwrap(), blob());
    assert_eq!(events.matches("passed over").count(), 2, "{events}");
}

#[test]
fn files_given_once_are_kept() {
    let world = World::new(&["/missing"]);
    let models = world.path("usb-stick");
    fs::create_dir(&models).unwrap();
    for name in [YUNET, "face-reidentification-retail-0095.xml", "face-reidentification-retail-0095.bin"] {
        fs::write(models.join(name), blob()).unwrap();
    }
    fs::copy(world.path("pypi").join(WHEEL), models.join(WHEEL)).unwrap();
    let offline = SetupOptions { offline: true, ..world.options() };
    world.install(&SetupOptions { models_dir: Some(models.clone()), ..offline.clone() }).unwrap();
    fs::remove_dir_all(models).unwrap();
    world.install(&offline).unwrap();
    assert_eq!((world.server.count(), world.pip_calls()), (0, 0));
}

#[test]
fn shared_folder_is_used_where_it_is() {
    let world = World::new(&["/missing"]);
    for (dir, name) in [
        ("shared/yunet", YUNET),
        ("shared/retail-0095", "face-reidentification-retail-0095.xml"),
        ("shared/retail-0095", "face-reidentification-retail-0095.bin"),
    ] {
        fs::create_dir_all(world.path(dir)).unwrap();
        fs::write(world.path(dir).join(name), blob()).unwrap();
    }
    let options = SetupOptions { shared_dir: Some(world.path("shared")), ..world.options() };
    assert!(world.install(&options).unwrap().detector.file.starts_with(world.path("shared")));
    assert!(!world.path("data/models").exists());
}

#[test]
fn failing_pip_is_explained() {
    struct Case {
        pip: &'static str,
        why: &'static str,
    }
    let cases = [
        Case { pip: "echo 'ERROR: no route to host' >&2; exit 1", why: "no route to host" },
        Case { pip: "exit 0", why: "the wheel is not there" },
        Case { pip: "echo poison > \"$dest/openvino-1.0-py3-none-any.whl\"", why: "is altered: found SHA-256" },
    ];
    for Case { pip, why } in cases {
        let world = World::new(&["/good"]);
        world.python_does(pip);
        let error = world.install(&world.options()).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(WHEEL), "{pip}: {error}");
        assert!(names_in(&world.path("data/runtime")).is_empty(), "{pip}");
    }
    let world = World::new(&["/good"]);
    *world.python.lock().unwrap() = "no-such-python".into();
    let error = world.install(&world.options()).unwrap_err().to_string();
    assert!(error.contains("pip is needed") && error.contains("`no-such-python`"), "{error}");
}

#[test]
fn broken_runtime_is_installed_again() {
    let world = World::new(&["/good"]);
    let library = world.install(&world.options()).unwrap().runtime_library;
    fs::write(&library, "lib").unwrap();
    world.install(&world.options()).unwrap();
    assert_eq!((fs::read(&library).unwrap(), world.pip_calls()), (b"library".to_vec(), 2));
    // Of the same size: only the full check sees it.
    fs::write(&library, "LIBRARY").unwrap();
    let (result, events) = world.install_thoroughly(&world.options(), Thoroughness::Full);
    result.unwrap();
    assert!(events.contains(&sha256_of(b"LIBRARY")), "{events}");
    assert_eq!((fs::read(&library).unwrap(), world.pip_calls()), (b"library".to_vec(), 3));
    assert_eq!(names_in(&world.path("data/runtime")).len(), 1);
}

#[test]
fn hostile_wheels_write_nothing_elsewhere() {
    let world = World::new(&["/good"]);
    let platform = world.catalogue.runtime().platform(&runtime::target()).unwrap();
    type Entries<'a> = &'a [(&'a str, &'a [u8])];
    let cases: [(Entries<'_>, &str); 4] = [
        (&[("../evil", b"evil"), ("/tmp/evil", b"evil")], "not found"),
        (&[("openvino/libs/lib.so", &[0; 1 << 20])], "altered: SHA-256"),
        (&[("openvino/libs/lib.so", b"LIBRARY")], "altered: SHA-256"),
        (&[("openvino/libs/lib.so", b"lib")], "of the first 3 bytes"),
    ];
    for (index, (entries, why)) in cases.into_iter().enumerate() {
        let wheel = world.path("hostile.whl");
        write_wheel(&wheel, entries);
        let to = world.path(&format!("out-{index}/in"));
        fs::create_dir_all(&to).unwrap();
        let error = wheel::unpack(&wheel, platform, &to).unwrap_err();
        assert!(error.contains(why), "{error}");
        assert_eq!(names_in(to.parent().unwrap()), ["in"]);
        let size = fs::metadata(to.join("lib.so")).map_or(0, |metadata| metadata.len());
        assert!(size <= 8, "{size} bytes were written");
    }
    fs::write(world.path("no.whl"), "no zip").unwrap();
    let to = world.path("out");
    assert!(wheel::unpack(&world.path("no.whl"), platform, &to).unwrap_err().contains("no readable zip"));
    // The good wheel has a hostile entry too; it was not followed.
    world.install(&world.options()).unwrap();
    assert!(!world.path("data/evil").exists() && !world.path("data/runtime/evil").exists());
}

#[test]
fn own_library_is_taken_as_it_is_and_must_exist() {
    let mut world = World::new(&["/good"]);
    let own = world.path("libopenvino_c.so");
    world.own_library = Some(own.clone());
    let error = world.install(&world.options()).unwrap_err();
    assert!(matches!(error, SetupError::OwnLibrary { .. }), "{error}");
    fs::write(&own, "mine").unwrap();
    assert_eq!(world.install(&world.options()).unwrap().runtime_library, own);
    assert_eq!(world.pip_calls(), 0);
}

#[test]
fn unwritable_data_directory_is_named() {
    let world = World::new(&["/good"]);
    fs::write(world.path("data"), "a file").unwrap();
    let error = world.install(&world.options()).unwrap_err();
    assert!(matches!(error, SetupError::DataDir { .. }), "{error}");
    assert!(error.to_string().contains("--data"), "{error}");
}

#[test]
fn stale_staging_folders_are_removed_and_fresh_ones_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (old, fresh) = (dir.path().join(".setup-old"), dir.path().join(".setup-fresh"));
    fs::create_dir(&old).unwrap();
    fs::create_dir(&fresh).unwrap();
    let before = std::time::SystemTime::now() - Duration::from_secs(48 * 60 * 60);
    fs::File::open(&old).unwrap().set_modified(before).unwrap();
    let staging = place::Staging::inside(dir.path()).unwrap();
    assert!(!old.exists() && fresh.exists() && staging.path().exists());
    let path = staging.path().to_owned();
    drop(staging);
    assert!(!path.exists());
}

#[test]
fn a_broken_download_is_gone_on_with() {
    let world = World::new(&["/resumable"]);
    // Each of the three files breaks off once; the same address gives only the rest then.
    for _ in 0..3 {
        let error = world.install(&world.options()).unwrap_err().to_string();
        assert!(error.contains("after 40000 bytes"), "{error}");
        assert_eq!(names_in(&world.path("data/models/.partial")), [sha256_of(&blob())]);
    }
    let installed = world.install(&world.options()).unwrap();
    assert_eq!(world.server.count(), 6);
    assert_eq!(fs::read(installed.detector.file).unwrap(), blob());
    assert!(names_in(&world.path("data/models/.partial")).is_empty());
}

#[test]
fn another_pack_is_set_up_where_the_default_cannot_be_had() {
    let world = World::new(&["/missing"]);
    let (installed, events) = world.install_thoroughly(&world.choosing(), Thoroughness::Quick);
    let installed = installed.unwrap();
    assert_eq!((installed.pack.as_str(), installed.model_version.as_str()), ("dlib", "29.2"));
    assert!(matches!(installed.detector_family, DetectorFamily::Mmod(_)));
    assert!(installed.licence.contains("CC0-1.0") && installed.licence.contains("yes"), "{}", installed.licence);
    for line in ["the default pack `retail` cannot be had", "uses the pack `dlib` from now on"] {
        assert!(events.contains(line), "no `{line}` in: {events}");
    }
    // Once for the package, once for the runtime.
    assert_eq!(world.pip_calls(), 2);
    assert!(!world.path("data/evil").exists() && !world.path("evil").exists());

    // Chosen once: it stays, without a word, also when the default could be had.
    let good = World::new(&["/good"]);
    fs::create_dir_all(good.path("data")).unwrap();
    fs::copy(world.path("data/pack.toml"), good.path("data/pack.toml")).unwrap();
    let (installed, events) = good.install_thoroughly(&good.choosing(), Thoroughness::Quick);
    assert_eq!(installed.unwrap().pack, "dlib");
    assert!(!events.contains("from now on"), "{events}");
}

#[test]
fn a_pack_that_is_asked_for_goes_before_the_one_written_down() {
    let world = World::new(&["/good"]);
    assert_eq!(world.install(&world.choosing()).unwrap().pack, "retail");
    let asked = |pack: &str| SetupOptions { pack: Some(pack.to_owned()), ..world.choosing() };
    assert_eq!(world.install(&asked("dlib")).unwrap().pack, "dlib");
    assert_eq!(world.install(&asked("yunet+retail-0095")).unwrap().pack, "yunet+retail-0095");
    assert_eq!(world.install(&world.choosing()).unwrap().pack, "retail");
    let error = world.install(&asked("nonsense")).unwrap_err().to_string();
    assert!(error.contains("there is no pack `nonsense`") && error.contains("retail, dlib"), "{error}");
    let error = world.install(&asked("yunet+dlib-resnet")).unwrap_err().to_string();
    assert!(error.contains("does not find the points"), "{error}");
}

#[test]
fn an_altered_file_is_no_reason_for_another_pack() {
    let world = World::new(&["/good"]);
    let mine = world.path("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join(YUNET), "poison").unwrap();
    let options = SetupOptions { models_dir: Some(mine), ..world.choosing() };
    assert!(matches!(world.install(&options), Err(SetupError::Altered { .. })));
    assert!(!world.path("data/pack.toml").exists());
}

#[test]
fn without_any_pack_both_reasons_are_told() {
    let world = World::new(&["/missing"]);
    world.python_does("echo 'ERROR: no route to host' >&2; exit 1");
    let error = world.install(&world.choosing()).unwrap_err().to_string();
    for part in [YUNET, "the server answered 404", "and the pack `dlib` instead", SOURCE, "no route to host"] {
        assert!(error.contains(part), "no `{part}` in: {error}");
    }
    assert!(!world.path("data/pack.toml").exists());
    let offline = SetupOptions { offline: true, ..world.choosing() };
    let error = world.install(&offline).unwrap_err().to_string();
    assert!(error.matches("`--offline` forbids").count() == 2, "{error}");
}

#[test]
fn a_package_is_taken_from_the_named_folder_and_must_be_the_right_one() {
    let world = World::new(&["/missing"]);
    let mine = world.path("mine");
    fs::create_dir(&mine).unwrap();
    fs::copy(world.path("pypi").join(SOURCE), mine.join(SOURCE)).unwrap();
    fs::copy(world.path("pypi").join(WHEEL), mine.join(WHEEL)).unwrap();
    let options = SetupOptions { models_dir: Some(mine.clone()), offline: true, ..world.choosing() };
    assert_eq!(world.install(&options).unwrap().pack, "dlib");
    assert_eq!(world.pip_calls(), 0);
    fs::remove_dir_all(world.path("data")).unwrap();
    fs::write(mine.join(SOURCE), "poison").unwrap();
    let error = world.install(&options).unwrap_err().to_string();
    assert!(error.contains("is altered") && error.contains(&sha256_of(b"poison")), "{error}");
}

#[test]
fn packages_without_the_wanted_members_install_nothing() {
    let member = |at: usize| members()[at].clone();
    let (first, second) = (member(0), member(1));
    let evil: [(&str, &[u8]); 2] = [("/tmp/evil", b"x"), ("../../evil", b"x")];
    type Entries<'a> = &'a [(&'a str, &'a [u8])];
    let cases: [(Entries<'_>, &str); 3] = [
        (&evil, "is not in it"),
        (&[(first.1, b"DETECTOR"), (second.1, &second.2)], "altered: SHA-256"),
        (&[(first.1, &[0; 9000])], "of the first 9 bytes"),
    ];
    for (entries, why) in cases {
        let mut world = World::new(&["/missing"]);
        let source = world.path("pypi").join(SOURCE);
        write_source(&source, entries);
        let wheel = world.path("pypi").join(WHEEL);
        world.catalogue = catalogue(&[format!("{}/missing", world.server.base)], &wheel);
        let error = world.install(&world.choosing()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert!(!world.path("data/models/dlib-resnet").exists());
        assert!(names_in(&world.path("data/models")).iter().all(|name| !name.starts_with(".setup")));
    }
}

#[test]
fn installers_of_the_other_pack_at_once_fetch_it_once() {
    let world = World::new(&["/missing"]);
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| assert_eq!(world.install(&world.choosing()).unwrap().pack, "dlib"));
        }
    });
    assert_eq!(world.pip_calls(), 2);
}

#[test]
fn licences_without_commercial_use_are_accepted_once_and_recorded() {
    let mut world = World::new(&["/good"]);
    let mut text: toml::Table = toml::from_str(include_str!("../../models/retail-0095/manifest.toml")).unwrap();
    text["name"] = "research".into();
    text["licence"]["spdx"] = "CC-BY-NC-4.0".into();
    text["licence"]["commercial_use"] = "no".into();
    text["embedder"]["model_id"] = "research".into();
    text["embedder"]["model_version"] = "7.7".into();
    for file in text["files"].as_array_mut().unwrap() {
        file["bytes"] = i64::try_from(BLOB_BYTES).unwrap().into();
        file["sha256"] = sha256_of(&blob()).into();
        file["addresses"] = vec![format!("{}/good", world.server.base)].into();
    }
    world.catalogue.add(&toml::to_string(&text).unwrap()).unwrap();
    let asked = |accepted: &[&str]| SetupOptions {
        pack: Some("yunet+research".to_owned()),
        accepted_licences: accepted.iter().map(|&name| name.to_owned()).collect(),
        ..world.options()
    };
    for accepted in [&[][..], &["MIT"]] {
        let error = world.install(&asked(accepted)).unwrap_err().to_string();
        assert!(error.contains("--accept-licence CC-BY-NC-4.0"), "{error}");
        assert!(!world.path("data/models/research").exists());
    }
    assert!(world.install(&asked(&["CC-BY-NC-4.0"])).unwrap().licence.contains("commercial use: no"));
    let record = fs::read_to_string(world.path("data/licences.toml")).unwrap();
    assert!(record.contains("\"CC-BY-NC-4.0\"") && record.contains("date = \"2"), "{record}");
    world.install(&asked(&[])).unwrap();
}

#[test]
fn what_was_written_down_is_read_strictly() {
    let world = World::new(&["/good"]);
    fs::create_dir_all(world.path("data")).unwrap();
    for text in ["pack = 1", "schema = 9\npack = 'dlib'\nchosen = ''\nwhy = ''", "\u{0}"] {
        fs::write(world.path("data/pack.toml"), text).unwrap();
        let error = world.install(&world.choosing()).unwrap_err().to_string();
        assert!(error.contains("pack.toml") && error.contains("remove it to choose anew"), "{error}");
    }
}

/// A folder with a network of the user's own.
fn own_folder(world: &World, edit: impl Fn(String) -> String) -> PathBuf {
    let folder = world.path("own");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("face.onnx"), "network").unwrap();
    let manifest = format!(
        "schema = 1\nname = 'mine'\ntitle = 'Mine'\ntask = 'embed'\nsource = {{ page = 'p', release = 'r' }}\n\
         licence = {{ spdx = 'MIT', commercial_use = 'yes' }}\ninput = {{ channels = 'rgb', range = [-1.0, 1.0], side_px = 112 }}\n\
         [[files]]\nrole = 'network'\nname = 'face.onnx'\nbytes = 7\nsha256 = '{}'\n\
         [embedder]\nmodel_id = 'mine'\nmodel_version = '1.2'\ndimensions = 512\n\
         landmarks = ['right_eye', 'left_eye', 'nose', 'mouth_right', 'mouth_left']\n\
         reference_px = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]]\n",
        sha256_of(b"network")
    );
    fs::write(folder.join("manifest.toml"), edit(manifest)).unwrap();
    folder
}

#[test]
fn a_network_of_ones_own_is_taken_over_with_its_manifest() {
    let world = World::new(&["/good"]);
    let folder = own_folder(&world, |text| text);
    let options = world.options();
    let quiet = |_: &Event| {};
    let network = inventory::take_over(&options, &folder, &quiet, |_, _| Ok(())).unwrap();
    assert_eq!(network.name, "mine");
    fs::remove_dir_all(&folder).unwrap();
    let catalogue = Catalogue::of(&options.data_dir).unwrap();
    let pack = catalogue.pack("yunet+mine").unwrap();
    assert_eq!(pack.contract().unwrap().range, [-1.0, 1.0]);
    let verdicts = inventory::verify(&catalogue, &options.data_dir, "yunet+mine").unwrap();
    assert!(verdicts.iter().any(|verdict| verdict.path.ends_with("mine/face.onnx") && verdict.fault.is_none()));
}

#[test]
fn a_manifest_that_does_not_fit_its_file_is_refused_with_the_reason() {
    struct Case {
        from: &'static str,
        to: &'static str,
        why: &'static str,
    }
    let cases = [
        Case { from: "bytes = 7", to: "bytes = 8", why: "its manifest says SHA-256" },
        Case { from: "'face.onnx'", to: "'other.onnx'", why: "`other.onnx` is not there" },
        Case { from: "name = 'mine'", to: "name = 'yunet'", why: "the name is taken" },
        Case { from: "'1.2'", to: "'95.1'", why: "is taken" },
        Case { from: "name = 'mine'", to: "name = '../mine'", why: "no short name" },
        Case { from: "'face.onnx'", to: "'../face.onnx'", why: "no plain file name" },
        Case { from: "dimensions = 512", to: "dimensions = 512\nguess = true", why: "unknown field" },
        Case { from: "side_px = 112", to: "side_px = 64", why: "outside the input" },
    ];
    let quiet = |_: &Event| {};
    for Case { from, to, why } in cases {
        let world = World::new(&["/good"]);
        let folder = own_folder(&world, |text| text.replacen(from, to, 1));
        let error = inventory::take_over(&world.options(), &folder, &quiet, |_, _| Ok(())).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("nothing was installed"), "{from} -> {to}: {error}");
        assert!(!world.path("data/models/mine").exists());
    }
    let world = World::new(&["/good"]);
    let folder = own_folder(&world, |text| text);
    let refuse = |_: &Network, _: &Path| Err("it gives 128 values".to_owned());
    let error = inventory::take_over(&world.options(), &folder, &quiet, refuse).unwrap_err().to_string();
    assert!(error.contains("it gives 128 values") && !world.path("data/models/mine").exists(), "{error}");
}

#[test]
fn the_pack_in_use_is_not_removed_and_shared_networks_stay() {
    let world = World::new(&["/good"]);
    world.install(&world.choosing()).unwrap();
    let quiet = |_: &Event| {};
    let error = inventory::remove(&world.catalogue, &world.choosing(), "retail", &quiet).unwrap_err();
    assert!(matches!(error, SetupError::InUse { .. }), "{error}");
    let states = |name: &str| {
        let packs = inventory::packs(&world.catalogue, &world.path("data")).unwrap();
        packs.into_iter().find(|entry| entry.name == name).map(|entry| (entry.chosen, entry.installed)).unwrap()
    };
    assert_eq!((states("retail"), states("dlib")), ((true, true), (false, false)));
    world.install(&SetupOptions { pack: Some("dlib".to_owned()), ..world.choosing() }).unwrap();
    assert_eq!(states("dlib"), (false, true));
    let removed = inventory::remove(&world.catalogue, &world.choosing(), "dlib", &quiet).unwrap();
    assert_eq!(removed.len(), 2);
    assert_eq!(states("dlib"), (false, false));
    // Its detector is the chosen pack's too.
    let removed = inventory::remove(&world.catalogue, &world.choosing(), "yunet+retail-0095", &quiet).unwrap();
    assert!(removed.is_empty(), "{removed:?}");
}

/// A full disk: a file system of a few pages, where the machine lets us have one.
#[test]
fn a_full_disk_leaves_nothing_half_installed() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        eprintln!("skipped: there is no /dev/full here");
        return;
    }
    let world = World::new(&["/good"]);
    // Where the download would go lies a device that is always full.
    let partial = world.path("data/models/.partial");
    fs::create_dir_all(&partial).unwrap();
    std::os::unix::fs::symlink(full, partial.join(sha256_of(&blob()))).unwrap();
    let error = world.install(&world.options()).unwrap_err().to_string();
    assert!(error.contains("cannot write"), "{error}");
    assert!(!world.path("data/models/yunet").join(YUNET).exists());
}
