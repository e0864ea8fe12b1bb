//! One request to one answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::body::{self, Body, Budget};
use super::metrics::Metrics;
use super::{Auth, Limits, loopback};
use crate::console::{self, Page};
use crate::policy::Principal;
use crate::protocol::Api;
use crate::protocol::errors::Fault;
use crate::protocol::json::{self, Answer, is_served, operation_of_target};
use crate::protocol::sigv4::{Claim, Head, SignatureError, SigningKeys};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const RETRY_AFTER: HeaderName = HeaderName::from_static("x-amz-retry-after");
const TARGET: &str = "x-amz-target";
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPENMETRICS: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN_JSON: HeaderValue = HeaderValue::from_static("application/json");
const BROWSER_HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", console::CONTENT_SECURITY_POLICY),
    ("permissions-policy", "camera=(self), microphone=(), geolocation=(), display-capture=()"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-cache"),
];
/// The operation in counts and logs, where the request names none of ours.
const NO_OPERATION: &str = "unknown";

type Reply = Response<Full<Bytes>>;

/// What all connections share.
pub(super) struct Desk {
    api: Arc<dyn Api>,
    auth: Auth,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
    keys: SigningKeys,
    budget: Budget,
    /// Operations running or waiting.
    places: Arc<Semaphore>,
    /// Operations running.
    seats: Arc<Semaphore>,
}

/// Everything an operation needs away from the connection, and the permits that end with it: a client that hangs
/// up does not make room before its operation has ended.
struct Job {
    id: String,
    operation: &'static str,
    signer: Option<Signer>,
    body: Body,
    _place: OwnedSemaphorePermit,
    _seat: OwnedSemaphorePermit,
}

/// Who is said to have signed, and the secret to check it with.
struct Signer {
    claim: Claim,
    secret: String,
}

impl Desk {
    pub(super) fn new(api: Arc<dyn Api>, auth: Auth, limits: Limits, running_max: usize, queue_max: usize) -> Self {
        let running_max = running_max.clamp(1, Semaphore::MAX_PERMITS / 2);
        let places = running_max + queue_max.min(Semaphore::MAX_PERMITS / 2);
        Self {
            api,
            auth,
            metrics: Metrics::new(),
            keys: SigningKeys::default(),
            budget: Budget::new(limits.bodies_bytes_max),
            places: Arc::new(Semaphore::new(places)),
            seats: Arc::new(Semaphore::new(running_max)),
            limits,
        }
    }

    /// Never fails: every error is an answer.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Infallible> {
        let id = Uuid::new_v4().to_string();
        let (parts, incoming) = request.into_parts();
        if self.auth == Auth::Off && !loopback::is_addressed(&parts) {
            body::drain(incoming, &self.limits);
            let text = "a server without signatures answers to the names localhost, 127.0.0.1 and [::1] only";
            return Ok(refusal(&Fault::framework("AccessDeniedException", text), &id));
        }
        Ok(match (&parts.method, parts.uri.path()) {
            (&Method::POST, _) => self.operate(&parts, incoming, id).await,
            (&Method::GET | &Method::HEAD, "/healthz" | "/readyz") => plain(TEXT, "ok\n".to_owned(), &id),
            (&Method::GET | &Method::HEAD, "/metrics") => plain(OPENMETRICS, self.scrape().await, &id),
            (&Method::GET | &Method::HEAD, path) => {
                body::drain(incoming, &self.limits);
                self.read(path, &parts, &id)
            }
            _ => {
                body::drain(incoming, &self.limits);
                nothing_here(&id)
            }
        })
    }

    /// The console's files. They are the same for everybody, so nobody signs for them.
    fn read(&self, path: &str, parts: &Parts, id: &str) -> Reply {
        if path == console::SERVER {
            let signed = self.auth == Auth::SigV4;
            let text = format!("{{\"SignedRequests\":{signed}}}\n");
            return for_browsers(reply(StatusCode::OK, PLAIN_JSON, text.into_bytes(), id));
        }
        console::page(path).map_or_else(|| nothing_here(id), |page| for_browsers(page_reply(&page, parts, id)))
    }

    async fn scrape(self: &Arc<Self>) -> String {
        let desk = Arc::clone(self);
        spawn_blocking(move || desk.metrics.text(&*desk.api)).await.unwrap_or_default()
    }

    async fn operate(self: Arc<Self>, parts: &Parts, incoming: Incoming, id: String) -> Reply {
        let started = Instant::now();
        let _in_flight = self.metrics.begin();
        let operation = operation_named(parts);
        let outcome = self.outcome(parts, operation, incoming, &id).await;
        let operation = operation.unwrap_or(NO_OPERATION);
        let code = outcome.as_ref().map_or_else(|fault| fault.code, |_| "ok");
        self.metrics.end(operation, code, started.elapsed());
        match outcome {
            Ok(answer) => success(answer, &id),
            Err(fault) => {
                tracing::info!(request.id = id, operation, code, message = fault.message, "request refused");
                refusal(&fault, &id)
            }
        }
    }

    async fn outcome(
        self: &Arc<Self>,
        parts: &Parts,
        operation: Option<&'static str>,
        mut incoming: Incoming,
        id: &str,
    ) -> Result<Answer, Fault> {
        let received = match self.admit(parts, operation).await {
            Ok((operation, signer)) => {
                body::read(&mut incoming, &self.budget, &self.limits).await.map(|body| (operation, signer, body))
            }
            Err(fault) => Err(fault),
        };
        let (operation, signer, body) = match received {
            Ok(received) => received,
            Err(fault) => {
                // A client that asks first whether to send the body learns it from the answer.
                if !parts.headers.contains_key(header::EXPECT) && fault.status != 408 {
                    body::drain(incoming, &self.limits);
                }
                return Err(fault);
            }
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Fault::overloaded())?;
        let seat = Arc::clone(&self.seats).acquire_owned().await.map_err(|_| Fault::overloaded())?;
        let job = Job { id: id.to_owned(), operation, signer, body, _place: place, _seat: seat };
        let desk = Arc::clone(self);
        // A panic has been printed by the panic hook, with its place.
        spawn_blocking(move || desk.perform(job)).await.unwrap_or_else(|_| Err(Fault::internal()))
    }

    /// Judges a request by its head alone, so that a stranger's body takes no memory.
    async fn admit(
        self: &Arc<Self>,
        parts: &Parts,
        operation: Option<&'static str>,
    ) -> Result<(&'static str, Option<Signer>), Fault> {
        let claim = match self.auth {
            Auth::SigV4 => Some(claim(parts)?),
            Auth::Off => None,
        };
        let operation = operation.ok_or_else(|| {
            Fault::unknown_operation("the header X-Amz-Target must name an operation as RekognitionService.OPERATION")
        })?;
        if !is_served(operation) {
            // Never served, so the answer does not depend on the body.
            return Err(json::parse_request(operation, b"").err().unwrap_or_else(Fault::internal));
        }
        Ok((
            operation,
            match claim {
                Some(claim) => Some(self.signer(claim).await?),
                None => None,
            },
        ))
    }

    async fn signer(self: &Arc<Self>, claim: Claim) -> Result<Signer, Fault> {
        let desk = Arc::clone(self);
        let looked_up = spawn_blocking(move || {
            let secret = desk.api.secret_of(claim.access_key_id())?;
            Ok::<_, crate::operations::OperationError>(secret.map(|secret| Signer { claim, secret }))
        });
        let signer = looked_up.await.map_err(|_| Fault::internal())?.map_err(|error| {
            tracing::error!(%error, "access keys cannot be read");
            Fault::from(error)
        })?;
        signer.ok_or_else(|| Fault::from(SignatureError::UnknownKey))
    }

    /// Signature, JSON, operation, JSON: everything that may block or takes the processor.
    fn perform(&self, job: Job) -> Result<Answer, Fault> {
        let Job { id, operation, signer, body, _place, _seat } = job;
        let principal = match signer {
            None => Principal::Local,
            Some(Signer { claim, secret }) => {
                claim.verify(&secret, &body.bytes, &self.keys)?;
                // A body takes its time: the key may have been revoked since its head was read.
                if self.api.secret_of(claim.access_key_id())?.as_deref() != Some(secret.as_str()) {
                    return Err(SignatureError::UnknownKey.into());
                }
                Principal::Key { access_key_id: claim.access_key_id().to_owned() }
            }
        };
        let request = json::parse_request(operation, &body.bytes)?;
        // What is needed of it is decoded; others may have its bytes of the budget.
        drop(body);
        match self.api.execute(&principal, request) {
            Ok(response) => Ok(json::write_response(&response)),
            Err(error) => {
                // The log may say more than the client is told.
                tracing::debug!(request.id = id, operation, %error, "operation refused");
                Err(error.into())
            }
        }
    }
}

fn operation_named(parts: &Parts) -> Option<&'static str> {
    let mut targets = parts.headers.get_all(TARGET).iter();
    let target = targets.next().filter(|_| targets.next().is_none())?;
    operation_of_target(target.to_str().ok()?)
}

fn claim(parts: &Parts) -> Result<Claim, SignatureError> {
    let headers: Vec<(&str, &[u8])> =
        parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let head = Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &headers,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Any region: a client's AWS_REGION chooses among AWS's own endpoints, and there is one endpoint here.
    Claim::read(&head, i64::try_from(now.as_secs()).unwrap_or(i64::MAX), None)
}

fn success(answer: Answer, id: &str) -> Reply {
    let mut reply = reply(StatusCode::OK, JSON, answer.body, id);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            reply.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    reply
}

fn refusal(fault: &Fault, id: &str) -> Reply {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = reply(status, JSON, fault.body(id), id);
    let headers = reply.headers_mut();
    headers.insert(ERROR_TYPE, HeaderValue::from_static(fault.code));
    if let Some(wait_ms) = fault.retry_after_ms {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait_ms));
    }
    if matches!(fault.status, 408 | 413) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

fn nothing_here(id: &str) -> Reply {
    let text = "the API is POST with the header X-Amz-Target; there are also GET /, /healthz, /readyz and /metrics";
    refusal(&Fault { status: 404, ..Fault::unknown_operation(text) }, id)
}

/// A file of the console, or the word that the browser's copy is the current one.
fn page_reply(page: &Page, parts: &Parts, id: &str) -> Reply {
    let known = parts.headers.get_all(header::IF_NONE_MATCH).iter();
    let is_known =
        known.filter_map(|value| value.to_str().ok()).any(|tags| tags.split(',').any(|t| t.trim() == page.etag));
    let mut reply = if is_known {
        reply(StatusCode::NOT_MODIFIED, HeaderValue::from_static(page.content_type), Vec::new(), id)
    } else {
        let mut reply = Response::new(Full::new(Bytes::from_static(page.bytes)));
        reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(page.content_type));
        reply
    };
    if let Ok(etag) = HeaderValue::from_str(page.etag) {
        reply.headers_mut().insert(header::ETAG, etag);
    }
    reply
}

/// What a browser is to hold against a page, and against whatever may get into it. `no-cache` lets it keep a file
/// and ask each time whether that is still the current one, so that the files of two versions never meet.
fn for_browsers(mut reply: Reply) -> Reply {
    for (name, value) in BROWSER_HEADERS {
        reply.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    reply
}

fn plain(kind: HeaderValue, text: String, id: &str) -> Reply {
    reply(StatusCode::OK, kind, text.into_bytes(), id)
}

/// `Content-Length` and `Date` are added by the connection.
fn reply(status: StatusCode, kind: HeaderValue, bytes: Vec<u8>, id: &str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(bytes)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    if let Ok(id) = HeaderValue::from_str(id) {
        reply.headers_mut().insert(REQUEST_ID, id);
    }
    reply
}
