//! `trombi compare`: the largest face of one picture against every face of another.

use std::path::{Path, PathBuf};

use clap::Args;

use super::draw::{self, Mark, Pair, Tone};
use super::failure::{Ending, Failure, Outcome};
use super::house::{ScratchService, ask, complaint, expect_response, is_about_the_picture, picture, read_picture};
use super::{Global, output};
use crate::operations::compare_faces::{Input, Output};
use crate::operations::types::{FaceDetail, QualityFilter};
use crate::operations::{OperationError, Request, Response, Service, detect_faces};

/// The API's own default of `SimilarityThreshold`, percent.
pub(super) const DEFAULT_THRESHOLD: f32 = 80.0;

/// Options of `compare`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Picture whose largest face is compared
    source: PathBuf,
    /// Picture with the faces it is compared with
    target: PathBuf,
    /// Similarity from which two faces match, percent
    #[arg(long, value_name = "PERCENT", default_value_t = DEFAULT_THRESHOLD, value_parser = percent)]
    threshold: f32,
    /// Write a PNG with both pictures, and lines between the faces that match
    #[arg(long, value_name = "OUT")]
    draw: Option<PathBuf>,
}

/// Reads a percentage, 0 to 100.
pub(super) fn percent(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "expected a number, 0 to 100".to_owned())?;
    if (0.0..=100.0).contains(&value) { Ok(value) } else { Err("expected 0 to 100".to_owned()) }
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    if let Some(out) = &arguments.draw {
        draw::check_path(out)?;
    }
    let (source, target) = (read_picture(&arguments.source)?, read_picture(&arguments.target)?);
    let scratch = ScratchService::open(global)?;
    let response = compare(scratch.service(), global, arguments, &source, &target)?;
    if global.json {
        output::json(&response)?;
    }
    let answer = expect_response!(response, CompareFaces)?;
    if !global.json {
        print(&answer, arguments.threshold)?;
    }
    if let Some(out) = &arguments.draw {
        draw_pair(arguments.threshold, &answer, [&source, &target], out)?;
        output::note(global, &format!("drew {}", out.display()));
    }
    let matched = answer.matches.iter().any(|(similarity, _)| *similarity >= arguments.threshold);
    Ok(if matched { Ending::Done } else { Ending::NothingFound })
}

fn compare(
    service: &Service,
    global: &Global,
    arguments: &Arguments,
    source: &[u8],
    target: &[u8],
) -> Result<Response, Failure> {
    let input = Input {
        source: picture(source),
        target: picture(target),
        // People want to see how far off a face is, too: text asks for every similarity.
        threshold: Some(if global.json { arguments.threshold } else { 0.0 }),
        quality_filter: QualityFilter::None,
    };
    let pictures = [(arguments.source.as_path(), source), (arguments.target.as_path(), target)];
    ask(service, Request::CompareFaces(input)).map_err(|error| explain(service, &pictures, error))
}

/// The API has one error for a bad picture and one for a missing face; a person wants to know which and where.
fn explain(service: &Service, pictures: &[(&Path, &[u8])], error: OperationError) -> Failure {
    if !is_about_the_picture(&error) {
        return error.into();
    }
    for (path, bytes) in pictures {
        if let Some(why) = complaint(bytes) {
            return Failure::other(format!("`{}`: {why}", path.display()));
        }
    }
    let faceless = pictures.iter().find(|(_, bytes)| has_no_face(service, bytes));
    faceless.map_or_else(
        || error.into(),
        |(path, _)| Failure::NoFace(format!("`{}`: there is no face in the picture", path.display())),
    )
}

fn has_no_face(service: &Service, bytes: &[u8]) -> bool {
    let input = detect_faces::Input { image: picture(bytes) };
    matches!(ask(service, Request::DetectFaces(input)), Ok(Response::DetectFaces(found)) if found.faces.is_empty())
}

fn print(answer: &Output, threshold: f32) -> Result<(), Failure> {
    let matched = |similarity: f32| if similarity >= threshold { "match" } else { "no match" };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (similarity, face) in &answer.matches {
        rows.push(row(format!("{similarity:.2} %"), matched(*similarity), face));
    }
    for face in &answer.unmatched {
        rows.push(row("-".to_owned(), "no match", face));
    }
    output::lines(&output::table(&["similarity", "verdict", "confidence", "left", "top", "width", "height"], &rows))
}

fn row(similarity: String, verdict: &str, face: &FaceDetail) -> Vec<String> {
    let percent = |ratio: f32| format!("{:.1} %", 100.0 * ratio);
    let area = &face.box_ratio;
    vec![
        similarity,
        verdict.to_owned(),
        format!("{:.2} %", face.confidence),
        percent(area.left),
        percent(area.top),
        percent(area.width),
        percent(area.height),
    ]
}

fn draw_pair(threshold: f32, answer: &Output, [source, target]: [&[u8]; 2], out: &Path) -> Result<(), Failure> {
    let best = answer.matches.iter().map(|(similarity, _)| *similarity).fold(0.0, f32::max);
    let probe = Mark {
        box_ratio: answer.source_box,
        landmarks_ratio: None,
        tone: Tone::of_similarity(best, threshold),
        title: String::new(),
        value: String::new(),
    };
    let mut marks = Vec::new();
    for (similarity, face) in &answer.matches {
        let tone = Tone::of_similarity(*similarity, threshold);
        let value = if tone == Tone::Faint { format!("{similarity:.1} %") } else { String::new() };
        marks.push((target_mark(face, tone, value), (tone != Tone::Faint).then(|| format!("{similarity:.1} %"))));
    }
    for face in &answer.unmatched {
        marks.push((target_mark(face, Tone::Faint, String::new()), None));
    }
    draw::pair(&Pair { source, target, probe, marks }, out)
}

fn target_mark(face: &FaceDetail, tone: Tone, value: String) -> Mark {
    Mark { box_ratio: face.box_ratio, landmarks_ratio: Some(face.landmarks_ratio), tone, title: String::new(), value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_outside_0_to_100_are_refused() {
        assert_eq!(percent("99.5"), Ok(99.5));
        for wrong in ["-1", "100.1", "NaN", "inf", "", "x"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
