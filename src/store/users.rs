//! Users of a collection and which faces are theirs.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::collections::{self, Entry};
use super::{Keep, Store, StoreError, checksum, faces, files, natural, sql_limit, sql_number, tokens};
use crate::gallery::{CollectionId, FaceId, UserId};

/// A user's row.
pub(super) struct User {
    pub(super) key: i64,
    collection: i64,
    pub(super) name: UserId,
    face_count: u64,
}

const TABLE: &str = "users";
const USER: &str = "SELECT id, collection, name, face_count, crc FROM users";
/// Columns of a row before its checksum.
pub(super) const COLUMNS: usize = 4;

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
            let mut entry = collections::find(sql, id)?;
            match find(sql, entry.key, user) {
                Err(StoreError::Missing) => {}
                Ok(_) => return Err(StoreError::Exists),
                Err(other) => return Err(other),
            }
            sql.execute(
                "INSERT INTO users (collection, name, face_count, crc) VALUES (?1, ?2, 0, 0)",
                params![entry.key, user.as_str()],
            )?;
            let key = sql.last_insert_rowid();
            User { key, collection: entry.key, name: user.clone(), face_count: 0 }.save(sql)?;
            entry.user_count = Entry::changed(entry.user_count, 1)?;
            entry.save(sql)
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
            let mut entry = collections::find(sql, id)?;
            let user = find(sql, entry.key, user)?;
            faces::free_all(sql, user.key)?;
            sql.execute("DELETE FROM users WHERE id = ?1", [user.key])?;
            entry.user_count = Entry::changed(entry.user_count, -1)?;
            entry.save(sql)
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
            let key = collections::find(sql, id)?.key;
            let mut statement =
                sql.prepare_cached(&format!("{USER} WHERE collection = ?1 AND name > ?2 ORDER BY name LIMIT ?3"))?;
            let mut rows = statement.query(params![key, after.map_or("", UserId::as_str), sql_limit(limit)])?;
            let mut users = Vec::new();
            while let Some(row) = rows.next()? {
                let user = from_row(row, 0)?;
                users.push((user.name, user.face_count));
            }
            Ok(users)
        })
    }

    /// One user's number of faces.
    ///
    /// # Errors
    /// `Missing` (collection or user).
    pub fn user_face_count(&self, id: &CollectionId, user: &UserId) -> Result<u64, StoreError> {
        self.read(|sql| Ok(find(sql, collections::find(sql, id)?.key, user)?.face_count))
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
            let key = collections::find(sql, id)?.key;
            let owner = user.map(|user| find(sql, key, user)).transpose()?.map(|user| user.key);
            for &face in faces {
                let had = faces::give(sql, key, face, owner)?;
                count(sql, had, -1)?;
                count(sql, owner, 1)?;
            }
            Ok(())
        })
    }
}

impl User {
    /// Writes the count back.
    fn save(&self, sql: &Connection) -> Result<(), StoreError> {
        let faces = sql_number(self.face_count)?;
        let values = [
            ValueRef::Integer(self.key),
            ValueRef::Integer(self.collection),
            ValueRef::Text(self.name.as_str().as_bytes()),
            ValueRef::Integer(faces),
        ];
        let crc = checksum::crc(TABLE, values.into_iter());
        sql.prepare_cached("UPDATE users SET face_count = ?2, crc = ?3 WHERE id = ?1")?
            .execute(params![self.key, faces, crc])?;
        Ok(())
    }
}

/// A user by name; `Missing` without.
pub(super) fn find(sql: &Connection, collection: i64, user: &UserId) -> Result<User, StoreError> {
    let mut statement = sql.prepare_cached(&format!("{USER} WHERE collection = ?1 AND name = ?2"))?;
    let mut rows = statement.query(params![collection, user.as_str()])?;
    rows.next()?.map_or(Err(StoreError::Missing), |row| from_row(row, 0))
}

/// Every user of a collection.
pub(super) fn all(sql: &Connection, collection: i64) -> Result<Vec<User>, StoreError> {
    let mut statement = sql.prepare_cached(&format!("{USER} WHERE collection = ?1"))?;
    let mut rows = statement.query([collection])?;
    let mut users = Vec::new();
    while let Some(row) = rows.next()? {
        users.push(from_row(row, 0)?);
    }
    Ok(users)
}

/// Changes a user's number of faces.
pub(super) fn count(sql: &Connection, owner: Option<i64>, change: i64) -> Result<(), StoreError> {
    let Some(owner) = owner else { return Ok(()) };
    let mut statement = sql.prepare_cached(&format!("{USER} WHERE id = ?1"))?;
    let mut rows = statement.query([owner])?;
    let mut user = rows.next()?.map_or_else(|| Err(damaged("a face's user is missing")), |row| from_row(row, 0))?;
    user.face_count = Entry::changed(user.face_count, change)?;
    user.save(sql)
}

/// Reads a user's row whose columns begin at `first`.
pub(super) fn from_row(row: &Row<'_>, first: usize) -> Result<User, StoreError> {
    checksum::verify(TABLE, row, first..first + COLUMNS)?;
    let name = row.get_ref(first + 2)?.as_str().map_err(|_| damaged("a user's name is no text"))?;
    Ok(User {
        key: row.get(first)?,
        collection: row.get(first + 1)?,
        name: UserId::parse(name).ok_or_else(|| damaged("a user's name is not valid"))?,
        face_count: natural(row.get(first + 3)?, "a face count")?,
    })
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{}: {what}", files::DATABASE))
}
