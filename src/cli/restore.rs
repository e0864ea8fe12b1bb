//! `trombi restore`: a new data directory from a backup file.

use std::path::PathBuf;

use clap::Args;

use super::failure::{Ending, Failure, Outcome};
use super::index::journal;
use super::{Global, house, output};
use crate::store::{Store, StoreError};

/// Options of `restore`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// File that `trombi backup` wrote
    file: PathBuf,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let data_dir = house::data_dir(global)?;
    let file = arguments.file.display();
    if !arguments.file.is_file() {
        return Err(Failure::other(format!("backup file `{file}` does not exist")));
    }
    Store::restore(&arguments.file, &data_dir).map_err(|error| match error {
        StoreError::Exists => Failure::other(format!(
            "data directory `{}` holds collections already; restore into a new one with --data DIR",
            data_dir.display()
        )),
        other => other.into(),
    })?;
    // A journal of the directory's earlier life would make `index` skip pictures that the backup lacks.
    journal::forget_all(&data_dir)?;
    output::note(global, &format!("restored {file} into {}", data_dir.display()));
    Ok(Ending::Done)
}
