//! The bounded pool: one seat per core, a bounded queue before it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

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

/// Seats and the callers waiting for one.
pub(super) struct Seats {
    state: Mutex<State>,
    seats: usize,
    queue_max: usize,
}

#[derive(Default)]
struct State {
    taken: usize,
    new: VecDeque<Arc<Waiter>>,
    continued: VecDeque<Arc<Waiter>>,
}

struct Waiter {
    thread: Thread,
    seated: AtomicBool,
}

/// A taken seat; given to the next caller when dropped.
pub(super) struct Seat<'a> {
    seats: &'a Seats,
}

impl Seats {
    pub(super) fn new(seats: usize, queue_max: usize) -> Self {
        Self { state: Mutex::default(), seats: seats.max(1), queue_max }
    }

    pub(super) fn count(&self) -> usize {
        self.seats
    }

    /// Takes a seat, waiting for one if need be.
    pub(super) fn take(&self, turn: Turn) -> Result<Seat<'_>, Full> {
        let waiter = {
            let mut state = self.lock();
            if state.taken < self.seats {
                state.taken += 1;
                return Ok(Seat { seats: self });
            }
            let (queue, longest) = match turn {
                Turn::New => (&mut state.new, self.queue_max),
                Turn::Continued => (&mut state.continued, self.queue_max.saturating_add(self.seats)),
            };
            if queue.len() >= longest {
                return Err(Full);
            }
            let waiter = Arc::new(Waiter { thread: std::thread::current(), seated: AtomicBool::new(false) });
            queue.push_back(Arc::clone(&waiter));
            waiter
        };
        // Parking may end early for no reason; the flag is what counts.
        while !waiter.seated.load(Ordering::Acquire) {
            std::thread::park();
        }
        Ok(Seat { seats: self })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut state = self.seats.lock();
        // INVARIANT (no seat is lost): it goes straight to the next waiter, or is free again.
        match state.continued.pop_front().or_else(|| state.new.pop_front()) {
            Some(next) => {
                next.seated.store(true, Ordering::Release);
                next.thread.unpark();
            }
            None => state.taken -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    fn waiting(seats: &Seats) -> usize {
        let state = seats.lock();
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

    #[test]
    fn no_more_than_the_seats_work_at_once() {
        let seats = Seats::new(3, 100);
        let (busy, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    let _seat = seats.take(Turn::New).unwrap();
                    most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(1));
                    busy.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 3);
        // One after the other: two locks in one expression would wait for each other.
        assert_eq!(seats.lock().taken, 0);
        assert_eq!(waiting(&seats), 0);
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let seats = Seats::new(1, 1);
        std::thread::scope(|scope| {
            let seat = seats.take(Turn::New).unwrap();
            let second = scope.spawn(|| seats.take(Turn::New).is_ok());
            until(|| waiting(&seats) == 1);
            assert!(seats.take(Turn::New).is_err());
            drop(seat);
            assert!(second.join().unwrap());
        });
        assert!(seats.take(Turn::New).is_ok());
    }

    #[test]
    fn callers_are_seated_in_order_and_continued_work_goes_first() {
        let seats = Seats::new(1, 9);
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let seat = seats.take(Turn::New).unwrap();
            for (name, turn) in [("a", Turn::New), ("b", Turn::New), ("c", Turn::Continued)] {
                let before = waiting(&seats);
                let (seats, order) = (&seats, &order);
                scope.spawn(move || {
                    let _seat = seats.take(turn).unwrap();
                    order.lock().unwrap().push(name);
                });
                until(|| waiting(seats) == before + 1);
            }
            drop(seat);
        });
        assert_eq!(*order.lock().unwrap(), ["c", "a", "b"]);
    }

    #[test]
    fn a_panic_gives_its_seat_back() {
        let seats = Seats::new(1, 0);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _seat = seats.take(Turn::New).unwrap();
            panic!("as a test");
        }));
        assert!(outcome.is_err());
        assert!(seats.take(Turn::New).is_ok());
    }
}
