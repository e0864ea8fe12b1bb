//! What `GET /metrics` tells: OpenMetrics text. Names of operations and errors only, never of people.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::policy::Outcome;
use crate::protocol::Api;

/// Upper bounds of the latency histogram, seconds.
const BUCKETS_S: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

/// Counts since start.
#[derive(Debug)]
pub(super) struct Metrics {
    requests: Family<Ended, Counter>,
    durations: Family<Operation, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    connections_refused: Counter,
}

/// A request on its way; it counts until it is dropped, also when the client has gone.
#[derive(Debug)]
pub(super) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(super) fn new() -> Self {
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS_S)),
            in_flight: Gauge::default(),
            connections_refused: Counter::default(),
        }
    }

    pub(super) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts an answer; `outcome` is `ok` or the error's code.
    pub(super) fn end(&self, operation: &'static str, outcome: &'static str, duration: Duration) {
        self.requests.get_or_create(&Ended { operation, outcome }).inc();
        self.durations.get_or_create(&Operation { operation }).observe(duration.as_secs_f64());
    }

    pub(super) fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// The text of one scrape.
    pub(super) fn text(&self, api: &dyn Api) -> String {
        let mut registry = Registry::with_prefix("trombi");
        registry.register("requests", "Answers by operation and outcome", self.requests.clone());
        registry.register("request_duration_seconds", "Time from head to answer", self.durations.clone());
        registry.register("requests_in_flight", "Requests not yet answered", self.in_flight.clone());
        let refused = self.connections_refused.clone();
        registry.register("connections_refused", "Connections closed because there were too many", refused);
        registry.register("decisions", "Operations by what became of them", decisions(api));
        let faces: Gauge<u64, AtomicU64> = Gauge::default();
        faces.set(api.face_count());
        registry.register("faces_enrolled", "Faces over all collections", faces);
        registry.register("build", "This program", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        let mut text = String::new();
        // A `String` takes all that is written.
        let _ = encode(&mut text, &registry);
        text
    }
}

/// The program's own counts, which also see what the server does not: a rule's refusal, apart from the caller's errors.
fn decisions(api: &dyn Api) -> Family<Ended, Counter> {
    let family = Family::<Ended, Counter>::default();
    for ((operation, outcome), count) in api.meter().counts() {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Denied => "denied",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        };
        family.get_or_create(&Ended { operation, outcome }).inc_by(count);
    }
    family
}
