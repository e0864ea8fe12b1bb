//! `--draw`: pictures with boxes, landmarks, names and figures that one would gladly show somebody.
//!
//! Small pictures are enlarged and large ones reduced first, so that lines and text are fine in any of
//! them. All sizes derive from the drawing's longest side.

mod canvas;
mod label;
mod resize;
mod text;

use std::fs;
use std::path::Path;

use super::failure::Failure;
use crate::operations::types::BoxRatio;
use crate::vision::{DecodeLimits, Image, Landmarks, Picture, PointPx};
use canvas::{Canvas, Colour, Rect};
use label::{Label, Layout};
use text::Font;

/// Drawings of smaller pictures are enlarged to this longest side, pixels.
const LONG_SIDE_MIN: f32 = 1000.0;
/// Width from which a face and its label are easy to tell from the neighbours', pixels.
const FACE_WIDTH_WANTED: f32 = 120.0;
/// Larger pictures are reduced to this longest side, pixels.
const LONG_SIDE_MAX: f32 = 2400.0;

const PLATE: Colour = Colour(16, 19, 24);
const INK: Colour = Colour(255, 255, 255);
const SHADOW: Colour = Colour(0, 0, 0);
const BACKGROUND: Colour = Colour(20, 23, 29);

/// What a colour says of a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Sure.
    Strong,
    /// Likely.
    Middle,
    /// Doubtful, or unknown.
    Weak,
    /// Beside the point.
    Faint,
}

impl Tone {
    /// Of the detector's confidence, 0 to 100.
    pub(super) fn of_confidence(percent: f32) -> Self {
        match percent {
            90.0.. => Self::Strong,
            70.0.. => Self::Middle,
            _ => Self::Weak,
        }
    }

    /// Of a similarity, 0 to 100: below the threshold it is no match.
    pub(super) fn of_similarity(percent: f32, threshold: f32) -> Self {
        match percent {
            _ if percent < threshold => Self::Faint,
            99.0.. => Self::Strong,
            _ => Self::Middle,
        }
    }

    fn colour(self) -> Colour {
        match self {
            Self::Strong => Colour(74, 222, 158),
            Self::Middle => Colour(251, 200, 70),
            Self::Weak => Colour(255, 122, 112),
            Self::Faint => Colour(214, 221, 232),
        }
    }
}

/// One face to draw; ratios of the upright picture. Empty texts are left out.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) box_ratio: BoxRatio,
    pub(super) landmarks_ratio: Option<Landmarks>,
    pub(super) tone: Tone,
    pub(super) title: String,
    pub(super) value: String,
}

/// Two pictures side by side; a mark with a text is joined to the probe by a line that carries the text.
pub(super) struct Pair<'a> {
    pub(super) source: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) probe: Mark,
    pub(super) marks: Vec<(Mark, Option<String>)>,
}

/// Refuses a drawing's path before any work is done for it.
pub(super) fn check_path(out: &Path) -> Result<(), Failure> {
    if out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        return Ok(());
    }
    Err(Failure::Usage(format!("`{}`: drawings are PNG files; name one that ends in .png", out.display())))
}

/// An external id as a name for people: `Ada_Lovelace_0001.jpg` is `Ada Lovelace 0001`.
pub(super) fn readable_name(id: &str) -> String {
    let stem = match id.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && (3..=4).contains(&extension.len()) => stem,
        _ => id,
    };
    stem.replace('_', " ").trim().to_owned()
}

/// Draws `marks` over one picture and writes it to `out`.
pub(super) fn scene(bytes: &[u8], marks: &[Mark], out: &Path) -> Result<(), Failure> {
    let image = decode(bytes)?;
    let scale = drawing_scale(&image, marks);
    let image = resize::scaled(&image, scale);
    let frame = Rect::of_size(width(&image), height(&image));
    let mut canvas = Canvas::of(&image);
    let pen = Pen::new(frame.width.max(frame.height), face_width(&frame, marks))?;
    marks.iter().for_each(|mark| pen.face(&mut canvas, &frame, mark));
    pen.labels(&mut canvas, &frame, marks);
    save(&canvas, out)
}

/// Draws both pictures, the lines between matched faces, and writes it to `out`.
pub(super) fn pair(pair: &Pair<'_>, out: &Path) -> Result<(), Failure> {
    let images = [decode(pair.source)?, decode(pair.target)?];
    let side = pair_height(&images);
    let images = images.map(|image| resize::scaled(&image, side / height(&image)));
    let (margin, gap) = (side * 0.045, side * 0.16);
    let left = Rect { left: margin, top: margin, width: width(&images[0]), height: height(&images[0]) };
    let right = Rect { left: left.right() + gap, top: margin, width: width(&images[1]), height: height(&images[1]) };
    let mut canvas = Canvas::filled(right.right() + margin, left.bottom().max(right.bottom()) + margin, BACKGROUND);
    canvas.picture(&images[0], &left, side * 0.02);
    canvas.picture(&images[1], &right, side * 0.02);

    let marks: Vec<Mark> = pair.marks.iter().map(|(mark, _)| mark.clone()).collect();
    let pen = Pen::new(side * 1.2, face_width(&right, &marks))?;
    let links = links(&left, &right, pair);
    links.iter().for_each(|link| pen.link(&mut canvas, link));
    pen.face(&mut canvas, &left, &pair.probe);
    marks.iter().for_each(|mark| pen.face(&mut canvas, &right, mark));
    pen.link_labels(&mut canvas, &links);
    pen.labels(&mut canvas, &right, &marks);
    save(&canvas, out)
}

fn decode(bytes: &[u8]) -> Result<Image, Failure> {
    let decoded =
        Picture::open(bytes, &DecodeLimits::default()).and_then(|mut picture| picture.overview(LONG_SIDE_MAX_PX));
    decoded.map(|window| window.image).map_err(|error| Failure::other(error.to_string()))
}

/// [`LONG_SIDE_MAX`] as `vision` takes it.
const LONG_SIDE_MAX_PX: u32 = 2400;

/// Between the two longest sides, and at most twice as large for the sake of small faces.
fn drawing_scale(image: &Image, marks: &[Mark]) -> f32 {
    let long_side = width(image).max(height(image));
    let frame = Rect::of_size(width(image), height(image));
    let for_faces = (FACE_WIDTH_WANTED / face_width(&frame, marks).max(1.0)).clamp(1.0, 2.0);
    (long_side * for_faces).clamp(LONG_SIDE_MIN, LONG_SIDE_MAX) / long_side
}

/// A common height for two pictures side by side, neither wider than it is pleasant.
fn pair_height(images: &[Image; 2]) -> f32 {
    let tallest = height(&images[0]).max(height(&images[1])).clamp(800.0, 1200.0);
    let widest_aspect = images.iter().map(|image| width(image) / height(image)).fold(0.0, f32::max);
    tallest.min(1600.0 / widest_aspect).max(1.0)
}

fn width(image: &Image) -> f32 {
    image.width_px() as f32
}

fn height(image: &Image) -> f32 {
    image.height_px() as f32
}

/// Median width of the faces that are no mere bystanders, pixels.
fn face_width(frame: &Rect, marks: &[Mark]) -> f32 {
    let mut widths: Vec<f32> = marks.iter().map(|mark| frame.part(&mark.box_ratio).width).collect();
    widths.sort_by(f32::total_cmp);
    widths.get(widths.len() / 2).copied().unwrap_or(frame.width)
}

/// A line between two faces.
struct Link<'a> {
    from: PointPx,
    to: PointPx,
    tone: Tone,
    text: &'a str,
}

fn links<'a>(left: &Rect, right: &Rect, pair: &'a Pair<'_>) -> Vec<Link<'a>> {
    let probe = left.part(&pair.probe.box_ratio);
    let from = PointPx { x: probe.right(), y: probe.centre().y };
    let joined = pair.marks.iter().filter_map(|(mark, text)| Some((mark, text.as_deref()?)));
    let link = |(mark, text): (&Mark, &'a str)| {
        let face = right.part(&mark.box_ratio);
        Link { from, to: PointPx { x: face.left, y: face.centre().y }, tone: mark.tone, text }
    };
    joined.map(link).collect()
}

impl Link<'_> {
    /// A cubic curve that leaves and arrives level; `t` from 0 to 1.
    fn at(&self, t: f32) -> PointPx {
        let ease = t * t * (3.0 - 2.0 * t);
        PointPx { x: self.from.x + (self.to.x - self.from.x) * t, y: self.from.y + (self.to.y - self.from.y) * ease }
    }
}

/// Line width, text size and font of one drawing.
struct Pen {
    line: f32,
    font: Font,
}

impl Pen {
    fn new(long_side: f32, face_width: f32) -> Result<Self, Failure> {
        // Crowds get small text, but none smaller than one can read.
        let text_min = (long_side / 110.0).max(12.0);
        let text = (face_width * 0.16).clamp(text_min, (long_side / 34.0).max(text_min));
        let line = (long_side / 270.0).min(face_width / 22.0).max(1.6);
        Ok(Self { line, font: Font::new(text)? })
    }

    fn face(&self, canvas: &mut Canvas, frame: &Rect, mark: &Mark) {
        let area = frame.part(&mark.box_ratio);
        // Round enough to look soft; a face that fills the picture is no pebble.
        let radius = (0.13 * area.width.min(area.height)).min(self.line * 11.0);
        let (line, opacity) = if mark.tone == Tone::Faint { (self.line * 0.75, 0.85) } else { (self.line, 1.0) };
        canvas.stroke_soft(&area, radius, line * 3.2, SHADOW, 0.30 * opacity);
        canvas.stroke(&area, radius, line, mark.tone.colour(), opacity);
        if let Some(landmarks) = &mark.landmarks_ratio {
            self.landmarks(canvas, frame, landmarks, &area, opacity);
        }
    }

    fn landmarks(&self, canvas: &mut Canvas, frame: &Rect, landmarks: &Landmarks, area: &Rect, opacity: f32) {
        let radius = (area.width * 0.016).clamp(1.2, self.line * 1.3);
        let Landmarks { right_eye, left_eye, nose, mouth_right, mouth_left } = *landmarks;
        for point in [right_eye, left_eye, nose, mouth_right, mouth_left] {
            let centre = frame.point(point);
            canvas.disc(centre, radius * 1.9, SHADOW, 0.25 * opacity);
            canvas.disc(centre, radius, INK, 0.92 * opacity);
        }
    }

    fn labels(&self, canvas: &mut Canvas, frame: &Rect, marks: &[Mark]) {
        let boxes: Vec<Rect> = marks.iter().map(|mark| frame.part(&mark.box_ratio)).collect();
        let mut layout = Layout::new(*frame, boxes.clone());
        for (mark, area) in marks.iter().zip(&boxes) {
            let label = Label { title: self.fitted(&mark.title, frame), value: &mark.value };
            if label.is_empty() {
                continue;
            }
            let (width, height) = label.size(&self.font);
            let plate = layout.place(area, width, height, self.line * 2.0);
            self.plate(canvas, &plate, &label, mark.tone);
        }
    }

    /// `title` cut so that a plate is at most half as wide as the picture, or six faces of text.
    fn fitted(&self, title: &str, frame: &Rect) -> String {
        self.font.cut(title, (frame.width * 0.5).max(self.font.size() * 6.0))
    }

    fn plate(&self, canvas: &mut Canvas, plate: &Rect, label: &Label<'_>, tone: Tone) {
        let radius = plate.height * 0.30;
        canvas.fill_soft(plate, radius, self.line * 2.0, SHADOW, 0.25);
        canvas.fill(plate, radius, PLATE, 0.86);
        let baseline = plate.top + plate.height * 0.5 + self.font.cap_height() * 0.5;
        let mut left = plate.left + label::padding(&self.font);
        if !label.title.is_empty() {
            left += self.font.draw(canvas, &label.title, left, baseline, INK) + label::gap(&self.font);
        }
        self.font.draw(canvas, label.value, left, baseline, tone.colour());
    }

    fn link(&self, canvas: &mut Canvas, link: &Link<'_>) {
        const STEPS: u16 = 64;
        let points: Vec<PointPx> = (0..=STEPS).map(|step| link.at(f32::from(step) / f32::from(STEPS))).collect();
        canvas.polyline(&points, self.line * 2.6, SHADOW, 0.35);
        canvas.polyline(&points, self.line * 1.1, link.tone.colour(), 1.0);
        for end in [link.from, link.to] {
            canvas.disc(end, self.line * 2.2, link.tone.colour(), 1.0);
        }
    }

    fn link_labels(&self, canvas: &mut Canvas, links: &[Link<'_>]) {
        let frame = canvas.frame();
        let mut layout = Layout::new(frame, Vec::new());
        for link in links {
            let label = Label { title: String::new(), value: link.text };
            let (width, height) = label.size(&self.font);
            let plate = layout.place_on(|t| link.at(t), width, height);
            self.plate(canvas, &plate, &label, link.tone);
        }
    }
}

fn save(canvas: &Canvas, out: &Path) -> Result<(), Failure> {
    let bytes = canvas.to_png().map_err(|error| Failure::other(format!("cannot encode the drawing: {error}")))?;
    fs::write(out, bytes).map_err(|error| Failure::other(format!("cannot write `{}`: {error}", out.display())))
}

#[cfg(test)]
mod tests;
