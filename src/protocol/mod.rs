//! HTTP, SigV4 and AWS JSON 1.1: the only room that knows them.
//!
//! A request goes `server` (connection, limits) -> `sigv4` (who) -> `json` (what) -> [`Api`] -> `json` -> bytes;
//! `errors` is the one table of AWS codes.

pub mod errors;
pub mod json;
pub mod server;
pub mod sigv4;
pub mod sts;
pub mod witness;

use crate::operations::{Answered, Caller, OperationError, Request, Response, Service, Signer};
use crate::policy::Meter;

/// What the server asks of the program. Calls may block; the server makes them from threads that may.
pub trait Api: Send + Sync + 'static {
    /// Decides, does, records.
    fn answer(&self, caller: &Caller, request: Request) -> Answered<Response>;

    /// What signs for an access key that is known and not revoked, or for a session that one opened.
    ///
    /// # Errors
    /// `Internal`.
    fn signer_of(&self, access_key_id: &str, session_token: Option<&str>) -> Result<Signer, OperationError>;

    /// A file of the ledger that is everybody's.
    fn ledger_file(&self, path: &str) -> Option<Vec<u8>>;

    /// Counts by operation and outcome.
    fn meter(&self) -> &Meter;

    /// Enrolled faces over all collections.
    fn face_count(&self) -> u64;
}

impl Api for Service {
    fn answer(&self, caller: &Caller, request: Request) -> Answered<Response> {
        Self::answer(self, caller, request)
    }

    fn signer_of(&self, access_key_id: &str, session_token: Option<&str>) -> Result<Signer, OperationError> {
        Self::signer_of(self, access_key_id, session_token)
    }

    fn ledger_file(&self, path: &str) -> Option<Vec<u8>> {
        self.public_ledger_file(path)
    }

    fn meter(&self) -> &Meter {
        Self::meter(self)
    }

    fn face_count(&self) -> u64 {
        Self::face_count(self)
    }
}
