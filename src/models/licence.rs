//! Networks whose licence forbids commercial use are used only after somebody accepted it: `DATA/licences.toml`.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::Deserialize;

use super::catalogue::{CommercialUse, Network};
use super::{Setup, SetupError, date, place};

const FILE: &str = "licences.toml";

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    #[serde(default)]
    accepted: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    licence: String,
    network: String,
    date: String,
}

/// Lets a network pass whose licence allows commercial use or was accepted; an acceptance that comes with this call is
/// recorded first.
///
/// # Errors
/// `Licence` when it was not; `Written` when the record cannot be read.
pub(super) fn check(setup: &Setup<'_>, network: &Network) -> Result<(), SetupError> {
    if network.licence.commercial_use != CommercialUse::No {
        return Ok(());
    }
    let (licence, name) = (&network.licence.spdx, &network.name);
    let path = setup.options.data_dir.join(FILE);
    let mut record = read(&path)?;
    if record.accepted.iter().any(|entry| entry.licence == *licence && entry.network == *name) {
        return Ok(());
    }
    if !setup.options.accepted_licences.iter().any(|accepted| accepted == licence) {
        let page = network.source.page.clone();
        return Err(SetupError::Licence { network: name.clone(), licence: licence.clone(), page });
    }
    record.accepted.push(Entry { licence: licence.clone(), network: name.clone(), date: date::now() });
    let data_dir = setup.options.data_dir.clone();
    place::write(&path, text(&record).as_bytes()).map_err(|error| SetupError::DataDir { path: data_dir, error })
}

fn read(path: &PathBuf) -> Result<Accepted, SetupError> {
    let wrong = |why: String| SetupError::Written { path: path.clone(), why };
    match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(|error| wrong(error.to_string().trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Accepted::default()),
        Err(error) => Err(wrong(error.to_string())),
    }
}

fn text(record: &Accepted) -> String {
    let mut text = "# Licences without commercial use that were accepted with --accept-licence.\n".to_owned();
    for Entry { licence, network, date } in &record.accepted {
        let quoted = |value: &str| toml::Value::String(value.to_owned()).to_string();
        let (licence, network, date) = (quoted(licence), quoted(network), quoted(date));
        let _ = write!(text, "\n[[accepted]]\nlicence = {licence}\nnetwork = {network}\ndate = {date}\n");
    }
    text
}
