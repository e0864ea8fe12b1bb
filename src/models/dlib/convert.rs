//! dlib's layers to ONNX. Same input, same bytes: a file that was made from a pinned one has a checksum as well.

use super::dat::DatError;
use super::layers::{self, Convolution, Layer, Means};
use crate::models::onnx::{Attribute, Graph, Side};

/// Pixels of 0..255 are divided by this after the means are subtracted.
const RANGE: f64 = 256.0;

/// Side of the embedder's input, pixels.
const FACE_PX: usize = 150;

/// The embedder (`dlib_face_recognition_resnet_model_v1.dat`) as ONNX: N x 3 x 150 x 150, RGB of 0..255, to N x 128.
///
/// # Errors
/// The bytes are not that network.
pub fn embedder_onnx(dat: &[u8]) -> Result<Vec<u8>, DatError> {
    let (means, layers) = layers::embedder(dat)?;
    let mut graph = Graph::new();
    let samples = Side::Free("n");
    let input = graph.input("face", &[samples, Side::Fixed(3), Side::Fixed(FACE_PX), Side::Fixed(FACE_PX)]);
    let mut map = Map { value: input, channels: 3, side: FACE_PX };
    let mut marked = None;
    for layer in fused(&normalised_first(layers, means)) {
        map = match layer {
            Layer::Mark => {
                marked = Some(map.clone());
                map
            }
            Layer::AddMarked { shrunk } => {
                let beside = marked.take().unwrap_or_else(|| map.clone());
                add(&mut graph, map, beside, shrunk)
            }
            other => follow(&mut graph, map, &other),
        };
    }
    graph.output(&map.value, "embedding", &[samples, Side::Fixed(map.channels)]);
    Ok(graph.into_file("dlib_face_recognition_resnet_model_v1"))
}

/// The detector (`mmod_human_face_detector.dat`) as ONNX: 1 x 4 x H x W to 1 x 1 x h x w, a score for every eighth pixel
/// each way.
///
/// The first three input channels are (R, G, B minus the means) / 256, the fourth is 1 where dlib's canvas has ended and
/// 0 elsewhere: what lies there is zero before every layer that pads, so that a larger canvas gives the same scores.
///
/// # Errors
/// The bytes are not that network, or its window and suppression are not those that [`crate::vision`] decodes by.
pub fn detector_onnx(dat: &[u8]) -> Result<Vec<u8>, DatError> {
    let (means, layers, suppression) = layers::detector(dat)?;
    let known = crate::vision::mmod::CONTRACT;
    let found = (suppression.window_px, suppression.iou, suppression.covered, means);
    if found != (known.window_px, known.iou_max, known.covered_max, known.means) {
        return Err(DatError { offset: 0, why: format!("a detector of {suppression:?} and means {means:?}") });
    }
    let mut graph = Graph::new();
    let (rows, columns) = (Side::Free("h"), Side::Free("w"));
    let input = graph.input("canvas", &[Side::Fixed(1), Side::Fixed(4), rows, columns]);
    let inside = inside(&mut graph, &input);
    let mut map = Map { value: input, channels: 4, side: 0 };
    for layer in fused(&layers) {
        if matches!(&layer, Layer::Convolution(convolution) if convolution.padding > 0) {
            map.value = graph.apply("Mul", &[&map.value, &inside], &[]);
        }
        map = match layer {
            Layer::Convolution(first) if map.channels == 4 => convolve(&mut graph, &map, &with_blind_channel(&first)),
            other => follow(&mut graph, map, &other),
        };
    }
    graph.output(&map.value, "scores", &[Side::Fixed(1), Side::Fixed(1), Side::Free("rows"), Side::Free("columns")]);
    Ok(graph.into_file("mmod_human_face_detector"))
}

/// 1 where a cell of the shrunk map is wholly made of dlib's canvas: the fourth channel through three steps of the
/// same geometry as the three convolutions that shrink.
fn inside(graph: &mut Graph, input: &str) -> String {
    let (from, to, axis) = (graph.ints(&[3]), graph.ints(&[4]), graph.ints(&[1]));
    let mut outside = graph.apply("Slice", &[input, &from, &to, &axis], &[]);
    for _ in 0..3 {
        outside = pool(graph, "MaxPool", &outside, 5, 2);
    }
    let one = graph.floats(&[1], &[1.0]);
    graph.apply("Sub", &[&one, &outside], &[])
}

/// A value of the graph with its shape; `side` is 0 where it is free.
#[derive(Debug, Clone)]
struct Map {
    value: String,
    channels: usize,
    side: usize,
}

fn follow(graph: &mut Graph, map: Map, layer: &Layer) -> Map {
    match layer {
        Layer::Convolution(convolution) => convolve(graph, &map, convolution),
        Layer::Relu => Map { value: graph.apply("Relu", &[&map.value], &[]), ..map },
        Layer::MaxPool { side, stride } => {
            let value = pool(graph, "MaxPool", &map.value, *side, *stride);
            Map { value, side: shrunk(map.side, *side, *stride), ..map }
        }
        Layer::AverageAll => Map { value: graph.apply("GlobalAveragePool", &[&map.value], &[]), side: 1, ..map },
        Layer::Dense { inputs, outputs, weights } => {
            let flat = graph.apply("Flatten", &[&map.value], &[("axis", Attribute::Int(1))]);
            let weights = graph.floats(&[*inputs, *outputs], weights);
            Map { value: graph.apply("MatMul", &[&flat, &weights], &[]), channels: *outputs, side: 1 }
        }
        // Fused away, or handled by the caller.
        Layer::Affine { .. } | Layer::Mark | Layer::AddMarked { .. } => map,
    }
}

fn convolve(graph: &mut Graph, map: &Map, convolution: &Convolution) -> Map {
    let Convolution { shape, weights, bias, stride, padding } = convolution;
    let weights = graph.floats(shape, weights);
    let bias = graph.floats(&[shape[0]], bias);
    let (step, pad, kernel) = (int(*stride), int(*padding), int(shape[2]));
    let attributes = [
        ("kernel_shape", Attribute::Ints(&[kernel, kernel])),
        ("strides", Attribute::Ints(&[step, step])),
        ("pads", Attribute::Ints(&[pad, pad, pad, pad])),
    ];
    let value = graph.apply("Conv", &[&map.value, &weights, &bias], &attributes);
    Map { value, channels: shape[0], side: shrunk(map.side + 2 * padding, shape[2], *stride) }
}

fn pool(graph: &mut Graph, operator: &str, value: &str, side: usize, stride: usize) -> String {
    let (side, stride) = (int(side), int(stride));
    let attributes =
        [("kernel_shape", Attribute::Ints(&[side, side])), ("strides", Attribute::Ints(&[stride, stride]))];
    graph.apply(operator, &[value], &attributes)
}

/// The sum of a block's output and its input, the smaller map (or the one of fewer channels) filled up with zeros at
/// its end, as dlib has it.
fn add(graph: &mut Graph, map: Map, mut beside: Map, shrinks: bool) -> Map {
    if shrinks {
        beside.value = pool(graph, "AveragePool", &beside.value, 2, 2);
        beside.side = shrunk(beside.side, 2, 2);
    }
    let (channels, side) = (map.channels.max(beside.channels), map.side.max(beside.side));
    let (a, b) = (filled(graph, map, channels, side), filled(graph, beside, channels, side));
    Map { value: graph.apply("Add", &[&a, &b], &[]), channels, side }
}

fn filled(graph: &mut Graph, map: Map, channels: usize, side: usize) -> String {
    let (more_channels, more) = (int(channels - map.channels), int(side - map.side));
    if (more_channels, more) == (0, 0) {
        return map.value;
    }
    let pads = graph.ints(&[0, 0, 0, 0, 0, more_channels, more, more]);
    graph.apply("Pad", &[&map.value, &pads], &[])
}

/// Side of a map after a window of `window` went over it in steps of `stride`; 0 stays 0.
fn shrunk(side: usize, window: usize, stride: usize) -> usize {
    if side < window { 0 } else { (side - window) / stride + 1 }
}

fn int(value: usize) -> i64 {
    // Sides and channels of a few thousand at most.
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The first convolution, made to take pixels of 0..255; it must not pad.
#[expect(clippy::cast_possible_truncation, reason = "weights are 32-bit floats")]
fn normalised_first(mut layers: Vec<Layer>, means: Means) -> Vec<Layer> {
    if let Some(Layer::Convolution(first)) = layers.first_mut() {
        let [outputs, inputs, rows, columns] = first.shape;
        for output in 0..outputs {
            let mut shift = 0.0;
            for (input, mean) in (0..inputs).zip(means) {
                let start = (output * inputs + input) * rows * columns;
                for weight in &mut first.weights[start..start + rows * columns] {
                    shift += f64::from(*weight) * f64::from(mean) / RANGE;
                    *weight = (f64::from(*weight) / RANGE) as f32;
                }
            }
            first.bias[output] = (f64::from(first.bias[output]) - shift) as f32;
        }
    }
    layers
}

/// Every affine layer worked into the convolution before it.
#[expect(clippy::cast_possible_truncation, reason = "weights are 32-bit floats")]
fn fused(layers: &[Layer]) -> Vec<Layer> {
    let mut fused: Vec<Layer> = Vec::with_capacity(layers.len());
    for layer in layers {
        match (layer, fused.last_mut()) {
            (Layer::Affine { gamma, beta }, Some(Layer::Convolution(before))) => {
                let each = before.weights.len() / before.shape[0].max(1);
                for (channel, (gamma, beta)) in gamma.iter().zip(beta).enumerate() {
                    let gamma = f64::from(*gamma);
                    let weights = &mut before.weights[channel * each..(channel + 1) * each];
                    weights.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * gamma) as f32);
                    before.bias[channel] = (f64::from(before.bias[channel]) * gamma + f64::from(*beta)) as f32;
                }
            }
            _ => fused.push(layer.clone()),
        }
    }
    fused
}

/// The same convolution with one input channel more, which it does not see.
fn with_blind_channel(convolution: &Convolution) -> Convolution {
    let [outputs, inputs, rows, columns] = convolution.shape;
    let plane = rows * columns;
    let weights = convolution
        .weights
        .chunks_exact(inputs * plane)
        .flat_map(|filter| filter.iter().copied().chain(std::iter::repeat_n(0.0, plane)));
    Convolution {
        shape: [outputs, inputs + 1, rows, columns],
        weights: weights.collect(),
        bias: convolution.bias.clone(),
        ..*convolution
    }
}
