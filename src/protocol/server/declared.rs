//! What a request declares of itself in headers of ours: purpose, case, place, person.

use hyper::http::request::Parts;

use crate::operations::Declared;
use crate::protocol::errors::Fault;

/// Longest value, bytes: that of a session tag.
const VALUE_BYTES_MAX: usize = 256;

/// The headers of a request, and whether it wants to be refused rather than have its threshold raised.
pub(super) fn read(parts: &Parts) -> Result<(Declared, bool), Fault> {
    let declared = Declared {
        purpose: value(parts, "x-trombi-purpose")?,
        case: value(parts, "x-trombi-case")?,
        place: value(parts, "x-trombi-place")?,
        person: value(parts, "x-trombi-person")?,
    };
    let strict = match value(parts, "x-trombi-strict")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(invalid("x-trombi-strict", "must be true or false")),
    };
    Ok((declared, strict))
}

fn value(parts: &Parts, name: &'static str) -> Result<Option<String>, Fault> {
    let mut values = parts.headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid(name, "must be there once"));
    }
    let text = first.to_str().map_err(|_| invalid(name, "must be ASCII"))?.trim();
    if text.len() > VALUE_BYTES_MAX {
        return Err(invalid(name, "must have at most 256 characters"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn invalid(name: &str, what: &str) -> Fault {
    Fault::framework("ValidationException", format!("the header `{name}` {what}"))
}
