//! Access keys.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::{AccessKey, KeyBinding, Store, StoreError, checksum, now_ms};

const TABLE: &str = "access_keys";
const BINDINGS: &str = "key_bindings";

/// Every id begins so: upper-case letters and digits, as SDKs expect, and plainly not an AWS key.
const ID_PREFIX: &str = "TRMB";
const ID_LENGTH: usize = 20;
const SECRET_LENGTH: usize = 40;
const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Letters and digits only, so that a secret can be pasted into any shell unquoted: 40 of them hold 238 bits.
const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Store {
    /// Makes an access key.
    ///
    /// # Errors
    /// Of disk only.
    pub fn create_key(&self, binding: &KeyBinding) -> Result<AccessKey, StoreError> {
        let id = format!("{ID_PREFIX}{}", random_text(ID_ALPHABET, ID_LENGTH - ID_PREFIX.len())?);
        let secret = random_text(SECRET_ALPHABET, SECRET_LENGTH)?;
        let key = AccessKey { id, secret, created_ms: now_ms(), revoked: false, binding: binding.clone() };
        self.write(|sql| {
            let insert = "INSERT INTO access_keys (id, secret, created_ms, revoked, crc) VALUES (?1, ?2, ?3, ?4, ?5)";
            checksum::insert(sql, TABLE, insert, &values(&key))?;
            let insert = "INSERT INTO key_bindings (key, name, value, crc) VALUES (?1, ?2, ?3, ?4)";
            for (name, value) in binding.members() {
                let values = [&key.id, name, value].map(|text| ValueRef::Text(text.as_bytes()));
                checksum::insert(sql, BINDINGS, insert, &values)?;
            }
            Ok(())
        })?;
        Ok(key)
    }

    /// All access keys, oldest first.
    ///
    /// # Errors
    /// Of disk only.
    pub fn keys(&self) -> Result<Vec<AccessKey>, StoreError> {
        self.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT id, secret, created_ms, revoked, crc FROM access_keys ORDER BY n")?;
            let mut rows = statement.query([])?;
            let mut keys = Vec::new();
            while let Some(row) = rows.next()? {
                keys.push(key_from_row(row)?);
            }
            read_bindings(sql, &mut keys)?;
            Ok(keys)
        })
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// `Missing`.
    pub fn revoke_key(&self, id: &str) -> Result<(), StoreError> {
        self.write(|sql| {
            let mut statement =
                sql.prepare("SELECT id, secret, created_ms, revoked, crc FROM access_keys WHERE id = ?1")?;
            let mut rows = statement.query([id])?;
            let mut key = rows.next()?.map_or(Err(StoreError::Missing), key_from_row)?;
            key.revoked = true;
            let crc = checksum::crc(TABLE, values(&key).into_iter());
            sql.execute("UPDATE access_keys SET revoked = 1, crc = ?2 WHERE id = ?1", params![id, crc])?;
            Ok(())
        })
    }
}

fn values(key: &AccessKey) -> [ValueRef<'_>; 4] {
    [
        ValueRef::Text(key.id.as_bytes()),
        ValueRef::Text(key.secret.as_bytes()),
        ValueRef::Integer(key.created_ms),
        ValueRef::Integer(i64::from(key.revoked)),
    ]
}

fn key_from_row(row: &Row<'_>) -> Result<AccessKey, StoreError> {
    checksum::verify(TABLE, row, 0..4)?;
    let (id, secret, created_ms, revoked) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    Ok(AccessKey { id, secret, created_ms, revoked, binding: KeyBinding::default() })
}

/// Gives `keys` what they are bound to.
fn read_bindings(sql: &Connection, keys: &mut [AccessKey]) -> Result<(), StoreError> {
    let mut statement = sql.prepare_cached("SELECT key, name, value, crc FROM key_bindings")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        checksum::verify(BINDINGS, row, 0..3)?;
        let (id, name): (String, String) = (row.get(0)?, row.get(1)?);
        let key = keys.iter_mut().find(|key| key.id == id);
        let member = key.and_then(|key| key.binding.member(&name));
        // A word that is not understood may be a restriction: the key must not lose it silently.
        let unknown = || StoreError::Damaged(format!("access key `{id}` is bound to a `{name}`, which is not known"));
        *member.ok_or_else(unknown)? = row.get(2)?;
    }
    Ok(())
}

/// Uniform characters of `alphabet`: bytes beyond its largest multiple are thrown away.
fn random_text(alphabet: &[u8], length: usize) -> Result<String, StoreError> {
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    let mut bytes = [0u8; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes).map_err(|error| StoreError::Io(error.to_string()))?;
        let fitting = bytes.iter().map(|&b| usize::from(b)).filter(|&b| b < fair);
        text.extend(fitting.take(length - text.len()).map(|b| char::from(alphabet[b % alphabet.len()])));
    }
    Ok(text)
}
