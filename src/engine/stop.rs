//! How a run is told to end early.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Why a run was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl StopReason {
    /// The exit code that shells expect.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// A flag that is raised once and seen by every worker; the first reason stands.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Raises the flag; false where it was up already.
    pub fn raise(&self, reason: StopReason) -> bool {
        self.0.compare_exchange(0, reason.exit_code(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Why the run is to end; `None` while it is to go on.
    pub fn reason(&self) -> Option<StopReason> {
        [StopReason::Interrupted, StopReason::Terminated]
            .into_iter()
            .find(|reason| reason.exit_code() == self.0.load(Ordering::Relaxed))
    }

    /// Whether the run is to end.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stands() {
        let stop = Stop::default();
        assert_eq!(stop.reason(), None);
        assert!(stop.raise(StopReason::Terminated));
        assert!(!stop.clone().raise(StopReason::Interrupted));
        assert_eq!(stop.reason(), Some(StopReason::Terminated));
    }
}
