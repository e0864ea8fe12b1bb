//! The one dot product of embeddings: comparing two faces and searching many give the same bits.

/// Partial sums of a dot product; a power of two.
const LANES: usize = 32;

/// Cosines of `probe` with the unit vectors that lie one after another in `vectors`, one for each of `cosines`.
///
/// Each is the dot product clamped to -1 to 1, summed in [`LANES`] partial sums that are then folded in halves;
/// multiplication and addition round separately. That order is fixed, so the same bits come out of every
/// instruction set. Never -0, so that equal cosines tie.
///
/// # Panics
/// When `vectors` holds fewer vectors of the probe's length than `cosines` has places.
pub(crate) fn cosines(probe: &[f32], vectors: &[f32], cosines: &mut [f32]) {
    assert!(vectors.len() >= probe.len() * cosines.len(), "fewer vectors than cosines asked for");
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as checked in the line above; the function has no other condition.
        #[expect(unsafe_code, reason = "the crate is built for every x86-64; AVX2 halves the time of a scan")]
        unsafe {
            cosines_avx2(probe, vectors, cosines);
        }
        return;
    }
    cosines_plain(probe, vectors, cosines);
}

/// The same code as [`cosines_plain`], which the compiler may turn into 8-wide instructions here. No FMA: it would
/// round differently.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn cosines_avx2(probe: &[f32], vectors: &[f32], cosines: &mut [f32]) {
    cosines_plain(probe, vectors, cosines);
}

#[inline(always)]
fn cosines_plain(probe: &[f32], vectors: &[f32], cosines: &mut [f32]) {
    for (cosine, vector) in cosines.iter_mut().zip(vectors.chunks_exact(probe.len().max(1))) {
        *cosine = dot(probe, vector).clamp(-1.0, 1.0);
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_groups, b_groups) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_groups.remainder().iter().zip(b_groups.remainder());
    for (x, y) in a_groups.zip(b_groups) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(rest) {
        *lane += x * y;
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0] + 0.0 // -0 becomes 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::{Embedding, ModelId};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same_bits(
            dimensions in 1usize..200, seed in proptest::collection::vec(-1.0f32..1.0, 800)
        ) {
            let (probe, vectors) = (&seed[..dimensions], &seed[200..]);
            let mut best = vec![0.0; vectors.len() / dimensions];
            let mut plain = best.clone();
            cosines(probe, vectors, &mut best);
            cosines_plain(probe, vectors, &mut plain);
            let bits = |cosines: &[f32]| cosines.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&best), bits(&plain));
            // One at a time, as two faces are compared.
            for (vector, &together) in vectors.chunks_exact(dimensions).zip(&best) {
                let mut alone = [0.0];
                cosines(probe, vector, &mut alone);
                prop_assert_eq!(alone[0].to_bits(), together.to_bits());
            }
        }

        #[test]
        fn dot_product_is_right(pairs in proptest::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..300)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let exact: f64 = pairs.iter().map(|&(x, y)| f64::from(x) * f64::from(y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4);
        }

        #[test]
        fn cosine_is_symmetric(pairs in proptest::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 1..300)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let embedding = |raw: &[f32]| Embedding::normalised(ModelId::new("toy"), raw);
            if let (Some(a), Some(b)) = (embedding(&a), embedding(&b)) {
                prop_assert_eq!(a.cosine(&b).unwrap().to_bits(), b.cosine(&a).unwrap().to_bits());
            }
        }
    }
}
