//! Picture files to embeddings, timed after a warm-up, one thread; `scripts/bench-peers` runs it beside the peers.
//!
//! `throughput --models DIR [--pack NAME | --embedder mobilefacenet] --list FILE --repeats N [--precision f32|bf16]`

#![allow(clippy::print_stdout, reason = "prints its result")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use trombi::models::{self, SetupOptions};
use trombi::vision::{
    Alignment, ChannelOrder, DecodeLimits, EmbedderContract, ModelId, NetworkFile, PointPx, Precision, Vision,
    VisionOptions,
};

#[derive(Parser)]
struct Arguments {
    /// Folder with the networks, by network folder.
    #[arg(long)]
    models: PathBuf,
    /// A pack of the catalogue.
    #[arg(long, default_value = "retail")]
    pack: String,
    /// `mobilefacenet`, in place of the pack's embedder: another model by contract.
    #[arg(long)]
    embedder: Option<String>,
    /// One picture a line.
    #[arg(long)]
    list: PathBuf,
    /// Times through the list.
    #[arg(long, default_value_t = 1)]
    repeats: usize,
    /// `f32` or `bf16`.
    #[arg(long, default_value = "f32")]
    precision: String,
}

/// MobileFaceNet of the development weights: RGB 112 x 112 on the ArcFace points, 128-d.
fn mobilefacenet(models: &Path) -> (NetworkFile, EmbedderContract) {
    let points = [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)];
    let file = NetworkFile { file: models.join("mobilefacenet/mobilefacenet_y1_128.onnx"), weights: None };
    let contract = EmbedderContract {
        model_id: ModelId::new("mobilefacenet-y1-128"),
        input_px: 112,
        channels: ChannelOrder::Rgb,
        range: [0.0, 255.0],
        alignment: Alignment::default(),
        reference_px: points.map(|(x, y)| PointPx { x, y }),
        dimensions: 128,
        mirrored: false,
    };
    (file, contract)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let installed = models::install(&SetupOptions {
        models_dir: Some(arguments.models.clone()),
        shared_dir: None,
        pack: Some(arguments.pack.clone()),
        ..SetupOptions::new(Path::new("target/trombi-bench").join(&arguments.pack))
    })?;
    let (embedder, embedder_contract) = match arguments.embedder.as_deref() {
        Some("mobilefacenet") => mobilefacenet(&arguments.models),
        Some(other) => return Err(format!("no embedder `{other}`").into()),
        None => (installed.embedder, installed.embedder_contract),
    };
    let vision = Vision::open(&VisionOptions {
        runtime_library: installed.runtime_library,
        detector_family: installed.detector_family,
        detector: installed.detector,
        embedder,
        embedder_contract,
        seats: 1,
        queue_max: 0,
        precision: if arguments.precision == "bf16" { Precision::Bf16 } else { Precision::F32 },
        limits: DecodeLimits::default(),
    })?;

    let list = std::fs::read_to_string(&arguments.list)?;
    let files: Vec<&str> = list.lines().filter(|line| !line.is_empty()).collect();
    let one = |file: &str| -> Result<bool, Box<dyn std::error::Error>> {
        let scene = vision.look(&std::fs::read(file)?)?;
        let Some(aligned) = scene.faces.first().and_then(|face| face.aligned.as_ref()) else { return Ok(false) };
        Ok(vision.embed(&[aligned])?.len() == 1)
    };
    for file in files.iter().take(5) {
        one(file)?;
    }
    let started = Instant::now();
    let mut faces = 0;
    for _ in 0..arguments.repeats {
        for file in &files {
            faces += usize::from(one(file)?);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        r#"{{"peer": "trombi", "pictures": {}, "faces": {faces}, "seconds": {seconds}}}"#,
        files.len() * arguments.repeats
    );
    Ok(())
}
