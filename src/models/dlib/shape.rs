//! The five-point shape predictor's file.

use super::dat::{DatError, Reader};
use crate::vision::PointPx;
use crate::vision::shape::{ShapePredictor, Split, Stage};

const POINTS: usize = 5;
/// dlib's model has 15 stages of 500 trees of 15 splits, and 500 features a stage or fewer.
const STAGES_MAX: u64 = 64;
const TREES_MAX: u64 = 4096;
const SPLITS_MAX: u64 = 1023;
const FEATURES_MAX: u64 = 4096;

/// Reads `shape_predictor_5_face_landmarks.dat`.
///
/// # Errors
/// The bytes are not a shape predictor of five points.
pub fn shape_predictor(dat: &[u8]) -> Result<ShapePredictor, DatError> {
    let mut reader = Reader::new(dat);
    reader.expect_int("the version of a shape predictor", 1)?;
    let mean = points(&mut reader)?.as_chunks::<2>().0.iter().map(|&[x, y]| PointPx { x, y }).collect();
    let stages = reader.count(STAGES_MAX)?;
    let mut forests = Vec::new();
    for _ in 0..stages {
        forests.push(forest(&mut reader)?);
    }
    same_count(&mut reader, stages)?;
    for stage in &mut forests {
        stage.anchors = each(&mut reader, FEATURES_MAX, index)?;
    }
    same_count(&mut reader, stages)?;
    for stage in &mut forests {
        stage.offsets = each(&mut reader, FEATURES_MAX, |reader| Ok([reader.float()?, reader.float()?]))?;
    }
    reader.end()?;
    ShapePredictor::new(mean, forests).map_err(|why| reader.error(why))
}

fn forest(reader: &mut Reader<'_>) -> Result<Stage, DatError> {
    let trees = reader.count(TREES_MAX)?;
    let (mut splits, mut leaves, mut leaves_per_tree) = (Vec::new(), Vec::new(), None);
    for _ in 0..trees {
        let tree = each(reader, SPLITS_MAX, split)?;
        let count = reader.count(SPLITS_MAX + 1)?;
        let of_all = *leaves_per_tree.get_or_insert(count);
        reader.ensure(count == of_all && tree.len() + 1 == count, || "trees of different depth".to_owned())?;
        splits.extend(tree);
        for _ in 0..count {
            leaves.extend(points(reader)?);
        }
    }
    let leaves_per_tree = leaves_per_tree.unwrap_or(0);
    Ok(Stage { anchors: Vec::new(), offsets: Vec::new(), splits, leaves, leaves_per_tree })
}

fn split(reader: &mut Reader<'_>) -> Result<Split, DatError> {
    Ok(Split { a: index(reader)?, b: index(reader)?, threshold: reader.float()? })
}

fn index(reader: &mut Reader<'_>) -> Result<u16, DatError> {
    let index = reader.count(FEATURES_MAX)?;
    u16::try_from(index).map_err(|_| reader.error("an index out of range"))
}

/// A column of numbers, x and y of each point; dlib writes both sides of its newer matrices as negative numbers.
fn points(reader: &mut Reader<'_>) -> Result<[f32; 2 * POINTS], DatError> {
    let sides = [reader.int()?, reader.int()?];
    reader.ensure(sides == [-10, -1], || format!("a matrix of {sides:?}, expected 10 rows and 1 column"))?;
    let mut values = [0.0; 2 * POINTS];
    for value in &mut values {
        *value = reader.float()?;
    }
    Ok(values)
}

fn same_count(reader: &mut Reader<'_>, stages: usize) -> Result<(), DatError> {
    let found = reader.count(STAGES_MAX)?;
    reader.ensure(found == stages, || format!("{found} stages, expected {stages}"))
}

/// As many as the file says, at most `max`; each takes at least a byte, so memory stays in proportion to the file.
fn each<T>(
    reader: &mut Reader<'_>,
    max: u64,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, DatError>,
) -> Result<Vec<T>, DatError> {
    let count = reader.count(max)?;
    (0..count).map(|_| read(reader)).collect()
}
