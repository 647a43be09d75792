//! Room for a run's sockets and timers among the files that a process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Of one connection: its socket, and one more while it is dialled again and its old streams end, or for its other end where the
/// server is in this process, as in `calibrate`.
const PER_CONNECTION: u64 = 2;
/// Of one worker: the runtime's poller, its waker and its signals, and timers.
const PER_WORKER: u64 = 8;
/// Of the rest of the process: standard streams, control session, export, metrics, files.
const OTHERS: u64 = 64;

/// The system allows too few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{connections} connections on {workers} worker(s) need some {needed} open files, and this process may have {allowed} \
     (`ulimit -Hn`): give load.connections a smaller number, or have the limit raised"
)]
pub struct TooFewDescriptors {
    pub connections: u32,
    pub workers: usize,
    pub needed: u64,
    pub allowed: u64,
}

/// Raises the soft limit to what a run needs, where it is lower.
///
/// # Errors
/// Where the hard limit is lower still.
pub fn ensure(connections: u32, workers: usize) -> Result<(), TooFewDescriptors> {
    let limit = getrlimit(Resource::Nofile);
    let Some(raised) = raised(limit, connections, workers)? else { return Ok(()) };
    // Refused only where somebody lowers the hard limit at this very moment.
    setrlimit(Resource::Nofile, raised).map_err(|_| TooFewDescriptors {
        connections,
        workers,
        needed: needed(connections, workers),
        allowed: limit.current.unwrap_or(u64::MAX),
    })
}

fn needed(connections: u32, workers: usize) -> u64 {
    u64::from(connections) * PER_CONNECTION + workers as u64 * PER_WORKER + OTHERS
}

/// The limit to set; `None` where the present one will do. A limit of `None` is none.
fn raised(limit: Rlimit, connections: u32, workers: usize) -> Result<Option<Rlimit>, TooFewDescriptors> {
    let needed = needed(connections, workers);
    match (limit.current, limit.maximum) {
        (None, _) => Ok(None),
        (Some(current), _) if current >= needed => Ok(None),
        (Some(_), Some(allowed)) if allowed < needed => {
            Err(TooFewDescriptors { connections, workers, needed, allowed })
        }
        (Some(_), maximum) => Ok(Some(Rlimit { current: Some(needed), maximum })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_what_is_needed_and_not_beyond_the_hard_one() {
        let limit = |current, maximum| Rlimit { current, maximum };
        let raised = |current, maximum| raised(limit(current, maximum), 100, 2);
        // 100 connections, 2 workers, the rest.
        assert_eq!(needed(100, 2), 200 + 16 + 64);
        assert_eq!(raised(Some(280), Some(280)), Ok(None));
        assert_eq!(raised(None, None), Ok(None));
        assert_eq!(raised(Some(279), Some(280)), Ok(Some(limit(Some(280), Some(280)))));
        assert_eq!(raised(Some(256), None), Ok(Some(limit(Some(280), None))));
        let error = raised(Some(256), Some(279)).unwrap_err();
        assert_eq!((error.needed, error.allowed), (280, 279));
        assert!(error.to_string().contains("load.connections"), "{error}");
    }
}
