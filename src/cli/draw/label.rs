//! Where labels go: inside the picture, off the other labels, and off faces where there is room.

use super::canvas::Rect;
use super::text::Font;
use crate::vision::PointPx;

/// A name and a figure on one plate; either may be empty.
pub(super) struct Label<'a> {
    pub(super) title: String,
    pub(super) value: &'a str,
}

/// Space left and right of the text, pixels.
pub(super) fn padding(font: &Font) -> f32 {
    font.size() * 0.5
}

/// Space between name and figure, pixels.
pub(super) fn gap(font: &Font) -> f32 {
    font.size() * 0.45
}

impl Label<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.title.is_empty() && self.value.is_empty()
    }

    /// Width and height of the plate, pixels.
    pub(super) fn size(&self, font: &Font) -> (f32, f32) {
        let between = if self.title.is_empty() || self.value.is_empty() { 0.0 } else { gap(font) };
        let width = font.width(&self.title) + between + font.width(self.value) + 2.0 * padding(font);
        (width, font.size() * 1.55)
    }
}

/// The plates placed so far.
pub(super) struct Layout {
    frame: Rect,
    faces: Vec<Rect>,
    plates: Vec<Rect>,
}

impl Layout {
    pub(super) fn new(frame: Rect, faces: Vec<Rect>) -> Self {
        Self { frame, faces, plates: Vec::new() }
    }

    /// Places a plate at a face: above it if that is free, else below, beside, across its edge or, last, inside.
    pub(super) fn place(&mut self, face: &Rect, width: f32, height: f32, gap: f32) -> Rect {
        let centred = face.centre().x - width / 2.0;
        let (above, below) = (face.top - gap - height, face.bottom() + gap);
        let flush_right = face.right() - width;
        let beside = face.top;
        self.best(
            [
                (centred, above),
                (centred, below),
                (face.left, above),
                (flush_right, above),
                (face.left, below),
                (flush_right, below),
                (face.right() + gap, beside),
                (face.left - gap - width, beside),
                (face.right() + gap, face.bottom() - height),
                (face.left - gap - width, face.bottom() - height),
                // Across the box's own edge: in a crowd it tells whose label it is, and covers hair or chin.
                (centred, face.top - height / 2.0),
                (centred, face.bottom() - height / 2.0),
                (centred, face.bottom() - gap - height),
                (centred, face.top + gap),
            ],
            width,
            height,
        )
    }

    /// Places a plate on a line given by its points at 0 to 1, near its middle.
    pub(super) fn place_on(&mut self, line: impl Fn(f32) -> PointPx, width: f32, height: f32) -> Rect {
        let corner = |t: f32| (line(t).x - width / 2.0, line(t).y - height / 2.0);
        self.best([0.5, 0.58, 0.42, 0.66, 0.34, 0.75, 0.25].map(corner), width, height)
    }

    /// The first of the `corners` (left, top) with the least in its way.
    fn best<const N: usize>(&mut self, corners: [(f32, f32); N], width: f32, height: f32) -> Rect {
        let plates = corners.map(|(left, top)| self.inside(Rect { left, top, width, height }));
        let cheapest = plates.into_iter().min_by(|a, b| self.cost(a).total_cmp(&self.cost(b)));
        let plate = cheapest.unwrap_or(Rect { left: 0.0, top: 0.0, width, height });
        self.plates.push(plate);
        plate
    }

    /// Moved into the frame; a plate wider than the frame starts at its left edge.
    fn inside(&self, plate: Rect) -> Rect {
        let left = plate.left.min(self.frame.right() - plate.width).max(self.frame.left);
        let top = plate.top.min(self.frame.bottom() - plate.height).max(self.frame.top);
        Rect { left, top, ..plate }
    }

    /// Covered area: hair and chin count once, eyes to mouth five times, other text far more. Equal costs keep
    /// the order.
    fn cost(&self, plate: &Rect) -> f32 {
        let over = |rects: &[Rect]| rects.iter().map(|rect| rect.shared(plate)).sum::<f32>();
        let middles: f32 = self.faces.iter().map(|face| middle(face).shared(plate)).sum();
        over(&self.faces) + 4.0 * middles + 20.0 * over(&self.plates)
    }
}

/// Eyes to mouth of a face's box.
fn middle(face: &Rect) -> Rect {
    let (left, top) = (face.left + 0.1 * face.width, face.top + 0.22 * face.height);
    Rect { left, top, width: 0.8 * face.width, height: 0.63 * face.height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rect(left: f32, top: f32, width: f32, height: f32) -> Rect {
        Rect { left, top, width, height }
    }

    #[test]
    fn a_label_stands_above_its_face_where_there_is_room() {
        let face = rect(40.0, 40.0, 20.0, 20.0);
        let mut layout = Layout::new(rect(0.0, 0.0, 100.0, 100.0), vec![face]);
        assert_eq!(layout.place(&face, 30.0, 10.0, 2.0), rect(35.0, 28.0, 30.0, 10.0));
    }

    #[test]
    fn a_label_of_a_face_at_the_upper_edge_stands_below_it() {
        let face = rect(40.0, 0.0, 20.0, 20.0);
        let mut layout = Layout::new(rect(0.0, 0.0, 100.0, 100.0), vec![face]);
        assert_eq!(layout.place(&face, 30.0, 10.0, 2.0).top, 22.0);
    }

    #[test]
    fn labels_of_neighbours_do_not_cover_each_other() {
        let faces = [rect(20.0, 40.0, 20.0, 20.0), rect(45.0, 40.0, 20.0, 20.0), rect(70.0, 40.0, 20.0, 20.0)];
        let mut layout = Layout::new(rect(0.0, 0.0, 120.0, 120.0), faces.to_vec());
        let plates = faces.map(|face| layout.place(&face, 34.0, 8.0, 2.0));
        for (index, plate) in plates.iter().enumerate() {
            for other in &plates[index + 1..] {
                assert_eq!(plate.shared(other), 0.0, "{plates:?}");
            }
        }
    }

    #[test]
    fn labels_on_one_line_give_way_to_each_other() {
        let mut layout = Layout::new(rect(0.0, 0.0, 500.0, 100.0), vec![]);
        let line = |t: f32| PointPx { x: 500.0 * t, y: 50.0 };
        let first = layout.place_on(line, 40.0, 10.0);
        let second = layout.place_on(line, 40.0, 10.0);
        assert_eq!(first.shared(&second), 0.0);
    }

    proptest! {
        #[test]
        fn no_label_leaves_the_picture(
            left in -50.0f32..250.0, top in -50.0f32..250.0, width in 1.0f32..200.0, height in 1.0f32..200.0,
        ) {
            let frame = rect(10.0, 10.0, 200.0, 150.0);
            let face = rect(left, top, 30.0, 40.0);
            let plate = Layout::new(frame, vec![face]).place(&face, width, height.min(150.0), 3.0);
            prop_assert!(plate.left >= frame.left && plate.right() <= frame.right() + 0.01);
            prop_assert!(plate.top >= frame.top && plate.bottom() <= frame.bottom() + 0.01);
        }
    }
}
