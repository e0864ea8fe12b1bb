//! C2SP tlog-witness over HTTP: the server of a witness, and asking one.

use std::convert::Infallible;
use std::future::Future;
use std::io::Read as _;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::server::ServerError;
use crate::ledger::note::NoteError;
use crate::ledger::witness::{AddCheckpoint, KnownWitness, REQUEST_BYTES_MAX, Witness, with_cosignature};
use crate::ledger::{Ledger, LedgerError};

const PATH: &str = "/add-checkpoint";
/// Connections open at once; those beyond are closed.
const CONNECTIONS_MAX: usize = 256;
/// A request's head, and its body.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Rest after an accept that failed for want of files or memory.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// A witness's whole answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest answer that is read, bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// A bound witness.
pub struct WitnessServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl WitnessServer {
    /// Binds the address; port 0 picks a free one.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn bind(listen: SocketAddr) -> Result<Self, ServerError> {
        let failed = |error: std::io::Error| ServerError(format!("cannot listen on `{listen}`: {error}"));
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is ready. A cosignature that was under way is kept, and may not be sent.
    pub async fn serve(self, witness: Arc<Witness>, stop: impl Future<Output = ()>) {
        let (places, mut stop) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), pin!(stop));
        loop {
            let accepted = tokio::select! {
                () = &mut stop => return,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_REST).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let witness = Arc::clone(&witness);
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(Arc::clone(&witness), request));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(READ_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "connection ended");
                }
                drop(place);
            });
        }
    }
}

async fn answer(witness: Arc<Witness>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != PATH {
        return Ok(response(StatusCode::NOT_FOUND, "text/plain", "a witness has only /add-checkpoint\n".to_owned()));
    }
    if request.method() != Method::POST {
        return Ok(response(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "expected POST\n".to_owned()));
    }
    let body = Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect();
    let Ok(Ok(body)) = timeout(READ_TIMEOUT, body).await else {
        return Ok(response(StatusCode::BAD_REQUEST, "text/plain", "the body is too long or too slow\n".to_owned()));
    };
    let body = body.to_bytes();
    // It writes to the disk before it signs.
    let answered = tokio::task::spawn_blocking(move || witness.answer(&body, now_s())).await;
    Ok(match answered {
        Ok(answer) => {
            let (status, content_type, text) = answer.to_http();
            response(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), content_type, text)
        }
        Err(_) => response(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "failed\n".to_owned()),
    })
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Why a witness has not cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// It cannot be reached, or answers too slowly. The log goes on.
    #[error("it cannot be reached: {0}")]
    Away(String),
    /// It answered something that is no cosignature of its key: it is broken, or lies.
    #[error("its answer is not a cosignature: {0}")]
    Lies(NoteError),
    /// It refused.
    #[error("it refused with status {0}: {1}")]
    Refused(u16, String),
    /// The ledger itself could not say or keep it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Shows the ledger's present checkpoint to a witness and keeps its cosignature; the size that it has now cosigned.
/// Blocks, up to twice [`ASK_TIMEOUT`]; call it from a thread of its own.
///
/// # Errors
/// See [`AskError`]. Whatever they are, the log goes on, and the unwitnessed gap grows.
pub fn ask(ledger: &Ledger, witness: &KnownWitness) -> Result<u64, AskError> {
    let mut old = ledger.witnessed_by(&witness.key)?;
    for last_try in [false, true] {
        let request = ledger.witness_request(old)?;
        let (status, body) = post(&witness.url, &request)?;
        match status {
            200 => {
                let cosigned = with_cosignature(&request.checkpoint, &body, &witness.key).map_err(AskError::Lies)?;
                ledger.keep_witnessed(&cosigned, &witness.key)?;
                return Ok(cosigned.checkpoint.size);
            }
            // It tells what it has seen.
            409 if !last_try => match String::from_utf8_lossy(&body).trim().parse() {
                Ok(size) if size != old => old = size,
                _ => return Err(refused(status, &body)),
            },
            _ => return Err(refused(status, &body)),
        }
    }
    Err(AskError::Refused(409, "it tells another size each time".to_owned()))
}

fn refused(status: u16, body: &[u8]) -> AskError {
    let text: String = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(200).collect();
    AskError::Refused(status, text)
}

fn post(url: &str, request: &AddCheckpoint) -> Result<(u16, Vec<u8>), AskError> {
    let away = |error: &dyn std::error::Error| {
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        AskError::Away(cause)
    };
    // The first to come installs it; it is the same for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::blocking::Client::builder()
        .timeout(ASK_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| away(&error))?;
    let response = client.post(format!("{url}{PATH}")).body(request.to_bytes()).send().map_err(|error| away(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    response.take(ANSWER_BYTES_MAX).read_to_end(&mut body).map_err(|error| away(&error))?;
    Ok((status, body))
}
