//! What several integration tests need.

use std::path::PathBuf;

/// The folder with weights, data sets and reference outputs, when this machine has it.
#[must_use]
pub fn shared() -> Option<PathBuf> {
    let dir = std::env::var_os("TROMBI_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    dir.is_dir().then_some(dir)
}

/// Prints the one loud line of a test that needs what this machine lacks.
pub fn skipped(what: &str) {
    eprintln!("skipped: {what} (set TROMBI_SHARED to a folder that has it)");
}

pub mod clients;
pub mod installed;
pub mod moto;
pub mod numpy;
pub mod pictures;
pub mod sdk;
pub mod server;
pub use installed::installed;
