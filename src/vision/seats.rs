//! The bounded pool: one seat per core, a bounded queue before them.
//!
//! While a seat is free, work runs on the caller's own thread. When all are taken it is queued, and threads of the
//! pool take it up one piece after the other without giving the seat away in between: handing a seat from thread to
//! thread for every piece costs a wake-up each time, during which the core is idle (measured with 8 callers on 2
//! cores: a quarter of the throughput).

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

/// All waiting places are taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Who goes first when a seat becomes free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Work that begins: in the order of arrival, refused when the queue is full.
    New,
    /// Work on a picture that already had a seat: before new work, in its own order. Its queue is longer by the
    /// number of seats, so that finishing what was begun is refused last.
    Continued,
}

type Job = Box<dyn FnOnce() + Send>;

/// Seats, and the work waiting for one.
pub(super) struct Seats {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    queue_max: usize,
}

struct Shared {
    state: Mutex<State>,
    seat_for_a_worker: Condvar,
}

/// INVARIANT (no seat is lost): `free`, `for_workers` and the seats in use add up to the number of seats.
struct State {
    free: usize,
    /// Seats given up by callers while work was queued, for a worker to take.
    for_workers: usize,
    new: VecDeque<Job>,
    continued: VecDeque<Job>,
    closed: bool,
}

/// A seat of the caller's own; given up when dropped.
pub(super) struct Seat<'a> {
    shared: &'a Shared,
}

impl Seats {
    pub(super) fn new(seats: usize, queue_max: usize) -> Self {
        let seats = seats.max(1);
        let state =
            State { free: seats, for_workers: 0, new: VecDeque::new(), continued: VecDeque::new(), closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), seat_for_a_worker: Condvar::new() });
        let workers = (0..seats)
            .map(|_| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.work())
            })
            .collect();
        Self { shared, workers, queue_max }
    }

    pub(super) fn count(&self) -> usize {
        self.workers.len()
    }

    /// A free seat, if there is one: then the work may run on the caller's thread.
    pub(super) fn try_take(&self) -> Option<Seat<'_>> {
        let mut state = self.shared.lock();
        state.free = state.free.checked_sub(1)?;
        Some(Seat { shared: &self.shared })
    }

    /// Queues `work` and waits for its answer; a panic inside goes on in the caller.
    pub(super) fn queue<R: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Full> {
        let (send, receive) = mpsc::sync_channel::<Result<R, Box<dyn Any + Send>>>(1);
        let job: Job = Box::new(move || {
            let _ = send.send(catch_unwind(AssertUnwindSafe(work)));
        });
        {
            let mut state = self.shared.lock();
            let longest = match turn {
                Turn::New => self.queue_max,
                Turn::Continued => self.queue_max.saturating_add(self.count()),
            };
            let queue = match turn {
                Turn::New => &mut state.new,
                Turn::Continued => &mut state.continued,
            };
            if queue.len() >= longest {
                return Err(Full);
            }
            queue.push_back(job);
            // Since the caller looked, a seat may have become free.
            if state.free > 0 {
                state.free -= 1;
                state.for_workers += 1;
                self.shared.seat_for_a_worker.notify_one();
            }
        }
        match receive.recv() {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(panic)) => resume_unwind(panic),
            // Only at the end of the pool, when nobody takes up work any more.
            Err(_) => Err(Full),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker: waits for a seat, keeps it as long as there is work, and gives it back.
    fn work(&self) {
        let mut state = self.lock();
        while !state.closed {
            if state.for_workers == 0 {
                state = self.seat_for_a_worker.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.for_workers -= 1;
            while let Some(job) = state.continued.pop_front().or_else(|| state.new.pop_front()) {
                drop(state);
                job();
                state = self.lock();
            }
            state.free += 1;
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.new.is_empty() && state.continued.is_empty() {
            state.free += 1;
        } else {
            state.for_workers += 1;
            self.shared.seat_for_a_worker.notify_one();
        }
    }
}

impl Drop for Seats {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.seat_for_a_worker.notify_all();
        for worker in self.workers.drain(..) {
            // A job's panic went to its caller; a worker has none of its own.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn waiting(seats: &Seats) -> usize {
        let state = seats.shared.lock();
        state.new.len() + state.continued.len()
    }

    fn until(what: impl Fn() -> bool) {
        for _ in 0..2000 {
            if what() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("did not happen within two seconds");
    }

    /// Runs as `vision` does: on the own thread where a seat is free, else queued.
    fn run<R: Send + 'static>(seats: &Seats, turn: Turn, work: impl FnOnce() -> R + Send + 'static) -> Result<R, Full> {
        match seats.try_take() {
            Some(_seat) => Ok(work()),
            None => seats.queue(turn, work),
        }
    }

    #[test]
    fn no_more_than_the_seats_work_at_once() {
        let seats = Seats::new(3, 100);
        let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        std::thread::scope(|scope| {
            for _ in 0..40 {
                let (seats, busy, most) = (&seats, Arc::clone(&busy), Arc::clone(&most));
                scope.spawn(move || {
                    let work = move || {
                        most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(1));
                        busy.fetch_sub(1, Ordering::SeqCst);
                    };
                    run(seats, Turn::New, work).unwrap();
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 3);
        // A worker gives its seat back just after its last answer.
        until(|| seats.shared.lock().free == 3);
        assert_eq!(waiting(&seats), 0);
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let seats = Seats::new(1, 1);
        std::thread::scope(|scope| {
            let seat = seats.try_take().unwrap();
            let second = scope.spawn(|| run(&seats, Turn::New, || 2));
            until(|| waiting(&seats) == 1);
            assert_eq!(run(&seats, Turn::New, || 3), Err(Full));
            drop(seat);
            assert_eq!(second.join().unwrap(), Ok(2));
        });
        until(|| seats.shared.lock().free == 1);
        assert_eq!(run(&seats, Turn::New, || 4), Ok(4));
    }

    #[test]
    fn work_is_taken_up_in_order_and_continued_work_first() {
        let seats = Seats::new(1, 9);
        let order = Arc::new(Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            let seat = seats.try_take().unwrap();
            for (name, turn) in [("a", Turn::New), ("b", Turn::New), ("c", Turn::Continued)] {
                let before = waiting(&seats);
                let (seats, order) = (&seats, Arc::clone(&order));
                scope.spawn(move || run(seats, turn, move || order.lock().unwrap().push(name)).unwrap());
                until(|| waiting(seats) == before + 1);
            }
            drop(seat);
        });
        assert_eq!(*order.lock().unwrap(), ["c", "a", "b"]);
    }

    #[test]
    fn a_panic_reaches_its_caller_and_gives_its_seat_back() {
        let seats = Seats::new(1, 1);
        let own = catch_unwind(AssertUnwindSafe(|| run(&seats, Turn::New, || panic!("as a test"))));
        assert!(own.is_err());
        std::thread::scope(|scope| {
            let seat = seats.try_take().unwrap();
            let queued =
                scope.spawn(|| catch_unwind(AssertUnwindSafe(|| run(&seats, Turn::New, || panic!("as a test")))));
            until(|| waiting(&seats) == 1);
            drop(seat);
            assert!(queued.join().unwrap().is_err());
        });
        until(|| seats.shared.lock().free == 1);
    }
}
