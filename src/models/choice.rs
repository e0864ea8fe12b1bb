//! Which pack this data directory uses, written down when it is first used: `DATA/pack.toml`.
//!
//! INVARIANT (chosen once): what is written there changes only when the user asks for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::event::Event;
use super::{Setup, SetupError, date, place};

const FILE: &str = "pack.toml";
const SCHEMA: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    schema: u32,
    pack: String,
    #[serde(rename = "chosen")]
    _chosen: String,
    #[serde(rename = "why")]
    _why: String,
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// The pack that was chosen, `None` where none was yet.
///
/// # Errors
/// The file is there and says no pack.
pub(super) fn read(data_dir: &Path) -> Result<Option<String>, SetupError> {
    let path = path(data_dir);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        // Not a folder: whoever writes first says so.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(SetupError::Written { path, why: error.to_string() }),
    };
    let written: Result<Written, String> = toml::from_str(&text).map_err(|error| error.to_string().trim().to_owned());
    match written {
        Ok(written) if written.schema == SCHEMA => Ok(Some(written.pack)),
        Ok(written) => Err(SetupError::Written { path, why: format!("schema {} is unknown", written.schema) }),
        Err(why) => Err(SetupError::Written { path, why }),
    }
}

/// Writes down the first choice. When another process has chosen in the meantime, its choice stays.
pub(super) fn write(setup: &Setup<'_>, pack: &str, why: &str) -> Result<(), SetupError> {
    let data_dir = &setup.options.data_dir;
    if !data_dir.exists() {
        // Everything was found elsewhere, and commands that keep nothing make no data directory.
        return Ok(());
    }
    let _lock = place::lock(data_dir, setup.report).map_err(|error| cannot_write(data_dir, error))?;
    if read(data_dir)?.is_some() { Ok(()) } else { put(setup, pack, why) }
}

/// Writes down another choice, as the user asks.
pub(super) fn replace(setup: &Setup<'_>, pack: &str, why: &str) -> Result<(), SetupError> {
    let data_dir = &setup.options.data_dir;
    let _lock = place::lock(data_dir, setup.report).map_err(|error| cannot_write(data_dir, error))?;
    put(setup, pack, why)
}

fn put(setup: &Setup<'_>, pack: &str, why: &str) -> Result<(), SetupError> {
    let text = format!(
        "# Written by trombi; `trombi setup --pack NAME` changes it.\nschema = {SCHEMA}\npack = \"{pack}\"\nchosen = \"{}\"\nwhy = \"{why}\"\n",
        date::now()
    );
    let data_dir = &setup.options.data_dir;
    place::write(&path(data_dir), text.as_bytes()).map_err(|error| cannot_write(data_dir, error))?;
    (setup.report)(&Event::Chosen { pack: pack.to_owned(), why: why.to_owned() });
    Ok(())
}

fn cannot_write(data_dir: &Path, error: io::Error) -> SetupError {
    SetupError::DataDir { path: data_dir.to_owned(), error }
}
