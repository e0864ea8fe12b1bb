//! The inference runtime behind one door: nothing else names OpenVINO.
//!
//! Useful for: loading a network file, fixing its input shape, running it from many threads.
//! Not useful for: anything that knows what the numbers mean (`detect` and `embed` do).

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openvino::{CompiledModel, Core, DeviceType, ElementType, InferRequest, Model, PartialShape, RwPropertyKey};

use super::{NetworkFile, Precision};

/// The runtime refused something.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NetworkError(pub String);

fn failed(what: impl Display) -> NetworkError {
    NetworkError(what.to_string())
}

/// Runs `work`, turning a panic of the bindings (a symbol the library lacks, say) into an error.
fn guarded<T>(what: &str, work: impl FnOnce() -> Result<T, NetworkError>) -> Result<T, NetworkError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(NetworkError(format!("{what} stopped in the runtime's bindings: {text}")))
    })
}

/// A poisoned lock only means that some other caller panicked; what we keep behind locks stays whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The loaded runtime. Clones share it.
#[derive(Clone)]
pub struct Runtime {
    core: Arc<Mutex<Core>>,
}

impl Runtime {
    /// Opens the C library at `library` and sets how every network is to be computed.
    ///
    /// One library serves a whole process: the first path wins, later ones are not opened.
    /// Each request computes on its caller's thread alone, so callers decide how many cores are busy.
    ///
    /// # Errors
    /// The library cannot be opened, lacks a function, or has no CPU device.
    pub fn load(library: &Path, precision: Precision) -> Result<Self, NetworkError> {
        guarded("loading", || {
            openvino_sys::library::load_from(library.to_path_buf())
                .map_err(|e| failed(format!("runtime library `{}`: {e}", library.display())))?;
            let mut core = Core::new().map_err(failed)?;
            for (key, value) in settings(precision) {
                core.set_property(&DeviceType::CPU, &key, value)
                    .map_err(|e| failed(format!("runtime setting `{}`: {e}", key.as_ref())))?;
            }
            Ok(Self { core: Arc::new(Mutex::new(core)) })
        })
    }

    /// Reads a network file; nothing is compiled yet.
    ///
    /// # Errors
    /// The file is missing, not readable, or has not exactly one input.
    pub fn read(&self, file: &NetworkFile) -> Result<NetworkSource, NetworkError> {
        let name = file.file.display().to_string();
        guarded("reading a network", || {
            let graph = text(&file.file)?;
            let weights = file.weights.as_deref().map_or(Ok(""), text)?;
            let model = lock(&self.core)
                .read_model_from_file(graph, weights)
                .map_err(|e| failed(format!("network `{name}`: {e}")))?;
            let inputs = model.get_inputs_len().map_err(failed)?;
            if inputs != 1 {
                return Err(failed(format!("network `{name}` has {inputs} inputs, expected 1")));
            }
            Ok(NetworkSource { runtime: self.clone(), name: name.clone(), model: Mutex::new(model) })
        })
    }
}

/// One stream of one thread: a request runs on its caller's thread and nowhere else. Pinning is off because
/// several compiled networks would otherwise be pinned to the same first core.
fn settings(precision: Precision) -> [(RwPropertyKey, &'static str); 5] {
    [
        (RwPropertyKey::HintPerformanceMode, "LATENCY"),
        (RwPropertyKey::NumStreams, "1"),
        (RwPropertyKey::InferenceNumThreads, "1"),
        (RwPropertyKey::HintEnableCpuPinning, "NO"),
        (
            RwPropertyKey::HintInferencePrecision,
            match precision {
                Precision::F32 => "f32",
                Precision::Bf16 => "bf16",
            },
        ),
    ]
}

fn text(path: &Path) -> Result<&str, NetworkError> {
    // The bindings pass C strings on; an inner NUL would make them panic.
    path.to_str()
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| failed(format!("path `{}` is not UTF-8 text", path.display())))
}

/// A network as read from its file, before its input shape is fixed.
pub struct NetworkSource {
    runtime: Runtime,
    name: String,
    model: Mutex<Model>,
}

impl NetworkSource {
    /// Fixes the input to `shape` (N, C, H, W) and compiles one instance.
    ///
    /// `idle_max` bounds how many instances are kept for later callers.
    ///
    /// # Errors
    /// The network does not take that shape, or its input or outputs are not 32-bit floats.
    pub fn compile(self: &Arc<Self>, shape: [usize; 4], idle_max: usize) -> Result<Network, NetworkError> {
        let first = self.instance(shape)?;
        let outputs = guarded("inspecting a network", || outputs(&first.compiled))?;
        let idle = Mutex::new(vec![first]);
        Ok(Network { source: Arc::clone(self), shape, outputs, idle, idle_max: idle_max.max(1) })
    }

    /// The file, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn instance(&self, shape: [usize; 4]) -> Result<Instance, NetworkError> {
        guarded("compiling a network", || {
            let mut model = lock(&self.model);
            self.reshape(&mut model, shape)?;
            let mut core = lock(&self.runtime.core);
            let mut compiled = core
                .compile_model(&model, DeviceType::CPU)
                .map_err(|e| failed(format!("network `{}`: {e}", self.name)))?;
            self.check_input(&compiled, shape)?;
            let request = compiled.create_infer_request().map_err(failed)?;
            Ok(Instance { request, compiled })
        })
    }

    fn reshape(&self, model: &mut Model, shape: [usize; 4]) -> Result<(), NetworkError> {
        let dims = dims(shape)?;
        let wanted = PartialShape::new_static(4, &dims).map_err(failed)?;
        model
            .reshape_single_input(&wanted)
            .map_err(|e| failed(format!("network `{}` does not take an input of {shape:?}: {e}", self.name)))
    }

    fn check_input(&self, compiled: &CompiledModel, shape: [usize; 4]) -> Result<(), NetworkError> {
        let input = compiled.get_input().map_err(failed)?;
        let found = input.get_shape().map_err(failed)?;
        let element = input.get_element_type().map_err(failed)?;
        if found.get_dimensions() != dims(shape)? || element != ElementType::F32 {
            let found = found.get_dimensions();
            return Err(failed(format!("network `{}` takes {element:?} {found:?}, expected F32 {shape:?}", self.name)));
        }
        Ok(())
    }
}

fn dims(shape: [usize; 4]) -> Result<[i64; 4], NetworkError> {
    let mut dims = [0_i64; 4];
    for (dim, &side) in dims.iter_mut().zip(&shape) {
        *dim = i64::try_from(side).map_err(failed)?;
    }
    Ok(dims)
}

/// Name and shape of one output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// One of its names in the file.
    pub name: String,
    /// Its dimensions, outermost first.
    pub shape: Vec<usize>,
}

fn outputs(compiled: &CompiledModel) -> Result<Vec<Output>, NetworkError> {
    (0..compiled.get_output_size().map_err(failed)?)
        .map(|index| {
            let port = compiled.get_output_by_index(index).map_err(failed)?;
            let name = port.get_name().map_err(failed)?;
            let element = port.get_element_type().map_err(failed)?;
            if element != ElementType::F32 {
                return Err(failed(format!("output `{name}` is {element:?}, expected F32")));
            }
            let shape = port.get_shape().map_err(failed)?;
            let shape = shape.get_dimensions().iter().map(|&side| usize::try_from(side).map_err(failed));
            Ok(Output { name, shape: shape.collect::<Result<_, _>>()? })
        })
        .collect()
}

/// A network compiled for one input shape, usable from many threads.
///
/// Instances are made as callers need them: a compiled network of one stream runs one request at a time,
/// and most installations never use all seats at once for every shape. One compiled network of several streams would
/// be smaller where all seats are in use (two of face-reidentification-retail-0095: 68 instead of 74 MiB and 190
/// instead of 280 ms to compile, with equal time a face), but it builds the graphs of all its streams at once, for
/// every canvas of the detector too, and ties each caller's thread to one stream, which callers may then share.
pub struct Network {
    source: Arc<NetworkSource>,
    shape: [usize; 4],
    outputs: Vec<Output>,
    idle: Mutex<Vec<Instance>>,
    idle_max: usize,
}

/// Dropped in this order: a request must go before the network it belongs to.
struct Instance {
    request: InferRequest,
    compiled: CompiledModel,
}

impl Network {
    /// N, C, H, W of the input.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// The outputs, in the order in which `read` of [`Network::infer`] gets them.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Makes instances until as many are idle as are ever kept, so that no caller has to wait for one.
    ///
    /// # Errors
    /// The runtime failed.
    pub fn fill_idle(&self) -> Result<(), NetworkError> {
        while lock(&self.idle).len() < self.idle_max {
            let instance = self.source.instance(self.shape)?;
            lock(&self.idle).push(instance);
        }
        Ok(())
    }

    /// Lets `fill` write the whole input (it holds an earlier request's values), computes, and gives the
    /// outputs to `read`.
    ///
    /// # Errors
    /// The runtime failed; the instance is then given up.
    pub fn infer<R>(
        &self,
        fill: impl FnOnce(&mut [f32]),
        read: impl FnOnce(&[&[f32]]) -> R,
    ) -> Result<R, NetworkError> {
        let idle = lock(&self.idle).pop();
        let mut instance = idle.map_or_else(|| self.source.instance(self.shape), Ok)?;
        let answer = guarded("inference", || instance.run(fill, read))?;
        let mut idle = lock(&self.idle);
        if idle.len() < self.idle_max {
            idle.push(instance);
        }
        Ok(answer)
    }
}

impl Instance {
    fn run<R>(&mut self, fill: impl FnOnce(&mut [f32]), read: impl FnOnce(&[&[f32]]) -> R) -> Result<R, NetworkError> {
        let mut input = self.request.get_input_tensor().map_err(failed)?;
        fill(input.get_data_mut::<f32>().map_err(failed)?);
        self.request.infer().map_err(failed)?;
        let tensors = (0..self.compiled.get_output_size().map_err(failed)?)
            .map(|index| self.request.get_output_tensor_by_index(index).map_err(failed))
            .collect::<Result<Vec<_>, _>>()?;
        let values =
            tensors.iter().map(|tensor| tensor.get_data::<f32>().map_err(failed)).collect::<Result<Vec<_>, _>>()?;
        Ok(read(&values))
    }
}
