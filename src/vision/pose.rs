//! Head pose from the five landmarks.

use super::detect::Landmarks;

/// Degrees. Roll is -180 to 180, yaw and pitch -90 to 90.
///
/// The three angles are applied to a face that looks into the camera in this order: pitch, then yaw, then roll.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pose {
    /// In the picture plane; positive is clockwise as one sees the picture: the direction of the line through
    /// both eyes, as the fit has it.
    pub roll_deg: f32,
    /// Positive when the face turns to the picture's right.
    pub yaw_deg: f32,
    /// Positive when the face looks up.
    pub pitch_deg: f32,
}

type Point3 = [f64; 3];
type Matrix3 = [[f64; 3]; 3];

/// A frontal face in millimetres: x to the picture's right, y down, z away from the camera; right eye, left
/// eye, nose, right and left mouth corner. Eyes 63 mm apart (the adult mean); the proportions in the plane are the
/// medians of where YuNet puts the points on 80 faces of LFW, press photographs that on average look ahead; the
/// depths are rounded means of adult heads: the nose tip stands 26 mm before the pupils, the corners of the mouth
/// 4 mm.
const MEAN_FACE_MM: [Point3; 5] =
    [[-31.5, 0.0, 0.0], [31.5, 0.0, 0.0], [0.0, 35.5, -26.0], [-26.5, 64.5, -4.0], [26.5, 64.5, -4.0]];

/// How the head is turned: the weak-perspective view (rotation, uniform scale, shift) of a mean face of five
/// points that agrees best with the landmarks.
///
/// The affine view is solved by least squares, and the rotation nearest to it is taken, so that the proportions
/// of one's own face mostly cancel. Good to some 5 to 10 degrees for faces turned by less than 45; five points
/// hold no more. All angles are 0 when the landmarks are degenerate.
#[must_use]
pub fn pose(landmarks: &Landmarks) -> Pose {
    let points = landmarks.points().map(|point| [f64::from(point.x), f64::from(point.y)]);
    affine_view(&points).and_then(nearest_rotation).map_or_else(Pose::default, angles)
}

/// The 2 x 3 matrix A with the least squared error of A X = p over the centred points.
fn affine_view(points: &[[f64; 2]; 5]) -> Option<[Point3; 2]> {
    let model_mean = [0, 1, 2].map(|axis| MEAN_FACE_MM.iter().map(|x| x[axis]).sum::<f64>() / 5.0);
    let mean = [0, 1].map(|axis| points.iter().map(|p| p[axis]).sum::<f64>() / 5.0);
    let (mut gram, mut cross) = ([[0.0; 3]; 3], [[0.0; 3]; 2]);
    for (model, point) in MEAN_FACE_MM.iter().zip(points) {
        let x = [0, 1, 2].map(|axis| model[axis] - model_mean[axis]);
        for j in 0..3 {
            (0..3).for_each(|i| gram[i][j] += x[i] * x[j]);
            (0..2).for_each(|i| cross[i][j] += (point[i] - mean[i]) * x[j]);
        }
    }
    let inverse = inverted(&gram)?;
    let row = |row: &Point3| [0, 1, 2].map(|j| (0..3).map(|k| row[k] * inverse[k][j]).sum::<f64>());
    let view = [row(&cross[0]), row(&cross[1])];
    view.iter().flatten().all(|value| value.is_finite()).then_some(view)
}

/// By cofactors; the rows of the result are those of a symmetric matrix, so no transposition is needed.
fn inverted(m: &Matrix3) -> Option<Matrix3> {
    let rows = [cross(&m[1], &m[2]), cross(&m[2], &m[0]), cross(&m[0], &m[1])];
    let determinant = dot(&m[0], &rows[0]);
    (determinant.abs() > 1e-9).then(|| rows.map(|row| row.map(|value| value / determinant)))
}

/// The rotation whose first two rows are nearest to a multiple of `view` (its polar factor); `None` when the
/// rows are nearly parallel or nearly zero.
fn nearest_rotation([u, v]: [Point3; 2]) -> Option<Matrix3> {
    // (A A^T)^(-1/2) A, by the closed form of the root of a 2 x 2 matrix: (M + s 1) / t.
    let (a, b, c) = (dot(&u, &u), dot(&u, &v), dot(&v, &v));
    let s = (a * c - b * b).max(0.0).sqrt();
    let t = (a + c + 2.0 * s).sqrt();
    if s <= 1e-6 * (a + c) || s < 1e-12 {
        return None;
    }
    // The inverse of [[a + s, b], [b, c + s]] / t has determinant s.
    let mix = |p: f64, q: f64| [0, 1, 2].map(|k| (p * u[k] + q * v[k]) / (t * s));
    let (right, down) = (mix(c + s, -b), mix(-b, a + s));
    Some([right, down, cross(&right, &down)])
}

#[expect(clippy::cast_possible_truncation, reason = "angles in degrees")]
fn angles(rotation: Matrix3) -> Pose {
    // rotation = Rz(roll) Ry(-yaw) Rx(-pitch): with y down and z away, positive turns about y and x go left and
    // down.
    let [right, down, away] = rotation;
    Pose {
        roll_deg: down[0].atan2(right[0]).to_degrees() as f32,
        yaw_deg: away[0].clamp(-1.0, 1.0).asin().to_degrees() as f32,
        pitch_deg: -away[1].atan2(away[2]).to_degrees() as f32,
    }
}

fn dot(a: &Point3, b: &Point3) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn cross(a: &Point3, b: &Point3) -> Point3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::super::geometry::PointPx;
    use super::*;
    use proptest::prelude::*;

    /// Turns the mean face step by step and looks at it from far away.
    fn seen(roll: f64, yaw: f64, pitch: f64, scale: f64) -> Landmarks {
        let (sr, cr) = roll.to_radians().sin_cos();
        let (sy, cy) = yaw.to_radians().sin_cos();
        let (sp, cp) = pitch.to_radians().sin_cos();
        Landmarks::from_points(MEAN_FACE_MM.map(|[x, y, z]| {
            // Looking up: the nose (z < 0) rises, so y falls.
            let (y, z) = (y * cp + z * sp, z * cp - y * sp);
            // To the picture's right: the nose moves to larger x.
            let (x, _z) = (x * cy - z * sy, z * cy + x * sy);
            // Clockwise: what was right goes down.
            let (x, y) = (x * cr - y * sr, y * cr + x * sr);
            PointPx { x: (x * scale + 200.0) as f32, y: (y * scale + 150.0) as f32 }
        }))
    }

    proptest! {
        #[test]
        fn a_turned_mean_face_gives_its_angles(
            roll in -170.0_f64..170.0, yaw in -75.0_f64..75.0, pitch in -60.0_f64..60.0, scale in 0.2_f64..20.0,
        ) {
            let found = pose(&seen(roll, yaw, pitch, scale));
            let near = |found: f32, truth: f64| (f64::from(found) - truth).abs() < 0.3;
            prop_assert!(near(found.roll_deg, roll) && near(found.yaw_deg, yaw) && near(found.pitch_deg, pitch), "{:?}", found);
        }

        #[test]
        fn turning_the_picture_turns_the_roll_alone(
            shifts in prop::array::uniform5((-5.0_f64..5.0, -5.0_f64..5.0)), yaw in -50.0_f64..50.0, turn in -180.0_f64..180.0,
        ) {
            let face = seen(0.0, yaw, 0.0, 1.0).points();
            let shifted: Vec<_> = face.iter().zip(shifts).map(|(p, (x, y))| (f64::from(p.x) + x, f64::from(p.y) + y)).collect();
            let (sin, cos) = turn.to_radians().sin_cos();
            let at = |sin: f64, cos: f64| {
                let point = |n: usize| {
                    let (x, y) = shifted[n];
                    PointPx { x: (x * cos - y * sin) as f32, y: (y * cos + x * sin) as f32 }
                };
                pose(&Landmarks::from_points([point(0), point(1), point(2), point(3), point(4)]))
            };
            let (before, after) = (at(0.0, 1.0), at(sin, cos));
            let gap = (f64::from(after.roll_deg - before.roll_deg) - turn).rem_euclid(360.0);
            prop_assert!(gap.min(360.0 - gap) < 0.05, "{:?} {:?}", before, after);
            prop_assert!((after.yaw_deg - before.yaw_deg).abs() < 0.05 && (after.pitch_deg - before.pitch_deg).abs() < 0.05);
        }

        #[test]
        fn any_landmarks_give_finite_angles(points in prop::array::uniform5((-1e6_f32..1e6, -1e6_f32..1e6))) {
            let found = pose(&Landmarks::from_points(points.map(|(x, y)| PointPx { x, y })));
            prop_assert!(found.roll_deg.is_finite() && found.yaw_deg.is_finite() && found.pitch_deg.is_finite());
            prop_assert!(found.yaw_deg.abs() <= 90.0 && found.roll_deg.abs() <= 180.0);
        }
    }

    #[test]
    fn a_nose_towards_the_right_is_a_positive_yaw() {
        let mut points = seen(0.0, 0.0, 0.0, 1.0).points();
        points[2].x += 10.0;
        assert!(pose(&Landmarks::from_points(points)).yaw_deg > 5.0);
    }

    #[test]
    fn a_lower_left_eye_is_a_clockwise_roll() {
        let mut points = seen(0.0, 0.0, 0.0, 1.0).points();
        points[1].y += 10.0;
        points[4].y += 10.0;
        // A shear by 9 degrees: the nearest rotation is half of it.
        assert!(pose(&Landmarks::from_points(points)).roll_deg > 3.0);
    }

    #[test]
    fn a_raised_nose_looks_up() {
        let mut points = seen(0.0, 0.0, 0.0, 1.0).points();
        points[2].y -= 10.0;
        assert!(pose(&Landmarks::from_points(points)).pitch_deg > 5.0);
    }

    #[test]
    fn a_narrow_face_is_not_a_turned_face() {
        let narrow = seen(0.0, 0.0, 0.0, 1.0).points().map(|p| PointPx { x: (p.x - 200.0) * 0.85, y: p.y });
        let found = pose(&Landmarks::from_points(narrow));
        assert!(found.yaw_deg.abs() < 1.0 && found.pitch_deg.abs() < 8.0, "{found:?}");
    }

    #[test]
    fn coinciding_landmarks_have_no_angles() {
        let same = Landmarks::from_points([PointPx { x: 9.0, y: 9.0 }; 5]);
        assert_eq!(pose(&same), Pose::default());
    }
}
