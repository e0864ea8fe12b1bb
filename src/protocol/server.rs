//! server
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::Api;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ServerError(pub String);

/// Whether requests must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Always.
    SigV4,
    /// Loopback only.
    Off,
}

/// What the server needs to know.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Port 0 picks a free one.
    pub listen: SocketAddr,
    /// Signatures.
    pub auth: Auth,
    /// Certificate chain and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Operations running at once.
    pub running_max: usize,
    /// Operations that may wait for their turn.
    pub queue_max: usize,
}

/// A bound server.
pub struct Server {}

impl Server {
    /// Binds the address and reads the certificate.
    ///
    /// # Errors
    /// The address is taken, or `Auth::Off` off the loopback, or a bad certificate.
    pub async fn bind(_options: &ServerOptions) -> Result<Self, ServerError> {
        unimplemented!()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        unimplemented!()
    }

    /// Answers until `stop` is ready and answers in flight have finished.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(self, _api: Arc<dyn Api>, _stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        unimplemented!()
    }
}
