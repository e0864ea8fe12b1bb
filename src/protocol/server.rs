//! HTTP/1.1 with or without TLS: connections, their limits, and a stop that lets answers finish.
//!
//! Every client is taken for hostile until its signature is checked: connections, heads, bodies, operations and
//! answers are each bounded in number, bytes and time ([`Limits`]).

mod body;
mod declared;
mod exchange;
mod loopback;
mod metrics;
mod tls;
mod write_deadline;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::Api;
use exchange::Desk;
use write_deadline::WriteDeadline;

/// Bytes of a request's head, and of a body that is read ahead.
const READ_BUFFER_BYTES_MAX: usize = 128 * 1024;
/// Rest after an accept that failed for want of files or memory.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Why the server could not start or go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ServerError(pub String);

/// Whether requests must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Always, with Signature Version 4.
    SigV4,
    /// Never; on loopback addresses only, and only for requests whose `Host` is a loopback name.
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
    /// Operations that may wait for their turn; those beyond are told to come back.
    pub queue_max: usize,
}

/// Bounds on what clients may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once; those beyond are closed.
    pub connections_max: usize,
    /// Bytes of one body: two pictures of 5 MiB in base64 fit.
    pub body_bytes_max: usize,
    /// Bytes of all bodies in memory.
    pub bodies_bytes_max: usize,
    /// From an open connection, or from the last answer, to a whole head.
    pub header_timeout: Duration,
    /// Silence within a body, and what its first byte may take.
    pub body_timeout: Duration,
    /// Bytes per second that a body must reach over its whole time, `body_timeout` aside.
    pub body_rate_min: u32,
    /// From the first write that the client's window stops to the whole answer.
    pub write_timeout: Duration,
    /// A TLS handshake.
    pub handshake_timeout: Duration,
    /// Bytes of a refused request's body that are read and thrown away.
    pub drain_bytes_max: usize,
    /// Time for that.
    pub drain_timeout: Duration,
    /// Answers in flight when the server is told to stop.
    pub stop_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            body_bytes_max: 16 * 1024 * 1024,
            bodies_bytes_max: 256 * 1024 * 1024,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_rate_min: 32 * 1024,
            write_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            drain_bytes_max: 64 * 1024 * 1024,
            drain_timeout: Duration::from_secs(10),
            stop_timeout: Duration::from_secs(30),
        }
    }
}

/// A bound server.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    options: ServerOptions,
    limits: Limits,
}

impl Server {
    /// Binds the address and reads the certificate, with the default [`Limits`].
    ///
    /// # Errors
    /// The address is taken, or `Auth::Off` off the loopback, or a bad certificate.
    pub async fn bind(options: &ServerOptions) -> Result<Self, ServerError> {
        Self::bind_with_limits(options, Limits::default()).await
    }

    /// As [`Server::bind`], with limits of the caller's.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub async fn bind_with_limits(options: &ServerOptions, limits: Limits) -> Result<Self, ServerError> {
        let listen = options.listen;
        if options.auth == Auth::Off && !listen.ip().is_loopback() {
            let text = format!("`{listen}` is no loopback address, and without signatures only loopback is served");
            return Err(ServerError(text));
        }
        let tls = options.tls.as_ref().map(|(chain, key)| tls::acceptor(chain, key)).transpose()?;
        let failed = |error: std::io::Error| ServerError(format!("cannot listen on `{listen}`: {error}"));
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, tls, options: options.clone(), limits })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is ready and answers in flight have finished or run out of time. A failed accept, as
    /// when there are no more file handles, is tried again.
    ///
    /// # Errors
    /// None at present.
    pub async fn serve(self, api: Arc<dyn Api>, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        let Self { listener, tls, options, limits, .. } = self;
        let (stop_timeout, places) = (limits.stop_timeout, Arc::new(Semaphore::new(limits.connections_max)));
        let desk = Arc::new(Desk::new(api, options.auth, limits, options.running_max, options.queue_max));
        let (graceful, mut connections, mut stop) = (GracefulShutdown::new(), JoinSet::new(), pin!(stop));
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_REST).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                desk.metrics.connection_refused();
                continue;
            };
            let connection = connection(stream, tls.clone(), Arc::clone(&desk), graceful.watcher());
            connections.spawn(async move {
                let _place = place;
                connection.await;
            });
        }
        drop(listener);
        if timeout(stop_timeout, graceful.shutdown()).await.is_err() {
            tracing::warn!("stopped with requests unanswered");
        }
        Ok(())
    }
}

/// One client from its first byte to its last; errors are its own and end nothing else.
async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, desk: Arc<Desk>, watcher: Watcher) {
    // Answers are written whole: waiting for more would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let Some(tls) = tls else { return http(stream, desk, watcher).await };
    match timeout(desk.limits.handshake_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, desk, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
        Err(_) => tracing::debug!("TLS handshake too slow"),
    }
}

async fn http(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, desk: Arc<Desk>, watcher: Watcher) {
    let stream = TokioIo::new(WriteDeadline::new(stream, desk.limits.write_timeout));
    let header_timeout = desk.limits.header_timeout;
    let service = service_fn(move |request| Arc::clone(&desk).answer(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(READ_BUFFER_BYTES_MAX)
        .serve_connection(stream, service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended");
    }
}
