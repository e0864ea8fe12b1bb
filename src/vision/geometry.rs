//! Points and boxes in pixels: origin top-left, x right, y down.

/// A point, pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointPx {
    /// Rightwards.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

/// An axis-parallel box, pixels; may reach outside the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxPx {
    /// Left edge.
    pub left: f32,
    /// Top edge.
    pub top: f32,
    /// Width, not negative.
    pub width: f32,
    /// Height, not negative.
    pub height: f32,
}

impl BoxPx {
    /// Width times height.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// Intersection over union, 0 to 1; 0 when either box is empty.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let width = (self.left + self.width).min(other.left + other.width) - self.left.max(other.left);
        let height = (self.top + self.height).min(other.top + other.height) - self.top.max(other.top);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let intersection = width * height;
        // Rounding of far-away edges can make the intersection exceed a tiny box.
        (intersection / (self.area() + other.area() - intersection)).clamp(0.0, 1.0)
    }
}

/// A similarity: rotation, uniform scale and shift, without reflection.
///
/// Takes (x, y) to (a x - b y + tx, b x + a y + ty).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    a: f64,
    b: f64,
    tx: f64,
    ty: f64,
}

impl Similarity {
    /// The similarity that takes `from` to `to` with the least sum of squared distances (Umeyama 1991; in the
    /// plane its rotation has this closed form).
    ///
    /// `None` when a coordinate is not finite, `from` nearly coincides (under a tenth of a pixel around its
    /// mean), or the best scale is nearly zero.
    #[must_use]
    pub fn least_squares<const N: usize>(from: &[PointPx; N], to: &[PointPx; N]) -> Option<Self> {
        Self::least_squares_of(from, to)
    }

    /// As [`Similarity::least_squares`], for any number of points; the longer slice's rest is left out.
    #[must_use]
    pub fn least_squares_of(from: &[PointPx], to: &[PointPx]) -> Option<Self> {
        let count = from.len().min(to.len());
        let (from, to) = (&from[..count], &to[..count]);
        let (from_mean, to_mean) = (mean(from)?, mean(to)?);
        let (mut spread, mut dot, mut cross) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (f64::from(p.x) - from_mean.0, f64::from(p.y) - from_mean.1);
            let (qx, qy) = (f64::from(q.x) - to_mean.0, f64::from(q.y) - to_mean.1);
            spread += px * px + py * py;
            dot += px * qx + py * qy;
            cross += px * qy - py * qx;
        }
        if !spread.is_finite() || spread < 0.01 {
            return None;
        }
        let (a, b) = (dot / spread, cross / spread);
        let fit = Self {
            a,
            b,
            tx: to_mean.0 - (a * from_mean.0 - b * from_mean.1),
            ty: to_mean.1 - (b * from_mean.0 + a * from_mean.1),
        };
        (fit.scale() > 1e-6 && fit.scale().is_finite()).then_some(fit)
    }

    /// Length of a unit step after the map.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }

    /// The rows of the 2 x 3 matrix.
    #[must_use]
    pub fn rows(&self) -> [[f64; 3]; 2] {
        [[self.a, -self.b, self.tx], [self.b, self.a, self.ty]]
    }

    /// Where (`x`, `y`) goes.
    #[must_use]
    pub fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        (self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty)
    }

    /// The way back. Scales are positive by construction, so there always is one.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Self { a, b, tx: -(a * self.tx - b * self.ty), ty: -(b * self.tx + a * self.ty) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a handful of points")]
fn mean(points: &[PointPx]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let x = points.iter().map(|point| f64::from(point.x)).sum::<f64>() / n;
    let y = points.iter().map(|point| f64::from(point.y)).sum::<f64>() / n;
    (x.is_finite() && y.is_finite()).then_some((x, y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn boxes() -> impl Strategy<Value = BoxPx> {
        (-500.0_f32..500.0, -500.0_f32..500.0, 0.0_f32..300.0, 0.0_f32..300.0)
            .prop_map(|(left, top, width, height)| BoxPx { left, top, width, height })
    }

    fn points() -> impl Strategy<Value = [PointPx; 5]> {
        prop::array::uniform5((0.0_f32..200.0, 0.0_f32..200.0)).prop_map(|all| all.map(|(x, y)| PointPx { x, y }))
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_bounded(a in boxes(), b in boxes()) {
            prop_assert_eq!(a.iou(&b), b.iou(&a));
            prop_assert!((0.0..=1.0).contains(&a.iou(&b)));
        }

        #[test]
        fn iou_with_itself_is_one(a in boxes()) {
            prop_assume!(a.area() > 1.0);
            prop_assert!((a.iou(&a) - 1.0).abs() < 1e-3);
        }

        #[test]
        fn a_fit_then_its_inverse_returns_the_points(from in points(), to in points()) {
            if let Some(fit) = Similarity::least_squares(&from, &to) {
                prop_assume!(fit.scale() > 1e-3);
                for p in from {
                    let (x, y) = fit.apply(p.x.into(), p.y.into());
                    let (x, y) = fit.inverse().apply(x, y);
                    prop_assert!((x - f64::from(p.x)).abs() < 1e-6 && (y - f64::from(p.y)).abs() < 1e-6);
                }
            }
        }

        #[test]
        fn an_exact_similarity_is_recovered(from in points(), angle in -3.1_f64..3.1, scale in 0.05_f64..20.0, tx in -99.0_f64..99.0) {
            prop_assume!((from[0].x - from[1].x).abs() > 5.0);
            let truth = Similarity { a: scale * angle.cos(), b: scale * angle.sin(), tx, ty: 3.0 };
            let to = from.map(|p| {
                let (x, y) = truth.apply(p.x.into(), p.y.into());
                PointPx { x: x as f32, y: y as f32 }
            });
            let fit = Similarity::least_squares(&from, &to).unwrap();
            prop_assert!((fit.a - truth.a).abs() < 1e-3 && (fit.b - truth.b).abs() < 1e-3);
        }
    }

    #[test]
    fn coinciding_points_have_no_fit() {
        let spread = [(0.0, 0.0), (9.0, 0.0), (5.0, 5.0), (1.0, 9.0), (8.0, 9.0)].map(|(x, y)| PointPx { x, y });
        let same = [PointPx { x: 3.0, y: 4.0 }; 5];
        assert_eq!(Similarity::least_squares(&same, &spread), None);
        assert_eq!(Similarity::least_squares(&spread, &same), None);
        let mut broken = spread;
        broken[2].x = f32::NAN;
        assert_eq!(Similarity::least_squares(&broken, &spread), None);
    }
}
