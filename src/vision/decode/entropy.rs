//! Huffman-coded data of a sequential JPEG (ITU-T T.81, annexes C and F.2).

/// Bits looked up at once: two symbols of most pictures with their value bits, and few enough that the tables of luma
/// and chroma stay in the first-level cache.
const LOOKUP_BITS: u32 = 11;

/// Look-ups between two refills: what a refill gives at least suffices for them.
const LOOKUPS_A_REFILL: u32 = 4;

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
        let mut bits = Bits { bytes: &self.bytes, next: 0, buffer: 0, count: 0 };
        bits.seek(bit);
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

    /// Goes to this bit.
    #[expect(clippy::cast_possible_truncation, reason = "at most 7")]
    fn seek(&mut self, bit: usize) {
        (self.next, self.buffer, self.count) = (bit / 8, 0, 0);
        self.refill();
        self.skip((bit % 8) as u32);
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

/// What the next bits mean: one symbol with its value, or two.
///
/// From the lowest bit: bits to skip (6; 0 when the entry is not complete), two unused, then three bytes counted from
/// the place of the next coefficient: the places of the first and the second value, and the next place after both.
/// Then the first value (16), the second (8; 0 at the place after the first when there is none) and the bits of
/// the second symbol (6; 0 for none). In an entry that is not complete: the run for the first place, the size for
/// the second and the length of the code for the next; length 0 marks a code that is longer than the look-up.
#[derive(Clone, Copy)]
struct Entry(u64);

#[expect(clippy::cast_possible_truncation, reason = "casts pick out the part that is wanted")]
impl Entry {
    /// A code that is longer than the look-up.
    const LONG: Self = Self(0);

    fn single(bits: u32, run: u32, value: i16) -> Self {
        if run == RUN_END {
            return Self(u64::from(bits) | u64::from(END) << 24);
        }
        let places = u64::from(run) << 8 | u64::from(run + 1) << 16 | u64::from(run + 1) << 24;
        Self(u64::from(bits) | places | u64::from(value.cast_unsigned()) << 32)
    }

    fn without_value(length: u32, run: u32, size: u32) -> Self {
        Self(u64::from(run) << 8 | u64::from(size) << 16 | u64::from(length) << 24)
    }

    /// This symbol and then `second`, when both are single and have room together.
    fn followed_by(self, second: Self) -> Option<Self> {
        let bits = self.bits() + second.bits();
        let fits = self.bits() > 0 && second.bits() > 0 && bits <= LOOKUP_BITS && !self.ends();
        let value = i8::try_from(second.first_value()).ok().filter(|_| fits)?;
        let places = u64::from(self.first_place()) << 8
            | u64::from(self.step() + second.first_place()) << 16
            | u64::from(self.step() + second.step()) << 24;
        let values = u64::from(value.cast_unsigned()) << 48 | self.0 & 0xFFFF << 32;
        Some(Self(u64::from(bits) | places | values | u64::from(second.bits()) << 56))
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        self.0 as u32 & 63
    }

    #[inline(always)]
    fn first_place(self) -> u32 {
        (self.0 >> 8) as u32 & 0xFF
    }

    #[inline(always)]
    fn second_place(self) -> u32 {
        (self.0 >> 16) as u32 & 0xFF
    }

    /// From one place to the next; [`END`] or more with the end of the block.
    #[inline(always)]
    fn step(self) -> u32 {
        (self.0 >> 24) as u32 & 0xFF
    }

    #[inline(always)]
    fn first_value(self) -> i32 {
        i32::from((self.0 >> 32) as i16)
    }

    #[inline(always)]
    fn second_value(self) -> i32 {
        i32::from((self.0 >> 48) as i8)
    }

    /// Bits of the second symbol, 0 when there is none.
    fn second_bits(self) -> u32 {
        (self.0 >> 56) as u32
    }

    /// Whether it is or has the end of the block.
    fn ends(self) -> bool {
        self.step() >= END
    }
}

/// Added to the place by the end of a block: more than any place that values lead to.
const END: u32 = 128;

/// A code table: what the next bits mean, in one look-up where they are few.
pub(super) struct CodeTable {
    lookup: Box<[Entry; 1 << LOOKUP_BITS]>,
    /// Per code length, first 16-bit pattern beyond its codes.
    limits: [u32; 17],
    /// Per code length, what turns a code into the index of its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
    size_max: u32,
}

/// Run that ends a block.
const RUN_END: u32 = 64;

/// Which numbers a table codes. Their sizes are those of 8-bit pictures (T.81, tables F.1 and F.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Differences of the first coefficient.
    Dc,
    /// The other coefficients, with runs of zeros.
    Ac,
}

impl CodeTable {
    /// From a DHT segment: 16 counts and the symbols. `None` when the counts do not make a prefix code.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8], class: Class) -> Option<Self> {
        let mut table = Self {
            lookup: Box::new([Entry::LONG; 1 << LOOKUP_BITS]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
            size_max: if class == Class::Dc { 11 } else { 10 },
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
        if class == Class::Ac {
            table.pair();
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
                Entry::single(length, run, 0)
            } else if size <= free {
                #[expect(clippy::cast_possible_truncation, reason = "fewer bits than are looked up")]
                let value = extend(tail >> (free - size), size) as i16;
                Entry::single(length + size, run, value)
            } else {
                Entry::without_value(length, run, size)
            };
        }
    }

    /// Adds to each entry the symbol that follows, where the bits looked up hold all of it.
    fn pair(&mut self) {
        let single = self.lookup.clone();
        for (pattern, entry) in self.lookup.iter_mut().enumerate() {
            // With zeros for the bits that are not known: a symbol within the known ones does not depend on them.
            let following = pattern << entry.bits() & ((1 << LOOKUP_BITS) - 1);
            *entry = entry.followed_by(single[following]).unwrap_or(*entry);
        }
    }

    /// The value of the next symbol of a table for the first coefficient; needs 27 bits.
    #[inline(always)]
    fn difference(&self, bits: &mut Bits<'_>) -> Result<i32, Corrupt> {
        let entry = self.lookup[bits.peek(LOOKUP_BITS) as usize];
        if entry.bits() > 0 {
            bits.skip(entry.bits());
            return Ok(entry.first_value());
        }
        self.complete(entry, bits).map(|(_run, value)| value)
    }

    /// Zeros before the next value, and the value, for an entry that is not complete; needs 27 bits.
    #[inline(always)]
    fn complete(&self, entry: Entry, bits: &mut Bits<'_>) -> Result<(u32, i32), Corrupt> {
        let (run, size, length) = (entry.first_place(), entry.second_place(), entry.step());
        if length == 0 {
            return self.next_long(bits);
        }
        bits.skip(length);
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

/// What becomes of coefficients as they are read.
pub(super) trait Sink {
    /// Takes the coefficient at place `k` of the zigzag order. Zeros come too; and so do places from 64 to 127, with
    /// what was read too far: they do not exist and are to be ignored.
    fn take(&mut self, k: usize, value: i32);
}

/// Nothing: the block is only passed over.
pub(super) struct Skipped;

impl Sink for Skipped {
    #[inline(always)]
    fn take(&mut self, _k: usize, _value: i32) {}
}

/// The coefficients of the block that are not zero, with their places.
impl Sink for Vec<(usize, i32)> {
    #[inline(always)]
    fn take(&mut self, k: usize, value: i32) {
        if value != 0 && k < 64 {
            self.push((k, value));
        }
    }
}

/// Reads one block; `sink` gets each coefficient that is written, the DC first. Gives whether there was none but the DC.
#[inline(always)]
pub(super) fn read_block(
    bits: &mut Bits<'_>,
    (dc, ac): (&CodeTable, &CodeTable),
    prediction: &mut i32,
    sink: &mut impl Sink,
) -> Result<bool, Corrupt> {
    bits.refill();
    *prediction = prediction.wrapping_add(dc.difference(bits)?);
    sink.take(0, *prediction);
    let mut at = 1;
    loop {
        bits.refill();
        for _ in 0..LOOKUPS_A_REFILL {
            let entry = ac.lookup[bits.peek(LOOKUP_BITS) as usize];
            if entry.bits() == 0 {
                bits.refill();
                let (run, value) = ac.complete(entry, bits)?;
                at += run;
                if at > 63 {
                    return if run == RUN_END { Ok(at == RUN_END + 1) } else { Err(Corrupt) };
                }
                sink.take(at as usize, value);
                at += 1;
                if at > 63 {
                    return Ok(false);
                }
                break;
            }
            bits.skip(entry.bits());
            sink.take((at + entry.first_place()) as usize, entry.first_value());
            sink.take((at + entry.second_place()) as usize, entry.second_value());
            if at + entry.step() > 63 {
                return end_block(bits, entry, at);
            }
            at += entry.step();
        }
    }
}

/// Whether the block is flat that ends with `entry` at place `at`.
#[inline(always)]
fn end_block(bits: &mut Bits<'_>, entry: Entry, at: u32) -> Result<bool, Corrupt> {
    let last = at + entry.first_place();
    if last >= 63 && entry.second_bits() > 0 {
        // The first value was the last of the block: what seemed the second belongs to the next one.
        bits.seek(bits.position() - entry.second_bits() as usize);
        return if last == 63 { Ok(false) } else { Err(Corrupt) };
    }
    if entry.ends() || at + entry.step() == 64 { Ok(at + entry.step() == 1 + END) } else { Err(Corrupt) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A prefix code: symbols with their lengths, shortest first.
    struct Code(Vec<(u8, u32)>);

    impl Code {
        /// The commonest AC symbols in 2 to 5 bits, so that two fit into one look-up, all others in 16.
        fn ac() -> Self {
            let short =
                [(0x00, 2), (0x01, 3), (0x02, 3), (0x11, 4), (0x03, 4), (0xF0, 4), (0x04, 5), (0x21, 5), (0xE1, 5)];
            let known = |symbol: &u8| short.iter().any(|&(other, _)| other == *symbol);
            let all = (0..16_u8).flat_map(|run| (1..=10_u8).map(move |size| run << 4 | size));
            let long = all.filter(|symbol| !known(symbol)).map(|symbol| (symbol, 16));
            Self(short.into_iter().chain(long).collect())
        }

        fn dc() -> Self {
            Self((0..=11).map(|size| (size, 4)).collect())
        }

        fn table(&self, class: Class) -> CodeTable {
            let mut counts = [0; 16];
            self.0.iter().for_each(|&(_, length)| counts[length as usize - 1] += 1);
            let symbols: Vec<u8> = self.0.iter().map(|&(symbol, _)| symbol).collect();
            CodeTable::new(&counts, &symbols, class).unwrap()
        }

        /// By the definition (T.81, annex C): codes count up, and double with each length.
        fn write(&self, wanted: u8, bits: &mut Vec<bool>) {
            let (mut code, mut last) = (0_u32, self.0[0].1);
            for &(symbol, length) in &self.0 {
                code <<= length - last;
                last = length;
                if symbol == wanted {
                    return write(code, length, bits);
                }
                code += 1;
            }
            panic!("no code for {wanted:02X}");
        }
    }

    fn write(value: u32, count: u32, bits: &mut Vec<bool>) {
        bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    /// A size and so many bits (T.81 F.1.2.1).
    fn write_value(code: &Code, run: u8, value: i32, bits: &mut Vec<bool>) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        code.write(run << 4 | u8::try_from(size).unwrap(), bits);
        let coded = if value < 0 { value - 1 } else { value };
        write(coded.cast_unsigned() & ((1 << size) - 1), size, bits);
    }

    fn write_block(block: &[i32; 64], difference: i32, bits: &mut Vec<bool>) {
        let (dc, ac) = (Code::dc(), Code::ac());
        write_value(&dc, 0, difference, bits);
        let mut run = 0;
        for &value in &block[1..] {
            if value == 0 {
                run += 1;
                continue;
            }
            while run > 15 {
                ac.write(0xF0, bits);
                run -= 16;
            }
            write_value(&ac, run, value, bits);
            run = 0;
        }
        if run > 0 {
            ac.write(0x00, bits);
        }
    }

    /// Bytes of a scan, stuffed, filled up with ones.
    fn scan_bytes(bits: &[bool]) -> Vec<u8> {
        let byte = |chunk: &[bool]| (0..8).fold(0, |byte, bit| byte << 1 | u8::from(chunk.get(bit) != Some(&false)));
        let stuffed = |byte| if byte == 0xFF { vec![byte, 0] } else { vec![byte] };
        bits.chunks(8).map(byte).flat_map(stuffed).collect()
    }

    fn blocks_come_back(blocks: &[[i32; 64]]) {
        let mut bits = Vec::new();
        let mut last = 0;
        for block in blocks {
            write_block(block, block[0] - last, &mut bits);
            last = block[0];
        }
        let scan = ScanData::new(&scan_bytes(&bits), 1);
        let (dc, ac) = (Code::dc().table(Class::Dc), Code::ac().table(Class::Ac));
        let (mut reader, mut prediction) = (scan.bits_at(0), 0);
        for block in blocks {
            let mut found = Vec::new();
            let flat = read_block(&mut reader, (&dc, &ac), &mut prediction, &mut found).unwrap();
            let written = block.iter().copied().enumerate().filter(|&(_, value)| value != 0);
            assert_eq!(found, written.collect::<Vec<_>>());
            assert_eq!(flat, block[1..].iter().all(|&value| value == 0));
        }
        assert_eq!(reader.position(), bits.len());
    }

    /// What follows the last coefficient belongs to the next block, also when one look-up holds both.
    #[test]
    fn a_full_block_leaves_the_next_one_alone() {
        for last in [1, -1, 2, 3] {
            let mut block = [0; 64];
            // A difference whose bits, 0100 first, are those of an AC value too.
            block[0] = 9;
            block[63] = last;
            let mut full = [1; 64];
            full[63] = last;
            blocks_come_back(&[block, block, full, [0; 64], full, full, block]);
        }
    }

    #[test]
    fn more_than_64_coefficients_are_corrupt() {
        let (dc, ac) = (Code::dc(), Code::ac());
        // Each symbol leads beyond the block from one of the places; with and without another in the same look-up.
        for (symbol, extra) in [(0x11, 1), (0x21, 1), (0xE1, 1), (0xF0, 0), (0x12, 2)] {
            for ones in [57, 62] {
                let mut bits = Vec::new();
                write_value(&dc, 0, 5, &mut bits);
                (0..ones).for_each(|_| write_value(&ac, 0, 1, &mut bits));
                (0..8).for_each(|_| {
                    ac.write(symbol, &mut bits);
                    write(1, extra, &mut bits);
                });
                ac.write(0x00, &mut bits);
                let scan = ScanData::new(&scan_bytes(&bits), 1);
                let tables = (dc.table(Class::Dc), ac.table(Class::Ac));
                let outcome = read_block(&mut scan.bits_at(0), (&tables.0, &tables.1), &mut 0, &mut Skipped);
                // With 57 before them, `0x11` fills the block exactly: three times two.
                let fills =
                    (symbol, ones) == (0x11, 57) || (symbol, ones) == (0x21, 57) || (symbol, ones) == (0x12, 57);
                assert_eq!(outcome, if fills { Ok(false) } else { Err(Corrupt) }, "{symbol:02X} after {ones}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            blocks in proptest::collection::vec(
                (
                    -1000..1000,
                    proptest::collection::vec((0..64_usize, prop_oneof![6 => -2..=2, 1 => -15..=15, 1 => -1023..=1023]), 0..64),
                ),
                1..20,
            ),
        ) {
            let block = |(first, others): &(i32, Vec<(usize, i32)>)| {
                let mut block = [0; 64];
                others.iter().for_each(|&(place, value)| block[place] = value);
                block[0] = *first;
                block
            };
            blocks_come_back(&blocks.iter().map(block).collect::<Vec<_>>());
        }
    }

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
        assert!(CodeTable::new(&counts, &[0, 1, 2], Class::Ac).is_none());
        counts[0] = 2;
        assert!(CodeTable::new(&counts, &[0], Class::Ac).is_none());
        assert!(CodeTable::new(&counts, &[0, 1], Class::Ac).is_some());
    }
}
