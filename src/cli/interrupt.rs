//! Ctrl-C (and SIGTERM) as a flag that long commands look at; SIGHUP as a wish to read the rules again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::failure::Failure;
use super::output;

/// A flag that the first interrupt sets; the second one ends the process at once.
pub(super) fn flag() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|error| Failure::other(format!("cannot wait for signals: {error}")))?;
    let seen = Arc::clone(&flag);
    // The thread waits for as long as the process lives; nothing joins it.
    thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                if signal().await {
                    output::warning("finishing the pictures in flight; interrupt again to stop at once");
                    seen.store(true, Ordering::Relaxed);
                    if signal().await {
                        std::process::exit(130);
                    }
                }
            });
        })
        .map_err(|error| Failure::other(format!("cannot wait for signals: {error}")))?;
    Ok(flag)
}

/// True at the next interrupt; false when this system gives no signals.
#[cfg(unix)]
pub(super) async fn signal() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return tokio::signal::ctrl_c().await.is_ok() };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
        terminated = terminate.recv() => terminated.is_some(),
    }
}

/// True at the next interrupt; false when this system gives no signals.
#[cfg(not(unix))]
pub(super) async fn signal() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}

/// Hang-ups of a server: each is a wish to read the rules again, until the terminal that it was started from has gone.
pub(super) struct Hangups {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
    #[cfg(unix)]
    had_terminal: bool,
}

/// `None` where there are none, or where whoever started this process has them ignored, as `nohup` does.
#[cfg(unix)]
pub(super) fn hangups() -> Option<Hangups> {
    use tokio::signal::unix::{SignalKind, signal};
    if ignores_hangups() {
        return None;
    }
    signal(SignalKind::hangup()).ok().map(|signal| Hangups { signal, had_terminal: has_terminal() })
}

/// `None` where there are none.
#[cfg(not(unix))]
pub(super) fn hangups() -> Option<Hangups> {
    None
}

impl Hangups {
    /// True at the next one; false when it means that the terminal was closed.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) -> bool {
        self.signal.recv().await.is_some() && (!self.had_terminal || has_terminal())
    }

    /// There are none.
    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) -> bool {
        std::future::pending().await
    }
}

#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// By the kernel's word, where it gives one (Linux): bit 0 of the ignored signals.
#[cfg(unix)]
fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}
