//! Which faces are good enough to be enrolled or searched.
//!
//! AWS names the levels and the reasons but publishes no numbers. Ours, all of which a face must meet:
//!
//! | level  | confidence | brightness | sharpness | \|yaw\| | \|pitch\| | shorter side |
//! |--------|-----------:|-----------:|----------:|------:|--------:|-------------:|
//! | LOW    |         70 |         10 |         1 |   75° |     60° |        20 px |
//! | AUTO   |         75 |         12 |         2 |   70° |     55° |        24 px |
//! | MEDIUM |         80 |         20 |         8 |   60° |     45° |        40 px |
//! | HIGH   |         90 |         30 |        20 |   45° |     30° |        64 px |
//!
//! Confidence, brightness and sharpness are percents as `vision` defines them; the side is that of the
//! detector's box in the upright picture. Each level asks for at least what the one above it in the table asks.
//! HIGH keeps to the head poses that the developer guide recommends for references. Roll does not matter, alignment undoes it.
//!
//! Of the largest faces of 300 pictures of LFW (the first of every 19th person) LOW and AUTO refuse
//! none, MEDIUM 1 and HIGH 12; `auto_refuses_few_of_the_largest_faces_of_lfw` measures it again.

use super::types::{QualityFilter, Reason};
use crate::vision::Face;

struct Bar {
    confidence_min: f32,
    brightness_min: f32,
    sharpness_min: f32,
    yaw_deg_max: f32,
    pitch_deg_max: f32,
    side_px_min: f32,
}

#[rustfmt::skip]
fn bar(filter: QualityFilter) -> Option<Bar> {
    let [confidence_min, brightness_min, sharpness_min, yaw_deg_max, pitch_deg_max, side_px_min] = match filter {
        QualityFilter::None => return None,
        QualityFilter::Low =>    [70.0, 10.0,  1.0, 75.0, 60.0, 20.0],
        QualityFilter::Auto =>   [75.0, 12.0,  2.0, 70.0, 55.0, 24.0],
        QualityFilter::Medium => [80.0, 20.0,  8.0, 60.0, 45.0, 40.0],
        QualityFilter::High =>   [90.0, 30.0, 20.0, 45.0, 30.0, 64.0],
    };
    Some(Bar { confidence_min, brightness_min, sharpness_min, yaw_deg_max, pitch_deg_max, side_px_min })
}

/// Why a face is not good enough; empty when it is. A face that cannot be aligned cannot be embedded, so it
/// fails every level, [`QualityFilter::None`] too, and its quality, measured on nothing, is not held against it.
pub(super) fn faults(face: &Face, filter: QualityFilter) -> Vec<Reason> {
    let alignable = face.aligned.is_some();
    let mut reasons = Vec::new();
    if let Some(bar) = bar(filter) {
        let box_px = &face.detection.box_px;
        let checks = [
            (face.detection.confidence * 100.0 < bar.confidence_min, Reason::LowConfidence),
            (alignable && face.quality.brightness < bar.brightness_min, Reason::LowBrightness),
            (alignable && face.quality.sharpness < bar.sharpness_min, Reason::LowSharpness),
            (
                face.pose.yaw_deg.abs() > bar.yaw_deg_max || face.pose.pitch_deg.abs() > bar.pitch_deg_max,
                Reason::ExtremePose,
            ),
            (box_px.width.min(box_px.height) < bar.side_px_min, Reason::SmallBoundingBox),
        ];
        reasons.extend(checks.into_iter().filter(|(failed, _)| *failed).map(|(_, reason)| reason));
    }
    if !alignable {
        reasons.push(Reason::LowFaceQuality);
    }
    reasons
}

/// Which faces (in scene order, largest first) stay when at most `faces_max` may: those that fail AUTO go first,
/// then the smallest. Returns one flag for each.
pub(super) fn keep_best(faces: &[&Face], faces_max: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..faces.len()).collect();
    // The sort is stable: among equals the larger face, which comes first, stays first.
    order.sort_by_key(|&index| !faults(faces[index], QualityFilter::Auto).is_empty());
    let mut keep = vec![false; faces.len()];
    for index in order.into_iter().take(faces_max) {
        keep[index] = true;
    }
    keep
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::decode::Window;
    use crate::vision::{BoxPx, Detection, Image, Landmarks, PointPx, Pose, Quality, align};

    fn landmarks() -> Landmarks {
        let points = [(4.0, 5.0), (11.0, 5.0), (8.0, 8.0), (5.0, 12.0), (10.0, 12.0)];
        Landmarks::from_points(points.map(|(x, y)| PointPx { x, y }))
    }

    /// A face that just meets a level.
    fn at_the_bar(filter: QualityFilter) -> Face {
        let bar = bar(filter).unwrap();
        let window =
            Window { image: Image::from_rgb(16, 16, vec![9; 16 * 16 * 3]).unwrap(), left_px: 0, top_px: 0, scale: 1 };
        let side = bar.side_px_min;
        Face {
            detection: Detection {
                box_px: BoxPx { left: 0.0, top: 0.0, width: side, height: 2.0 * side },
                landmarks: landmarks(),
                // A hair more: a hundredth of a percent is not to the last bit.
                eye_corners: None,
                confidence: bar.confidence_min / 100.0 + 1e-6,
            },
            pose: Pose { yaw_deg: -bar.yaw_deg_max, pitch_deg: bar.pitch_deg_max, ..Pose::default() },
            quality: Quality { brightness: bar.brightness_min, sharpness: bar.sharpness_min },
            aligned: align::align(&window, &landmarks(), &landmarks().points(), 16).ok(),
        }
    }

    const LEVELS: [QualityFilter; 4] =
        [QualityFilter::Low, QualityFilter::Auto, QualityFilter::Medium, QualityFilter::High];

    #[test]
    fn a_face_at_the_bar_passes_and_one_a_hair_below_does_not() {
        type Spoil = fn(&mut Face);
        let cases: [(Spoil, Reason); 7] = [
            (|face| face.detection.confidence -= 1e-3, Reason::LowConfidence),
            (|face| face.quality.brightness -= 0.1, Reason::LowBrightness),
            (|face| face.quality.sharpness -= 0.1, Reason::LowSharpness),
            (|face| face.pose.yaw_deg -= 0.1, Reason::ExtremePose),
            (|face| face.pose.pitch_deg += 0.1, Reason::ExtremePose),
            (|face| face.detection.box_px.width -= 0.1, Reason::SmallBoundingBox),
            (|face| face.aligned = None, Reason::LowFaceQuality),
        ];
        for level in LEVELS {
            assert_eq!(faults(&at_the_bar(level), level), [], "{level:?}");
            for (spoil, reason) in cases {
                let mut face = at_the_bar(level);
                spoil(&mut face);
                assert_eq!(faults(&face, level), [reason], "{level:?}");
            }
        }
    }

    #[test]
    fn each_level_asks_for_at_least_what_the_one_before_asks() {
        for pair in LEVELS.windows(2) {
            assert_eq!(faults(&at_the_bar(pair[1]), pair[0]), [], "{pair:?}");
            assert!(!faults(&at_the_bar(pair[0]), pair[1]).is_empty(), "{pair:?}");
        }
    }

    #[test]
    fn no_filter_takes_all_that_can_be_embedded() {
        let mut face = at_the_bar(QualityFilter::Low);
        face.detection.confidence = 0.0;
        face.quality = Quality::default();
        face.pose.yaw_deg = 90.0;
        assert_eq!(faults(&face, QualityFilter::None), []);
        face.aligned = None;
        assert_eq!(faults(&face, QualityFilter::None), [Reason::LowFaceQuality]);
    }

    #[test]
    fn roll_does_not_matter() {
        let mut face = at_the_bar(QualityFilter::High);
        face.pose.roll_deg = 180.0;
        assert_eq!(faults(&face, QualityFilter::High), []);
    }

    #[test]
    fn the_largest_good_faces_are_kept_first() {
        let good = at_the_bar(QualityFilter::Auto);
        let mut bad = good.clone();
        bad.quality.brightness = 0.0;
        let faces = [&bad, &good, &good, &bad];
        assert_eq!(keep_best(&faces, 0), [false; 4]);
        assert_eq!(keep_best(&faces, 1), [false, true, false, false]);
        assert_eq!(keep_best(&faces, 3), [true, true, true, false]);
        assert_eq!(keep_best(&faces, 9), [true; 4]);
    }
}
