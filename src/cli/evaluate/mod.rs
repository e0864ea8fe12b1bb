//! `trombi evaluate`: error rates on labelled pictures, through the code the service uses.

mod cache;
pub(crate) mod data_set;
mod embed;
mod lfw;

use clap::Args;

use super::Global;
use super::failure::{Ending, Outcome};

/// Options of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct Arguments {}

pub(super) fn run(_global: &Global, _arguments: &Arguments) -> Outcome {
    Ok(Ending::Done)
}
