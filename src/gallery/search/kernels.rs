//! Integer dot products of probes with codes, on whatever the processor offers.
//!
//! Heads have four bits a component and lie in blocks of [`BLOCK_ROWS`] rows, so that a register holds the same
//! components of many rows and no sum is folded across it: a *line* of a block has, of each of its rows in order, the four
//! bytes of the next eight components, byte `j` with component `j` in its low half and component `4 + j` in its high half.
//!
//! Beside the heads a row has, in one piece, its tail with four bits a component (in groups of 64 components, byte `j` of
//! 32 with components `j` and `32 + j`), then what refines the head with two bits (byte `j` of 16 with components `j`,
//! `16 + j`, `32 + j` and `48 + j` from the lowest bits up).
//!
//! A probe has one `i8` a component, -127 to 127, in the order of the components. The products are exact integers, so
//! every path returns the same numbers.

/// Components come in whole groups of so many.
pub(super) const GROUP: usize = 64;
/// Bytes of a group's codes of four bits.
pub(super) const GROUP_BYTES: usize = GROUP / 2;
/// Bytes of a group's codes of two bits.
pub(super) const FINE_BYTES: usize = GROUP / 4;
/// Largest size of one product of a component.
pub(super) const PRODUCT_MAX: f64 = 15.0 * 127.0;
/// Rows in a block of heads.
pub(super) const BLOCK_ROWS: usize = 16;
/// Components of a row in a line.
const LINE: usize = 8;
/// Bytes of a row in a line.
pub(super) const CELL_BYTES: usize = LINE / 2;
/// Bytes of a line of a block.
pub(super) const LINE_BYTES: usize = BLOCK_ROWS * CELL_BYTES;
/// Most probes whose products are formed while a row is in the registers.
pub(super) const TOGETHER: usize = 4;

/// How to compute; all give the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Plain Rust, on every processor.
    Portable,
    /// x86-64 with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-512 (F, BW, VL) and its VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// 64-bit Arm.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Path {
    /// Those that this processor can run, the fastest last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut paths = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx2") {
                paths.push(Self::Avx2);
            }
            let vnni = std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512vl")
                && std::arch::is_x86_feature_detected!("avx512vnni");
            if vnni {
                paths.push(Self::Avx512Vnni);
            }
        }
        #[cfg(target_arch = "aarch64")]
        paths.push(Self::Neon);
        paths
    }

    /// The fastest one here that computes as the portable one does, tried once.
    ///
    /// A wrong product would hide a face without a word, so no processor, emulator or compiler is taken on trust.
    #[must_use]
    pub fn best() -> Self {
        static BEST: std::sync::OnceLock<Path> = std::sync::OnceLock::new();
        *BEST.get_or_init(|| {
            let agrees = |path: &Self| path.agrees();
            Self::available().into_iter().rev().find(agrees).unwrap_or(Self::Portable)
        })
    }

    /// Products of a probe, a whole number of groups of 64 components, with any bytes as codes: as blocks of heads, then
    /// as tails and as refinements of single rows. For holding paths against each other; `None` when the lengths or the
    /// probe's values (-127 to 127) do not fit, or when a probe has other products as one of several.
    #[must_use]
    pub fn products(self, codes: &[u8], probe: &[i8]) -> Option<Vec<i32>> {
        let whole = !probe.is_empty() && probe.len().is_multiple_of(GROUP) && !probe.contains(&i8::MIN);
        if !whole {
            return None;
        }
        let blocks = codes.len() / (probe.len() / 2 * BLOCK_ROWS);
        let heads = &codes[..blocks * probe.len() / 2 * BLOCK_ROWS];
        let mut alone = vec![0; blocks * BLOCK_ROWS];
        scan(self, heads, [probe], [&mut alone]);
        if !self.scans_as::<TOGETHER>(heads, probe, &alone) {
            return None;
        }
        let tails = codes.chunks_exact(probe.len() / 2).map(|tail| tail_product(self, tail, probe));
        let fine = codes.chunks_exact(probe.len() / 4).map(|fine| fine_product(self, fine, probe));
        alone.extend(tails.chain(fine));
        Some(alone)
    }

    /// A probe among others has these products, wherever it stands.
    fn scans_as<const P: usize>(self, heads: &[u8], probe: &[i8], alone: &[i32]) -> bool {
        let mut together: [Vec<i32>; P] = std::array::from_fn(|_| vec![0; alone.len()]);
        scan(self, heads, [probe; P], together.each_mut().map(Vec::as_mut_slice));
        together.iter().all(|products| products == alone)
    }

    /// Gives the products of the portable path for codes and probes of every size, the largest included, and selects the
    /// rows that it selects.
    fn agrees(self) -> bool {
        let selects = self.selected() == Self::Portable.selected();
        selects
            && (1..=9).all(|groups| {
                let bytes = 5 * BLOCK_ROWS * groups * GROUP_BYTES;
                let codes: Vec<u8> = (0..bytes).map(|n| spread(n, 256).to_le_bytes()[0]).collect();
                let full = vec![u8::MAX; codes.len()];
                let mixed = |n| i8::try_from(i64::from(spread(n, 255)) - 127).unwrap_or(0);
                let probes =
                    [(0..groups * GROUP).map(mixed).collect(), vec![127; groups * GROUP], vec![-127; groups * GROUP]];
                [codes, full].iter().all(|codes| {
                    probes.iter().all(|probe: &Vec<i8>| {
                        let own = self.products(codes, probe);
                        own.is_some() && own == Self::Portable.products(codes, probe)
                    })
                })
            })
    }

    /// Rows that it selects of some with products and lengths of every size.
    fn selected(self) -> Vec<u32> {
        let products: Vec<i32> = (0..100).map(|n| spread(n, 1 << 20).cast_signed() - (1 << 19)).collect();
        let length = |n| i16::try_from(spread(n, 1 << 15)).unwrap_or(i16::MAX);
        let lengths: Vec<Lengths> =
            (0..100).map(|n| Lengths { residual: length(2 * n + 7), outside: length(2 * n + 8) }).collect();
        let mut rows = Vec::new();
        for least in [i32::MIN, -(1 << 20), 0, 1 << 20, 1 << 30, i32::MAX] {
            let look = FirstLook { shift: 10, residual_weight: 3000, outside_weight: 500, least };
            select(self, &products, &lengths, look, &mut rows);
        }
        rows
    }
}

/// A number below `end` for each `n`, without order.
fn spread(n: usize, end: u32) -> u32 {
    (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0..4]
        .iter()
        .fold(0, |all, &b| (all << 8 | u32::from(b)) % end)
}

/// Products of probes with the heads of `products[0].len()` rows, whole blocks: `products[p]` are those of `probes[p]`.
///
/// # Panics
/// When a probe is no whole number of groups, the probes or the products differ in length, or `heads` has not that many
/// rows.
pub(super) fn scan<const P: usize>(path: Path, heads: &[u8], probes: [&[i8]; P], products: [&mut [i32]; P]) {
    let length = probes[0].len();
    let rows = products[0].len();
    assert!(length.is_multiple_of(GROUP) && length > 0, "a probe has whole groups");
    assert!(probes.iter().all(|probe| probe.len() == length), "probes of one length");
    assert!(products.iter().all(|products| products.len() == rows), "as many products for each");
    assert!(rows.is_multiple_of(BLOCK_ROWS) && heads.len() == rows * length / 2, "heads of as many rows as products");
    match path {
        Path::Portable => portable::scan(heads, probes, products),
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => {
            // SAFETY: a `Path` other than `Portable` comes from `Path::available`, which saw AVX2; lengths are asserted.
            #[expect(unsafe_code, reason = "instructions that not every x86-64 processor has")]
            unsafe {
                avx2::scan(heads, probes, products);
            }
        }
        #[cfg(target_arch = "x86_64")]
        Path::Avx512Vnni => {
            // SAFETY: as above, for AVX-512 F, BW, VL and VNNI.
            #[expect(unsafe_code, reason = "instructions that not every x86-64 processor has")]
            unsafe {
                avx512::scan(heads, probes, products);
            }
        }
        #[cfg(target_arch = "aarch64")]
        Path::Neon => neon::scan(heads, probes, products),
    }
}

/// Product of a probe with a row's tail.
///
/// # Panics
/// When the probe is no whole number of groups or the tail is of another length.
pub(super) fn tail_product(path: Path, tail: &[u8], probe: &[i8]) -> i32 {
    assert!(probe.len().is_multiple_of(GROUP) && tail.len() == probe.len() / 2, "a tail has whole groups");
    match path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 | Path::Avx512Vnni => {
            // SAFETY: as in `scan`; both paths have AVX2.
            #[expect(unsafe_code, reason = "instructions that not every x86-64 processor has")]
            unsafe {
                avx2::tail_product(tail, probe)
            }
        }
        #[cfg(target_arch = "aarch64")]
        Path::Neon => neon::tail_product(tail, probe),
        Path::Portable => portable::tail_product(tail, probe),
    }
}

/// Product of a probe with what refines a row's head.
///
/// # Panics
/// As [`tail_product`].
pub(super) fn fine_product(path: Path, fine: &[u8], probe: &[i8]) -> i32 {
    assert!(probe.len().is_multiple_of(GROUP) && fine.len() == probe.len() / 4, "a head has whole groups");
    match path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 | Path::Avx512Vnni => {
            // SAFETY: as in `scan`; both paths have AVX2.
            #[expect(unsafe_code, reason = "instructions that not every x86-64 processor has")]
            unsafe {
                avx2::fine_product(fine, probe)
            }
        }
        _ => portable::fine_product(fine, probe),
    }
}

/// Asks for memory that is read at once: a hint, without effect on any result.
pub(super) fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    hint::<{ std::arch::x86_64::_MM_HINT_T0 }, T>(values);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// As [`prefetch`], of memory that is read after some other: into the second-level cache.
pub(super) fn prefetch_far<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    hint::<{ std::arch::x86_64::_MM_HINT_T1 }, T>(values);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

#[cfg(target_arch = "x86_64")]
fn hint<const HINT: i32, T>(values: &[T]) {
    for line in (0..size_of_val(values)).step_by(64) {
        // SAFETY: the address lies inside the slice; prefetching is part of every x86-64 processor and never faults.
        #[expect(unsafe_code, reason = "the language has no hint of its own")]
        unsafe {
            std::arch::x86_64::_mm_prefetch::<HINT>(values.as_ptr().cast::<i8>().add(line));
        }
    }
}

/// Rows whose answers are the bits of one word.
const WORD: usize = 32;

/// What the first look needs to know of a row, in the codec's units, 0 to 32,767.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Lengths {
    /// Of the head's residual.
    pub(super) residual: i16,
    /// Of everything but the head.
    pub(super) outside: i16,
}

/// What a row must reach at first look: its product times 2^`shift`, and its lengths times their weights, together at
/// least `least`. Whoever makes one sees to it that no row's sum leaves 32 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstLook {
    pub(super) shift: u32,
    pub(super) residual_weight: i16,
    pub(super) outside_weight: i16,
    pub(super) least: i32,
}

impl FirstLook {
    /// Reached by every row.
    pub(super) const ALL: Self = Self { shift: 0, residual_weight: 0, outside_weight: 0, least: i32::MIN };

    /// Whether a row with this product and these lengths may count.
    #[inline]
    pub(super) fn reached(self, product: i32, lengths: Lengths) -> bool {
        let weighted = |length: i16, weight: i16| i32::from(length) * i32::from(weight);
        let lengths = weighted(lengths.residual, self.residual_weight) + weighted(lengths.outside, self.outside_weight);
        (product << self.shift) + lengths >= self.least
    }
}

/// The rows that may count, in order, appended to `rows`. As many are looked at as there are both products and lengths.
pub(super) fn select(path: Path, products: &[i32], lengths: &[Lengths], look: FirstLook, rows: &mut Vec<u32>) {
    match path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 | Path::Avx512Vnni => {
            // SAFETY: as in `scan`; both paths have AVX2.
            #[expect(unsafe_code, reason = "instructions that not every x86-64 processor has")]
            unsafe {
                avx2::select(products, lengths, look, rows);
            }
        }
        _ => select_words(products, lengths, look, rows, |products, lengths| portable::word(products, lengths, look)),
    }
}

/// [`select`] by words: `word` has a bit for each row that is reached.
#[inline(always)]
fn select_words(
    products: &[i32],
    lengths: &[Lengths],
    look: FirstLook,
    rows: &mut Vec<u32>,
    word: impl Fn(&[i32; WORD], &[Lengths; WORD]) -> u32,
) {
    let (words, rest) = products.as_chunks::<WORD>();
    let (lengths, lengths_of_rest) = lengths.as_chunks::<WORD>();
    for (n, (products, lengths)) in words.iter().zip(lengths).enumerate() {
        push_set(word(products, lengths), n * WORD, rows);
    }
    push_set(portable::word(rest, lengths_of_rest, look), words.len() * WORD, rows);
}

/// Pushes `first` and the place of each bit that is set.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "rows of one chunk")]
fn push_set(mut bits: u32, first: usize, rows: &mut Vec<u32>) {
    while bits != 0 {
        rows.push(first as u32 + bits.trailing_zeros());
        bits &= bits - 1;
    }
}

mod portable {
    use super::{BLOCK_ROWS, CELL_BYTES, FINE_BYTES, FirstLook, GROUP, GROUP_BYTES, LINE, LINE_BYTES, Lengths};

    /// Lines whose products fit 16-bit sums: of each, two of at most 15 x 127, 30,480 in all.
    const LINES: usize = 8;

    /// What the low and the high halves of a line's bytes meet.
    type Repeated = [[i16; LINE_BYTES]; 2];

    pub fn scan<const P: usize>(heads: &[u8], probes: [&[i8]; P], products: [&mut [i32]; P]) {
        for (probe, products) in probes.into_iter().zip(products) {
            let blocks = heads.chunks_exact(probe.len() / 2 * BLOCK_ROWS);
            let probe: Vec<Repeated> = probe.as_chunks().0.iter().map(repeated).collect();
            for (block, totals) in blocks.zip(products.as_chunks_mut::<BLOCK_ROWS>().0) {
                *totals = [0; BLOCK_ROWS];
                for (lines, probe) in block.as_chunks().0.chunks(LINES).zip(probe.chunks(LINES)) {
                    add_lines(lines, probe, totals);
                }
            }
        }
    }

    fn repeated(probe: &[i8; LINE]) -> Repeated {
        [0, CELL_BYTES].map(|at| std::array::from_fn(|n| i16::from(probe[at + n % CELL_BYTES])))
    }

    /// Each byte of a line has a sum of its own, so that a compiler can work on many at once.
    fn add_lines(lines: &[[u8; LINE_BYTES]], probe: &[Repeated], totals: &mut [i32; BLOCK_ROWS]) {
        let mut sums = [0i16; LINE_BYTES];
        for (line, [low, high]) in lines.iter().zip(probe) {
            for (((sum, &codes), low), high) in sums.iter_mut().zip(line).zip(low).zip(high) {
                *sum += i16::from(codes & 15) * low + i16::from(codes >> 4) * high;
            }
        }
        for (total, sums) in totals.iter_mut().zip(sums.as_chunks::<CELL_BYTES>().0) {
            *total += sums.iter().map(|&sum| i32::from(sum)).sum::<i32>();
        }
    }

    pub fn tail_product(tail: &[u8], probe: &[i8]) -> i32 {
        product::<GROUP_BYTES>(tail, probe)
    }

    pub fn fine_product(fine: &[u8], probe: &[i8]) -> i32 {
        product::<FINE_BYTES>(fine, probe)
    }

    /// Of groups of `BYTES` bytes, each with the codes of `GROUP / BYTES` components from the lowest bits up.
    fn product<const BYTES: usize>(codes: &[u8], probe: &[i8]) -> i32 {
        let bits = 8 * BYTES / GROUP;
        let group = |(codes, probe): (&[u8; BYTES], &[i8])| -> i32 {
            let parts = probe.as_chunks::<BYTES>().0.iter().enumerate();
            let part = |(n, part): (usize, &[i8; BYTES])| -> i32 {
                let level = |code: u8| i32::from(code >> (n * bits) & ((1 << bits) - 1));
                codes.iter().zip(part).map(|(&code, &value)| level(code) * i32::from(value)).sum()
            };
            parts.map(part).sum()
        };
        codes.as_chunks::<BYTES>().0.iter().zip(probe.chunks_exact(GROUP)).map(group).sum()
    }

    /// A bit for each of at most [`super::WORD`] rows that may count.
    pub fn word(products: &[i32], lengths: &[Lengths], look: FirstLook) -> u32 {
        let rows = products.iter().zip(lengths).rev();
        rows.fold(0, |bits, (&product, &lengths)| bits << 1 | u32::from(look.reached(product, lengths)))
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector loads and stores by pointer; each block says why it is within bounds")]
mod avx2 {
    use super::{
        BLOCK_ROWS, CELL_BYTES, FINE_BYTES, FirstLook, GROUP, GROUP_BYTES, LINE, LINE_BYTES, Lengths, WORD,
        select_words,
    };
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_hadd_epi32, _mm_loadu_si128, _mm256_add_epi16,
        _mm256_add_epi32, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_castsi256_ps, _mm256_castsi256_si128,
        _mm256_cmpgt_epi32, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
        _mm256_movemask_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setr_epi32,
        _mm256_setzero_si256, _mm256_sllv_epi32, _mm256_srli_epi16, _mm256_srlv_epi32, _mm256_storeu_si256,
    };

    /// Bytes of a register.
    const BYTES: usize = 32;
    /// Lines whose products fit 16-bit sums: of each, four of at most 15 x 127, 30,480 in all.
    const LINES: usize = 4;
    /// Groups of which the same holds.
    const GROUPS: usize = 4;
    /// Registers of a line.
    const HALVES: usize = LINE_BYTES / BYTES;

    /// The products of a block's rows, in order.
    type Block = [__m256i; HALVES];

    /// Codes of four bits as bytes 0 to 15.
    #[derive(Clone, Copy)]
    struct Halves {
        low: __m256i,
        high: __m256i,
    }

    #[target_feature(enable = "avx2")]
    fn load<T>(values: &[T]) -> __m256i {
        debug_assert!(size_of_val(values) >= BYTES);
        // SAFETY: there are 32 bytes; the load needs no alignment.
        unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    fn unpack(codes: &[u8]) -> Halves {
        let both = load(codes);
        let mask = _mm256_set1_epi8(15);
        Halves { low: _mm256_and_si256(both, mask), high: _mm256_and_si256(_mm256_srli_epi16::<4>(both), mask) }
    }

    #[target_feature(enable = "avx2")]
    fn unpack_line(line: &[u8]) -> [Halves; HALVES] {
        [unpack(line), unpack(&line[BYTES..])]
    }

    /// Sixteen sums of four products; no saturation, as 2 x 15 x 127 < 2^15.
    #[target_feature(enable = "avx2")]
    fn products(codes: Halves, probe: Halves) -> __m256i {
        _mm256_add_epi16(_mm256_maddubs_epi16(codes.low, probe.low), _mm256_maddubs_epi16(codes.high, probe.high))
    }

    /// Sixteen 16-bit sums as eight of 32 bits.
    #[target_feature(enable = "avx2")]
    fn widen(sums: __m256i) -> __m256i {
        _mm256_madd_epi16(sums, _mm256_set1_epi16(1))
    }

    #[target_feature(enable = "avx2")]
    fn fold(row: __m256i) -> i32 {
        let half = _mm_add_epi32(_mm256_castsi256_si128(row), _mm256_extracti128_si256::<1>(row));
        let quarter = _mm_hadd_epi32(half, half);
        _mm_cvtsi128_si32(_mm_hadd_epi32(quarter, quarter))
    }

    /// The values of a probe that a line's codes meet, for every row.
    #[target_feature(enable = "avx2")]
    fn repeated(probe: &[i8; LINE]) -> Halves {
        let [low, high] =
            [0, CELL_BYTES].map(|at| i32::from_le_bytes(std::array::from_fn(|j| probe[at + j].cast_unsigned())));
        Halves { low: _mm256_set1_epi32(low), high: _mm256_set1_epi32(high) }
    }

    /// So many blocks at once that one probe reads in as many places, as in `avx512`; several probes need the registers.
    #[target_feature(enable = "avx2")]
    pub fn scan<const P: usize>(heads: &[u8], probes: [&[i8]; P], out: [&mut [i32]; P]) {
        if P == 1 {
            scan_blocks::<P, 4>(heads, probes, out);
        } else {
            scan_blocks::<P, 1>(heads, probes, out);
        }
    }

    #[target_feature(enable = "avx2")]
    fn scan_blocks<const P: usize, const B: usize>(heads: &[u8], probes: [&[i8]; P], mut out: [&mut [i32]; P]) {
        let block_bytes = probes[0].len() / 2 * BLOCK_ROWS;
        let probes = probes.map(|probe| probe.as_chunks::<LINE>().0.as_chunks::<LINES>().0);
        let blocks = out[0].len() / BLOCK_ROWS;
        let apart = blocks / B;
        for first in 0..apart {
            // (A closure would not be compiled for these instructions and cost a call.)
            let mut some: [&[u8]; B] = [&[]; B];
            for (b, block) in some.iter_mut().enumerate() {
                *block = &heads[(first + b * apart) * block_bytes..][..block_bytes];
            }
            put(block_products(some, probes), first, apart, &mut out);
        }
        for block in B * apart..blocks {
            put(block_products([&heads[block * block_bytes..][..block_bytes]], probes), block, 1, &mut out);
        }
    }

    #[target_feature(enable = "avx2")]
    fn put<const P: usize, const B: usize>(
        products: [[Block; B]; P],
        first: usize,
        apart: usize,
        out: &mut [&mut [i32]; P],
    ) {
        for (out, products) in out.iter_mut().zip(products) {
            for (b, products) in products.into_iter().enumerate() {
                let rows = (first + b * apart) * BLOCK_ROWS;
                let (halves, _) = out[rows..rows + BLOCK_ROWS].as_chunks_mut::<{ BYTES / CELL_BYTES }>();
                for (out, products) in halves.iter_mut().zip(products) {
                    // SAFETY: eight products of 32 bits have 32 bytes; the store needs no alignment.
                    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), products) };
                }
            }
        }
    }

    /// Products of each probe with each of the blocks.
    #[target_feature(enable = "avx2")]
    fn block_products<const P: usize, const B: usize>(
        blocks: [&[u8]; B],
        probes: [&[[[i8; LINE]; LINES]]; P],
    ) -> [[Block; B]; P] {
        let mut totals = [[[_mm256_setzero_si256(); HALVES]; B]; P];
        for n in 0..probes[0].len() {
            let mut lines: [&[u8]; B] = [&[]; B];
            for b in 0..B {
                lines[b] = &blocks[b][n * LINES * LINE_BYTES..][..LINES * LINE_BYTES];
            }
            let mut sums = [[[_mm256_setzero_si256(); HALVES]; B]; P];
            for line in 0..LINES {
                for b in 0..B {
                    let codes = unpack_line(&lines[b][line * LINE_BYTES..]);
                    for p in 0..P {
                        let probe = repeated(&probes[p][n][line]);
                        for half in 0..HALVES {
                            sums[p][b][half] = _mm256_add_epi16(sums[p][b][half], products(codes[half], probe));
                        }
                    }
                }
            }
            for p in 0..P {
                for b in 0..B {
                    for half in 0..HALVES {
                        totals[p][b][half] = _mm256_add_epi32(totals[p][b][half], widen(sums[p][b][half]));
                    }
                }
            }
        }
        totals
    }

    #[target_feature(enable = "avx2")]
    pub fn tail_product(tail: &[u8], probe: &[i8]) -> i32 {
        let mut total = _mm256_setzero_si256();
        for (tail, probe) in tail.chunks(GROUPS * GROUP_BYTES).zip(probe.chunks(GROUPS * GROUP)) {
            let mut sums = _mm256_setzero_si256();
            for (tail, probe) in tail.chunks_exact(GROUP_BYTES).zip(probe.chunks_exact(GROUP)) {
                let probe = Halves { low: load(probe), high: load(&probe[GROUP_BYTES..]) };
                sums = _mm256_add_epi16(sums, products(unpack(tail), probe));
            }
            total = _mm256_add_epi32(total, widen(sums));
        }
        fold(total)
    }

    #[target_feature(enable = "avx2")]
    pub fn fine_product(fine: &[u8], probe: &[i8]) -> i32 {
        let mask = _mm256_set1_epi8(3);
        let mut total = _mm256_setzero_si256();
        for (fine, probe) in fine.chunks_exact(FINE_BYTES).zip(probe.chunks_exact(GROUP)) {
            // SAFETY: a group has 16 bytes; the load needs no alignment.
            let group: __m128i = unsafe { _mm_loadu_si128(fine.as_ptr().cast()) };
            let group = _mm256_broadcastsi128_si256(group);
            let low = _mm256_and_si256(_mm256_srlv_epi32(group, _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2)), mask);
            let high = _mm256_and_si256(_mm256_srlv_epi32(group, _mm256_setr_epi32(4, 4, 4, 4, 6, 6, 6, 6)), mask);
            let probe = Halves { low: load(probe), high: load(&probe[GROUP / 2..]) };
            total = _mm256_add_epi32(total, widen(products(Halves { low, high }, probe)));
        }
        fold(total)
    }

    #[target_feature(enable = "avx2")]
    pub fn select(products: &[i32], lengths: &[Lengths], look: FirstLook, rows: &mut Vec<u32>) {
        // Both in 32 bits, as lengths lie.
        let weights = i32::from(look.outside_weight) << 16 | i32::from(look.residual_weight.cast_unsigned());
        let weights = _mm256_set1_epi32(weights);
        let least = _mm256_set1_epi32(look.least);
        let shift = _mm256_set1_epi32(look.shift.cast_signed());
        select_words(products, lengths, look, rows, |products, lengths| {
            let mut below = 0;
            for eight in 0..WORD / 8 {
                let products = _mm256_sllv_epi32(load(&products[8 * eight..]), shift);
                let sums = _mm256_add_epi32(products, _mm256_madd_epi16(load(&lengths[8 * eight..]), weights));
                let signs = _mm256_castsi256_ps(_mm256_cmpgt_epi32(least, sums));
                below |= _mm256_movemask_ps(signs).cast_unsigned() << (8 * eight);
            }
            !below
        });
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector loads and stores by pointer; each block says why it is within bounds")]
mod avx512 {
    use super::{BLOCK_ROWS, CELL_BYTES, LINE, LINE_BYTES};
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_andnot_si512, _mm512_dpbusd_epi32, _mm512_loadu_si512,
        _mm512_set1_epi8, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_srai_epi32, _mm512_storeu_si512,
    };

    /// Bytes of a register.
    const BYTES: usize = 64;

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn load<T>(values: &[T]) -> __m512i {
        debug_assert!(size_of_val(values) >= BYTES);
        // SAFETY: there are 64 bytes; the load needs no alignment.
        unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
    }

    /// Four values of a probe, for every row.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn repeated(values: &[i8]) -> __m512i {
        _mm512_set1_epi32(i32::from_le_bytes(std::array::from_fn(|j| values[j].cast_unsigned())))
    }

    /// So many blocks at once that no sum waits for another, and that all of them stay in registers.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    pub fn scan<const P: usize>(heads: &[u8], probes: [&[i8]; P], out: [&mut [i32]; P]) {
        if P == 1 {
            scan_blocks::<P, 8>(heads, probes, out);
        } else {
            scan_blocks::<P, 2>(heads, probes, out);
        }
    }

    /// Blocks that are worked on together lie far from each other: the processor fetches ahead by itself, but not
    /// beyond a page of memory, and so it fetches in `B` pages at once.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn scan_blocks<const P: usize, const B: usize>(heads: &[u8], probes: [&[i8]; P], mut out: [&mut [i32]; P]) {
        let block_bytes = probes[0].len() / 2 * BLOCK_ROWS;
        let probes = probes.map(|probe| probe.as_chunks::<LINE>().0);
        let blocks = out[0].len() / BLOCK_ROWS;
        let apart = blocks / B;
        for first in 0..apart {
            // (A closure would not be compiled for these instructions and cost a call.)
            let mut some: [&[u8]; B] = [&[]; B];
            for (b, block) in some.iter_mut().enumerate() {
                *block = &heads[(first + b * apart) * block_bytes..][..block_bytes];
            }
            put(products(some, probes), first, apart, &mut out);
        }
        for block in B * apart..blocks {
            put(products([&heads[block * block_bytes..][..block_bytes]], probes), block, 1, &mut out);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn put<const P: usize, const B: usize>(
        products: [[__m512i; B]; P],
        first: usize,
        apart: usize,
        out: &mut [&mut [i32]; P],
    ) {
        for (out, products) in out.iter_mut().zip(products) {
            for (b, products) in products.into_iter().enumerate() {
                let rows = (first + b * apart) * BLOCK_ROWS;
                let out = &mut out[rows..rows + BLOCK_ROWS];
                // SAFETY: sixteen products of 32 bits have 64 bytes; the store needs no alignment.
                unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), products) };
            }
        }
    }

    /// Products of each probe with each of the blocks.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn products<const P: usize, const B: usize>(blocks: [&[u8]; B], probes: [&[[i8; LINE]]; P]) -> [[__m512i; B]; P] {
        let mask = _mm512_set1_epi8(15);
        let mut low = [[_mm512_setzero_si512(); B]; P];
        // Codes of high halves are left where they are, 16 times what they stand for: a line adds at most 4 x 240 x 127,
        // so that 16,384 dimensions and more stay far below 2^31.
        let mut high = low;
        for line in 0..probes[0].len() {
            let mut codes = [_mm512_setzero_si512(); B];
            for b in 0..B {
                codes[b] = load(&blocks[b][line * LINE_BYTES..]);
            }
            for p in 0..P {
                let (first, second) = probes[p][line].split_at(CELL_BYTES);
                let (first, second) = (repeated(first), repeated(second));
                for b in 0..B {
                    low[p][b] = _mm512_dpbusd_epi32(low[p][b], _mm512_and_si512(codes[b], mask), first);
                    high[p][b] = _mm512_dpbusd_epi32(high[p][b], _mm512_andnot_si512(mask, codes[b]), second);
                }
            }
        }
        for p in 0..P {
            for b in 0..B {
                low[p][b] = _mm512_add_epi32(low[p][b], _mm512_srai_epi32::<4>(high[p][b]));
            }
        }
        low
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::{BLOCK_ROWS, CELL_BYTES, GROUP, GROUP_BYTES, LINE, LINE_BYTES};
    use std::arch::aarch64::{
        int8x16_t, int32x4_t, vaddvq_s32, vandq_u8, vdupq_n_s32, vdupq_n_u8, vget_low_s8, vld1q_s8, vld1q_u8,
        vmull_high_s8, vmull_s8, vpadalq_s16, vpaddq_s32, vreinterpretq_s8_s32, vreinterpretq_s8_u8, vshrq_n_u8,
        vst1q_s32,
    };

    /// Bytes of a register.
    const BYTES: usize = 16;
    /// Rows in a register.
    const ROWS: usize = BYTES / CELL_BYTES;

    pub fn scan<const P: usize>(heads: &[u8], probes: [&[i8]; P], mut out: [&mut [i32]; P]) {
        let block_bytes = probes[0].len() / 2 * BLOCK_ROWS;
        let probes = probes.map(|probe| probe.as_chunks::<LINE>().0);
        for (n, block) in heads.chunks_exact(block_bytes).enumerate() {
            for quarter in 0..LINE_BYTES / BYTES {
                let rows = n * BLOCK_ROWS + quarter * ROWS;
                for (out, probe) in out.iter_mut().zip(probes) {
                    let four = out[rows..].first_chunk_mut::<ROWS>();
                    four.into_iter().for_each(|out| quarter_block(&block[quarter * BYTES..], probe, out));
                }
            }
        }
    }

    /// Products of four rows, of which the first byte of `cells` begins; every fourth register of a block is theirs.
    #[allow(unsafe_code, reason = "vector loads by pointer, and NEON is part of every 64-bit Arm processor")]
    fn quarter_block(cells: &[u8], probe: &[[i8; LINE]], out: &mut [i32; ROWS]) {
        let four = |values: &[i8]| i32::from_le_bytes(std::array::from_fn(|j| values[j].cast_unsigned()));
        // SAFETY: NEON is part of aarch64; slices of 16 bytes are loaded, and four numbers stored.
        unsafe {
            // Of each row two sums.
            let mut sums = [vdupq_n_s32(0); 2];
            for (line, probe) in probe.iter().enumerate() {
                let codes = unpack(&cells[line * LINE_BYTES..][..BYTES]);
                for (codes, values) in codes.into_iter().zip(probe.chunks_exact(CELL_BYTES)) {
                    let values = vreinterpretq_s8_s32(vdupq_n_s32(four(values)));
                    sums[0] = vpadalq_s16(sums[0], vmull_s8(vget_low_s8(codes), vget_low_s8(values)));
                    sums[1] = vpadalq_s16(sums[1], vmull_high_s8(codes, values));
                }
            }
            vst1q_s32(out.as_mut_ptr(), vpaddq_s32(sums[0], sums[1]));
        }
    }

    /// Codes of four bits as bytes 0 to 15, the low halves first.
    #[allow(unsafe_code, reason = "vector loads by pointer, and NEON is part of every 64-bit Arm processor")]
    unsafe fn unpack(codes: &[u8]) -> [int8x16_t; 2] {
        debug_assert!(codes.len() >= BYTES);
        // SAFETY: NEON is part of aarch64; there are 16 bytes.
        unsafe {
            let both = vld1q_u8(codes.as_ptr());
            [vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15))), vreinterpretq_s8_u8(vshrq_n_u8::<4>(both))]
        }
    }

    #[allow(unsafe_code, reason = "vector loads by pointer, and NEON is part of every 64-bit Arm processor")]
    pub fn tail_product(tail: &[u8], probe: &[i8]) -> i32 {
        // SAFETY: NEON is part of aarch64; the chunks have 16 bytes, which the loads read.
        unsafe {
            let mut sums = vdupq_n_s32(0);
            for (tail, probe) in tail.chunks_exact(GROUP_BYTES).zip(probe.chunks_exact(GROUP)) {
                let (low, high) = probe.split_at(GROUP_BYTES);
                let parts = tail.chunks_exact(BYTES).zip(low.chunks_exact(BYTES)).zip(high.chunks_exact(BYTES));
                for ((codes, low), high) in parts {
                    let codes = unpack(codes);
                    sums = add(sums, codes[0], vld1q_s8(low.as_ptr()));
                    sums = add(sums, codes[1], vld1q_s8(high.as_ptr()));
                }
            }
            vaddvq_s32(sums)
        }
    }

    /// Adds sixteen products, of which two fit 16 bits with room: 2 x 15 x 127 < 2^15.
    #[allow(unsafe_code, reason = "NEON is part of every 64-bit Arm processor")]
    unsafe fn add(sums: int32x4_t, codes: int8x16_t, probe: int8x16_t) -> int32x4_t {
        // SAFETY: NEON is part of aarch64.
        unsafe {
            let sums = vpadalq_s16(sums, vmull_s8(vget_low_s8(codes), vget_low_s8(probe)));
            vpadalq_s16(sums, vmull_high_s8(codes, probe))
        }
    }
}
