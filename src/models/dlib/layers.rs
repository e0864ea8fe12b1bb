//! The two networks as lists of layers, read against their architectures.
//!
//! A network is written from its output inwards: first only a version for each layer, then the input layer, then,
//! on the way back from the input to the output, what each layer holds.

use super::dat::{DatError, Reader, Tensor};

/// One layer, nearest to the input first.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Layer {
    Convolution(Convolution),
    /// One factor and one addend for each channel.
    Affine {
        gamma: Vec<f32>,
        beta: Vec<f32>,
    },
    Relu,
    MaxPool {
        side: usize,
        stride: usize,
    },
    /// The mean over the whole map.
    AverageAll,
    /// Remembers what comes here: the beginning of a block.
    Mark,
    /// Adds what was marked, shrunk by 2 when the block has shrunk too; the smaller map is filled up with zeros.
    AddMarked {
        shrunk: bool,
    },
    /// `inputs x outputs`, without bias.
    Dense {
        inputs: usize,
        outputs: usize,
        weights: Vec<f32>,
    },
}

/// A convolution with bias.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Convolution {
    /// Outputs x inputs x rows x columns.
    pub(super) shape: [usize; 4],
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

/// Means to subtract, red, green and blue.
pub(super) type Means = [f32; 3];

/// What a place in the file should hold; the plan of an architecture, nearest to the input first.
#[derive(Debug, Clone, Copy)]
enum Part {
    Convolution {
        inputs: usize,
        outputs: usize,
        side: usize,
        stride: usize,
    },
    /// An affine layer, or the batch normalisation that it was made from.
    Scale {
        channels: usize,
        normalised: bool,
    },
    Relu,
    MaxPool {
        side: usize,
        stride: usize,
    },
    AveragePool {
        side: usize,
        stride: usize,
    },
    AverageAll,
    /// dlib's tag of a block's input.
    Tag,
    /// dlib's tag of a block's output, and the step back to its input.
    TagAndSkip,
    AddPrevious {
        shrunk: bool,
    },
    Dense {
        inputs: usize,
        outputs: usize,
    },
}

impl Part {
    /// Versions that are written for it on the way in, outermost first.
    fn versions(self) -> &'static [i64] {
        match self {
            Self::Tag => &[1],
            Self::TagAndSkip => &[1, 1],
            _ => &[2],
        }
    }
}

/// The embedder: dlib's residual network of 29 layers, 150 x 150 to 128 numbers.
pub(super) fn embedder(bytes: &[u8]) -> Result<(Means, Vec<Layer>), DatError> {
    let mut reader = Reader::new(bytes);
    reader.expect_int("the version of the loss", 1)?;
    reader.expect_string("loss_metric_2")?;
    let (_margin, _distance) = (reader.float()?, reader.float()?);
    let plan = embedder_plan();
    versions(&mut reader, &plan)?;
    reader.expect_string("input_rgb_image_sized")?;
    let means = means(&mut reader)?;
    reader.expect_int("the height of the input", 150)?;
    reader.expect_int("the width of the input", 150)?;
    Ok((means, details(&mut reader, &plan)?))
}

/// The face detector of max-margin object detection: seven convolutions, one score every eight pixels.
pub(super) fn detector(bytes: &[u8]) -> Result<(Means, Vec<Layer>, Suppression), DatError> {
    let mut reader = Reader::new(bytes);
    reader.expect_int("the version of the loss", 1)?;
    reader.expect_string("loss_mmod_")?;
    let suppression = suppression(&mut reader)?;
    let plan = detector_plan();
    versions(&mut reader, &plan)?;
    reader.expect_string("input_rgb_image_pyramid")?;
    let means = means(&mut reader)?;
    let layers = details(&mut reader, &plan)?;
    Ok((means, layers, suppression))
}

/// The detector's window and when two of its boxes are one face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Suppression {
    pub(super) window_px: [usize; 2],
    pub(super) iou: f32,
    pub(super) covered: f32,
}

fn suppression(reader: &mut Reader<'_>) -> Result<Suppression, DatError> {
    reader.expect_int("the version of the detector's options", 1)?;
    let window_px = [reader.count(1024)?, reader.count(1024)?];
    // Losses of a false alarm and of a miss, and the overlap that made a match in training.
    let _training = [reader.float()?, reader.float()?, reader.float()?];
    let (iou, covered) = (reader.float()?, reader.float()?);
    // The same for regions that training ignored.
    let _ignored = [reader.float()?, reader.float()?];
    Ok(Suppression { window_px, iou, covered })
}

fn embedder_plan() -> Vec<Part> {
    let mut plan = Vec::new();
    let unit = |plan: &mut Vec<Part>, inputs, outputs, side, stride| {
        plan.push(Part::Convolution { inputs, outputs, side, stride });
        plan.push(Part::Scale { channels: outputs, normalised: false });
    };
    unit(&mut plan, 3, 32, 7, 2);
    plan.extend([Part::Relu, Part::MaxPool { side: 3, stride: 2 }]);
    let mut channels = 32;
    // Channels of each block, and whether it halves the map.
    let blocks = [32, 32, 32, 64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256];
    let halving = [3, 7, 10, 13];
    for (index, outputs) in blocks.into_iter().enumerate() {
        let halves = halving.contains(&index);
        plan.push(Part::Tag);
        unit(&mut plan, channels, outputs, 3, if halves { 2 } else { 1 });
        plan.push(Part::Relu);
        unit(&mut plan, outputs, outputs, 3, 1);
        if halves {
            plan.extend([Part::TagAndSkip, Part::AveragePool { side: 2, stride: 2 }]);
        }
        plan.extend([Part::AddPrevious { shrunk: halves }, Part::Relu]);
        channels = outputs;
    }
    plan.extend([Part::AverageAll, Part::Dense { inputs: 256, outputs: 128 }]);
    plan
}

fn detector_plan() -> Vec<Part> {
    let mut plan = Vec::new();
    for (inputs, outputs, stride) in [(3, 16, 2), (16, 32, 2), (32, 32, 2), (32, 45, 1), (45, 45, 1), (45, 45, 1)] {
        plan.push(Part::Convolution { inputs, outputs, side: 5, stride });
        plan.push(Part::Scale { channels: outputs, normalised: true });
        plan.push(Part::Relu);
    }
    plan.push(Part::Convolution { inputs: 45, outputs: 1, side: 9, stride: 1 });
    plan
}

/// The versions of all layers, output first; the innermost one sits on the input and has a version of its own.
fn versions(reader: &mut Reader<'_>, plan: &[Part]) -> Result<(), DatError> {
    for part in plan[1..].iter().rev() {
        for &version in part.versions() {
            reader.expect_int("the version of a layer", version)?;
        }
    }
    let innermost = reader.int()?;
    reader.ensure(matches!(innermost, 2 | 3), || format!("the version of the first layer is {innermost}"))
}

fn means(reader: &mut Reader<'_>) -> Result<Means, DatError> {
    Ok([reader.float()?, reader.float()?, reader.float()?])
}

fn details(reader: &mut Reader<'_>, plan: &[Part]) -> Result<Vec<Layer>, DatError> {
    let mut layers = Vec::with_capacity(plan.len());
    for (index, part) in plan.iter().enumerate() {
        if let Some(layer) = layer(reader, *part)? {
            layers.push(layer);
        }
        if !matches!(part, Part::Tag | Part::TagAndSkip) {
            state(reader)?;
        }
        if index == 0 {
            skip_rest_of_first(reader)?;
        }
    }
    reader.end()?;
    Ok(layers)
}

/// What training leaves behind in every layer: three flags and three tensors, of no use to us.
fn state(reader: &mut Reader<'_>) -> Result<(), DatError> {
    for _ in 0..3 {
        reader.flag()?;
    }
    for _ in 0..3 {
        reader.tensor()?;
    }
    Ok(())
}

/// The layer on the input may hold the number of samples that an input makes, which is one.
fn skip_rest_of_first(reader: &mut Reader<'_>) -> Result<(), DatError> {
    // Older files (version 2) go on with the next layer's name; its length is no 1.
    if reader.peek(&[1, 1]) {
        reader.expect_int("the number of samples of an input", 1)?;
    }
    Ok(())
}

fn layer(reader: &mut Reader<'_>, part: Part) -> Result<Option<Layer>, DatError> {
    Ok(Some(match part {
        Part::Convolution { inputs, outputs, side, stride } => {
            convolution(reader, [outputs, inputs, side, side], stride)?
        }
        Part::Scale { channels, normalised: false } => affine(reader, channels)?,
        Part::Scale { channels, normalised: true } => normalisation(reader, channels)?,
        Part::Relu => {
            reader.expect_string("relu_")?;
            Layer::Relu
        }
        Part::MaxPool { side, stride } => {
            pool(reader, "max_pool_2", side, stride)?;
            Layer::MaxPool { side, stride }
        }
        Part::AveragePool { side, stride } => {
            // Part of `AddMarked`.
            pool(reader, "avg_pool_2", side, stride)?;
            return Ok(None);
        }
        Part::AverageAll => {
            pool(reader, "avg_pool_2", 0, 1)?;
            Layer::AverageAll
        }
        Part::Tag => Layer::Mark,
        Part::TagAndSkip => return Ok(None),
        Part::AddPrevious { shrunk } => {
            reader.expect_string("add_prev_")?;
            Layer::AddMarked { shrunk }
        }
        Part::Dense { inputs, outputs } => dense(reader, inputs, outputs)?,
    }))
}

fn convolution(reader: &mut Reader<'_>, shape: [usize; 4], stride: usize) -> Result<Layer, DatError> {
    reader.expect_string("con_4")?;
    let parameters = reader.tensor()?;
    let [outputs, _, side, _] = shape;
    // dlib pads only where the stride is one.
    let padding = if stride == 1 { side / 2 } else { 0 };
    for (what, wanted) in [
        ("filters", outputs),
        ("rows of a filter", side),
        ("columns of a filter", side),
        ("stride", stride),
        ("stride", stride),
        ("padding", padding),
        ("padding", padding),
    ] {
        let found = reader.count(4096)?;
        reader.ensure(found == wanted, || format!("{what}: {found}, expected {wanted}"))?;
    }
    let (filters, biases) = (reader.alias()?, reader.alias()?);
    reader.ensure(filters == shape && biases == [1, outputs, 1, 1], || {
        format!("filters {filters:?} and biases {biases:?}, expected {shape:?} and {outputs}")
    })?;
    numbers(reader, 4)?;
    let count = shape.iter().product::<usize>();
    let (weights, bias) = halves(reader, &parameters, count, outputs)?;
    Ok(Layer::Convolution(Convolution { shape, weights, bias, stride, padding }))
}

fn affine(reader: &mut Reader<'_>, channels: usize) -> Result<Layer, DatError> {
    reader.expect_string("affine_")?;
    let parameters = reader.tensor()?;
    channel_views(reader, channels)?;
    reader.expect_int("the mode of an affine layer", 0)?;
    let (gamma, beta) = halves(reader, &parameters, channels, channels)?;
    Ok(Layer::Affine { gamma, beta })
}

/// Batch normalisation as it is after training: (x - mean) / sqrt(variance + eps) * gamma + beta.
fn normalisation(reader: &mut Reader<'_>, channels: usize) -> Result<Layer, DatError> {
    reader.expect_string("bn_con2")?;
    let parameters = reader.tensor()?;
    channel_views(reader, channels)?;
    // Those of the last batch.
    let (_means, _inverse_deviations) = (reader.tensor()?, reader.tensor()?);
    let (means, variances) = (reader.tensor()?, reader.tensor()?);
    let (_updates, _window) = (reader.int()?, reader.int()?);
    numbers(reader, 4)?;
    let eps = f64::from(reader.float()?);
    let (gamma, beta) = halves(reader, &parameters, channels, channels)?;
    let fits = means.values.len() == channels && variances.values.len() == channels && eps > 0.0;
    reader
        .ensure(fits && variances.values.iter().all(|&v| v >= 0.0), || "statistics that fit no channels".to_owned())?;
    let scale = |channel: usize| f64::from(gamma[channel]) / (f64::from(variances.values[channel]) + eps).sqrt();
    let shift = |channel: usize| f64::from(beta[channel]) - scale(channel) * f64::from(means.values[channel]);
    #[expect(clippy::cast_possible_truncation, reason = "dlib keeps them as 32-bit floats too")]
    let collect = |value: &dyn Fn(usize) -> f64| (0..channels).map(|channel| value(channel) as f32).collect();
    Ok(Layer::Affine { gamma: collect(&scale), beta: collect(&shift) })
}

fn channel_views(reader: &mut Reader<'_>, channels: usize) -> Result<(), DatError> {
    let (gamma, beta) = (reader.alias()?, reader.alias()?);
    let wanted = [1, channels, 1, 1];
    reader.ensure(gamma == wanted && beta == wanted, || format!("views {gamma:?} and {beta:?}, expected {wanted:?}"))
}

fn pool(reader: &mut Reader<'_>, name: &str, side: usize, stride: usize) -> Result<(), DatError> {
    reader.expect_string(name)?;
    for wanted in [side, side, stride, stride, 0, 0] {
        let found = reader.count(4096)?;
        reader.ensure(found == wanted, || format!("pooling with {found}, expected {wanted}"))?;
    }
    Ok(())
}

fn dense(reader: &mut Reader<'_>, inputs: usize, outputs: usize) -> Result<Layer, DatError> {
    reader.expect_string("fc_2")?;
    let found = [reader.count(65_536)?, reader.count(65_536)?];
    reader
        .ensure(found == [outputs, inputs], || format!("{found:?} outputs and inputs, expected {outputs}, {inputs}"))?;
    let parameters = reader.tensor()?;
    let (_weights, _biases) = (reader.alias()?, reader.alias()?);
    reader.expect_int("the mode of the bias", 1)?;
    numbers(reader, 4)?;
    let (weights, _) = halves(reader, &parameters, inputs * outputs, 0)?;
    Ok(Layer::Dense { inputs, outputs, weights })
}

/// Learning rates and decays: of training only.
fn numbers(reader: &mut Reader<'_>, count: usize) -> Result<(), DatError> {
    (0..count).try_for_each(|_| reader.float().map(drop))
}

/// The two parts that a layer's parameters are made of.
fn halves(
    reader: &Reader<'_>,
    parameters: &Tensor,
    first: usize,
    second: usize,
) -> Result<(Vec<f32>, Vec<f32>), DatError> {
    reader.ensure(parameters.values.len() == first + second, || {
        format!("{:?} parameters, expected {first} + {second}", parameters.shape)
    })?;
    let (a, b) = parameters.values.split_at(first);
    Ok((a.to_vec(), b.to_vec()))
}
