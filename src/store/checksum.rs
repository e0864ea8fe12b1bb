//! The checksum that ends every record: SQLite notices a broken page, but not a changed letter.

use std::ops::Range;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use super::{StoreError, files};

/// CRC-32 of a table's name and a record's values, each with its type and length, so that they cannot run together.
pub(super) fn crc<'a>(table: &str, values: impl Iterator<Item = ValueRef<'a>>) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(table.as_bytes());
    for value in values {
        match value {
            ValueRef::Null => hasher.update(b"n"),
            ValueRef::Integer(number) => add(&mut hasher, b'i', &number.to_le_bytes()),
            // SQLite keeps no sign of zero.
            ValueRef::Real(number) => add(&mut hasher, b'r', &(number + 0.0).to_le_bytes()),
            ValueRef::Text(text) => add(&mut hasher, b't', text),
            ValueRef::Blob(bytes) => add(&mut hasher, b'b', bytes),
        }
    }
    i64::from(hasher.finalize())
}

fn add(hasher: &mut crc32fast::Hasher, kind: u8, bytes: &[u8]) {
    hasher.update(&[kind]);
    hasher.update(&bytes.len().to_le_bytes());
    hasher.update(bytes);
}

/// Inserts a record; `sql` names a place for every value and one more for the checksum.
pub(super) fn insert(
    connection: &Connection,
    table: &str,
    sql: &str,
    values: &[ValueRef<'_>],
) -> Result<(), StoreError> {
    let crc = ToSqlOutput::Owned(Value::Integer(crc(table, values.iter().copied())));
    let values = values.iter().map(|value| ToSqlOutput::Borrowed(*value)).chain([crc]);
    connection.prepare_cached(sql)?.execute(params_from_iter(values))?;
    Ok(())
}

/// Refuses a record whose checksum, in the column after `columns`, is not that of its values.
pub(super) fn verify(table: &str, row: &Row<'_>, columns: Range<usize>) -> Result<(), StoreError> {
    let stored: i64 = row.get(columns.end)?;
    let mut values = [ValueRef::Null; COLUMNS_MAX];
    let values = &mut values[..columns.len()];
    for (value, column) in values.iter_mut().zip(columns) {
        *value = row.get_ref(column)?;
    }
    if crc(table, values.iter().copied()) == stored {
        return Ok(());
    }
    Err(StoreError::Damaged(format!("{}: the checksum of a record in table `{table}` is wrong", files::DATABASE)))
}

/// Most values of any record.
const COLUMNS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_values_do_not_run_together() {
        let of = |texts: &[&str]| crc("t", texts.iter().map(|text| ValueRef::Text(text.as_bytes())));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["ab"]), of(&["ab", ""]));
        assert_ne!(crc("t", [ValueRef::Null].into_iter()), crc("u", [ValueRef::Null].into_iter()));
    }

    #[test]
    fn zero_has_no_sign() {
        assert_eq!(crc("t", [ValueRef::Real(-0.0)].into_iter()), crc("t", [ValueRef::Real(0.0)].into_iter()));
    }
}
