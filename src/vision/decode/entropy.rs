//! Huffman-coded data of a sequential JPEG (ITU-T T.81, annexes C and F.2).

/// Bits looked up at once. Most AC symbols fit with their value bits.
const LOOKUP_BITS: u32 = 11;

/// Zero bytes that follow the data, so that the reader may load eight at a time.
const PADDING: usize = 8;

/// The data contradict the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Corrupt;

/// A scan's data with the stuffing removed, in its restart segments.
pub(super) struct ScanData {
    bytes: Vec<u8>,
    /// First byte of each segment, and the end of the last.
    bounds: Vec<usize>,
}

impl ScanData {
    /// Copies the scan that begins `bytes` up to the next marker that is no restart; at most
    /// `segments_max` segments.
    pub(super) fn new(bytes: &[u8], segments_max: usize) -> Self {
        let mut out = Vec::with_capacity(bytes.len() + PADDING);
        let mut bounds = vec![0];
        let mut rest = bytes;
        loop {
            let plain = plain_length(rest);
            out.extend_from_slice(&rest[..plain]);
            rest = &rest[plain..];
            match rest {
                [0xFF, 0x00, ..] => {
                    out.push(0xFF);
                    rest = &rest[2..];
                }
                [0xFF, 0xFF, ..] => rest = &rest[1..], // fill
                [0xFF, 0xD0..=0xD7, ..] if bounds.len() < segments_max => {
                    bounds.push(out.len());
                    rest = &rest[2..];
                }
                _ => break,
            }
        }
        bounds.push(out.len());
        out.extend_from_slice(&[0; PADDING]);
        Self { bytes: out, bounds }
    }

    /// First and end bit of a segment; `None` when the file has fewer.
    pub(super) fn segment_bits(&self, segment: usize) -> Option<(usize, usize)> {
        Some((8 * self.bounds.get(segment)?, 8 * self.bounds.get(segment + 1)?))
    }

    /// A reader at this bit.
    pub(super) fn bits_at(&self, bit: usize) -> Bits<'_> {
        let mut bits = Bits { bytes: &self.bytes, next: bit / 8, buffer: 0, count: 0 };
        bits.refill();
        (0..bit % 8).for_each(|_| bits.skip(1));
        bits
    }
}

/// Bytes before the first 0xFF; looks at 32 at a time.
fn plain_length(bytes: &[u8]) -> usize {
    let is_marker = |&byte: &u8| byte == 0xFF;
    let blocks = bytes.as_chunks::<32>().0;
    let clean = |block: &&[u8; 32]| !block.iter().fold(false, |found, byte| found | is_marker(byte));
    let start = 32 * blocks.iter().take_while(clean).count();
    start + bytes[start..].iter().position(is_marker).unwrap_or(bytes.len() - start)
}

/// Most significant bit first. After the end it gives zeros; the caller compares `position` with the end.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    next: usize,
    /// The next bits at the top. Below the first `count` may stand copies of the bits that follow.
    buffer: u64,
    count: u32,
}

impl Bits<'_> {
    /// Bit position of the next bit.
    pub(super) fn position(&self) -> usize {
        8 * self.next - self.count as usize
    }

    /// Fills up to at least 56 bits.
    #[inline(always)]
    fn refill(&mut self) {
        if let Some(bytes) = self.bytes.get(self.next..).and_then(|rest| rest.first_chunk::<8>()) {
            self.buffer |= u64::from_be_bytes(*bytes) >> self.count;
        }
        self.next += ((63 - self.count) / 8) as usize;
        self.count |= 56;
    }

    /// The next bits, 1 to 16 of them.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 16 bits are left after the shift")]
    fn peek(&self, bits: u32) -> u32 {
        (self.buffer >> (64 - bits)) as u32
    }

    #[inline(always)]
    fn skip(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.count -= bits;
    }

    /// The signed value of `size` bits, 1 to 15 (T.81 F.2.2.1, EXTEND).
    #[inline(always)]
    fn signed(&mut self, size: u32) -> i32 {
        let value = extend(self.peek(size).cast_signed(), size);
        self.skip(size);
        value
    }
}

#[inline(always)]
fn extend(value: i32, size: u32) -> i32 {
    if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value }
}

/// A code table: what the next bits mean, in one look-up where they are few.
///
/// An entry is `value << 16 | run << 9 | size << 5 | bits`. With `size` 0 it is complete: skip `bits`,
/// then `run` zeros and `value`. Otherwise `size` value bits follow. `LONG` marks what no entry holds.
pub(super) struct CodeTable {
    lookup: Box<[u32; 1 << LOOKUP_BITS]>,
    /// Per code length, first 16-bit pattern beyond its codes.
    limits: [u32; 17],
    /// Per code length, what turns a code into the index of its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
    size_max: u32,
}

const LONG: u32 = 15 << 5;
/// Run that ends a block.
const RUN_END: u32 = 64;

impl CodeTable {
    /// From a DHT segment: 16 counts and the symbols. `size_max` is 11 for DC, 10 for AC
    /// differences of 8-bit pictures. `None` when the counts do not make a prefix code.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8], size_max: u32) -> Option<Self> {
        let mut table = Self {
            lookup: Box::new([LONG; 1 << LOOKUP_BITS]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
            size_max,
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = u32::from(counts[length as usize - 1]);
            table.offsets[length as usize] = i32::try_from(index).ok()? - code.cast_signed();
            for _ in 0..count {
                let symbol = *symbols.get(index)?;
                if code >= 1 << length {
                    return None;
                }
                table.enter(code, length, symbol);
                code += 1;
                index += 1;
            }
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Fills the look-up entries that begin with `code`.
    fn enter(&mut self, code: u32, length: u32, symbol: u8) {
        let (run, size) = run_and_size(symbol);
        if length > LOOKUP_BITS || size > self.size_max {
            return;
        }
        let free = LOOKUP_BITS - length;
        let first = (code << free) as usize;
        for (tail, entry) in (0_i32..).zip(&mut self.lookup[first..first + (1 << free)]) {
            *entry = if size == 0 {
                run << 9 | length
            } else if size <= free {
                let value = extend(tail >> (free - size), size);
                (value.cast_unsigned() & 0xFFFF) << 16 | run << 9 | (length + size)
            } else {
                run << 9 | size << 5 | length
            };
        }
    }

    /// Zeros before the next value, and the value.
    #[inline(always)]
    fn next(&self, bits: &mut Bits<'_>) -> Result<(u32, i32), Corrupt> {
        bits.refill();
        let entry = self.lookup[bits.peek(LOOKUP_BITS) as usize];
        let (run, size) = (entry >> 9 & 0x7F, entry >> 5 & 15);
        if size == 0 {
            bits.skip(entry & 31);
            return Ok((run, entry.cast_signed() >> 16));
        }
        if entry & LONG == LONG {
            return self.next_long(bits);
        }
        bits.skip(entry & 31);
        Ok((run, bits.signed(size)))
    }

    #[cold]
    fn next_long(&self, bits: &mut Bits<'_>) -> Result<(u32, i32), Corrupt> {
        let pattern = bits.peek(16);
        let length = (1..=16).find(|&length| pattern < self.limits[length as usize]).ok_or(Corrupt)?;
        let index = (pattern >> (16 - length)).cast_signed() + self.offsets[length as usize];
        let symbol = usize::try_from(index).ok().and_then(|index| self.symbols.get(index)).ok_or(Corrupt)?;
        let (run, size) = run_and_size(*symbol);
        if size > self.size_max {
            return Err(Corrupt);
        }
        bits.skip(length);
        Ok((run, if size == 0 { 0 } else { bits.signed(size) }))
    }
}

/// The two halves of a symbol; end of block becomes a run that no block holds.
fn run_and_size(symbol: u8) -> (u32, u32) {
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    // Zero size with a run of 15 is sixteen zeros (fifteen, and the value zero); with any other, the end.
    if size == 0 && run != 15 { (RUN_END, 0) } else { (run, size) }
}

/// Reads one block; `sink` gets each coefficient that is written, by its place in zigzag order, the DC first.
/// Gives whether there was none but the DC.
#[inline(always)]
pub(super) fn read_block(
    bits: &mut Bits<'_>,
    (dc, ac): (&CodeTable, &CodeTable),
    prediction: &mut i32,
    mut sink: impl FnMut(usize, i32),
) -> Result<bool, Corrupt> {
    let (_, difference) = dc.next(bits)?;
    *prediction = prediction.wrapping_add(difference);
    sink(0, *prediction);
    let mut flat = true;
    let mut at = 1;
    while at < 64 {
        let (run, value) = ac.next(bits)?;
        at += run;
        if at > 63 {
            return if run == RUN_END { Ok(flat) } else { Err(Corrupt) };
        }
        flat = false;
        sink(at as usize, value);
        at += 1;
    }
    Ok(flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffing_goes_and_restarts_split() {
        let scan = ScanData::new(&[1, 0xFF, 0, 2, 0xFF, 0xD0, 3, 0xFF, 0xFF, 0xD1, 4, 0xFF, 0xD9, 5], 10);
        assert_eq!(&scan.bytes[..5], &[1, 0xFF, 2, 3, 4]);
        assert_eq!(scan.segment_bits(0), Some((0, 24)));
        assert_eq!(scan.segment_bits(1), Some((24, 32)));
        assert_eq!(scan.segment_bits(2), Some((32, 40)));
        assert_eq!(scan.segment_bits(3), None);
    }

    #[test]
    fn restarts_beyond_the_expected_end_the_scan() {
        let scan = ScanData::new(&[0xFF, 0xD0].repeat(1000), 3);
        assert_eq!(scan.bounds.len(), 4);
    }

    #[test]
    fn reader_resumes_at_any_bit() {
        let data: Vec<u8> = (0..40_u8).map(|i| i.wrapping_mul(37)).collect();
        let scan = ScanData::new(&data, 1);
        for bit in 0..300 {
            let mut bits = scan.bits_at(bit);
            assert_eq!(bits.position(), bit);
            let expected =
                (0..11).fold(0, |acc, i| acc << 1 | u32::from(data[(bit + i) / 8] >> (7 - (bit + i) % 8) & 1));
            assert_eq!(bits.peek(11), expected, "at bit {bit}");
            bits.skip(11);
            assert_eq!(bits.position(), bit + 11);
        }
    }

    #[test]
    fn overfull_code_is_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(CodeTable::new(&counts, &[0, 1, 2], 10).is_none());
        counts[0] = 2;
        assert!(CodeTable::new(&counts, &[0], 10).is_none());
        assert!(CodeTable::new(&counts, &[0, 1], 10).is_some());
    }
}
