#![no_main]
//! Any bytes as a picture: header, overview, windows.

use libfuzzer_sys::fuzz_target;
use trombi::vision::decode::Region;
use trombi::vision::{BoxPx, DecodeLimits, Picture};

fuzz_target!(|bytes: &[u8]| {
    // A small bound keeps each run short; the limit itself is what must hold.
    let limits = DecodeLimits { pixels_max: 1_000_000, side_px_min: 0, ..DecodeLimits::default() };
    let Ok(mut picture) = Picture::open(bytes, &limits) else { return };
    let (width, height) = (picture.width_px(), picture.height_px());
    assert!(u64::from(width) * u64::from(height) <= limits.pixels_max);
    if let Ok(overview) = picture.overview(64) {
        assert!(overview.image.width_px() <= width && overview.image.height_px() <= height);
    }
    let _ = picture.overview(u32::MAX);
    let corner = |left, top, side, enough| Region {
        box_px: BoxPx { left, top, width: side, height: side },
        long_side_px_enough: enough,
    };
    let regions = [corner(-5.0, -5.0, 40.0, u32::MAX), corner(10.5, 3.0, 1e9, 32), corner(1e9, 0.0, 1.0, 1)];
    if let Ok(windows) = picture.windows(&regions) {
        assert_eq!(windows.len(), regions.len());
    }
});
