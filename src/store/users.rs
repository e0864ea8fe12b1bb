//! Users of a collection and which faces are theirs.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Keep, Store, StoreError, collections, files, natural, sql_limit, tokens};
use crate::gallery::{CollectionId, FaceId, UserId};

impl Store {
    /// Creates a user.
    ///
    /// # Errors
    /// `Missing` (collection), `Exists`.
    pub fn create_user(&self, id: &CollectionId, user: &UserId) -> Result<(), StoreError> {
        self.create_user_once(id, user, None)
    }

    /// As [`Store::create_user`], and keeps the answer to the request's token in the same commit.
    ///
    /// # Errors
    /// As [`Store::create_user`]; then the token is not kept either.
    pub fn create_user_once(&self, id: &CollectionId, user: &UserId, answer: Keep<'_>) -> Result<(), StoreError> {
        self.write(|sql| {
            tokens::keep(sql, answer)?;
            let key = collections::key_of(sql, id)?.ok_or(StoreError::Missing)?;
            if key_of(sql, key, user)?.is_some() {
                return Err(StoreError::Exists);
            }
            sql.execute("INSERT INTO users (collection, name) VALUES (?1, ?2)", params![key, user.as_str()])?;
            sql.execute("UPDATE collections SET user_count = user_count + 1 WHERE id = ?1", [key])?;
            Ok(())
        })
    }

    /// Deletes a user; the faces stay and are free again.
    ///
    /// # Errors
    /// `Missing` (collection or user).
    pub fn delete_user(&self, id: &CollectionId, user: &UserId) -> Result<(), StoreError> {
        self.delete_user_once(id, user, None)
    }

    /// As [`Store::delete_user`], and keeps the answer to the request's token in the same commit.
    ///
    /// # Errors
    /// As [`Store::delete_user`]; then the token is not kept either.
    pub fn delete_user_once(&self, id: &CollectionId, user: &UserId, answer: Keep<'_>) -> Result<(), StoreError> {
        self.write_and_forget(|sql| {
            tokens::keep(sql, answer)?;
            let key = collections::key_of(sql, id)?.ok_or(StoreError::Missing)?;
            let owner = key_of(sql, key, user)?.ok_or(StoreError::Missing)?;
            sql.execute("UPDATE faces SET user = NULL WHERE user = ?1", [owner])?;
            sql.execute("DELETE FROM users WHERE id = ?1", [owner])?;
            sql.execute("UPDATE collections SET user_count = user_count - 1 WHERE id = ?1", [key])?;
            Ok(())
        })
    }

    /// Users by name, after `after`, with the number of faces of each.
    ///
    /// # Errors
    /// `Missing` (collection).
    pub fn users(
        &self,
        id: &CollectionId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, u64)>, StoreError> {
        self.read(|sql| {
            let key = collections::key_of(sql, id)?.ok_or(StoreError::Missing)?;
            let mut statement = sql.prepare_cached(
                "SELECT name, face_count FROM users WHERE collection = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
            )?;
            let mut rows = statement.query(params![key, after.map_or("", UserId::as_str), sql_limit(limit)])?;
            let mut users = Vec::new();
            while let Some(row) = rows.next()? {
                users.push((user_from_text(&row.get::<_, String>(0)?)?, natural(row.get(1)?, "a face count")?));
            }
            Ok(users)
        })
    }

    /// One user's number of faces.
    ///
    /// # Errors
    /// `Missing` (collection or user).
    pub fn user_face_count(&self, id: &CollectionId, user: &UserId) -> Result<u64, StoreError> {
        self.read(|sql| {
            let key = collections::key_of(sql, id)?.ok_or(StoreError::Missing)?;
            let owner = key_of(sql, key, user)?.ok_or(StoreError::Missing)?;
            let mut statement = sql.prepare_cached("SELECT face_count FROM users WHERE id = ?1")?;
            natural(statement.query_row([owner], |row| row.get(0))?, "a face count")
        })
    }

    /// Gives faces to a user (`Some`) or frees them (`None`), all in one transaction.
    ///
    /// # Errors
    /// `Missing` (collection, user or a face).
    pub fn set_user(&self, id: &CollectionId, faces: &[FaceId], user: Option<&UserId>) -> Result<(), StoreError> {
        self.set_user_once(id, faces, user, None)
    }

    /// As [`Store::set_user`], and keeps the answer to the request's token in the same commit.
    ///
    /// # Errors
    /// As [`Store::set_user`]; then the token is not kept either.
    pub fn set_user_once(
        &self,
        id: &CollectionId,
        faces: &[FaceId],
        user: Option<&UserId>,
        answer: Keep<'_>,
    ) -> Result<(), StoreError> {
        self.write(|sql| {
            tokens::keep(sql, answer)?;
            let key = collections::key_of(sql, id)?.ok_or(StoreError::Missing)?;
            let owner = match user {
                Some(user) => Some(key_of(sql, key, user)?.ok_or(StoreError::Missing)?),
                None => None,
            };
            let mut before = sql.prepare_cached("SELECT user FROM faces WHERE collection = ?1 AND face_id = ?2")?;
            let mut change = sql.prepare_cached("UPDATE faces SET user = ?3 WHERE collection = ?1 AND face_id = ?2")?;
            for face in faces {
                let had: Option<i64> = before
                    .query_row(params![key, face.0.as_bytes()], |row| row.get(0))
                    .optional()?
                    .ok_or(StoreError::Missing)?;
                change.execute(params![key, face.0.as_bytes(), owner])?;
                count(sql, had, -1)?;
                count(sql, owner, 1)?;
            }
            Ok(())
        })
    }
}

/// A user's key in the other tables.
pub(super) fn key_of(sql: &Connection, collection: i64, user: &UserId) -> Result<Option<i64>, StoreError> {
    let mut statement = sql.prepare_cached("SELECT id FROM users WHERE collection = ?1 AND name = ?2")?;
    Ok(statement.query_row(params![collection, user.as_str()], |row| row.get(0)).optional()?)
}

/// Every user's name by key.
pub(super) fn names(sql: &Connection, collection: i64) -> Result<HashMap<i64, UserId>, StoreError> {
    let mut statement = sql.prepare_cached("SELECT id, name FROM users WHERE collection = ?1")?;
    let mut rows = statement.query([collection])?;
    let mut names = HashMap::new();
    while let Some(row) = rows.next()? {
        names.insert(row.get(0)?, user_from_text(&row.get::<_, String>(1)?)?);
    }
    Ok(names)
}

/// Changes a user's number of faces.
pub(super) fn count(sql: &Connection, owner: Option<i64>, change: i64) -> Result<(), StoreError> {
    if let Some(owner) = owner {
        sql.prepare_cached("UPDATE users SET face_count = face_count + ?2 WHERE id = ?1")?
            .execute(params![owner, change])?;
    }
    Ok(())
}

fn user_from_text(text: &str) -> Result<UserId, StoreError> {
    UserId::parse(text).ok_or_else(|| StoreError::Damaged(format!("{}: a user's name is not valid", files::DATABASE)))
}
