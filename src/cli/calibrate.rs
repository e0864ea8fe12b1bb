//! `trombi calibrate`: what similarities stand for, from labelled pictures or from a collection.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;

use super::collections::collection_id;
use super::evaluate::{self, DataSet, Measured, Reading};
use super::failure::{Ending, Failure, Outcome};
use super::{Global, house, output};
use crate::gallery::CollectionId;
use crate::gallery::all_pairs::{Compared, Samples, compare_all};
use crate::gallery::calibrate::{self, CalibrationError, Fit, Material};
use crate::gallery::similarity::{Calibration, RateSource};
use crate::models::{Installed, calibration};

/// Pairs kept one by one.
const KEPT: usize = 1 << 22;
const LISTED_MAX: usize = 50;

/// Options of `calibrate`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Labelled pictures: a folder with a folder for each person, or a CSV manifest (path, person)
    #[arg(required_unless_present = "collection", conflicts_with = "collection")]
    pictures: Option<PathBuf>,
    /// Use the faces of this collection instead; faces without a user count as one person each
    #[arg(long, value_name = "NAME", value_parser = collection_id)]
    collection: Option<CollectionId>,
    /// Where to write it [default: the data directory, where every later command reads it]
    #[arg(long, value_name = "FILE.toml")]
    out: Option<PathBuf>,
    /// Name of the data in the calibration [default: the folder's, the file's or the collection's]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[command(flatten)]
    reading: Reading,
}

/// A fit, and the names of the people in it.
struct Fitted {
    fit: Fit,
    people: Vec<String>,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let installed = house::install(global)?;
    let fitted = match (&arguments.collection, &arguments.pictures) {
        (Some(id), _) => of_collection(global, &installed, arguments, id)?,
        (None, Some(path)) => match of_pictures(global, &installed, arguments, path)? {
            Some(fitted) => fitted,
            None => {
                output::warning("interrupted; run the same command again to go on where it stopped");
                return Ok(Ending::Interrupted);
            }
        },
        (None, None) => return Err(Failure::Usage("name labelled pictures or a collection".to_owned())),
    };
    let file = arguments.out.clone().unwrap_or_else(|| installed.calibration_file.clone());
    calibration::write(&fitted.fit.calibration, &file)
        .map_err(|error| Failure::other(format!("cannot write `{}`: {error}", file.display())))?;
    output::note(global, &format!("wrote {}", file.display()));
    if global.json {
        output::line(&format!("{:#}", json(&fitted)))?;
    } else {
        output::lines(&text(&fitted))?;
    }
    Ok(Ending::Done)
}

fn of_pictures(
    global: &Global,
    installed: &Installed,
    arguments: &Arguments,
    path: &std::path::Path,
) -> Result<Option<Fitted>, Failure> {
    let set = DataSet::open(path).map_err(|error| Failure::other(format!("{error:#}")))?;
    let Some(seen) = evaluate::see(global, installed, &set, &arguments.reading, evaluate::LARGEST)? else {
        return Ok(None);
    };
    let blank = evaluate::uncalibrated(installed);
    let dimensions = installed.embedder_contract.dimensions;
    let measured = Measured::new(&set, &seen.samples, dimensions, blank, house::seats(global));
    let compared = evaluate::compare(global, &measured);
    let name = arguments.name.clone().unwrap_or_else(|| set.name.clone());
    let fit = fit(installed, name, &compared, measured.people(), measured.pictures())?;
    Ok(Some(Fitted { fit, people: set.people.clone() }))
}

fn of_collection(
    global: &Global,
    installed: &Installed,
    arguments: &Arguments,
    id: &CollectionId,
) -> Result<Fitted, Failure> {
    let (mut vectors, mut people, mut names) = (Vec::new(), Vec::new(), Vec::<String>::new());
    let mut users: HashMap<String, u32> = HashMap::new();
    evaluate::each_face(global, installed, id, &mut |face, vector| {
        vectors.extend_from_slice(vector);
        let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let number = face.user.as_ref().map_or(next, |user| *users.entry(user.to_string()).or_insert(next));
        if number == next {
            names.push(face.user.as_ref().map_or_else(|| face.name(), ToString::to_string));
        }
        people.push(number);
    })?;
    let mut pictures = vec![0; names.len()];
    people.iter().for_each(|&person| pictures[person as usize] += 1);
    let samples = Samples { dimensions: installed.embedder_contract.dimensions, vectors: &vectors, people: &people };
    let progress = output::progress(global, people.len() * people.len().saturating_sub(1) / 2, "comparisons");
    let compared = compare_all(samples, KEPT, house::seats(global), &|done| progress.inc(done));
    progress.finish_and_clear();
    let name = arguments.name.clone().unwrap_or_else(|| format!("collection {id}"));
    Ok(Fitted { fit: fit(installed, name, &compared, &people, &pictures)?, people: names })
}

fn fit(
    installed: &Installed,
    name: String,
    compared: &Compared,
    people: &[u32],
    pictures: &[u32],
) -> Result<Fit, Failure> {
    let mut blank = Calibration::none(installed.embedder_contract.model_id.clone());
    blank.data_set = name;
    blank.people = Some(pictures.iter().filter(|&&count| count > 0).count() as u64);
    blank.pictures = people.len() as u64;
    let material = Material { non_mated: &compared.non_mated, people, pictures };
    calibrate::fit(blank, material).map_err(|error: CalibrationError| Failure::other(error.to_string()))
}

fn text(fitted: &Fitted) -> Vec<String> {
    let calibration = &fitted.fit.calibration;
    let mut lines = vec![
        format!("calibration of {} on {}", calibration.model_id, calibration.data_set),
        format!(
            "  {} pictures of {} people, {} comparisons of different people",
            calibration.pictures,
            calibration.people.unwrap_or_default(),
            evaluate::words::count(calibration.comparisons)
        ),
        format!("  {}", calibration.method),
    ];
    let rows: Vec<Vec<String>> = calibration
        .anchors()
        .iter()
        .map(|anchor| {
            vec![
                format!("{} %", anchor.percent),
                format!("{:.4}", anchor.cosine),
                format!("{:.1e}", anchor.fmr.rate),
                format!("{:.1e} to {:.1e}", anchor.fmr.low, anchor.fmr.high),
                source(anchor.fmr.source).to_owned(),
            ]
        })
        .collect();
    lines.extend(output::table(&["similarity", "cosine", "FMR", "95 %", "from"], &rows));
    if !fitted.fit.suspected.is_empty() {
        lines.push(format!("suspected to be one person, please look ({}):", fitted.fit.suspected.len()));
        let named = fitted.fit.suspected.iter().take(LISTED_MAX);
        lines.extend(named.map(|&(a, b)| {
            output::one_line(&format!("  {} = {}", fitted.people[a as usize], fitted.people[b as usize]))
        }));
    }
    lines
}

fn source(source: RateSource) -> &'static str {
    match source {
        RateSource::Counted => "counted",
        RateSource::Tail => "tail model",
    }
}

fn json(fitted: &Fitted) -> serde_json::Value {
    let calibration = &fitted.fit.calibration;
    let anchor = |anchor: &crate::gallery::similarity::Anchor| {
        serde_json::json!({
            "Similarity": anchor.percent, "Cosine": anchor.cosine, "Fmr": anchor.fmr.rate, "Low": anchor.fmr.low,
            "High": anchor.fmr.high, "Source": source(anchor.fmr.source), "Spread": anchor.spread,
        })
    };
    let pair = |&(a, b): &(u32, u32)| [fitted.people[a as usize].as_str(), fitted.people[b as usize].as_str()];
    serde_json::json!({
        "Network": calibration.model_id.as_str(),
        "DataSet": calibration.data_set,
        "People": calibration.people,
        "Pictures": calibration.pictures,
        "Comparisons": calibration.comparisons,
        "Method": calibration.method,
        "Check": fitted.fit.check,
        "Anchors": calibration.anchors().iter().map(anchor).collect::<Vec<_>>(),
        "SuspectedOnePerson": fitted.fit.suspected.iter().map(pair).collect::<Vec<_>>(),
    })
}
