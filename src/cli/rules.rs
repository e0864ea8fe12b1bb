//! The rules of a data directory: the policy set that the operator wrote, and the one in force.
//!
//! `DATA/policy/` is what he writes. `DATA/policy.active/` is what was last in force, kept so that a change can be
//! told from the set that it changes: what loosens waits (`docs/policy.md`).

use std::fs;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::policy::read_directory;
use crate::ledger::note::hex;
use crate::policy::{Gate, Standing};

/// Names and texts of a set's files.
type Files = Vec<(String, String)>;

/// Reads the set in a folder; a folder that is not there is a set without files.
fn read_folder(folder: &Path) -> Result<Files, Failure> {
    if folder.exists() { read_directory(folder) } else { Ok(Files::new()) }
}

/// Compiles a set; the error names file, line and reason.
fn compile(folder: &Path, files: &Files) -> Result<Gate, Failure> {
    Gate::from_files(files).map_err(|error| Failure::other(format!("policy set `{}`: {error}", folder.display())))
}

/// Where a data directory's sets lie.
pub(super) struct Sets {
    written: PathBuf,
    active: PathBuf,
}

impl Sets {
    pub(super) fn of(data_dir: &Path) -> Self {
        Self { written: data_dir.join("policy"), active: data_dir.join("policy.active") }
    }

    /// What stands at `now_ms`, and what is to be said of it. A set in force for the first time, and one that holds
    /// from now on, is kept as the active one.
    pub(super) fn standing(&self, now_ms: i64) -> Result<Standing, Failure> {
        let written_files = read_folder(&self.written)?;
        let written = compile(&self.written, &written_files)?;
        if !self.active.exists() {
            if !written_files.is_empty() {
                self.keep_active(&written_files)?;
            }
            return Ok(Standing::new(written));
        }
        let active = compile(&self.active, &read_folder(&self.active)?)?;
        let hash = written.hash();
        let standing = Standing::new(active)
            .propose(written, self.since_ms(&hash, now_ms)?, self.approvals(&hash)?)
            .map_err(|error| Failure::other(format!("policy set `{}`: {error}", self.written.display())))?
            .settled(now_ms);
        if standing.active().hash() == hash {
            self.keep_active(&written_files)?;
        }
        Ok(standing)
    }

    /// When the written set was first seen beside the active one.
    fn since_ms(&self, hash: &[u8; 32], now_ms: i64) -> Result<i64, Failure> {
        let file = self.proposal(hash);
        match fs::read_to_string(&file) {
            Ok(text) => text.lines().next().and_then(|line| line.parse().ok()).ok_or_else(|| {
                Failure::other(format!(
                    "`{}` does not begin with a time; remove it to begin its delay anew",
                    file.display()
                ))
            }),
            Err(_) => {
                let write = fs::write(&file, format!("{now_ms}\n"));
                write.map_err(|error| Failure::other(format!("cannot write `{}`: {error}", file.display())))?;
                Ok(now_ms)
            }
        }
    }

    /// Administrators who have approved the written set.
    fn approvals(&self, hash: &[u8; 32]) -> Result<Vec<String>, Failure> {
        let text = fs::read_to_string(self.proposal(hash)).unwrap_or_default();
        Ok(text.lines().skip(1).map(str::to_owned).collect())
    }

    /// Adds an approval of the written set, and gives its hash.
    pub(super) fn approve(&self, administrator: &str, now_ms: i64) -> Result<[u8; 32], Failure> {
        let hash = compile(&self.written, &read_folder(&self.written)?)?.hash();
        let since_ms = self.since_ms(&hash, now_ms)?;
        let mut approvals = self.approvals(&hash)?;
        if !approvals.iter().any(|known| known == administrator) {
            approvals.push(administrator.to_owned());
        }
        let text = format!("{since_ms}\n{}\n", approvals.join("\n"));
        let file = self.proposal(&hash);
        fs::write(&file, text)
            .map_err(|error| Failure::other(format!("cannot write `{}`: {error}", file.display())))?;
        Ok(hash)
    }

    fn proposal(&self, hash: &[u8; 32]) -> PathBuf {
        self.written.with_file_name(format!("policy.proposed-{}", hex(&hash[..8])))
    }

    /// Replaces the active set by these files, whole: a crash between leaves the old set, or none and then the written.
    fn keep_active(&self, files: &Files) -> Result<(), Failure> {
        let fresh = self.active.with_extension("fresh");
        let write = || -> std::io::Result<()> {
            if fresh.exists() {
                fs::remove_dir_all(&fresh)?;
            }
            fs::create_dir_all(&fresh)?;
            for (name, text) in files {
                let path = fresh.join(name);
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                fs::write(path, text)?;
            }
            if self.active.exists() {
                fs::remove_dir_all(&self.active)?;
            }
            fs::rename(&fresh, &self.active)
        };
        write().map_err(|error| Failure::other(format!("cannot write `{}`: {error}", self.active.display())))
    }
}
