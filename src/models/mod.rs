//! The networks' files and the inference runtime: catalogue, where they are found, fetching, checksums, licences.
//!
//! The only room that may reach the network for files. Everything fetched is printed with its source and SHA-256.

use std::path::PathBuf;

use crate::vision::{EmbedderContract, NetworkFile};

/// Why a file could not be had; every text says which file, which checksum and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(pub String);

/// Where to look and what is allowed.
#[derive(Debug, Clone)]
pub struct SetupOptions {
    /// `--models` or `TROMBI_MODELS`: looked at first.
    pub models_dir: Option<PathBuf>,
    /// The data directory; fetched files go to `DATA/models` and `DATA/runtime`.
    pub data_dir: PathBuf,
    /// `../shared/models` in a development checkout; looked at third.
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
}

/// Finds, fetches and verifies the runtime and the default networks; repeated calls need no network.
///
/// # Errors
/// A file is missing or altered and may not or cannot be fetched.
pub fn install(_options: &SetupOptions) -> Result<Installed, SetupError> {
    unimplemented!()
}
