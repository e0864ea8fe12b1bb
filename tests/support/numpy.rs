//! A Python with NumPy and SciPy, for computing figures a second time by somebody else's code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::clients::{once, run, system_python};

const REQUIREMENTS: &str = "numpy>=2,<3\nscipy>=1.13,<2\n";

/// Its interpreter, prepared on first use, once for all processes.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/numpy");
        fs::create_dir_all(&root).unwrap();
        let lock = fs::File::create(root.join("lock")).unwrap();
        lock.lock().unwrap();
        let made = once(&root.join("python"), REQUIREMENTS, |directory| {
            run(system_python().args(["-m", "venv"]).arg(directory));
            let list = root.join("requirements.txt");
            fs::write(&list, REQUIREMENTS).unwrap();
            run(Command::new(directory.join("bin/python")).args(["-m", "pip", "install", "-q", "-r"]).arg(list));
        });
        made.join("bin/python")
    })
}
