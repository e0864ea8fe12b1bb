//! Component planes to RGB rows: chroma interpolation and colour conversion.

use super::super::instructions::{Work, widest};

/// Samples of one component over whole MCUs, and where the picture's pixels lie in it.
pub(super) struct Plane {
    pub(super) samples: Vec<u8>,
    pub(super) width: usize,
    /// Columns that show the picture; those after them are padding.
    pub(super) real_width: usize,
    /// As `real_width`, downwards.
    pub(super) real_height: usize,
    /// Luma samples per sample of this plane: 1 or 2.
    pub(super) across: usize,
    /// As `across`, downwards.
    pub(super) down: usize,
}

impl Plane {
    fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.width..(y + 1) * self.width]
    }
}

/// A rectangle of luma samples, relative to the planes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// The part as RGB: one plane is grey, three are Y, Cb, Cr in the JFIF form (ITU-R BT.601, full range).
///
/// Chroma at half resolution is interpolated by the triangle filter: 3/4 of the nearer sample, 1/4 of
/// the farther, in each direction; rounded as libjpeg does, and in its fixed point.
pub(super) fn rgb(planes: &[Plane], part: Part) -> Vec<u8> {
    widest(ToRgb { planes, part })
}

struct ToRgb<'a> {
    planes: &'a [Plane],
    part: Part,
}

impl Work for ToRgb<'_> {
    type Answer = Vec<u8>;

    #[inline(always)]
    fn run(self) -> Vec<u8> {
        rgb_inlined(self.planes, self.part)
    }
}

#[inline(always)]
fn rgb_inlined(planes: &[Plane], part: Part) -> Vec<u8> {
    let mut out = vec![0; part.width * part.height * 3];
    let mut chroma = [Interpolated::default(), Interpolated::default()];
    for (y, row) in out.chunks_exact_mut(part.width * 3).enumerate() {
        let y = part.top + y;
        let luma = &planes[0].row(y)[part.left..part.left + part.width];
        if let [_, cb, cr] = planes {
            let [cb_row, cr_row] = &mut chroma;
            convert_row(luma, cb_row.row(cb, y, part), cr_row.row(cr, y, part), row);
        } else {
            row.as_chunks_mut::<3>().0.iter_mut().zip(luma).for_each(|(pixel, &grey)| *pixel = [grey; 3]);
        }
    }
    out
}

#[inline(always)]
fn convert_row(luma: &[u8], cb: &[u8], cr: &[u8], row: &mut [u8]) {
    const PIXELS: usize = 32;
    let (pixels, pixels_left) = row.as_chunks_mut::<{ 3 * PIXELS }>();
    let (luma, luma_left) = luma.as_chunks::<PIXELS>();
    let (cb, cb_left) = cb.as_chunks::<PIXELS>();
    let (cr, cr_left) = cr.as_chunks::<PIXELS>();
    for (((out, y), cb), cr) in pixels.iter_mut().zip(luma).zip(cb).zip(cr) {
        let (mut r, mut g, mut b) = ([0; PIXELS], [0; PIXELS], [0; PIXELS]);
        // By planes first: that vectorises, writing every third byte does not.
        for x in 0..PIXELS {
            [r[x], g[x], b[x]] = convert(y[x], cb[x], cr[x]);
        }
        for (x, pixel) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = [r[x], g[x], b[x]];
        }
    }
    let left = luma_left.iter().zip(cb_left).zip(cr_left);
    for (pixel, ((&y, &cb), &cr)) in pixels_left.as_chunks_mut::<3>().0.iter_mut().zip(left) {
        *pixel = convert(y, cb, cr);
    }
}

/// The factors 1.402, 0.34414, 0.71414 and 1.772 in units of 2^-16, whole parts taken out so that all have 16 bits.
#[inline(always)]
fn convert(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (i16::from(y), i16::from(cb) - 128, i16::from(cr) - 128);
    let product = |value: i16, factor: i16| i32::from(value) * i32::from(factor);
    let rounded = |sum: i32| ((sum + (1 << 15)) >> 16) as i16;
    let byte = |value: i16| value.clamp(0, 255) as u8;
    [
        byte(y + cr + rounded(product(cr, 26_345))),
        byte(y - cr + rounded(product(cb, -22_554) + product(cr, 18_734))),
        byte(y + 2 * cb + rounded(product(cb, -14_942))),
    ]
}

/// One chroma row at luma resolution; keeps its buffers from row to row.
#[derive(Default)]
struct Interpolated {
    /// Vertical sums: four times the value when rows were blended, else the value.
    sums: Vec<u16>,
    out: Vec<u8>,
}

impl Interpolated {
    /// The samples of `plane` under row `y` and the columns of `part`.
    #[inline(always)]
    fn row<'a>(&'a mut self, plane: &'a Plane, y: usize, part: Part) -> &'a [u8] {
        if plane.across == 1 && plane.down == 1 {
            return &plane.row(y)[part.left..part.left + part.width];
        }
        // One sample more at each side, as far as there is one.
        let first = (part.left / plane.across).saturating_sub(1);
        let end = ((part.left + part.width).div_ceil(plane.across) + 1).min(plane.real_width);
        self.blend_rows(plane, y, first..end);
        match (plane.across, plane.down) {
            (1, _) => self.narrow(y % 2),
            (_, 1) => self.spread::<2, 1, 2>(),
            _ => self.spread::<4, 8, 7>(),
        }
        let skip = part.left - first * plane.across;
        &self.out[skip..skip + part.width]
    }

    #[inline(always)]
    fn blend_rows(&mut self, plane: &Plane, y: usize, columns: std::ops::Range<usize>) {
        let near = y / plane.down;
        self.sums.clear();
        if plane.down == 1 {
            self.sums.extend(plane.row(near)[columns].iter().map(|&value| u16::from(value)));
            return;
        }
        let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(plane.real_height - 1) };
        let (near, far) = (&plane.row(near)[columns.clone()], &plane.row(far)[columns]);
        self.sums.extend(near.iter().zip(far).map(|(&near, &far)| 3 * u16::from(near) + u16::from(far)));
    }

    /// Sums of two rows to samples. Halves are rounded down in even rows and up in odd ones.
    #[expect(clippy::cast_possible_truncation, reason = "weights sum to 4, so a fourth is a byte")]
    fn narrow(&mut self, odd_row: usize) {
        let half = if odd_row == 0 { 1 } else { 2 };
        self.out.clear();
        self.out.extend(self.sums.iter().map(|sum| ((sum + half) >> 2) as u8));
    }

    /// Each sum to two samples, divided by 2^`SHIFT`, with what is added for rounding to the left and right one.
    #[inline(always)]
    fn spread<const SHIFT: u32, const LEFT: u16, const RIGHT: u16>(&mut self) {
        #[expect(clippy::cast_possible_truncation, reason = "weights sum to 2^SHIFT, so that part is a byte")]
        let pair = |left: u16, near: u16, right: u16| {
            [((3 * near + left + LEFT) >> SHIFT) as u8, ((3 * near + right + RIGHT) >> SHIFT) as u8]
        };
        let last = self.sums.len() - 1;
        self.out.resize(2 * self.sums.len(), 0);
        let pairs = self.out.as_chunks_mut::<2>().0;
        for x in [0, last] {
            pairs[x] = pair(self.sums[x.saturating_sub(1)], self.sums[x], self.sums[(x + 1).min(last)]);
        }
        for (out, sums) in pairs[1..].iter_mut().zip(self.sums.windows(3)) {
            *out = pair(sums[0], sums[1], sums[2]);
        }
    }
}
