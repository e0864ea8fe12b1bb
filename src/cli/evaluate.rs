//! `trombi evaluate`: accuracy on public data sets.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Global;
use super::failure::{Failure, Outcome};

/// Options of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    data_set: DataSet,
}

#[derive(Debug, Subcommand)]
enum DataSet {
    /// Labeled Faces in the Wild: faces found, and ten-fold accuracy on the 6,000 pairs
    Lfw {
        /// Folder with one sub-folder per person, and `pairs.txt`
        dir: PathBuf,
    },
}

pub(super) fn run(_global: &Global, arguments: &Arguments) -> Outcome {
    let DataSet::Lfw { dir } = &arguments.data_set;
    Err(Failure::other(format!("evaluating `{}` is not part of this build", dir.display())))
}
