//! Client request tokens, and the secret that signs pagination tokens.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use super::{Store, StoreError, TokenRecord, checksum, now_ms};

/// How long an answer is kept for its token.
const TOKEN_AGE_MAX_MS: i64 = 24 * 60 * 60 * 1000;

/// A client request token and the answer to keep for it in the same commit as the request's effect.
pub type Keep<'a> = Option<(&'a str, &'a TokenRecord)>;

/// Keeps an answer in the transaction of its effect, and forgets those older than a day.
pub(super) fn keep(sql: &Connection, answer: Keep<'_>) -> Result<(), StoreError> {
    let Some((token, record)) = answer else { return Ok(()) };
    keep_at(sql, token, record, now_ms())
}

fn keep_at(sql: &Connection, token: &str, record: &TokenRecord, now: i64) -> Result<(), StoreError> {
    sql.execute("DELETE FROM tokens WHERE created_ms <= ?1", [now - TOKEN_AGE_MAX_MS])?;
    let values = [
        ValueRef::Text(token.as_bytes()),
        ValueRef::Blob(&record.request_hash),
        ValueRef::Blob(&record.response),
        ValueRef::Integer(now),
    ];
    checksum::insert(sql, "tokens", "INSERT OR REPLACE INTO tokens VALUES (?1, ?2, ?3, ?4, ?5)", &values)
}

impl Store {
    /// The answer kept for a client request token, if it is not older than a day.
    ///
    /// # Errors
    /// Of disk only.
    pub fn token(&self, token: &str) -> Result<Option<TokenRecord>, StoreError> {
        self.token_at(token, now_ms())
    }

    /// Keeps an answer for a token, and forgets those older than a day.
    ///
    /// # Errors
    /// Of disk only.
    pub fn put_token(&self, token: &str, record: &TokenRecord) -> Result<(), StoreError> {
        self.put_token_at(token, record, now_ms())
    }

    fn token_at(&self, token: &str, now: i64) -> Result<Option<TokenRecord>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT token, request_hash, response, created_ms, crc FROM tokens \
                 WHERE token = ?1 AND created_ms > ?2",
            )?;
            let mut rows = statement.query(params![token, now - TOKEN_AGE_MAX_MS])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            checksum::verify("tokens", row, 0..4)?;
            Ok(Some(TokenRecord { request_hash: row.get(1)?, response: row.get(2)? }))
        })
    }

    fn put_token_at(&self, token: &str, record: &TokenRecord, now: i64) -> Result<(), StoreError> {
        self.write(|sql| keep_at(sql, token, record, now))
    }

    /// A secret of this data directory, made once, for signing pagination tokens.
    ///
    /// # Errors
    /// Of disk only.
    pub fn instance_secret(&self) -> Result<[u8; 32], StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare("SELECT name, value, crc FROM meta WHERE name = 'instance_secret'")?;
            let mut rows = statement.query([])?;
            let missing = || StoreError::Damaged("trombi.sqlite: no instance secret".to_owned());
            let row = rows.next()?.ok_or_else(missing)?;
            checksum::verify("meta", row, 0..2)?;
            Ok(row.get(1)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_for_a_day_and_then_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let answer = |n: u8| TokenRecord { request_hash: [n; 32], response: vec![n; 3] };
        store.put_token_at("first", &answer(1), 1_000).unwrap();
        store.put_token_at("first", &answer(2), 2_000).unwrap();
        let end = 2_000 + TOKEN_AGE_MAX_MS;
        assert_eq!(store.token_at("first", end - 1).unwrap(), Some(answer(2)));
        assert_eq!(store.token_at("first", end).unwrap(), None);
        assert_eq!(store.token_at("other", 2_000).unwrap(), None);
        let count =
            || store.read(|sql| Ok(sql.query_row("SELECT count(*) FROM tokens", [], |row| row.get::<_, i64>(0))?));
        store.put_token_at("second", &answer(3), end - 1).unwrap();
        assert_eq!(count().unwrap(), 2);
        store.put_token_at("third", &answer(4), end).unwrap();
        assert_eq!(count().unwrap(), 2, "the first is not kept beyond its day");
    }

    #[test]
    fn a_changed_answer_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.put_token("t", &TokenRecord { request_hash: [1; 32], response: vec![7] }).unwrap();
        store.write(|sql| Ok(sql.execute("UPDATE tokens SET response = x'08'", [])?)).unwrap();
        assert!(matches!(store.token("t"), Err(StoreError::Damaged(_))));
    }
}
