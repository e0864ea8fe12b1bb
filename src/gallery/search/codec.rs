//! Unit vectors as short codes, and how far a code can be from its vector.
//!
//! A codec turns a vector by an orthogonal matrix, so that what differs between faces lies in the first components (the
//! *head*, then the *tail*; what is left is the *rest*), and cuts the components of head and tail into 16 levels. A
//! level of the head is cut into four once more, the *fine* code. Beside the codes it keeps, rounded up, the lengths of
//! what they miss. The bound on a dot product follows from Cauchy and Schwarz; `docs/exact-search.md` has it with its
//! rounding terms.

#![expect(clippy::cast_possible_truncation, reason = "levels, probe values and bounds are clamped to their ranges")]

use nalgebra::{DMatrix, SymmetricEigen};

use super::kernels::{CELL_BYTES, FINE_BYTES, FirstLook, GROUP, GROUP_BYTES, Lengths, PRODUCT_MAX};

/// Rows used to find the directions; more change the bounds by less than a hundredth.
const TRAINING_ROWS_MAX: usize = 8192;
/// Share of the energy that may lie outside the head: it enters the bound with the product of two lengths.
const TAIL_ENERGY_MAX: f64 = 0.08;
/// Share that may lie in the rest, which has no code.
const REST_ENERGY_MAX: f64 = 1e-6;
/// A level's width in standard deviations that loses least of a normal component in 16 levels (Max, 1960).
const STEP: f64 = 0.335;
/// No codec made here has finer levels: where there is no energy at all, they are of three times this.
const STEP_MIN: f32 = 1e-7;
/// Middle of the levels 0 to 15.
const MIDDLE: f32 = 7.5;
/// A level's width in widths of the fine levels that it is cut into.
const FINE_LEVELS: f64 = 4.0;
/// Middle of the fine levels 0 to 3.
const FINE_MIDDLE: f64 = 1.5;
/// Length that one unit of [`Lengths`] and [`Bounds`] stands for. The largest is 2: no part of a unit vector, and no residual
/// of a part whose levels lie between 0 and the vector's component or beside it, is longer.
const BOUND_UNIT: f64 = 2.0 / UNITS_MAX;
/// The largest number of 16 bits with a sign, as instructions multiply them.
const UNITS_MAX: f64 = 32_767.0;
/// Finest units of the first look, 2^-12 of a product's: rounding its weights up then costs less than rounding lengths.
const SHIFT_MAX: u32 = 12;
/// Largest relative error of one rounding in `f32`.
const ROUNDOFF: f64 = 1.0 / 16_777_216.0;
/// Longest vector that the bounds count with; embeddings are of length 1 to within 1e-5.
const LENGTH_MAX: f64 = 1.000_02;
/// A turn that changes dot products by more was not made here: 256 dimensions change them by 5e-4.
const TURN_ERROR_MAX: f64 = 1.0;
/// More than the rounding of any sum of squares in `f64` here.
const TINY: f64 = 1e-9;

/// How vectors of one collection become codes.
pub(super) struct Codec {
    dimensions: usize,
    /// Coded components of head and tail, whole groups; the tail may be empty.
    head: usize,
    tail: usize,
    /// `dimensions` columns; rows beyond `dimensions` are zero.
    turn: DMatrix<f32>,
    head_step: f32,
    tail_step: f32,
    /// Most by which turning changes a dot product of two unit vectors, rounding included.
    turn_error: f64,
}

/// What codes of a row miss, in units of [`BOUND_UNIT`], rounded up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// What the first look needs: what the head misses without its fine code, and everything outside of the head.
    pub(super) lengths: Lengths,
    /// Length of what all codes together miss, the rest included.
    pub(super) residual: i16,
}

impl Bounds {
    pub(super) fn to_bytes(self) -> [u8; size_of::<Self>()] {
        let [a, b] = self.lengths.residual.to_le_bytes();
        let [c, d] = self.lengths.outside.to_le_bytes();
        let [e, f] = self.residual.to_le_bytes();
        [a, b, c, d, e, f]
    }

    pub(super) fn from_bytes([a, b, c, d, e, f]: [u8; size_of::<Self>()]) -> Self {
        let [head, outside, residual] = [[a, b], [c, d], [e, f]].map(i16::from_le_bytes);
        Self { lengths: Lengths { residual: head, outside }, residual }
    }
}

/// A probe as the rows of one codec are compared with it.
pub(super) struct CodedProbe {
    pub(super) head: Part,
    /// Without values where the codec has no tail.
    pub(super) tail: Part,
    /// Length of what lies outside of the head.
    outside_length: f64,
    /// Length of what the residual of a row meets: the rounded values of both parts, and the rest as it is.
    met_length: f64,
    /// Most by which a canonical cosine exceeds products and bounds together.
    error: f64,
}

/// One part of a probe, rounded to integers.
pub(super) struct Part {
    pub(super) values: Vec<i8>,
    /// Cosine that one unit of an integer product stands for.
    unit: f64,
    /// Sum of the values.
    sum: f64,
    /// Length of the rounded values.
    rounded_length: f64,
    /// Length of what rounding missed.
    missed_length: f64,
}

impl Codec {
    /// Finds directions for vectors of `dimensions` components that lie one after another; takes every n-th of many.
    ///
    /// Any codec gives exact answers; one that was made from such vectors as it will see needs to look at fewer.
    pub(super) fn train(vectors: &[f32], dimensions: usize) -> Self {
        let rows = vectors.len() / dimensions;
        let step = rows.div_ceil(TRAINING_ROWS_MAX).max(1);
        let sample: Vec<&[f32]> = vectors.chunks_exact(dimensions).step_by(step).collect();
        let (directions, energies) = principal_directions(&sample, dimensions);
        let head = components_for(&energies, 0, TAIL_ENERGY_MAX);
        let tail = components_for(&energies, head, REST_ENERGY_MAX) - head;
        let head_end = head.min(dimensions);
        let tail_end = (head + tail).min(dimensions);
        let mut turn = DMatrix::<f64>::zeros(dimensions.next_multiple_of(GROUP), dimensions);
        turn.rows_mut(0, dimensions).copy_from(&directions.transpose());
        spread(&mut turn, 0, head_end);
        spread(&mut turn, head_end, tail_end);
        let turn = turn.map(|x| x as f32);
        Self {
            dimensions,
            head,
            tail,
            head_step: step_for(&energies[..head_end]),
            tail_step: step_for(&energies[head_end..tail_end]),
            turn_error: turn_error(&turn),
            turn,
        }
    }

    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Bytes of a row's bounds and codes together.
    pub(super) fn code_bytes(&self) -> usize {
        size_of::<Bounds>() + self.head_bytes() + self.record_bytes()
    }

    /// The codec as bytes, for [`Codec::from_bytes`]: dimensions, head and tail (4 bytes each), their steps, then the
    /// turn's rows; all little-endian.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let sizes = [self.dimensions, self.head, self.tail];
        let numbers = [self.head_step, self.tail_step];
        let turn = self.turn.row_iter().flat_map(|row| row.iter().copied().collect::<Vec<f32>>());
        let sizes = sizes.into_iter().flat_map(|size| (size as u32).to_le_bytes());
        sizes.chain(numbers.into_iter().chain(turn).flat_map(f32::to_le_bytes)).collect()
    }

    /// Reads a codec back; `None` when the bytes are none for vectors of `dimensions` components.
    ///
    /// What the bounds rest on, how far the turn is from an orthogonal one, is found anew.
    pub(super) fn from_bytes(bytes: &[u8], dimensions: usize) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<4>();
        let padded = dimensions.next_multiple_of(GROUP);
        let [own, head, tail, head_step, tail_step, turn @ ..] = words else { return None };
        let [own, head, tail] = [own, head, tail].map(|word| u32::from_le_bytes(*word) as usize);
        let [head_step, tail_step] = [head_step, tail_step].map(|word| f32::from_le_bytes(*word));
        let fits = rest.is_empty() && own == dimensions && turn.len() == padded * dimensions;
        let parts = head >= GROUP && [head, tail].iter().all(|part| part.is_multiple_of(GROUP) && *part <= padded);
        // Half a step in every component, as a vector of zeros has it, stays far below the longest residual there is.
        let fine = |step: f32, part: usize| step >= STEP_MIN && f64::from(step) * (part as f64).sqrt() <= 2.0;
        let steps = fine(head_step, head) && fine(tail_step, tail);
        if !(fits && parts && steps && head + tail <= padded) {
            return None;
        }
        let turn = DMatrix::from_row_iterator(padded, dimensions, turn.iter().map(|word| f32::from_le_bytes(*word)));
        let turn_error = turn_error(&turn);
        // Not a number is not below either.
        (turn_error < TURN_ERROR_MAX).then_some(Self { dimensions, head, tail, turn, head_step, tail_step, turn_error })
    }

    pub(super) fn head_bytes(&self) -> usize {
        self.head / 2
    }

    /// 0 where head and rest are everything.
    pub(super) fn tail_bytes(&self) -> usize {
        self.tail / 2
    }

    /// Of tail and fine code together: what the second look reads of a row.
    pub(super) fn record_bytes(&self) -> usize {
        self.tail_bytes() + self.head / GROUP * FINE_BYTES
    }

    /// Turned vectors as columns.
    fn turned(&self, vectors: &[f32]) -> DMatrix<f32> {
        let columns = vectors.len() / self.dimensions;
        &self.turn * DMatrix::from_column_slice(self.dimensions, columns, vectors)
    }

    /// Codes of vectors that lie one after another: heads, cell by cell, and records, each row after row; returns their
    /// bounds.
    pub(super) fn encode(&self, vectors: &[f32], heads: &mut [u8], records: &mut [u8]) -> Vec<Bounds> {
        let turned = self.turned(vectors);
        let heads = heads.chunks_exact_mut(self.head_bytes());
        let rows = turned.column_iter().zip(heads).zip(records.chunks_exact_mut(self.record_bytes()));
        let mut missed = vec![0.0; self.head.max(self.tail)];
        rows.map(|((row, head_code), record)| {
            let (head, outside) = row.as_slice().split_at(self.head);
            let (tail, rest) = outside.split_at(self.tail);
            let (tail_code, fine_code) = record.split_at_mut(self.tail_bytes());
            let head_missed = &mut missed[..self.head];
            quantise::<CELL_BYTES>(head, self.head_step, head_code, head_missed);
            let head_residual = square(head_missed);
            refine(self.head_step, fine_code, head_missed);
            let fine_residual = square(head_missed);
            let tail_missed = &mut missed[..self.tail];
            quantise::<GROUP_BYTES>(tail, self.tail_step, tail_code, tail_missed);
            let outside = units_from_square(square(outside));
            Bounds {
                lengths: Lengths { residual: units_from_square(head_residual), outside },
                residual: units_from_square(fine_residual + square(tail_missed) + square(rest)),
            }
        })
        .collect()
    }

    /// Probes of unit length, turned in one product.
    pub(super) fn probes(&self, probes: &[&[f32]]) -> Vec<CodedProbe> {
        let turned = self.turned(&probes.concat());
        turned.column_iter().map(|probe| self.coded_probe(probe.as_slice())).collect()
    }

    fn coded_probe(&self, turned: &[f32]) -> CodedProbe {
        let (head, outside) = turned.split_at(self.head);
        let (tail, rest) = outside.split_at(self.tail);
        let (head, tail) = (Part::new(head, self.head_step), Part::new(tail, self.tail_step));
        // The canonical dot product adds `dimensions / 32` products in each of 32 lanes and folds them five times.
        let additions = self.dimensions as f64 / 32.0 + 8.0;
        let canonical = additions * ROUNDOFF * LENGTH_MAX * LENGTH_MAX * 1.01;
        let met = head.rounded_length.powi(2) + tail.rounded_length.powi(2) + square(rest);
        CodedProbe {
            error: canonical + self.turn_error + head.missed_length * (LENGTH_MAX + self.turn_error) + TINY,
            outside_length: square(outside).sqrt() + TINY,
            met_length: met.sqrt() + TINY,
            tail,
            head,
        }
    }
}

impl Part {
    fn new(part: &[f32], step: f32) -> Self {
        let largest = part.iter().fold(0.0f32, |most, y| most.max(y.abs()));
        let scale = if largest > 0.0 { f64::from(largest) / 127.0 } else { 1.0 };
        let (mut rounded, mut missed, mut sum) = (0.0, 0.0, 0.0);
        let values = part.iter().map(|&y| {
            let value = (f64::from(y) / scale).round();
            let near = scale * value;
            rounded += near * near;
            missed += (f64::from(y) - near) * (f64::from(y) - near);
            sum += value;
            value as i8
        });
        let values = values.collect();
        Self {
            values,
            unit: scale * f64::from(step),
            sum,
            rounded_length: rounded.sqrt() + TINY,
            missed_length: missed.sqrt() + TINY,
        }
    }

    /// Product with the part's code, as a cosine.
    fn product(&self, integer: i32) -> f64 {
        (f64::from(integer) - f64::from(MIDDLE) * self.sum) * self.unit
    }

    /// What the fine code adds to that.
    fn fine_product(&self, integer: i32) -> f64 {
        (f64::from(integer) - FINE_MIDDLE * self.sum) * self.unit / FINE_LEVELS
    }
}

/// The integer products of a row's codes with a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Products {
    pub(super) head: i32,
    pub(super) fine: i32,
    /// 0 without a tail.
    pub(super) tail: i32,
}

impl CodedProbe {
    /// What a row must reach at first look so that its cosine may be `cosine_min` or more.
    pub(super) fn first_look(&self, cosine_min: f32) -> FirstLook {
        // No cosine is below -1, also where the dot product that was clamped to it is.
        if cosine_min <= -1.0 {
            return FirstLook::ALL;
        }
        // As many bits after the point as 32 bits have room for. Of a probe that has next to nothing in the head the
        // weights leave 16 bits: then everything is looked at again.
        (0..=SHIFT_MAX).rev().find_map(|shift| self.first_look_by(cosine_min, shift)).unwrap_or(FirstLook::ALL)
    }

    /// The same in units of 2^-`shift` of the head's products; `None` when a row's sum could leave 32 bits.
    fn first_look_by(&self, cosine_min: f32, shift: u32) -> Option<FirstLook> {
        let scale = f64::from(1_u32 << shift) / self.head.unit;
        let weights =
            [self.head.rounded_length, self.outside_length].map(|length| (length * BOUND_UNIT * scale).ceil());
        let products = PRODUCT_MAX * self.head.values.len() as f64 * f64::from(1_u32 << shift);
        let largest = products + (weights[0] + weights[1]) * (UNITS_MAX + 1.0);
        // One unit for the rounding of what stands here.
        let least = (f64::from(cosine_min) - self.error) * scale
            + f64::from(MIDDLE) * self.head.sum * f64::from(1_u32 << shift);
        (weights.iter().all(|&weight| weight <= UNITS_MAX) && largest <= f64::from(i32::MAX)).then_some(FirstLook {
            shift,
            residual_weight: weights[0] as i16,
            outside_weight: weights[1] as i16,
            least: (least - 1.0).floor() as i32,
        })
    }

    /// What the cosine of a row is at most, from the products with its codes.
    pub(super) fn upper(&self, products: Products, bounds: Bounds) -> f64 {
        let length = |units: i16| f64::from(units) * BOUND_UNIT;
        self.head.product(products.head)
            + self.head.fine_product(products.fine)
            + self.tail.product(products.tail)
            + self.met_length * length(bounds.residual)
            + self.tail.missed_length * length(bounds.lengths.outside)
            + self.error
    }
}

/// Eigenvectors (columns) and eigenvalues of the mean outer product, largest first.
fn principal_directions(sample: &[&[f32]], dimensions: usize) -> (DMatrix<f64>, Vec<f64>) {
    let columns = DMatrix::from_fn(dimensions, sample.len(), |i, n| sample[n][i]);
    let outer = (&columns * columns.transpose()).map(f64::from) / (sample.len().max(1) as f64);
    let eigen = SymmetricEigen::new(outer);
    let mut order: Vec<usize> = (0..dimensions).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let directions = DMatrix::from_fn(dimensions, dimensions, |i, n| eigen.eigenvectors[(i, order[n])]);
    (directions, order.iter().map(|&n| eigen.eigenvalues[n].max(0.0)).collect())
}

/// The fewest components, in whole groups, that leave at most `share` of the energy to those after them.
fn components_for(energies: &[f64], at_least: usize, share: f64) -> usize {
    let total: f64 = energies.iter().sum::<f64>().max(1e-30);
    let all = energies.len().next_multiple_of(GROUP);
    let left = |components: usize| energies[components.min(energies.len())..].iter().sum::<f64>() / total;
    (at_least.max(GROUP)..all).step_by(GROUP).find(|&components| left(components) <= share).unwrap_or(all)
}

fn step_for(energies: &[f64]) -> f32 {
    let mean = energies.iter().sum::<f64>() / energies.len().max(1) as f64;
    (STEP * mean.max(1e-12).sqrt()) as f32
}

/// Turns rows among themselves by a fixed orthogonal matrix, so that their components have about the same size: one
/// step of levels then fits all of them.
fn spread(turn: &mut DMatrix<f64>, from: usize, to: usize) {
    let count = to - from;
    if count < 2 {
        return;
    }
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    // A sum of twelve uniform numbers is near enough to normal for a direction without preference.
    let mut normal = || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
    let random = DMatrix::from_fn(count, count, |_, _| normal());
    let mixed = random.qr().q() * turn.rows(from, count);
    turn.rows_mut(from, count).copy_from(&mixed);
}

/// Most by which `turn` changes a dot product of two vectors of length [`LENGTH_MAX`].
///
/// By how little it is orthogonal, and by the rounding of two products with it: a sum of n products errs by at most
/// n u / (1 - n u) times the sum of their sizes, in any order, with or without fused operations (Higham, *Accuracy and
/// Stability of Numerical Algorithms*, 3.1).
fn turn_error(turn: &DMatrix<f32>) -> f64 {
    let exact = turn.map(f64::from);
    let gram = exact.transpose() * &exact - DMatrix::<f64>::identity(turn.ncols(), turn.ncols());
    let n = turn.ncols() as f64;
    let gamma = n * ROUNDOFF / (1.0 - n * ROUNDOFF);
    let one = gamma * exact.norm() * LENGTH_MAX;
    let apart = gram.norm() + TINY;
    apart * LENGTH_MAX * LENGTH_MAX + one * (2.0 * (1.0 + apart) * LENGTH_MAX + one)
}

/// Writes the levels, two a byte, of which the second belongs to the component `HALF` further on, and what they miss.
#[expect(clippy::cast_sign_loss, reason = "clamped to 0 to 15")]
fn quantise<const HALF: usize>(part: &[f32], step: f32, codes: &mut [u8], missed: &mut [f64]) {
    let inverse = 1.0 / step;
    let level = |y: f32| (y * inverse + MIDDLE).round_ties_even().clamp(0.0, 15.0);
    let miss = |y: f32, level: f32| f64::from(y) - f64::from(step) * f64::from(level - MIDDLE);
    let groups = part.chunks_exact(2 * HALF).zip(missed.chunks_exact_mut(2 * HALF));
    for (codes, (group, missed)) in codes.chunks_exact_mut(HALF).zip(groups) {
        let (low, high) = group.split_at(HALF);
        let (missed_low, missed_high) = missed.split_at_mut(HALF);
        for n in 0..HALF {
            let levels = [level(low[n]), level(high[n])];
            codes[n] = levels[0] as u8 | (levels[1] as u8) << 4;
            missed_low[n] = miss(low[n], levels[0]);
            missed_high[n] = miss(high[n], levels[1]);
        }
    }
}

/// Writes the fine levels, four a byte, of what levels of width `step` missed, and takes off what they make good.
#[expect(clippy::cast_sign_loss, reason = "clamped to 0 to 3")]
fn refine(step: f32, codes: &mut [u8], missed: &mut [f64]) {
    let width = f64::from(step) / FINE_LEVELS;
    for (codes, missed) in codes.chunks_exact_mut(FINE_BYTES).zip(missed.chunks_exact_mut(GROUP)) {
        codes.fill(0);
        for (n, missed) in missed.iter_mut().enumerate() {
            // Rounding half up is enough, and is no call on processors without an instruction for more.
            let level = (*missed / width + FINE_MIDDLE + 0.5).clamp(0.0, FINE_LEVELS - 1.0) as u8;
            *missed -= width * (f64::from(level) - FINE_MIDDLE);
            codes[n % FINE_BYTES] |= level << (2 * (n / FINE_BYTES));
        }
    }
}

fn square<T: Copy + Into<f64>>(part: &[T]) -> f64 {
    part.iter().map(|&y| y.into() * y.into()).sum()
}

/// INVARIANT (bounds hold): rounded up, with more than the rounding of the sum on top.
fn units_from_square(square: f64) -> i16 {
    let units = ((square.sqrt() + TINY) / BOUND_UNIT).ceil();
    assert!(units <= UNITS_MAX, "no part of a unit vector is longer than 2");
    units as i16
}
