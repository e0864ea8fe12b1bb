//! One file per command.

pub mod evaluate;

use std::process::ExitCode;

/// Parses the arguments and runs one command.
#[must_use]
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
