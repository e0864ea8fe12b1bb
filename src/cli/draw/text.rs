//! Text with the font that the program carries: Inter SemiBold, Latin letters only (SIL Open Font License).

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};

use super::canvas::{Canvas, Colour, index};
use crate::cli::failure::Failure;

static INTER: &[u8] = include_bytes!("../assets/Inter-SemiBold.subset.ttf");

/// The font at one size.
pub(super) struct Font {
    font: FontRef<'static>,
    scale: PxScale,
    size: f32,
}

impl Font {
    /// `size` is the height of an em, pixels.
    pub(super) fn new(size: f32) -> Result<Self, Failure> {
        let font = FontRef::try_from_slice(INTER)
            .map_err(|error| Failure::other(format!("the program's own font is damaged: {error}")))?;
        // ab_glyph scales by ascent minus descent, not by the em.
        let em = font.units_per_em().unwrap_or(2048.0);
        let scale = PxScale::from(size * font.height_unscaled() / em);
        Ok(Self { font, scale, size })
    }

    pub(super) fn size(&self) -> f32 {
        self.size
    }

    /// Height of capitals and figures, pixels.
    pub(super) fn cap_height(&self) -> f32 {
        // Inter's capitals are 1490 of 2048 units high.
        self.size * 0.727
    }

    pub(super) fn width(&self, text: &str) -> f32 {
        let font = self.font.as_scaled(self.scale);
        text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum()
    }

    /// `text`, with an ellipsis for what does not fit into `width` pixels.
    pub(super) fn cut(&self, text: &str, width: f32) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let mut kept = String::new();
        for c in text.chars() {
            kept.push(c);
            if self.width(&kept) + self.width("…") > width {
                kept.pop();
                break;
            }
        }
        format!("{}…", kept.trim_end())
    }

    /// Writes `text` from `left` on `baseline`, and gives its width.
    pub(super) fn draw(&self, canvas: &mut Canvas, text: &str, left: f32, baseline: f32, colour: Colour) -> f32 {
        let font = self.font.as_scaled(self.scale);
        let mut pen = left;
        for c in text.chars() {
            let id = font.glyph_id(c);
            let glyph = id.with_scale_and_position(self.scale, point(pen, baseline));
            if let Some(outline) = self.font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|x, y, coverage| {
                    let (x, y) = (corner.x + x as f32, corner.y + y as f32);
                    if x >= 0.0 && y >= 0.0 {
                        canvas.blend(index(x), index(y), colour, coverage);
                    }
                });
            }
            pen += font.h_advance(id);
        }
        pen - left
    }
}
