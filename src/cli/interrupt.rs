//! Ctrl-C (and SIGTERM) as a flag that long commands look at.

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
