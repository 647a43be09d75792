//! Servers of known delays, and what a perfect measurement of them would say.

use std::time::Instant;

use crate::truth::{Delay, Existing, Rpc, Script, Stalls, due};
use crate::units::{Fraction, Nanos, Rate};

/// Dimensions of the vectors that are searched for.
pub const DIM: u32 = 128;
/// The stalls: so long...
const STALL: Nanos = Nanos::from_secs(1);
/// ... in every so long.
const STALL_EVERY: Nanos = Nanos::from_secs(5);

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Windows long enough for p99 to be told; p99.9 of the stalls too few.
    Quick,
    /// Windows of this length where one is given, else 15 s; p99.9 of the stalls included.
    Full(Option<Nanos>),
}

/// One server of known delays and the open loop that is put on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    pub name: &'static str,
    /// Its delays in words.
    pub delays: &'static str,
    delay: Delay,
    stalls: bool,
    /// Requests per second, one at every multiple of its inverse.
    pub rate: Rate,
    pub warmup: Nanos,
    /// The measured window; with stalls, whole periods of them.
    pub window: Nanos,
}

impl Scenario {
    /// All of them. The shares of the two-point one lie between the percentiles that are judged: where a percentile
    /// falls on the step between two values, chance decides which of them it is.
    pub fn all(set: Set) -> Vec<Self> {
        let two_point = Delay::TwoPoint {
            a: Nanos::from_millis(1),
            b: Nanos::from_millis(20),
            share: Fraction::new(0.03).unwrap_or(Fraction::ZERO), // is within 0 and 1
        };
        let constant = Delay::Constant(Nanos::from_millis(2));
        let (exponential, log_normal) = (
            Delay::Exponential { mean: Nanos::from_millis(5) },
            Delay::LogNormal { median: Nanos::from_millis(5), sigma: 0.5 },
        );
        [
            ("constant", "2 ms", constant, false),
            ("two-point", "1 ms, 3% of them 20 ms", two_point, false),
            ("exponential", "mean 5 ms", exponential, false),
            ("log-normal", "median 5 ms, sigma 0.5", log_normal, false),
            ("stalls", "2 ms, stops 1 s in 5 s", constant, true),
        ]
        .into_iter()
        .filter_map(|(name, delays, delay, stalls)| {
            // Both are above 0: none is left out.
            let rate = Rate::per_second(if stalls { 200.0 } else { 1_000.0 }).ok()?;
            let (warmup, window) = (set.warmup(), set.window(stalls));
            Some(Self { name, delays, delay, stalls, rate, warmup, window })
        })
        .collect()
    }

    /// What the server is told. Its stalls count from its own start; [`Scenario::truths`] is told when that was.
    pub fn script(&self, seed: u64) -> Script {
        Script {
            seed,
            search: self.delay,
            stalls: self.law_of_stalls(),
            existing: Some(Existing { dim: DIM, rows: 1_000 }),
            ..Script::default()
        }
    }

    /// Requests due before the window, which the server numbers first.
    pub fn warming(&self) -> u64 {
        self.due_before(self.warmup)
    }

    /// Requests due in the window.
    pub fn planned(&self) -> u64 {
        self.due_before(self.warmup + self.window) - self.warming()
    }

    /// What a perfect measurement would say: for every request of the window, the time from its due moment to the
    /// server's answer by its law, had it arrived at once. `start` and `server` are the moments at which the run's
    /// clock and the server's began.
    ///
    /// The server draws in the order of arrival. Should two requests at the edge of the window change places, the
    /// draws of the window differ by one.
    pub fn truths(&self, script: &Script, start: Instant, server: Instant) -> Vec<Nanos> {
        let (ahead, behind) =
            (start.saturating_duration_since(server), server.saturating_duration_since(start));
        (self.warming()..self.warming() + self.planned())
            .map(|number| {
                let arrival = self.due_at(number) + Nanos::from(ahead) - Nanos::from(behind);
                due(arrival, script.delay_of(Rpc::Search, number), script.stalls.as_ref()) - arrival
            })
            .collect()
    }

    /// Whether p99.9 is judged: stalls have it by arithmetic, the others from 100,000 samples on. Fewer than 10,000
    /// say nothing about it.
    pub fn judges_p999(&self) -> bool {
        self.planned() >= if self.stalls { 10_000 } else { 100_000 }
    }

    /// The workload that drives it: every request unsampled and told so, as in production.
    pub fn workload(&self) -> String {
        let (rate, warmup, window) = (self.rate.get(), self.warmup.get(), self.window.get());
        format!(
            "{WORKLOAD}[load]\nrate = {rate}\narrival = \"constant\"\nwarmup = \"{warmup}ns\"\nduration = \"{window}ns\"\n\
             max_in_flight = 10000\n"
        )
    }

    fn law_of_stalls(&self) -> Option<Stalls> {
        // Shorter than their period: they are a law.
        self.stalls.then(|| Stalls::new(STALL_EVERY, STALL, Nanos::ZERO).ok()).flatten()
    }

    /// Arrival `number` is due at `number` / rate.
    fn due_at(&self, number: u64) -> Nanos {
        Nanos::new((number as f64 / self.rate.get() * 1e9).round() as u64)
    }

    fn due_before(&self, moment: Nanos) -> u64 {
        let about = (moment.get() as f64 * self.rate.get() / 1e9) as u64;
        // Decided by the arrivals themselves: the product may have been rounded either way.
        (about.saturating_sub(1)..).find(|&number| self.due_at(number) >= moment).unwrap_or(about)
    }
}

impl Set {
    const fn warmup(self) -> Nanos {
        match self {
            Self::Quick => Nanos::from_millis(200),
            Self::Full(_) => Nanos::from_secs(1),
        }
    }

    fn window(self, stalls: bool) -> Nanos {
        match (self, stalls) {
            (Self::Quick, false) => Nanos::from_secs(2),
            (Self::Quick, true) => STALL_EVERY,
            (Self::Full(None), false) => Nanos::from_secs(15),
            // 10,000 requests: enough for p99.9.
            (Self::Full(None), true) => Nanos::from_secs(50),
            (Self::Full(Some(window)), false) => window,
            (Self::Full(Some(window)), true) => {
                Nanos::new(window.get().div_ceil(STALL_EVERY.get()) * STALL_EVERY.get())
            }
        }
    }
}

/// What all workloads of a calibration have in common: searches in a collection that is there, nothing sampled.
pub const WORKLOAD: &str = "\
[collection]
name = \"calibration\"
prepare = \"never\"
[data]
queries = 1000
[[operations]]
kind = \"search\"
[trace]
sample_fraction = 0.0
";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn scenario(name: &str, set: Set) -> Scenario {
        Scenario::all(set).into_iter().find(|scenario| scenario.name == name).unwrap()
    }

    /// Sorted, in milliseconds.
    fn truths(scenario: &Scenario, ahead: Duration) -> Vec<f64> {
        let server = Instant::now();
        let truths = scenario.truths(&scenario.script(5), server + ahead, server);
        assert_eq!(truths.len() as u64, scenario.planned());
        let mut truths: Vec<_> = truths.into_iter().map(|truth| truth.as_micros_f64() / 1e3).collect();
        truths.sort_by(f64::total_cmp);
        truths
    }

    fn at(sorted: &[f64], per_1_000: usize) -> f64 {
        sorted[(per_1_000 * sorted.len()).div_ceil(1_000) - 1]
    }

    /// Means and quantiles by formula; the bounds are 5 standard errors of a quantile, sqrt(q(1-q)/n)/density, at n
    /// = 15,000.
    #[test]
    fn the_truth_is_that_of_the_published_closed_forms() {
        let full = |name| truths(&scenario(name, Set::Full(None)), Duration::from_millis(123));
        assert!(full("constant").iter().all(|&truth| truth == 2.0));
        let two_point = full("two-point");
        assert_eq!([500, 950, 990].map(|q| at(&two_point, q)), [1.0, 1.0, 20.0]);
        let exponential = full("exponential");
        // -5 ln(1 - q)
        for (q, expected, bound) in [(500, 3.466, 0.205), (900, 11.513, 0.613), (990, 23.026, 2.04)] {
            assert!((at(&exponential, q) - expected).abs() < bound, "p{q}: {}", at(&exponential, q));
        }
        let log_normal = full("log-normal");
        // 5 exp(0.5 z); z(0.5) = 0, z(0.9) = 1.2816, z(0.99) = 2.3263
        for (q, expected, bound) in [(500, 5.0, 0.128), (900, 9.490, 0.332), (990, 16.0, 1.22)] {
            assert!((at(&log_normal, q) - expected).abs() < bound, "p{q}: {}", at(&log_normal, q));
        }
    }

    /// A fifth of the requests waits for the end of its stall, evenly spread over 1 s; one gap between requests is
    /// 5 ms.
    #[test]
    fn the_truth_of_the_stalls_is_that_of_the_table_wherever_they_begin() {
        for (ahead, set) in [(0, Set::Quick), (1_234, Set::Quick), (4_321, Set::Full(None))] {
            let stalls = truths(&scenario("stalls", set), Duration::from_millis(ahead));
            assert_eq!(at(&stalls, 500), 2.0);
            for (q, expected) in [(900, 502.0), (950, 752.0), (990, 952.0), (1_000, 1_002.0)] {
                assert!((at(&stalls, q) - expected).abs() <= 5.0, "p{q}: {}", at(&stalls, q));
            }
        }
    }

    #[test]
    fn windows_are_long_enough_for_what_is_judged() {
        for scenario in Scenario::all(Set::Quick) {
            assert!(scenario.planned() >= 1_000 && !scenario.judges_p999(), "{}", scenario.name);
        }
        for scenario in Scenario::all(Set::Full(None)) {
            assert_eq!(scenario.judges_p999(), scenario.name == "stalls");
        }
        let asked = scenario("stalls", Set::Full(Some(Nanos::from_secs(7))));
        assert_eq!(asked.window, Nanos::from_secs(10), "whole periods");
        assert!(scenario("constant", Set::Full(Some(Nanos::from_secs(100)))).judges_p999());
    }

    #[test]
    fn every_workload_loads() {
        for scenario in Scenario::all(Set::Quick) {
            let loaded = crate::workload::load_text("calibration", &scenario.workload(), &[]);
            loaded.unwrap_or_else(|error| panic!("{error}"));
        }
    }
}
