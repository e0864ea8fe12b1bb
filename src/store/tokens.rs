//! Client request tokens, and the secret that signs pagination tokens.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, TokenRecord, now_ms};

/// How long an answer is kept for its token.
const TOKEN_AGE_MAX_MS: i64 = 24 * 60 * 60 * 1000;

/// A client request token and the answer to keep for it in the same commit as the request's effect.
pub type Keep<'a> = Option<(&'a str, &'a TokenRecord)>;

/// Keeps an answer in the transaction of its effect, and forgets those older than a day.
pub(super) fn keep(sql: &Connection, answer: Keep<'_>) -> Result<(), StoreError> {
    let Some((token, record)) = answer else { return Ok(()) };
    let now = now_ms();
    sql.execute("DELETE FROM tokens WHERE created_ms <= ?1", [now - TOKEN_AGE_MAX_MS])?;
    sql.execute(
        "INSERT OR REPLACE INTO tokens VALUES (?1, ?2, ?3, ?4)",
        params![token, record.request_hash, record.response, now],
    )?;
    Ok(())
}

impl Store {
    /// The answer kept for a client request token, if it is not older than a day.
    ///
    /// # Errors
    /// Of disk only.
    pub fn token(&self, token: &str) -> Result<Option<TokenRecord>, StoreError> {
        self.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT request_hash, response FROM tokens WHERE token = ?1 AND created_ms > ?2")?;
            let record = statement.query_row(params![token, now_ms() - TOKEN_AGE_MAX_MS], |row| {
                Ok(TokenRecord { request_hash: row.get(0)?, response: row.get(1)? })
            });
            Ok(record.optional()?)
        })
    }

    /// Keeps an answer for a token, and forgets those older than a day.
    ///
    /// # Errors
    /// Of disk only.
    pub fn put_token(&self, token: &str, record: &TokenRecord) -> Result<(), StoreError> {
        self.write(|sql| keep(sql, Some((token, record))))
    }

    /// A secret of this data directory, made once, for signing pagination tokens.
    ///
    /// # Errors
    /// Of disk only.
    pub fn instance_secret(&self) -> Result<[u8; 32], StoreError> {
        self.read(|sql| {
            let secret = sql.query_row("SELECT value FROM meta WHERE name = 'instance_secret'", [], |row| row.get(0));
            secret.optional()?.ok_or_else(|| StoreError::Damaged("trombi.sqlite: no instance secret".to_owned()))
        })
    }
}
