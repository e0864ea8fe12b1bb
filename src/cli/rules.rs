//! The rules of a data directory: the policy set that the operator wrote, and the one in force.
//!
//! `DATA/policy/` is what he writes. `DATA/policy.active/` is what was last in force, kept so that a change can be
//! told from the set that it changes: what loosens waits (`docs/policy.md`).

use std::fs;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::policy::read_directory;
use crate::ledger::note::hex;
use crate::ledger::witness::known_witnesses;
use crate::policy::vocabulary::Profile;
use crate::policy::{Gate, Standing, day};

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

/// What stands, and what is new about it.
pub(super) struct Stands {
    pub(super) standing: Standing,
    /// For the record: a set that is in force or proposed since now.
    pub(super) news: Vec<String>,
}

/// Where a data directory's sets lie.
pub(super) struct Sets {
    written: PathBuf,
    active: PathBuf,
    ledger: PathBuf,
}

impl Sets {
    pub(super) fn of(data_dir: &Path) -> Self {
        Self {
            written: data_dir.join("policy"),
            active: data_dir.join("policy.active"),
            ledger: data_dir.join("ledger"),
        }
    }

    /// As [`Sets::standing`], for a process that answers requests: from `regulated` up the ledger needs a witness.
    ///
    /// A log that its operator alone has seen proves nothing against him, and there others rely on it.
    pub(super) fn standing_witnessed(&self, now_ms: i64) -> Result<Stands, Failure> {
        self.stands(now_ms, |standing| {
            let profile = standing.active().profile();
            if profile < Profile::Regulated || !known_witnesses(&self.ledger)?.is_empty() {
                return Ok(());
            }
            Err(Failure::other(format!(
                "profile `{profile}` wants a witness that cosigns the ledger, and there is none: name one with `trombi \
                 witness add URL KEY`; somebody else runs it with `trombi witness serve`"
            )))
        })
    }

    /// What stands at `now_ms`, and what is to be said of it. A set in force for the first time, and one that holds
    /// from now on, is kept as the active one.
    pub(super) fn standing(&self, now_ms: i64) -> Result<Stands, Failure> {
        self.stands(now_ms, |_| Ok(()))
    }

    /// `fits` may refuse what would stand, before it is kept.
    fn stands(&self, now_ms: i64, fits: impl Fn(&Standing) -> Result<(), Failure>) -> Result<Stands, Failure> {
        let written_files = read_folder(&self.written)?;
        let written = compile(&self.written, &written_files)?;
        let hash = written.hash();
        let in_force = |gate: &Gate| format!("policy set {} is in force, profile {}", hex(&hash), gate.profile());
        if !self.active.exists() {
            let mut news = Vec::new();
            let standing = Standing::new(written);
            fits(&standing)?;
            if !written_files.is_empty() {
                self.keep_active(&written_files)?;
                news.push(in_force(standing.active()));
            }
            return Ok(Stands { standing, news });
        }
        let active = compile(&self.active, &read_folder(&self.active)?)?;
        let (before, is_new) = (active.hash(), !self.proposal(&hash).exists());
        let standing = Standing::new(active)
            .propose(written, self.since_ms(&hash, now_ms)?, self.approvals(&hash)?)
            .map_err(|error| Failure::other(format!("policy set `{}`: {error}", self.written.display())))?
            .settled(now_ms);
        fits(&standing)?;
        let mut news = Vec::new();
        if standing.active().hash() == hash {
            if before != hash {
                self.keep_active(&written_files)?;
                news.push(in_force(standing.active()));
            }
        } else if is_new {
            let day = day(standing.holds_from_ms().unwrap_or(now_ms));
            news.push(format!("policy set {} is proposed: two must approve, not before {day}", hex(&hash)));
        }
        Ok(Stands { standing, news })
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
