//! `DetectFaces`: the faces of a picture.

use super::picture::detail;
use super::types::{FaceDetail, ImageSource};
use super::{OperationError, Service};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub image: ImageSource,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub faces: Vec<FaceDetail>,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let scene = service.look(input.image)?;
    Ok(Output { faces: scene.faces.iter().map(|face| detail(&scene, face)).collect() })
}
