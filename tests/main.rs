//! The integration tests: one binary, one module per subject.

mod architecture;
mod models;
mod store;
mod cli;
mod support;
mod vision;
