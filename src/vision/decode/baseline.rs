//! Baseline JPEGs, without decoding more than is asked for.
//!
//! The first pass reads the whole entropy-coded scan once, makes the reduced overview from it as it
//! goes, and remembers the reader's state at the start of each row of MCUs. Later windows resume
//! there: only the rows that they touch are read, only their own blocks are transformed.
//!
//! Sequential Huffman, 8 bit, one interleaved scan, grey or YCbCr with 4:4:4, 4:2:2, 4:4:0 or 4:2:0;
//! everything else is for the full decoder.

use super::super::instructions::{Work, widest};
use super::colour::{Part, Plane, rgb};
use super::entropy::{Bits, Class, CodeTable, Corrupt, ScanData, Skipped, read_block};
use super::jpeg::{Header, segments};
use super::transform::{Means, Transform};
use super::{DecodeError, Rect};

/// Stored-orientation RGB of a rectangle at a scale.
pub(super) struct Pixels {
    pub(super) rgb: Vec<u8>,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Stored picture position of the first pixel; multiples of the scale.
    pub(super) left: u32,
    pub(super) top: u32,
}

/// A JPEG of the supported kind, with its tables.
pub(super) struct Reader<'a> {
    /// Of the stored picture.
    size: (u32, u32),
    components: Vec<Component>,
    /// Sampling of the luma, 1 or 2; an MCU is `8 * across` by `8 * down` pixels.
    across: usize,
    down: usize,
    mcus_across: usize,
    mcus_down: usize,
    /// MCUs between restarts; 0 for none.
    restart_interval: usize,
    dc_tables: [Option<CodeTable>; 4],
    ac_tables: [Option<CodeTable>; 4],
    scan_bytes: &'a [u8],
    /// The scan without stuffing, and the state at each MCU row; made by the first pass.
    index: Option<(ScanData, Vec<Checkpoint>)>,
}

struct Component {
    across: usize,
    down: usize,
    quantization: [u8; 64],
    dc_table: usize,
    ac_table: usize,
}

/// What is needed to go on reading at the start of an MCU row.
#[derive(Debug, Clone, Copy)]
struct Checkpoint {
    bit: usize,
    predictions: [i32; 3],
    segment: usize,
    /// MCUs left in the segment.
    left: usize,
}

/// Where a block belongs.
struct Place {
    component: usize,
    /// Column and row of the block in its MCU.
    block: (usize, usize),
    /// Column and row of the MCU.
    column: usize,
    row: usize,
}

/// The tables that the header segments define.
#[derive(Default)]
struct Tables<'a> {
    quantization: [Option<[u8; 64]>; 4],
    dc: [Option<Codes<'a>>; 4],
    ac: [Option<Codes<'a>>; 4],
    restart_interval: usize,
}

/// A code as its segment gives it: 16 counts and the symbols. The look-ups are made for the scan alone: a file may
/// define a code a million times over.
#[derive(Clone, Copy)]
struct Codes<'a> {
    counts: &'a [u8; 16],
    symbols: &'a [u8],
}

/// The look-ups of the codes that are defined; `None` when one is no prefix code.
fn code_tables(codes: &[Option<Codes<'_>>; 4], class: Class) -> Option<[Option<CodeTable>; 4]> {
    let mut tables = [const { None }; 4];
    for (table, codes) in tables.iter_mut().zip(codes) {
        if let Some(Codes { counts, symbols }) = codes {
            *table = Some(CodeTable::new(counts, symbols, class)?);
        }
    }
    Some(tables)
}

impl<'a> Reader<'a> {
    /// `None` when the picture is of another kind, or its header is one we do not understand.
    pub(super) fn new(bytes: &'a [u8], header: &Header) -> Option<Self> {
        let (across, down) = sampling(header)?;
        let mut tables = Tables::default();
        for segment in segments(bytes) {
            match segment.marker {
                0xDB => read_quantization(segment.body, &mut tables)?,
                0xC4 => read_codes(segment.body, &mut tables)?,
                0xDD => tables.restart_interval = usize::from(u16::from_be_bytes(*segment.body.first_chunk()?)),
                0xDA => {
                    let components = scan_components(segment.body, header, &tables)?;
                    let mcus = |side: u32, factor: usize| (side as usize).div_ceil(8 * factor);
                    return Some(Self {
                        size: header.size,
                        components,
                        across,
                        down,
                        mcus_across: mcus(header.size.0, across),
                        mcus_down: mcus(header.size.1, down),
                        restart_interval: tables.restart_interval,
                        dc_tables: code_tables(&tables.dc, Class::Dc)?,
                        ac_tables: code_tables(&tables.ac, Class::Ac)?,
                        scan_bytes: &bytes[segment.end..],
                        index: None,
                    });
                }
                _ => {}
            }
        }
        None
    }

    /// Each rectangle (inside the stored picture) at its scale, in order.
    pub(super) fn read(&mut self, wanted: &[(Rect, u32)]) -> Result<Vec<Pixels>, DecodeError> {
        let mut targets: Vec<Target> = wanted.iter().map(|&(rect, scale)| Target::new(self, rect, scale)).collect();
        let outcome = match self.index.take() {
            Some(index) => {
                let outcome = self.read_rows(&index, &mut targets);
                self.index = Some(index);
                outcome
            }
            None => self.first_pass(&mut targets),
        };
        outcome.map_err(|Corrupt| DecodeError::Format("JPEG data are cut off or corrupt".into()))?;
        Ok(targets.into_iter().map(Target::into_pixels).collect())
    }

    /// Reads the whole scan and remembers where each row begins.
    fn first_pass(&mut self, targets: &mut [Target]) -> Result<(), Corrupt> {
        let mcus = self.mcus_across * self.mcus_down;
        let interval = if self.restart_interval == 0 { mcus } else { self.restart_interval };
        let data = ScanData::new(self.scan_bytes, mcus.div_ceil(interval));
        let mut checkpoints = Vec::with_capacity(self.mcus_down);
        let mut state = Checkpoint { bit: 0, predictions: [0; 3], segment: 0, left: interval };
        for row in 0..self.mcus_down {
            checkpoints.push(state);
            state = self.read_row(&data, state, row, self.mcus_across, targets)?;
        }
        self.index = Some((data, checkpoints));
        Ok(())
    }

    /// Reads the rows that a target needs, each up to the last column that one needs.
    fn read_rows(
        &self,
        (data, checkpoints): &(ScanData, Vec<Checkpoint>),
        targets: &mut [Target],
    ) -> Result<(), Corrupt> {
        for (row, &state) in checkpoints.iter().enumerate() {
            let columns = targets.iter().filter(|target| target.rows.contains(&row)).map(|target| target.columns.end);
            if let Some(columns) = columns.max() {
                self.read_row(data, state, row, columns, targets)?;
            }
        }
        Ok(())
    }

    /// Reads `columns` MCUs of a row; gives the state after them.
    fn read_row(
        &self,
        data: &ScanData,
        state: Checkpoint,
        row: usize,
        columns: usize,
        targets: &mut [Target],
    ) -> Result<Checkpoint, Corrupt> {
        widest(ReadRow { reader: self, data, state, row, columns, targets })
    }

    #[inline(always)]
    fn read_row_inlined(
        &self,
        data: &ScanData,
        state: Checkpoint,
        row: usize,
        columns: usize,
        targets: &mut [Target],
    ) -> Result<Checkpoint, Corrupt> {
        let Checkpoint { bit, mut predictions, mut segment, mut left } = state;
        let mut end = data.segment_bits(segment).ok_or(Corrupt)?.1;
        let mut bits = data.bits_at(bit);
        let mut active: Vec<&mut Target> = targets.iter_mut().filter(|target| target.rows.contains(&row)).collect();
        let mut hit = Vec::with_capacity(active.len());
        for column in 0..columns {
            if left == 0 {
                segment += 1;
                let (start, segment_end) = data.segment_bits(segment).ok_or(Corrupt)?;
                (bits, end, left, predictions) = (data.bits_at(start), segment_end, self.restart_interval, [0; 3]);
            }
            hit.clear();
            hit.extend((0..active.len()).filter(|&at| active[at].columns.contains(&column)));
            match *hit.as_slice() {
                [] => self.skip_mcu(&mut bits, &mut predictions)?,
                [at] => self.read_mcu_for_one(&mut bits, &mut predictions, active[at], column, row)?,
                _ => self.read_mcu_for_many(&mut bits, &mut predictions, &mut active, &hit, column, row)?,
            }
            left -= 1;
            if bits.position() > end {
                return Err(Corrupt);
            }
        }
        Ok(Checkpoint { bit: bits.position(), predictions, segment, left })
    }

    #[inline(always)]
    fn skip_mcu(&self, bits: &mut Bits<'_>, predictions: &mut [i32; 3]) -> Result<(), Corrupt> {
        for (component, prediction) in self.components.iter().zip(predictions) {
            let codes = self.codes(component)?;
            for _ in 0..component.across * component.down {
                read_block(bits, codes, prediction, &mut Skipped)?;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn read_mcu_for_one(
        &self,
        bits: &mut Bits<'_>,
        predictions: &mut [i32; 3],
        target: &mut Target,
        column: usize,
        row: usize,
    ) -> Result<(), Corrupt> {
        for (at, component) in self.components.iter().enumerate() {
            let (codes, prediction) = (self.codes(component)?, &mut predictions[at]);
            for block in component.blocks() {
                let place = Place { component: at, block, column, row };
                let (transform, out, stride) = target.place(component, &place);
                match transform {
                    Transform::Full(full) => {
                        let mut block = full.start();
                        let flat = read_block(bits, codes, prediction, &mut block)?;
                        full.finish(&block, flat, out, stride);
                    }
                    Transform::Four(means) => read_means(bits, codes, prediction, means, out, stride)?,
                    Transform::Eight(means) => read_means(bits, codes, prediction, means, out, stride)?,
                    Transform::Sixteen(means) => read_means(bits, codes, prediction, means, out, stride)?,
                    Transform::ThirtyTwo(means) => read_means(bits, codes, prediction, means, out, stride)?,
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn read_mcu_for_many(
        &self,
        bits: &mut Bits<'_>,
        predictions: &mut [i32; 3],
        targets: &mut [&mut Target],
        hit: &[usize],
        column: usize,
        row: usize,
    ) -> Result<(), Corrupt> {
        let mut coefficients = Vec::with_capacity(64);
        for (at, component) in self.components.iter().enumerate() {
            let (codes, prediction) = (self.codes(component)?, &mut predictions[at]);
            for block in component.blocks() {
                coefficients.clear();
                let flat = read_block(bits, codes, prediction, &mut coefficients)?;
                for &index in hit {
                    let place = Place { component: at, block, column, row };
                    let (transform, out, stride) = targets[index].place(component, &place);
                    transform.apply(&coefficients, flat, out, stride);
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn codes(&self, component: &Component) -> Result<(&CodeTable, &CodeTable), Corrupt> {
        let dc = self.dc_tables[component.dc_table & 3].as_ref().ok_or(Corrupt)?;
        let ac = self.ac_tables[component.ac_table & 3].as_ref().ok_or(Corrupt)?;
        Ok((dc, ac))
    }
}

/// Reads one block into its means.
#[inline(always)]
fn read_means<const N: usize>(
    bits: &mut Bits<'_>,
    codes: (&CodeTable, &CodeTable),
    prediction: &mut i32,
    means: &Means<N>,
    out: &mut [u8],
    stride: usize,
) -> Result<(), Corrupt> {
    let mut sums = means.start();
    read_block(bits, codes, prediction, &mut sums)?;
    means.finish(&sums, out, stride);
    Ok(())
}

impl Component {
    /// Column and row of each block in an MCU, in the order of the scan.
    #[inline(always)]
    fn blocks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (across, down) = (self.across, self.down);
        (0..across * down).map(move |at| if across == 1 { (0, at) } else { (at & 1, at >> 1) })
    }
}

/// One row of MCUs, see [`Reader::read_row`].
struct ReadRow<'r, 'a> {
    reader: &'r Reader<'a>,
    data: &'r ScanData,
    state: Checkpoint,
    row: usize,
    columns: usize,
    targets: &'r mut [Target],
}

impl Work for ReadRow<'_, '_> {
    type Answer = Result<Checkpoint, Corrupt>;

    #[inline(always)]
    fn run(self) -> Self::Answer {
        self.reader.read_row_inlined(self.data, self.state, self.row, self.columns, self.targets)
    }
}

/// A rectangle being read: planes over the MCUs that it touches.
struct Target {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    transforms: Vec<Transform>,
    planes: Vec<Plane>,
    /// The wanted samples, relative to the planes.
    part: Part,
    left: u32,
    top: u32,
}

impl Target {
    fn new(reader: &Reader<'_>, rect: Rect, scale: u32) -> Self {
        let luma = 8 / scale as usize;
        // Chroma is taken at up to 8 x 8 samples a block, so that only full scale has to interpolate it.
        let points = |factor: usize, own: usize| (luma * factor / own).min(8);
        let (columns, left, width) = span(rect.left, rect.width, scale, 8 * reader.across, reader.mcus_across);
        let (rows, top, height) = span(rect.top, rect.height, scale, 8 * reader.down, reader.mcus_down);
        let mut transforms = Vec::new();
        let mut planes = Vec::new();
        for component in &reader.components {
            let (across, down) = (points(reader.across, component.across), points(reader.down, component.down));
            let plane_width = columns.len() * component.across * across;
            let plane_height = rows.len() * component.down * down;
            // Samples beyond the picture are padding, which must not leak into interpolated chroma.
            let real = |side: u32, own: usize, factor: usize, points: usize, first: usize| {
                (side as usize * own * points).div_ceil(8 * factor) - first * own * points
            };
            let real_width = real(reader.size.0, component.across, reader.across, across, columns.start);
            let real_height = real(reader.size.1, component.down, reader.down, down, rows.start);
            planes.push(Plane {
                samples: vec![0; plane_width * plane_height],
                width: plane_width,
                real_width: real_width.min(plane_width),
                real_height: real_height.min(plane_height),
                across: reader.across * luma / (component.across * across),
                down: reader.down * luma / (component.down * down),
            });
            transforms.push(Transform::new(&component.quantization, across, down));
        }
        let part = Part {
            left: left - columns.start * reader.across * luma,
            top: top - rows.start * reader.down * luma,
            width,
            height,
        };
        let picture = |sample: usize| u32::try_from(sample).unwrap_or(u32::MAX) * scale;
        Self { rows, columns, transforms, planes, part, left: picture(left), top: picture(top) }
    }

    /// How a block is transformed, where its samples go, and how far apart their rows are.
    #[inline(always)]
    fn place(&mut self, component: &Component, place: &Place) -> (&Transform, &mut [u8], usize) {
        let (transform, plane) = (&self.transforms[place.component], &mut self.planes[place.component]);
        let (across, down) = transform.points();
        let left = ((place.column - self.columns.start) * component.across + place.block.0) * across;
        let top = ((place.row - self.rows.start) * component.down + place.block.1) * down;
        (transform, &mut plane.samples[top * plane.width + left..], plane.width)
    }

    fn into_pixels(self) -> Pixels {
        let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Pixels {
            rgb: rgb(&self.planes, self.part),
            width: side(self.part.width),
            height: side(self.part.height),
            left: self.left,
            top: self.top,
        }
    }
}

/// Along one axis: the MCUs that a stretch of the picture needs, and its first sample and length at `scale`.
fn span(start: u32, length: u32, scale: u32, mcu: usize, mcus: usize) -> (std::ops::Range<usize>, usize, usize) {
    // Interpolated chroma reaches one chroma sample, two pixels, further.
    const REACH: usize = 2;
    let (start, end, scale) = (start as usize, (start + length) as usize, scale as usize);
    let (first, last) = (start / scale, end.div_ceil(scale));
    let mcu_first = (first * scale).saturating_sub(REACH) / mcu;
    let mcu_end = (last * scale + REACH).div_ceil(mcu).min(mcus);
    (mcu_first..mcu_end, first, last - first)
}

/// Luma sampling factors, when the picture is of the supported kind.
fn sampling(header: &Header) -> Option<(usize, usize)> {
    let sequential = matches!(header.frame_marker, 0xC0 | 0xC1) && header.precision == 8;
    if !sequential {
        return None;
    }
    match header.components.as_slice() {
        [_] => Some((1, 1)), // alone in its scan, a component has MCUs of one block
        [y, cb, cr] => {
            let is_rgb = [y.id, cb.id, cr.id] == *b"RGB" || header.adobe.is_some_and(|transform| transform != 1);
            let chroma_single = [cb, cr].iter().all(|component| component.across == 1 && component.down == 1);
            let luma_known = (1..=2).contains(&y.across) && (1..=2).contains(&y.down);
            (!is_rgb && chroma_single && luma_known).then(|| (usize::from(y.across), usize::from(y.down)))
        }
        _ => None,
    }
}

fn read_quantization(mut body: &[u8], tables: &mut Tables<'_>) -> Option<()> {
    while let Some((&head, rest)) = body.split_first() {
        if head >> 4 != 0 {
            return None; // 16-bit factors belong to 12-bit pictures
        }
        let (values, rest) = rest.split_first_chunk::<64>()?;
        *tables.quantization.get_mut(usize::from(head))? = Some(*values);
        body = rest;
    }
    Some(())
}

fn read_codes<'a>(mut body: &'a [u8], tables: &mut Tables<'a>) -> Option<()> {
    while let Some((&head, rest)) = body.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let symbols = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(symbols)?;
        let codes = match head >> 4 {
            0 => &mut tables.dc,
            1 => &mut tables.ac,
            _ => return None,
        };
        *codes.get_mut(usize::from(head & 15))? = Some(Codes { counts, symbols });
        body = rest;
    }
    Some(())
}

/// The components of the scan, when it holds all of them in the frame's order with known tables.
fn scan_components(body: &[u8], header: &Header, tables: &Tables<'_>) -> Option<Vec<Component>> {
    let (&count, rest) = body.split_first()?;
    let (entries, spectral) = rest.split_at_checked(2 * usize::from(count))?;
    if usize::from(count) != header.components.len() || spectral != [0, 63, 0] {
        return None;
    }
    let alone = count == 1;
    header
        .components
        .iter()
        .zip(entries.as_chunks::<2>().0)
        .map(|(component, &[id, codes])| {
            let (dc_table, ac_table) = (usize::from(codes >> 4), usize::from(codes & 15));
            let known = tables.dc.get(dc_table)?.is_some() && tables.ac.get(ac_table)?.is_some();
            (id == component.id && known).then_some(())?;
            Some(Component {
                across: if alone { 1 } else { usize::from(component.across) },
                down: if alone { 1 } else { usize::from(component.down) },
                quantization: (*tables.quantization.get(usize::from(component.quantization))?)?,
                dc_table,
                ac_table,
            })
        })
        .collect()
}
