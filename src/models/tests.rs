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
    while !lines.next()?.ok()?.is_empty() {}
    let blob = blob();
    let head = |status: &str, extra: &str| format!("HTTP/1.1 {status}\r\nConnection: close\r\n{extra}\r\n");
    let sized = |bytes: usize| head("200 OK", &format!("Content-Length: {bytes}\r\n"));
    let (head, body) = match request.split(' ').nth(1)? {
        "/good" => (sized(blob.len()), blob),
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
        let addresses: Vec<String> = addresses.iter().map(|path| format!("{}{path}", server.base)).collect();
        let catalogue = catalogue(&addresses, &wheel);
        let python = Mutex::new(OsString::new());
        let world = Self { dir, server, catalogue, python, own_library: None };
        world.python_does("cp \"$(dirname \"$0\")/pypi/\"*.whl \"$dest\"/");
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
    let package = include_str!("../../models/face-recognition-models/manifest.toml");
    let networks = [networks[0].as_str(), networks[1].as_str(), dlib[0], dlib[1]];
    Catalogue::parse(&networks, &[package], include_str!("../../models/packs.toml"), &runtime).unwrap()
}

fn names_in(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    names.map(|entry| entry.file_name().into_string().unwrap()).collect()
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
