//! The integration tests: one binary, one module per subject.

mod architecture;
mod models;
mod support;
mod vision;
