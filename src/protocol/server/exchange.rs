//! One request to one answer.

use std::borrow::Cow;
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
use super::{Auth, Limits, declared, loopback};
use crate::console::{Console, Page};
use crate::operations::{Answered, Caller, Declared, Response as Output, Signer};
use crate::policy::Principal;
use crate::protocol::Api;
use crate::protocol::errors::Fault;
use crate::protocol::json::{self, Answer, is_served, operation_of_target};
use crate::protocol::sigv4::{Claim, Head, ScopeService, SignatureError, SigningKeys};
use crate::protocol::sts;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const RETRY_AFTER: HeaderName = HeaderName::from_static("x-amz-retry-after");
const TARGET: &str = "x-amz-target";
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPENMETRICS: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const BROWSER_HEADERS: [(&str, &str); 6] = [
    ("permissions-policy", "camera=(self), microphone=(), geolocation=(), display-capture=()"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-cache"),
];
/// The operation in counts and logs, where the request names none of ours.
const NO_OPERATION: &str = "unknown";
/// The operation of a request to STS: a form, which names it in its body.
const FORM_OPERATION: &str = "AssumeRole";
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const XML: HeaderValue = HeaderValue::from_static("text/xml");
/// The entry of a request in the ledger, `ORIGIN/INDEX`.
const LEDGER: &str = "x-trombi-ledger";
/// The ledger's signature on that entry.
const RECEIPT: &str = "x-trombi-receipt";
/// The threshold that was applied in place of the one asked for.
const THRESHOLD: &str = "x-trombi-threshold";

type Reply = Response<Full<Bytes>>;

/// What all connections share.
pub(super) struct Desk {
    api: Arc<dyn Api>,
    auth: Auth,
    console: Console,
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
    wire: Wire,
    claim: Option<Signed>,
    declared: Declared,
    strict: bool,
    body: Body,
    _place: OwnedSemaphorePermit,
    _seat: OwnedSemaphorePermit,
}

/// Who is said to have signed, and what to check it with.
struct Signed {
    claim: Claim,
    secret: String,
    principal: Principal,
    session: Declared,
}

/// How requests and answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// AWS JSON 1.1.
    Json,
    /// The Query protocol of STS: a form and XML.
    Form,
}

impl Wire {
    /// A form without a target is for STS.
    fn of(parts: &Parts) -> Self {
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_form = kind.starts_with("application/x-www-form-urlencoded") && !parts.headers.contains_key(TARGET);
        if is_form { Self::Form } else { Self::Json }
    }

    fn service(self) -> ScopeService {
        match self {
            Self::Json => ScopeService::Rekognition,
            Self::Form => ScopeService::Sts,
        }
    }
}

/// What came of a request, with the headers that stand beside it either way.
struct Outcome {
    answer: Result<Answer, Fault>,
    beside: Vec<(&'static str, String)>,
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self { answer: Err(fault), beside: Vec::new() }
    }
}

impl Desk {
    pub(super) fn new(api: Arc<dyn Api>, auth: Auth, limits: Limits, running_max: usize, queue_max: usize) -> Self {
        let running_max = running_max.clamp(1, Semaphore::MAX_PERMITS / 2);
        let places = running_max + queue_max.min(Semaphore::MAX_PERMITS / 2);
        Self {
            api,
            console: Console::new(auth == Auth::SigV4),
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
            return Ok(refusal(&Fault::framework("AccessDeniedException", text), Wire::Json, &id));
        }
        Ok(match (&parts.method, parts.uri.path()) {
            (&Method::POST, _) => self.operate(&parts, incoming, id).await,
            (&Method::GET | &Method::HEAD, "/healthz" | "/readyz") => plain(TEXT, "ok\n".to_owned(), &id),
            (&Method::GET | &Method::HEAD, "/metrics") => plain(OPENMETRICS, self.scrape().await, &id),
            (&Method::GET | &Method::HEAD, path) => {
                body::drain(incoming, &self.limits);
                match path.strip_prefix("/ledger/") {
                    Some(path) => self.ledger_file(path.to_owned(), &id).await,
                    None => self.read(path, &parts, &id),
                }
            }
            _ => {
                body::drain(incoming, &self.limits);
                nothing_here(&id)
            }
        })
    }

    /// The console's files. They are the same for everybody, so nobody signs for them.
    fn read(&self, path: &str, parts: &Parts, id: &str) -> Reply {
        let Some(page) = self.console.page(path) else { return nothing_here(id) };
        for_browsers(page_reply(page, parts, id), self.console.policy())
    }

    /// The ledger's public files, as witnesses and verifiers read them: C2SP tlog-tiles.
    async fn ledger_file(self: &Arc<Self>, path: String, id: &str) -> Reply {
        let desk = Arc::clone(self);
        let is_text = !path.starts_with("tile/");
        let bytes = spawn_blocking(move || desk.api.ledger_file(&path)).await.unwrap_or_default();
        let kind = if is_text { TEXT } else { BYTES };
        bytes.map_or_else(|| nothing_here(id), |bytes| reply(StatusCode::OK, kind, bytes, id))
    }

    async fn scrape(self: &Arc<Self>) -> String {
        let desk = Arc::clone(self);
        spawn_blocking(move || desk.metrics.text(&*desk.api)).await.unwrap_or_default()
    }

    async fn operate(self: Arc<Self>, parts: &Parts, incoming: Incoming, id: String) -> Reply {
        let started = Instant::now();
        let _in_flight = self.metrics.begin();
        let wire = Wire::of(parts);
        let operation = match wire {
            Wire::Json => operation_named(parts),
            Wire::Form => Some(FORM_OPERATION),
        };
        let Outcome { answer, beside } = self.outcome(parts, operation, wire, incoming, &id).await;
        let operation = operation.unwrap_or(NO_OPERATION);
        let code = answer.as_ref().map_or_else(|fault| fault.code, |_| "ok");
        self.metrics.end(operation, code, started.elapsed());
        let mut reply = match answer {
            Ok(answer) => success(answer, wire, &id),
            Err(fault) => {
                tracing::info!(request.id = id, operation, code, message = fault.message, "request refused");
                refusal(&fault, wire, &id)
            }
        };
        add(&mut reply, beside);
        reply
    }

    async fn outcome(
        self: &Arc<Self>,
        parts: &Parts,
        operation: Option<&'static str>,
        wire: Wire,
        mut incoming: Incoming,
        id: &str,
    ) -> Outcome {
        let received = match self.admit(parts, operation, wire).await {
            Ok(admitted) => body::read(&mut incoming, &self.budget, &self.limits).await.map(|body| (admitted, body)),
            Err(fault) => Err(fault),
        };
        let (Admitted { operation, claim, declared, strict }, body) = match received {
            Ok(received) => received,
            Err(fault) => {
                // A client that asks first whether to send the body learns it from the answer.
                if !parts.headers.contains_key(header::EXPECT) && fault.status != 408 {
                    body::drain(incoming, &self.limits);
                }
                return fault.into();
            }
        };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return Fault::overloaded().into() };
        let Ok(seat) = Arc::clone(&self.seats).acquire_owned().await else { return Fault::overloaded().into() };
        let id = id.to_owned();
        let job = Job { id, operation, wire, claim, declared, strict, body, _place: place, _seat: seat };
        let desk = Arc::clone(self);
        // A panic has been printed by the panic hook, with its place.
        spawn_blocking(move || desk.perform(job)).await.unwrap_or_else(|_| Fault::internal().into())
    }

    /// Judges a request by its head alone, so that a stranger's body takes no memory.
    async fn admit(
        self: &Arc<Self>,
        parts: &Parts,
        operation: Option<&'static str>,
        wire: Wire,
    ) -> Result<Admitted, Fault> {
        let claim = match self.auth {
            Auth::SigV4 => Some(claim(parts, wire)?),
            Auth::Off => None,
        };
        let operation = operation.ok_or_else(|| {
            Fault::unknown_operation("the header X-Amz-Target must name an operation as RekognitionService.OPERATION")
        })?;
        if wire == Wire::Json && !is_served(operation) {
            // Never served, so the answer does not depend on the body.
            return Err(json::parse_request(operation, b"").err().unwrap_or_else(Fault::internal));
        }
        let (declared, strict) = declared::read(parts)?;
        let claim = match claim {
            Some(claim) => Some(self.signed(claim).await?),
            None => None,
        };
        Ok(Admitted { operation, claim, declared, strict })
    }

    async fn signed(self: &Arc<Self>, claim: Claim) -> Result<Signed, Fault> {
        let desk = Arc::clone(self);
        spawn_blocking(move || desk.look_up(claim)).await.unwrap_or_else(|_| Err(Fault::internal()))
    }

    fn look_up(&self, claim: Claim) -> Result<Signed, Fault> {
        let signer = self.api.signer_of(claim.access_key_id(), claim.session_token()).map_err(|error| {
            tracing::error!(%error, "access keys cannot be read");
            Fault::from(error)
        })?;
        match signer {
            Signer::Known { secret, principal, session } => Ok(Signed { claim, secret, principal, session }),
            Signer::Unknown => Err(SignatureError::UnknownKey.into()),
            Signer::UnknownSession => Err(SignatureError::SessionToken.into()),
            Signer::Expired => Err(SignatureError::SessionExpired.into()),
        }
    }

    /// Signature, form or JSON, operation, and back: everything that may block or takes the processor.
    fn perform(&self, job: Job) -> Outcome {
        let Job { id, operation, wire, claim, declared, strict, body, _place, _seat } = job;
        let read = || -> Result<_, Fault> {
            let (principal, session) = match claim {
                None => (Principal::Local, Declared::default()),
                Some(signed) => self.verified(signed, &body)?,
            };
            let request = match wire {
                Wire::Json => json::parse_request(operation, &body.bytes)?,
                Wire::Form => sts::parse_request(&body.bytes)?,
            };
            Ok((Caller { principal, session, header: declared, strict, request_id: id.clone() }, request))
        };
        let (caller, request) = match read() {
            Ok(read) => read,
            Err(fault) => return Outcome::from(fault),
        };
        // What is needed of it is decoded; others may have its bytes of the budget.
        drop(body);
        let answered = self.api.answer(&caller, request);
        let beside = beside(&answered);
        let answer = match answered.result {
            Ok(response) if wire == Wire::Form => {
                Ok(Answer { body: sts::write_response(&response, &id), headers: Vec::new() })
            }
            Ok(response) => Ok(json::write_response(&response)),
            Err(error) => {
                // The log may say more than the client is told.
                tracing::debug!(request.id = id, operation, %error, "operation refused");
                Err(error.into())
            }
        };
        Outcome { answer, beside }
    }

    fn verified(&self, signed: Signed, body: &Body) -> Result<(Principal, Declared), Fault> {
        let Signed { claim, secret, principal, session } = signed;
        claim.verify(&secret, &body.bytes, &self.keys)?;
        // A body takes its time: the key may have been revoked since its head was read.
        self.look_up(claim)?;
        Ok((principal, session))
    }
}

/// What is known of a request before its body is read.
struct Admitted {
    operation: &'static str,
    claim: Option<Signed>,
    declared: Declared,
    strict: bool,
}

/// The headers that say where a request is recorded, and what a rule made of it.
fn beside(answered: &Answered<Output>) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if let Some(receipt) = &answered.receipt {
        headers.push((LEDGER, receipt.place.ledger_header()));
        headers.push((RECEIPT, receipt.to_string()));
    }
    if let Some(floor) = answered.floor {
        headers.push((THRESHOLD, format!("{}.{:02};floor", floor / 100, floor % 100)));
    }
    headers
}

fn operation_named(parts: &Parts) -> Option<&'static str> {
    let mut targets = parts.headers.get_all(TARGET).iter();
    let target = targets.next().filter(|_| targets.next().is_none())?;
    operation_of_target(target.to_str().ok()?)
}

fn claim(parts: &Parts, wire: Wire) -> Result<Claim, SignatureError> {
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
    Claim::read(&head, wire.service(), i64::try_from(now.as_secs()).unwrap_or(i64::MAX), None)
}

fn success(answer: Answer, wire: Wire, id: &str) -> Reply {
    let kind = match wire {
        Wire::Json => JSON,
        Wire::Form => XML,
    };
    let mut reply = reply(StatusCode::OK, kind, answer.body, id);
    add(&mut reply, answer.headers);
    reply
}

fn add(reply: &mut Reply, headers: Vec<(&'static str, String)>) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            reply.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

fn refusal(fault: &Fault, wire: Wire, id: &str) -> Reply {
    let (status, kind, body) = match wire {
        Wire::Json => (fault.status, JSON, fault.body(id)),
        Wire::Form => {
            let (status, body) = sts::write_fault(fault, id);
            (status, XML, body)
        }
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = reply(status, kind, body, id);
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
    refusal(&Fault { status: 404, ..Fault::unknown_operation(text) }, Wire::Json, id)
}

/// A file of the console, or the word that the browser's copy is the current one.
fn page_reply(page: &Page, parts: &Parts, id: &str) -> Reply {
    let known = parts.headers.get_all(header::IF_NONE_MATCH).iter();
    let is_known =
        known.filter_map(|value| value.to_str().ok()).any(|tags| tags.split(',').any(|t| t.trim() == page.etag));
    let mut reply = if is_known {
        reply(StatusCode::NOT_MODIFIED, HeaderValue::from_static(page.content_type), Vec::new(), id)
    } else {
        let mut reply = Response::new(Full::new(match &page.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::copy_from_slice(bytes),
        }));
        reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(page.content_type));
        reply
    };
    if let Ok(etag) = HeaderValue::from_str(&page.etag) {
        reply.headers_mut().insert(header::ETAG, etag);
    }
    reply
}

/// What a browser is to hold against a page, and against whatever may get into it. `no-cache` lets it keep a file
/// and ask each time whether that is still the current one, so that the files of two versions never meet.
fn for_browsers(mut reply: Reply, policy: &str) -> Reply {
    for (name, value) in BROWSER_HEADERS {
        reply.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // Made of visible ASCII.
    if let Ok(policy) = HeaderValue::from_str(policy) {
        reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
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
