//! The integration tests: one binary, one module per subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    missing_docs,
    reason = "a test panics on purpose"
)]

mod api;
mod architecture;
mod cli;
mod console;
mod crash;
mod detectors;
mod dlib;
mod evaluate;
mod ledger;
mod migrate;
mod models;
mod operations;
mod oversight;
mod packs;
mod protocol;
mod search;
mod serve;
mod store;
mod support;
mod vision;
