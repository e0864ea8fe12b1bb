//! Set-up as a user meets it: the real networks and the real runtime.

use std::process::Command;

use trombi::models::{self, Checked, Event, SetupOptions};

use crate::support::{self, installed};

#[test]
fn installed_files_are_there() {
    let installed = installed();
    assert!(installed.runtime_library.is_file());
    assert!(installed.detector.file.is_file());
    assert!(installed.embedder.weights.unwrap().is_file());
}
