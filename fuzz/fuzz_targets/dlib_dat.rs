#![no_main]
//! Any bytes as one of dlib's files. The first byte says which.

use libfuzzer_sys::fuzz_target;
use trombi::models::dlib;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 3 {
        0 => drop(dlib::shape_predictor(bytes)),
        1 => drop(dlib::detector_onnx(bytes)),
        _ => drop(dlib::embedder_onnx(bytes)),
    }
});
