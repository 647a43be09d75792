//! Waiting until a trace is all there: its spans come from several exporters, each in its own time.

use std::time::Duration;

use super::JaegerError;
use super::model::JaegerTrace;

/// How to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollRule {
    /// Between two looks.
    pub pause: Duration,
    /// How long the number of spans has to stay the same.
    pub stable: Duration,
    /// How long to wait in all.
    pub limit: Duration,
}

/// Milvus's spans come up to 5 s after the response, so what has not grown for 6 s is taken to be complete.
impl Default for PollRule {
    fn default() -> Self {
        Self {
            pause: Duration::from_millis(500),
            stable: Duration::from_secs(6),
            limit: Duration::from_secs(20),
        }
    }
}

/// A trace as it was when the waiting ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Polled {
    /// The trace.
    pub trace: JaegerTrace,
    /// False where time was up while it still grew, or before it had been the same for long enough.
    pub is_stable: bool,
}

/// Looks again and again until the trace has stayed the same for long enough or time is up. "Not found" and an
/// unreachable Jaeger are looked at again too, and are the error if they last. Time is counted in pauses: `wait` pauses.
///
/// # Errors
/// What the last look said, where no look found the trace; at once where the reply is no Jaeger's.
pub fn poll_until_stable(
    rule: PollRule,
    mut look: impl FnMut() -> Result<JaegerTrace, JaegerError>,
    mut wait: impl FnMut(Duration),
) -> Result<Polled, JaegerError> {
    let pause = rule.pause.max(Duration::from_millis(1));
    let (mut waited, mut unchanged) = (Duration::ZERO, Duration::ZERO);
    let mut best: Option<JaegerTrace> = None;
    loop {
        let error = match look() {
            Ok(trace) if best.as_ref().is_some_and(|seen| seen.spans.len() >= trace.spans.len()) => None,
            Ok(trace) => {
                best = Some(trace);
                unchanged = Duration::ZERO;
                None
            }
            Err(error) if error.may_pass() => Some(error),
            Err(error) => return Err(error),
        };
        if best.is_some() && unchanged >= rule.stable || waited >= rule.limit {
            return match (best, error) {
                (Some(trace), _) => Ok(Polled { trace, is_stable: unchanged >= rule.stable }),
                (None, Some(error)) => Err(error),
                // A look that found something has been kept, so one of the two is always there.
                (None, None) => Err(JaegerError::NotFound),
            };
        }
        wait(pause);
        waited += pause;
        unchanged += pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::jaeger::JaegerSpan;

    const RULE: PollRule = PollRule {
        pause: Duration::from_secs(1),
        stable: Duration::from_secs(3),
        limit: Duration::from_secs(10),
    };

    fn trace(spans: usize) -> JaegerTrace {
        let span = |index: usize| JaegerSpan { span_id: index.to_string(), ..Default::default() };
        JaegerTrace { trace_id: "1".into(), spans: (0..spans).map(span).collect() }
    }

    fn unreachable() -> JaegerError {
        JaegerError::Unreachable { url: "http://x".into(), cause: "refused".into() }
    }

    /// Plays `looks` (the last one again and again): spans found, waits taken, whether stable.
    fn play(mut looks: Vec<Result<usize, JaegerError>>) -> (Result<(usize, bool), JaegerError>, u64) {
        looks.reverse();
        let mut waits = 0;
        let look = || {
            let next = if looks.len() > 1 { looks.pop().unwrap() } else { looks[0].clone() };
            next.map(trace)
        };
        let result = poll_until_stable(RULE, look, |pause| waits += pause.as_secs());
        (result.map(|polled| (polled.trace.spans.len(), polled.is_stable)), waits)
    }

    #[test]
    fn a_trace_is_complete_when_it_has_not_grown_for_long_enough() {
        assert_eq!(play(vec![Ok(5)]), (Ok((5, true)), 3));
        assert_eq!(play(vec![Ok(1), Ok(1), Ok(4), Ok(9)]), (Ok((9, true)), 6));
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for() {
        assert_eq!(play(vec![Err(JaegerError::NotFound), Err(unreachable()), Ok(2)]), (Ok((2, true)), 5));
    }

    #[test]
    fn a_look_that_finds_less_or_nothing_does_not_take_back_what_was_seen() {
        assert_eq!(
            play(vec![Ok(5), Ok(3), Err(unreachable()), Err(JaegerError::NotFound)]),
            (Ok((5, true)), 3)
        );
    }

    #[test]
    fn time_is_up_at_the_limit() {
        assert_eq!(play((1..20).map(Ok).collect()), (Ok((11, false)), 10));
        assert_eq!(play(vec![Err(JaegerError::NotFound)]), (Err(JaegerError::NotFound), 10));
        assert_eq!(play(vec![Err(unreachable())]), (Err(unreachable()), 10));
    }

    #[test]
    fn a_stranger_is_not_asked_twice() {
        let stranger = JaegerError::BadReply { url: "http://x".into(), cause: "HTML".into() };
        assert_eq!(play(vec![Err(stranger.clone())]), (Err(stranger), 0));
    }
}
