//! The runtime and the default networks, for every test that needs to see.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use trombi::models::{self, Installed, SetupOptions};

/// The data directory that all tests of all runs share, so that the runtime is fetched once.
#[must_use]
pub fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/trombi-test-data")
}

/// Installs what is missing, once per process; processes wait for each other. Needs no network when repeated.
#[must_use]
pub fn installed() -> Installed {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            let shared_dir = super::shared().map(|dir| dir.join("models"));
            let models_dir = std::env::var_os("TROMBI_MODELS").map(PathBuf::from);
            let options = SetupOptions { models_dir, shared_dir, ..SetupOptions::new(data_dir()) };
            models::install(&options).unwrap_or_else(|error| panic!("cannot set up for the tests: {error}"))
        })
        .clone()
}

/// Lets a `trombi` with a data directory of its own find what the tests installed, so that it fetches nothing.
pub fn found_by(command: &mut std::process::Command) {
    let installed = installed();
    command.env(models::RUNTIME_LIBRARY_ENV, installed.runtime_library);
    match super::shared() {
        Some(shared) => command.env("TROMBI_SHARED", shared),
        None => command.env("TROMBI_MODELS", data_dir().join("models")),
    };
}
