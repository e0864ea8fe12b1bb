//! The `dlib` pack against dlib's own Python package: `scripts/dlib-reference` writes what that finds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use trombi::models::dlib;
use trombi::vision::align::chip_of;
use trombi::vision::mmod::Mmod;
use trombi::vision::{
    Alignment, BoxPx, ChannelOrder, DecodeLimits, Embedder, EmbedderContract, ModelId, NetworkFile, Picture, PointPx,
    Precision, Runtime, Window, chip,
};

use crate::support::{self, installed};

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target")
}

/// dlib's files as somebody unpacked them, for the one who works on this.
fn weights() -> Option<PathBuf> {
    let dir = target().join("dlib-pack/face_recognition_models-0.3.0/face_recognition_models/models");
    dir.is_dir().then_some(dir)
}

struct Bench {
    detector: Mmod,
    embedder: Embedder,
    pictures: Vec<Value>,
}

impl Bench {
    fn new() -> Option<Self> {
        let reference = fs::read(target().join("dlib-reference/reference.json"));
        let (Ok(reference), Some(weights)) = (reference, weights()) else {
            support::skipped("dlib's reference outputs; scripts/dlib-reference makes them");
            return None;
        };
        let reference: Value = serde_json::from_slice(&reference).unwrap();
        let runtime = Runtime::load(&installed().runtime_library, Precision::F32).unwrap();
        let read = |name: &str| fs::read(weights.join(name)).unwrap();
        let write = |name: &str, bytes: Vec<u8>| {
            let file = target().join("dlib-reference").join(name);
            fs::write(&file, bytes).unwrap();
            NetworkFile { file, weights: None }
        };
        let predictor = dlib::shape_predictor(&read("shape_predictor_5_face_landmarks.dat")).unwrap();
        let detector = write("mmod.onnx", dlib::detector_onnx(&read("mmod_human_face_detector.dat")).unwrap());
        let embedder =
            write("resnet.onnx", dlib::embedder_onnx(&read("dlib_face_recognition_resnet_model_v1.dat")).unwrap());
        let contract = EmbedderContract {
            model_id: ModelId::new("dlib"),
            input_px: chip::SIDE_PX,
            channels: ChannelOrder::Rgb,
            range: [0.0, 255.0],
            alignment: Alignment::EyeCorners,
            reference_px: chip::reference_px(),
            dimensions: 128,
            mirrored: false,
        };
        Some(Self {
            detector: Mmod::open(&runtime, &detector, Arc::new(predictor), 1).unwrap(),
            embedder: Embedder::open(&runtime, &embedder, contract, 1).unwrap(),
            pictures: reference["pictures"].as_array().unwrap().clone(),
        })
    }

    fn window(&self, picture: &Value) -> Window {
        let bytes = fs::read(target().join("dlib-reference").join(picture["file"].as_str().unwrap())).unwrap();
        let mut picture = Picture::open(&bytes, &DecodeLimits::default()).unwrap();
        let side = picture.width_px().max(picture.height_px());
        picture.overview(side).unwrap()
    }
}

fn rect(value: &Value) -> [i64; 4] {
    let values: Vec<i64> = value.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect();
    values.try_into().unwrap()
}

fn points(value: &Value) -> [PointPx; 5] {
    let point = |v: &Value| PointPx { x: v[0].as_f64().unwrap() as f32, y: v[1].as_f64().unwrap() as f32 };
    let values: Vec<PointPx> = value.as_array().unwrap().iter().map(point).collect();
    values.try_into().unwrap()
}

fn box_px([left, top, right, bottom]: [i64; 4]) -> BoxPx {
    let (left, top, right, bottom) = (left as f32, top as f32, right as f32, bottom as f32);
    BoxPx { left, top, width: right - left + 1.0, height: bottom - top + 1.0 }
}

#[test]
fn mmod_finds_what_dlib_finds() {
    let Some(bench) = Bench::new() else { return };
    let (mut faces, mut exact, mut worst, mut confidence) = (0, 0, 1.0_f32, 0.0_f32);
    for picture in &bench.pictures {
        let window = bench.window(picture);
        for (key, doublings) in [("mmod", 0), ("mmod_doubled", 1)] {
            let found = bench.detector.windows(&window.image, doublings).unwrap();
            let expected = picture[key].as_array().unwrap();
            assert_eq!(found.len(), expected.len(), "{} {key}: {found:?}, dlib {expected:?}", picture["file"]);
            for wanted in expected {
                let wanted_rect = rect(&wanted["rect"]);
                let iou = |rect: [i64; 4]| box_px(rect).iou(&box_px(wanted_rect));
                let best = found.iter().max_by(|a, b| iou(a.rect).total_cmp(&iou(b.rect))).unwrap();
                worst = worst.min(iou(best.rect));
                let theirs = wanted["confidence"].as_f64().unwrap() as f32;
                confidence = confidence.max((best.score - theirs).abs());
                exact += usize::from(best.rect == wanted_rect);
                faces += 1;
            }
        }
    }
    println!("mmod: {faces} faces, {exact} with the same box, least IoU {worst}, scores within {confidence}");
    assert!(faces >= bench.pictures.len() && worst >= 0.9, "{faces} faces, least IoU {worst}");
}

#[test]
fn five_points_are_dlibs() {
    let Some(bench) = Bench::new() else { return };
    let (mut worst, mut count) = (0.0_f32, 0);
    for picture in &bench.pictures {
        let window = bench.window(picture);
        for face in picture["faces"].as_array().unwrap() {
            let found = bench.detector.points(&window.image, rect(&face["rect"]));
            for (ours, theirs) in found.iter().zip(points(&face["points"])) {
                worst = worst.max((ours.x - theirs.x).abs()).max((ours.y - theirs.y).abs());
                count += 1;
            }
        }
    }
    println!("five points: {count}, at most {worst} px apart");
    assert!(count > 300 && worst <= 0.5, "{count} points, {worst} px");
}

#[test]
fn embeddings_are_face_recognitions() {
    let Some(bench) = Bench::new() else { return };
    let (mut worst, mut count) = (0.0_f64, 0);
    for picture in &bench.pictures {
        let window = bench.window(picture);
        for face in picture["faces"].as_array().unwrap() {
            let aligned = chip_of(&window, &points(&face["points"])).unwrap();
            let embedding = bench.embedder.embed(&aligned).unwrap();
            let theirs: Vec<f64> = face["encoding"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            let length = theirs.iter().map(|v| v * v).sum::<f64>().sqrt();
            // Ours have unit length; their length is put back for the comparison.
            for (ours, theirs) in embedding.vector().iter().zip(&theirs) {
                worst = worst.max((f64::from(*ours) * length - theirs).abs());
            }
            count += 1;
        }
    }
    println!("embeddings: {count}, components at most {worst:.1e} apart");
    assert!(count >= 64 && worst <= 1e-4, "{count} embeddings, {worst}");
}
