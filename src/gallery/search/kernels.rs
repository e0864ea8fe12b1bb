//! Integer dot products of a probe with four-bit codes, on whatever the processor offers.
//!
//! A code holds two components a byte, in groups of 64 components (32 bytes): byte `j` of a group has component `j` in
//! its low half and component `32 + j` in its high half, each 0 to 15. A probe has one `i8` a component, -127 to 127,
//! in the order of the components. The products are exact integers, so every path returns the same numbers.

/// Components in a group.
pub(super) const GROUP: usize = 64;
/// Bytes of a group's codes.
pub(super) const GROUP_BYTES: usize = GROUP / 2;
/// Largest size of one product of a component.
pub(super) const PRODUCT_MAX: f64 = 15.0 * 127.0;
/// Probes whose products are formed while a row is in the registers.
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

    /// Products of a probe, a whole number of groups of 64 components, with four-bit codes of rows that lie one after
    /// another: one probe at a time, and as one of several. For holding paths against each other; `None` when the
    /// lengths or the probe's values (-127 to 127) do not fit.
    #[must_use]
    pub fn products(self, codes: &[u8], probe: &[i8]) -> Option<[Vec<i32>; 2]> {
        let whole = !probe.is_empty() && probe.len().is_multiple_of(GROUP) && !probe.contains(&i8::MIN);
        if !whole || !codes.len().is_multiple_of(probe.len() / 2) {
            return None;
        }
        let mut alone = vec![0; codes.len() / (probe.len() / 2)];
        let mut together: [Vec<i32>; TOGETHER] = std::array::from_fn(|_| alone.clone());
        scan(self, codes, probe, &mut alone);
        scan_together(self, codes, [probe; TOGETHER], together.each_mut().map(Vec::as_mut_slice));
        let [first, .., last] = together;
        (first == last).then_some([alone, last])
    }

    /// Gives the products of the portable path for codes and probes of every size, the largest included.
    fn agrees(self) -> bool {
        const ROWS: usize = 9;
        (1..=9).all(|groups| {
            let codes: Vec<u8> = (0..ROWS * groups * GROUP_BYTES).map(|n| spread(n, 256).to_le_bytes()[0]).collect();
            let full = vec![u8::MAX; codes.len()];
            let mixed = |n| i8::try_from(i64::from(spread(n, 255)) - 127).unwrap_or(0);
            let probes =
                [(0..groups * GROUP).map(mixed).collect(), vec![127; groups * GROUP], vec![-127; groups * GROUP]];
            [codes, full].iter().all(|codes| {
                probes.iter().all(|probe: &Vec<i8>| {
                    let (mut plain, mut own, mut together) = ([0; ROWS], [0; ROWS], [[0; ROWS]; TOGETHER]);
                    scan(Self::Portable, codes, probe, &mut plain);
                    scan(self, codes, probe, &mut own);
                    scan_together(self, codes, [probe; TOGETHER], together.each_mut().map(|rows| &mut rows[..]));
                    own == plain && together.iter().all(|own| *own == plain)
                })
            })
        })
    }
}

/// A number below `end` for each `n`, without order.
fn spread(n: usize, end: u32) -> u32 {
    (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0..4]
        .iter()
        .fold(0, |all, &b| (all << 8 | u32::from(b)) % end)
}

/// Products of one probe with the codes of `products.len()` rows that lie one after another.
///
/// # Panics
/// When the probe is no whole number of groups or `codes` has not that many rows.
pub(super) fn scan(path: Path, codes: &[u8], probe: &[i8], products: &mut [i32]) {
    assert!(probe.len().is_multiple_of(GROUP) && !probe.is_empty(), "a probe has whole groups");
    assert_eq!(codes.len(), products.len() * probe.len() / 2, "codes of as many rows as products");
    match path {
        Path::Portable => portable::scan(codes, probe, products),
        // A probe is put in order for the wide registers first, which a single row does not pay for.
        #[cfg(target_arch = "x86_64")]
        Path::Avx512Vnni if products.len() == 1 => scan(Path::Avx2, codes, probe, products),
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => {
            // SAFETY: a `Path` other than `Portable` comes from `Path::available`, which saw AVX2; lengths are asserted.
            #[expect(unsafe_code, reason = "instructions that not every x86-64 processor has")]
            unsafe {
                avx2::scan(codes, probe, products);
            }
        }
        #[cfg(target_arch = "x86_64")]
        Path::Avx512Vnni => {
            // SAFETY: as above, for AVX-512 F, BW, VL and VNNI.
            #[expect(unsafe_code, reason = "instructions that not every x86-64 processor has")]
            unsafe {
                avx512::scan(codes, probe, products);
            }
        }
        #[cfg(target_arch = "aarch64")]
        Path::Neon => neon::scan(codes, probe, products),
    }
}

/// Products of [`TOGETHER`] probes with the same rows: `products[p]` are those of `probes[p]`.
///
/// # Panics
/// As [`scan`]; when the probes or the products differ in length.
pub(super) fn scan_together(path: Path, codes: &[u8], probes: [&[i8]; TOGETHER], products: [&mut [i32]; TOGETHER]) {
    let length = probes[0].len();
    let rows = products[0].len();
    assert!(length.is_multiple_of(GROUP) && length > 0, "a probe has whole groups");
    assert!(probes.iter().all(|probe| probe.len() == length), "probes of one length");
    assert!(products.iter().all(|products| products.len() == rows), "as many products for each");
    assert_eq!(codes.len(), rows * length / 2, "codes of as many rows as products");
    match path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => {
            // SAFETY: as in `scan`.
            #[expect(unsafe_code, reason = "instructions that not every x86-64 processor has")]
            unsafe {
                avx2::scan_together(codes, probes, products);
            }
        }
        #[cfg(target_arch = "x86_64")]
        Path::Avx512Vnni => {
            // SAFETY: as in `scan`.
            #[expect(unsafe_code, reason = "instructions that not every x86-64 processor has")]
            unsafe {
                avx512::scan_together(codes, probes, products);
            }
        }
        _ => {
            for (probe, products) in probes.into_iter().zip(products) {
                scan(path, codes, probe, products);
            }
        }
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

/// Rows that share one bound: few enough that it is near to each one's own.
pub(super) const STRIDE: usize = 32;

/// The rows whose product is at least that of their stride, in order, appended to `rows`.
///
/// `least` has a number for every [`STRIDE`] rows.
pub(super) fn select(path: Path, products: &[i32], least: &[i32], rows: &mut Vec<u32>) {
    let (strides, rest) = products.as_chunks::<STRIDE>();
    match path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 | Path::Avx512Vnni => {
            // SAFETY: as in `scan`; both paths have AVX2.
            #[expect(unsafe_code, reason = "instructions that not every x86-64 processor has")]
            unsafe {
                avx2::select(strides, least, rows);
            }
        }
        _ => {
            for (n, (products, &least)) in strides.iter().zip(least).enumerate() {
                push_set(portable::reached(products, least), n * STRIDE, rows);
            }
        }
    }
    if let Some(&least) = least.get(strides.len()) {
        push_set(portable::reached(rest, least), strides.len() * STRIDE, rows);
    }
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
    use super::{GROUP, GROUP_BYTES};

    pub fn scan(codes: &[u8], probe: &[i8], products: &mut [i32]) {
        for (product, row) in products.iter_mut().zip(codes.chunks_exact(probe.len() / 2)) {
            *product = row.chunks_exact(GROUP_BYTES).zip(probe.chunks_exact(GROUP)).map(group).sum();
        }
    }

    /// A bit for each product that is at least so much.
    pub fn reached(products: &[i32], least: i32) -> u32 {
        products.iter().rev().fold(0, |bits, &product| bits << 1 | u32::from(product >= least))
    }

    fn group((codes, probe): (&[u8], &[i8])) -> i32 {
        let (low, high) = probe.split_at(GROUP_BYTES);
        let mut sum = 0;
        for ((&code, &low), &high) in codes.iter().zip(low).zip(high) {
            sum += i32::from(code & 15) * i32::from(low) + i32::from(code >> 4) * i32::from(high);
        }
        sum
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector loads and stores by pointer; each block says why it is within bounds")]
mod avx2 {
    use super::{GROUP, GROUP_BYTES, STRIDE, TOGETHER, push_set};
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_hadd_epi32, _mm_storeu_si128, _mm256_add_epi16,
        _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmpgt_epi32,
        _mm256_extracti128_si256, _mm256_hadd_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
        _mm256_movemask_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256,
        _mm256_srli_epi16,
    };

    /// Groups whose products fit 16-bit sums: 4 groups are 8 sums of two products of at most 15 x 127, 30,480 in all.
    const BLOCK_GROUPS: usize = 4;
    /// Rows whose sums are folded at once.
    const ROWS: usize = 4;

    /// A group of the probe in two registers.
    #[derive(Clone, Copy)]
    struct Halves {
        low: __m256i,
        high: __m256i,
    }

    #[target_feature(enable = "avx2")]
    fn halves(probe: &[i8]) -> Halves {
        debug_assert!(probe.len() >= GROUP);
        // SAFETY: a group of the probe has 64 bytes; the loads need no alignment.
        unsafe {
            Halves {
                low: _mm256_loadu_si256(probe.as_ptr().cast()),
                high: _mm256_loadu_si256(probe.as_ptr().add(GROUP_BYTES).cast()),
            }
        }
    }

    /// The codes of a group, as bytes 0 to 15.
    #[target_feature(enable = "avx2")]
    fn unpack(codes: &[u8]) -> Halves {
        debug_assert!(codes.len() >= GROUP_BYTES);
        // SAFETY: a group of codes has 32 bytes; the load needs no alignment.
        let both = unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) };
        let mask = _mm256_set1_epi8(15);
        Halves { low: _mm256_and_si256(both, mask), high: _mm256_and_si256(_mm256_srli_epi16::<4>(both), mask) }
    }

    /// Sixteen 16-bit sums of a group's 64 products; no saturation, as 2 x 15 x 127 < 2^15.
    #[target_feature(enable = "avx2")]
    fn products(codes: Halves, probe: Halves) -> __m256i {
        _mm256_add_epi16(_mm256_maddubs_epi16(codes.low, probe.low), _mm256_maddubs_epi16(codes.high, probe.high))
    }

    /// Sixteen 16-bit sums as eight of 32 bits.
    #[target_feature(enable = "avx2")]
    fn widen(sums: __m256i) -> __m256i {
        _mm256_madd_epi16(sums, _mm256_set1_epi16(1))
    }

    /// The totals of four rows' sums, in order.
    #[target_feature(enable = "avx2")]
    fn fold(rows: [__m256i; ROWS]) -> __m128i {
        let pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(rows[0], rows[1]), _mm256_hadd_epi32(rows[2], rows[3]));
        _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs))
    }

    #[target_feature(enable = "avx2")]
    fn fold_one(row: __m256i) -> i32 {
        let half = _mm_add_epi32(_mm256_castsi256_si128(row), _mm256_extracti128_si256::<1>(row));
        let quarter = _mm_hadd_epi32(half, half);
        _mm_cvtsi128_si32(_mm_hadd_epi32(quarter, quarter))
    }

    /// A row's sums with a probe of `G` groups in registers.
    #[target_feature(enable = "avx2")]
    fn row_sums<const G: usize>(row: &[u8], probe: &[Halves; G]) -> __m256i {
        let mut sums = products(unpack(row), probe[0]);
        for g in 1..G {
            sums = _mm256_add_epi16(sums, products(unpack(&row[g * GROUP_BYTES..]), probe[g]));
        }
        widen(sums)
    }

    #[target_feature(enable = "avx2")]
    fn scan_block<const G: usize>(codes: &[u8], probe: &[i8], out: &mut [i32]) {
        let registers: [Halves; G] = std::array::from_fn(|g| halves(&probe[g * GROUP..]));
        let bytes = G * GROUP_BYTES;
        let (quads, rest) = out.as_chunks_mut::<ROWS>();
        let split = quads.len() * ROWS * bytes;
        for (totals, rows) in quads.iter_mut().zip(codes[..split].chunks_exact(ROWS * bytes)) {
            let sums = [
                row_sums(&rows[..bytes], &registers),
                row_sums(&rows[bytes..2 * bytes], &registers),
                row_sums(&rows[2 * bytes..3 * bytes], &registers),
                row_sums(&rows[3 * bytes..], &registers),
            ];
            // SAFETY: four products of 32 bits have 16 bytes; the store needs no alignment.
            unsafe { _mm_storeu_si128(totals.as_mut_ptr().cast(), fold(sums)) };
        }
        for (total, row) in rest.iter_mut().zip(codes[split..].chunks_exact(bytes)) {
            *total = fold_one(row_sums(row, &registers));
        }
    }

    /// Rows of any number of groups: blocks of four groups in 16 bits, their totals in 32.
    #[target_feature(enable = "avx2")]
    fn scan_long(codes: &[u8], probe: &[i8], out: &mut [i32]) {
        for (total, row) in out.iter_mut().zip(codes.chunks_exact(probe.len() / 2)) {
            let mut sums = _mm256_setzero_si256();
            let blocks = row.chunks(BLOCK_GROUPS * GROUP_BYTES).zip(probe.chunks(BLOCK_GROUPS * GROUP));
            for (row, probe) in blocks {
                let mut block = _mm256_setzero_si256();
                for (row, probe) in row.chunks_exact(GROUP_BYTES).zip(probe.chunks_exact(GROUP)) {
                    block = _mm256_add_epi16(block, products(unpack(row), halves(probe)));
                }
                sums = _mm256_add_epi32(sums, widen(block));
            }
            *total = fold_one(sums);
        }
    }

    #[target_feature(enable = "avx2")]
    pub fn scan(codes: &[u8], probe: &[i8], out: &mut [i32]) {
        match probe.len() / GROUP {
            1 => scan_block::<1>(codes, probe, out),
            2 => scan_block::<2>(codes, probe, out),
            3 => scan_block::<3>(codes, probe, out),
            4 => scan_block::<4>(codes, probe, out),
            _ => scan_long(codes, probe, out),
        }
    }

    #[target_feature(enable = "avx2")]
    pub fn select(strides: &[[i32; STRIDE]], least: &[i32], rows: &mut Vec<u32>) {
        for (n, (products, &least)) in strides.iter().zip(least).enumerate() {
            push_set(!below(products, _mm256_set1_epi32(least)), n * STRIDE, rows);
        }
    }

    /// A bit for each product below `least`.
    #[target_feature(enable = "avx2")]
    fn below(products: &[i32; STRIDE], least: __m256i) -> u32 {
        let mut bits = 0;
        for (n, eight) in products.as_chunks::<8>().0.iter().enumerate() {
            // SAFETY: eight products of 32 bits have 32 bytes; the load needs no alignment.
            let eight = unsafe { _mm256_loadu_si256(eight.as_ptr().cast()) };
            let eight = _mm256_castsi256_ps(_mm256_cmpgt_epi32(least, eight));
            bits |= _mm256_movemask_ps(eight).cast_unsigned() << (8 * n);
        }
        bits
    }

    #[target_feature(enable = "avx2")]
    pub fn scan_together(codes: &[u8], probes: [&[i8]; TOGETHER], out: [&mut [i32]; TOGETHER]) {
        match probes[0].len() / GROUP {
            1 => together::<1>(codes, probes, out),
            2 => together::<2>(codes, probes, out),
            3 => together::<3>(codes, probes, out),
            4 => together::<4>(codes, probes, out),
            _ => {
                for (probe, out) in probes.into_iter().zip(out) {
                    scan_long(codes, probe, out);
                }
            }
        }
    }

    /// Unpacks each row once for all probes; the probes' registers come from the first-level cache.
    #[target_feature(enable = "avx2")]
    fn together<const G: usize>(codes: &[u8], probes: [&[i8]; TOGETHER], out: [&mut [i32]; TOGETHER]) {
        let bytes = G * GROUP_BYTES;
        let [a, b, c, d] = out;
        let totals = a.iter_mut().zip(b).zip(c).zip(d);
        for ((((a, b), c), d), row) in totals.zip(codes.chunks_exact(bytes)) {
            let mut sums = [_mm256_setzero_si256(); TOGETHER];
            for g in 0..G {
                let codes = unpack(&row[g * GROUP_BYTES..]);
                for (sums, probe) in sums.iter_mut().zip(probes) {
                    *sums = _mm256_add_epi16(*sums, products(codes, halves(&probe[g * GROUP..])));
                }
            }
            let folded = fold([widen(sums[0]), widen(sums[1]), widen(sums[2]), widen(sums[3])]);
            let mut four = [0i32; TOGETHER];
            // SAFETY: four products of 32 bits have 16 bytes; the store needs no alignment.
            unsafe { _mm_storeu_si128(four.as_mut_ptr().cast(), folded) };
            [*a, *b, *c, *d] = four;
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector loads and stores by pointer; each block says why it is within bounds")]
mod avx512 {
    use super::{GROUP, GROUP_BYTES, TOGETHER};
    use std::arch::x86_64::{
        __m512i, _mm_storeu_si128, _mm512_add_epi32, _mm512_and_si512, _mm512_castsi512_si128, _mm512_dpbusd_epi32,
        _mm512_extracti32x4_epi32, _mm512_loadu_si512, _mm512_maskz_loadu_epi64, _mm512_reduce_add_epi32,
        _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_srli_epi16, _mm512_storeu_si512,
        _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };

    /// Groups in one register of codes; where their number is odd, the last half register is zero.
    const PAIR: usize = 2;
    /// Pairs of a probe that stays in registers.
    const PAIRS_MAX: usize = 4;
    /// Rows whose sums are folded at once, for one probe.
    const ROWS: usize = 16;
    /// The same for several probes.
    const ROWS_TOGETHER: usize = 4;

    /// A pair of groups of the probe in two registers.
    #[derive(Clone, Copy)]
    struct Halves {
        low: __m512i,
        high: __m512i,
    }

    /// Bytes of a pair of groups of codes, of which the second is missing where `half`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn load(bytes: &[u8], half: bool) -> __m512i {
        debug_assert!(bytes.len() >= if half { GROUP_BYTES } else { PAIR * GROUP_BYTES });
        // SAFETY: there are 64 bytes, or 32 where the mask lets no more be read; neither load needs alignment.
        unsafe {
            if half {
                _mm512_maskz_loadu_epi64(0x0f, bytes.as_ptr().cast())
            } else {
                _mm512_loadu_si512(bytes.as_ptr().cast())
            }
        }
    }

    /// A probe's values in the order of the codes.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn halves(pair: &[i8]) -> Halves {
        let mut halves = [[0u8; PAIR * GROUP_BYTES]; 2];
        for (group, at) in pair.chunks_exact(GROUP).zip([0, GROUP_BYTES]) {
            for j in 0..GROUP_BYTES {
                halves[0][at + j] = group[j].cast_unsigned();
                halves[1][at + j] = group[GROUP_BYTES + j].cast_unsigned();
            }
        }
        Halves { low: load(&halves[0], false), high: load(&halves[1], false) }
    }

    /// The registers of a probe of `G` groups; those beyond are not used.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn registers<const G: usize>(probe: &[i8]) -> [Halves; PAIRS_MAX] {
        let mut registers = [Halves { low: _mm512_setzero_si512(), high: _mm512_setzero_si512() }; PAIRS_MAX];
        for (pair, place) in probe[..G * GROUP].chunks(PAIR * GROUP).zip(&mut registers) {
            *place = halves(pair);
        }
        registers
    }

    /// Adds the products of a pair of groups of a row to sixteen sums of 32 bits.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn add(sums: __m512i, codes: Halves, probe: Halves) -> __m512i {
        _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sums, codes.low, probe.low), codes.high, probe.high)
    }

    /// The codes of a pair of groups, as bytes 0 to 15.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn unpack(codes: &[u8], half: bool) -> Halves {
        let both = load(codes, half);
        let mask = _mm512_set1_epi8(15);
        Halves { low: _mm512_and_si512(both, mask), high: _mm512_and_si512(_mm512_srli_epi16::<4>(both), mask) }
    }

    /// Pair `k` of a row of `G` groups.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn unpack_of<const G: usize>(row: &[u8], k: usize) -> Halves {
        unpack(&row[k * PAIR * GROUP_BYTES..], k * PAIR + 1 == G)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn row_sums<const G: usize>(row: &[u8], probe: &[Halves; PAIRS_MAX]) -> __m512i {
        let mut sums = _mm512_setzero_si512();
        for (k, probe) in probe.iter().enumerate().take(G.div_ceil(PAIR)) {
            sums = add(sums, unpack_of::<G>(row, k), *probe);
        }
        sums
    }

    /// The totals of four rows, each in quarters.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn four_rows<const G: usize>(rows: &[u8], probe: &[Halves; PAIRS_MAX]) -> __m512i {
        let bytes = G * GROUP_BYTES;
        fold_quarters([
            row_sums::<G>(&rows[..bytes], probe),
            row_sums::<G>(&rows[bytes..2 * bytes], probe),
            row_sums::<G>(&rows[2 * bytes..3 * bytes], probe),
            row_sums::<G>(&rows[3 * bytes..4 * bytes], probe),
        ])
    }

    /// For each quarter of the registers, its totals of the four, in order.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn fold_quarters([a, b, c, d]: [__m512i; 4]) -> __m512i {
        let first = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let second = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        _mm512_add_epi32(_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second))
    }

    /// Quarter `n` is the sum of the four quarters of register `n`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn gather([a, b, c, d]: [__m512i; 4]) -> __m512i {
        let halve = |a, b| {
            // a0 a2 b0 b2 and a1 a3 b1 b3
            _mm512_add_epi32(_mm512_shuffle_i32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b))
        };
        halve(halve(a, b), halve(c, d))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn scan_block<const G: usize>(codes: &[u8], probe: &[i8], out: &mut [i32]) {
        let probe = registers::<G>(probe);
        let bytes = G * GROUP_BYTES;
        let (blocks, rest) = out.as_chunks_mut::<ROWS>();
        let split = blocks.len() * ROWS * bytes;
        for (totals, rows) in blocks.iter_mut().zip(codes[..split].chunks_exact(ROWS * bytes)) {
            let all = gather([
                four_rows::<G>(&rows[..4 * bytes], &probe),
                four_rows::<G>(&rows[4 * bytes..8 * bytes], &probe),
                four_rows::<G>(&rows[8 * bytes..12 * bytes], &probe),
                four_rows::<G>(&rows[12 * bytes..], &probe),
            ]);
            // SAFETY: sixteen products of 32 bits have 64 bytes; the store needs no alignment.
            unsafe { _mm512_storeu_si512(totals.as_mut_ptr().cast(), all) };
        }
        for (total, row) in rest.iter_mut().zip(codes[split..].chunks_exact(bytes)) {
            *total = _mm512_reduce_add_epi32(row_sums::<G>(row, &probe));
        }
    }

    /// Rows of any number of groups.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn scan_long(codes: &[u8], probe: &[i8], out: &mut [i32]) {
        let mut registers = Vec::with_capacity(probe.len().div_ceil(PAIR * GROUP));
        for pair in probe.chunks(PAIR * GROUP) {
            registers.push(halves(pair));
        }
        for (total, row) in out.iter_mut().zip(codes.chunks_exact(probe.len() / 2)) {
            let mut sums = _mm512_setzero_si512();
            for (codes, probe) in row.chunks(PAIR * GROUP_BYTES).zip(&registers) {
                sums = add(sums, unpack(codes, codes.len() == GROUP_BYTES), *probe);
            }
            *total = _mm512_reduce_add_epi32(sums);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    pub fn scan(codes: &[u8], probe: &[i8], out: &mut [i32]) {
        match probe.len() / GROUP {
            1 => scan_block::<1>(codes, probe, out),
            2 => scan_block::<2>(codes, probe, out),
            3 => scan_block::<3>(codes, probe, out),
            4 => scan_block::<4>(codes, probe, out),
            5 => scan_block::<5>(codes, probe, out),
            6 => scan_block::<6>(codes, probe, out),
            7 => scan_block::<7>(codes, probe, out),
            8 => scan_block::<8>(codes, probe, out),
            _ => scan_long(codes, probe, out),
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    pub fn scan_together(codes: &[u8], probes: [&[i8]; TOGETHER], out: [&mut [i32]; TOGETHER]) {
        match probes[0].len() / GROUP {
            1 => together::<1>(codes, probes, out),
            2 => together::<2>(codes, probes, out),
            3 => together::<3>(codes, probes, out),
            4 => together::<4>(codes, probes, out),
            _ => {
                for (probe, out) in probes.into_iter().zip(out) {
                    scan(codes, probe, out);
                }
            }
        }
    }

    /// Unpacks each row once for all probes.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn together<const G: usize>(codes: &[u8], probes: [&[i8]; TOGETHER], out: [&mut [i32]; TOGETHER]) {
        let registers = [
            registers::<G>(probes[0]),
            registers::<G>(probes[1]),
            registers::<G>(probes[2]),
            registers::<G>(probes[3]),
        ];
        let bytes = G * GROUP_BYTES;
        let split = out[0].len() / ROWS_TOGETHER * ROWS_TOGETHER;
        let [mut a, mut b, mut c, mut d] = out.map(|out| out.split_at_mut(split));
        let blocks = (a.0.as_chunks_mut::<ROWS_TOGETHER>().0.iter_mut())
            .zip(b.0.as_chunks_mut::<ROWS_TOGETHER>().0)
            .zip(c.0.as_chunks_mut::<ROWS_TOGETHER>().0)
            .zip(d.0.as_chunks_mut::<ROWS_TOGETHER>().0);
        for ((((a, b), c), d), rows) in blocks.zip(codes.chunks_exact(ROWS_TOGETHER * bytes)) {
            let mut sums = [[_mm512_setzero_si512(); ROWS_TOGETHER]; TOGETHER];
            for n in 0..ROWS_TOGETHER {
                for k in 0..G.div_ceil(PAIR) {
                    let codes = unpack_of::<G>(&rows[n * bytes..(n + 1) * bytes], k);
                    for (sums, registers) in sums.iter_mut().zip(&registers) {
                        sums[n] = add(sums[n], codes, registers[k]);
                    }
                }
            }
            let [first, second, third, fourth] = sums;
            let folded =
                gather([fold_quarters(first), fold_quarters(second), fold_quarters(third), fold_quarters(fourth)]);
            // SAFETY: four products of 32 bits have 16 bytes; the stores need no alignment.
            unsafe {
                _mm_storeu_si128(a.as_mut_ptr().cast(), _mm512_castsi512_si128(folded));
                _mm_storeu_si128(b.as_mut_ptr().cast(), _mm512_extracti32x4_epi32::<1>(folded));
                _mm_storeu_si128(c.as_mut_ptr().cast(), _mm512_extracti32x4_epi32::<2>(folded));
                _mm_storeu_si128(d.as_mut_ptr().cast(), _mm512_extracti32x4_epi32::<3>(folded));
            }
        }
        let rest = &codes[split * bytes..];
        for (probe, out) in probes.into_iter().zip([&mut a.1, &mut b.1, &mut c.1, &mut d.1]) {
            scan_block::<G>(rest, probe, out);
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::{GROUP, GROUP_BYTES};
    use std::arch::aarch64::{
        int8x16_t, int32x4_t, vaddvq_s32, vandq_u8, vdupq_n_s32, vdupq_n_u8, vget_low_s8, vld1q_s8, vld1q_u8,
        vmull_high_s8, vmull_s8, vpadalq_s16, vreinterpretq_s8_u8, vshrq_n_u8,
    };

    const HALF: usize = 16;

    #[allow(unsafe_code, reason = "vector loads by pointer, and NEON is part of every 64-bit Arm processor")]
    pub fn scan(codes: &[u8], probe: &[i8], products: &mut [i32]) {
        for (product, row) in products.iter_mut().zip(codes.chunks_exact(probe.len() / 2)) {
            // SAFETY: NEON is part of aarch64; the chunks have 16 bytes, which the loads read.
            *product = unsafe {
                let mut sums = vdupq_n_s32(0);
                for (codes, probe) in row.chunks_exact(GROUP_BYTES).zip(probe.chunks_exact(GROUP)) {
                    let (low, high) = probe.split_at(GROUP_BYTES);
                    let parts = codes.chunks_exact(HALF).zip(low.chunks_exact(HALF)).zip(high.chunks_exact(HALF));
                    for ((codes, low), high) in parts {
                        let both = vld1q_u8(codes.as_ptr());
                        let low_codes = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
                        let high_codes = vreinterpretq_s8_u8(vshrq_n_u8::<4>(both));
                        sums = add(sums, low_codes, vld1q_s8(low.as_ptr()));
                        sums = add(sums, high_codes, vld1q_s8(high.as_ptr()));
                    }
                }
                vaddvq_s32(sums)
            };
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
