//! `trombi backup`: everything that is kept, in one file.

use std::path::PathBuf;

use clap::Args;

use super::failure::{Ending, Failure, Outcome};
use super::{Global, house, output};
use crate::store::Store;

/// Options of `backup`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// File to write; must not exist. It holds faces and secret keys: keep it as you keep those
    file: PathBuf,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let file = &arguments.file;
    if file.exists() {
        return Err(Failure::other(format!("`{}` exists already; name a new file", file.display())));
    }
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(Failure::other(format!(
            "there is no folder `{}` to write `{}` in",
            folder.display(),
            file.display()
        )));
    }
    let data_dir = house::data_dir(global)?;
    if !data_dir.is_dir() {
        return Err(Failure::other(format!("there is no data directory `{}`", data_dir.display())));
    }
    Store::open(&data_dir)?.backup(file)?;
    let bytes = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    output::note(global, &format!("wrote {} ({bytes} bytes)", file.display()));
    Ok(Ending::Done)
}
