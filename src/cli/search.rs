//! `trombi search`: who is the largest face of a picture.

use std::path::{Path, PathBuf};

use clap::Args;

use super::collections::collection_id;
use super::compare::percent;
use super::draw::{self, Mark, Tone};
use super::failure::{Ending, Failure, Outcome};
use super::house::{about_picture, ask, expect_response, picture, read_picture};
use super::{Global, house, output};
use crate::cli::evaluate::words::{count, of_thousand};
use crate::gallery::CollectionId;
use crate::gallery::expectation::{Expectation, Fpir, Unknown};
use crate::gallery::similarity::RateSource;
use crate::operations::search_faces_by_image::{Input, Output};
use crate::operations::types::{BoxRatio, FaceDetail, FaceMatch, QualityFilter};
use crate::operations::{Request, Service, detect_faces};
use crate::vision::BoxPx;

/// Options of `search`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Collection to search
    #[arg(value_parser = collection_id)]
    collection: CollectionId,
    /// Picture whose largest face is searched
    picture: PathBuf,
    /// Similarity from which a face matches, percent [default: 80]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    threshold: Option<f32>,
    /// At most this many matches, best first
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=4096))]
    max_faces: u16,
    /// Write a PNG of the picture with the name and the similarity
    #[arg(long, value_name = "OUT")]
    draw: Option<PathBuf>,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    if let Some(out) = &arguments.draw {
        draw::check_path(out)?;
    }
    let bytes = read_picture(&arguments.picture)?;
    let service = house::open_service(global)?;
    let input = Input {
        collection_id: arguments.collection.clone(),
        image: picture(&bytes),
        faces_max: Some(usize::from(arguments.max_faces)),
        threshold: arguments.threshold,
        quality_filter: QualityFilter::None,
    };
    let response = ask(&service, Request::SearchFacesByImage(input))
        .map_err(|error| about_picture(&arguments.picture, &bytes, error))?;
    if global.json {
        output::json_with_expectation(&response)?;
    }
    let answer = expect_response!(response, SearchFacesByImage)?;
    if !global.json {
        print(&answer)?;
        output::line(&in_words(&answer.expected, arguments.threshold.unwrap_or(80.0)))?;
    }
    if let Some(out) = &arguments.draw {
        draw_answer(&service, &answer, &bytes, out)?;
        output::note(global, &format!("drew {}", out.display()));
    }
    Ok(if answer.matches.is_empty() { Ending::NothingFound } else { Ending::Done })
}

fn print(answer: &Output) -> Result<(), Failure> {
    if answer.matches.is_empty() {
        return output::line("nobody matches");
    }
    let rows: Vec<_> = answer.matches.iter().map(row).collect();
    output::lines(&output::table(&["similarity", "name", "user", "face id"], &rows))
}

/// What the search of somebody who is not enrolled would find, as a sentence.
fn in_words(expected: &Expectation, percent: f32) -> String {
    if expected.enrolled == 0 {
        return "nobody is enrolled".to_owned();
    }
    let enrolled = format!(" among {} enrolled faces", count(expected.enrolled));
    match expected.fpir {
        Fpir::Unknown(Unknown::UserVectors) => format!(
            "how often a stranger would match at {percent} %{enrolled} is not known: users' vectors are means of several faces, and calibrations are of single ones"
        ),
        Fpir::Unknown(Unknown::Uncalibrated) => format!(
            "how often a stranger would match at {percent} %{enrolled} is not known: the network has no calibration; `trombi calibrate` makes one"
        ),
        Fpir::Known { high, low: 0.0, .. } => format!(
            "of 1,000 strangers searched at {percent} %{enrolled}, expect at most {} to match somebody",
            of_thousand(high)
        ),
        Fpir::Known { rate, low, high, source } => format!(
            "of 1,000 strangers searched at {percent} %{enrolled}, expect {} to match somebody ({} to {}{})",
            of_thousand(rate),
            of_thousand(low),
            of_thousand(high),
            if source == RateSource::Tail { "; extrapolated" } else { "" }
        ),
    }
}

fn row(found: &FaceMatch) -> Vec<String> {
    vec![
        format!("{:.2} %", found.similarity),
        found.face.external_image_id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        found.face.user_id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        found.face.face_id.to_string(),
    ]
}

fn draw_answer(service: &Service, answer: &Output, bytes: &[u8], out: &Path) -> Result<(), Failure> {
    // The answer has only the probe's box: landmarks and the other faces come from a detection.
    let input = detect_faces::Input { image: picture(bytes) };
    let faces = expect_response!(ask(service, Request::DetectFaces(input))?, DetectFaces)?.faces;
    let probe = faces.iter().position(|face| same_box(face.box_ratio, answer.searched_box));
    let others = faces.iter().enumerate().filter(|(index, _)| Some(*index) != probe).map(|(_, face)| bystander(face));
    let mut marks: Vec<Mark> = others.collect();
    marks.push(probe_mark(answer, probe.and_then(|index| faces.get(index))));
    draw::scene(bytes, &marks, out)
}

fn same_box(a: BoxRatio, b: BoxRatio) -> bool {
    let as_box = |r: BoxRatio| BoxPx { left: r.left, top: r.top, width: r.width, height: r.height };
    as_box(a).iou(&as_box(b)) > 0.9
}

fn bystander(face: &FaceDetail) -> Mark {
    Mark {
        box_ratio: face.box_ratio,
        landmarks_ratio: None,
        tone: Tone::Faint,
        title: String::new(),
        value: String::new(),
    }
}

fn probe_mark(answer: &Output, detail: Option<&FaceDetail>) -> Mark {
    let best = answer.matches.first();
    let name = best.map(|found| {
        let (user, picture) = (found.face.user_id.as_ref(), found.face.external_image_id.as_ref());
        user.map(ToString::to_string).or_else(|| picture.map(ToString::to_string)).unwrap_or_default()
    });
    Mark {
        box_ratio: answer.searched_box,
        landmarks_ratio: detail.map(|face| face.landmarks_ratio),
        tone: if best.is_some() { Tone::Strong } else { Tone::Weak },
        title: name.map_or_else(|| "unknown".to_owned(), |name| draw::readable_name(&name)),
        value: best.map_or_else(String::new, |found| format!("{:.1} %", found.similarity)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_told_in_words_and_never_made_up() {
        let said = |fpir| in_words(&Expectation { enrolled: 12_345, fpir }, 80.0);
        let known = |rate, low, high, source| said(Fpir::Known { rate, low, high, source });
        assert_eq!(
            known(0.0312, 0.021, 0.045, RateSource::Counted),
            "of 1,000 strangers searched at 80 % among 12,345 enrolled faces, expect 31 to match somebody (21 to 45)"
        );
        assert!(known(0.0312, 0.021, 0.045, RateSource::Tail).ends_with("(21 to 45; extrapolated)"));
        assert!(known(0.001, 0.0, 0.0012, RateSource::Tail).ends_with("expect at most 1.2 to match somebody"));
        assert!(said(Fpir::Unknown(Unknown::Uncalibrated)).contains("is not known"));
    }
}
