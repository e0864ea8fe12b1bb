//! The inference runtime's libraries: taken from a wheel that pip downloads or that the user has.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::catalogue::{Platform, Runtime, WheelFile};
use super::checksum::{self, State};
use super::event::{Checked, Event};
use super::fetch::progress_bar;
use super::place::{self, Staging};
use super::wheel;
use super::{Setup, SetupError, Thoroughness};

/// Names an existing C library instead of ours; for people who have their own OpenVINO.
pub const RUNTIME_LIBRARY_ENV: &str = "TROMBI_RUNTIME_LIBRARY";

const PIP_TIME_MAX: Duration = Duration::from_secs(30 * 60);
const PIP_POLL: Duration = Duration::from_millis(50);
const PIP_LOG_BYTES_MAX: usize = 2_000;
const PIP_LOG_LINES: usize = 4;

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
        let python = find_python(self.setup.pythons).map_err(|why| self.no_wheel(why))?;
        (self.setup.report)(&Event::Fetching {
            file: self.platform.wheel.clone(),
            from: format!("PyPI, through `{} -m pip download`", python.display()),
            bytes: self.platform.bytes,
            sha256: self.platform.sha256.clone(),
        });
        let wheel = self.run_pip(&python, staging.path()).map_err(|why| self.no_wheel(why))?;
        match self.check_wheel(&wheel) {
            State::Good => Ok(wheel),
            State::Absent => Err(self.no_wheel("pip succeeded, but the wheel is not there".to_owned())),
            State::Bad { found } => Err(self.altered(wheel, found)),
        }
    }

    fn run_pip(&self, python: &OsString, dir: &Path) -> Result<PathBuf, String> {
        let scratch = dir.join("scratch");
        let requirements = dir.join("requirements.txt");
        let pin = format!("{}=={} --hash=sha256:{}\n", self.runtime.name, self.runtime.version, self.platform.sha256);
        fs::create_dir(&scratch).and_then(|()| fs::write(&requirements, pin)).map_err(|error| error.to_string())?;
        // Kept in memory: a log file would lose the last lines on a full disk, just where pip says so.
        let (log, to_log) = std::io::pipe().map_err(|error| error.to_string())?;
        let to_log = (to_log.try_clone().map_err(|error| error.to_string())?, to_log);
        let log = std::thread::spawn(move || last_bytes(log));
        let child = Command::new(python)
            .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"])
            // The wheel for CPython 3.12, whatever Python runs pip: only its native libraries are used.
            .args(["--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"])
            .args(["--platform", &self.platform.pip_platform, "--no-input", "--disable-pip-version-check"])
            .args(["--progress-bar", "off", "--dest"])
            .arg(dir)
            .arg("--requirement")
            .arg(&requirements)
            // What pip leaves behind when it is killed goes with the staging folder.
            .envs([("TMPDIR", &scratch), ("TEMP", &scratch), ("TMP", &scratch)])
            .stdin(Stdio::null())
            .stdout(to_log.0)
            .stderr(to_log.1)
            .spawn();
        let child = child.map_err(|error| format!("cannot start `{}`: {error}", python.display()))?;
        let result = self.wait_for_pip(child, dir);
        let said = log.join().unwrap_or_default();
        result.map_err(|why| format!("{why}; pip said: {}", last_lines(&said)))?;
        Ok(dir.join(&self.platform.wheel))
    }

    fn wait_for_pip(&self, mut child: Child, dir: &Path) -> Result<(), String> {
        let bar = progress_bar(&label(self.runtime), self.platform.bytes);
        let started = Instant::now();
        loop {
            match child.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => break,
                Some(status) => return Err(format!("pip failed ({status})")),
                None if started.elapsed() > PIP_TIME_MAX => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("pip took longer than {} minutes", PIP_TIME_MAX.as_secs() / 60));
                }
                None => {
                    bar.set_position(bytes_below(dir, 3).min(self.platform.bytes));
                    std::thread::sleep(PIP_POLL);
                }
            }
        }
        bar.finish_and_clear();
        Ok(())
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

/// The first of `commands` that runs pip.
fn find_python(commands: &[OsString]) -> Result<OsString, String> {
    let mut reasons = Vec::new();
    for command in commands {
        let mut probe = Command::new(command);
        let probe = probe.args(["-m", "pip", "--version"]).stdin(Stdio::null()).output();
        match probe {
            Ok(output) if output.status.success() => return Ok(command.clone()),
            Ok(_) => {
                reasons.push(format!("`{}` has no pip (Debian and Ubuntu: install `python3-pip`)", command.display()))
            }
            Err(error) => reasons.push(format!("`{}`: {error}", command.display())),
        }
    }
    Err(format!("pip is needed to download it, and there is none: {}", reasons.join("; ")))
}

/// The end of what `log` gives until its writers are gone.
fn last_bytes(mut log: impl Read) -> Vec<u8> {
    let mut end = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = log.read(&mut buffer) {
        end.extend_from_slice(&buffer[..count]);
        let surplus = end.len().saturating_sub(PIP_LOG_BYTES_MAX);
        end.drain(..surplus);
    }
    end
}

/// The last lines as one, without the marks below the lines of a traceback.
fn last_lines(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(str::trim).filter(|line| !line.trim_matches(['^', '~']).is_empty());
    let lines: Vec<&str> = lines.collect();
    lines[lines.len().saturating_sub(PIP_LOG_LINES)..].join(" / ")
}

/// Bytes of all files down to `depth` folders below `dir`: how far pip is.
fn bytes_below(dir: &Path, depth: u32) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() && depth > 0 => bytes_below(&entry.path(), depth - 1),
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => 0,
    });
    sizes.sum()
}
