//! `trombi bench search`: how fast this machine searches, against what its memory allows.

mod on_disk;

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use uuid::Uuid;

use super::failure::{Ending, Failure, Outcome};
use super::{Global, output};
use crate::gallery::{Collection, FaceId, Filter, Means, Search};
use crate::vision::{Embedding, ModelId};

const SEED: u64 = 20_261_124;
/// Single searches of each kind; the median is told.
const PROBES: usize = 48;
/// Probes in one pass.
const BATCH: usize = 16;
/// First faces enrolled, which give the threshold at FMR 1e-4: 48 x 2,000 comparisons.
const STRANGERS: usize = 2000;
/// Runs of memory that are read at once.
const RUNS: usize = 8;
/// Best of so many readings is the memory's bandwidth.
const READINGS: usize = 5;
const READING_BYTES: usize = 1 << 29;
/// Comparing every vector is timed up to here; beyond, it would need the vectors twice in memory.
const PLAIN_FACES_MAX: usize = 2_000_000;
/// Comparing every face with every other is timed up to here: a million would take minutes.
const PAIRS_FACES_MAX: usize = 100_000;
/// The share of directions that faces use, and how their energy falls off: as face-reidentification-retail-0095's
/// embeddings of LFW do (half of the energy in a seventh of the directions, nothing beyond five eighths).
const USED_DIRECTIONS: f64 = 0.625;
const FALL_OFF: f64 = 1.3;

/// Options of `bench`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Exact 1:N search: time per probe by gallery size, bytes per second against the memory's bandwidth
    Search(SearchArguments),
}

#[derive(Debug, Args)]
struct SearchArguments {
    /// Enrolled faces; several numbers with commas between
    #[arg(long, value_delimiter = ',', default_value = "10000,100000,1000000", value_name = "N")]
    faces: Vec<usize>,
    /// Components of an embedding
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=16_384), value_name = "D")]
    dim: u32,
    /// Vectors without any structure instead of such as faces have
    #[arg(long)]
    even: bool,
    /// Enrol these vectors instead: unit vectors of D little-endian 32-bit floats, one after another
    #[arg(long, value_name = "FILE", requires = "probes")]
    vectors: Option<PathBuf>,
    /// Search for these, in the same form
    #[arg(long, value_name = "FILE", requires = "vectors")]
    probes: Option<PathBuf>,
    /// Threshold [default: that of FMR 1e-4 on the vectors]
    #[arg(long, value_name = "COSINE")]
    cosine_min: Option<f32>,
    /// Build a store in this folder, open it again and search it from there; the folder must be new and stays
    #[arg(long, value_name = "DIR")]
    on_disk: Option<PathBuf>,
    /// Most candidates of a search
    #[arg(long, default_value_t = 4096, value_name = "N")]
    limit: usize,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let What::Search(arguments) = &arguments.what;
    search(global, arguments).map_err(|error| match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(error) => Failure::other(format!("{error:#}")),
    })?;
    Ok(Ending::Done)
}

/// Where vectors come from.
enum Source {
    Made { random: Random, deviations: Vec<f32> },
    Given { vectors: Vec<f32>, at: usize },
}

impl Source {
    fn next(&mut self, model: &ModelId, dimensions: usize) -> anyhow::Result<Embedding> {
        match self {
            Self::Made { random, deviations } => {
                let raw: Vec<f32> = deviations.iter().map(|deviation| deviation * random.normal()).collect();
                Embedding::normalised(model.clone(), &raw).context("a vector without direction")
            }
            Self::Given { vectors, at } => {
                let vector = vectors.get(*at * dimensions..(*at + 1) * dimensions);
                let vector = vector.with_context(|| format!("the file holds {at} vectors only"))?;
                *at += 1;
                Embedding::from_unit(model.clone(), vector.to_vec())
                    .with_context(|| format!("vector {at} has not unit length"))
            }
        }
    }
}

/// Uniform numbers from a seed, and sums of them that are near enough to normal.
struct Random(u64);

impl Random {
    #[expect(clippy::cast_precision_loss, reason = "24 bits")]
    fn normal(&mut self) -> f32 {
        let mut uniform = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f32 / 16_777_216.0
        };
        (0..6).map(|_| uniform()).sum::<f32>() - 3.0
    }
}

fn read_vectors(file: &Path, dimensions: usize) -> anyhow::Result<Vec<f32>> {
    let bytes = fs::read(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    ensure!(bytes.len() % (4 * dimensions) == 0, "`{}` holds no whole number of vectors", file.display());
    Ok(bytes.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect())
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "directions, and their deviations")]
fn deviations(dimensions: usize, even: bool) -> Vec<f32> {
    let used = (USED_DIRECTIONS * dimensions as f64).max(1.0);
    let energy = |i: usize| if even { 1.0 } else { (1.0 - i as f64 / used).max(0.0).powf(FALL_OFF) };
    (0..dimensions).map(|i| energy(i).sqrt() as f32).collect()
}

fn search(global: &Global, arguments: &SearchArguments) -> anyhow::Result<()> {
    let dimensions = arguments.dim as usize;
    let model = ModelId::new("bench");
    let made = || Source::Made { random: Random(SEED), deviations: deviations(dimensions, arguments.even) };
    let given = |file: &Path| Ok::<_, anyhow::Error>(Source::Given { vectors: read_vectors(file, dimensions)?, at: 0 });
    let mut source = arguments.vectors.as_deref().map_or_else(|| Ok(made()), given)?;
    let probes: Vec<Embedding> = match &arguments.probes {
        None => (0..PROBES).map(|_| source.next(&model, dimensions)).collect::<Result<_, _>>()?,
        Some(file) => {
            let mut probes = given(file)?;
            (0..PROBES).map(|_| probes.next(&model, dimensions)).collect::<Result<_, _>>()?
        }
    };
    let mut sizes = arguments.faces.clone();
    sizes.sort_unstable();
    let Some(&largest) = sizes.last().filter(|_| sizes[0] > 0) else { bail!("--faces needs numbers above 0") };
    if let Some(folder) = &arguments.on_disk {
        return on_disk::search(global, arguments, folder, &mut source, &probes, &sizes);
    }
    let mut house = House {
        coded: Collection::with_means(model.clone(), dimensions, one_thread(), None),
        cores: Collection::with_means(model.clone(), dimensions, Means::default(), None),
        plain: Collection::with_means(model.clone(), dimensions, Means { codes: false, ..one_thread() }, None),
        strangers: Vec::new(),
        adding: Duration::ZERO,
    };
    let bandwidth = [bandwidth(1), bandwidth(Means::default().threads_max)];
    if !global.json {
        output::line(&format!(
            "memory read at {:.1} GB/s by one thread, {:.1} GB/s by {}; {:?}, {dimensions}-d",
            bandwidth[0],
            bandwidth[1],
            Means::default().threads_max,
            Means::default().path
        ))?;
    }
    let mut rows = Vec::new();
    let mut cosine_min = arguments.cosine_min;
    for size in sizes {
        house.grow_to(size, largest, &mut source, &model, dimensions)?;
        let cosine_min = match cosine_min {
            Some(cosine) => cosine,
            None => *cosine_min.insert(threshold(&house.strangers, &probes)),
        };
        let row = house.measure(&probes, Search { cosine_min, limit: arguments.limit })?;
        if global.json {
            rows.push(row.to_json(bandwidth));
        } else {
            row.lines(bandwidth).iter().try_for_each(|line| output::line(line))?;
        }
    }
    if global.json {
        output::line(&format!(
            "{:#}",
            json!({ "Dimensions": dimensions, "Path": format!("{:?}", Means::default().path), "Sizes": rows })
        ))?;
    }
    Ok(())
}

fn one_thread() -> Means {
    Means { threads_max: 1, ..Means::default() }
}

/// Ids in no order, as real ones are.
fn face_id(n: usize) -> FaceId {
    FaceId(Uuid::from_u128(scattered(n)))
}

fn scattered(n: usize) -> u128 {
    (n as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
}

/// The same faces three times: to be searched by one thread, by all cores, and without codes.
struct House {
    coded: Collection,
    cores: Collection,
    plain: Collection,
    strangers: Vec<Embedding>,
    /// Time that adding to `coded` took so far.
    adding: Duration,
}

impl House {
    fn grow_to(
        &mut self,
        size: usize,
        largest: usize,
        source: &mut Source,
        model: &ModelId,
        dimensions: usize,
    ) -> anyhow::Result<()> {
        for n in self.coded.face_count()..size {
            let embedding = source.next(model, dimensions)?;
            let face = face_id(n);
            let start = Instant::now();
            self.coded.insert(face, &embedding, None).context("another model's embedding")?;
            self.adding += start.elapsed();
            if largest <= PLAIN_FACES_MAX {
                self.cores.insert(face, &embedding, None).context("another model's embedding")?;
                self.plain.insert(face, &embedding, None).context("another model's embedding")?;
            }
            if self.strangers.len() < STRANGERS {
                self.strangers.push(embedding);
            }
        }
        Ok(())
    }

    fn measure(&self, probes: &[Embedding], search: Search) -> anyhow::Result<Row> {
        let some = |collection: &Collection| {
            (collection.face_count() > 0).then(|| one_probe_ms(collection, probes, search)).transpose()
        };
        let footprint = self.coded.footprint();
        Ok(Row {
            faces: self.coded.face_count(),
            search,
            found: found(&self.coded, probes, search)?,
            one_ms: one_probe_ms(&self.coded, probes, search)?,
            cores_ms: some(&self.cores)?,
            plain_ms: some(&self.plain)?,
            batch_ms: batch_ms(&self.coded, probes, search)?,
            pairs: every_pair(&self.cores, search.cosine_min)?,
            added_per_s: self.coded.face_count() as f64 / self.adding.as_secs_f64(),
            scanned: footprint.scanned_bytes as f64,
            code_bytes: footprint.code_bytes as f64 / footprint.rows as f64,
        })
    }
}

/// The cosine that one in 10,000 comparisons of strangers reaches.
fn threshold(strangers: &[Embedding], probes: &[Embedding]) -> f32 {
    let compare = |probe: &Embedding| strangers.iter().filter_map(|other| probe.cosine(other)).collect();
    let mut cosines: Vec<f32> = probes.iter().flat_map(|probe| -> Vec<f32> { compare(probe) }).collect();
    cosines.sort_by(|a, b| b.total_cmp(a));
    cosines.get(cosines.len() / 10_000).copied().unwrap_or(0.0)
}

/// Candidates of a probe, on average.
fn found(collection: &Collection, probes: &[Embedding], search: Search) -> anyhow::Result<f64> {
    let all: Vec<&Embedding> = probes.iter().collect();
    let found = collection.search_many(&all, search, Filter::All)?;
    Ok(found.iter().map(Vec::len).sum::<usize>() as f64 / all.len() as f64)
}

/// Median of all probes, one at a time.
fn one_probe_ms(collection: &Collection, probes: &[Embedding], search: Search) -> anyhow::Result<f64> {
    let one = |probe| time(|| collection.search(probe, search, Filter::All));
    Ok(median(probes.iter().map(one).collect::<Result<Vec<f64>, _>>()?))
}

/// Median of a probe's share when some are searched for together.
fn batch_ms(collection: &Collection, probes: &[Embedding], search: Search) -> anyhow::Result<f64> {
    let all: Vec<&Embedding> = probes.iter().collect();
    let one = |batch| time(|| collection.search_many(batch, search, Filter::All));
    let batches: Result<Vec<f64>, _> = all.chunks_exact(BATCH).map(one).collect();
    Ok(median(batches?) / BATCH as f64)
}

/// Every face with every other.
struct EveryPair {
    seconds: f64,
    compared: f64,
    found: usize,
}

fn every_pair(collection: &Collection, cosine_min: f32) -> anyhow::Result<Option<EveryPair>> {
    let faces = collection.face_count();
    if faces == 0 || faces > PAIRS_FACES_MAX {
        return Ok(None);
    }
    let start = Instant::now();
    let found = collection.pairs(Search { cosine_min, limit: usize::MAX }, &|_| {})?.len();
    let compared = faces as f64 * (faces as f64 - 1.0) / 2.0;
    Ok(Some(EveryPair { seconds: start.elapsed().as_secs_f64(), compared, found }))
}

/// Milliseconds that it takes when it succeeds.
fn time<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<f64, E> {
    let start = Instant::now();
    black_box(work()?);
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// GB/s at which so many threads read memory that is in no cache.
fn bandwidth(threads: usize) -> f64 {
    let words: Vec<u64> = (0..READING_BYTES as u64 / 8).collect();
    let read = || {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in words.chunks(words.len().div_ceil(threads)) {
                scope.spawn(|| black_box(sum(part)));
            }
        });
        start.elapsed().as_secs_f64() * 1e3
    };
    let best = (0..READINGS).map(|_| read()).fold(f64::INFINITY, f64::min);
    READING_BYTES as f64 / 1e6 / best
}

/// Reads several runs at once: in one alone the processor waits at the end of each page.
fn sum(words: &[u64]) -> u64 {
    let runs: Vec<&[[u64; 8]]> = words.chunks(words.len().div_ceil(RUNS)).map(|run| run.as_chunks().0).collect();
    let lines = runs.iter().map(|run| run.len()).min().unwrap_or(0);
    let mut sums = [0u64; 8];
    for line in 0..lines {
        for run in &runs {
            sums.iter_mut().zip(run[line]).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
        }
    }
    sums.into_iter().fold(0, u64::wrapping_add)
}

/// What one gallery size gave.
struct Row {
    faces: usize,
    search: Search,
    found: f64,
    one_ms: f64,
    cores_ms: Option<f64>,
    plain_ms: Option<f64>,
    batch_ms: f64,
    pairs: Option<EveryPair>,
    added_per_s: f64,
    scanned: f64,
    code_bytes: f64,
}

impl Row {
    fn gigabytes_per_s(&self, ms: f64) -> f64 {
        self.scanned / 1e6 / ms
    }

    fn lines(&self, bandwidth: [f64; 2]) -> Vec<String> {
        let mut lines = vec![
            format!(
                "{} faces: {:.0} bytes of codes a face, {:.0} added a second; cosine {:.4}, {:.1} found a probe",
                self.faces, self.code_bytes, self.added_per_s, self.search.cosine_min, self.found
            ),
            format!(
                "  one probe, one thread      {:9.3} ms  {:5.1} GB/s, {:3.0} % of the memory's",
                self.one_ms,
                self.gigabytes_per_s(self.one_ms),
                100.0 * self.gigabytes_per_s(self.one_ms) / bandwidth[0]
            ),
        ];
        if let Some(ms) = self.cores_ms {
            let speed = self.gigabytes_per_s(ms);
            let share = 100.0 * speed / bandwidth[1];
            lines.push(format!(
                "  one probe, all cores       {ms:9.3} ms  {speed:5.1} GB/s, {share:3.0} % of the memory's"
            ));
        }
        let times = self.one_ms / self.batch_ms;
        lines
            .push(format!("  {BATCH} probes, one thread      {:9.3} ms a probe, {times:.1} times less", self.batch_ms));
        if let Some(ms) = self.plain_ms {
            let times = ms / self.one_ms;
            lines.push(format!("  every vector, one thread   {ms:9.3} ms  {times:.1} times one probe's"));
        }
        if let Some(EveryPair { seconds, compared, found }) = &self.pairs {
            let each = 1e9 * seconds / compared;
            lines.push(format!("  every pair, all cores      {seconds:9.3} s   {each:.2} ns a pair, {found} found"));
        }
        lines
    }

    fn to_json(&self, bandwidth: [f64; 2]) -> serde_json::Value {
        json!({
            "Faces": self.faces,
            "CosineMin": self.search.cosine_min,
            "Limit": self.search.limit,
            "FoundPerProbe": self.found,
            "OneProbeMs": self.one_ms,
            "OneProbeAllCoresMs": self.cores_ms,
            "EveryVectorMs": self.plain_ms,
            "BatchPerProbeMs": self.batch_ms,
            "EveryPair": self.pairs.as_ref().map(|pairs| {
                json!({ "Seconds": pairs.seconds, "Compared": pairs.compared, "Found": pairs.found })
            }),
            "AddedPerSecond": self.added_per_s,
            "CodeBytesPerFace": self.code_bytes,
            "GigabytesPerSecond": self.gigabytes_per_s(self.one_ms),
            "MemoryGigabytesPerSecond": { "OneThread": bandwidth[0], "AllCores": bandwidth[1] },
        })
    }
}
