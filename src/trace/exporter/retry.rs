//! Whether a failed export over gRPC is tried again, and when: OTLP's rules.
//!
//! Belongs here: the decision, a pure one. Does not belong here: sending and sleeping ([`super::grpc`]). Over HTTP
//! opentelemetry-otlp decides by itself; attempts and pauses are those of its recommended policy. Codes: the OTLP
//! specification's "OTLP/gRPC Failures" and "OTLP/gRPC Throttling".
//!
//! Invariant: no pause goes beyond the time that is left, and after [`Backoff::MOST`] there is none.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// What a failure says about another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryDecision {
    /// It would fail as well.
    Never,
    /// It may pass, not before this long has passed; 0 where the collector named no time.
    After(Duration),
}

impl RetryDecision {
    /// A collector that is too busy may say for how long; one that finds a message too large does not.
    pub(super) fn of(status: &Status) -> Self {
        let asked = || status.get_details_retry_info().and_then(|info| info.retry_delay);
        match status.code() {
            Code::Unavailable => Self::After(asked().unwrap_or_default()),
            Code::ResourceExhausted => asked().map_or(Self::Never, Self::After),
            Code::Cancelled | Code::DeadlineExceeded | Code::Aborted | Code::OutOfRange | Code::DataLoss => {
                Self::After(Duration::ZERO)
            }
            Code::Ok
            | Code::Unknown
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Unimplemented
            | Code::Internal
            | Code::Unauthenticated => Self::Never,
        }
    }
}

/// The pauses between the attempts of one export: each twice as long as the one before.
#[derive(Debug)]
pub(super) struct Backoff {
    attempts: u32,
    pause: Duration,
    longest: Duration,
}

impl Backoff {
    /// Attempts after the first one.
    pub(super) const MOST: u32 = 3;
    /// A random time below this is added to every pause, so that generators that failed together do not come again
    /// together.
    pub(super) const JITTER: Duration = Duration::from_millis(100);
    /// However long a collector asks to be left alone.
    const MOST_ASKED: Duration = Duration::from_secs(30);

    pub(super) fn new() -> Self {
        Self { attempts: 0, pause: Duration::from_millis(100), longest: Duration::from_millis(1_600) }
    }

    /// How long to wait for the next attempt; `None` where there is none, or not within the time that is `left`.
    pub(super) fn next(
        &mut self,
        decision: RetryDecision,
        jitter: Duration,
        left: Duration,
    ) -> Option<Duration> {
        let RetryDecision::After(asked) = decision else { return None };
        if self.attempts == Self::MOST {
            return None;
        }
        self.attempts += 1;
        let asked = asked.min(Self::MOST_ASKED);
        if asked > self.longest {
            self.longest = Self::MOST_ASKED;
        }
        self.pause = self.pause.max(asked);
        let pause = self.pause.saturating_add(jitter).min(self.longest);
        self.pause = self.pause.saturating_mul(2).min(self.longest);
        (pause < left).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    const NO_JITTER: Duration = Duration::ZERO;
    const LEFT: Duration = Duration::from_secs(3_600);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn asking(code: Code, delay: Duration) -> Status {
        Status::with_error_details(code, "", ErrorDetails::with_retry_info(Some(delay)))
    }

    /// The specification's table, code by code.
    #[test]
    fn the_codes_that_are_tried_again_are_those_of_the_specification() {
        let again: Vec<i32> = (0..=16)
            .filter(|code| {
                RetryDecision::of(&Status::new(Code::from_i32(*code), "words")) != RetryDecision::Never
            })
            .collect();
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS
        assert_eq!(again, [1, 4, 10, 11, 14, 15]);
    }

    #[test]
    fn a_collector_that_is_too_busy_says_for_how_long() {
        assert_eq!(
            RetryDecision::of(&asking(Code::ResourceExhausted, ms(250))),
            RetryDecision::After(ms(250))
        );
        assert_eq!(RetryDecision::of(&asking(Code::Unavailable, ms(250))), RetryDecision::After(ms(250)));
        assert_eq!(RetryDecision::of(&asking(Code::Unauthenticated, ms(250))), RetryDecision::Never);
    }

    #[test]
    fn three_more_attempts_are_made_at_doubling_pauses() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> =
            (0..4).map(|_| backoff.next(RetryDecision::After(Duration::ZERO), ms(7), LEFT)).collect();
        assert_eq!(pauses, [Some(ms(107)), Some(ms(207)), Some(ms(407)), None]);
    }

    #[test]
    fn what_the_collector_asks_for_is_the_least_and_half_a_minute_the_most() {
        let mut backoff = Backoff::new();
        let mut next = |asked| backoff.next(RetryDecision::After(asked), NO_JITTER, LEFT);
        assert_eq!(next(ms(2_000)), Some(ms(2_000)));
        // A shorter wish does not shorten what has grown.
        assert_eq!(next(ms(10)), Some(ms(4_000)));
        assert_eq!(next(LEFT), Some(ms(30_000)));
    }

    #[test]
    fn no_pause_goes_beyond_the_time_that_is_left() {
        let plain = RetryDecision::After(Duration::ZERO);
        assert_eq!(Backoff::new().next(plain, NO_JITTER, ms(100)), None);
        assert_eq!(Backoff::new().next(plain, NO_JITTER, ms(101)), Some(ms(100)));
        assert_eq!(Backoff::new().next(RetryDecision::Never, NO_JITTER, LEFT), None);
    }
}
