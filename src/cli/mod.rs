//! One file per command.

use std::process::ExitCode;

/// Parses the arguments and runs one command.
#[must_use]
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
