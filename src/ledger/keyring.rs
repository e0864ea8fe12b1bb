//! Keys and names of tenants as a reader finds them: what is needed to open bodies.

use std::collections::HashMap;
use std::sync::Arc;

use super::body::BodyKey;
use super::files::{self, Files};
use super::tenants;
use super::tree::Hash;

/// The keys of one tenant.
pub(super) struct Keys {
    pub(super) name: String,
    by_month: HashMap<u16, BodyKey>,
}

impl Keys {
    pub(super) fn of_month(&self, month: u16) -> Option<&BodyKey> {
        self.by_month.get(&month)
    }
}

/// All keys of a ledger.
#[derive(Default)]
pub(super) struct Keyring {
    by_commitment: HashMap<Hash, Keys>,
    /// The files it was read from, to know another one from the same.
    read_from: Vec<(String, Arc<[u8]>)>,
    /// Files that do not read, with what is wrong.
    pub(super) wrong: Vec<(String, &'static str)>,
}

impl Keyring {
    /// Reads every tenant of `files`; what does not read is noted in `wrong`.
    pub(super) fn read(files: &dyn Files, paths: &[String]) -> Self {
        let prefix = format!("{}/", files::TENANTS);
        let ours = paths.iter().filter(|path| path.starts_with(&prefix) && !path.ends_with(files::TEMPORARY));
        let mut ring = Self::default();
        for path in ours {
            match files.read(path) {
                Ok(bytes) => ring.read_from.push((path.clone(), bytes)),
                Err(_) => ring.wrong.push((path.clone(), "cannot be read")),
            }
        }
        let mut by_folder: HashMap<&str, Hash> = HashMap::new();
        let found: Vec<(&str, &str, &[u8])> = ring
            .read_from
            .iter()
            .filter_map(|(path, bytes)| path[prefix.len()..].split_once('/').map(|(f, n)| (f, n, &bytes[..])))
            .collect();
        for (folder, _, bytes) in found.iter().filter(|(_, name, _)| *name == "tenant") {
            let read = tenants::parse(bytes).map(|(salt, name)| (tenants::commitment(salt, name), name.to_owned()));
            match read.filter(|(commitment, _)| tenants::folder_name(commitment) == *folder) {
                Some((commitment, name)) => {
                    by_folder.insert(folder, commitment);
                    ring.by_commitment.insert(commitment, Keys { name, by_month: HashMap::new() });
                }
                None => ring.wrong.push((format!("{prefix}{folder}/tenant"), "is not that of its folder")),
            }
        }
        for (folder, name, bytes) in found.iter().filter(|(_, name, _)| *name != "tenant") {
            let key = <&[u8; 32]>::try_from(*bytes).ok().and_then(BodyKey::new);
            let keys = by_folder.get(folder).and_then(|commitment| ring.by_commitment.get_mut(commitment));
            match (tenants::month_of_key(name), key, keys) {
                (Some(month), Some(key), Some(keys)) => {
                    keys.by_month.insert(month, key);
                }
                _ => ring.wrong.push((format!("{prefix}{folder}/{name}"), "is not the key of a month")),
            }
        }
        ring
    }

    /// Was it read from the same files?
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.read_from == other.read_from
    }

    pub(super) fn of(&self, commitment: &Hash) -> Option<&Keys> {
        self.by_commitment.get(commitment)
    }

    /// Names of the tenants that leaves name by their commitments.
    pub(super) fn names(&self) -> impl Iterator<Item = (&Hash, &str)> {
        self.by_commitment.iter().map(|(commitment, keys)| (commitment, keys.name.as_str()))
    }
}
