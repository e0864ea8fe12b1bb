//! The cosine and similarity of the largest faces of two pictures, with the library alone.
//!
//! `cargo run --release --example embed_two_faces -- A.jpg B.jpg`

use std::path::PathBuf;

use trombi::gallery::similarity;
use trombi::models::{self, SetupOptions};
use trombi::vision::{Embedding, Vision, VisionOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pictures: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [a, b] = &pictures[..] else { return Err("usage: embed_two_faces A.jpg B.jpg".into()) };

    let installed = models::install(&SetupOptions {
        models_dir: None,
        data_dir: PathBuf::from("target/trombi-example"),
        shared_dir: None,
        offline: false,
    })?;
    let vision = Vision::open(&VisionOptions::of(
        &installed.runtime_library,
        &installed.detector,
        &installed.embedder,
        &installed.embedder_contract,
    ))?;

    let largest = |file: &PathBuf| -> Result<Embedding, Box<dyn std::error::Error>> {
        let scene = vision.look(&std::fs::read(file)?)?;
        let face = scene.faces.first().ok_or("no face")?;
        let aligned = face.aligned.as_ref().ok_or("the face cannot be aligned")?;
        vision.embed(&[aligned])?.pop().ok_or_else(|| "no embedding".into())
    };
    let cosine = largest(a)?.cosine(&largest(b)?).ok_or("different models")?;
    println!("cosine {cosine:.4}, similarity {:.2} %", similarity::percent_from_cosine(vision.model_id(), cosine));
    Ok(())
}
