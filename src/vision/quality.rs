//! How usable a face's pixels are.

use super::align::AlignedFace;

/// 0 to 100 each, measured on the aligned face by [`quality`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quality {
    /// Mean luma of the face: 100 x mean / 200, at most 100. Luma is 0.299 R + 0.587 G + 0.114 B, 0 to 255.
    pub brightness: f32,
    /// How steep the finest steps of luma are against its contrast: with g the root mean square of the
    /// differences of neighbouring pixels (to the right and downwards), and s the standard deviation of luma
    /// (taken as at least 8), 100 x (g / s - 0.09) / 0.27, cut to 0 to 100. A face that was enlarged to the aligned size, or
    /// is out of focus, has small steps for its contrast.
    pub sharpness: f32,
}

/// Luma at which brightness is 100: a well-lit face without being overexposed.
const BRIGHT_LUMA: f32 = 200.0;
/// Below this contrast, steps are mostly noise and must not count as sharpness.
const CONTRAST_MIN: f32 = 8.0;
/// Ratios g / s of sharpness 0 and 100: of the largest faces of all LFW pictures 98 % lie between 20 and 95.
const RATIO: (f32, f32) = (0.09, 0.36);

/// Brightness and sharpness over the middle of the face: columns 20 % to 80 % and rows 30 % to 90 % of the
/// aligned square, which leaves out most of the background, the hair and what lies beyond the picture.
#[must_use]
pub fn quality(face: &AlignedFace) -> Quality {
    of_rgb(face.side_px() as usize, face.rgb())
}

fn of_rgb(side: usize, rgb: &[u8]) -> Quality {
    let columns = side * 2 / 10..(side * 8 / 10).max(1);
    let rows = side * 3 / 10..(side * 9 / 10).max(1);
    let width = columns.len();
    let luma: Vec<f32> = rows
        .flat_map(|y| columns.clone().map(move |x| (y * side + x) * 3))
        .map(|at| 0.299 * f32::from(rgb[at]) + 0.587 * f32::from(rgb[at + 1]) + 0.114 * f32::from(rgb[at + 2]))
        .collect();
    let mean = mean(luma.iter().copied());
    let contrast = mean_of_squares(luma.iter().map(|value| value - mean)).sqrt().max(CONTRAST_MIN);
    let right = luma.chunks_exact(width).flat_map(|row| row.windows(2).map(|pair| pair[1] - pair[0]));
    let down = luma.iter().zip(luma.iter().skip(width)).map(|(upper, lower)| lower - upper);
    let ratio = mean_of_squares(right.chain(down)).sqrt() / contrast;
    Quality { brightness: percent(mean / BRIGHT_LUMA), sharpness: percent((ratio - RATIO.0) / (RATIO.1 - RATIO.0)) }
}

fn percent(part: f32) -> f32 {
    (100.0 * part).clamp(0.0, 100.0)
}

fn mean_of_squares(values: impl Iterator<Item = f32>) -> f32 {
    mean(values.map(|value| value * value))
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0_f64, 0_u32), |(sum, count), value| (sum + f64::from(value), count + 1));
    #[expect(clippy::cast_possible_truncation, reason = "a mean of small numbers")]
    let mean = (sum / f64::from(count.max(1))) as f32;
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIDE: usize = 64;

    fn noise(seed: u32) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        };
        // Blocks of 4 x 4 with a little noise: edges and flat parts, as in a picture.
        let blocks: Vec<u8> = (0..SIDE * SIDE / 16).map(|_| next()).collect();
        (0..SIDE * SIDE)
            .flat_map(|i| {
                let value = (blocks[(i / SIDE / 4) * (SIDE / 4) + i % SIDE / 4] / 2).saturating_add(next() / 16);
                [value; 3]
            })
            .collect()
    }

    fn blurred(rgb: &[u8]) -> Vec<u8> {
        let at = |x: usize, y: usize| u32::from(rgb[(y.min(SIDE - 1) * SIDE + x.min(SIDE - 1)) * 3]);
        (0..SIDE * SIDE)
            .flat_map(|i| {
                let (x, y) = (i % SIDE, i / SIDE);
                let sum: u32 =
                    (0..3).flat_map(|dy| (0..3).map(move |dx| (dx, dy))).map(|(dx, dy)| at(x + dx, y + dy)).sum();
                [(sum / 9) as u8; 3]
            })
            .collect()
    }

    proptest! {
        #[test]
        fn blur_lowers_sharpness(seed: u32) {
            let mut rgb = noise(seed);
            let mut last = of_rgb(SIDE, &rgb).sharpness;
            for _ in 0..4 {
                rgb = blurred(&rgb);
                let now = of_rgb(SIDE, &rgb).sharpness;
                prop_assert!(now < last || now == 0.0 || last == 100.0, "{} then {}", last, now);
                last = now;
            }
        }

        #[test]
        fn darkening_lowers_brightness_and_hardly_changes_sharpness(seed: u32) {
            let rgb = noise(seed);
            let dark: Vec<u8> = rgb.iter().map(|&v| v / 2).collect();
            let (light, dark) = (of_rgb(SIDE, &rgb), of_rgb(SIDE, &dark));
            prop_assert!(dark.brightness < light.brightness);
            prop_assert!((dark.sharpness - light.sharpness).abs() < 6.0, "{:?} {:?}", light, dark);
        }
    }

    #[test]
    fn black_and_white_are_the_ends_of_brightness() {
        assert_eq!(of_rgb(SIDE, &[0; SIDE * SIDE * 3]), Quality { brightness: 0.0, sharpness: 0.0 });
        assert_eq!(of_rgb(SIDE, &[255; SIDE * SIDE * 3]), Quality { brightness: 100.0, sharpness: 0.0 });
    }

    #[test]
    fn the_smallest_face_is_measured_too() {
        let quality = of_rgb(1, &[100; 3]);
        assert!((quality.brightness - 50.0).abs() < 0.1);
    }
}
