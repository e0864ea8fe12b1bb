//! From DCT coefficients to samples, at full size or as area means of it.
//!
//! The mean over a cell of samples is linear in the coefficients. For a few means a block, each coefficient is added
//! with its weights to all of them as it is read, in registers: that is less work than collecting the coefficients
//! and transforming them. The weights have the digits that 16 bits hold beside the largest of them; at the tables that
//! encoders use, a mean is off by less than a tenth of a level before it is rounded.

use std::array::from_fn;
use std::f64::consts::{PI, SQRT_2};

use super::entropy::Sink;

/// Row-major place of each coefficient of the zigzag order (T.81, figure 5).
#[rustfmt::skip]
const ZIGZAG: [u8; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// How the blocks of one component become samples.
pub(super) enum Transform {
    /// All 64 samples.
    Full(Full),
    /// At most 4 area means.
    Four(Means<4>),
    /// 8 area means.
    Eight(Means<8>),
    /// 16 area means.
    Sixteen(Means<16>),
    /// 32 area means.
    ThirtyTwo(Means<32>),
}

impl Transform {
    /// For a quantization table in zigzag order, to `across x down` samples; both are 1, 2, 4 or 8.
    pub(super) fn new(quantization: &[u8; 64], across: usize, down: usize) -> Self {
        match across * down {
            64 => Self::Full(Full { quantization: quantization.map(i16::from) }),
            32 => Self::ThirtyTwo(Means::new(quantization, across, down)),
            16 => Self::Sixteen(Means::new(quantization, across, down)),
            8 => Self::Eight(Means::new(quantization, across, down)),
            _ => Self::Four(Means::new(quantization, across, down)),
        }
    }

    /// Samples of a block, across and down.
    #[inline(always)]
    pub(super) fn points(&self) -> (usize, usize) {
        match self {
            Self::Full(_) => (8, 8),
            Self::Four(means) => (means.across, means.down),
            Self::Eight(means) => (means.across, means.down),
            Self::Sixteen(means) => (means.across, means.down),
            Self::ThirtyTwo(means) => (means.across, means.down),
        }
    }

    /// Writes the samples of a block whose coefficients are known, in zigzag places.
    pub(super) fn apply(&self, coefficients: &[(usize, i32)], flat: bool, out: &mut [u8], stride: usize) {
        match self {
            Self::Full(full) => {
                let mut block = full.start();
                coefficients.iter().for_each(|&(k, value)| block.take(k, value));
                full.finish(&block, flat, out, stride);
            }
            Self::Four(means) => means.apply(coefficients, out, stride),
            Self::Eight(means) => means.apply(coefficients, out, stride),
            Self::Sixteen(means) => means.apply(coefficients, out, stride),
            Self::ThirtyTwo(means) => means.apply(coefficients, out, stride),
        }
    }
}

/// To 8 x 8 samples, in the very integer arithmetic of the "slow" transform of libjpeg, the de facto reference:
/// what it gives is what other face software saw when it was trained and measured.
pub(super) struct Full {
    quantization: [i16; 64],
}

impl Full {
    /// A block without coefficients.
    #[inline(always)]
    pub(super) fn start(&self) -> Block<'_> {
        Block { quantization: &self.quantization, coefficients: [0; 64] }
    }

    /// Writes the samples of a block to `out`, rows `stride` apart; `flat` when only coefficient 0 was entered.
    #[inline(always)]
    #[expect(clippy::unused_self, reason = "the same form as `Means::finish`")]
    pub(super) fn finish(&self, block: &Block<'_>, flat: bool, out: &mut [u8], stride: usize) {
        let coefficients = &block.coefficients;
        if flat {
            let value = level((i32::from(coefficients[0]) + 4) >> 3);
            out.chunks_mut(stride).take(8).for_each(|row| row[..8].fill(value));
        } else {
            inverse_8x8(coefficients, out, stride);
        }
    }
}

/// The coefficients of a block as they come in: times their quantization factors, row by row.
pub(super) struct Block<'a> {
    quantization: &'a [i16; 64],
    coefficients: [i16; 64],
}

impl Sink for Block<'_> {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "fits in real pictures; wraps in hostile ones, as elsewhere")]
    fn take(&mut self, k: usize, value: i32) {
        if let Some(factor) = self.quantization.get(k) {
            self.coefficients[usize::from(ZIGZAG[k & 63])] = (value as i16).wrapping_mul(*factor);
        }
    }
}

/// To area means, `across x down` of a block, at most `N` of them, in fixed point.
pub(super) struct Means<const N: usize> {
    across: usize,
    down: usize,
    /// For each coefficient in zigzag order: what one unit of it adds to each mean, row by row, times 2^`digits`. As
    /// long as a power of two so that places beyond the 64 need no look: nothing is added there.
    weights: Box<[[i16; N]; PLACES]>,
    digits: u32,
}

/// Beyond all places that a [`Sink`] is given.
const PLACES: usize = 128;

impl<const N: usize> Means<N> {
    fn new(quantization: &[u8; 64], across: usize, down: usize) -> Self {
        let (columns, rows) = (cell_means(across), cell_means(down));
        let weight = |k: usize, sample: usize| {
            let (u, v) = (usize::from(ZIGZAG[k]) % 8, usize::from(ZIGZAG[k]) / 8);
            columns[u][sample % across] * rows[v][sample / across] * f64::from(quantization[k])
        };
        let samples = across * down;
        let weights: [[f64; N]; 64] =
            from_fn(|k| from_fn(|sample| if sample < samples { weight(k, sample) } else { 0.0 }));
        let largest = weights.as_flattened().iter().fold(0.0, |largest: f64, weight| largest.max(weight.abs()));
        // As many digits as 16 bits hold, and sums of real pictures in 32.
        let digits = (0..=16).rev().find(|&digits| largest * f64::from(1 << digits) < 32_767.0).unwrap_or(0);
        #[expect(clippy::cast_possible_truncation, reason = "the digits were chosen so that it fits")]
        let fixed = |weight: f64| (weight * f64::from(1 << digits)).round() as i16;
        let weights = from_fn(|k| weights.get(k).map_or([0; N], |weights| weights.map(fixed)));
        Self { across, down, weights: Box::new(weights), digits }
    }

    /// The means of a block without coefficients: the middle of the range.
    #[inline(always)]
    pub(super) fn start(&self) -> Sums<'_, N> {
        Sums { weights: &self.weights, means: [(128 << self.digits) + (1 << self.digits >> 1); N] }
    }

    /// Writes the samples of a block to `out`, rows `stride` apart.
    #[inline(always)]
    pub(super) fn finish(&self, sums: &Sums<'_, N>, out: &mut [u8], stride: usize) {
        let samples = sums.samples(self.digits);
        match (self.across, self.down) {
            (4, 4) => write::<4, 4>(&samples, out, stride),
            (2, 2) => write::<2, 2>(&samples, out, stride),
            (1, 1) => write::<1, 1>(&samples, out, stride),
            (8, 4) => write::<8, 4>(&samples, out, stride),
            (4, 8) => write::<4, 8>(&samples, out, stride),
            (4, 2) => write::<4, 2>(&samples, out, stride),
            (2, 4) => write::<2, 4>(&samples, out, stride),
            (2, 1) => write::<2, 1>(&samples, out, stride),
            (1, 2) => write::<1, 2>(&samples, out, stride),
            _ => unreachable!("sampling factors are 1 or 2"),
        }
    }

    fn apply(&self, coefficients: &[(usize, i32)], out: &mut [u8], stride: usize) {
        let mut sums = self.start();
        coefficients.iter().for_each(|&(k, value)| sums.take(k, value));
        self.finish(&sums, out, stride);
    }
}

/// Area means of a block as its coefficients come in.
pub(super) struct Sums<'a, const N: usize> {
    weights: &'a [[i16; N]; PLACES],
    means: [i32; N],
}

impl<const N: usize> Sums<'_, N> {
    /// Without the digits, clamped to bytes.
    #[inline(always)]
    #[expect(clippy::cast_sign_loss, reason = "clamped to a byte")]
    fn samples(&self, digits: u32) -> [u8; N] {
        self.means.map(|sum| (sum >> (digits & 31)).clamp(0, 255) as u8)
    }
}

impl<const N: usize> Sink for Sums<'_, N> {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "fits in real pictures; wraps in hostile ones, as elsewhere")]
    fn take(&mut self, k: usize, value: i32) {
        let (weights, value) = (&self.weights[k % PLACES], value as i16);
        for (mean, weight) in self.means.iter_mut().zip(weights) {
            *mean = mean.wrapping_add(i32::from(value) * i32::from(*weight));
        }
    }
}

#[inline(always)]
fn write<const ACROSS: usize, const DOWN: usize>(samples: &[u8], out: &mut [u8], stride: usize) {
    for (y, row) in samples.chunks_exact(ACROSS).take(DOWN).enumerate() {
        out[y * stride..y * stride + ACROSS].copy_from_slice(row);
    }
}

/// For each frequency of the 8-point transform, its normalised cosine averaged over each of `points` cells.
fn cell_means(points: usize) -> [Vec<f64>; 8] {
    let cell = 8 / points;
    from_fn(|frequency| {
        let normalisation = if frequency == 0 { 0.5 / SQRT_2 } else { 0.5 };
        let mean = |at: usize| {
            let samples = at * cell..(at + 1) * cell;
            samples.map(|x| cosine(2 * x + 1, frequency, 16)).sum::<f64>() / cell as f64
        };
        (0..points).map(|at| normalisation * mean(at)).collect()
    })
}

/// cos(odd * frequency * pi / period).
fn cosine(odd: usize, frequency: usize, period: usize) -> f64 {
    ((odd * frequency) as f64 * PI / period as f64).cos()
}

/// Eight lanes that are transformed at once.
type Lanes = [i16; 8];

/// Fixed-point digits of the factors.
const FACTOR_BITS: u32 = 13;
/// Digits that the first pass keeps beyond the integers.
const KEPT_BITS: u32 = 2;

/// The 8 x 8 inverse transform of Loeffler, Ligtenberg and Moschytz (1989): columns, then rows.
#[inline(always)]
fn inverse_8x8(coefficients: &[i16; 64], out: &mut [u8], stride: usize) {
    let rows: [Lanes; 8] = from_fn(|y| from_fn(|x| coefficients[8 * y + x]));
    let columns_done = transpose(&inverse_lanes::<{ FACTOR_BITS - KEPT_BITS }>(&rows));
    // Three bits more: each pass is too large by the square root of eight.
    let done = transpose(&inverse_lanes::<{ FACTOR_BITS + KEPT_BITS + 3 }>(&columns_done));
    for (y, row) in done.iter().enumerate() {
        out[y * stride..y * stride + 8].copy_from_slice(&row.map(|value| level(i32::from(value))));
    }
}

/// Level shift and clamping to a byte.
#[inline(always)]
fn level(value: i32) -> u8 {
    (value + 128).clamp(0, 255) as u8
}

#[inline(always)]
fn transpose(rows: &[Lanes; 8]) -> [Lanes; 8] {
    from_fn(|y| from_fn(|x| rows[x][y]))
}

/// One-dimensional inverse transform along the first index, of eight independent lanes, divided by 2^`SHIFT` and
/// rounded.
///
/// Every factor and every factored value has 16 bits, so that compilers find the 16-bit multiplications that all
/// x86-64 processors do eight at a time. Sums wrap in hostile pictures only.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "fits in real pictures, wraps in hostile ones")]
fn inverse_lanes<const SHIFT: u32>(f: &[Lanes; 8]) -> [Lanes; 8] {
    let mut out = [[0; 8]; 8];
    for lane in 0..8 {
        let at = |k: usize| f[k][lane];
        // Products with the factors times 2^13; two products of 29 bits each do not overflow 32.
        let both = |a: i16, p: i16, b: i16, q: i16| i32::from(a) * i32::from(p) + i32::from(b) * i32::from(q);
        let whole = |value: i32| value << FACTOR_BITS;
        let even_sum = whole(i32::from(at(0)) + i32::from(at(4)));
        let even_difference = whole(i32::from(at(0)) - i32::from(at(4)));
        let high = both(at(2), 4433, at(6), 4433 - 15137); // 0.541196100, 1.847759065
        let low = both(at(2), 4433 + 6270, at(6), 4433); // 0.765366865
        let even = [
            even_sum.wrapping_add(low),
            even_difference.wrapping_add(high),
            even_difference.wrapping_sub(high),
            even_sum.wrapping_sub(low),
        ];
        let (z3, z4) = (at(7).wrapping_add(at(3)), at(5).wrapping_add(at(1)));
        let a = both(z3, 9633 - 16069, z4, 9633); // 1.175875602, 1.961570560
        let b = both(z3, 9633, z4, 9633 - 3196); // 0.390180644
        let odd = [
            both(at(1), 12299 - 7373, at(7), -7373).wrapping_add(b), // 1.501321110, 0.899976223
            both(at(3), 25172 - 20995, at(5), -20995).wrapping_add(a), // 3.072711026, 2.562915447
            both(at(5), 16819 - 20995, at(3), -20995).wrapping_add(b), // 2.053119869
            both(at(7), 2446 - 7373, at(1), -7373).wrapping_add(a),  // 0.298631336
        ];
        let rounded = |value: i32| (value.wrapping_add(1 << (SHIFT - 1)) >> SHIFT) as i16;
        for k in 0..4 {
            out[k][lane] = rounded(even[k].wrapping_add(odd[k]));
            out[7 - k][lane] = rounded(even[k].wrapping_sub(odd[k]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_blocks_equal_their_transform() {
        for points in [1, 2, 4, 8] {
            let transform = Transform::new(&[3; 64], points, points);
            for value in [-700, -3, 0, 100, 341] {
                let (mut quick, mut slow) = ([0; 64], [0; 64]);
                transform.apply(&[(0, value)], true, &mut quick, 8);
                transform.apply(&[(0, value)], false, &mut slow, 8);
                assert_eq!(quick, slow);
            }
        }
    }

    /// Samples by the definition (T.81 A.3.3), not rounded.
    fn definition(coefficients: &[i32; 64]) -> [[f64; 8]; 8] {
        let c = |u: usize| if u == 0 { 0.5 / SQRT_2 } else { 0.5 };
        from_fn(|y| {
            from_fn(|x| {
                (0..64)
                    .map(|k| {
                        let (u, v) = (usize::from(ZIGZAG[k]) % 8, usize::from(ZIGZAG[k]) / 8);
                        let basis = cosine(2 * x + 1, u, 16) * cosine(2 * y + 1, v, 16);
                        c(u) * c(v) * f64::from(coefficients[k]) * basis
                    })
                    .sum()
            })
        })
    }

    /// Every coefficient set, amplitudes falling, signs mixed.
    fn coefficients(seed: i32) -> [i32; 64] {
        from_fn(|k| {
            let k = i32::try_from(k).unwrap();
            let hash = (k * 7919 + seed * 104_729) % 401 - 200;
            hash / (1 + k / 3)
        })
    }

    /// A table of factors that rise with the frequency as encoders' tables do (T.81, K.1), in zigzag order.
    fn quantization(first: u8, last: u8) -> [u8; 64] {
        from_fn(|k| first + u8::try_from(usize::from(last - first) * k / 63).unwrap())
    }

    fn check_size((across, down): (usize, usize), quantization: &[u8; 64], coefficients: &[i32; 64]) {
        let whole = from_fn(|k| coefficients[k] * i32::from(quantization[k]));
        let exact = definition(&whole);
        let transform = Transform::new(quantization, across, down);
        let mut out = [0; 64];
        let coefficients: Vec<_> = coefficients.iter().copied().enumerate().collect();
        transform.apply(&coefficients, false, &mut out, 8);
        // Both round in fixed point: the full transform as libjpeg does, the means with the digits of their weights.
        let tolerance = match (across, down) {
            (8, 8) => 0.6,
            _ if *quantization == [1; 64] => 0.51,
            _ => 0.6,
        };
        let (cell_x, cell_y) = (8 / across, 8 / down);
        for y in 0..down {
            for x in 0..across {
                let cell = (0..cell_y).flat_map(|j| (0..cell_x).map(move |i| (j, i)));
                let sum: f64 = cell.map(|(j, i)| exact[y * cell_y + j][x * cell_x + i]).sum();
                let mean = (sum / (cell_x * cell_y) as f64 + 128.0).clamp(0.0, 255.0);
                let got = f64::from(out[8 * y + x]);
                assert!((got - mean).abs() < tolerance, "{across}x{down} at {x},{y}: {got} for {mean}");
            }
        }
    }

    #[test]
    fn every_size_gives_the_area_means_of_the_definition() {
        let tables = [[1; 64], quantization(2, 20), quantization(16, 121), [255; 64]];
        for seed in 0..20 {
            let whole = coefficients(seed);
            for size in [(8, 8), (4, 4), (2, 2), (1, 1), (8, 4), (4, 8), (4, 2), (2, 4), (2, 1), (1, 2)] {
                for table in &tables {
                    check_size(size, table, &from_fn(|k| whole[k] / i32::from(table[k])));
                }
            }
        }
    }

    /// The largest that a file can hold: clamped, and nothing overflows.
    #[test]
    fn extreme_coefficients_give_bytes() {
        for size in [(8, 8), (4, 4), (2, 2), (1, 1), (8, 4), (4, 8), (4, 2), (2, 4), (2, 1), (1, 2)] {
            for (first, others) in [(i32::MAX, 1023), (i32::MIN, -1023), (32_767, 1023), (-32_768, -1023)] {
                for table in [[1; 64], [255; 64]] {
                    let transform = Transform::new(&table, size.0, size.1);
                    let block: Vec<_> = (0..64).map(|k| (k, if k == 0 { first } else { others })).collect();
                    transform.apply(&block, false, &mut [0; 64], 8);
                }
            }
            let transform = Transform::new(&[255; 64], size.0, size.1);
            let mut out = [1; 64];
            transform.apply(&[(0, 100)], true, &mut out, 8);
            assert_eq!(out[0], 255, "a bright block of {size:?} is clamped");
        }
    }
}
