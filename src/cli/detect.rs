//! `trombi detect`: faces of pictures, with confidence, pose and quality.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::draw::{self, Mark, Tone};
use super::failure::{Ending, Failure, Outcome};
use super::house::{ScratchService, about_picture, ask, expect_response, picture, read_picture};
use super::{Global, output};
use crate::operations::types::FaceDetail;
use crate::operations::{Request, Response, Service, detect_faces};

/// Options of `detect`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Pictures: JPEG, PNG or WebP
    #[arg(required = true)]
    pictures: Vec<PathBuf>,
    /// Write a PNG with what was found; for several pictures, a folder of them
    #[arg(long, value_name = "OUT")]
    draw: Option<PathBuf>,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let drawings = draw_paths(arguments)?;
    let scratch = ScratchService::open(global)?;
    let several = arguments.pictures.len() > 1;
    let (mut faces, mut refused) = (0_usize, 0_usize);
    for (path, drawing) in arguments.pictures.iter().zip(&drawings) {
        match detect(global, scratch.service(), path, drawing.as_deref(), several) {
            Ok(found) => faces += found,
            // A closed stdout and a single bad picture end the command; one of several does not.
            Err(failure @ Failure::Stdout(_)) => return Err(failure),
            Err(failure) if !several => return Err(failure),
            Err(failure) => {
                output::error_line(&failure.to_string());
                refused += 1;
            }
        }
    }
    Ok(match (faces, refused) {
        (_, 1..) => Ending::SomeRefused,
        (0, 0) => Ending::NothingFound,
        (_, 0) => Ending::Done,
    })
}

/// Where each picture's drawing goes, decided (and refused) before any work.
fn draw_paths(arguments: &Arguments) -> Result<Vec<Option<PathBuf>>, Failure> {
    let Some(out) = &arguments.draw else {
        return Ok(vec![None; arguments.pictures.len()]);
    };
    if let [_] = arguments.pictures.as_slice() {
        draw::check_path(out)?;
        return Ok(vec![Some(out.clone())]);
    }
    fs::create_dir_all(out)
        .map_err(|error| Failure::other(format!("cannot make the folder `{}`: {error}", out.display())))?;
    let mut taken = std::collections::HashSet::new();
    Ok(arguments.pictures.iter().map(|path| Some(out.join(drawing_name(path, &mut taken)))).collect())
}

/// `a/b.jpg` becomes `b.png`, and `b-2.png` when another picture has that already.
fn drawing_name(path: &Path, taken: &mut std::collections::HashSet<String>) -> String {
    let stem = path.file_stem().map_or_else(|| "picture".into(), |stem| stem.to_string_lossy());
    let numbered = (2u64..).map(|n| format!("{stem}-{n}.png"));
    let mut names = std::iter::once(format!("{stem}.png")).chain(numbered);
    names.find(|name| taken.insert(name.clone())).unwrap_or_default()
}

/// Prints one picture's faces and gives their number.
fn detect(
    global: &Global,
    service: &Service,
    path: &Path,
    drawing: Option<&Path>,
    several: bool,
) -> Result<usize, Failure> {
    let bytes = read_picture(path)?;
    let response = ask(service, Request::DetectFaces(detect_faces::Input { image: picture(&bytes) }))
        .map_err(|error| about_picture(path, &bytes, error))?;
    match (global.json, several) {
        (true, false) => output::json(&response)?,
        (true, true) => output::json_of_picture(&path.to_string_lossy(), &response)?,
        (false, _) => print(path, &response)?,
    }
    let faces = expect_response!(response, DetectFaces)?.faces;
    if let Some(drawing) = drawing {
        draw::scene(&bytes, &faces.iter().map(mark).collect::<Vec<_>>(), drawing)?;
        output::note(global, &format!("drew {}", drawing.display()));
    }
    Ok(faces.len())
}

fn mark(face: &FaceDetail) -> Mark {
    Mark {
        box_ratio: face.box_ratio,
        landmarks_ratio: Some(face.landmarks_ratio),
        tone: Tone::of_confidence(face.confidence),
        title: String::new(),
        value: format!("{:.1} %", face.confidence),
    }
}

fn print(path: &Path, response: &Response) -> Result<(), Failure> {
    let Response::DetectFaces(output) = response else { return Ok(()) };
    let count = output.faces.len();
    let plural = if count == 1 { "face" } else { "faces" };
    let mut lines = vec![format!("{}: {count} {plural}", output::one_line(&path.to_string_lossy()))];
    if count > 0 {
        let rows: Vec<_> = output.faces.iter().enumerate().map(|(index, face)| row(index, face)).collect();
        let header = ["#", "confidence", "left", "top", "width", "height", "yaw", "pitch", "roll", "bright", "sharp"];
        lines.extend(output::table(&header, &rows).into_iter().map(|line| format!("  {line}")));
    }
    output::lines(&lines)
}

fn row(index: usize, face: &FaceDetail) -> Vec<String> {
    let percent = |ratio: f32| format!("{:.1} %", 100.0 * ratio);
    // Adding zero turns the -0 of a rounded small angle into 0.
    let angle = |degrees: f32| format!("{:.0}°", degrees.round() + 0.0);
    let (area, pose, quality) = (&face.box_ratio, &face.pose, &face.quality);
    vec![
        (index + 1).to_string(),
        format!("{:.2} %", face.confidence),
        percent(area.left),
        percent(area.top),
        percent(area.width),
        percent(area.height),
        angle(pose.yaw_deg),
        angle(pose.pitch_deg),
        angle(pose.roll_deg),
        format!("{:.0}", quality.brightness),
        format!("{:.0}", quality.sharpness),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_of_pictures_with_one_name_do_not_overwrite_each_other() {
        let mut taken = std::collections::HashSet::new();
        let names = ["a/x.jpg", "b/x.jpg", "x-2.png", "c/x.webp"].map(|p| drawing_name(Path::new(p), &mut taken));
        assert_eq!(names, ["x.png", "x-2.png", "x-2-2.png", "x-3.png"]);
    }
}
