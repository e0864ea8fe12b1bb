//! What a run of `index` did, and the summary of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::output::one_line;
use crate::operations::index_faces;
use crate::operations::types::Reason;

/// File names shown for each reason.
const EXAMPLES: usize = 3;

/// Reasons told apart; texts come from decoders, and pictures from anywhere.
const REASONS_MAX: usize = 50;

/// Counts of one run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Pictures that the journal knew.
    pub(super) indexed_before: usize,
    /// Pictures that gave at least one face.
    pub(super) pictures_indexed: usize,
    /// Pictures (and folders) that gave none.
    pub(super) pictures_refused: usize,
    /// Faces enrolled.
    pub(super) faces: usize,
    /// Names in which characters were replaced, and one of them.
    pub(super) names_changed: usize,
    pub(super) name_changed_example: Option<PathBuf>,
    pub(super) refused: BTreeMap<String, Refused>,
}

#[derive(Debug, Default)]
pub(super) struct Refused {
    count: usize,
    examples: Vec<PathBuf>,
}

impl Tally {
    /// Counts a picture that could not be looked at.
    pub(super) fn refuse(&mut self, why: &str, path: &Path) {
        self.pictures_refused += 1;
        self.count_reason(why, path);
    }

    /// Counts a picture that the service answered for.
    pub(super) fn indexed(&mut self, path: &Path, output: &index_faces::Output, name_changed: bool) {
        self.faces += output.records.len();
        for face in &output.unindexed {
            for &reason in &face.reasons {
                self.count_reason(in_words(reason), path);
            }
        }
        if output.records.is_empty() {
            self.pictures_refused += 1;
            if output.unindexed.is_empty() {
                self.count_reason("no face in the picture", path);
            }
        } else {
            self.pictures_indexed += 1;
        }
        if name_changed {
            self.names_changed += 1;
            self.name_changed_example.get_or_insert_with(|| path.to_path_buf());
        }
    }

    fn count_reason(&mut self, why: &str, path: &Path) {
        let known = self.refused.contains_key(why) || self.refused.len() < REASONS_MAX;
        let entry = self.refused.entry(if known { why } else { "other" }.to_owned()).or_default();
        entry.count += 1;
        if entry.examples.len() < EXAMPLES {
            entry.examples.push(path.to_path_buf());
        }
    }

    /// Lines for a person.
    pub(super) fn summary(&self) -> Vec<String> {
        let pictures = self.pictures_indexed + self.pictures_refused + self.indexed_before;
        let mut lines = vec![
            format!(
                "pictures  {pictures} ({} indexed, {} before, {} without an enrolled face)",
                self.pictures_indexed, self.indexed_before, self.pictures_refused
            ),
            format!("faces     {} enrolled", self.faces),
        ];
        if !self.refused.is_empty() {
            lines.push("refused".to_owned());
        }
        let mut reasons: Vec<_> = self.refused.iter().collect();
        reasons.sort_by_key(|(why, refused)| (std::cmp::Reverse(refused.count), why.as_str()));
        lines.extend(reasons.into_iter().map(|(why, refused)| refused.line(why)));
        if let Some(example) = &self.name_changed_example {
            let name = one_line(&example.to_string_lossy());
            lines.push(format!("names     {} had characters replaced by `_`, for example {name}", self.names_changed));
        }
        lines
    }
}

impl Refused {
    fn line(&self, why: &str) -> String {
        let names =
            self.examples.iter().map(|path| one_line(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()));
        let more = if self.count > self.examples.len() { ", …" } else { "" };
        format!("  {:>6}  {}: {}{more}", self.count, one_line(why), names.collect::<Vec<_>>().join(", "))
    }
}

fn in_words(reason: Reason) -> &'static str {
    match reason {
        Reason::ExceedsMaxFaces => "face over --max-faces",
        Reason::ExtremePose => "face turned too far",
        Reason::LowBrightness => "face too dark",
        Reason::LowSharpness => "face too blurred",
        Reason::LowConfidence => "detector not sure it is a face",
        Reason::SmallBoundingBox => "face too small",
        Reason::LowFaceQuality => "face quality too low",
        Reason::FaceNotLargest => "not the largest face",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_has_the_commonest_reason_first_with_three_examples() {
        let mut tally = Tally { indexed_before: 2, ..Tally::default() };
        tally.refuse("picture too large", Path::new("x/huge.png"));
        let nothing = index_faces::Output { records: vec![], unindexed: vec![], model_version: "1".into() };
        for n in 0..4 {
            tally.indexed(Path::new(&format!("x/{n}.jpg")), &nothing, n == 3);
        }
        assert_eq!(
            tally.summary(),
            [
                "pictures  7 (0 indexed, 2 before, 5 without an enrolled face)",
                "faces     0 enrolled",
                "refused",
                "       4  no face in the picture: 0.jpg, 1.jpg, 2.jpg, …",
                "       1  picture too large: huge.png",
                "names     1 had characters replaced by `_`, for example x/3.jpg",
            ]
        );
    }

    #[test]
    fn a_million_different_reasons_do_not_fill_the_memory() {
        let mut tally = Tally::default();
        for n in 0..1000 {
            tally.refuse(&format!("broken at byte {n}"), Path::new("a.jpg"));
        }
        assert!(tally.refused.len() <= REASONS_MAX + 1);
        assert_eq!(tally.refused.values().map(|r| r.count).sum::<usize>(), 1000);
    }
}
