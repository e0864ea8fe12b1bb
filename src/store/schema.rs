//! The database: connections, tables, and the check that they are ours.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::{StoreError, checksum, files};

/// The newest format of the data directory that this program reads, and the one it writes.
pub(super) const FORMAT_VERSION: u32 = 2;
/// Before there were files of codes; the records are the same.
const WITHOUT_CODES: u32 = 1;

/// `TRMB`, in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x5452_4D42;

/// How long a statement waits for another connection; only our own process has any.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const SCHEMA: &str = include_str!("schema.sql");

/// Opens the database and makes its tables if it is empty; refuses one that is not ours.
pub(super) fn open_or_create(directory: &Path) -> Result<Connection, StoreError> {
    let path = files::database(directory);
    // Made here first, because SQLite would make it readable by others.
    match files::private().create_new(true).open(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(files::disk_error(&path, &error)),
        _ => {}
    }
    let mut connection = connect(directory)?;
    if schema_of(&connection)?.is_empty() {
        create(&mut connection)?;
    }
    if check(&connection)? == WITHOUT_CODES {
        // Older programs would give a slot to another face and leave its code as it was, so they must not open it.
        connection.pragma_update(None, "user_version", FORMAT_VERSION)?;
    }
    Ok(connection)
}

/// One more connection to a database that exists.
pub(super) fn connect(directory: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(files::database(directory), flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    // The file may be hostile: its schema runs nothing, and its pages are checked.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.execute_batch(
        "PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; \
         PRAGMA wal_autocheckpoint = 0; \
         PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;",
    )?;
    Ok(connection)
}

fn create(connection: &mut Connection) -> Result<(), StoreError> {
    let mut secret = [0u8; 32];
    getrandom::fill(&mut secret).map_err(|error| StoreError::Io(error.to_string()))?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    let values = [ValueRef::Text(b"instance_secret"), ValueRef::Blob(&secret)];
    checksum::insert(&transaction, "meta", "INSERT INTO meta VALUES (?1, ?2, ?3)", &values)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT_VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Refuses a database that is not ours; gives its format.
fn check(connection: &Connection) -> Result<u32, StoreError> {
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(damaged("it is another program's database"));
    }
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let format = match u32::try_from(found) {
        Ok(found) if found > FORMAT_VERSION => {
            return Err(StoreError::TooNew { found, supported: FORMAT_VERSION });
        }
        Ok(found) if found >= WITHOUT_CODES => found,
        _ => return Err(damaged(&format!("format version `{found}` does not exist"))),
    };
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(SCHEMA)?;
    if schema_of(&fresh)? != schema_of(connection)? {
        return Err(damaged("its tables are not those of this format"));
    }
    Ok(format)
}

/// Looks at every page, index and reference.
pub(super) fn check_whole(connection: &Connection) -> Result<(), StoreError> {
    let answer: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if answer != "ok" {
        return Err(damaged(&answer));
    }
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    if statement.query([])?.next()?.is_some() {
        return Err(damaged("a record refers to one that is missing"));
    }
    Ok(())
}

type SchemaRow = (String, String, String, Option<String>);

fn schema_of(connection: &Connection) -> Result<Vec<SchemaRow>, StoreError> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{}: {what}", files::DATABASE))
}
