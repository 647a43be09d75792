//! What a truth server is told to do. Values only: nothing here reads a clock or a socket.

use crate::units::{Fraction, Nanos};
use crate::workload::Secret;

use super::law::{Delay, Stalls};
use super::rpc::Rpc;

/// Everything that a truth server does. The default is the null server: an empty Milvus that answers at once.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Decides every drawn delay and every [`When::Share`].
    pub seed: u64,
    /// Delay of Search.
    pub search: Delay,
    /// Delay of Insert.
    pub insert: Delay,
    /// Delay of Query. Other calls have none.
    pub query: Delay,
    /// Requests with a delay are served one after the other, in the order in which they came: one server, one queue.
    pub one_at_a_time: bool,
    /// What a request pays for being sampled.
    pub sampled: SampledCost,
    /// Times in which nothing is answered, whatever the call.
    pub stalls: Option<Stalls>,
    /// Hits for each query vector of a search; `None`: as many as were asked for.
    pub hits: Option<u32>,
    /// Rows in each answer to a query, at most those whose keys it names; `None`: as many as it asks for, or all where it does
    /// not say.
    pub rows: Option<u32>,
    /// Collections that are there before anybody creates them; `None`: the server is empty.
    pub existing: Option<Existing>,
    /// What goes wrong. The first that matches a request is the one that happens.
    pub faults: Vec<Fault>,
    /// The exact `authorization` metadata to insist on; without it a call is answered UNAUTHENTICATED.
    pub authorization: Option<Secret>,
    /// Limits that the server announces.
    pub limits: Limits,
    /// How many requests the log describes one by one; those beyond are only counted.
    pub log_requests: usize,
}

impl Script {
    /// The delay of Search as given, all else as in the null server.
    pub fn with_search_delay(delay: Delay) -> Self {
        Self { search: delay, ..Self::default() }
    }

    /// The same with one more fault.
    #[must_use]
    pub fn fault(mut self, rpc: Rpc, when: When, effect: Effect) -> Self {
        self.faults.push(Fault { rpc, when, effect });
        self
    }

    /// The delay drawn for a request, and what it pays for being sampled.
    pub(super) fn delay_with_cost(&self, rpc: Rpc, number: u64, sampled: bool) -> Nanos {
        let delay = self.delay_of(rpc, number);
        let SampledCost { fixed, share } = self.sampled;
        match sampled {
            true => delay + fixed + Nanos::new((delay.get() as f64 * share.get()).round() as u64),
            false => delay,
        }
    }

    /// The delay drawn for request `number` (from 0, in order of arrival) of a call.
    pub fn delay_of(&self, rpc: Rpc, number: u64) -> Nanos {
        let delay = match rpc {
            Rpc::Search => &self.search,
            Rpc::Insert => &self.insert,
            Rpc::Query => &self.query,
            _ => return Nanos::ZERO,
        };
        delay.draw(self.seed, rpc.index() as u64, number)
    }

    /// What happens to request `number` of a call, if anything.
    pub(super) fn effect_on(&self, rpc: Rpc, number: u64) -> Option<&Effect> {
        self.faults
            .iter()
            .find(|fault| fault.rpc == rpc && fault.when.holds(self.seed, rpc, number))
            .map(|fault| &fault.effect)
    }

    /// # Errors
    /// Where a value makes no sense.
    pub(super) fn check(&self) -> Result<(), ScriptError> {
        let delays = [(Rpc::Search, &self.search), (Rpc::Insert, &self.insert), (Rpc::Query, &self.query)];
        for (rpc, delay) in delays {
            if let Delay::LogNormal { sigma, .. } = *delay
                && !(sigma.is_finite() && sigma >= 0.0)
            {
                return Err(ScriptError::Sigma { rpc: rpc.name(), sigma });
            }
        }
        if self.limits.initial_window.is_some_and(|window| window > MAX_WINDOW) {
            return Err(ScriptError::Window);
        }
        Ok(())
    }
}

/// What a request whose `traceparent` says "sampled" takes beyond its delay, as one that is traced does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampledCost {
    /// Whatever its delay.
    pub fixed: Nanos,
    /// Of its delay.
    pub share: Fraction,
}

impl Default for SampledCost {
    fn default() -> Self {
        Self { fixed: Nanos::ZERO, share: Fraction::ZERO }
    }
}

/// HTTP/2 allows windows up to 2^31 - 1 (RFC 9113, section 6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// Collections that are there from the start, under whatever name is asked for: a loaded, indexed one with the fields
/// `id` (int64, primary) and `vector` (float).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Dimensions of `vector`.
    pub dim: u32,
    /// Rows in each.
    pub rows: u64,
}

/// Limits announced in the server's HTTP/2 settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Streams that a client may have open at once; `None`: no limit.
    pub concurrent_streams: Option<u32>,
    /// Bytes of a request that a client may send ahead, per stream; `None`: 16 MiB. At most 2^31 - 1.
    pub initial_window: Option<u32>,
    /// Bytes of a request's headers, as HTTP/2 counts them; beyond it: HTTP status 431. `None`: 16 MiB.
    pub header_list: Option<u32>,
}

/// One scripted deviation.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The call it hits.
    pub rpc: Rpc,
    /// Which of that call's requests.
    pub when: When,
    /// What happens to them.
    pub effect: Effect,
}

/// Which requests of a call. They are numbered from 0 in the order in which the server received them whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// All.
    Always,
    /// That one.
    Only(u64),
    /// So many at the start.
    First(u64),
    /// That one and all after it.
    From(u64),
    /// Every n-th: numbers n-1, 2n-1, ... With 0: none.
    Every(u64),
    /// That share of them, by a hash of seed and number.
    Share(Fraction),
}

impl When {
    fn holds(self, seed: u64, rpc: Rpc, number: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Only(only) => number == only,
            Self::First(count) => number < count,
            Self::From(first) => number >= first,
            Self::Every(0) => false,
            Self::Every(n) => number % n == n - 1,
            // A stream of its own, so that faults are independent of the delays.
            Self::Share(share) => {
                super::law::uniform(seed, SHARE_STREAM + rpc.index() as u64, number) < share.get()
            }
        }
    }
}

const SHARE_STREAM: u64 = 1 << 32;

/// What happens to a request. Where it is answered at all, it is answered when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// gRPC OK with a Milvus status of that code. Nothing is created or inserted.
    Milvus {
        /// Milvus's code, not 0: 8 is rate limited.
        code: i32,
        /// Milvus's words.
        reason: String,
    },
    /// A gRPC error, as trailers only. Nothing is created or inserted.
    Grpc {
        /// gRPC status code, 1 to 16.
        code: u8,
        /// The message: printable ASCII without `%`, which gRPC would have encoded.
        message: String,
    },
    /// A count(*) of so many rows, whatever there is; meant for Query.
    Count(i64),
    /// So much later than it would have been due.
    Late(Nanos),
    /// Received, never answered.
    Withhold,
    /// Headers and message, but never the trailers.
    WithholdTrailers,
    /// RST_STREAM with this HTTP/2 error code (8 CANCEL, 7 REFUSED_STREAM) in place of an answer.
    Reset(u32),
    /// Answered, and the connection is closed gracefully: GOAWAY, then the end when its open streams are done.
    GoAway,
    /// The connection ends in the middle of a frame of the answer.
    CutMidFrame,
    /// The message comes in DATA frames of at most so many bytes (0 counts as 1).
    Split(usize),
    /// The message says that it is compressed, which nobody had asked for.
    Compressed,
    /// A bare HTTP answer of this status, 100 to 599, as a proxy gives in place of the server; others count as 500.
    Http(u16),
}

/// A script that cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ScriptError {
    /// A log-normal delay without a usable sigma.
    #[error("{rpc}: sigma {sigma} of a log-normal delay: give a finite number of at least 0")]
    Sigma {
        /// The call.
        rpc: &'static str,
        /// What was given.
        sigma: f64,
    },
    /// Stalls without an end.
    #[error("stalls of {length} in each {period}: the length must be above 0 and below the period")]
    Stalls {
        /// Time from one start to the next.
        period: Nanos,
        /// Length of each.
        length: Nanos,
    },
    /// More than HTTP/2 allows.
    #[error("limits.initial_window is above 2147483647 bytes, the most that HTTP/2 allows")]
    Window,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(when: When) -> Vec<u64> {
        (0..10).filter(|&number| when.holds(1, Rpc::Search, number)).collect()
    }

    #[test]
    fn requests_are_picked_by_number() {
        assert_eq!(hit(When::Always).len(), 10);
        assert_eq!(hit(When::Only(3)), [3]);
        assert_eq!(hit(When::First(2)), [0, 1]);
        assert_eq!(hit(When::From(8)), [8, 9]);
        assert_eq!(hit(When::Every(4)), [3, 7]);
        assert!(hit(When::Every(0)).is_empty());
    }

    #[test]
    fn a_share_picks_about_that_many_and_always_the_same() {
        let share = When::Share(Fraction::new(0.25).unwrap());
        let picked = (0..10_000).filter(|&number| share.holds(7, Rpc::Insert, number)).count();
        // Binomial: sd = sqrt(10,000 x 0.25 x 0.75) = 43; five of them either way.
        assert!((2_284..=2_716).contains(&picked), "{picked}");
        assert!(hit(When::Share(Fraction::ZERO)).is_empty());
        assert_eq!(hit(When::Share(Fraction::ONE)).len(), 10);
    }

    #[test]
    fn the_first_fault_that_matches_is_the_one_that_happens() {
        let script = Script::default().fault(Rpc::Search, When::Only(1), Effect::Withhold).fault(
            Rpc::Search,
            When::Always,
            Effect::GoAway,
        );
        assert_eq!(script.effect_on(Rpc::Search, 0), Some(&Effect::GoAway));
        assert_eq!(script.effect_on(Rpc::Search, 1), Some(&Effect::Withhold));
        assert_eq!(script.effect_on(Rpc::Insert, 1), None);
    }

    #[test]
    fn a_script_that_cannot_be_played_is_refused() {
        let sigma = |sigma| {
            Script::with_search_delay(Delay::LogNormal { median: Nanos::from_millis(1), sigma }).check()
        };
        assert!(sigma(0.5).is_ok());
        for bad in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(sigma(bad).is_err(), "{bad}");
        }
        let limits = Limits { initial_window: Some(1 << 31), ..Limits::default() };
        assert_eq!(Script { limits, ..Script::default() }.check(), Err(ScriptError::Window));
    }
}
