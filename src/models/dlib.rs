//! dlib's own files: read strictly, and its two networks turned into ONNX.
//!
//! dlib writes its objects as a stream without names or lengths of parts: what comes next is known only to who knows
//! the type. So each of the three files is read against the one architecture that it holds, as dlib's public sources
//! lay it out, and anything else is refused. Nothing is allocated before the bytes for it are known to be there.

mod convert;
mod dat;
mod layers;
mod shape;

pub use convert::{detector_onnx, embedder_onnx};
pub use dat::DatError;
pub use shape::shape_predictor;
