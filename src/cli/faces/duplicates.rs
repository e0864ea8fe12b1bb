//! `trombi faces duplicates`: faces of a collection that are like one another.

use clap::Args;
use serde_json::{Value, json};

use super::super::collections::collection_id;
use super::super::compare::percent;
use super::super::evaluate::words::{count, of_thousand};
use super::super::failure::{Ending, Failure, Outcome};
use super::super::{Global, output};
use crate::gallery::CollectionId;
use crate::gallery::similarity::{RateSource, StatedRate};
use crate::operations::search_faces_pairwise::{Duplicate, Input, Output, PAIRS_MAX};
use crate::operations::types::FaceRecord;
use crate::operations::{Response, Service, list_faces};
use crate::policy::Principal;

/// Parts of the work that the bar knows.
const PARTS: usize = 1000;

/// Options of `faces duplicates`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Collection whose faces are compared, each with every other
    #[arg(value_parser = collection_id)]
    collection: CollectionId,
    /// Similarity from which two faces are told, percent
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "99")]
    threshold: f32,
    /// At most this many pairs, the closest first
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = pairs)]
    max_pairs: usize,
}

fn pairs(text: &str) -> Result<usize, String> {
    let wanted = || format!("expected 1 to {PAIRS_MAX}");
    text.parse().ok().filter(|number| (1..=PAIRS_MAX).contains(number)).ok_or_else(wanted)
}

pub(super) fn run(global: &Global, service: &Service, arguments: &Arguments) -> Outcome {
    let input = Input {
        collection_id: arguments.collection.clone(),
        threshold: arguments.threshold,
        pairs_max: arguments.max_pairs,
    };
    let bar = output::progress(global, PARTS, "thousandths");
    let found = service.search_faces_pairwise(&Principal::Local, &input, &|share| bar.set_position(part(share)));
    bar.finish_and_clear();
    let found = found?;
    if global.json {
        output::line(&format!("{:#}", to_json(&found)?))?;
    } else {
        if !found.pairs.is_empty() {
            let rows: Vec<_> = found.pairs.iter().map(row).collect();
            output::lines(&output::table(
                &["similarity", "name", "user", "face id", "name", "user", "face id"],
                &rows,
            ))?;
        }
        output::line(&in_words(&found))?;
    }
    Ok(if found.pairs.is_empty() { Ending::NothingFound } else { Ending::Done })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to PARTS")]
fn part(share: f64) -> u64 {
    (share * PARTS as f64) as u64
}

fn row(pair: &Duplicate) -> Vec<String> {
    let mut row = vec![format!("{:.2} %", pair.similarity)];
    for face in &pair.faces {
        row.push(face.external_image_id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string));
        row.push(face.user_id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string));
        row.push(face.face_id.to_string());
    }
    row
}

/// What was compared and found, and how much of it may be chance.
fn in_words(found: &Output) -> String {
    let compared = found.faces * found.faces.saturating_sub(1) / 2;
    let all = found.pairs.len() < found.pairs_max;
    let told = format!(
        "{}{} of {} pairs of {} faces at {} % or above",
        if all { "" } else { "the closest " },
        count(found.pairs.len() as u64),
        count(compared),
        count(found.faces),
        found.threshold
    );
    match found.expected_false {
        None => format!(
            "{told}; how many different people would look so alike is not known: the network has no calibration"
        ),
        Some(StatedRate { high, low: 0.0, .. }) => {
            format!("{told}; if all were different people, expect at most {}", number(high))
        }
        Some(StatedRate { rate, low, high, source }) => format!(
            "{told}; if all were different people, expect {} ({} to {}{})",
            number(rate),
            number(low),
            number(high),
            if source == RateSource::Tail { "; extrapolated" } else { "" }
        ),
    }
}

/// A number of pairs that is expected, which may be a small part of one.
fn number(expected: f64) -> String {
    of_thousand(expected / 1000.0)
}

fn to_json(found: &Output) -> Result<Value, Failure> {
    let faces: Vec<FaceRecord> = found.pairs.iter().flat_map(|pair| pair.faces.clone()).collect();
    let faces = Response::ListFaces(list_faces::Output { faces, next_token: None, model_version: String::new() });
    let faces = output::api_json(&faces)?["Faces"].take();
    let faces = faces.as_array().map(Vec::as_slice).unwrap_or_default().chunks(2);
    let pairs: Vec<Value> = found
        .pairs
        .iter()
        .zip(faces)
        .map(|(pair, faces)| json!({ "Similarity": pair.similarity, "Faces": faces }))
        .collect();
    let expected = found.expected_false.map(|rate| {
        let basis = if rate.source == RateSource::Tail { "tail" } else { "counted" };
        json!({ "Pairs": rate.rate, "Lower": rate.low, "Upper": rate.high, "Basis": basis })
    });
    Ok(json!({
        "Pairs": pairs,
        "FacesCompared": found.faces,
        "Threshold": found.threshold,
        "ExpectedIfAllDifferent": expected,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_told_beside_what_chance_makes() {
        let found =
            |expected_false| Output { pairs: Vec::new(), faces: 1000, threshold: 99.0, pairs_max: 7, expected_false };
        let rate = |rate, low, source| Some(StatedRate { rate, low, high: 3.0, source });
        let told = "0 of 499,500 pairs of 1,000 faces at 99 % or above; if all were different people, expect ";
        assert_eq!(in_words(&found(rate(0.5, 0.0, RateSource::Counted))), format!("{told}at most 3.0"));
        let tail = in_words(&found(rate(0.5, 0.25, RateSource::Tail)));
        assert_eq!(tail, format!("{told}0.5 (0.2 to 3.0; extrapolated)"));
        assert!(in_words(&found(None)).ends_with("the network has no calibration"));
        let closest = in_words(&Output { pairs_max: 0, ..found(None) });
        assert!(closest.starts_with("the closest 0 of 499,500 pairs"), "{closest}");
    }
}
