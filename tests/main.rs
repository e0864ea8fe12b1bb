//! The integration tests: one binary, one module per subject.

mod api;
mod architecture;
mod cli;
mod crash;
mod models;
mod operations;
mod store;
mod support;
mod vision;
