//! `trombi serve`.
use super::Global;
use super::failure::Outcome;
use clap::Args;
/// Options of `serve`.
#[derive(Debug, Args)]
pub(super) struct Arguments {}
pub(super) fn run(_global: &Global, _arguments: &Arguments) -> Outcome {
    Ok(super::failure::Ending::Done)
}
