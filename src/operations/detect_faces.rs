//! `DetectFaces`: the faces of a picture.

use super::OperationError;
use super::Service;
use super::types::{FaceDetail, ImageSource};

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

pub(super) fn run(_service: &Service, _input: Input) -> Result<Output, OperationError> {
    unimplemented!()
}
