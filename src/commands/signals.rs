//! Ctrl-C and SIGTERM: once, the run ends in order and its partial report is written; twice, the process ends at once.

use crate::engine::{Stop, StopReason};

/// Listens from a thread of its own, so that neither a busy nor a blocked main thread misses a signal.
///
/// # Errors
/// Where the system gives no thread or no signal handler.
pub fn listen(stop: Stop) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(signals.watch(stop)))?;
    Ok(())
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> StopReason {
        tokio::select! {
            _ = self.interrupt.recv() => StopReason::Interrupted,
            _ = self.terminate.recv() => StopReason::Terminated,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> StopReason {
        // Without a handler nothing is reported: the default ends the process, as the second signal would.
        let _ = tokio::signal::ctrl_c().await;
        StopReason::Interrupted
    }
}

impl Signals {
    async fn watch(mut self, stop: Stop) {
        loop {
            let reason = self.next().await;
            if stop.raise(reason) {
                super::say("\nstopping: waiting for what is in flight; once more to end at once");
            } else {
                // The one exit outside main: the user asked twice, and whoever holds the main thread is not answering.
                std::process::exit(i32::from(reason.exit_code()));
            }
        }
    }
}
