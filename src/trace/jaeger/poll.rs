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
    pub trace: JaegerTrace,
    /// False where time was up while it still grew, or before it had been the same for long enough.
    pub is_stable: bool,
}

/// Looks again and again until the trace has stayed the same for long enough or time is up. "Not found" and an
/// unreachable Jaeger are looked at again too, and are the error if they last.
///
/// `now` is the time since any fixed moment, `wait` pauses; [`super::JaegerClient::fetch_stable`] hands in the real ones.
///
/// # Errors
/// What the last look said, where no look found the trace; at once where the reply is no Jaeger's.
pub fn poll_until_stable(
    rule: PollRule,
    mut look: impl FnMut() -> Result<JaegerTrace, JaegerError>,
    now: impl Fn() -> Duration,
    mut wait: impl FnMut(Duration),
) -> Result<Polled, JaegerError> {
    let pause = rule.pause.max(Duration::from_millis(1));
    let start = now();
    // The largest trace seen, and when it was first seen so large.
    let mut best: Option<(JaegerTrace, Duration)> = None;
    loop {
        let looked = look();
        let time = now();
        let is_over = time.saturating_sub(start) >= rule.limit;
        match looked {
            Ok(trace) if best.as_ref().is_none_or(|(seen, _)| seen.spans.len() < trace.spans.len()) => {
                best = Some((trace, time));
            }
            Err(error) if !error.may_pass() || (is_over && best.is_none()) => return Err(error),
            Ok(_) | Err(_) => {}
        }
        let is_stable = |since: Duration| time.saturating_sub(since) >= rule.stable;
        if let Some((trace, since)) = best.take_if(|(_, since)| is_over || is_stable(*since)) {
            return Ok(Polled { trace, is_stable: is_stable(since) });
        }
        wait(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::jaeger::JaegerSpan;
    use std::cell::Cell;

    const RULE: PollRule = PollRule {
        pause: Duration::from_secs(1),
        stable: Duration::from_secs(3),
        limit: Duration::from_secs(10),
    };

    fn trace(spans: usize) -> JaegerTrace {
        let span = |index: usize| JaegerSpan { span_id: index.to_string(), ..Default::default() };
        JaegerTrace { trace_id: "1".into(), spans: (0..spans).map(span).collect(), ..Default::default() }
    }

    fn unreachable() -> JaegerError {
        JaegerError::Unreachable { url: "http://x".into(), cause: "refused".into() }
    }

    /// Plays `looks` (the last one again and again): what was found, whether it was stable,
    /// and the seconds it took, each look taking `seconds`.
    fn play(
        seconds: u64,
        mut looks: Vec<Result<usize, JaegerError>>,
    ) -> (Result<(usize, bool), JaegerError>, u64) {
        looks.reverse();
        let clock = Cell::new(0);
        let look = || {
            clock.set(clock.get() + seconds);
            let next = if looks.len() > 1 { looks.pop().unwrap() } else { looks[0].clone() };
            next.map(trace)
        };
        let wait = |pause: Duration| clock.set(clock.get() + pause.as_secs());
        let result = poll_until_stable(RULE, look, || Duration::from_secs(100 + clock.get()), wait);
        (result.map(|polled| (polled.trace.spans.len(), polled.is_stable)), clock.get())
    }

    #[test]
    fn a_trace_is_complete_when_it_has_not_grown_for_long_enough() {
        assert_eq!(play(0, vec![Ok(5)]), (Ok((5, true)), 3));
        assert_eq!(play(0, vec![Ok(1), Ok(1), Ok(4), Ok(9)]), (Ok((9, true)), 6));
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for() {
        assert_eq!(play(0, vec![Err(JaegerError::NotFound), Err(unreachable()), Ok(2)]), (Ok((2, true)), 5));
    }

    #[test]
    fn a_look_that_finds_less_or_nothing_does_not_take_back_what_was_seen() {
        assert_eq!(
            play(0, vec![Ok(5), Ok(3), Err(unreachable()), Err(JaegerError::NotFound)]),
            (Ok((5, true)), 3)
        );
    }

    #[test]
    fn time_is_up_at_the_limit() {
        assert_eq!(play(0, (1..20).map(Ok).collect()), (Ok((11, false)), 10));
        assert_eq!(play(0, vec![Err(JaegerError::NotFound)]), (Err(JaegerError::NotFound), 10));
        assert_eq!(play(0, vec![Err(unreachable())]), (Err(unreachable()), 10));
    }

    #[test]
    fn slow_looks_count_as_time_too() {
        // Looks at 4, 9 and 14 s.
        assert_eq!(play(4, vec![Err(unreachable())]), (Err(unreachable()), 14));
        assert_eq!(play(4, vec![Err(unreachable()), Ok(2)]), (Ok((2, true)), 14));
    }

    #[test]
    fn a_stranger_is_not_asked_twice() {
        let stranger = JaegerError::BadReply { url: "http://x".into(), cause: "HTML".into() };
        assert_eq!(play(0, vec![Err(stranger.clone())]), (Err(stranger), 0));
    }
}
