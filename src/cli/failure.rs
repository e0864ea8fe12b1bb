//! How a command ends, and its exit code.

use std::io;
use std::process::ExitCode;

use crate::ledger::LedgerError;
use crate::models::SetupError;
use crate::operations::OperationError;
use crate::protocol::server::ServerError;
use crate::store::StoreError;
use crate::vision::VisionError;

/// What a command's `run` returns.
pub(super) type Outcome = Result<Ending, Failure>;

/// A command that did its work, and what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Exit code 0.
    Done,
    /// No face, or nobody matches: exit code 3.
    NothingFound,
    /// Some pictures were refused: exit code 4.
    SomeRefused,
    /// Stopped by the user before the end: exit code 130, as shells report an interrupt.
    Interrupted,
}

impl Ending {
    pub(super) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::NothingFound => 3,
            Self::SomeRefused => 4,
            Self::Interrupted => 130,
        })
    }
}

/// A command that could not do its work; the text is one line for a person.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The command line cannot be meant so: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The picture has no usable face: exit code 3.
    #[error("{0}")]
    NoFace(String),
    /// Another process has the data directory: exit code 5.
    #[error(
        "data directory `{0}` is in use by another trombi process; stop that one, use its API instead, or name another directory with --data"
    )]
    Locked(String),
    /// Writing to stdout failed.
    #[error("cannot write to stdout: {0}")]
    Stdout(#[source] io::Error),
    /// Everything else: exit code 1.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    pub(super) fn other(text: impl Into<String>) -> Self {
        Self::Other(text.into())
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Stdout(_) | Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::NoFace(_) => 3,
            Self::Locked(_) => 5,
        })
    }

    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::other(error.to_string())
    }
}

impl From<VisionError> for Failure {
    fn from(error: VisionError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Locked(directory) => Self::Locked(directory),
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Locked(directory) => Self::Locked(directory),
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::NoFace => Self::NoFace(error.to_string()),
            OperationError::CollectionNotFound(ref id) => {
                Self::Other(format!("{error}; make it with `trombi collections create {id}`"))
            }
            other => Self::Other(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_broken_pipe_is_quiet() {
        let of = |kind: io::ErrorKind| Failure::Stdout(kind.into()).is_broken_pipe();
        assert!(of(io::ErrorKind::BrokenPipe));
        assert!(!of(io::ErrorKind::StorageFull));
    }

    #[test]
    fn an_unknown_collection_says_how_to_make_it() {
        let failure = Failure::from(OperationError::CollectionNotFound("staff".into()));
        assert_eq!(
            failure.to_string(),
            "collection `staff` does not exist; make it with `trombi collections create staff`"
        );
    }
}
