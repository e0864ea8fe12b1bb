//! The cosine and similarity of the largest faces of two pictures, with the library alone.
//!
//! `cargo run --release --example embed_two_faces -- A.jpg B.jpg`

#![allow(clippy::print_stdout, reason = "prints its result")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use trombi::gallery::similarity::Calibration;
use trombi::models::{self, SetupOptions};
use trombi::vision::{Embedding, Vision};

/// Fetches what is missing into `target/`, then opens both networks, with what their scores stand for.
fn open_vision() -> Result<(Vision, Arc<Calibration>), Box<dyn std::error::Error>> {
    let installed = models::install(&SetupOptions {
        models_dir: std::env::var_os("TROMBI_MODELS").map(PathBuf::from),
        shared_dir: None,
        ..SetupOptions::new(PathBuf::from("target/trombi-example"))
    })?;
    let vision = Vision::open(&installed.vision_options(0, 16))?;
    let calibration = installed.calibrations.of(vision.model_id());
    Ok((vision, calibration))
}

fn largest_face(vision: &Vision, file: &Path) -> Result<Embedding, Box<dyn std::error::Error>> {
    let scene = vision.look(&std::fs::read(file)?)?;
    let face = scene.faces.first().ok_or("there is no face in the picture")?;
    let aligned = face.aligned.as_ref().ok_or("the face cannot be aligned")?;
    vision.embed(&[aligned])?.pop().ok_or_else(|| "no embedding".into())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pictures: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [a, b] = &pictures[..] else { return Err("usage: embed_two_faces A.jpg B.jpg".into()) };
    let (vision, calibration) = open_vision()?;
    let cosine = largest_face(&vision, a)?.cosine(&largest_face(&vision, b)?).ok_or("different models")?;
    println!("cosine {cosine:.4}, similarity {:.2} %", calibration.percent(cosine));
    Ok(())
}
