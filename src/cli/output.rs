//! Stdout and stderr: the only place that writes to them.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ColorChoice;
use indicatif::{ProgressBar, ProgressStyle};

use super::Global;
use super::failure::Failure;
use crate::operations::Response;

/// One line of an answer.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout().lock(), "{text}").map_err(Failure::Stdout)
}

/// Several lines of an answer, written together.
pub(super) fn lines(lines: &[String]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    lines.iter().try_for_each(|line| writeln!(stdout, "{line}")).map_err(Failure::Stdout)
}

/// One answer as the API writes it, indented.
pub(super) fn json(response: &Response) -> Result<(), Failure> {
    line(&format!("{:#}", api_json(response)?))
}

/// As [`json`], with what the API says in a header as the member `Expected`.
pub(super) fn json_with_expectation(response: &Response) -> Result<(), Failure> {
    let mut value = api_json(response)?;
    let answer = crate::protocol::json::write_response(response);
    let expected = answer.headers.into_iter().find(|(name, _)| *name == crate::protocol::json::EXPECTED);
    if let (Some(members), Some((_, expected))) = (value.as_object_mut(), expected) {
        members.insert("Expected".to_owned(), expected.into());
    }
    line(&format!("{value:#}"))
}

/// One answer as the API writes it, on one line, with the picture it belongs to.
pub(super) fn json_of_picture(picture: &str, response: &Response) -> Result<(), Failure> {
    let mut value = api_json(response)?;
    if let Some(members) = value.as_object_mut() {
        members.insert("Picture".to_owned(), picture.into());
    }
    line(&value.to_string())
}

/// The protocol room's own writer, so that both say the same.
pub(super) fn api_json(response: &Response) -> Result<serde_json::Value, Failure> {
    let answer = crate::protocol::json::write_response(response);
    serde_json::from_slice(&answer.body).map_err(|error| Failure::other(format!("internal error: {error}")))
}

/// The one line of an error. A closed stderr is nobody's loss.
pub(super) fn error_line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "trombi: {}", one_line(text));
}

/// A remark beside the answer; `--quiet` drops it.
pub(super) fn note(global: &Global, text: &str) {
    if !global.quiet {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// A remark that even `--quiet` must not hide.
pub(super) fn warning(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A bar with rate and time left, on stderr when that is a terminal; `--quiet` drops it.
pub(super) fn progress(global: &Global, length: usize, what: &str) -> ProgressBar {
    if global.quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
    let template = format!("{{bar:32}} {{pos}}/{{len}} {what}, {{per_sec}}, {{eta}} left  {{msg}}");
    bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

pub(super) fn stderr_has_colour(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && io::stderr().is_terminal(),
    }
}

/// `text` without line breaks and other control characters: file names and messages come from outside.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A limit in the largest unit that it is a whole number of.
pub(super) fn bytes(count: usize) -> String {
    const UNITS: [(usize, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS.iter().find(|(size, _)| count >= *size && count.is_multiple_of(*size));
    unit.map_or_else(|| format!("{count} bytes"), |(size, name)| format!("{} {name}", count / size))
}

/// Rows as aligned columns, two spaces apart, without trailing spaces. Numbers lean right.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let header: Vec<String> = header.iter().map(|&cell| cell.to_owned()).collect();
    let widths: Vec<usize> = (0..header.len()).map(|column| width_of(column, &header, rows)).collect();
    let right: Vec<bool> = (0..header.len()).map(|column| is_numeric(column, rows)).collect();
    std::iter::once(&header).chain(rows).map(|row| table_row(row, &widths, &right)).collect()
}

fn width_of(column: usize, header: &[String], rows: &[Vec<String>]) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells.chain(header.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
}

fn is_numeric(column: usize, rows: &[Vec<String>]) -> bool {
    let mut cells = rows.iter().filter_map(|row| row.get(column)).peekable();
    cells.peek().is_some() && cells.all(|cell| cell.trim_end_matches([' ', '%', '°']).parse::<f64>().is_ok())
}

fn table_row(row: &[String], widths: &[usize], right: &[bool]) -> String {
    let cells = row.iter().zip(widths).zip(right).map(|((cell, &width), &right)| {
        let cell = one_line(cell);
        if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_lean_right() {
        let rows = vec![vec!["staff".to_owned(), "12".to_owned()], vec!["a".to_owned(), "1234".to_owned()]];
        assert_eq!(table(&["name", "faces"], &rows), ["name   faces", "staff     12", "a       1234"]);
    }

    #[test]
    fn limits_are_told_in_whole_units() {
        assert_eq!([15 << 20, 9, 1025].map(bytes), ["15 MiB", "9 bytes", "1025 bytes"]);
    }

    #[test]
    fn control_characters_of_names_do_not_reach_the_terminal() {
        assert_eq!(one_line("a\u{1b}[31m\nb"), "a [31m b");
    }
}
