//! `trombi evaluate`: error rates on labelled pictures, through the code the service uses.

mod cache;
mod congress;
pub(crate) mod data_set;
mod embed;
mod findings;
mod lfw;
mod measure;
mod prediction;
mod report;
pub(super) mod words;

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use sha2::{Digest as _, Sha256};

use super::collections::collection_id;
use super::compare::percent;
use super::failure::{Ending, Failure, Outcome};
use super::{Global, house, interrupt, output};
use crate::gallery::similarity::Calibration;
use crate::gallery::{CollectionId, ExternalImageId, FaceId, ImageId, UserId};
use crate::models::Installed;
use crate::store::{Store, StoreError};
use crate::vision::Embedding;
use cache::Cache;
pub(super) use cache::Hash;
pub(super) use congress::EnrolledFace;
use congress::{Collection, Preset};
pub(crate) use data_set::DataSet;
pub use data_set::accepts_manifest;
use embed::{Chosen, Sample};
use findings::{Findings, Reproducibility};
use lfw::Folds;
pub(super) use measure::Measured;
use measure::Searching;

/// Options of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    data: Data,
}

#[derive(Debug, Subcommand)]
enum Data {
    /// Your own labelled pictures: a folder with a folder for each person, or a CSV manifest (path, person, groups)
    Pictures {
        /// Folder or .csv file
        path: PathBuf,
        #[command(flatten)]
        options: Options,
    },
    /// Labeled Faces in the Wild: the same, and ten-fold accuracy on its 6,000 pairs
    Lfw {
        /// Folder with one sub-folder per person, and `pairs.txt`
        path: PathBuf,
        #[command(flatten)]
        options: Options,
    },
}

/// What is measured, and where it goes.
#[derive(Debug, Args)]
struct Options {
    #[command(flatten)]
    reading: Reading,
    /// A published test's shape to run on these pictures
    #[arg(long, value_name = "TEST")]
    preset: Option<Preset>,
    /// Search in this collection of the data directory instead of among the pictures; with --preset
    #[arg(long, value_name = "NAME", value_parser = collection_id, requires = "preset")]
    collection: Option<CollectionId>,
    /// One more similarity threshold to report, percent
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    threshold: Option<f32>,
    /// Searches a year, for the statement
    #[arg(long, value_name = "N")]
    searches_a_year: Option<u64>,
    /// Random choices of who is searched and who is enrolled
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    draws: u16,
    /// People searched for in each choice, enrolled and not enrolled each
    #[arg(long, value_name = "N", default_value_t = 535, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    probes: u32,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 2018)]
    seed: u64,
    /// Write the report as one HTML file, and the same as JSON beside it
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Write vectors (NumPy) and labels (CSV) into this folder, for checking the figures with another program
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
}

/// How pictures become vectors.
#[derive(Debug, Args)]
pub(super) struct Reading {
    /// Which face of a picture is the labelled person's [default: the largest, as searches take it; lfw: the central]
    #[arg(long, value_name = "FACE")]
    face: Option<Chosen>,
    /// Embed every picture anew and keep nothing
    #[arg(long)]
    no_cache: bool,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let (set, folds, options) = match &arguments.data {
        Data::Pictures { path, options } => (DataSet::open(path).map_err(failed)?, None, options),
        Data::Lfw { path, options } => {
            let (set, folds) = lfw::open(path).map_err(failed)?;
            (set, Some(folds), options)
        }
    };
    check_paths(options)?;
    let installed = house::install(global)?;
    let collection = options.collection.as_ref().map(|id| collection(global, &installed, id)).transpose()?;
    let default = if folds.is_some() { Chosen::Central } else { Chosen::Largest };
    let Some(seen) = see(global, &installed, &set, &options.reading, default)? else {
        output::warning("interrupted; run the same command again to go on where it stopped");
        return Ok(Ending::Interrupted);
    };
    let calibration = installed.calibrations.of(&installed.embedder_contract.model_id);
    let dimensions = installed.embedder_contract.dimensions;
    let measured = Measured::new(&set, &seen.samples, dimensions, calibration, house::seats(global));
    if let Some(folder) = &options.export {
        export(folder, &measured).map_err(failed)?;
    }
    let findings = find(global, &measured, &seen, folds.as_ref(), options, collection.as_ref())?;
    if let Some(file) = &options.report {
        write_report(file, &findings)?;
        output::note(global, &format!("wrote {} and {}", file.display(), file.with_extension("json").display()));
    }
    if global.json {
        output::line(&json(&findings)?)?;
    } else {
        output::lines(&report::text(&findings))?;
    }
    let refused = !findings.data_set.unreadable.is_empty();
    Ok(if refused { Ending::SomeRefused } else { Ending::Done })
}

fn failed(error: anyhow::Error) -> Failure {
    Failure::other(format!("{error:#}"))
}

fn check_paths(options: &Options) -> Result<(), Failure> {
    let is_html = |path: &PathBuf| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"));
    match &options.report {
        Some(path) if !is_html(path) => {
            Err(Failure::Usage(format!("--report writes HTML: `{}` should end in .html", path.display())))
        }
        _ => Ok(()),
    }
}

/// Pictures as seen, and what they were seen with.
pub(super) struct Seeing {
    pub(super) samples: Vec<Sample>,
    networks: Hash,
    chosen: Chosen,
}

/// Embeds every picture that the cache does not know; `None` when interrupted.
pub(super) fn see(
    global: &Global,
    installed: &Installed,
    set: &DataSet,
    reading: &Reading,
    default: Chosen,
) -> Result<Option<Seeing>, Failure> {
    let chosen = reading.face.unwrap_or(default);
    let networks = embed::networks_hash(installed, chosen).map_err(failed)?;
    let dimensions = installed.embedder_contract.dimensions;
    let cache = if reading.no_cache {
        Cache::in_memory(dimensions)
    } else {
        let path = house::data_dir(global)?.join("evaluation").join(format!("{}.embeddings", hex(&networks[..8])));
        Cache::open(&path, &networks, dimensions)
            .map_err(|error| Failure::other(format!("`{}`: {error}", path.display())))?
    };
    let threads = house::seats(global);
    let vision = house::open_vision(global, installed, 4 * threads)?;
    let stop = interrupt::flag()?;
    let progress = output::progress(global, set.pictures.len(), "pictures");
    let embedding = embed::Embedding { vision: &vision, chosen, threads, progress: &progress, stop: &stop };
    let samples = embedding.all(&set.pictures, cache).map_err(failed)?;
    Ok(samples.map(|samples| Seeing { samples, networks, chosen }))
}

fn find(
    global: &Global,
    measured: &Measured<'_>,
    seen: &Seeing,
    folds: Option<&Folds>,
    options: &Options,
    collection: Option<&Collection>,
) -> Result<Findings, Failure> {
    let compared = compare(global, measured);
    let levels = measured.levels(&compared, options.threshold);
    let fit = measured.own_fit(&compared);
    let aside = fit.as_ref().map(|fit| fit.suspected.as_slice()).unwrap_or_default();
    let probes = usize::try_from(options.probes).unwrap_or(usize::MAX);
    // As many people are left to be enrolled as are searched for.
    let probes = probes.min(usize::try_from(measured.counts().0 / 3).unwrap_or(usize::MAX));
    let searching = Searching { seed: options.seed, draws: options.draws.into(), probes };
    let progress = output::progress(global, 2 * usize::from(options.draws), "draws of searches");
    let (mut identification, mut prediction, searches) =
        measured.identification(searching, &levels, &|| progress.inc(1));
    if !aside.is_empty() {
        // Again with suspected labels taken for what they may be; what is predicted is of people, so it is held against
        // this.
        let (without, checks, _) = measured.merged(aside).identification(searching, &levels, &|| progress.inc(1));
        for (gallery, without) in identification.iter_mut().zip(without) {
            for (at, without) in gallery.at_threshold.iter_mut().zip(without.at_threshold) {
                at.fpir_suspects_aside = Some(without.fpir);
            }
        }
        prediction = checks;
    }
    progress.finish_and_clear();
    let data_set = measured.data_set(&seen.samples);
    let network = measured.calibration.model_id.as_str();
    Ok(Findings {
        format: 1,
        statement: measure::statement(&identification, &data_set, network, options.searches_a_year),
        data_set,
        calibration: measured.calibration_part(),
        verification: measured.verification(&compared, &levels, aside),
        listed_pairs: folds.and_then(|folds| measured.listed_pairs(folds)),
        identification,
        prediction,
        congress: options.preset.map(|preset| congress::run(preset, measured, collection, searching)),
        quality: measured.quality(&compared, &levels),
        groups: measured.groups(&compared, &levels, &searches),
        suspects: measured.suspects(&compared, fit.as_ref()),
        reproducibility: reproducibility(measured, seen, options)?,
    })
}

/// Every picture against every other one, with a bar.
pub(super) fn compare(global: &Global, measured: &Measured<'_>) -> crate::gallery::all_pairs::Compared {
    let pictures = measured.people().len();
    let progress = output::progress(global, pictures * pictures.saturating_sub(1) / 2, "comparisons");
    let compared = measured.compare(&|done| progress.inc(done));
    progress.finish_and_clear();
    compared
}

fn reproducibility(measured: &Measured<'_>, seen: &Seeing, options: &Options) -> Result<Reproducibility, Failure> {
    let mut pictures = Sha256::new();
    for (picture, sample) in measured.set.pictures.iter().zip(&seen.samples) {
        for part in [&picture.name, &measured.set.people[picture.person as usize]].into_iter().chain(&picture.groups) {
            pictures.update(part.len().to_le_bytes());
            pictures.update(part);
        }
        pictures.update(sample.hash.unwrap_or_default());
    }
    let setting = |name: &str, value: String| (name.to_owned(), value);
    Ok(Reproducibility {
        program: format!("trombi {}", env!("CARGO_PKG_VERSION")),
        program_sha256: program_hash().map_err(|error| Failure::other(format!("cannot read this program: {error}")))?,
        pictures_sha256: hex(&pictures.finalize()),
        networks_sha256: hex(&seen.networks),
        settings: vec![
            setting("face", seen.chosen.name().to_owned()),
            setting("seed", options.seed.to_string()),
            setting("draws", options.draws.to_string()),
            setting("probes", options.probes.to_string()),
            setting("threshold", options.threshold.map_or_else(|| "none".to_owned(), |t| t.to_string())),
            setting("preset", options.preset.map_or_else(|| "none".to_owned(), |preset| format!("{preset:?}"))),
            setting("collection", options.collection.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)),
        ],
    })
}

fn program_hash() -> std::io::Result<String> {
    Ok(hex(&Sha256::digest(fs::read(std::env::current_exe()?)?)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn json(findings: &Findings) -> Result<String, Failure> {
    serde_json::to_string_pretty(findings).map_err(|error| Failure::other(format!("internal error: {error}")))
}

fn write_report(file: &Path, findings: &Findings) -> Result<(), Failure> {
    let write = |path: &Path, text: &str| {
        fs::write(path, text).map_err(|error| Failure::other(format!("cannot write `{}`: {error}", path.display())))
    };
    write(file, &report::html(findings))?;
    write(&file.with_extension("json"), &(json(findings)? + "\n"))
}

/// A collection's faces, of the network that runs.
fn collection(global: &Global, installed: &Installed, id: &CollectionId) -> Result<Collection, Failure> {
    let mut found = Collection { name: id.to_string(), vectors: Vec::new(), faces: Vec::new() };
    each_face(global, installed, id, &mut |face, vector| {
        found.vectors.extend_from_slice(vector);
        found.faces.push(face);
    })?;
    Ok(found)
}

/// Records read at once.
const PAGE: usize = 10_000;

/// Pictures and external image ids of every face of a collection.
fn names(store: &Store, id: &CollectionId) -> Result<HashMap<FaceId, (ImageId, Option<ExternalImageId>)>, StoreError> {
    let (mut names, mut after) = (HashMap::new(), None);
    loop {
        let page = store.faces(id, after, PAGE, None)?;
        after = page.last().map(|face| face.face_id);
        if after.is_none() {
            return Ok(names);
        }
        names.extend(page.into_iter().map(|face| (face.face_id, (face.image_id, face.external_image_id))));
    }
}

/// Calls `each` with every face of a collection and its vector.
///
/// # Errors
/// It does not exist, is empty, or holds vectors of another network than the one that runs.
pub(super) fn each_face(
    global: &Global,
    installed: &Installed,
    id: &CollectionId,
    each: &mut dyn FnMut(EnrolledFace, &[f32]),
) -> Result<(), Failure> {
    let store = Store::open(&house::data_dir(global)?)?;
    let (model, mut foreign, mut faces) = (&installed.embedder_contract.model_id, 0_usize, 0_usize);
    let refused = |error| match error {
        StoreError::Missing => Failure::other(format!("collection `{id}` does not exist")),
        other => other.into(),
    };
    let mut names = names(&store, id).map_err(refused)?;
    let load = |face_id: FaceId, user: Option<UserId>, embedding: Embedding| {
        // The data directory is this process's own: a vector has its record.
        let Some((image, external)) = names.remove(&face_id) else { return };
        if embedding.model_id() == model {
            faces += 1;
            each(EnrolledFace { id: face_id, image, external, user }, embedding.vector());
        } else {
            foreign += 1;
        }
    };
    store.load_vectors(id, &mut { load }).map_err(refused)?;
    if foreign > 0 {
        return Err(Failure::other(format!(
            "collection `{id}` holds faces of another network than `{model}`, which runs: index its pictures anew"
        )));
    }
    if faces == 0 {
        return Err(Failure::other(format!("collection `{id}` has no faces")));
    }
    Ok(())
}

/// `vectors.npy` (float32, one row for each usable picture) and `labels.csv` (picture, person, groups).
fn export(folder: &Path, measured: &Measured<'_>) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let samples = measured.samples();
    let shape = format!("({}, {})", samples.len(), samples.dimensions);
    let mut head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    // NumPy's format 1.0: magic, version, length of the head, and the head filled up with spaces to 64 bytes.
    while !(10 + head.len() + 1).is_multiple_of(64) {
        head.push(' ');
    }
    head.push('\n');
    let mut file = std::io::BufWriter::new(fs::File::create(folder.join("vectors.npy"))?);
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(head.len())?.to_le_bytes())?;
    file.write_all(head.as_bytes())?;
    for number in samples.vectors {
        file.write_all(&number.to_le_bytes())?;
    }
    file.flush()?;
    let mut labels = csv::Writer::from_path(folder.join("labels.csv"))?;
    let columns = ["path", "person"].into_iter().chain(measured.set.columns.iter().map(String::as_str));
    labels.write_record(columns)?;
    for (sample, &person) in (0..).zip(samples.people) {
        let picture = measured.picture(sample);
        let names = [picture.name.as_str(), measured.set.people[person as usize].as_str()];
        labels.write_record(names.into_iter().chain(picture.groups.iter().map(String::as_str)))?;
    }
    Ok(labels.flush()?)
}

/// The face that searches take.
pub(super) const LARGEST: Chosen = Chosen::Largest;

/// The calibration that a set of pictures is measured against before it has one.
pub(super) fn uncalibrated(installed: &Installed) -> Arc<Calibration> {
    Arc::new(Calibration::none(installed.embedder_contract.model_id.clone()))
}
