//! SCRFD and RetinaFace on networks that the tests make: small random ones with the very heads of the real ones, whose
//! raw outputs a second, plain decoder reads.

use std::path::{Path, PathBuf};

use trombi::models::onnx::{Attribute, Graph, Side};
use trombi::vision::anchors::{AnchorContract, AnchorDetector, AnchorFamily};
use trombi::vision::{ChannelOrder, DetectOptions, Detection, Image, NetworkFile, Precision, Runtime};

use crate::support::installed;

const STRIDES: [usize; 3] = [8, 16, 32];

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn many(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * scale).collect()
    }
}

/// A convolution from every cell of `stride` pixels to two anchors of `depth` values, as one row for each anchor.
fn head(graph: &mut Graph, dice: &mut Dice, input: &str, stride: usize, depth: usize, shape: &[i64]) -> String {
    let outputs = 2 * depth;
    let weights = dice.many(outputs * 3 * stride * stride, 0.02 / stride as f32);
    let weights = graph.floats(&[outputs, 3, stride, stride], &weights);
    let bias = dice.many(outputs, 0.5);
    let bias = graph.floats(&[outputs], &bias);
    let side = i64::try_from(stride).unwrap();
    let strides = [("strides", Attribute::Ints(&[side, side])), ("kernel_shape", Attribute::Ints(&[side, side]))];
    let map = graph.apply("Conv", &[input, &weights, &bias], &strides);
    let rows = graph.apply("Transpose", &[&map], &[("perm", Attribute::Ints(&[0, 2, 3, 1]))]);
    let shape = graph.ints(shape);
    graph.apply("Reshape", &[&rows, &shape], &[])
}

fn picture_input(graph: &mut Graph) -> String {
    graph.input("input", &[Side::Fixed(1), Side::Fixed(3), Side::Free("h"), Side::Free("w")])
}

fn scrfd() -> Vec<u8> {
    let (mut graph, mut dice) = (Graph::new(), Dice(7));
    let input = picture_input(&mut graph);
    for (depth, name) in [(1, "score"), (4, "bbox"), (10, "kps")] {
        for stride in STRIDES {
            let mut value = head(&mut graph, &mut dice, &input, stride, depth, &[-1, i64::try_from(depth).unwrap()]);
            // Boxes are distances, which are positive where a face is.
            match depth {
                1 => value = graph.apply("Sigmoid", &[&value], &[]),
                4 => value = graph.apply("Exp", &[&value], &[]),
                _ => {}
            }
            graph.output(&value, &format!("{name}_{stride}"), &[Side::Free("n"), Side::Fixed(depth)]);
        }
    }
    graph.into_file("scrfd")
}

fn retina_face() -> Vec<u8> {
    let (mut graph, mut dice) = (Graph::new(), Dice(11));
    let input = picture_input(&mut graph);
    for (depth, name) in [(4, "loc"), (2, "conf"), (10, "landms")] {
        let parts = STRIDES
            .map(|stride| head(&mut graph, &mut dice, &input, stride, depth, &[1, -1, i64::try_from(depth).unwrap()]));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let mut value = graph.apply("Concat", &parts, &[("axis", Attribute::Int(1))]);
        if depth == 2 {
            value = graph.apply("Softmax", &[&value], &[("axis", Attribute::Int(2))]);
        }
        graph.output(&value, name, &[Side::Fixed(1), Side::Free("n"), Side::Fixed(depth)]);
    }
    graph.into_file("retina_face")
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/detectors");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn file(name: &str, bytes: &[u8]) -> NetworkFile {
    let file = folder().join(name);
    std::fs::write(&file, bytes).unwrap();
    NetworkFile { file, weights: None }
}

fn runtime() -> Runtime {
    Runtime::load(&installed().runtime_library, Precision::F32).unwrap()
}

/// 200 x 150: one level, on a canvas of 256 x 256.
fn picture() -> Image {
    let mut dice = Dice(3);
    let rgb = (0..200 * 150 * 3).map(|_| ((dice.next() + 1.0) * 127.0) as u8).collect();
    Image::from_rgb(200, 150, rgb).unwrap()
}

/// The canvas as a network sees it: `(value / 255 of the range) - mean`, black beyond the picture.
fn canvas(image: &Image, contract: &AnchorContract) -> Vec<f64> {
    let [low, high] = contract.range.map(f64::from);
    let mut canvas = Vec::new();
    for plane in 0..3 {
        let channel = if contract.channels == ChannelOrder::Rgb { plane } else { 2 - plane };
        for y in 0..256_usize {
            for x in 0..256_usize {
                let value = if x < 200 && y < 150 { image.rgb()[(y * 200 + x) * 3 + channel] } else { 0 };
                canvas.push(low + f64::from(value) / 255.0 * (high - low) - f64::from(contract.mean[plane]));
            }
        }
    }
    canvas
}

fn raw(network: &NetworkFile, canvas: &[f64]) -> Vec<Vec<f32>> {
    let source = std::sync::Arc::new(runtime().read(network).unwrap());
    let compiled = source.compile([1, 3, 256, 256], 1).unwrap();
    let fill = |input: &mut [f32]| input.iter_mut().zip(canvas).for_each(|(to, from)| *to = *from as f32);
    compiled.infer(fill, |outputs| outputs.iter().map(|values| values.to_vec()).collect()).unwrap()
}

/// Left, top, right, bottom, five points, confidence.
type Plain = ([f64; 4], [f64; 10], f64);

fn plain_scrfd(outputs: &[Vec<f32>], least: f64) -> Vec<Plain> {
    let mut faces = Vec::new();
    for (level, stride) in STRIDES.into_iter().enumerate() {
        let s = stride as f64;
        let mut anchor = 0;
        for row in 0..256 / stride {
            for column in 0..256 / stride {
                for _ in 0..2 {
                    let score = f64::from(outputs[level][anchor]);
                    let b = |at: usize| f64::from(outputs[3 + level][anchor * 4 + at]) * s;
                    let k = |at: usize| f64::from(outputs[6 + level][anchor * 10 + at]) * s;
                    let (x, y) = (column as f64 * s, row as f64 * s);
                    let edges = [x - b(0), y - b(1), x + b(2), y + b(3)];
                    if score >= least && edges[2] > edges[0] && edges[3] > edges[1] {
                        let points = std::array::from_fn(|at| if at % 2 == 0 { x + k(at) } else { y + k(at) });
                        faces.push((edges, points, score));
                    }
                    anchor += 1;
                }
            }
        }
    }
    faces
}

fn plain_retina_face(outputs: &[Vec<f32>], least: f64) -> Vec<Plain> {
    let (mut faces, mut anchor) = (Vec::new(), 0);
    for (stride, sides) in STRIDES.into_iter().zip([[16.0, 32.0], [64.0, 128.0], [256.0, 512.0]]) {
        for row in 0..256 / stride {
            for column in 0..256 / stride {
                for side in sides {
                    // Relative to the picture, as the paper's code has it.
                    let (cx, cy) =
                        ((column as f64 + 0.5) * stride as f64 / 256.0, (row as f64 + 0.5) * stride as f64 / 256.0);
                    let prior = side / 256.0;
                    let l = |at: usize| f64::from(outputs[0][anchor * 4 + at]);
                    let (x, y) = (cx + l(0) * 0.1 * prior, cy + l(1) * 0.1 * prior);
                    let (w, h) = (prior * (l(2) * 0.2).exp(), prior * (l(3) * 0.2).exp());
                    let k = |at: usize| f64::from(outputs[2][anchor * 10 + at]) * 0.1 * prior;
                    let score = f64::from(outputs[1][anchor * 2 + 1]);
                    if score >= least {
                        let edges = [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0].map(|v| v * 256.0);
                        let points = std::array::from_fn(|at| (if at % 2 == 0 { cx } else { cy } + k(at)) * 256.0);
                        faces.push((edges, points, score));
                    }
                    anchor += 1;
                }
            }
        }
    }
    faces
}

fn iou(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let overlap = |low: usize| (a[low + 2].min(b[low + 2]) - a[low].max(b[low])).max(0.0);
    let area = |r: &[f64; 4]| (r[2] - r[0]) * (r[3] - r[1]);
    let inner = overlap(0) * overlap(1);
    inner / (area(a) + area(b) - inner)
}

/// The most confident first, each against those kept; largest first in the end.
fn suppressed(mut faces: Vec<Plain>, most: f64) -> Vec<Plain> {
    faces.sort_by(|a, b| b.2.total_cmp(&a.2));
    let mut kept: Vec<Plain> = Vec::new();
    for face in faces {
        if kept.iter().all(|other| iou(&other.0, &face.0) <= most) {
            kept.push(face);
        }
    }
    kept
}

fn assert_same(found: &[Detection], expected: &[Plain], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(found.len() > 5, "{what}: only {} faces, nothing is shown", found.len());
    for (edges, points, score) in expected {
        let near = |face: &&Detection| {
            let b = face.box_px;
            let ours = [b.left, b.top, b.left + b.width, b.top + b.height];
            ours.iter().zip(edges).all(|(a, b)| (f64::from(*a) - b).abs() < 0.01)
        };
        let face = found.iter().find(near).unwrap_or_else(|| panic!("{what}: no {edges:?}"));
        assert!((f64::from(face.confidence) - score).abs() < 1e-4, "{what}");
        let ours = face.landmarks.points().into_iter().flat_map(|point| [point.x, point.y]);
        assert!(ours.zip(points).all(|(a, b)| (f64::from(a) - b).abs() < 0.01), "{what}: points of {edges:?}");
    }
}

const SCRFD: AnchorContract = AnchorContract {
    family: AnchorFamily::Scrfd,
    channels: ChannelOrder::Rgb,
    range: [-0.996_093_75, 0.996_093_75],
    mean: [0.0; 3],
};
const RETINA_FACE: AnchorContract = AnchorContract {
    family: AnchorFamily::RetinaFace,
    channels: ChannelOrder::Bgr,
    range: [0.0, 255.0],
    mean: [104.0, 117.0, 123.0],
};

#[test]
fn scrfd_is_decoded_as_a_plain_decoder_does() {
    let network = file("scrfd.onnx", &scrfd());
    let image = picture();
    let raw = raw(&network, &canvas(&image, &SCRFD));
    let options = DetectOptions { confidence_min: 0.3, iou_max: 0.4, faces_max: usize::MAX };
    let detector = AnchorDetector::open(&runtime(), &network, SCRFD, 1).unwrap();
    let found = detector.detect(&image, &options).unwrap();
    assert_same(&found, &suppressed(plain_scrfd(&raw, f64::from(options.confidence_min)), 0.4), "scrfd");
}

#[test]
fn retina_face_is_decoded_as_a_plain_decoder_does() {
    let network = file("retina_face.onnx", &retina_face());
    let image = picture();
    let raw = raw(&network, &canvas(&image, &RETINA_FACE));
    let options = DetectOptions { confidence_min: 0.6, iou_max: 0.4, faces_max: usize::MAX };
    let detector = AnchorDetector::open(&runtime(), &network, RETINA_FACE, 1).unwrap();
    let found = detector.detect(&image, &options).unwrap();
    assert_same(&found, &suppressed(plain_retina_face(&raw, f64::from(options.confidence_min)), 0.4), "retina face");
}

#[test]
fn a_network_of_another_family_is_refused() {
    let (scrfd, retina) = (file("a.onnx", &scrfd()), file("b.onnx", &retina_face()));
    for (network, contract) in [(&scrfd, RETINA_FACE), (&retina, SCRFD)] {
        let Err(error) = AnchorDetector::open(&runtime(), network, contract, 1) else { panic!("it was opened") };
        assert!(error.to_string().contains("expected"), "{error}");
    }
}
