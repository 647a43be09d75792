//! Ctrl-C, SIGTERM and SIGHUP: once, the run ends in order and its partial report is written; twice, the process ends at once.
//!
//! SIGHUP is what a process is sent when its terminal goes, and means the same as SIGTERM. Where it is ignored when the process
//! starts, as under `nohup`, it stays ignored.

use super::live::screen;
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
    /// `None` where it is ignored.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = (!ignores(SignalKind::hangup().as_raw_value())).then(|| signal(SignalKind::hangup()));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangup.transpose()?,
        })
    }

    async fn next(&mut self) -> StopReason {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => StopReason::Interrupted,
            _ = self.terminate.recv() => StopReason::Terminated,
            _ = hangup => StopReason::Terminated,
        }
    }
}

/// Whether this process ignores the signal of that number. False where the system has no /proc to tell.
#[cfg(unix)]
fn ignores(signal: std::ffi::c_int) -> bool {
    let ignored = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| ignored(&status));
    ignored.is_some_and(|ignored| ignored & (1 << (signal - 1)) != 0)
}

/// The set of ignored signals, from the text of /proc/self/status (proc_pid_status(5)): bit n - 1 stands for signal n.
#[cfg(unix)]
fn ignored(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
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
                screen::close();
                std::process::exit(i32::from(reason.exit_code()));
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_set_of_ignored_signals_is_read_as_the_kernel_prints_it() {
        let status = "Name:\tmilvus-load\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        assert_eq!(ignored(status), Some(0x1001));
        assert_eq!(ignored("Name:\tmilvus-load\n"), None);
    }
}
