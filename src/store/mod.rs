//! The data directory: records in SQLite, vectors in checksummed segment files, one process at a time.
//!
//! `docs/store-format.md` describes every byte.

pub mod buckets;

mod backup;
mod checksum;
mod codes;
mod collections;
mod faces;
mod files;
mod keys;
mod recovery;
mod schema;
mod scrub;
mod segments;
mod slots;
mod tokens;
mod users;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use rusqlite::Connection;

pub use slots::{FaceSlots, Kept};
pub use tokens::Keep;

use crate::gallery::{CollectionId, ExternalImageId, FaceId, ImageId, UserId};
use crate::vision::ModelId;

/// Why the data directory could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the directory.
    #[error("data directory `{0}` is in use by another trombi process")]
    Locked(String),
    /// Cannot be written.
    #[error("data directory `{0}` cannot be written: {1}")]
    ReadOnly(String, String),
    /// No space left; nothing was changed.
    #[error("no space left on the disk of the data directory")]
    Full,
    /// A file is not what it should be; names the file and what is wrong.
    #[error("damaged store: {0}")]
    Damaged(String),
    /// A newer program wrote it.
    #[error("data directory has format {found}, this program reads up to {supported}")]
    TooNew {
        /// Version found.
        found: u32,
        /// Newest version read.
        supported: u32,
    },
    /// A unique name exists already.
    #[error("already exists")]
    Exists,
    /// The named thing does not exist.
    #[error("does not exist")]
    Missing,
    /// Anything else of disk or database.
    #[error("store: {0}")]
    Io(String),
}

/// A face's box as ratios of the picture's size; may reach outside 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxRatio {
    /// Left edge over width.
    pub left: f32,
    /// Top edge over height.
    pub top: f32,
    /// Width over width.
    pub width: f32,
    /// Height over height.
    pub height: f32,
}

/// A collection's record.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionRecord {
    /// Name.
    pub id: CollectionId,
    /// Network its vectors come from.
    pub model_id: ModelId,
    /// The wire's `FaceModelVersion`, `[0-9.]+`.
    pub model_version: String,
    /// Length of its vectors.
    pub dimensions: usize,
    /// Creation, milliseconds since 1970.
    pub created_ms: i64,
    /// Enrolled faces.
    pub face_count: u64,
    /// Users.
    pub user_count: u64,
}

/// An enrolled face's record; its vector is kept beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceRecord {
    /// Id.
    pub face_id: FaceId,
    /// The picture it came from.
    pub image_id: ImageId,
    /// The caller's name for the picture.
    pub external_image_id: Option<ExternalImageId>,
    /// Where in the picture.
    pub box_ratio: BoxRatio,
    /// Detector's confidence, 0 to 100.
    pub confidence: f32,
    /// The wire's `IndexFacesModelVersion`.
    pub model_version: String,
    /// The user it belongs to.
    pub user_id: Option<UserId>,
}

/// An access key. The secret is needed to verify signatures, so it is kept; the file is readable by its owner only.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Public half, 20 characters.
    pub id: String,
    /// Secret half, 40 characters.
    pub secret: String,
    /// Creation, milliseconds since 1970.
    pub created_ms: i64,
    /// Revoked keys no longer sign.
    pub revoked: bool,
    /// What was said of it at its making.
    pub binding: KeyBinding,
}

/// What is said of an access key when it is made, and never changed afterwards: a key for something else is another
/// key. The store keeps the words; `policy` says what they mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyBinding {
    /// Who answers for it.
    pub tenant: Option<String>,
    /// What it may be used for.
    pub purpose: Option<String>,
    /// The case that it is used for.
    pub case: Option<String>,
    /// What its holder is here to do.
    pub role: Option<String>,
}

impl KeyBinding {
    /// Members that are set, by name.
    fn members(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { tenant, purpose, case, role } = self;
        let all = [("tenant", tenant), ("purpose", purpose), ("case", case), ("role", role)];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// The member of a name; `None` for a name that no version of this program wrote.
    fn member(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "tenant" => Some(&mut self.tenant),
            "purpose" => Some(&mut self.purpose),
            "case" => Some(&mut self.case),
            "role" => Some(&mut self.role),
            _ => None,
        }
    }
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).field("revoked", &self.revoked).finish_non_exhaustive()
    }
}

/// The answer kept for a `ClientRequestToken`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// SHA-256 of operation and parameters.
    pub request_hash: [u8; 32],
    /// The answer, as `operations` wrote it.
    pub response: Vec<u8>,
}

/// The open data directory. All methods may be called from any thread; an `Ok` answer of a writing method
/// means the change is durable.
///
/// One connection writes, behind a mutex; readers take theirs from a pool and see the last commit.
pub struct Store {
    directory: PathBuf,
    writer: Mutex<Writer>,
    readers: Mutex<Vec<Connection>>,
    /// Readers hold it shared while they read; who overwrites vectors or empties the write-ahead log holds it alone.
    gate: Arc<RwLock<()>>,
    /// Dropped last: the directory is free when the connections are closed.
    _lock: File,
}

struct Writer {
    connection: Connection,
    /// The database file; dropped after the connection, see [`scrub::settle`].
    database: File,
    /// Where faces deleted since the start were in the order of enrolment, so that paging goes on from them.
    departed: faces::Departed,
    /// Slots whose records are certainly gone or never came, but whose overwriting failed; tried again later.
    unwiped: Vec<(segments::SegmentId, Vec<u64>)>,
}

/// Idle reader connections kept.
const READERS_IDLE_MAX: usize = 8;
/// The write-ahead log is emptied when it is longer, bytes.
const LOG_BYTES_MAX: u64 = 8 << 20;

impl Store {
    /// Opens or creates `directory`, takes its lock, repairs what a crash left.
    ///
    /// # Errors
    /// `Locked`, `ReadOnly`, `Damaged`, `TooNew`, `Full`, `Io`.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        files::create_directory(directory)?;
        let lock = files::lock(directory)?;
        backup::finish_restore(directory)?;
        files::create_directory(&files::vectors(directory))?;
        let mut connection = schema::open_or_create(directory)?;
        recovery::repair(directory, &mut connection)?;
        let path = files::database(directory);
        let database = files::private().open(&path).map_err(|error| files::disk_error(&path, &error))?;
        scrub::settle(directory, &connection, &database)?;
        files::sync_directory(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            writer: Mutex::new(Writer {
                connection,
                database,
                departed: faces::Departed::default(),
                unwiped: Vec::new(),
            }),
            readers: Mutex::new(Vec::new()),
            gate: Arc::default(),
            _lock: lock,
        })
    }

    // A panic elsewhere leaves SQLite's own state whole (its transaction rolls back), so poison is ignored.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_gate(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on a reader connection.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let _open = self.read_gate();
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::connect(&self.directory)?,
        };
        let answer = work(&connection);
        let mut idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < READERS_IDLE_MAX {
            idle.push(connection);
        }
        answer
    }

    /// Runs `work` in one transaction, committed when it succeeds.
    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut writer = self.writer();
        let answer = transact(&mut writer.connection, work)?;
        self.keep_log_short(&writer.connection, &writer.database);
        Ok(answer)
    }

    /// Empties the write-ahead log when it has grown; a failure changes no answer, as the log is whole.
    fn keep_log_short(&self, connection: &Connection, database: &File) {
        let long = std::fs::metadata(files::log(&self.directory)).is_ok_and(|log| log.len() > LOG_BYTES_MAX);
        if long {
            let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = scrub::settle(&self.directory, connection, database) {
                tracing::warn!(%error, "the write-ahead log was not emptied");
            }
        }
    }

    /// As [`Store::write`], and afterwards no file holds the deleted records.
    fn write_and_forget<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut writer = self.writer();
        let answer = transact(&mut writer.connection, work)?;
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        scrub::settle(&self.directory, &writer.connection, &writer.database)?;
        Ok(answer)
    }
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let answer = work(&transaction)?;
    transaction.commit()?;
    Ok(answer)
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A number that the database must hold as zero or more.
fn natural(value: i64, what: &str) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Damaged(format!("{}: {what} is `{value}`", files::DATABASE)))
}

fn sql_number(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Io(format!("number `{value}` is too large")))
}

fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let damaged = |error: &rusqlite::Error| Self::Damaged(format!("{}: {error}", files::DATABASE));
        match &error {
            rusqlite::Error::SqliteFailure(inner, _) => match inner.code {
                Code::DiskFull => Self::Full,
                Code::DatabaseCorrupt | Code::NotADatabase => damaged(&error),
                Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied => {
                    Self::ReadOnly(files::DATABASE.to_owned(), error.to_string())
                }
                _ => Self::Io(error.to_string()),
            },
            // A value of another type than we wrote, or text that is no UTF-8.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => damaged(&error),
            _ => Self::Io(error.to_string()),
        }
    }
}
