//! HTTP, SigV4 and AWS JSON 1.1: the only room that knows them.
//!
//! A request goes `server` (connection, limits) -> `sigv4` (who) -> `json` (what) -> [`Api`] -> `json` -> bytes;
//! `errors` is the one table of AWS codes.

pub mod errors;
pub mod json;
pub mod server;
pub mod sigv4;
pub mod witness;

use crate::operations::{OperationError, Request, Response, Service};
use crate::policy::{Meter, Principal};

/// What the server asks of the program. Calls may block; the server makes them from threads that may.
pub trait Api: Send + Sync + 'static {
    /// Decides, does, records.
    ///
    /// # Errors
    /// Every [`OperationError`].
    fn execute(&self, principal: &Principal, request: Request) -> Result<Response, OperationError>;

    /// Secret of an access key that is known and not revoked.
    ///
    /// # Errors
    /// `Internal` when the store cannot be read.
    fn secret_of(&self, access_key_id: &str) -> Result<Option<String>, OperationError>;

    /// Counts by operation and outcome.
    fn meter(&self) -> &Meter;

    /// Enrolled faces over all collections.
    fn face_count(&self) -> u64;
}

impl Api for Service {
    fn execute(&self, principal: &Principal, request: Request) -> Result<Response, OperationError> {
        Self::execute(self, principal, request)
    }

    fn secret_of(&self, access_key_id: &str) -> Result<Option<String>, OperationError> {
        Self::secret_of(self, access_key_id)
    }

    fn meter(&self) -> &Meter {
        Self::meter(self)
    }

    fn face_count(&self) -> u64 {
        Self::face_count(self)
    }
}
