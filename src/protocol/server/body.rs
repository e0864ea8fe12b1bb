//! Request bodies, into one buffer, bounded in bytes, in time and over all connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Limits;
use crate::protocol::errors::Fault;

/// The budget is counted in KiB, because a semaphore takes 32-bit amounts.
const UNIT_BYTES: usize = 1024;
/// Buffer of a body that does not tell its length, at first.
const FIRST_BYTES: usize = 64 * 1024;

/// Bytes that all bodies in memory may take together.
#[derive(Debug)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS))))
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Fault> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).map_err(|_| Fault::overloaded())?;
        Arc::clone(&self.0).try_acquire_many_owned(units).map_err(|_| Fault::overloaded())
    }
}

/// A whole body; its part of the budget is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    permit: OwnedSemaphorePermit,
}

impl Body {
    fn with_capacity(bytes: usize, budget: &Budget) -> Result<Self, Fault> {
        Ok(Self { permit: budget.take(bytes)?, bytes: Vec::with_capacity(bytes) })
    }

    /// INVARIANT (budget): the permit covers the buffer's capacity, not only what is in it.
    fn append(&mut self, data: &[u8], budget: &Budget, bytes_max: usize) -> Result<(), Fault> {
        let length = self.bytes.len() + data.len();
        if length > bytes_max {
            return Err(Fault::body_too_large(bytes_max));
        }
        let capacity = self.bytes.capacity();
        if length > capacity {
            let wanted = (2 * capacity).clamp(length, bytes_max);
            self.permit.merge(budget.take(wanted - capacity)?);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

/// Reads a body to its end.
pub(super) async fn read(incoming: &mut Incoming, budget: &Budget, limits: &Limits) -> Result<Body, Fault> {
    let bytes_max = limits.body_bytes_max;
    let announced = match incoming.size_hint().exact().map(usize::try_from) {
        Some(Ok(length)) if length <= bytes_max => Some(length),
        Some(_) => return Err(Fault::body_too_large(bytes_max)),
        None => None,
    };
    let mut body = Body::with_capacity(announced.unwrap_or(FIRST_BYTES.min(bytes_max)), budget)?;
    let started = Instant::now();
    loop {
        let patience = patience(limits, started.elapsed(), body.bytes.len());
        let frame = timeout(patience, incoming.frame()).await.map_err(|_| Fault::body_too_slow())?;
        match frame {
            None => return Ok(body),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    body.append(data, budget, bytes_max)?;
                }
            }
            Some(Err(_)) => return Err(Fault::serialization("the body ended early or its chunks are malformed")),
        }
    }
}

/// How long the next piece may take: a limit on silence, and one on the whole at the lowest rate accepted.
fn patience(limits: &Limits, elapsed: Duration, received_bytes: usize) -> Duration {
    let earned = Duration::from_secs_f64(received_bytes as f64 / f64::from(limits.body_rate_min.max(1)));
    let left = (limits.body_timeout + earned).saturating_sub(elapsed);
    left.min(limits.body_timeout)
}

/// Throws the rest of a refused request's body away while the answer goes out, because clients that write all
/// before they read would see a reset connection instead of the answer.
pub(super) fn drain(mut incoming: Incoming, limits: &Limits) {
    if incoming.is_end_stream() {
        return;
    }
    let (mut left, time) = (limits.drain_bytes_max, limits.drain_timeout);
    tokio::spawn(timeout(time, async move {
        while let Some(Ok(frame)) = incoming.frame().await {
            let length = frame.data_ref().map_or(0, hyper::body::Bytes::len);
            let Some(rest) = left.checked_sub(length) else { break };
            left = rest;
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_runs_out_of_time_and_a_slow_line_does_not() {
        let limits = Limits { body_timeout: Duration::from_secs(20), body_rate_min: 32 * 1024, ..Limits::default() };
        assert_eq!(patience(&limits, Duration::ZERO, 0), Duration::from_secs(20));
        assert_eq!(patience(&limits, Duration::from_secs(25), 1000), Duration::ZERO);
        // 60 KiB/s for 100 s: still the full patience for silence.
        assert_eq!(patience(&limits, Duration::from_secs(100), 100 * 60 * 1024), Duration::from_secs(20));
    }

    #[test]
    fn the_budget_covers_growth_and_comes_back() {
        let budget = Budget::new(256 * UNIT_BYTES);
        let mut body = Body::with_capacity(64 * UNIT_BYTES, &budget).unwrap();
        body.append(&[0; 64 * UNIT_BYTES], &budget, 1 << 20).unwrap();
        body.append(&[0; 1], &budget, 1 << 20).unwrap();
        assert_eq!(budget.0.available_permits(), 128);
        let fault = body.append(&vec![0; 300 * UNIT_BYTES], &budget, 1 << 20).unwrap_err();
        assert_eq!(fault.code, "ThrottlingException");
        drop(body);
        assert_eq!(budget.0.available_permits(), 256);
    }
}
