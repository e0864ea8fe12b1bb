//! The `trombi` program: runs one command and sets the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    trombi::cli::run()
}
