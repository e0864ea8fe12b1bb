//! The networks' files and the inference runtime: catalogue, where they are found, fetching, checksums, licences.
//!
//! The only room that may reach the network for files. Everything fetched is printed with its source and SHA-256.
//! Places are looked at in this order: `--models`, the data directory, the shared folder of a development
//! checkout, the catalogue's addresses. `docs/models.md` tells it to users.

pub mod calibration;
mod catalogue;
mod checksum;
mod event;
mod fetch;
mod files;
mod place;
mod runtime;
#[cfg(test)]
mod tests;
mod wheel;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub use catalogue::{
    Catalogue, CatalogueFile, CommercialUse, DEFAULT_PACK, DecoderFamily, DetectorEntry, EmbedderEntry, Input, Licence,
    Network, Pack, Platform, Role, Runtime, Source, Task, WheelFile,
};
pub use event::{Checked, Event, Report};
pub use runtime::RUNTIME_LIBRARY_ENV;

use crate::gallery::similarity::Calibrations;
use crate::vision::{DecodeLimits, EmbedderContract, NetworkFile, Precision, VisionOptions};
use fetch::Patience;

/// Why a file could not be had; every text says which file, which checksum and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A file in a folder that the user named is not what the catalogue says.
    #[error(
        "`{path}` is altered: found {found}, expected {expected}; replace it by a good copy of `{file}` ({address}), or remove it so that another place is looked at",
        path = path.display()
    )]
    Altered {
        /// Name in the catalogue.
        file: String,
        /// Where it is.
        path: PathBuf,
        /// What is there instead.
        found: String,
        /// SHA-256 and size in the catalogue.
        expected: String,
        /// Where a good copy is.
        address: String,
    },
    /// A network's file is nowhere.
    #[error(
        "`{file}` (SHA-256 {expected}) is missing: {why}; looked at: {looked}; allow fetching, or download it by hand from {address} into a folder DIR and run `trombi setup --models DIR`"
    )]
    Missing {
        /// Name in the catalogue.
        file: String,
        /// Why it was not fetched.
        why: String,
        /// The places, each with what was found.
        looked: String,
        /// SHA-256 in the catalogue.
        expected: String,
        /// Where it is published.
        address: String,
    },
    /// The runtime is not installed and its wheel could not be had.
    #[error(
        "the inference runtime {runtime} is missing: {why}; allow fetching, or download `{wheel}` (SHA-256 {expected}) by hand from {page} into a folder DIR and run `trombi setup --models DIR`, or name your own libopenvino_c in {env}",
        env = RUNTIME_LIBRARY_ENV
    )]
    NoWheel {
        /// Name and version.
        runtime: String,
        /// What went wrong.
        why: String,
        /// File name of this platform's wheel.
        wheel: String,
        /// SHA-256 of the wheel.
        expected: String,
        /// Where it is published.
        page: String,
    },
    /// There is no wheel for this machine.
    #[error(
        "there is no wheel of the inference runtime {runtime} for `{target}`; name your own libopenvino_c in {env}",
        env = RUNTIME_LIBRARY_ENV
    )]
    Platform {
        /// This machine.
        target: String,
        /// Name and version.
        runtime: String,
    },
    /// The library that the user named is not there.
    #[error(
        "`{path}`, named in {env}, is no file; name an existing libopenvino_c, or unset {env}",
        path = path.display(), env = RUNTIME_LIBRARY_ENV
    )]
    OwnLibrary {
        /// What was named.
        path: PathBuf,
    },
    /// A wheel with the right checksum could not be unpacked: the disk is full, or worse.
    #[error("cannot unpack `{wheel}`: {why}; nothing was installed")]
    Unpack {
        /// File name.
        wheel: String,
        /// What went wrong.
        why: String,
    },
    /// The data directory cannot be written.
    #[error(
        "cannot write in `{path}`: {error}; make it writable, free space on its disk, or choose another folder with `--data`",
        path = path.display()
    )]
    DataDir {
        /// The data directory.
        path: PathBuf,
        /// The system's words.
        #[source]
        error: io::Error,
    },
    /// A path of the options cannot be made absolute.
    #[error("`{path}` is no usable path: {error}", path = path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// The system's words.
        #[source]
        error: io::Error,
    },
    /// The catalogue breaks its own rules; the default one is checked by a test.
    #[error("the manifest of `{manifest}` is wrong: {why}")]
    Catalogue {
        /// Which one.
        manifest: String,
        /// What is wrong.
        why: String,
    },
}

/// Where to look and what is allowed.
#[derive(Debug, Clone)]
pub struct SetupOptions {
    /// `--models` or `TROMBI_MODELS`: looked at first.
    pub models_dir: Option<PathBuf>,
    /// The data directory; fetched files go to `DATA/models` and `DATA/runtime`.
    pub data_dir: PathBuf,
    /// `../shared/models` in a development checkout; looked at third. See [`shared_dir`].
    pub shared_dir: Option<PathBuf>,
    /// Forbids fetching.
    pub offline: bool,
}

/// Everything needed to open `vision::Vision`, verified.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The runtime's C library.
    pub runtime_library: PathBuf,
    /// Detector.
    pub detector: NetworkFile,
    /// Embedder.
    pub embedder: NetworkFile,
    /// The embedder's contract from its manifest.
    pub embedder_contract: EmbedderContract,
    /// The wire's `FaceModelVersion` for this embedder, `[0-9.]+`.
    pub model_version: String,
    /// What similarities stand for, of every network of the catalogue.
    pub calibrations: Calibrations,
    /// Where the data directory's own calibration of the embedder lies, or would.
    pub calibration_file: PathBuf,
}

impl Installed {
    /// What `vision::Vision::open` needs, with default limits and precision; see `VisionOptions` for `seats` and
    /// `queue_max`.
    #[must_use]
    pub fn vision_options(&self, seats: usize, queue_max: usize) -> VisionOptions {
        VisionOptions {
            runtime_library: self.runtime_library.clone(),
            detector: self.detector.clone(),
            embedder: self.embedder.clone(),
            embedder_contract: self.embedder_contract.clone(),
            seats,
            queue_max,
            precision: Precision::default(),
            limits: DecodeLimits::default(),
        }
    }
}

/// How well the runtime's installed libraries are checked; the networks' files are always hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoroughness {
    /// Presence and size: they were hashed when installed, and 90 MB would be hashed at every start.
    Quick,
    /// SHA-256 of every file.
    Full,
}

/// The folder with weights that a development checkout has beside it, if this is one: `models` in
/// `TROMBI_SHARED`, or `../shared/models`.
#[must_use]
pub fn shared_dir() -> Option<PathBuf> {
    let shared = std::env::var_os("TROMBI_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    Some(shared.join("models")).filter(|dir| dir.is_dir())
}

/// Finds, fetches and verifies the runtime and the default networks; repeated calls need no network.
///
/// What is fetched is written to stderr, one line for each file and its source, with a progress bar on a
/// terminal; what is merely found is logged. Blocks; do not call it on a thread of an async runtime.
///
/// # Errors
/// A file is missing or altered and may not or cannot be fetched.
pub fn install(options: &SetupOptions) -> Result<Installed, SetupError> {
    install_from(&Catalogue::embedded()?, options, Thoroughness::Quick, &report_to_stderr)
}

/// As [`install`], for `trombi setup`: every file is hashed, and every event goes to `report`.
///
/// # Errors
/// As [`install`].
pub fn set_up(options: &SetupOptions, report: &Report<'_>) -> Result<Installed, SetupError> {
    install_from(&Catalogue::embedded()?, options, Thoroughness::Full, report)
}

/// As [`install`], with another catalogue.
///
/// # Errors
/// As [`install`], and `Catalogue` when there is no default pack.
pub fn install_from(
    catalogue: &Catalogue,
    options: &SetupOptions,
    thoroughness: Thoroughness,
    report: &Report<'_>,
) -> Result<Installed, SetupError> {
    let own_library = std::env::var_os(RUNTIME_LIBRARY_ENV).filter(|value| !value.is_empty());
    let pythons = ["python3".into(), "python".into()];
    let setup = Setup {
        catalogue,
        options: absolute_options(options)?,
        own_library: own_library.map(|path| absolute(Path::new(&path))).transpose()?,
        pythons: &pythons,
        patience: Patience::default(),
        thoroughness,
        report,
    };
    setup.run()
}

/// One set-up with all that it depends on.
struct Setup<'a> {
    catalogue: &'a Catalogue,
    options: SetupOptions,
    own_library: Option<PathBuf>,
    pythons: &'a [OsString],
    patience: Patience,
    thoroughness: Thoroughness,
    report: &'a Report<'a>,
}

impl Setup<'_> {
    fn run(&self) -> Result<Installed, SetupError> {
        let pack = self.catalogue.pack(DEFAULT_PACK)?;
        Ok(Installed {
            detector: files::network(self, pack.detector)?,
            embedder: files::network(self, pack.embedder)?,
            embedder_contract: pack.contract()?,
            model_version: pack.embedding.model_version.clone(),
            calibrations: calibration::all(self.catalogue, &self.options.data_dir)?,
            calibration_file: calibration::path(&self.options.data_dir, &pack.embedder.name),
            runtime_library: runtime::library(self)?,
        })
    }
}

/// Absolute paths: a bare library name would be searched for along the system's library path.
fn absolute_options(options: &SetupOptions) -> Result<SetupOptions, SetupError> {
    Ok(SetupOptions {
        models_dir: options.models_dir.as_deref().map(absolute).transpose()?,
        data_dir: absolute(&options.data_dir)?,
        shared_dir: options.shared_dir.as_deref().map(absolute).transpose()?,
        offline: options.offline,
    })
}

fn absolute(path: &Path) -> Result<PathBuf, SetupError> {
    std::path::absolute(path).map_err(|error| SetupError::Path { path: path.to_owned(), error })
}

fn report_to_stderr(event: &Event) {
    if matches!(event, Event::Found { .. }) {
        tracing::debug!("{event}");
    } else {
        // Promised to the user whatever the log level: nothing is fetched behind his back.
        eprintln!("{event}");
    }
}
