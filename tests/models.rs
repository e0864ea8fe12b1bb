//! Set-up as a user meets it: the real networks and the real runtime.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use trombi::models::{self, Event, SetupOptions};

use crate::support::{self, installed};

fn offline_options() -> SetupOptions {
    let shared_dir = support::shared().map(|dir| dir.join("models"));
    let models_dir = std::env::var_os("TROMBI_MODELS").map(Into::into);
    SetupOptions { models_dir, shared_dir, offline: true, ..SetupOptions::new(support::installed::data_dir()) }
}

#[test]
fn installed_files_are_there() {
    let installed = installed();
    assert!(installed.runtime_library.is_file());
    assert!(installed.detector.file.is_file() && installed.detector.weights.is_none());
    assert!(installed.embedder.weights.unwrap().is_file());
    assert!(installed.model_version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
}

#[test]
fn second_start_is_quick_and_needs_no_network() {
    let _ = installed();
    let started = Instant::now();
    models::install(&offline_options()).unwrap();
    let took = started.elapsed();
    eprintln!("repeated install: {took:?}");
    assert!(took < Duration::from_millis(700), "{took:?}");
}

#[test]
fn full_check_hashes_every_file_and_finds_them_good() {
    let _ = installed();
    let events = Mutex::new(Vec::new());
    let report = |event: &Event| events.lock().unwrap().push(event.clone());
    let started = Instant::now();
    models::set_up(&offline_options(), &report).unwrap();
    eprintln!("full check: {:?}", started.elapsed());
    let events = events.into_inner().unwrap();
    assert!(events.iter().all(|event| matches!(event, Event::Found { .. })), "{events:?}");
    assert_eq!(events.len(), 4, "{events:?}");
}
