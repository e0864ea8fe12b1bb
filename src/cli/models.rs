//! `trombi models`: list, install, verify, remove, card, bench.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};

use super::failure::{Ending, Failure, Outcome};
use super::{Global, house, output};
use crate::models::{self, Catalogue, Event, Network, Task, inventory};
use crate::vision::align::align_for;
use crate::vision::{
    BoxPx, DetectOptions, Detection, DetectorFamily, Embedder, Finder, Image, Landmarks, NetworkFile, PointPx,
    Precision, Runtime, Vision, Window,
};

/// What a network of the user's own may take while it is opened: none that we know of needs a quarter of it.
const PROBE_BYTES_MAX: u64 = 6 << 30;
const PROBE_TIME_MAX: Duration = Duration::from_secs(120);
/// Rounds of `bench`; the median counts.
const BENCH_ROUNDS: usize = 15;

/// Options of `models`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show every pack: installed or not, size, licence, measured accuracy and speed
    List,
    /// Fetch the files of a pack, or take over a network of your own; the pack in use stays
    Install {
        /// Name of a pack, DETECTOR+EMBEDDER, or a folder with a manifest.toml
        pack: String,
    },
    /// Hash every installed file of a pack [default: of all that are installed]
    Verify {
        /// Name of a pack
        pack: Option<String>,
    },
    /// Remove the files of a pack; those of the pack in use stay
    Remove {
        /// Name of a pack
        pack: String,
    },
    /// Show what is known of a pack's networks, or of one network
    Card {
        /// Name of a pack or a network
        name: String,
    },
    /// Measure the pack in use (or --pack) on one core of this machine
    Bench,
    /// Open a network of one's own in a process with little memory; `install` does this
    #[command(hide = true)]
    Probe {
        folder: PathBuf,
        #[arg(long)]
        runtime: PathBuf,
    },
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    match &arguments.action {
        Action::List => list(global)?,
        Action::Install { pack } => install(global, pack)?,
        Action::Verify { pack } => return verify(global, pack.as_deref()),
        Action::Remove { pack } => remove(global, pack)?,
        Action::Card { name } => card(global, name)?,
        Action::Bench => bench(global)?,
        Action::Probe { folder, runtime } => probe(folder, runtime)?,
    }
    Ok(Ending::Done)
}

fn list(global: &Global) -> Result<(), Failure> {
    let packs = inventory::packs(&house::catalogue(global)?, &house::data_dir(global)?)?;
    if global.json {
        let packs: Vec<_> = packs.iter().map(as_json).collect();
        return output::line(&format!("{:#}", serde_json::json!({ "Packs": packs })));
    }
    let rows: Vec<Vec<String>> = packs.iter().map(row).collect();
    output::lines(&output::table(&["pack", "state", "MB", "licence", "LFW %", "ms", "networks"], &rows))
}

fn state(entry: &inventory::Entry) -> &'static str {
    match (entry.chosen, entry.installed) {
        (true, _) => "in use",
        (false, true) => "installed",
        (false, false) => "available",
    }
}

fn row(entry: &inventory::Entry) -> Vec<String> {
    let measured =
        |text: &dyn Fn(&models::Measured) -> String| entry.measured.as_ref().map_or_else(|| "-".to_owned(), text);
    vec![
        entry.name.clone(),
        state(entry).to_owned(),
        format!("{}.{}", entry.bytes / 1_000_000, entry.bytes / 100_000 % 10),
        entry.licence.clone(),
        measured(&|m| format!("{:.2}", m.lfw_percent)),
        measured(&|m| format!("{:.1}", m.picture_ms)),
        entry.networks.join(" + "),
    ]
}

fn as_json(entry: &inventory::Entry) -> serde_json::Value {
    serde_json::json!({
        "Name": entry.name,
        "State": state(entry),
        "Networks": entry.networks,
        "Bytes": entry.bytes,
        "Licence": entry.licence,
        "CommercialUse": entry.commercial_use.to_string(),
        "LfwPercent": entry.measured.as_ref().map(|m| m.lfw_percent),
        "PictureMs": entry.measured.as_ref().map(|m| m.picture_ms),
        "Processor": entry.measured.as_ref().map(|m| m.processor.as_str()),
    })
}

fn install(global: &Global, pack: &str) -> Result<(), Failure> {
    let options = house::setup_options(global)?;
    let tell = |event: &Event| output::note(global, &event.to_string());
    let folder = Path::new(pack);
    if folder.join("manifest.toml").is_file() {
        let runtime = models::runtime(&options, &tell)?;
        let network = inventory::take_over(&options, folder, &tell, |_, folder| probe_apart(folder, &runtime))?;
        return output::line(&format!("installed {} ({})", network.name, network.licence.spdx));
    }
    let installed = models::install_pack(&house::catalogue(global)?, &options, pack, &tell)?;
    output::line(&format!("installed {} ({})", installed.pack, installed.licence))
}

/// Opens the network in a process of its own, which the system stops when it asks for too much.
fn probe_apart(folder: &Path, runtime: &Path) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .args(["models", "probe"])
        .arg(folder)
        .arg("--runtime")
        .arg(runtime)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let started = Instant::now();
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if started.elapsed() > PROBE_TIME_MAX {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("opening it took longer than {} s", PROBE_TIME_MAX.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let done = child.wait_with_output().map_err(|error| error.to_string())?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said: String = said.trim().trim_start_matches("trombi: ").chars().take(600).collect();
    let gib = PROBE_BYTES_MAX >> 30;
    Err(if said.is_empty() || said.contains("bad_alloc") || said.contains("llocat") {
        format!("it could not be opened within {gib} GiB of memory ({}) {said}", done.status)
    } else {
        said
    })
}

fn probe(folder: &Path, library: &Path) -> Result<(), Failure> {
    limit_memory();
    let text = house::read_bounded(&folder.join("manifest.toml"), 64 << 10).map_err(Failure::other)?;
    let mut catalogue = Catalogue::embedded()?;
    let network = catalogue.add(&String::from_utf8_lossy(&text))?;
    let runtime = Runtime::load(library, Precision::F32).map_err(|error| Failure::other(error.to_string()))?;
    open(network, folder, &runtime)
}

fn open(network: &Network, folder: &Path, runtime: &Runtime) -> Result<(), Failure> {
    let file = |role| network.file(role).map(|file| folder.join(&file.name));
    let main = file(models::Role::Network).ok_or_else(|| Failure::other("no file with the role `network`"))?;
    let file = NetworkFile { file: main, weights: file(models::Role::Weights) };
    let opened = match network.task {
        Task::Detect => {
            let family = network.family()?.unwrap_or_else(DetectorFamily::default);
            Finder::open(runtime, &file, &family, 1).map(drop)
        }
        Task::Embed => Embedder::open(runtime, &file, network.contract()?, 1).map(drop),
    };
    opened.map_err(|error| Failure::other(error.to_string()))
}

/// Where the system knows no such limit, nothing is limited.
fn limit_memory() {
    #[cfg(unix)]
    let _ = rlimit::setrlimit(rlimit::Resource::AS, PROBE_BYTES_MAX, PROBE_BYTES_MAX);
}

fn verify(global: &Global, pack: Option<&str>) -> Outcome {
    let (catalogue, data_dir) = (house::catalogue(global)?, house::data_dir(global)?);
    let installed = || -> Result<Vec<String>, Failure> {
        let packs = inventory::packs(&catalogue, &data_dir)?;
        Ok(packs.into_iter().filter(|entry| entry.installed).map(|entry| entry.name).collect())
    };
    let names = pack.map_or_else(installed, |pack| Ok(vec![pack.to_owned()]))?;
    let (mut faults, mut lines) = (0, Vec::new());
    for name in &names {
        for verdict in inventory::verify(&catalogue, &data_dir, name)? {
            faults += usize::from(verdict.fault.is_some());
            let verdict_text = verdict.fault.as_deref().unwrap_or("good");
            lines.push(format!("{name}: {}: {verdict_text}", verdict.path.display()));
        }
    }
    output::lines(&lines)?;
    match (names.is_empty(), faults) {
        (true, _) => output::note(global, "no pack is installed in this data directory"),
        (false, 0) => {}
        (false, _) => {
            return Err(Failure::other(format!(
                "{faults} of {} files are not as they should be; `trombi models install {}` fetches them again",
                lines.len(),
                names.join(" ")
            )));
        }
    }
    Ok(Ending::Done)
}

fn remove(global: &Global, pack: &str) -> Result<(), Failure> {
    let options = house::setup_options(global)?;
    let tell = |event: &Event| output::note(global, &event.to_string());
    let removed = inventory::remove(&house::catalogue(global)?, &options, pack, &tell)?;
    if removed.is_empty() {
        output::note(global, &format!("nothing of the pack `{pack}` was there to remove"));
    }
    output::lines(&removed.iter().map(|path| format!("removed {}", path.display())).collect::<Vec<_>>())
}

fn card(global: &Global, name: &str) -> Result<(), Failure> {
    if let Some(card) = inventory::card(name) {
        return output::line(card.trim_end());
    }
    let catalogue = house::catalogue(global)?;
    let pack = catalogue.pack(name)?;
    let cards = [pack.detector, pack.embedder].map(|network| {
        let own = || format!("# {}\n\nA network of your own, licence {}.", network.title, network.licence.spdx);
        inventory::card(&network.name).map_or_else(own, |card| card.trim_end().to_owned())
    });
    output::line(&cards.join("\n\n"))
}

/// Times on one core, without a picture of anybody: detectors and embedders take the same time for any pixels.
fn bench(global: &Global) -> Result<(), Failure> {
    let installed = house::install(global)?;
    let vision = Vision::open(&installed.vision_options(1, 0))?;
    let mut rows = Vec::new();
    for (width, height) in [(250, 250), (640, 480), (1920, 1080)] {
        let picture = noise(width, height);
        let time = median_ms(|| vision.detector().detect(&picture, &DetectOptions::default()).map(drop))?;
        rows.push(vec![format!("detect, {width} x {height}"), format!("{time:.1}")]);
    }
    let contract = vision.embedder().contract();
    let window = Window { image: noise(contract.input_px, contract.input_px), left_px: 0, top_px: 0, scale: 1 };
    let face = align_for(&window, &on_reference(&contract.reference_px), contract)
        .map_err(|error| Failure::other(error.to_string()))?;
    let time = median_ms(|| vision.embedder().embed(&face).map(drop))?;
    rows.push(vec!["embed a face".to_owned(), format!("{time:.1}")]);
    if global.json {
        let rows: Vec<_> = rows.iter().map(|row| serde_json::json!({"What": row[0], "Ms": row[1]})).collect();
        return output::line(&format!("{:#}", serde_json::json!({"Pack": installed.pack, "Times": rows})));
    }
    output::line(&format!("pack {}, one core, median of {BENCH_ROUNDS}", installed.pack))?;
    output::lines(&output::table(&["what", "ms"], &rows))
}

fn on_reference(points: &[PointPx; 5]) -> Detection {
    let box_px = BoxPx { left: 0.0, top: 0.0, width: 1.0, height: 1.0 };
    Detection { box_px, landmarks: Landmarks::from_points(*points), eye_corners: Some(*points), confidence: 1.0 }
}

fn noise(width: u32, height: u32) -> Image {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let rgb: Vec<u8> = (0..width as usize * height as usize * 3).map(|_| next()).collect();
    Image::from_rgb(width, height, rgb).unwrap_or_else(|| noise(1, 1))
}

fn median_ms(work: impl Fn() -> Result<(), crate::vision::NetworkError>) -> Result<f64, Failure> {
    let time = || -> Result<f64, Failure> {
        let started = Instant::now();
        work().map_err(|error| Failure::other(error.to_string()))?;
        Ok(started.elapsed().as_secs_f64() * 1000.0)
    };
    time()?;
    let mut times = (0..BENCH_ROUNDS).map(|_| time()).collect::<Result<Vec<_>, _>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
