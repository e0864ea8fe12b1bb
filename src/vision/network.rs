//! The inference runtime behind one door: nothing else names OpenVINO.

/// The runtime refused something.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NetworkError(pub String);
