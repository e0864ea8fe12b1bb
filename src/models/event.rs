//! What happens during set-up, for whoever shows it.

use std::fmt;
use std::path::PathBuf;

/// Something that a person who watches the set-up should know; `Display` is one line.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A file is there and has the right checksum.
    Found {
        /// What it is.
        file: String,
        /// Where it is.
        path: PathBuf,
        /// What was compared: its SHA-256, or less.
        checked: Checked,
    },
    /// A file is there but is not what it should be, or cannot be read; another copy is looked for.
    PassedOver {
        /// What it should be.
        file: String,
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file is being fetched.
    Fetching {
        /// What it is.
        file: String,
        /// From where.
        from: String,
        /// Its size.
        bytes: u64,
        /// The SHA-256 that it must have.
        sha256: String,
    },
    /// An address did not give the file; the next one is tried.
    FetchFailed {
        /// What it should be.
        file: String,
        /// From where.
        from: String,
        /// What went wrong.
        why: String,
    },
    /// A file was installed, verified.
    Installed {
        /// What it is.
        file: String,
        /// Where it came from.
        from: String,
        /// Where it is now.
        path: PathBuf,
        /// Its SHA-256.
        sha256: String,
    },
    /// A verified copy could not be kept in the data directory; the original is used where it is.
    NotKept {
        /// What it is.
        file: String,
        /// What went wrong.
        why: String,
    },
    /// The default pack cannot be had; the other one is tried.
    FallingBack {
        /// Which file of it.
        file: String,
    },
    /// A pack was written down as what this data directory uses.
    Chosen {
        /// Its name.
        pack: String,
        /// Who or what decided.
        why: String,
    },
    /// Another process sets up the same data directory.
    Waiting,
}

/// How well a file was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// Size and SHA-256, which is this.
    Sha256(String),
    /// Presence and size of each file; their SHA-256 when they were installed.
    Sizes,
    /// Nothing: it is the user's own.
    Nothing,
}

/// Receives the events; may be called from another thread.
pub type Report<'a> = dyn Fn(&Event) + Sync + 'a;

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(sha256) => write!(f, "SHA-256 {sha256}"),
            Self::Sizes => f.write_str("sizes checked"),
            Self::Nothing => f.write_str("your own, not checked"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { file, path, checked } => write!(f, "{file}: found at {} ({checked})", path.display()),
            Self::PassedOver { file, path, why } => write!(f, "{file}: passed over {}: {why}", path.display()),
            Self::Fetching { file, from, bytes, sha256 } => {
                write!(f, "{file}: fetching {bytes} bytes from {from} (expected SHA-256 {sha256})")
            }
            Self::FetchFailed { file, from, why } => write!(f, "{file}: {from}: {why}"),
            Self::Installed { file, from, path, sha256 } => {
                write!(f, "{file}: installed from {from} to {} (SHA-256 {sha256})", path.display())
            }
            Self::NotKept { file, why } => write!(f, "{file}: no copy kept in the data directory: {why}"),
            Self::FallingBack { file } => write!(
                f,
                "the default pack `{}` cannot be had here (no `{file}`); the pack `{}` is set up instead: public domain, from PyPI, slower, and its collections are its own",
                super::DEFAULT_PACK,
                super::FALLBACK_PACK
            ),
            Self::Chosen { pack, why } => {
                write!(
                    f,
                    "this data directory uses the pack `{pack}` from now on ({why}); `trombi setup --pack NAME` changes it"
                )
            }
            Self::Waiting => f.write_str("another trombi is setting up the same data directory; waiting for it"),
        }
    }
}
