//! The inference runtime's libraries: taken from a wheel that pip downloads or that the user has.

use std::fs;
use std::path::{Path, PathBuf};

use super::catalogue::{Platform, Runtime, WheelFile};
use super::checksum::{self, State};
use super::event::{Checked, Event};
use super::pip;
use super::place::{self, Staging};
use super::wheel;
use super::{Setup, SetupError, Thoroughness};

/// Names an existing C library instead of ours; for people who have their own OpenVINO.
pub const RUNTIME_LIBRARY_ENV: &str = "TROMBI_RUNTIME_LIBRARY";

/// This machine in the catalogue's words.
pub(super) fn target() -> String {
    let libc = if cfg!(all(target_os = "linux", not(target_env = "gnu"))) { "-other-libc" } else { "" };
    format!("{}-{}{libc}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Path of the runtime's C library, installed first when it has to be.
pub(super) fn library(setup: &Setup<'_>) -> Result<PathBuf, SetupError> {
    if let Some(own) = &setup.own_library {
        return own_library(setup, own);
    }
    let runtime = setup.catalogue.runtime();
    let target = target();
    let platform = runtime
        .platform(&target)
        .ok_or_else(|| SetupError::Platform { target: target.clone(), runtime: label(runtime) })?;
    let dir = runtime_folder(setup).join(format!("{}-{}-{}", runtime.name, runtime.version, platform.target));
    Wanted { setup, runtime, platform, dir }.find()
}

fn own_library(setup: &Setup<'_>, own: &Path) -> Result<PathBuf, SetupError> {
    if !own.is_file() {
        return Err(SetupError::OwnLibrary { path: own.to_owned() });
    }
    let file = "inference runtime".to_owned();
    (setup.report)(&Event::Found { file, path: own.to_owned(), checked: Checked::Nothing });
    Ok(own.to_owned())
}

fn runtime_folder(setup: &Setup<'_>) -> PathBuf {
    setup.options.data_dir.join("runtime")
}

fn label(runtime: &Runtime) -> String {
    format!("{} {}", runtime.name, runtime.version)
}

/// The runtime that is looked for, and the folder that holds it when installed.
struct Wanted<'a> {
    setup: &'a Setup<'a>,
    runtime: &'a Runtime,
    platform: &'a Platform,
    dir: PathBuf,
}

impl Wanted<'_> {
    fn find(&self) -> Result<PathBuf, SetupError> {
        if !self.is_installed(true) {
            let lock = place::lock(&self.setup.options.data_dir, self.setup.report);
            let _lock = lock.map_err(|error| self.cannot_write(error))?;
            // Another process may have installed it while we waited.
            if !self.is_installed(false) {
                self.install()?;
            }
        }
        Ok(self.dir.join(&self.platform.library))
    }

    fn is_installed(&self, is_first_look: bool) -> bool {
        if !self.dir.exists() {
            return false;
        }
        match self.platform.files.iter().find_map(|file| self.fault_of(file)) {
            None => {
                self.found();
                true
            }
            Some((path, why)) => {
                if is_first_look {
                    (self.setup.report)(&Event::PassedOver { file: label(self.runtime), path, why });
                }
                false
            }
        }
    }

    /// What is wrong with an installed file, with its path; `None` when nothing is.
    fn fault_of(&self, file: &WheelFile) -> Option<(PathBuf, String)> {
        let path = self.dir.join(file.destination()?);
        let why = match self.setup.thoroughness {
            Thoroughness::Quick if checksum::has_size(&path, file.bytes) => return None,
            Thoroughness::Quick => format!("not there, or not {} bytes long", file.bytes),
            Thoroughness::Full => match checksum::check(&path, file.bytes, &file.sha256) {
                State::Good => return None,
                State::Absent => "not there".to_owned(),
                State::Bad { found } => format!("{found}, expected SHA-256 {}", file.sha256),
            },
        };
        Some((path, why))
    }

    fn found(&self) {
        let checked = match self.setup.thoroughness {
            Thoroughness::Quick => Checked::Sizes,
            Thoroughness::Full => Checked::Sha256(format!("of each of {} files", self.platform.files.len())),
        };
        (self.setup.report)(&Event::Found { file: label(self.runtime), path: self.dir.clone(), checked });
    }

    fn install(&self) -> Result<(), SetupError> {
        let staging = Staging::inside(&runtime_folder(self.setup)).map_err(|error| self.cannot_write(error))?;
        let (wheel, from) = match self.local_wheel()? {
            Some(path) => (path.clone(), path.display().to_string()),
            None if self.setup.options.offline => return Err(self.offline()),
            None => (self.download(&staging)?, "PyPI, through pip".to_owned()),
        };
        let unpacked = staging.path().join("unpacked");
        fs::create_dir(&unpacked).map_err(|error| self.cannot_write(error))?;
        wheel::unpack(&wheel, self.platform, &unpacked)
            .map_err(|why| SetupError::Unpack { wheel: self.platform.wheel.clone(), why })?;
        staging.publish_dir("unpacked", &self.dir).map_err(|error| self.cannot_write(error))?;
        (self.setup.report)(&Event::Installed {
            file: label(self.runtime),
            from,
            path: self.dir.clone(),
            sha256: format!("{} of the wheel", self.platform.sha256),
        });
        Ok(())
    }

    /// A wheel that the user put somewhere: `--models`, `DATA/runtime`, or the shared folder.
    fn local_wheel(&self) -> Result<Option<PathBuf>, SetupError> {
        let options = &self.setup.options;
        let named = options.models_dir.iter().flat_map(|dir| [dir.clone(), dir.join(&self.runtime.name)]);
        for path in named.map(|dir| dir.join(&self.platform.wheel)) {
            match self.check_wheel(&path) {
                State::Good => return Ok(Some(path)),
                State::Absent => {}
                State::Bad { found } => return Err(self.altered(path, found)),
            }
        }
        let shared = options.shared_dir.iter().map(|dir| dir.join(&self.runtime.name));
        let mut places = std::iter::once(runtime_folder(self.setup)).chain(shared);
        Ok(places.find_map(|dir| {
            let path = dir.join(&self.platform.wheel);
            match self.check_wheel(&path) {
                State::Good => Some(path),
                State::Absent => None,
                State::Bad { found } => {
                    let why = format!("{found}, expected SHA-256 {}", self.platform.sha256);
                    (self.setup.report)(&Event::PassedOver { file: self.platform.wheel.clone(), path, why });
                    None
                }
            }
        }))
    }

    fn check_wheel(&self, path: &Path) -> State {
        let state = checksum::check(path, self.platform.bytes, &self.platform.sha256);
        if matches!(state, State::Good) {
            let checked = Checked::Sha256(self.platform.sha256.clone());
            let file = self.platform.wheel.clone();
            (self.setup.report)(&Event::Found { file, path: path.to_owned(), checked });
        }
        state
    }

    fn download(&self, staging: &Staging) -> Result<PathBuf, SetupError> {
        let python = pip::find_python(self.setup.pythons).map_err(|why| self.no_wheel(why))?;
        (self.setup.report)(&Event::Fetching {
            file: self.platform.wheel.clone(),
            from: format!("PyPI, through `{} -m pip download`", python.display()),
            bytes: self.platform.bytes,
            sha256: self.platform.sha256.clone(),
        });
        let download = pip::Download {
            requirement: format!("{}=={}", self.runtime.name, self.runtime.version),
            file: &self.platform.wheel,
            bytes: self.platform.bytes,
            sha256: &self.platform.sha256,
            // The wheel for CPython 3.12, whatever Python runs pip: only its native libraries are used.
            options: &[
                "--only-binary=:all:",
                "--python-version=3.12",
                "--implementation=cp",
                "--abi=cp312",
                &format!("--platform={}", self.platform.pip_platform),
            ],
        };
        let wheel = download.run(&python, staging.path()).map_err(|why| self.no_wheel(why))?;
        match self.check_wheel(&wheel) {
            State::Good => Ok(wheel),
            State::Absent => Err(self.no_wheel("pip succeeded, but the wheel is not there".to_owned())),
            State::Bad { found } => Err(self.altered(wheel, found)),
        }
    }

    fn no_wheel(&self, why: String) -> SetupError {
        SetupError::NoWheel {
            runtime: label(self.runtime),
            why,
            wheel: self.platform.wheel.clone(),
            expected: self.platform.sha256.clone(),
            page: self.runtime.page.clone(),
        }
    }

    fn offline(&self) -> SetupError {
        self.no_wheel(format!("not in `{}`, and `--offline` forbids fetching it", self.dir.display()))
    }

    fn altered(&self, path: PathBuf, found: String) -> SetupError {
        SetupError::Altered {
            file: self.platform.wheel.clone(),
            path,
            found,
            expected: format!("SHA-256 {}, {} bytes", self.platform.sha256, self.platform.bytes),
            address: self.runtime.page.clone(),
        }
    }

    fn cannot_write(&self, error: std::io::Error) -> SetupError {
        SetupError::DataDir { path: self.setup.options.data_dir.clone(), error }
    }
}
