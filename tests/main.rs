//! The integration tests: one binary, one module per subject.

mod architecture;
mod models;
mod store;
mod support;
mod vision;
