//! What is installed, and what could be: for people who choose.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::catalogue::{Catalogue, CommercialUse, Measured, Network, Pack};
use super::checksum::{self, State};
use super::event::Report;
use super::{SetupError, SetupOptions, choice, place};

pub use super::own::take_over;

/// One pack of the catalogue, as it stands on this machine.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Names of its networks: detector, embedder.
    pub networks: [String; 2],
    /// Its files are all in the data directory, with the right sizes.
    pub installed: bool,
    /// It is what this data directory uses.
    pub chosen: bool,
    /// Bytes of its files.
    pub bytes: u64,
    /// Licences of its networks.
    pub licence: String,
    /// The strictest of them.
    pub commercial_use: CommercialUse,
    /// What we measured, where we did.
    pub measured: Option<Measured>,
}

/// Every pack, in the catalogue's order.
///
/// # Errors
/// `Catalogue`, `Written`.
pub fn packs(catalogue: &Catalogue, data_dir: &Path) -> Result<Vec<Entry>, SetupError> {
    let chosen = choice::read(data_dir)?;
    let names: Vec<&str> = catalogue.pack_names().chain(chosen.as_deref().filter(|name| name.contains('+'))).collect();
    names.into_iter().map(|name| Ok(entry(&catalogue.pack(name)?, data_dir, chosen.as_deref()))).collect()
}

fn entry(pack: &Pack<'_>, data_dir: &Path, chosen: Option<&str>) -> Entry {
    let networks = [pack.detector, pack.embedder];
    let files = || networks.iter().flat_map(|network| network.files.iter().map(move |file| (network, file)));
    let is_there = |(network, file): (&&Network, &super::CatalogueFile)| {
        checksum::has_size(&data_dir.join("models").join(&network.name).join(&file.name), file.bytes)
    };
    Entry {
        name: pack.name.to_owned(),
        networks: networks.map(|network| network.name.clone()),
        installed: files().all(is_there),
        chosen: chosen == Some(pack.name),
        bytes: files().map(|(_, file)| file.bytes).sum(),
        licence: pack.licence(),
        commercial_use: networks
            .map(|network| network.licence.commercial_use)
            .into_iter()
            .max()
            .unwrap_or(CommercialUse::Unclear),
        measured: pack.measured.cloned(),
    }
}

/// One file of a pack, compared with the catalogue.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Where it is or should be.
    pub path: PathBuf,
    /// What is wrong with it; `None` when nothing is.
    pub fault: Option<String>,
}

/// Hashes every file of `pack` in the data directory.
///
/// # Errors
/// `NoPack`.
pub fn verify(catalogue: &Catalogue, data_dir: &Path, pack: &str) -> Result<Vec<Verdict>, SetupError> {
    let pack = catalogue.pack(pack)?;
    let files = [pack.detector, pack.embedder].into_iter().flat_map(|network| {
        network.files.iter().map(move |file| (data_dir.join("models").join(&network.name).join(&file.name), file))
    });
    Ok(files
        .map(|(path, file)| {
            let fault = match checksum::check(&path, file.bytes, &file.sha256) {
                State::Good => None,
                State::Absent => Some("not there".to_owned()),
                State::Bad { found } => Some(format!("{found}, expected SHA-256 {}", file.sha256)),
            };
            Verdict { path, fault }
        })
        .collect())
}

/// Removes the files of `pack` from the data directory, but not those that the chosen pack needs; gives the folders.
///
/// # Errors
/// `NoPack`, `InUse` for the chosen pack, `DataDir`.
pub fn remove(
    catalogue: &Catalogue,
    options: &SetupOptions,
    pack: &str,
    report: &Report<'_>,
) -> Result<Vec<PathBuf>, SetupError> {
    let data_dir = &options.data_dir;
    let cannot_write = |error| SetupError::DataDir { path: data_dir.clone(), error };
    let pack = catalogue.pack(pack)?;
    let _lock = place::lock(data_dir, report).map_err(cannot_write)?;
    let chosen = choice::read(data_dir)?;
    let needed: BTreeSet<String> = match &chosen {
        Some(name) if name == pack.name => return Err(SetupError::InUse { pack: name.clone() }),
        Some(name) => {
            let pack = catalogue.pack(name)?;
            [pack.detector, pack.embedder].map(|network| network.name.clone()).into()
        }
        None => BTreeSet::new(),
    };
    let mut removed = Vec::new();
    for network in [pack.detector, pack.embedder].iter().filter(|network| !needed.contains(&network.name)) {
        let folder = data_dir.join("models").join(&network.name);
        match fs::remove_dir_all(&folder) {
            Ok(()) => removed.push(folder),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot_write(error)),
        }
    }
    Ok(removed)
}

/// The cards of the networks inside this program, by name.
const CARDS: [(&str, &str); 6] = [
    ("yunet", include_str!("../../models/yunet/card.md")),
    ("retail-0095", include_str!("../../models/retail-0095/card.md")),
    ("dlib-mmod", include_str!("../../models/dlib-mmod/card.md")),
    ("dlib-resnet", include_str!("../../models/dlib-resnet/card.md")),
    ("sface", include_str!("../../models/sface/card.md")),
    ("auraface", include_str!("../../models/auraface/card.md")),
];

/// A network's card: what it is, what it was trained on, what we measured, what it may be used for. `None` for networks
/// of the user's own.
#[must_use]
pub fn card(network: &str) -> Option<&'static str> {
    CARDS.iter().find(|(name, _)| *name == network).map(|(_, card)| *card)
}
