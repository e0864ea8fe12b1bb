//! Reads tables of a policy file; every error names file, line and reason.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::date::{self, End};

/// What is wrong with a policy set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", place(.file, *.line))]
pub struct PolicyError {
    /// Name of the file within the set.
    pub file: String,
    /// Line, from 1; `None` where the file as a whole is meant.
    pub line: Option<usize>,
    /// What is wrong, and what was expected.
    pub reason: String,
}

fn place(file: &str, line: Option<usize>) -> String {
    line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}

impl PolicyError {
    /// Of a file as a whole.
    pub(super) fn of_file(file: &str, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, reason: reason.into() }
    }
}

/// A file's name and text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'t> {
    pub(super) file: &'t str,
    pub(super) text: &'t str,
}

impl Source<'_> {
    /// An error at a byte of the text.
    pub(super) fn error(&self, at: usize, reason: impl Into<String>) -> PolicyError {
        let before = self.text.as_bytes().get(..at).unwrap_or(self.text.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        PolicyError { file: self.file.to_owned(), line: Some(line), reason: reason.into() }
    }
}

/// One table of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'t> {
    source: Source<'t>,
    at: usize,
    entries: &'t DeTable<'t>,
}

type Value<'t> = &'t Spanned<DeValue<'t>>;

impl<'t> Table<'t> {
    pub(super) fn new(source: Source<'t>, root: &'t Spanned<DeTable<'t>>) -> Self {
        Self { source, at: root.span().start, entries: root.get_ref() }
    }

    /// Line and file of the table, for errors about it as a whole.
    pub(super) fn error(&self, reason: impl Into<String>) -> PolicyError {
        self.source.error(self.at, reason)
    }

    /// An error at the value of `key`, or at the table where it is absent.
    pub(super) fn error_at(&self, key: &str, reason: impl Into<String>) -> PolicyError {
        let at = self.value(key).map_or(self.at, |value| value.span().start);
        self.source.error(at, reason)
    }

    /// Refuses keys that mean nothing here: a rule with a misspelt key would say less than its writer meant.
    pub(super) fn only(&self, keys: &[&str]) -> Result<(), PolicyError> {
        match self.entries.iter().find(|(key, _)| !keys.contains(&key.get_ref().as_ref())) {
            Some((key, _)) => Err(self.source.error(
                key.span().start,
                format!("unknown key `{}`, expected one of {}", key.get_ref(), keys.join(", ")),
            )),
            None => Ok(()),
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    fn value(&self, key: &str) -> Option<Value<'t>> {
        self.entries.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn wrong(&self, key: &str, value: Value<'t>, expected: &str) -> PolicyError {
        self.source
            .error(value.span().start, format!("`{key}` is a TOML {}, expected {expected}", value.get_ref().type_str()))
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'t str>, PolicyError> {
        self.value(key)
            .map(|value| value.get_ref().as_str().ok_or_else(|| self.wrong(key, value, "a string")))
            .transpose()
    }

    pub(super) fn needed(&self, key: &str) -> Result<&'t str, PolicyError> {
        match self.text(key)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.error_at(key, format!("`{key}` is missing"))),
        }
    }

    /// A count, 0 or more.
    pub(super) fn count(&self, key: &str) -> Result<Option<u32>, PolicyError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let integer = value.get_ref().as_integer().ok_or_else(|| self.wrong(key, value, "a whole number"))?;
        u32::from_str_radix(integer.as_str(), integer.radix())
            .map(Some)
            .map_err(|_| self.source.error(value.span().start, format!("`{key}` is not within 0 and {}", u32::MAX)))
    }

    /// A percent with at most two decimals, as hundredths. Read as decimal text: no float is made of it.
    pub(super) fn hundredths(&self, key: &str) -> Result<Option<u32>, PolicyError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let text = match value.get_ref() {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            DeValue::Float(float) => float.as_str(),
            DeValue::String(text) => text.as_ref(),
            _ => return Err(self.wrong(key, value, "a percent, as 99 or 99.5")),
        };
        let error = || {
            self.source.error(value.span().start, format!("`{text}` is no percent within 0 and 100 of two decimals"))
        };
        hundredths(text).map(Some).ok_or_else(error)
    }

    /// The words of a list, or of a single string, each with its place.
    fn listed(&self, key: &str) -> Result<Option<Vec<(usize, &'t str)>>, PolicyError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        if let Some(text) = value.get_ref().as_str() {
            return Ok(Some(vec![(value.span().start, text)]));
        }
        let array = value.get_ref().as_array().ok_or_else(|| self.wrong(key, value, "a list of strings"))?;
        let word = |item: Value<'t>| {
            let text = item.get_ref().as_str().ok_or_else(|| self.wrong(key, item, "a string in the list"))?;
            Ok((item.span().start, text))
        };
        let words: Vec<(usize, &str)> = array.iter().map(word).collect::<Result<_, PolicyError>>()?;
        if words.is_empty() {
            return Err(self.source.error(
                value.span().start,
                format!("`{key}` is an empty list; leave the key out, or name what is meant"),
            ));
        }
        Ok(Some(words))
    }

    /// The words of a list, each read by `parse`; `expected` says what a word should be.
    pub(super) fn list<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Option<T>,
        expected: &str,
    ) -> Result<Option<Vec<T>>, PolicyError> {
        let Some(words) = self.listed(key)? else { return Ok(None) };
        let read = |(at, word): (usize, &str)| {
            parse(word).ok_or_else(|| self.source.error(at, format!("`{word}` is not {expected}")))
        };
        words.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// One word.
    pub(super) fn word<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, PolicyError> {
        let Some(word) = self.text(key)? else { return Ok(None) };
        parse(word).map(Some).ok_or_else(|| self.error_at(key, format!("`{word}` is not {expected}")))
    }

    /// A date, or a date and time; also written as a string.
    pub(super) fn moment(&self, key: &str, end: End) -> Result<Option<i64>, PolicyError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let ms = match value.get_ref() {
            DeValue::Datetime(written) => date::moment(written, end).map_err(str::to_owned),
            DeValue::String(text) => date::parse(text, end),
            _ => return Err(self.wrong(key, value, "a date, as 2020-06-10")),
        };
        ms.map(Some).map_err(|reason| self.source.error(value.span().start, format!("`{key}`: {reason}")))
    }

    /// The tables below `key` by name, as of `[tenant.acme]`.
    pub(super) fn named(&self, key: &str) -> Result<Vec<(&'t str, Self)>, PolicyError> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let table =
            value.get_ref().as_table().ok_or_else(|| self.wrong(key, value, &format!("tables `[{key}.NAME]`")))?;
        table
            .iter()
            .map(|(name, value)| {
                let entries = value
                    .get_ref()
                    .as_table()
                    .ok_or_else(|| self.wrong(name.get_ref(), value, &format!("a table `[{key}.NAME]`")))?;
                Ok((name.get_ref().as_ref(), Self { source: self.source, at: name.span().start, entries }))
            })
            .collect()
    }

    /// The table of `[key]`.
    pub(super) fn single(&self, key: &str) -> Result<Option<Self>, PolicyError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let entries =
            value.get_ref().as_table().ok_or_else(|| self.wrong(key, value, &format!("a table `[{key}]`")))?;
        Ok(Some(Self { source: self.source, at: value.span().start, entries }))
    }

    /// The tables of `[[key]]`.
    pub(super) fn repeated(&self, key: &str) -> Result<Vec<Self>, PolicyError> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let array = value.get_ref().as_array().ok_or_else(|| self.wrong(key, value, &format!("tables `[[{key}]]`")))?;
        array
            .iter()
            .map(|item| {
                let entries =
                    item.get_ref().as_table().ok_or_else(|| self.wrong(key, item, &format!("tables `[[{key}]]`")))?;
                Ok(Self { source: self.source, at: item.span().start, entries })
            })
            .collect()
    }
}

/// `99`, `99.5` and `99.50` as hundredths, at most 100.00.
pub(super) fn hundredths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').map_or((text, ""), |(whole, part)| (whole, part));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = (1..=3).contains(&whole.len()) && part.len() <= 2 && digits(whole) && digits(part);
    if !fits || (part.is_empty() && text.contains('.')) {
        return None;
    }
    let value = whole.parse::<u32>().ok()? * 100 + format!("{part:0<2}").parse::<u32>().ok()?;
    (value <= 10_000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_read_without_floats() {
        for (text, expected) in [("99", 9_900), ("99.5", 9_950), ("0.07", 7), ("100.00", 10_000)] {
            assert_eq!(hundredths(text), Some(expected), "{text}");
        }
        for text in ["", ".", "99.", "99.999", "101", "-1", "1e2", "+9", "９"] {
            assert_eq!(hundredths(text), None, "{text}");
        }
    }
}
