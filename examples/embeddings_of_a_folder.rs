//! Writes the embedding of the most central face of every JPEG below a folder, as 32-bit floats one after another.
//!
//! `embeddings_of_a_folder --models DIR FOLDER OUT.f32 OUT.txt`; the text file has a picture's path a line.

#![allow(clippy::print_stdout, reason = "prints its result")]

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use trombi::models::{self, SetupOptions};
use trombi::vision::{Embedding, Face, Vision};

#[derive(Parser)]
struct Arguments {
    /// Folder with the networks.
    #[arg(long)]
    models: PathBuf,
    folder: PathBuf,
    vectors: PathBuf,
    names: PathBuf,
}

fn pictures(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            pictures(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "jpg") {
            found.push(path);
        }
    }
    Ok(())
}

/// Data sets cut their pictures around the person they name.
fn central(vision: &Vision, picture: &Path) -> Option<Embedding> {
    let scene = vision.look(&fs::read(picture).ok()?).ok()?;
    let (width, height) = (scene.width_px as f32, scene.height_px as f32);
    let off = |face: &&Face| {
        let b = face.detection.box_px;
        (b.left + b.width / 2.0 - width / 2.0).hypot(b.top + b.height / 2.0 - height / 2.0)
    };
    let face = scene.faces.iter().min_by(|a, b| off(a).total_cmp(&off(b)))?;
    vision.embed(&[face.aligned.as_ref()?]).ok()?.pop()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let threads = std::thread::available_parallelism()?.get();
    let mut options = SetupOptions::new(PathBuf::from("target/trombi-bench"));
    options.models_dir = Some(arguments.models.clone());
    let installed = models::install(&options)?;
    let vision = Vision::open(&installed.vision_options(threads, 2 * threads))?;
    let mut files = Vec::new();
    pictures(&arguments.folder, &mut files)?;
    files.sort();
    let embed = |part: &[PathBuf]| -> Vec<(PathBuf, Embedding)> {
        part.iter().filter_map(|file| Some((file.clone(), central(&vision, file)?))).collect()
    };
    let found: Vec<(PathBuf, Embedding)> = std::thread::scope(|scope| {
        let parts = files.chunks(files.len().div_ceil(threads).max(1));
        let parts: Vec<_> = parts.map(|part| scope.spawn(|| embed(part))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    });
    let (mut vectors, mut names) =
        (BufWriter::new(fs::File::create(arguments.vectors)?), BufWriter::new(fs::File::create(arguments.names)?));
    for (file, embedding) in &found {
        embedding.vector().iter().try_for_each(|x| vectors.write_all(&x.to_le_bytes()))?;
        writeln!(names, "{}", file.display())?;
    }
    println!("{} faces in {} pictures", found.len(), files.len());
    Ok(())
}
