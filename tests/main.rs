//! The integration tests: one binary, one module per subject.

mod api;
mod architecture;
mod cli;
mod crash;
mod models;
mod protocol;
mod store;
mod support;
mod vision;
