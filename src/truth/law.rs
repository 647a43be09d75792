//! The law of the answers: when a request that arrives at a given moment is due. Pure: no clock, no state.
//!
//! ```text
//! start = arrival, or the end of the stall that arrival falls in
//! due   = start + delay, or the end of the stall that this falls in
//! ```
//!
//! Where requests are served one after the other, `max(arrival, end of the one before)` stands in place of arrival: Lindley's
//! recursion ("The theory of queues with a single server", 1952).
//!
//! So nothing is answered during a stall; what arrives in one is taken up at its end and still needs its delay; what
//! was under way when it began is answered at its end. All times count from the server's anchor.

use crate::random::{splitmix64, unit_interval};
use crate::units::{Fraction, Nanos};

use super::script::ScriptError;

/// How long a request takes once it is taken up. Request `k` of a call always draws the same under the same seed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Delay {
    /// Answered at once: the null server.
    #[default]
    None,
    /// Always the same.
    Constant(Nanos),
    /// One of two.
    TwoPoint {
        /// The usual one.
        a: Nanos,
        /// The other one.
        b: Nanos,
        /// The share of `b`.
        share: Fraction,
    },
    /// Exponentially distributed: quantile q is -mean x ln(1 - q).
    Exponential {
        /// Its mean, which is also its standard deviation.
        mean: Nanos,
    },
    /// The logarithm is normally distributed: quantile q is median x exp(sigma x z(q)).
    LogNormal {
        /// Its median.
        median: Nanos,
        /// Standard deviation of the natural logarithm, finite and at least 0.
        sigma: f64,
    },
}

impl Delay {
    /// The delay of request `number`. `stream` keeps calls that share a seed apart.
    pub fn draw(&self, seed: u64, stream: u64, number: u64) -> Nanos {
        match *self {
            Self::None => Nanos::ZERO,
            Self::Constant(delay) => delay,
            Self::TwoPoint { a, b, share } => {
                if uniform(seed, stream, number) < share.get() {
                    b
                } else {
                    a
                }
            }
            Self::Exponential { mean } => scaled(mean, -(1.0 - uniform(seed, stream, number)).ln()),
            Self::LogNormal { median, sigma } => scaled(median, (sigma * normal(seed, stream, number)).exp()),
        }
    }
}

/// `time` x `factor`, rounded; saturates, and 0 where the factor is not a number.
fn scaled(time: Nanos, factor: f64) -> Nanos {
    Nanos::new((time.get() as f64 * factor).round() as u64)
}

/// Times in which the server answers nothing: from `offset` on, the first `length` of every `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stalls {
    period: Nanos,
    length: Nanos,
    offset: Nanos,
}

impl Stalls {
    /// Stalls at `offset`, `offset + period`, ... after the server's anchor, each `length` long (its end not included).
    ///
    /// # Errors
    /// Where `length` is 0 or not below `period`: such a server would never answer again.
    pub fn new(period: Nanos, length: Nanos, offset: Nanos) -> Result<Self, ScriptError> {
        if length == Nanos::ZERO || length >= period {
            return Err(ScriptError::Stalls { period, length });
        }
        Ok(Self { period, length, offset })
    }

    /// `moment`, or the end of the stall that it falls in.
    pub fn release(&self, moment: Nanos) -> Nanos {
        if moment < self.offset {
            return moment;
        }
        let into = Nanos::new((moment - self.offset).get() % self.period.get());
        if into < self.length { moment + (self.length - into) } else { moment }
    }
}

/// When a request that arrived at `arrival` and takes `delay` is due. See the head of this module.
pub fn due(arrival: Nanos, delay: Nanos, stalls: Option<&Stalls>) -> Nanos {
    match stalls {
        None => arrival + delay,
        Some(stalls) => stalls.release(stalls.release(arrival) + delay),
    }
}

/// When it is due where a server that is busy until some moment takes it up next; it is busy until then.
pub fn queued(arrival: Nanos, busy_until: &mut Nanos, delay: Nanos, stalls: Option<&Stalls>) -> Nanos {
    *busy_until = due(arrival.max(*busy_until), delay, stalls);
    *busy_until
}

/// The true response times (due - arrival) of requests that arrive at those times and draw those delays.
pub fn truth<'a>(
    requests: impl IntoIterator<Item = (Nanos, Nanos)> + 'a,
    stalls: Option<&'a Stalls>,
) -> impl Iterator<Item = Nanos> + 'a {
    requests.into_iter().map(move |(arrival, delay)| due(arrival, delay, stalls) - arrival)
}

/// A number in [0, 1), a function of its arguments alone: 53 bits of a hash.
pub(super) fn uniform(seed: u64, stream: u64, number: u64) -> f64 {
    let hash = splitmix64(splitmix64(splitmix64(seed) ^ stream) ^ number);
    unit_interval(hash)
}

/// A standard normal number by the Box-Muller transform (Box and Muller, 1958) of two uniform ones.
fn normal(seed: u64, stream: u64, number: u64) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(seed, stream, number)).ln()).sqrt();
    let angle = std::f64::consts::TAU * uniform(!seed, stream, number);
    radius * angle.cos()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn ms(millis: u64) -> Nanos {
        Nanos::from_millis(millis)
    }

    /// Nearest rank: the smallest value that at least a share `q` of all does not exceed.
    fn quantile(sorted: &[Nanos], q: f64) -> Nanos {
        sorted[((q * sorted.len() as f64).ceil() as usize).max(1) - 1]
    }

    #[test]
    fn each_case_of_a_stall_is_due_as_the_law_says() {
        let stalls = Stalls::new(ms(5_000), ms(1_000), ms(4_000)).unwrap();
        for (arrival, delay, expected, meaning) in [
            (0, 2, 2, "before the first stall"),
            (3_990, 2, 3_992, "answered before it begins"),
            (3_998, 2, 5_000, "due at its first instant: waits for its end"),
            (3_999, 2, 5_000, "under way when it begins: answered at its end"),
            (4_000, 2, 5_002, "arrives at its first instant: taken up at its end"),
            (4_700, 2, 5_002, "arrives within it"),
            (4_999, 2, 5_002, "arrives in its last millisecond"),
            (5_000, 2, 5_002, "its end does not belong to it"),
            (4_500, 4_500, 10_000, "taken up at the end of one, due within the next"),
            (3_999, 4_500, 8_499, "a delay that spans a whole stall is not prolonged by it"),
        ] {
            assert_eq!(due(ms(arrival), ms(delay), Some(&stalls)), ms(expected), "{meaning}");
        }
    }

    #[test]
    fn a_request_that_finds_the_server_busy_waits_for_its_turn() {
        let mut busy_until = Nanos::ZERO;
        for (arrival, delay, expected, meaning) in [
            (10, 5, 15, "finds it idle"),
            (12, 5, 20, "waits for the one before"),
            (12, 1, 21, "and so does the next of the same moment"),
            (30, 5, 35, "finds it idle again"),
        ] {
            assert_eq!(queued(ms(arrival), &mut busy_until, ms(delay), None), ms(expected), "{meaning}");
        }
    }

    #[test]
    fn the_stall_table_of_the_comparison_with_other_tools_comes_out() {
        // 200/s for 20 s, 2 ms, stopped for 1 s in every 5 s: a fifth of the requests wait, evenly spread over 1 s.
        let stalls = Stalls::new(ms(5_000), ms(1_000), ms(4_000)).unwrap();
        let requests = (0..4_000).map(|k| (ms(5 * k), ms(2)));
        let mut responses: Vec<_> = truth(requests, Some(&stalls)).collect();
        responses.sort_unstable();
        for (q, expected) in [(0.5, 2), (0.9, 502), (0.95, 752), (0.99, 952), (1.0, 1_002)] {
            assert_eq!(quantile(&responses, q), ms(expected), "p{}", q * 100.0);
        }
    }

    #[test]
    fn drawn_delays_have_the_quantiles_of_their_distribution() {
        let draws = |delay: Delay| {
            let mut drawn: Vec<_> = (0..200_000).map(|k| delay.draw(42, 0, k)).collect();
            drawn.sort_unstable();
            drawn
        };
        // Tables: ln 2, ln 10, ln 100; z(0.9) = 1.2816, z(0.99) = 2.3263. Bounds: 5 sampling errors or more.
        let exponential = draws(Delay::Exponential { mean: ms(10) });
        for (q, expected, share) in [(0.5, 6.931, 0.02), (0.9, 23.026, 0.02), (0.99, 46.052, 0.03)] {
            let found = quantile(&exponential, q).get() as f64 / MS as f64;
            assert!((found / expected - 1.0).abs() < share, "exponential p{q}: {found}");
        }
        let log_normal = draws(Delay::LogNormal { median: ms(10), sigma: 0.5 });
        for (q, expected, share) in
            [(0.1, 5.269, 0.02), (0.5, 10.0, 0.01), (0.9, 18.98, 0.02), (0.99, 32.0, 0.03)]
        {
            let found = quantile(&log_normal, q).get() as f64 / MS as f64;
            assert!((found / expected - 1.0).abs() < share, "log-normal p{q}: {found}");
        }
        let two = draws(Delay::TwoPoint { a: ms(1), b: ms(50), share: Fraction::new(0.05).unwrap() });
        let slow = two.iter().filter(|&&delay| delay == ms(50)).count();
        // 10,000 expected; sd = sqrt(200,000 x 0.05 x 0.95) = 97.5.
        assert!((9_512..=10_488).contains(&slow), "{slow}");
        assert!(two.iter().all(|&delay| delay == ms(1) || delay == ms(50)));
    }

    #[test]
    fn draws_repeat_under_one_seed_and_differ_between_seeds_and_calls() {
        let delay = Delay::Exponential { mean: ms(1) };
        let row = |seed, stream| (0..20).map(|k| delay.draw(seed, stream, k)).collect::<Vec<_>>();
        assert_eq!(row(1, 0), row(1, 0));
        assert_ne!(row(1, 0), row(2, 0));
        assert_ne!(row(1, 0), row(1, 1));
    }

    #[test]
    fn stalls_without_an_end_are_refused() {
        for (period, length) in [(0, 0), (5, 0), (5, 5), (5, 6)] {
            assert!(Stalls::new(ms(period), ms(length), Nanos::ZERO).is_err(), "{length} of {period}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_due_early_nor_within_a_stall(
            arrival in 0_u64..100_000, delay in 0_u64..10_000,
            period in 2_u64..5_000, share in 0.01_f64..0.99, offset in 0_u64..10_000,
        ) {
            let length = ((period as f64 * share) as u64).clamp(1, period - 1);
            let stalls = Stalls::new(Nanos::new(period), Nanos::new(length), Nanos::new(offset)).unwrap();
            let due = due(Nanos::new(arrival), Nanos::new(delay), Some(&stalls)).get();
            prop_assert!(due >= arrival + delay);
            prop_assert!(due < offset || (due - offset) % period >= length, "due within a stall");
            // At most one stall's rest is waited for at each end.
            prop_assert!(due <= arrival + delay + 2 * length);
        }
    }
}
