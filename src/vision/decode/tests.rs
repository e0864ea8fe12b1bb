#![expect(clippy::cast_possible_truncation, reason = "sizes of the test pictures are small")]

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

const LIMITS: DecodeLimits =
    DecodeLimits { bytes_max: 15 * 1024 * 1024, pixels_max: 100_000_000, side_px_max: 20_000, side_px_min: 0 };
const FULL: u32 = u32::MAX;
/// Size of `pattern` in `tests/pictures/make.py`.
const PATTERN: (u32, u32) = (131, 97);

const BASELINE: [&str; 6] = [
    "baseline_444.jpg",
    "baseline_422.jpg",
    "baseline_420.jpg",
    "baseline_440.jpg",
    "baseline_420_restart.jpg",
    "grey.jpg",
];
const ALL: [&str; 16] = [
    "baseline_420.jpg",
    "baseline_420_restart.jpg",
    "progressive_420.jpg",
    "grey.jpg",
    "cmyk_adobe.jpg",
    "ycck_adobe.jpg",
    "orientation_6.jpg",
    "rgba8.png",
    "rgb16.png",
    "palette_transparent.png",
    "interlaced.png",
    "lossy.webp",
    "lossless.webp",
    "lossy_alpha.webp",
    "lossless_alpha.webp",
    "orientation_6.webp",
];

fn file(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name)).unwrap()
}

/// The whole picture through the full decoders.
fn whole(bytes: &[u8]) -> Image {
    let mut picture = Picture::open_partial_from(bytes, &LIMITS, FULL).unwrap();
    assert!(picture.partial.is_none());
    picture.overview(FULL).unwrap().image
}

/// Through our own reader of baseline JPEGs.
fn partial(bytes: &[u8]) -> Picture<'_> {
    let picture = Picture::open_partial_from(bytes, &LIMITS, 0).unwrap();
    assert!(picture.partial.is_some());
    picture
}

fn region(left: f32, top: f32, width: f32, height: f32, long_side_px_enough: u32) -> Region {
    Region { box_px: BoxPx { left, top, width, height }, long_side_px_enough }
}

/// Largest difference of two pictures of one size, and the share of samples that differ by more than 2.
fn difference(a: &Image, b: &Image) -> (u8, f64) {
    assert_eq!((a.width_px(), a.height_px()), (b.width_px(), b.height_px()));
    let differences = a.rgb().iter().zip(b.rgb()).map(|(a, b)| a.abs_diff(*b));
    let beyond = differences.clone().filter(|&difference| difference > 2).count();
    (differences.max().unwrap(), beyond as f64 / a.rgb().len() as f64)
}

fn mean_difference(a: &Image, b: &Image) -> f64 {
    assert_eq!((a.width_px(), a.height_px()), (b.width_px(), b.height_px()));
    let sum: u64 = a.rgb().iter().zip(b.rgb()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.rgb().len() as f64
}

#[test]
fn every_lossless_form_gives_the_same_pixels() {
    let expected = whole(&file("rgb8.png"));
    assert_eq!((expected.width_px(), expected.height_px()), PATTERN);
    for name in ["rgb16.png", "interlaced.png", "lossless.webp", "animated.png"] {
        assert_eq!(whole(&file(name)), expected, "{name}");
    }
}

#[test]
fn every_lossy_form_is_near_the_original() {
    let expected = whole(&file("rgb8.png"));
    let names = ["baseline_444.jpg", "baseline_422.jpg", "baseline_420.jpg", "baseline_420_restart.jpg", "lossy.webp"];
    for name in names.into_iter().chain(["progressive_420.jpg", "cmyk_adobe.jpg", "cmyk_plain.jpg"]) {
        let mean = mean_difference(&whole(&file(name)), &expected);
        assert!(mean < 6.0, "{name}: {mean}");
    }
}

#[test]
fn palette_is_looked_up() {
    let mean = mean_difference(&whole(&file("palette.png")), &whole(&file("rgb8.png")));
    assert!(mean < 12.0, "{mean}"); // 64 colours
}

#[test]
fn ycck_is_the_picture_under_its_black() {
    let original = whole(&file("rgb8.png"));
    let rgb = original.rgb().iter().map(|&value| (u32::from(value) * 215 / 255) as u8).collect();
    let expected = Image::from_rgb(PATTERN.0, PATTERN.1, rgb).unwrap();
    let mean = mean_difference(&whole(&file("ycck_adobe.jpg")), &expected);
    assert!(mean < 6.0, "{mean}");
}

#[test]
fn grey_has_equal_channels() {
    for name in ["grey.jpg", "grey8.png"] {
        assert!(whole(&file(name)).rgb().chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]), "{name}");
    }
    assert!(mean_difference(&whole(&file("grey.jpg")), &whole(&file("grey8.png"))) < 3.0);
}

#[test]
fn transparency_lies_over_white() {
    let opaque = whole(&file("rgb8.png"));
    for name in ["rgba8.png", "lossless_alpha.webp"] {
        let image = whole(&file(name));
        for (x, pixel) in image.rgb().chunks_exact(3).take(PATTERN.0 as usize).enumerate() {
            let alpha = (x as f64 * 255.0 / f64::from(PATTERN.0 - 1)).floor() / 255.0;
            for (value, flattened) in opaque.rgb()[3 * x..].iter().zip(pixel) {
                let expected = f64::from(*value) * alpha + 255.0 * (1.0 - alpha);
                assert!((f64::from(*flattened) - expected).abs() <= 1.0, "{name} at {x}");
            }
        }
    }
    assert!(mean_difference(&whole(&file("lossy_alpha.webp")), &whole(&file("rgba8.png"))) < 6.0);
    assert_eq!(whole(&file("palette_transparent.png")).width_px(), PATTERN.0);
}

#[test]
fn rotated_exif_is_upright() {
    let expected = whole(&file("rgb8.png"));
    for name in (1..=8).map(|value| format!("orientation_{value}.jpg")).chain(["orientation_6.webp".into()]) {
        let bytes = file(&name);
        let picture = Picture::open(&bytes, &LIMITS).unwrap();
        assert_eq!((picture.width_px(), picture.height_px()), PATTERN, "{name}");
        let mean = mean_difference(&whole(&bytes), &expected);
        assert!(mean < 6.0, "{name}: {mean}");
    }
}

#[test]
fn partial_reading_at_full_scale_equals_the_full_decoder() {
    for name in BASELINE {
        let bytes = file(name);
        let ours = partial(&bytes).overview(FULL).unwrap().image;
        let (largest, share) = difference(&ours, &whole(&bytes));
        assert!(largest <= 6 && share < 0.005, "{name}: {largest}, {share}");
    }
}

/// Checksums of what libjpeg-turbo 3 decodes (through OpenCV's `imread`, channels swapped to RGB).
#[test]
fn full_scale_equals_libjpeg_to_the_bit() {
    let expected = [
        ("baseline_444.jpg", 0x5E54_E794),
        ("baseline_422.jpg", 0xD4CE_4340),
        ("baseline_440.jpg", 0x36B2_CD71),
        ("baseline_420.jpg", 0x97C4_012D),
        ("baseline_420_restart.jpg", 0x27B5_F81D),
        ("grey.jpg", 0x8761_3FA1),
    ];
    for (name, checksum) in expected {
        let bytes = file(name);
        assert_eq!(crc32fast::hash(partial(&bytes).overview(FULL).unwrap().image.rgb()), checksum, "{name}");
    }
}

#[test]
fn reduced_overview_is_the_area_mean() {
    for name in BASELINE {
        let bytes = file(name);
        let full = whole(&bytes);
        let rect = Rect { left: 0, top: 0, width: full.width_px(), height: full.height_px() };
        for scale in [2, 4, 8] {
            let long = full.width_px().max(full.height_px());
            let overview = partial(&bytes).overview(long / scale).unwrap();
            assert_eq!((overview.scale, overview.left_px, overview.top_px), (scale, 0, 0));
            let expected = reduce::reduce(&full, rect, scale);
            let mean = mean_difference(&overview.image, &expected);
            assert!(mean < 1.5, "{name} at 1/{scale}: mean difference {mean}");
        }
    }
}

/// All windows of a picture agree with its whole, in all eight orientations, at every scale.
#[test]
fn windows_lie_where_they_say() {
    let regions = [
        region(0.0, 0.0, 131.0, 97.0, FULL),
        region(20.3, 11.9, 40.0, 33.0, FULL),
        region(100.0, 80.0, 90.0, 90.0, FULL),
        region(-50.0, 30.0, 60.0, 5.0, FULL),
        region(33.0, 17.0, 64.0, 60.0, 32),
        region(5.0, 40.0, 120.0, 50.0, 30),
        region(60.0, 3.0, 71.0, 94.0, 10),
    ];
    let names = (1..=8).map(|value| format!("orientation_{value}.jpg")).chain(BASELINE.map(String::from));
    for name in names {
        let bytes = file(&name);
        let full = whole(&bytes);
        for window in partial(&bytes).windows(&regions).unwrap() {
            check_window(&window, &full, &name);
        }
        let mut plain = Picture::open_partial_from(&bytes, &LIMITS, FULL).unwrap();
        for window in plain.windows(&regions).unwrap() {
            check_window(&window, &full, &name);
        }
    }
}

/// Compares those pixels of a window whose cells lie wholly inside the picture with the means of them.
fn check_window(window: &Window, full: &Image, name: &str) {
    let (mut sum, mut count, mut largest) = (0.0, 0, 0.0_f64);
    let scale = i64::from(window.scale);
    for row in 0..i64::from(window.image.height_px()) {
        for column in 0..i64::from(window.image.width_px()) {
            let (left, top) = (i64::from(window.left_px) + scale * column, i64::from(window.top_px) + scale * row);
            let fits = |start: i64, side: u32| start >= 0 && start + scale <= i64::from(side);
            if !fits(left, full.width_px()) || !fits(top, full.height_px()) {
                continue;
            }
            for channel in 0..3 {
                let cell = (0..scale * scale).map(|at| {
                    let (x, y) = (left + at % scale, top + at / scale);
                    f64::from(full.rgb()[((y * i64::from(full.width_px()) + x) * 3 + channel) as usize])
                });
                let mean = cell.sum::<f64>() / (scale * scale) as f64;
                let at = ((row * i64::from(window.image.width_px()) + column) * 3 + channel) as usize;
                let difference = (f64::from(window.image.rgb()[at]) - mean).abs();
                sum += difference;
                largest = largest.max(difference);
                count += 1;
            }
        }
    }
    assert!(count > 0 || window.scale == 8, "{name}: empty window");
    let count = count.max(1);
    let mean = sum / f64::from(count);
    assert!(mean < 2.0 && (window.scale > 1 || largest <= 6.0), "{name} 1/{scale}: {mean}, {largest}");
}

#[test]
fn windows_are_the_same_before_and_after_the_overview() {
    for name in BASELINE {
        let bytes = file(name);
        let regions = [region(10.0, 20.0, 30.0, 40.0, FULL), region(15.0, 25.0, 60.0, 40.0, 16)];
        let mut picture = partial(&bytes);
        let before = picture.windows(&regions).unwrap();
        picture.overview(40).unwrap();
        let after = picture.windows(&regions).unwrap();
        let alone: Vec<_> = regions.iter().flat_map(|region| picture.windows(&[*region]).unwrap()).collect();
        for ((a, b), c) in before.iter().zip(&after).zip(&alone) {
            assert_eq!(a.image, b.image, "{name}");
            assert_eq!(a.image, c.image, "{name}");
        }
    }
}

#[test]
fn many_overlapping_windows_stay_within_their_budget() {
    let regions = vec![region(0.0, 0.0, 10_000.0, 8_000.0, FULL); 100];
    let plans = plan_windows(&regions, (10_000, 8_000));
    let pixels: u64 =
        plans.iter().map(|(rect, scale)| u64::from(rect.width / scale) * u64::from(rect.height / scale)).sum();
    assert!(pixels <= 100 * 10_000 * 8_000 / 64, "{pixels}");
    let faces = vec![region(500.0, 500.0, 3_000.0, 3_000.0, 256); 100];
    assert!(plan_windows(&faces, (10_000, 8_000)).iter().all(|&(_, scale)| scale == 8));
}

#[test]
fn boxes_beyond_reason_are_clipped() {
    let bytes = file("baseline_420.jpg");
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 1e9];
    for value in odd {
        for other in odd {
            let window = partial(&bytes).windows(&[region(value, other, other, value, FULL)]).unwrap().remove(0);
            assert!(window.image.width_px() >= 1 && window.image.width_px() <= PATTERN.0);
        }
    }
}

fn refusal(bytes: &[u8], limits: &DecodeLimits) -> Option<DecodeError> {
    let mut picture = match Picture::open(bytes, limits) {
        Ok(picture) => picture,
        Err(error) => return Some(error),
    };
    picture.overview(FULL).err()
}

#[test]
fn limits_hold_before_pixels_are_allocated() {
    let limits = DecodeLimits::default();
    assert!(matches!(refusal(&file("declared_50000.png"), &limits), Some(DecodeError::TooLarge(_))));
    assert!(matches!(refusal(&vec![0x5A; 15 * 1024 * 1024 + 1], &limits), Some(DecodeError::TooLarge(_))));
    let narrow = DecodeLimits { side_px_max: 130, ..LIMITS };
    assert!(matches!(refusal(&file("rgb8.png"), &narrow), Some(DecodeError::TooLarge(_))));
    let few = DecodeLimits { pixels_max: 131 * 97 - 1, ..LIMITS };
    assert!(matches!(refusal(&file("lossy.webp"), &few), Some(DecodeError::TooLarge(_))));
    let exact = DecodeLimits { pixels_max: 131 * 97, side_px_max: 131, side_px_min: 97, ..LIMITS };
    assert_eq!(refusal(&file("baseline_420.jpg"), &exact), None);
    let wide = DecodeLimits { side_px_min: 98, ..LIMITS };
    assert!(matches!(refusal(&file("baseline_420.jpg"), &wide), Some(DecodeError::TooSmall(_))));
}

#[test]
fn a_jpeg_of_79_pixels_is_too_small() {
    let mut bytes = file("baseline_444.jpg");
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0, 79, 0, 200]);
    assert!(matches!(refusal(&bytes, &DecodeLimits::default()), Some(DecodeError::TooSmall(_))));
}

#[test]
fn a_jpeg_that_declares_65000_pixels_is_too_large() {
    let mut bytes = file("progressive_420.jpg");
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC2]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xFD, 0xE8, 0xFD, 0xE8]);
    assert!(matches!(refusal(&bytes, &DecodeLimits::default()), Some(DecodeError::TooLarge(_))));
}

#[test]
fn what_is_no_still_picture_is_refused() {
    let mut noise = vec![0; 1 << 20];
    let mut state = 1_u32;
    noise.iter_mut().for_each(|byte| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    });
    // Over the usual limit of bytes, and refused for what it is when that limit is lifted.
    let all: Vec<u8> = noise.iter().copied().cycle().take(16 << 20).collect();
    assert!(matches!(refusal(&all, &LIMITS), Some(DecodeError::TooLarge(_))));
    let lifted = DecodeLimits { bytes_max: usize::MAX, ..LIMITS };
    assert!(matches!(refusal(&all, &lifted), Some(DecodeError::Format(_))));
    let mut jpeg_noise = vec![0xFF, 0xD8, 0xFF];
    jpeg_noise.extend(&noise);
    let cases: [&[u8]; 7] =
        [b"", b"\xFF", b"GIF89a", b"\xFF\xD8\xFF", b"\x89PNG\r\n\x1a\n", b"RIFF\x04\0\0\0WEBP", &file("animated.webp")];
    for bytes in cases.into_iter().chain([noise.as_slice(), jpeg_noise.as_slice()]) {
        assert!(matches!(refusal(bytes, &LIMITS), Some(DecodeError::Format(_))), "{:?}", &bytes[..bytes.len().min(12)]);
    }
}

#[test]
fn a_cut_picture_is_refused_and_not_half_enrolled() {
    for name in ALL {
        let bytes = file(name);
        for keep in [10, 30, 50, 80, 95] {
            let cut = &bytes[..bytes.len() * keep / 100];
            assert!(matches!(refusal(cut, &LIMITS), Some(DecodeError::Format(_))), "{name} cut to {keep} %");
        }
    }
    for name in BASELINE {
        let bytes = file(name);
        let cut = &bytes[..bytes.len() * 9 / 10];
        assert!(partial(cut).overview(10).is_err(), "{name}");
        assert!(partial(cut).windows(&[region(0.0, 0.0, 9.0, 9.0, FULL)]).is_err(), "{name}");
    }
}

#[test]
fn a_missing_end_marker_alone_is_forgiven() {
    for name in BASELINE {
        let bytes = file(name);
        let cut = bytes.strip_suffix(&[0xFF, 0xD9]).unwrap();
        assert_eq!(whole(cut), whole(&bytes), "{name}");
        assert_eq!(partial(cut).overview(FULL).unwrap().image, partial(&bytes).overview(FULL).unwrap().image, "{name}");
    }
}

#[test]
fn a_frame_larger_than_its_webp_canvas_is_refused() {
    let mut bytes = file("lossy_alpha.webp");
    let frame = bytes.windows(3).position(|three| three == [0x9D, 0x01, 0x2A]).unwrap();
    bytes[frame + 3..frame + 7].copy_from_slice(&[0xFF, 0x3F, 0xFF, 0x3F]);
    assert!(matches!(refusal(&bytes, &LIMITS), Some(DecodeError::Format(_))));
}

#[test]
fn stray_bytes_between_segments_are_skipped() {
    let bytes = file("baseline_420.jpg");
    let mut stray = bytes[..2].to_vec();
    let first = 4 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]])) - 2 + 2;
    stray.extend_from_slice(&bytes[2..first]);
    stray.extend_from_slice(&[0; 9]);
    stray.extend_from_slice(&bytes[first..]);
    assert_eq!(whole(&stray), whole(&bytes));
    assert_eq!(partial(&stray).overview(FULL).unwrap().image, partial(&bytes).overview(FULL).unwrap().image);
}

/// Look-ups are made of the code that stands when the scan begins, not of each that a hostile file defines before.
#[test]
fn codes_that_are_defined_again_count_once() {
    let bytes = file("baseline_420.jpg");
    // No symbols, and too many for one bit: the last table of the class AC, which the picture does not use.
    let (empty, broken) = ([0; 16], [[3, 0, 0, 0], [0; 4], [0; 4], [0; 4]]);
    let segment = |counts: &[u8]| [&[0xFF, 0xC4, 0, 19 + counts.iter().sum::<u8>(), 0x13], counts, &[1, 2, 3]].concat();
    let empty: Vec<u8> = segment(&empty)[..21].to_vec();
    let broken = segment(broken.as_flattened());
    let with = |segments: &[u8]| [&bytes[..2], segments, &bytes[2..]].concat();
    let expected = partial(&bytes).overview(FULL).unwrap().image;
    assert_eq!(partial(&with(&empty.repeat(20_000))).overview(FULL).unwrap().image, expected);
    assert_eq!(partial(&with(&[broken.clone(), empty].concat())).overview(FULL).unwrap().image, expected);
    assert!(Picture::open_partial_from(&with(&broken), &LIMITS, 0).unwrap().partial.is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_refused_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), magic in 0..4_usize) {
        let magics: [&[u8]; 4] = [b"", b"\xFF\xD8\xFF", b"\x89PNG\r\n\x1a\n", b"RIFF\xFF\xFF\0\0WEBPVP8X"];
        bytes.splice(0..0, magics[magic].iter().copied());
        let _ = fuzz_decode(&bytes);
    }

    #[test]
    fn mutated_pictures_are_read_or_refused_without_panic(
        name in proptest::sample::select(&ALL),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = file(name);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = fuzz_decode(&bytes);
    }
}
