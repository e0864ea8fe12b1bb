//! `trombi evaluate lfw DIR`: accuracy on Labeled Faces in the Wild through the code the service uses.
//!
//! Source of the protocol: Huang et al., *Labeled Faces in the Wild* (2007), `View 2`: 6,000 pairs in ten folds,
//! the threshold of each fold chosen on the other nine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use serde_json::json;

use super::failure::{Ending, Failure, Outcome};
use super::{Global, house, output};
use crate::gallery::error_rates::{Comparison, Histogram, Rate, best_threshold, fold_accuracies, right_at};
use crate::gallery::similarity::{calibration, cosine_from_percent, percent_from_cosine};
use crate::vision::{Embedding, Face, ModelId, Scene, Vision};

/// FMR levels of the report.
const FMR_LEVELS: [f64; 5] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
/// Similarity percents whose FMR is checked.
const PERCENT_LEVELS: [f32; 4] = [80.0, 90.0, 95.0, 99.0];

/// Options of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    data_set: DataSet,
}

#[derive(Debug, Subcommand)]
enum DataSet {
    /// Labeled Faces in the Wild: faces found, ten-fold accuracy on the 6,000 pairs, error rates of all comparisons
    Lfw {
        /// Folder with one sub-folder per person, and `pairs.txt`
        dir: PathBuf,
    },
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let DataSet::Lfw { dir } = &arguments.data_set;
    let threads = house::seats(global);
    let vision = house::open_vision(global, &house::install(global)?, 4 * threads)?;
    let progress = output::progress(global, 0, "pictures");
    let report = lfw(&vision, dir, threads, &progress).map_err(|error| Failure::other(format!("{error:#}")))?;
    if global.json {
        output::line(&format!("{:#}", report.to_json()))?;
    } else {
        output::lines(&[report.to_text().trim_end().to_owned()])?;
    }
    Ok(Ending::Done)
}

/// One picture, and the embedding of its most central face.
struct Sample {
    subject: String,
    number: u32,
    embedding: Option<Embedding>,
}

/// What was measured.
struct Report {
    model_id: ModelId,
    pictures: usize,
    /// Pictures without a usable face.
    failed: Vec<PathBuf>,
    /// Accuracy and threshold by fold.
    folds: Vec<(f64, f32)>,
    pairs: Rate,
    pair_threshold: f32,
    missing_pairs: usize,
    mated: Histogram,
    non_mated: Histogram,
}

/// Embeds every picture of `directory` (`NAME/NAME_0001.jpg`, `pairs.txt`) and compares.
///
/// # Errors
/// The folder is not LFW, a picture cannot be read, or the networks fail.
fn lfw(vision: &Vision, directory: &Path, threads: usize, progress: &ProgressBar) -> anyhow::Result<Report> {
    let pairs_file = directory.join("pairs.txt");
    let text = fs::read_to_string(&pairs_file).with_context(|| {
        format!("`{}` cannot be read: expected the folder of LFW with its pairs.txt", pairs_file.display())
    })?;
    let folds = parse_pairs(&text).with_context(|| format!("`{}` is not LFW's list of pairs", pairs_file.display()))?;
    let files = pictures(directory)?;
    ensure!(!files.is_empty(), "`{}` holds no pictures NAME/NAME_0001.jpg", directory.display());
    progress.set_length(files.len() as u64);
    let samples = embed_all(vision, &files, threads, progress)?;
    progress.finish_and_clear();

    let failed =
        files.iter().zip(&samples).filter(|(_, s)| s.embedding.is_none()).map(|(file, _)| file.clone()).collect();
    let by_name: BTreeMap<(&str, u32), &Embedding> =
        samples.iter().filter_map(|s| Some(((s.subject.as_str(), s.number), s.embedding.as_ref()?))).collect();
    let mut missing_pairs = 0;
    let scored: Vec<Vec<Comparison>> = folds
        .iter()
        .map(|fold| {
            let scores: Vec<Comparison> = fold.iter().filter_map(|pair| pair.score(&by_name)).collect();
            missing_pairs += fold.len() - scores.len();
            scores
        })
        .collect();
    let all: Vec<Comparison> = scored.concat();
    ensure!(!all.is_empty(), "none of the pairs in `{}` has both pictures", pairs_file.display());
    let pair_threshold = best_threshold(&all);
    // The ten folds' decisions together: each at the threshold of the other nine.
    let fold_results = fold_accuracies(&scored);
    let right: usize =
        scored.iter().filter(|f| !f.is_empty()).zip(&fold_results).map(|(f, (_, t))| right_at(f, *t)).sum();
    let (mated, non_mated) = all_comparisons(&samples, threads);
    Ok(Report {
        model_id: vision.model_id().clone(),
        pictures: files.len(),
        failed,
        folds: fold_results,
        pairs: Rate { errors: (all.len() - right) as u64, trials: all.len() as u64 },
        pair_threshold,
        missing_pairs,
        mated,
        non_mated,
    })
}

/// Two pictures of the official list.
struct Pair {
    first: (String, u32),
    second: (String, u32),
}

impl Pair {
    fn score(&self, by_name: &BTreeMap<(&str, u32), &Embedding>) -> Option<Comparison> {
        let a = by_name.get(&(self.first.0.as_str(), self.first.1))?;
        let b = by_name.get(&(self.second.0.as_str(), self.second.1))?;
        Some(Comparison { cosine: a.cosine(b)?, mated: self.first.0 == self.second.0 })
    }
}

/// First line: folds and pairs of each kind; then, fold by fold, mated pairs (`NAME i j`) and non-mated ones
/// (`NAME i OTHER j`).
fn parse_pairs(text: &str) -> anyhow::Result<Vec<Vec<Pair>>> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let header: Vec<usize> =
        lines.next().unwrap_or_default().split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [folds, of_each] = header[..] else { bail!("the first line should hold two numbers") };
    ensure!(
        (1..=1000).contains(&folds) && (1..=1_000_000).contains(&of_each),
        "the first line's numbers are out of range"
    );
    let pairs: Vec<Pair> = lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Ok(match words[..] {
                [name, i, j] => Pair { first: (name.to_owned(), i.parse()?), second: (name.to_owned(), j.parse()?) },
                [a, i, b, j] => Pair { first: (a.to_owned(), i.parse()?), second: (b.to_owned(), j.parse()?) },
                _ => bail!("line `{line}` has {} words, expected 3 or 4", words.len()),
            })
        })
        .collect::<anyhow::Result<_>>()?;
    ensure!(
        pairs.len() == folds * of_each * 2,
        "{} pairs, the first line promises {}",
        pairs.len(),
        folds * of_each * 2
    );
    let mut pairs = pairs.into_iter();
    Ok((0..folds).map(|_| pairs.by_ref().take(2 * of_each).collect()).collect())
}

/// `NAME/NAME_0001.jpg`, sorted.
fn pictures(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for person in fs::read_dir(directory).with_context(|| format!("`{}` cannot be read", directory.display()))? {
        let person = person?.path();
        if person.is_dir() {
            for file in fs::read_dir(&person)? {
                let file = file?.path();
                if name_of(&file).is_some() {
                    files.push(file);
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

fn name_of(file: &Path) -> Option<(String, u32)> {
    let stem = file.file_name()?.to_str()?.strip_suffix(".jpg")?;
    let (name, number) = stem.rsplit_once('_')?;
    Some((name.to_owned(), number.parse().ok()?))
}

fn embed_all(
    vision: &Vision,
    files: &[PathBuf],
    threads: usize,
    progress: &ProgressBar,
) -> anyhow::Result<Vec<Sample>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Sample)>> = Mutex::new(Vec::with_capacity(files.len()));
    let worker = || -> anyhow::Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else { return Ok(()) };
            let sample = embed(vision, file).inspect_err(|_| next.store(files.len(), Ordering::Relaxed))?;
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, sample));
            progress.inc(1);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| bail!("a worker panicked")))
    })?;
    let mut samples = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    samples.sort_by_key(|(index, _)| *index);
    Ok(samples.into_iter().map(|(_, sample)| sample).collect())
}

fn embed(vision: &Vision, file: &Path) -> anyhow::Result<Sample> {
    let bytes = fs::read(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    let scene = vision.look(&bytes).with_context(|| format!("`{}`", file.display()))?;
    let aligned = central_face(&scene).and_then(|face| face.aligned.as_ref());
    let embedding = match aligned {
        Some(aligned) => vision.embed(&[aligned])?.pop(),
        None => None,
    };
    let (subject, number) = name_of(file).context("not a picture of LFW")?;
    Ok(Sample { subject, number, embedding })
}

/// The face nearest to the middle: LFW's pictures are cut around the person they name, and in 53 of them somebody
/// else's face is larger.
fn central_face(scene: &Scene) -> Option<&Face> {
    #[expect(clippy::cast_precision_loss, reason = "pixels of a picture")]
    let (x, y) = (scene.width_px as f32 / 2.0, scene.height_px as f32 / 2.0);
    let distance = |face: &Face| {
        let b = &face.detection.box_px;
        (b.left + b.width / 2.0 - x).hypot(b.top + b.height / 2.0 - y)
    };
    scene.faces.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// Every picture against every other.
fn all_comparisons(samples: &[Sample], threads: usize) -> (Histogram, Histogram) {
    let embedded: Vec<(&str, &Embedding)> =
        samples.iter().filter_map(|s| Some((s.subject.as_str(), s.embedding.as_ref()?))).collect();
    let next = AtomicUsize::new(0);
    let total = Mutex::new((Histogram::default(), Histogram::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let (mut mated, mut non_mated) = (Histogram::default(), Histogram::default());
                loop {
                    let row = next.fetch_add(1, Ordering::Relaxed);
                    let Some((subject, embedding)) = embedded.get(row) else { break };
                    for (other_subject, other) in &embedded[row + 1..] {
                        let Some(cosine) = embedding.cosine(other) else { continue };
                        if subject == other_subject { mated.add(cosine) } else { non_mated.add(cosine) }
                    }
                }
                let mut total = total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                total.0.merge(&mated);
                total.1.merge(&non_mated);
            });
        }
    });
    total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Report {
    /// Mean accuracy over the folds and its standard error.
    #[expect(clippy::cast_precision_loss, reason = "ten folds")]
    fn accuracy(&self) -> (f64, f64) {
        let n = self.folds.len() as f64;
        let mean = self.folds.iter().map(|(accuracy, _)| accuracy).sum::<f64>() / n;
        let variance =
            self.folds.iter().map(|(accuracy, _)| (accuracy - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        (mean, (variance / n).sqrt())
    }

    /// As one JSON document.
    fn to_json(&self) -> serde_json::Value {
        let (mean, error) = self.accuracy();
        let (low, high) = self.pairs.interval();
        json!({
            "DataSet": "LFW",
            "Model": self.model_id.as_str(),
            "Pictures": self.pictures,
            "PicturesWithoutFace": self.failed.len(),
            "Pairs": self.pairs.trials,
            "PairsWithoutFace": self.missing_pairs,
            "Accuracy": mean,
            "AccuracyStandardError": error,
            "AccuracyInterval95": [1.0 - high, 1.0 - low],
            "FoldAccuracies": self.folds.iter().map(|(accuracy, _)| accuracy).collect::<Vec<_>>(),
            "FoldThresholds": self.folds.iter().map(|(_, threshold)| threshold).collect::<Vec<_>>(),
            "MatedComparisons": self.mated.total(),
            "NonMatedComparisons": self.non_mated.total(),
            "AtFmr": FMR_LEVELS.iter().filter_map(|&fmr| {
                let threshold = self.non_mated.threshold_at(fmr)?;
                Some(json!({"Fmr": fmr, "Cosine": threshold, "Tmr": self.mated.at_or_above(threshold).value()}))
            }).collect::<Vec<_>>(),
            "AtSimilarity": PERCENT_LEVELS.iter().map(|&percent| {
                let threshold = cosine_from_percent(&self.model_id, percent);
                let fmr = self.non_mated.at_or_above(threshold);
                json!({"Similarity": percent, "Cosine": threshold, "Fmr": fmr.value(), "FmrInterval95": fmr.interval(),
                       "Tmr": self.mated.at_or_above(threshold).value()})
            }).collect::<Vec<_>>(),
        })
    }

    /// As text for a person.
    fn to_text(&self) -> String {
        let (mean, error) = self.accuracy();
        let (low, high) = self.pairs.interval();
        let thresholds = self.folds.iter().map(|(_, t)| *t);
        let (lowest, highest) = thresholds.fold((f32::MAX, f32::MIN), |(l, h), t| (l.min(t), h.max(t)));
        let mut text = String::new();
        let mut line = |words: String| {
            let _ = writeln!(text, "{words}");
        };
        line(format!("Labeled Faces in the Wild, network {}", self.model_id));
        line(format!("  pictures             {}, without a usable face {}", self.pictures, self.failed.len()));
        for file in self.failed.iter().take(10) {
            line(format!("                       {}", file.display()));
        }
        line(format!(
            "  pairs                {}, left out for a missing face {}",
            self.pairs.trials, self.missing_pairs
        ));
        line(format!(
            "  ten-fold accuracy    {:.2} % (standard error {:.2}; 95 % interval of the {} decisions {:.2} to {:.2} %)",
            100.0 * mean,
            100.0 * error,
            self.pairs.trials,
            100.0 * (1.0 - high),
            100.0 * (1.0 - low)
        ));
        line(format!(
            "  thresholds           cosine {lowest:.4} to {highest:.4} over the folds, {:.4} over all pairs ({:.1} %)",
            self.pair_threshold,
            percent_from_cosine(&self.model_id, self.pair_threshold)
        ));
        line(format!("  all comparisons      {} mated, {} non-mated", self.mated.total(), self.non_mated.total()));
        for fmr in FMR_LEVELS {
            match self.non_mated.threshold_at(fmr) {
                Some(threshold) => {
                    let tmr = self.mated.at_or_above(threshold);
                    let (low, high) = tmr.interval();
                    line(format!(
                        "  at FMR {fmr:.0e}          cosine {threshold:.4}, TMR {:.2} % ({:.2} to {:.2})",
                        100.0 * tmr.value().unwrap_or(f64::NAN),
                        100.0 * low,
                        100.0 * high
                    ));
                }
                None => line(format!("  at FMR {fmr:.0e}          too few comparisons to say")),
            }
        }
        for percent in PERCENT_LEVELS {
            let threshold = cosine_from_percent(&self.model_id, percent);
            let fmr = self.non_mated.at_or_above(threshold);
            let (low, high) = fmr.interval();
            line(format!(
                "  at similarity {percent:.0} %   cosine {threshold:.4}, FMR {:.1e} ({low:.1e} to {high:.1e}), TMR {:.2} %",
                fmr.value().unwrap_or(f64::NAN),
                100.0 * self.mated.at_or_above(threshold).value().unwrap_or(f64::NAN)
            ));
        }
        let used = calibration(&self.model_id);
        line(format!("  calibration          {}; {} comparisons; {}", used.data_set, used.comparisons, used.method));
        line("  LFW has known label errors (one person under two names); below FMR 1e-5 they decide the count.".into());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_fold_by_fold() {
        let folds = parse_pairs("2\t1\nA\t1\t2\nA\t1\tB\t3\nC 1 4\nC 2 D 1\n").unwrap();
        assert_eq!(folds.len(), 2);
        assert_eq!(folds[1][0].second, ("C".to_owned(), 4));
        assert_eq!(folds[1][1].second, ("D".to_owned(), 1));
    }

    #[test]
    fn a_list_that_breaks_its_promise_is_refused() {
        for text in ["", "x", "10", "1 1\nA 1 2\n", "1 1\nA 1\nA 1 B 2\n", "1 1\nA one 2\nA 1 B 2", "9999999 9999999\n"]
        {
            assert!(parse_pairs(text).is_err(), "{text:?}");
        }
    }
}
