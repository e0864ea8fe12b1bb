//! Downloads one pinned file from PyPI through the user's own pip, with his proxies and mirrors.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::fetch::progress_bar;

const PIP_TIME_MAX: Duration = Duration::from_secs(30 * 60);
const PIP_POLL: Duration = Duration::from_millis(50);
const PIP_LOG_BYTES_MAX: usize = 2_000;
const PIP_LOG_LINES: usize = 4;

/// What pip is asked for.
pub(super) struct Download<'a> {
    /// `name==version`.
    pub(super) requirement: String,
    /// File name of the answer.
    pub(super) file: &'a str,
    pub(super) bytes: u64,
    pub(super) sha256: &'a str,
    /// More options of `pip download`.
    pub(super) options: &'a [&'a str],
}

impl Download<'_> {
    /// Downloads into `dir`; the file is there afterwards, and pip has compared its checksum.
    pub(super) fn run(&self, python: &OsString, dir: &Path) -> Result<PathBuf, String> {
        let scratch = dir.join("scratch");
        let requirements = dir.join("requirements.txt");
        let pin = format!("{} --hash=sha256:{}\n", self.requirement, self.sha256);
        fs::create_dir(&scratch).and_then(|()| fs::write(&requirements, pin)).map_err(|error| error.to_string())?;
        // Kept in memory: a log file would lose the last lines on a full disk, just where pip says so.
        let (log, to_log) = std::io::pipe().map_err(|error| error.to_string())?;
        let to_log = (to_log.try_clone().map_err(|error| error.to_string())?, to_log);
        let log = std::thread::spawn(move || last_bytes(log));
        let child = Command::new(python)
            .args(["-m", "pip", "download", "--no-deps", "--require-hashes"])
            .args(self.options)
            .args(["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--dest"])
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
        let result = self.wait(child, dir);
        let said = log.join().unwrap_or_default();
        result.map_err(|why| format!("{why}; pip said: {}", last_lines(&said)))?;
        Ok(dir.join(self.file))
    }

    fn wait(&self, mut child: Child, dir: &Path) -> Result<(), String> {
        let bar = progress_bar(&self.requirement, self.bytes);
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
                    bar.set_position(bytes_below(dir, 3).min(self.bytes));
                    std::thread::sleep(PIP_POLL);
                }
            }
        }
        bar.finish_and_clear();
        Ok(())
    }
}

/// The first of `commands` that runs pip.
pub(super) fn find_python(commands: &[OsString]) -> Result<OsString, String> {
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
