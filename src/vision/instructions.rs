//! The widest instructions that the processor at hand has, for loops over pixels and bits.

/// Something to be done with them. A closure would not do: the compiler may leave it out of line, and then it is
/// compiled for the oldest processor again.
pub(super) trait Work {
    /// What comes out.
    type Answer;

    /// Does it. To be marked `#[inline(always)]`, like all that it calls in its loops.
    fn run(self) -> Self::Answer;
}

/// Does `work`, compiled for AVX2 and BMI2 where the processor has them. The answer is the same either way.
pub(super) fn widest<W: Work>(work: W) -> W::Answer {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") {
        // SAFETY: the processor has these instructions, as checked in the line above; there is no other condition.
        #[expect(unsafe_code, reason = "the crate is built for every x86-64; decoding is much faster so")]
        return unsafe { with_avx2(work) };
    }
    work.run()
}

/// No FMA: it would round differently.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn with_avx2<W: Work>(work: W) -> W::Answer {
    work.run()
}
