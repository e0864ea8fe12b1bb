//! The ledger: every request leaves one entry, in an append-only log that others can hold us to.
//!
//! A log after RFC 6962 in the files of C2SP tlog-tiles, with signed checkpoints, receipts, and bodies that can be
//! erased without breaking the tree. The meter and the bill are folds over it. `docs/ledger-format.md` has every
//! byte, `docs/threat-model.md` what this proves and what it does not.
//!
//! Useful for: recording, proving, verifying, counting. Knows nothing of HTTP, pictures, or who is allowed what.

pub mod checkpoint;
pub mod leaf;
pub mod note;
pub mod proof;
pub mod receipt;
pub mod record;
pub mod tiles;
pub mod tree;
pub mod usage;
pub mod verify;
pub mod witness;
pub mod words;

mod append;
mod body;
mod erase;
mod files;
mod flood;
mod journal;
mod keyring;
mod read;
mod stored_bodies;
mod tail;
mod tenants;
mod varint;

pub use append::{Durability, Ledger, Opening};
pub use erase::OPERATOR;
pub use files::{CHECKPOINT, Files, Folder, InMemory, PUBLIC_KEY, is_in_use};
pub use flood::EQUAL_DENIALS_MAX;
pub use leaf::{Erasure, Ground, Leaf};
pub use read::{Body, ReadEntry, Reader};
pub use receipt::{Place, Receipt};
pub use record::{Class, Outcome, Record, Unit, Units};
pub use tenants::{TENANT_BYTES_MAX, date_of_day, day_of_date, month_of_minute};

/// Why the ledger could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another process has the ledger.
    #[error("ledger `{0}` is in use by another trombi process")]
    Locked(String),
    /// No space left; the entry does not count.
    #[error("no space left on the disk of the ledger")]
    Full,
    /// A file is not what it should be; names the file and what is wrong.
    #[error("damaged ledger: {0}; `trombi audit verify` shows all of it")]
    Damaged(String),
    /// The ledger takes no more entries since an earlier error.
    #[error("the ledger takes no entries until the service is started again, since: {0}")]
    Stopped(String),
    /// The record cannot be an entry; says what is too large.
    #[error("cannot be recorded: {0}")]
    Unrecordable(String),
    /// The named entry does not exist, or its body is gone.
    #[error("does not exist: {0}")]
    Missing(String),
    /// Anything else of the disk.
    #[error("ledger: {0}")]
    Io(String),
}
