//! Networks that the user brings: a folder with `manifest.toml` and the files it names, taken over into
//! `DATA/models/<name>/`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::catalogue::{Catalogue, Network};
use super::checksum::{self, State};
use super::event::{Event, Report};
use super::place::{self, Staging};
use super::{SetupError, SetupOptions};

const MANIFEST: &str = "manifest.toml";
const MANIFEST_BYTES_MAX: u64 = 64 << 10;
/// A data directory is not searched for more.
const OWN_MAX: usize = 256;

impl Catalogue {
    /// The catalogue inside this program, and the networks that were taken over into this data directory.
    ///
    /// A manifest there that is wrong is passed over with a warning: nothing else depends on it.
    ///
    /// # Errors
    /// As [`Catalogue::embedded`].
    pub fn of(data_dir: &Path) -> Result<Self, SetupError> {
        let mut catalogue = Self::embedded()?;
        for path in manifests(data_dir) {
            let added = read(&path).and_then(|text| catalogue.add(&text).map(drop).map_err(|error| error.to_string()));
            if let Err(why) = added {
                tracing::warn!(path = %path.display(), %why, "a network of your own is passed over");
            }
        }
        Ok(catalogue)
    }
}

/// `DATA/models/*/manifest.toml`, sorted.
fn manifests(data_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data_dir.join("models")).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> =
        entries.take(OWN_MAX).map(|entry| entry.path().join(MANIFEST)).filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MANIFEST_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(format!("a manifest of over {MANIFEST_BYTES_MAX} bytes"));
    }
    Ok(text)
}

/// Takes over the network in `folder`, after `probe` has opened its files; gives its manifest's entry.
///
/// # Errors
/// `Own`, with the reason: the manifest is wrong, a file is missing or not the one with the manifest's checksum, or
/// `probe` refuses it. `DataDir` when the data directory cannot be written. Nothing is installed then.
pub fn take_over(
    options: &SetupOptions,
    folder: &Path,
    report: &Report<'_>,
    probe: impl FnOnce(&Network, &Path) -> Result<(), String>,
) -> Result<Network, SetupError> {
    let path = folder.join(MANIFEST);
    let refused = |why: String| SetupError::Own { path: folder.to_owned(), why };
    let text = read(&path).map_err(|why| refused(format!("`{MANIFEST}`: {why}")))?;
    let mut catalogue = Catalogue::embedded()?;
    let network = catalogue.add(&text).map_err(|error| refused(error.to_string()))?.clone();
    for file in &network.files {
        if file.made.is_some() {
            return Err(refused(format!("`{}`: files of your own are not made from packages", file.name)));
        }
        match checksum::check(&folder.join(&file.name), file.bytes, &file.sha256) {
            State::Good => {}
            State::Absent => return Err(refused(format!("`{}` is not there", file.name))),
            State::Bad { found } => {
                let expected = format!("SHA-256 {}, {} bytes", file.sha256, file.bytes);
                return Err(refused(format!("`{}` is {found}; its manifest says {expected}", file.name)));
            }
        }
    }
    probe(&network, folder).map_err(refused)?;
    let models = options.data_dir.join("models");
    let cannot_write = |error| SetupError::DataDir { path: options.data_dir.clone(), error };
    let _lock = place::lock(&options.data_dir, report).map_err(cannot_write)?;
    let staging = Staging::inside(&models).map_err(cannot_write)?;
    let new = staging.path().join("new");
    let copy = || -> std::io::Result<()> {
        fs::create_dir(&new)?;
        for name in network.files.iter().map(|file| file.name.as_str()).chain([MANIFEST]) {
            fs::copy(folder.join(name), new.join(name))?;
            fs::OpenOptions::new().append(true).open(new.join(name))?.sync_all()?;
        }
        staging.publish_dir("new", &models.join(&network.name))
    };
    copy().map_err(cannot_write)?;
    for file in &network.files {
        report(&Event::Installed {
            file: format!("{} {}", network.name, file.name),
            from: folder.display().to_string(),
            path: models.join(&network.name).join(&file.name),
            sha256: file.sha256.clone(),
        });
    }
    Ok(network)
}
