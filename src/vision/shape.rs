//! Points of a face by regression trees: dlib's shape predictor (Kazemi and Sullivan, 2014).

use super::geometry::{BoxPx, PointPx, Similarity};
use super::image::Image;

/// More points, stages, features or trees than this are refused; dlib's own models have 5 or 68, 15, 500 and 500.
const COUNT_MAX: usize = 4096;

/// One question of a tree: is feature `a` brighter than feature `b` by more than `threshold`?
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Index of a feature.
    pub a: u16,
    /// Index of another.
    pub b: u16,
    /// Difference of brightness, 0 to 255.
    pub threshold: f32,
}

/// One step of the regression: where to look, and the trees that say how the points move.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// For each feature, the point that it moves with.
    pub anchors: Vec<u16>,
    /// For each feature, its place relative to that point, in units of the box.
    pub offsets: Vec<[f32; 2]>,
    /// The splits of all trees, tree after tree: the root first, children of node i at 2i + 1 (yes) and 2i + 2.
    pub splits: Vec<Split>,
    /// The leaves of all trees: x and y of each point, in units of the box.
    pub leaves: Vec<f32>,
    /// Leaves of one tree, a power of two; a tree has one split less.
    pub leaves_per_tree: usize,
}

/// A shape predictor.
#[derive(Debug, Clone, PartialEq)]
pub struct ShapePredictor {
    mean: Vec<PointPx>,
    stages: Vec<Stage>,
}

impl ShapePredictor {
    /// Checks that every index stays inside, so that prediction cannot fail.
    ///
    /// `mean` is the mean face in units of the box.
    ///
    /// # Errors
    /// What does not fit.
    pub fn new(mean: Vec<PointPx>, stages: Vec<Stage>) -> Result<Self, String> {
        let ensure = |holds: bool, why: &str| if holds { Ok(()) } else { Err(why.to_owned()) };
        ensure((2..=COUNT_MAX).contains(&mean.len()), "a shape of too few or too many points")?;
        ensure((1..=COUNT_MAX).contains(&stages.len()), "too few or too many stages")?;
        for stage in &stages {
            let (features, leaves) = (stage.anchors.len(), stage.leaves_per_tree);
            ensure(features == stage.offsets.len() && features <= COUNT_MAX, "features without places")?;
            ensure(leaves.is_power_of_two() && leaves >= 2, "a tree that is not full")?;
            let trees = stage.splits.len() / (leaves - 1);
            ensure(trees <= COUNT_MAX && trees * (leaves - 1) == stage.splits.len(), "a tree that is not full")?;
            ensure(stage.leaves.len() == trees * leaves * mean.len() * 2, "leaves that fit no shape")?;
            ensure(stage.anchors.iter().all(|&anchor| usize::from(anchor) < mean.len()), "a feature at no point")?;
            let inside = |index: u16| usize::from(index) < features;
            ensure(stage.splits.iter().all(|s| inside(s.a) && inside(s.b)), "a question about no feature")?;
        }
        Ok(Self { mean, stages })
    }

    /// How many points it finds.
    #[must_use]
    pub fn points(&self) -> usize {
        self.mean.len()
    }

    /// The points of the face in `box_px` of `image`, in its pixels.
    ///
    /// `box_px` is a detector's, from the first pixel's centre to the last one's: width and height are one less than
    /// the number of pixels.
    #[must_use]
    pub fn find(&self, image: &Image, box_px: &BoxPx) -> Vec<PointPx> {
        let mut shape = self.mean.clone();
        let mut features = Vec::new();
        for stage in &self.stages {
            self.look(image, box_px, &shape, stage, &mut features);
            stage.regress(&features, &mut shape);
        }
        shape.iter().map(|&point| in_picture(box_px, point)).collect()
    }

    /// The brightness at the stage's places, which move and turn with the shape; 0 outside the picture.
    fn look(&self, image: &Image, box_px: &BoxPx, shape: &[PointPx], stage: &Stage, features: &mut Vec<f32>) {
        let turn = Turn::between(&self.mean, shape);
        features.clear();
        features.extend(stage.anchors.iter().zip(&stage.offsets).map(|(&anchor, offset)| {
            let at = shape[usize::from(anchor)];
            let (dx, dy) = turn.apply(offset);
            brightness(image, in_picture(box_px, PointPx { x: dx + at.x, y: dy + at.y }))
        }));
    }
}

impl Stage {
    fn regress(&self, features: &[f32], shape: &mut [PointPx]) {
        let values = shape.len() * 2;
        let trees = self.splits.chunks_exact(self.leaves_per_tree - 1);
        for (splits, leaves) in trees.zip(self.leaves.chunks_exact(self.leaves_per_tree * values)) {
            let mut node = 0;
            while let Some(split) = splits.get(node) {
                let brighter = features[usize::from(split.a)] - features[usize::from(split.b)] > split.threshold;
                node = 2 * node + if brighter { 1 } else { 2 };
            }
            let leaf = (node - splits.len()) * values;
            for (point, step) in shape.iter_mut().zip(leaves[leaf..leaf + values].chunks_exact(2)) {
                point.x += step[0];
                point.y += step[1];
            }
        }
    }
}

/// Rotation and scale from the mean face to a shape.
struct Turn([[f32; 2]; 2]);

impl Turn {
    #[expect(clippy::cast_possible_truncation, reason = "dlib applies it in 32-bit floats too")]
    fn between(mean: &[PointPx], shape: &[PointPx]) -> Self {
        let fit = Similarity::least_squares_of(mean, shape);
        let rows = fit.map_or([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], |fit| fit.rows());
        Self(rows.map(|[a, b, _]| [a as f32, b as f32]))
    }

    fn apply(&self, [x, y]: &[f32; 2]) -> (f32, f32) {
        let [[a, b], [c, d]] = self.0;
        (a * x + b * y, c * x + d * y)
    }
}

fn in_picture(box_px: &BoxPx, point: PointPx) -> PointPx {
    PointPx { x: box_px.left + point.x * box_px.width, y: box_px.top + point.y * box_px.height }
}

/// The mean of red, green and blue, without its fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be inside the picture")]
fn brightness(image: &Image, at: PointPx) -> f32 {
    let (x, y) = ((at.x + 0.5).floor(), (at.y + 0.5).floor());
    if !(x >= 0.0 && y >= 0.0 && x < image.width_px() as f32 && y < image.height_px() as f32) {
        return 0.0;
    }
    let start = (y as usize * image.width_px() as usize + x as usize) * 3;
    let sum: u16 = image.rgb()[start..start + 3].iter().map(|&value| u16::from(value)).sum();
    f32::from(sum / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> Stage {
        let splits = vec![Split { a: 0, b: 1, threshold: 10.0 }];
        // Brighter: the second point goes right by a tenth; otherwise left.
        let leaves = vec![0.0, 0.0, 0.1, 0.0, 0.0, 0.0, -0.1, 0.0];
        let offsets = vec![[0.0, 0.0], [0.0, 0.0]];
        Stage { anchors: vec![0, 1], offsets, splits, leaves, leaves_per_tree: 2 }
    }

    fn mean() -> Vec<PointPx> {
        vec![PointPx { x: 0.25, y: 0.5 }, PointPx { x: 0.75, y: 0.5 }]
    }

    fn halves(left: u8, right: u8) -> Image {
        let rgb = (0..20 * 20).flat_map(|i| [if i % 20 < 10 { left } else { right }; 3]).collect();
        Image::from_rgb(20, 20, rgb).unwrap()
    }

    #[test]
    fn points_move_with_the_brightness() {
        let predictor = ShapePredictor::new(mean(), vec![stage()]).unwrap();
        let whole = BoxPx { left: 0.0, top: 0.0, width: 20.0, height: 20.0 };
        let bright_left = predictor.find(&halves(200, 50), &whole);
        let bright_right = predictor.find(&halves(50, 200), &whole);
        assert!((bright_left[1].x - 17.0).abs() < 1e-4, "{bright_left:?}");
        assert!((bright_right[1].x - 13.0).abs() < 1e-4, "{bright_right:?}");
    }

    #[test]
    fn a_box_outside_the_picture_is_dark_and_safe() {
        let predictor = ShapePredictor::new(mean(), vec![stage(), stage()]).unwrap();
        for at in [-1e9, -50.0, 1e9, f32::NAN, f32::INFINITY] {
            let box_px = BoxPx { left: at, top: at, width: 5.0, height: 5.0 };
            assert_eq!(predictor.find(&halves(1, 2), &box_px).len(), 2);
        }
    }

    #[test]
    fn indices_outside_are_refused() {
        let broken = |edit: &dyn Fn(&mut Stage)| {
            let mut stage = stage();
            edit(&mut stage);
            ShapePredictor::new(mean(), vec![stage])
        };
        assert!(broken(&|stage| stage.splits[0].b = 2).unwrap_err().contains("no feature"));
        assert!(broken(&|stage| stage.anchors[0] = 2).unwrap_err().contains("no point"));
        assert!(broken(&|stage| stage.leaves_per_tree = 3).is_err());
        assert!(broken(&|stage| stage.leaves_per_tree = 1).is_err());
        assert!(broken(&|stage| stage.leaves.truncate(7)).is_err());
        assert!(broken(&|stage| stage.offsets.truncate(1)).is_err());
        assert!(ShapePredictor::new(Vec::new(), vec![stage()]).is_err());
    }
}
