//! Finds the files of a network, in a fixed order of places, and fetches them when they are nowhere.

use std::fs;
use std::path::{Path, PathBuf};

use super::catalogue::{CatalogueFile, Network, Role};
use super::checksum::{self, State};
use super::event::{Checked, Event};
use super::fetch;
use super::package;
use super::place::{self, Staging};
use super::{Setup, SetupError};
use crate::vision::NetworkFile;

/// A network's files, verified.
pub(super) struct Found {
    pub(super) network: NetworkFile,
    /// The shape predictor.
    pub(super) landmarks: Option<PathBuf>,
}

/// Finds the network's files, or fetches them.
pub(super) fn network(setup: &Setup<'_>, network: &Network) -> Result<Found, SetupError> {
    let (mut main, mut weights, mut landmarks) = (None, None, None);
    for file in &network.files {
        let path = Some(Wanted { setup, network, file }.find()?);
        match file.role {
            Role::Network => main = path,
            Role::Weights => weights = path,
            Role::Landmarks => landmarks = path,
        }
    }
    let file = main.ok_or_else(|| SetupError::Catalogue {
        manifest: network.name.clone(),
        why: "there is no file with the role `network`".to_owned(),
    })?;
    Ok(Found { network: NetworkFile { file, weights }, landmarks })
}

/// Where a network's file is kept.
pub(super) fn kept_path(setup: &Setup<'_>, network: &Network, file: &CatalogueFile) -> PathBuf {
    setup.options.data_dir.join("models").join(&network.name).join(&file.name)
}

/// What people call a network's file.
pub(super) fn label(network: &Network, file: &CatalogueFile) -> String {
    format!("{} {}", network.name, file.name)
}

/// One file that is looked for.
struct Wanted<'a> {
    setup: &'a Setup<'a>,
    network: &'a Network,
    file: &'a CatalogueFile,
}

impl Wanted<'_> {
    fn find(&self) -> Result<PathBuf, SetupError> {
        let mut looked = Vec::new();
        if let Some(path) = self.in_models_dir(&mut looked)? {
            self.keep(&path);
            return Ok(path);
        }
        let kept = self.kept_path();
        if self.is_good_at(&kept, &mut looked) {
            return Ok(kept);
        }
        if let Some(path) = self.shared_path().filter(|path| self.is_good_at(path, &mut looked)) {
            return Ok(path);
        }
        if let Some(made) = &self.file.made {
            package::install(self.setup, made)?;
            return if self.is_good_at(&kept, &mut looked) {
                Ok(kept)
            } else {
                Err(self.missing(&looked, format!("`{}` did not give it", made.package)))
            };
        }
        if self.setup.options.offline {
            return Err(self.missing(&looked, "`--offline` forbids fetching it".to_owned()));
        }
        self.fetch(&kept, &looked)
    }

    /// The user named this folder, so an altered file in it is an error and not passed over.
    fn in_models_dir(&self, looked: &mut Vec<String>) -> Result<Option<PathBuf>, SetupError> {
        let Some(dir) = &self.setup.options.models_dir else { return Ok(None) };
        for path in [dir.join(&self.file.name), dir.join(&self.network.name).join(&self.file.name)] {
            match self.check(&path) {
                State::Good => return Ok(Some(path)),
                State::Absent => looked.push(format!("`{}`: not there", path.display())),
                State::Bad { found } => return Err(self.altered(path, found)),
            }
        }
        Ok(None)
    }

    fn kept_path(&self) -> PathBuf {
        kept_path(self.setup, self.network, self.file)
    }

    fn shared_path(&self) -> Option<PathBuf> {
        let dir = self.setup.options.shared_dir.as_ref()?;
        Some(dir.join(&self.network.name).join(&self.file.name))
    }

    fn is_good_at(&self, path: &Path, looked: &mut Vec<String>) -> bool {
        match self.check(path) {
            State::Good => true,
            State::Absent => {
                looked.push(format!("`{}`: not there", path.display()));
                false
            }
            State::Bad { found } => {
                let why = format!("{found}, expected SHA-256 {}", self.file.sha256);
                looked.push(format!("`{}`: {why}", path.display()));
                (self.setup.report)(&Event::PassedOver { file: self.label(), path: path.to_owned(), why });
                false
            }
        }
    }

    fn check(&self, path: &Path) -> State {
        let state = checksum::check(path, self.file.bytes, &self.file.sha256);
        if matches!(state, State::Good) {
            let checked = Checked::Sha256(self.file.sha256.clone());
            (self.setup.report)(&Event::Found { file: self.label(), path: path.to_owned(), checked });
        }
        state
    }

    /// Copies a file that the user gave into the data directory, so that the next start needs no `--models`.
    fn keep(&self, path: &Path) {
        let kept = self.kept_path();
        if matches!(checksum::check(&kept, self.file.bytes, &self.file.sha256), State::Good) {
            return;
        }
        match self.copy(path, &kept) {
            Ok(()) => self.installed(&path.display().to_string(), &kept),
            Err(error) => (self.setup.report)(&Event::NotKept { file: self.label(), why: error.to_string() }),
        }
    }

    fn copy(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        let staging = Staging::inside(to.parent().unwrap_or(to))?;
        let copy = staging.path().join(&self.file.name);
        fs::copy(from, &copy)?;
        // Opened for writing: Windows syncs no other handle.
        fs::OpenOptions::new().append(true).open(&copy)?.sync_all()?;
        if !matches!(checksum::check(&copy, self.file.bytes, &self.file.sha256), State::Good) {
            return Err(std::io::Error::other("the file changed while it was copied"));
        }
        staging.publish_file(&self.file.name, to)
    }

    fn fetch(&self, to: &Path, looked: &[String]) -> Result<PathBuf, SetupError> {
        let cannot_write = |error| SetupError::DataDir { path: self.setup.options.data_dir.clone(), error };
        let _lock = place::lock(&self.setup.options.data_dir, self.setup.report).map_err(cannot_write)?;
        if matches!(self.check(to), State::Good) {
            // Another process fetched it while we waited.
            return Ok(to.to_owned());
        }
        let partial = place::partial(&self.setup.options.data_dir, &self.file.sha256).map_err(cannot_write)?;
        let mut failures = Vec::new();
        if self.file.addresses.is_empty() {
            failures.push("its manifest has no address".to_owned());
        }
        for address in &self.file.addresses {
            self.fetching(address);
            match fetch::fetch(address, self.file, &partial, self.setup.patience) {
                Ok(()) => {
                    place::publish(&partial, to).map_err(cannot_write)?;
                    self.installed(address, to);
                    return Ok(to.to_owned());
                }
                Err(why) => {
                    let from = address.clone();
                    failures.push(format!("{from}: {why}"));
                    (self.setup.report)(&Event::FetchFailed { file: self.label(), from, why });
                }
            }
        }
        Err(self.missing(looked, format!("could not be fetched: {}", failures.join("; "))))
    }

    fn fetching(&self, address: &str) {
        (self.setup.report)(&Event::Fetching {
            file: self.label(),
            from: address.to_owned(),
            bytes: self.file.bytes,
            sha256: self.file.sha256.clone(),
        });
    }

    fn installed(&self, from: &str, path: &Path) {
        (self.setup.report)(&Event::Installed {
            file: self.label(),
            from: from.to_owned(),
            path: path.to_owned(),
            sha256: self.file.sha256.clone(),
        });
    }

    fn label(&self) -> String {
        label(self.network, self.file)
    }

    fn altered(&self, path: PathBuf, found: String) -> SetupError {
        SetupError::Altered {
            file: self.file.name.clone(),
            path,
            found,
            expected: format!("SHA-256 {}, {} bytes", self.file.sha256, self.file.bytes),
            address: self.file.addresses.first().cloned().unwrap_or_default(),
        }
    }

    fn missing(&self, looked: &[String], why: String) -> SetupError {
        SetupError::Missing {
            file: self.file.name.clone(),
            why,
            looked: looked.join("; "),
            expected: self.file.sha256.clone(),
            address: self.file.addresses.join(" or "),
        }
    }
}
