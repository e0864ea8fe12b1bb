//! `vision` against the outputs of the original frameworks, and on pictures built from real ones.

use std::path::{Path, PathBuf};
use std::time::Instant;

use trombi::vision::align::{align, fit};
use trombi::vision::network::Runtime;
use trombi::vision::{
    AlignedFace, Alignment, BoxPx, ChannelOrder, DecodeLimits, DetectOptions, Detection, Detector, DetectorFamily,
    Embedder, EmbedderContract, Image, Landmarks, ModelId, NetworkFile, Picture, PointPx, Precision, Vision,
    VisionError, VisionOptions, Window,
};

use crate::support::{installed, shared, skipped};

/// Everything these tests need; `None` (said aloud) where the machine lacks it.
struct Bench {
    shared: PathBuf,
    library: PathBuf,
}

impl Bench {
    fn new() -> Option<Self> {
        let Some(shared) = shared() else {
            skipped("networks, pictures and reference outputs");
            return None;
        };
        Some(Self { shared, library: installed().runtime_library })
    }

    fn runtime(&self, precision: Precision) -> Runtime {
        Runtime::load(&self.library, precision).unwrap()
    }

    fn yunet(&self) -> NetworkFile {
        NetworkFile { file: self.shared.join("models/yunet/face_detection_yunet_2023mar.onnx"), weights: None }
    }

    fn detector(&self) -> Detector {
        Detector::open(&self.runtime(Precision::F32), &self.yunet(), 1).unwrap()
    }

    fn options(&self, pack: &Pack) -> VisionOptions {
        VisionOptions {
            detector_family: DetectorFamily::default(),
            runtime_library: self.library.clone(),
            detector: self.yunet(),
            embedder: pack.file(&self.shared),
            embedder_contract: pack.contract(&self.shared),
            seats: 1,
            queue_max: 4,
            precision: Precision::F32,
            limits: DecodeLimits::default(),
        }
    }

    fn lfw(&self, count: usize) -> Vec<PathBuf> {
        let folder = self.shared.join("datasets/lfw");
        let mut people: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        people.sort();
        let first = |person: &PathBuf| {
            let name = person.file_name().unwrap().to_str().unwrap();
            person.join(format!("{name}_0001.jpg"))
        };
        people.iter().filter(|path| path.is_dir()).map(first).take(count).collect()
    }
}

pub(crate) struct Pack {
    reference: &'static str,
    points: &'static str,
    graph: &'static str,
    weights: Option<&'static str>,
    model_id: &'static str,
    channels: ChannelOrder,
    input_px: u32,
    dimensions: usize,
}

pub(crate) const RETAIL: Pack = Pack {
    reference: "yunet_retail0095_lfw64.json",
    points: "reference_points_128",
    graph: "retail-0095/face-reidentification-retail-0095.xml",
    weights: Some("retail-0095/face-reidentification-retail-0095.bin"),
    model_id: "face-reidentification-retail-0095",
    channels: ChannelOrder::Bgr,
    input_px: 128,
    dimensions: 256,
};

pub(crate) const MOBILE: Pack = Pack {
    reference: "yunet_mobilefacenet_lfw64.json",
    points: "reference_points_112",
    graph: "mobilefacenet/mobilefacenet_y1_128.onnx",
    weights: None,
    model_id: "mobilefacenet-y1",
    channels: ChannelOrder::Rgb,
    input_px: 112,
    dimensions: 128,
};

impl Pack {
    pub(crate) fn file(&self, shared: &Path) -> NetworkFile {
        let models = shared.join("models");
        NetworkFile { file: models.join(self.graph), weights: self.weights.map(|weights| models.join(weights)) }
    }

    fn outputs(&self, shared: &Path) -> serde_json::Value {
        let text = std::fs::read_to_string(shared.join("reference").join(self.reference)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn contract(&self, shared: &Path) -> EmbedderContract {
        EmbedderContract {
            model_id: ModelId::new(self.model_id),
            input_px: self.input_px,
            channels: self.channels,
            range: [0.0, 255.0],
            alignment: Alignment::default(),
            reference_px: points(&self.outputs(shared)[self.points]),
            dimensions: self.dimensions,
            mirrored: false,
        }
    }
}

fn numbers(value: &serde_json::Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn points(value: &serde_json::Value) -> [PointPx; 5] {
    let point = |n: usize| {
        let xy = numbers(&value[n]);
        PointPx { x: xy[0], y: xy[1] }
    };
    [point(0), point(1), point(2), point(3), point(4)]
}

fn box_px(value: &serde_json::Value) -> BoxPx {
    let b = numbers(value);
    BoxPx { left: b[0], top: b[1], width: b[2], height: b[3] }
}

fn decoded(path: &Path) -> Window {
    let bytes = std::fs::read(path).unwrap();
    Picture::open(&bytes, &DecodeLimits::default()).unwrap().overview(u32::MAX).unwrap()
}

fn png(image: &Image) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width_px(), image.height_px());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header().unwrap().write_image_data(image.rgb()).unwrap();
    bytes
}

/// Bilinear, to any size.
fn resized(image: &Image, width: u32, height: u32) -> Image {
    let (sx, sy) = (image.width_px() as f32 / width as f32, image.height_px() as f32 / height as f32);
    let (right, bottom) = (image.width_px() as usize - 1, image.height_px() as usize - 1);
    let mut rgb = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        let v = ((y as f32 + 0.5) * sy - 0.5).clamp(0.0, bottom as f32);
        for x in 0..width {
            let u = ((x as f32 + 0.5) * sx - 0.5).clamp(0.0, right as f32);
            let (column, row) = (u as usize, v as usize);
            let (fx, fy) = (u - column as f32, v - row as f32);
            let at = |x: usize, y: usize, c: usize| {
                f32::from(image.rgb()[(y.min(bottom) * image.width_px() as usize + x.min(right)) * 3 + c])
            };
            rgb.extend([0, 1, 2].map(|c| {
                let top = at(column, row, c) * (1.0 - fx) + at(column + 1, row, c) * fx;
                let low = at(column, row + 1, c) * (1.0 - fx) + at(column + 1, row + 1, c) * fx;
                (top * (1.0 - fy) + low * fy + 0.5) as u8
            }));
        }
    }
    Image::from_rgb(width, height, rgb).unwrap()
}

/// A grey canvas with pictures put at places.
fn pasted(width: u32, height: u32, pictures: &[(Image, u32, u32)]) -> Image {
    let mut rgb = vec![120; (width * height * 3) as usize];
    for (image, left, top) in pictures {
        let stride = image.width_px() as usize * 3;
        for (y, row) in image.rgb().chunks_exact(stride).enumerate() {
            let start = ((*top as usize + y) * width as usize + *left as usize) * 3;
            rgb[start..start + stride].copy_from_slice(row);
        }
    }
    Image::from_rgb(width, height, rgb).unwrap()
}

fn crop(image: &Image, b: &BoxPx) -> Image {
    let (left, top) = (b.left.max(0.0) as usize, b.top.max(0.0) as usize);
    let (right, bottom) = ((b.left + b.width) as usize, (b.top + b.height) as usize);
    let (right, bottom) = (right.min(image.width_px() as usize), bottom.min(image.height_px() as usize));
    let stride = image.width_px() as usize * 3;
    let rgb = (top..bottom).flat_map(|y| image.rgb()[y * stride + left * 3..y * stride + right * 3].to_vec());
    Image::from_rgb((right - left) as u32, (bottom - top) as u32, rgb.collect()).unwrap()
}

fn largest_gap(a: &Landmarks, b: &[PointPx; 5]) -> f32 {
    a.points().iter().zip(b).map(|(a, b)| (a.x - b.x).abs().max((a.y - b.y).abs())).fold(0.0, f32::max)
}

#[test]
fn faces_are_where_opencv_finds_them() {
    let Some(bench) = Bench::new() else { return };
    let detector = bench.detector();
    let (mut iou_min, mut gap_max, mut faces) = (1.0_f32, 0.0_f32, 0);
    for entry in RETAIL.outputs(&bench.shared)["images"].as_array().unwrap() {
        let name = entry["image"].as_str().unwrap();
        let image = decoded(&bench.shared.join(name)).image;
        let found = detector.detect(&image, &DetectOptions::default()).unwrap();
        let expected = entry["faces"].as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        for face in expected {
            let near = |a: &&Detection, b: &&Detection| {
                a.box_px.iou(&box_px(&face["box_xywh_px"])).total_cmp(&b.box_px.iou(&box_px(&face["box_xywh_px"])))
            };
            let best = found.iter().max_by(near).unwrap();
            let iou = best.box_px.iou(&box_px(&face["box_xywh_px"]));
            let gap = largest_gap(&best.landmarks, &points(&face["landmarks_px"]));
            assert!(iou >= 0.95 && gap <= 1.0, "{name}: IoU {iou}, landmarks off by {gap} px");
            assert!((f64::from(best.confidence) - face["score"].as_f64().unwrap()).abs() < 0.02, "{name}");
            (iou_min, gap_max, faces) = (iou_min.min(iou), gap_max.max(gap), faces + 1);
        }
    }
    println!("{faces} faces: IoU at least {iou_min:.4}, landmarks off by at most {gap_max:.3} px");
    assert_eq!(faces, 80);
}

/// Warps within 1e-3 (scale) and 0.02 px (shift) of the reference; the reference's landmarks have three decimals.
#[test]
fn warps_equal_the_reference() {
    let Some(bench) = Bench::new() else { return };
    for pack in [RETAIL, MOBILE] {
        let reference = pack.contract(&bench.shared).reference_px;
        for entry in pack.outputs(&bench.shared)["images"].as_array().unwrap() {
            for face in entry["faces"].as_array().unwrap() {
                let landmarks = Landmarks::from_points(points(&face["landmarks_px"]));
                let rows = fit(&landmarks, &reference).unwrap().rows();
                for (row, expected) in rows.iter().zip(face["warp_2x3"].as_array().unwrap()) {
                    for (n, (value, expected)) in row.iter().zip(numbers(expected)).enumerate() {
                        let tolerance = if n == 2 { 0.02 } else { 1e-3 };
                        assert!((value - f64::from(expected)).abs() < tolerance, "{rows:?}, {face}");
                    }
                }
            }
        }
    }
}

/// Least cosine to the reference embeddings over all faces, from the reference's landmarks.
fn cosine_min(bench: &Bench, pack: &Pack, precision: Precision) -> f32 {
    let contract = pack.contract(&bench.shared);
    let (model_id, reference) = (contract.model_id.clone(), contract.reference_px);
    let embedder = Embedder::open(&bench.runtime(precision), &pack.file(&bench.shared), contract, 1).unwrap();
    let mut least = 1.0_f32;
    for entry in pack.outputs(&bench.shared)["images"].as_array().unwrap() {
        let window = decoded(&bench.shared.join(entry["image"].as_str().unwrap()));
        for face in entry["faces"].as_array().unwrap() {
            let landmarks = Landmarks::from_points(points(&face["landmarks_px"]));
            let aligned = align(&window, &landmarks, &reference, pack.input_px).unwrap();
            let expected =
                trombi::vision::Embedding::normalised(model_id.clone(), &numbers(&face["embedding"])).unwrap();
            let cosine = embedder.embed(&aligned).unwrap().cosine(&expected).unwrap();
            if cosine < 0.9995 {
                let step = 1.0 / fit(&landmarks, &reference).unwrap().scale();
                println!("{} {cosine:.6}: {step:.2} px for each of the aligned face", entry["image"]);
            }
            least = least.min(cosine);
        }
    }
    println!("{} {precision:?}: cosine at least {least:.6}", pack.model_id);
    least
}

#[test]
fn embeddings_equal_the_reference() {
    let Some(bench) = Bench::new() else { return };
    assert!(cosine_min(&bench, &RETAIL, Precision::F32) >= 0.9995);
    assert!(cosine_min(&bench, &MOBILE, Precision::F32) >= 0.9995);
}

/// Groups after which an embedder gives four faces to the network at once.
const GROUPS_SINGLY: usize = 128;

/// The largest faces of some pictures as `contract` wants them.
fn aligned_faces(bench: &Bench, contract: &EmbedderContract, count: usize) -> Vec<AlignedFace> {
    let detector = bench.detector();
    let aligned = |path: &PathBuf| {
        let window = decoded(path);
        let face = detector.detect(&window.image, &DetectOptions::default()).unwrap().remove(0);
        align(&window, &face.landmarks, &contract.reference_px, contract.input_px).unwrap()
    };
    bench.lfw(count).iter().map(aligned).collect()
}

#[test]
fn faces_embedded_in_groups_agree_with_single_ones() {
    let Some(bench) = Bench::new() else { return };
    for (pack, precision) in [(RETAIL, Precision::F32), (MOBILE, Precision::F32), (RETAIL, Precision::Bf16)] {
        let contract = pack.contract(&bench.shared);
        let faces = aligned_faces(&bench, &contract, 11);
        let embedder = Embedder::open(&bench.runtime(precision), &pack.file(&bench.shared), contract, 1).unwrap();
        let faces: Vec<_> = faces.iter().collect();
        assert!(embedder.embed_all(&[]).unwrap().is_empty());
        let singly: Vec<_> = faces.iter().map(|face| embedder.embed(face).unwrap()).collect();
        assert!(singly[0].cosine(&singly[1]).unwrap() < 0.9, "two people, so that a wrong order is seen");
        // Two groups of four and three single faces a round.
        for _ in 0..GROUPS_SINGLY / 2 {
            assert!(!embedder.takes_groups());
            assert_eq!(embedder.embed_all(&faces).unwrap().len(), faces.len());
        }
        let mut least = 1.0_f32;
        for count in 0..=faces.len() {
            let together = embedder.embed_all(&faces[..count]).unwrap();
            assert_eq!(together.len(), count);
            for (together, singly) in together.iter().zip(&singly) {
                least = least.min(together.cosine(singly).unwrap());
            }
        }
        assert!(embedder.takes_groups());
        println!("{} {precision:?}: cosine of group and single at least {least:.7}", pack.model_id);
        assert!(least >= 0.99999, "{least}");
    }
}

#[test]
fn a_face_of_another_size_is_refused_in_a_group() {
    let Some(bench) = Bench::new() else { return };
    let contract = RETAIL.contract(&bench.shared);
    let small = aligned_faces(&bench, &EmbedderContract { input_px: 112, ..contract.clone() }, 1).remove(0);
    let faces = aligned_faces(&bench, &contract, 3);
    let embedder = Embedder::open(&bench.runtime(Precision::F32), &RETAIL.file(&bench.shared), contract, 1).unwrap();
    let error = embedder.embed_all(&[&faces[0], &faces[1], &faces[2], &small]).unwrap_err().to_string();
    assert!(error.contains("112 px"), "{error}");
}

/// A network of 3 x 8 x 8 inputs that only flattens them, to rows of shape `rows` (as in the file: -1 is "the rest");
/// `mixing` divides each value by the sum of the same value of all faces.
fn flattening(folder: &Path, rows: [i64; 2], mixing: bool) -> NetworkFile {
    let (graph, weights) = (folder.join("flat.xml"), folder.join("flat.bin"));
    std::fs::write(&weights, rows.map(i64::to_le_bytes).concat()).unwrap();
    let port = |id: u32, kind: &str, dims: &[u32]| {
        let dims: String = dims.iter().map(|side| format!("<dim>{side}</dim>")).collect();
        format!(r#"<port id="{id}" precision="{kind}" names="{kind}{id}">{dims}</port>"#)
    };
    let layer = |id: u32, kind: &str, data: &str, inputs: &str, outputs: &str| {
        let tag = |name: &str, ports: &str| {
            if ports.is_empty() { String::new() } else { format!("<{name}>{ports}</{name}>") }
        };
        let (inputs, outputs) = (tag("input", inputs), tag("output", outputs));
        format!(r#"<layer id="{id}" name="{kind}{id}" type="{kind}" version="opset1">{data}{inputs}{outputs}</layer>"#)
    };
    let edge = |from: (u32, u32), to: (u32, u32)| {
        format!(r#"<edge from-layer="{}" from-port="{}" to-layer="{}" to-port="{}"/>"#, from.0, from.1, to.0, to.1)
    };
    let (picture, row) = ([1, 3, 8, 8], [1, 192]);
    let mut layers = vec![
        layer(0, "Parameter", r#"<data shape="1,3,8,8" element_type="f32"/>"#, "", &port(0, "FP32", &picture)),
        layer(1, "Const", r#"<data element_type="i64" shape="2" offset="0" size="16"/>"#, "", &port(0, "I64", &[2])),
        layer(
            2,
            "Reshape",
            r#"<data special_zero="false"/>"#,
            &(port(0, "FP32", &picture) + &port(1, "I64", &[2])),
            &port(2, "FP32", &row),
        ),
    ];
    let mut edges = vec![edge((0, 0), (2, 0)), edge((1, 0), (2, 1))];
    let last = if mixing { 3 } else { 2 };
    if mixing {
        layers.push(layer(3, "SoftMax", r#"<data axis="0"/>"#, &port(0, "FP32", &row), &port(2, "FP32", &row)));
        edges.push(edge((2, 2), (3, 0)));
    }
    layers.push(layer(9, "Result", "", &port(0, "FP32", &row), ""));
    edges.push(edge((last, 2), (9, 0)));
    let (layers, edges) = (layers.concat(), edges.concat());
    let text = format!(r#"<net name="flat" version="11"><layers>{layers}</layers><edges>{edges}</edges></net>"#);
    std::fs::write(&graph, text).unwrap();
    NetworkFile { file: graph, weights: Some(weights) }
}

#[test]
fn networks_that_cannot_take_groups_stay_with_single_faces() {
    let Some(bench) = Bench::new() else { return };
    let whole = MOBILE.contract(&bench.shared);
    let contract = EmbedderContract {
        model_id: ModelId::new("flat"),
        input_px: 8,
        reference_px: whole.reference_px.map(|p| PointPx { x: p.x / 14.0, y: p.y / 14.0 }),
        dimensions: 192,
        ..whole
    };
    let faces = aligned_faces(&bench, &contract, 4);
    let faces: Vec<_> = faces.iter().collect();
    // The shape does not allow four; it puts four into one row; it allows four but mixes them; it takes four.
    for (rows, mixing, takes) in
        [([1, 192], false, false), ([1, -1], false, false), ([-1, 192], true, false), ([-1, 192], false, true)]
    {
        let folder = tempfile::tempdir().unwrap();
        let file = flattening(folder.path(), rows, mixing);
        let embedder = Embedder::open(&bench.runtime(Precision::F32), &file, contract.clone(), 1).unwrap();
        let singly: Vec<_> = faces.iter().map(|face| embedder.embed(face).unwrap()).collect();
        for _ in 0..GROUPS_SINGLY + 2 {
            for (together, singly) in embedder.embed_all(&faces).unwrap().iter().zip(&singly) {
                assert!(together.cosine(singly).unwrap() >= 0.99999, "{rows:?}, mixing: {mixing}");
            }
        }
        assert_eq!(embedder.takes_groups(), takes, "{rows:?}, mixing: {mixing}");
    }
}

/// bfloat16 has 8 bits of mantissa; the reference is f32.
#[test]
fn bf16_embeddings_are_near_the_reference() {
    let Some(bench) = Bench::new() else { return };
    assert!(cosine_min(&bench, &RETAIL, Precision::Bf16) >= 0.98);
    assert!(cosine_min(&bench, &MOBILE, Precision::Bf16) >= 0.98);
}

/// Faces of different people, 40 pixels high, far from each other's detection.
#[test]
fn a_face_of_40_px_in_full_hd_is_found() {
    let Some(bench) = Bench::new() else { return };
    let vision = Vision::open(&bench.options(&RETAIL)).unwrap();
    let (mut found, mut tried) = (0, 0);
    for (n, path) in bench.lfw(20).iter().enumerate() {
        let image = decoded(path).image;
        let faces = vision.detector().detect(&image, &DetectOptions::default()).unwrap();
        // The face and a head's width around it, shrunk so that the box is 40 px high.
        let b = faces[0].box_px;
        let around = BoxPx {
            left: b.left - b.width / 2.0,
            top: b.top - b.height / 3.0,
            width: b.width * 2.0,
            height: b.height * 1.6,
        };
        let head = crop(&image, &around);
        let scale = 40.0 / b.height;
        let (width, height) = (head.width_px() as f32 * scale, head.height_px() as f32 * scale);
        let head = trombi::vision::resize::shrink(&head, width as u32, height as u32);
        let (left, top) = (97 + 83 * n as u32, 41 + 47 * n as u32);
        let place = BoxPx { left: left as f32, top: top as f32, width, height };
        let scene = vision.look(&png(&pasted(1920, 1080, &[(head, left, top)]))).unwrap();
        let inside = |face: &&trombi::vision::Face| {
            let b = face.detection.box_px;
            let (x, y) = (b.left + b.width / 2.0, b.top + b.height / 2.0);
            (place.left..place.left + place.width).contains(&x) && (place.top..place.top + place.height).contains(&y)
        };
        tried += 1;
        found += usize::from(scene.faces.iter().any(|face| inside(&face)));
        // Somebody in the background of the portrait may be seen as well, but nothing elsewhere.
        assert!(scene.faces.iter().all(|face| inside(&face)), "{:?} beside {}", scene.faces, path.display());
    }
    println!("{found} of {tried} faces of 40 px found");
    assert_eq!(found, tried);
}

#[test]
fn a_face_that_fills_twelve_megapixels_is_found_once() {
    let Some(bench) = Bench::new() else { return };
    let vision = Vision::open(&bench.options(&RETAIL)).unwrap();
    for path in bench.lfw(3) {
        let image = decoded(&path).image;
        let small = vision.look(&std::fs::read(&path).unwrap()).unwrap();
        let b = small.faces[0].detection.box_px;
        let large = resized(&crop(&image, &b), 3000, 4000);
        let scene = vision.look(&png(&large)).unwrap();
        assert_eq!(scene.faces.len(), 1, "{}", path.display());
        let face = &scene.faces[0];
        let full = BoxPx { left: 0.0, top: 0.0, width: 3000.0, height: 4000.0 };
        assert!(face.detection.box_px.iou(&full) > 0.6, "{:?}", face.detection.box_px);
        let embedded = |face: &trombi::vision::Face| vision.embed(&[face.aligned.as_ref().unwrap()]).unwrap().remove(0);
        let cosine = embedded(face).cosine(&embedded(&small.faces[0])).unwrap();
        println!("cosine of the small and the twelve-megapixel face: {cosine:.3}");
        assert!(cosine > 0.5, "{cosine}");
    }
}

#[test]
fn of_120_faces_the_100_largest_are_returned() {
    let Some(bench) = Bench::new() else { return };
    let vision = Vision::open(&bench.options(&RETAIL)).unwrap();
    let mut pictures = Vec::new();
    for (n, path) in bench.lfw(120).iter().enumerate() {
        // Sizes from 90 to 149 px, so that there is an order.
        let side = 90 + (n as u32 * 7) % 60;
        let picture = trombi::vision::resize::shrink(&decoded(path).image, side, side);
        pictures.push((picture, (n as u32 % 12) * 150, (n as u32 / 12) * 150));
    }
    let mosaic = pasted(1800, 1500, &pictures);
    let all = DetectOptions { faces_max: usize::MAX, ..DetectOptions::default() };
    let overview = Picture::open(&png(&mosaic), &DecodeLimits::default()).unwrap().overview(960).unwrap();
    let all = vision.detector().detect(&overview.image, &all).unwrap();
    assert!(all.len() >= 110, "{} of 120", all.len());
    let scene = vision.look(&png(&mosaic)).unwrap();
    assert_eq!(scene.faces.len(), 100);
    let areas: Vec<_> = scene.faces.iter().map(|face| face.detection.box_px.area()).collect();
    assert!(areas.is_sorted_by(|a, b| a >= b));
    assert!(scene.faces.iter().all(|face| face.aligned.is_some()));
}

#[test]
fn the_same_person_is_nearer_than_another() {
    let Some(bench) = Bench::new() else { return };
    let vision = Vision::open(&bench.options(&RETAIL)).unwrap();
    let embedded = |name: &str| {
        let bytes = std::fs::read(bench.shared.join("datasets/lfw").join(name)).unwrap();
        let scene = vision.look(&bytes).unwrap();
        vision.embed(&[scene.faces[0].aligned.as_ref().unwrap()]).unwrap().remove(0)
    };
    let a = embedded("George_W_Bush/George_W_Bush_0001.jpg");
    let b = embedded("George_W_Bush/George_W_Bush_0002.jpg");
    let other = embedded("Tony_Blair/Tony_Blair_0001.jpg");
    assert!(a.cosine(&b).unwrap() > a.cosine(&other).unwrap() + 0.2);
}

#[test]
fn what_does_not_fit_its_contract_is_refused() {
    let Some(bench) = Bench::new() else { return };
    let refused = |options: &VisionOptions| match Vision::open(options) {
        Err(VisionError::Network(error)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("opened"),
    };
    let mut options = bench.options(&RETAIL);
    options.embedder_contract.dimensions = 512;
    assert!(refused(&options).contains("512"));
    let mut options = bench.options(&RETAIL);
    options.embedder_contract.input_px = 7;
    assert!(refused(&options).contains("retail-0095"));
    let mut options = bench.options(&RETAIL);
    options.detector = MOBILE.file(&bench.shared);
    assert!(!refused(&options).is_empty());
    let mut options = bench.options(&RETAIL);
    options.embedder.file = PathBuf::from("does-not-exist.xml");
    assert!(refused(&options).contains("does-not-exist.xml"));
}

#[test]
fn many_callers_share_the_seats_and_agree() {
    let Some(bench) = Bench::new() else { return };
    let options = VisionOptions { seats: 2, queue_max: 16, ..bench.options(&RETAIL) };
    let vision = Vision::open(&options).unwrap();
    let bytes = std::fs::read(&bench.lfw(1)[0]).unwrap();
    let seen = || {
        let scene = vision.look(&bytes).unwrap();
        vision.embed(&[scene.faces[0].aligned.as_ref().unwrap()]).unwrap().remove(0)
    };
    let alone = seen();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..5).map(|_| seen()).collect::<Vec<_>>())).collect();
        for embedding in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
            assert!(embedding.cosine(&alone).unwrap() > 0.99999);
        }
    });
}

fn best_ms(times: usize, mut work: impl FnMut()) -> f64 {
    (0..times)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .fold(f64::INFINITY, f64::min)
}

/// Not a test of anything: prints milliseconds on one core. Run it alone, optimised.
#[test]
#[ignore = "a measurement"]
fn time_per_stage() {
    let Some(bench) = Bench::new() else { return };
    let path = &bench.lfw(1)[0];
    let bytes = std::fs::read(path).unwrap();
    let window = decoded(path);
    for precision in [Precision::F32, Precision::Bf16] {
        for pack in [RETAIL, MOBILE] {
            let options = VisionOptions { precision, ..bench.options(&pack) };
            let start = Instant::now();
            let vision = Vision::open(&options).unwrap();
            println!("{} {precision:?}: open {:.0} ms", pack.model_id, start.elapsed().as_secs_f64() * 1e3);
            let face = vision.look(&bytes).unwrap().faces.remove(0);
            let contract = vision.embedder().contract().clone();
            let landmarks = face.detection.landmarks;
            let aligned: AlignedFace = face.aligned.unwrap();
            let defaults = DetectOptions::default();
            println!(
                "  detect 250 px {:.2}, align {:.2}, quality {:.3}, embed {:.2}, look {:.2} ms",
                best_ms(60, || drop(vision.detector().detect(&window.image, &defaults).unwrap())),
                best_ms(60, || drop(align(&window, &landmarks, &contract.reference_px, contract.input_px).unwrap())),
                best_ms(60, || assert!(trombi::vision::quality::quality(&aligned).brightness > 0.0)),
                best_ms(60, || drop(vision.embedder().embed(&aligned).unwrap())),
                best_ms(60, || drop(vision.look(&bytes).unwrap())),
            );
            let four = [&aligned; 4];
            let embed_four = || drop(vision.embedder().embed_all(&four).unwrap());
            (0..=GROUPS_SINGLY).for_each(|_| embed_four());
            assert!(vision.embedder().takes_groups());
            // By turns, and each after a picture, as in use.
            let (mut singly, mut at_once) = (Vec::new(), Vec::new());
            for _ in 0..100 {
                vision.look(&bytes).unwrap();
                singly.push(best_ms(1, || four.iter().for_each(|face| drop(vision.embedder().embed(face).unwrap()))));
                vision.look(&bytes).unwrap();
                at_once.push(best_ms(1, embed_four));
            }
            for (name, times) in [("one by one", &mut singly), ("at once", &mut at_once)] {
                times.sort_by(f64::total_cmp);
                println!("  four faces {name}: least {:.2}, median {:.2} ms", times[0], times[50]);
            }
            if pack.model_id == RETAIL.model_id {
                for (width, height) in [(640, 480), (1000, 750), (1920, 1080)] {
                    let image = resized(&window.image, width, height);
                    let start = Instant::now();
                    drop(vision.detector().detect(&image, &defaults).unwrap());
                    let first = start.elapsed().as_secs_f64() * 1e3;
                    let later = best_ms(20, || drop(vision.detector().detect(&image, &defaults).unwrap()));
                    println!("  detect {width} x {height}: first {first:.0}, then {later:.2} ms");
                }
            }
        }
    }
}

/// Not a test of a law: prints how many pictures of LFW have a face, and how the measures spread.
#[test]
#[ignore = "a measurement over all of LFW"]
fn every_picture_of_lfw_has_a_face() {
    let Some(bench) = Bench::new() else { return };
    let detector = bench.detector();
    let contract = RETAIL.contract(&bench.shared);
    let people = std::fs::read_dir(bench.shared.join("datasets/lfw")).unwrap().map(|entry| entry.unwrap().path());
    let (mut pictures, mut without, mut least) = (0, Vec::new(), Vec::new());
    let (mut bright, mut sharp, mut yaw, mut pitch, mut roll) = (vec![], vec![], vec![], vec![], vec![]);
    let mut shift = [0.0_f64; 3];
    for path in people.filter(|path| path.is_dir()).flat_map(|person| std::fs::read_dir(person).unwrap()) {
        let path = path.unwrap().path();
        let window = decoded(&path);
        pictures += 1;
        let lenient = DetectOptions { confidence_min: 0.2, ..DetectOptions::default() };
        let faces = detector.detect(&window.image, &lenient).unwrap();
        let best = faces.iter().map(|face| face.confidence).fold(0.0, f32::max);
        least.push(best);
        if best < 0.6 {
            without.push(format!("{} {best:.3}", path.file_name().unwrap().display()));
        }
        let Some(face) = faces.first() else { continue };
        if pictures % 10 == 0 {
            let aligned = align(&window, &face.landmarks, &contract.reference_px, 128).unwrap();
            let quality = trombi::vision::quality::quality(&aligned);
            let pose = trombi::vision::pose::pose(&face.landmarks);
            bright.push(quality.brightness);
            sharp.push(quality.sharpness);
            yaw.push(pose.yaw_deg);
            pitch.push(pose.pitch_deg);
            roll.push(pose.roll_deg);
            // Does a face seen at half the size, moved back by pixel centres, stay where it is?
            let half = trombi::vision::resize::shrink(&window.image, 125, 125);
            if let Some(other) = detector.detect(&half, &lenient).unwrap().first() {
                let other = other.moved((2.0, 2.0), (0.0, 0.0));
                if other.box_px.iou(&face.box_px) > 0.7 {
                    for (a, b) in other.landmarks.points().iter().zip(face.landmarks.points()) {
                        shift[0] += f64::from(a.x - b.x) / 5.0;
                        shift[1] += f64::from(a.y - b.y) / 5.0;
                    }
                    shift[2] += 1.0;
                }
            }
        }
    }
    let quantiles = |mut values: Vec<f32>| {
        values.sort_by(f32::total_cmp);
        [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0].map(|q| values[((values.len() - 1) as f64 * q) as usize])
    };
    println!("{pictures} pictures, best confidence {:?}", quantiles(least));
    println!("under 0.6: {without:?}");
    println!("brightness {:?}\nsharpness {:?}", quantiles(bright), quantiles(sharp));
    println!("yaw {:?}\npitch {:?}\nroll {:?}", quantiles(yaw), quantiles(pitch), quantiles(roll));
    println!("half-size landmarks shift x {:.3} y {:.3} px", shift[0] / shift[2], shift[1] / shift[2]);
}
