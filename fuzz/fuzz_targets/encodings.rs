#![no_main]
//! Any bytes as a file of face_recognition's encodings. The first byte says of which kind.

use libfuzzer_sys::fuzz_target;
use trombi::cli::import::encodings::{self, Format, LENGTH};

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let format = [Format::Pickle, Format::Npy, Format::Csv, Format::Json][usize::from(which % 4)];
    if let Ok(faces) = encodings::read(bytes, format) {
        assert!(faces.iter().all(|face| face.vector.len() == LENGTH && face.vector.iter().all(|v| v.is_finite())));
    }
});
