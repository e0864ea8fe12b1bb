//! Component planes to RGB rows: chroma interpolation and colour conversion.

/// Samples of one component over whole MCUs, and where the picture's pixels lie in it.
pub(super) struct Plane {
    pub(super) samples: Vec<u8>,
    pub(super) width: usize,
    /// Luma samples per sample of this plane: 1 or 2.
    pub(super) across: usize,
    /// As `across`, downwards.
    pub(super) down: usize,
}

impl Plane {
    fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.width..(y + 1) * self.width]
    }

    fn height(&self) -> usize {
        self.samples.len() / self.width
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
/// the farther, in each direction.
pub(super) fn rgb(planes: &[Plane], part: Part) -> Vec<u8> {
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

fn convert_row(luma: &[u8], cb: &[u8], cr: &[u8], row: &mut [u8]) {
    const BITS: u32 = 16;
    // 1.402, 0.344136, 0.714136 and 1.772 in units of 2^-16.
    const CR_TO_RED: i32 = 91_881;
    const CB_TO_GREEN: i32 = 22_554;
    const CR_TO_GREEN: i32 = 46_802;
    const CB_TO_BLUE: i32 = 116_130;
    let byte = |value: i32| (value >> BITS).clamp(0, 255) as u8;
    for (pixel, ((&y, &cb), &cr)) in row.as_chunks_mut::<3>().0.iter_mut().zip(luma.iter().zip(cb).zip(cr)) {
        let y = (i32::from(y) << BITS) + (1 << (BITS - 1));
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        *pixel = [byte(y + CR_TO_RED * cr), byte(y - CB_TO_GREEN * cb - CR_TO_GREEN * cr), byte(y + CB_TO_BLUE * cb)];
    }
}

/// One chroma row at luma resolution; keeps its buffers from row to row.
#[derive(Default)]
struct Interpolated {
    /// Vertical sums, four times the value.
    sums: Vec<u16>,
    out: Vec<u8>,
}

impl Interpolated {
    /// The samples of `plane` under row `y` and the columns of `part`.
    fn row<'a>(&'a mut self, plane: &'a Plane, y: usize, part: Part) -> &'a [u8] {
        if plane.across == 1 && plane.down == 1 {
            return &plane.row(y)[part.left..part.left + part.width];
        }
        // One sample more at each side, as far as there is one.
        let first = (part.left / plane.across).saturating_sub(1);
        let end = ((part.left + part.width).div_ceil(plane.across) + 1).min(plane.width);
        self.blend_rows(plane, y, first..end);
        self.spread(plane.across);
        let skip = part.left - first * plane.across;
        &self.out[skip..skip + part.width]
    }

    fn blend_rows(&mut self, plane: &Plane, y: usize, columns: std::ops::Range<usize>) {
        let near = y / plane.down;
        let far = match (plane.down, y % 2) {
            (1, _) => near,
            (_, 0) => near.saturating_sub(1),
            _ => (near + 1).min(plane.height() - 1),
        };
        let (near, far) = (&plane.row(near)[columns.clone()], &plane.row(far)[columns]);
        self.sums.clear();
        self.sums.extend(near.iter().zip(far).map(|(&near, &far)| 3 * u16::from(near) + u16::from(far)));
    }

    #[expect(clippy::cast_possible_truncation, reason = "weights sum to 16, so a sixteenth is a byte")]
    fn spread(&mut self, across: usize) {
        self.out.clear();
        if across == 1 {
            self.out.extend(self.sums.iter().map(|sum| ((sum + 2) >> 2) as u8));
            return;
        }
        let last = self.sums.len() - 1;
        self.out.resize(2 * self.sums.len(), 0);
        let pairs = self.out.as_chunks_mut::<2>().0;
        for x in [0, last] {
            pairs[x] = pair_of(self.sums[x.saturating_sub(1)], self.sums[x], self.sums[(x + 1).min(last)]);
        }
        for (pair, sums) in pairs[1..].iter_mut().zip(self.sums.windows(3)) {
            *pair = pair_of(sums[0], sums[1], sums[2]);
        }
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "weights sum to 16, so a sixteenth is a byte")]
fn pair_of(left: u16, near: u16, right: u16) -> [u8; 2] {
    [((3 * near + left + 8) >> 4) as u8, ((3 * near + right + 7) >> 4) as u8]
}
