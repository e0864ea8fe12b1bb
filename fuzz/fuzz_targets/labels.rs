#![no_main]
//! Any bytes as a manifest of labelled pictures or as a calibration: the first byte picks.

use libfuzzer_sys::fuzz_target;
use trombi::models::calibration;

fuzz_target!(|bytes: &[u8]| {
    let Some((&pick, text)) = bytes.split_first() else { return };
    if pick & 1 == 0 {
        let _ = trombi::cli::accepts_manifest(text);
    } else if let Ok(read) = std::str::from_utf8(text).map_err(|_| ()).and_then(|text| calibration::from_toml(text).map_err(|_| ())) {
        // What is read is a scale, and is written so that it is read again the same.
        let mut before = -1.0;
        for step in 0..=200u8 {
            let percent = read.percent(f32::from(step) / 100.0 - 1.0);
            assert!(percent >= before && (0.0..=100.0).contains(&percent));
            before = percent;
        }
        let written = calibration::to_toml(&read).expect("a calibration can be written");
        assert_eq!(calibration::from_toml(&written).expect("what was written can be read"), read);
    }
});
