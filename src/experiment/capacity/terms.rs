//! What a search for the capacity is told, and whether a workload can be searched for it.

use std::time::Duration;

use crate::measure::Quantile;
use crate::units::Nanos;
use crate::workload::{Comparison, LoadModel, Rates, Statistic, Threshold, ThresholdMetric, Workload};

/// Load at a probe's rate before its window, for windows of 20 s or more; a quarter of a shorter one.
const WARMUP: Duration = Duration::from_secs(5);

/// A window that is too short for a percentile at a low rate is made so many times as long at most.
const MOST_LENGTHENED: f64 = 5.0;

/// Windows that a search takes at least.
pub const FEWEST_WINDOWS: u32 = 10;

/// The stream whose rate is searched.
const STREAM: &str = "load";

/// How a search is carried out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Length of a probe's window.
    pub window: Duration,
    /// What the probes take together, at most.
    pub budget: Duration,
    /// Decides every probe's arrivals.
    pub seed: u64,
}

/// Why no capacity can be searched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsuitable {
    /// A closed loop has no rate to search.
    #[error(
        "capacity searches the highest rate, and {stream} is a closed loop of {concurrency} request(s): remove its concurrency \
         and give load.rate, or add --start-rate 100, which beats load.concurrency"
    )]
    Closed {
        /// Its name.
        stream: String,
        /// Its width.
        concurrency: u32,
    },
    /// A rate that changes by itself.
    #[error(
        "capacity searches one rate, and that of {stream} changes in stages: give a rate in place of stages, or add \
         --start-rate 100, which beats load.stages"
    )]
    Staged {
        /// The stream.
        stream: String,
    },
    /// No operation takes part in `[load]`.
    #[error(
        "capacity varies load.rate, and every operation has a rate of its own: remove the rate of those that are meant, so that \
         they share load.rate by their weight"
    )]
    NoLoad,
    /// Nothing to hold.
    #[error(
        "there is no service level to hold: give one such as --slo '{operation}.response.p99 < 20ms, errors < 0.1%', or \
         [thresholds] in the workload file"
    )]
    NoSlo {
        /// An operation of the workload.
        operation: String,
    },
    /// A condition that higher rates may meet and lower ones not.
    #[error(
        "{expression}: capacity searches the highest rate up to which the service level holds, and this asks for more, which a \
         lower rate does not give: leave it out, and bound response times or errors from above (< or <=)"
    )]
    AsksForMore {
        /// The condition.
        expression: String,
    },
    /// A percentile that no window of this length tells.
    #[error(
        "{expression} takes {needed} requests of {operation} in a window, and at its own rate of {rate}/s the {window} of \
         --window hold {offered}: give --window {}s, or a lower percentile", enough.as_secs_f64()
    )]
    FixedRate {
        /// The condition.
        expression: String,
        /// The operation.
        operation: String,
        /// Its rate.
        rate: String,
        /// The window.
        window: Nanos,
        /// Requests in it.
        offered: u64,
        /// Requests that it takes.
        needed: u64,
        /// A window that would do.
        enough: Nanos,
    },
    /// Too little time.
    #[error(
        "a budget of {budget} holds {windows} windows with their warm-up ({each} each), and a search takes {FEWEST_WINDOWS} or \
         more: give --budget {}s or longer, or a shorter --window", enough.as_secs_f64()
    )]
    Budget {
        /// As given.
        budget: Nanos,
        /// That fit.
        windows: u64,
        /// Each with its warm-up.
        each: Nanos,
        /// What would do.
        enough: Nanos,
    },
}

impl Terms {
    /// The length of the windows that a capacity is defined by.
    pub const DEFINED: Duration = Duration::from_secs(20);

    /// Load at the probe's rate before its window.
    pub fn warmup(&self) -> Duration {
        WARMUP.min(self.window / 4)
    }

    /// A window and what comes before it.
    pub fn each(&self) -> Duration {
        self.warmup() + self.window
    }

    /// # Errors
    /// Where the workload has no one rate to search, nothing to hold, or there is no time for a search.
    pub fn check(&self, workload: &Workload) -> Result<(), Unsuitable> {
        for stream in &workload.load.streams {
            match &stream.model {
                LoadModel::Closed { concurrency } => {
                    return Err(Unsuitable::Closed {
                        stream: stream.name.clone(),
                        concurrency: *concurrency,
                    });
                }
                LoadModel::Open { rate: Rates::Staged { .. }, .. } => {
                    return Err(Unsuitable::Staged { stream: stream.name.clone() });
                }
                LoadModel::Open { rate: Rates::Constant(_), .. } => {}
            }
        }
        if !workload.load.streams.iter().any(|stream| stream.name == STREAM) {
            return Err(Unsuitable::NoLoad);
        }
        if workload.thresholds.is_empty() {
            let operation = workload.operations.first().map_or_else(String::new, |first| first.name.clone());
            return Err(Unsuitable::NoSlo { operation });
        }
        if let Some(threshold) = workload.thresholds.iter().find(|threshold| asks_for_more(threshold)) {
            return Err(Unsuitable::AsksForMore { expression: threshold.expression.clone() });
        }
        self.check_fixed_rates(workload)?;
        self.check_budget()
    }

    fn check_budget(&self) -> Result<(), Unsuitable> {
        let each = self.each();
        let windows = self.budget.as_nanos() / each.as_nanos().max(1);
        if windows >= u128::from(FEWEST_WINDOWS) {
            return Ok(());
        }
        Err(Unsuitable::Budget {
            budget: self.budget.into(),
            windows: u64::try_from(windows).unwrap_or(u64::MAX),
            each: each.into(),
            enough: (each * FEWEST_WINDOWS).into(),
        })
    }

    /// Operations whose rate is not searched offer the same in every window.
    fn check_fixed_rates(&self, workload: &Workload) -> Result<(), Unsuitable> {
        for threshold in &workload.thresholds {
            let Some((operation, needed)) = needed(threshold) else { continue };
            let Some(rate) = fixed_rate(workload, operation) else { continue };
            let expected = with_margin(needed);
            if rate * self.window.as_secs_f64() < expected {
                return Err(Unsuitable::FixedRate {
                    expression: threshold.expression.clone(),
                    operation: operation.to_owned(),
                    rate: rate.to_string(),
                    window: self.window.into(),
                    offered: (rate * self.window.as_secs_f64()) as u64,
                    needed,
                    enough: Nanos::from_secs((expected / rate).ceil() as u64),
                });
            }
        }
        Ok(())
    }

    /// Requests per second of the searched rate times seconds of the window, so that every percentile that is asked for has its
    /// samples; 0 where none is.
    fn samples(workload: &Workload) -> f64 {
        let of = |threshold: &Threshold| {
            let (operation, needed) = needed(threshold)?;
            Some(with_margin(needed) / searched_share(workload, operation)?)
        };
        workload.thresholds.iter().filter_map(of).fold(0.0, f64::max)
    }

    /// The lowest rate that can be tried, in requests per second: below it even the longest window has too few samples.
    pub fn lowest_rate(&self, workload: &Workload) -> f64 {
        let longest = self.window.as_secs_f64() * MOST_LENGTHENED;
        // One request in the longest window is the least that says anything.
        Self::samples(workload).max(1.0) / longest
    }

    /// The window of a probe at that rate: longer where the percentiles need it.
    pub fn window_at(&self, workload: &Workload, rate: f64) -> Duration {
        let needed = Duration::from_secs_f64(Self::samples(workload) / rate);
        let longest = self.window.mul_f64(MOST_LENGTHENED);
        // In whole milliseconds, which a report tells.
        let window = self.window.max(needed.min(longest));
        Duration::from_millis(u64::try_from(window.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

/// What rises with the rate as long as the server keeps up, or is bounded from below.
fn asks_for_more(threshold: &Threshold) -> bool {
    matches!(threshold.metric, ThresholdMetric::Rate { .. })
        || matches!(threshold.comparison, Comparison::Greater | Comparison::AtLeast)
}

/// The operation of a percentile, and how many of its requests a window must hold.
fn needed(threshold: &Threshold) -> Option<(&str, u64)> {
    match &threshold.metric {
        ThresholdMetric::Time { operation, statistic: Statistic::Quantile(share), .. } => {
            Some((operation, Quantile::new(*share)?.enough_offered()))
        }
        ThresholdMetric::Time { .. } | ThresholdMetric::Errors { .. } | ThresholdMetric::Rate { .. } => None,
    }
}

/// So many on average that there are enough in nearly every window: four standard deviations of a Poisson count more.
fn with_margin(needed: u64) -> f64 {
    let needed = needed as f64;
    needed + 4.0 * needed.sqrt()
}

/// The share of an operation in the searched stream, 0 to 1; `None` where it has a stream of its own.
fn searched_share(workload: &Workload, operation: &str) -> Option<f64> {
    let index = workload.operations.iter().position(|one| one.name == operation)?;
    let stream = workload.load.streams.iter().find(|stream| stream.name == STREAM)?;
    let total: f64 = stream.shares.iter().map(|(_, weight)| weight).sum();
    stream.shares.iter().find(|(place, _)| *place == index).map(|(_, weight)| weight / total)
}

/// The rate of an operation that has a stream of its own.
fn fixed_rate(workload: &Workload, operation: &str) -> Option<f64> {
    let stream =
        workload.load.streams.iter().find(|stream| stream.name == operation && stream.name != STREAM)?;
    match &stream.model {
        LoadModel::Open { rate, .. } => Some(rate.highest()),
        LoadModel::Closed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Override, load_text};

    fn workload(load: &str, operations: &str, slo: &str) -> Workload {
        let text = format!("[load]\n{load}\n{operations}\n[thresholds]\n{slo}\n");
        load_text("w", &text, &[]).unwrap()
    }

    const SEARCH: &str = "[[operations]]\nkind = \"search\"";
    const P99: &str = "\"search.response.p99\" = \"< 20ms\"";

    fn terms(window: u64) -> Terms {
        Terms { window: Duration::from_secs(window), budget: Duration::from_secs(900), seed: 1 }
    }

    #[test]
    fn a_workload_without_one_rate_to_search_is_refused_with_the_remedy() {
        let refused = |load: &str, operations: &str, slo: &str| {
            terms(20).check(&workload(load, operations, slo)).unwrap_err().to_string()
        };
        assert!(refused("concurrency = 4", SEARCH, P99).contains("--start-rate"));
        let stages = "stages = [{rate = 1, duration = \"1s\"}, {ramp_to = 2, duration = \"1s\"}]";
        assert!(refused(stages, SEARCH, P99).contains("stages"));
        assert!(refused("rate = 10", SEARCH, "").contains("--slo 'search.response.p99 < 20ms"));
        assert!(refused("", &format!("{SEARCH}\nrate = 10"), P99).contains("weight"));
        assert!(terms(20).check(&workload("rate = 10", SEARCH, P99)).is_ok());
    }

    #[test]
    fn a_service_level_that_asks_for_more_is_refused() {
        for slo in [
            "\"search.succeeded_per_s\" = \">= 50\"",
            "\"search.succeeded_per_s\" = \"< 50\"",
            "\"search.response.p99\" = \"> 1ms\"",
            "errors = \">= 1%\"",
        ] {
            let refused = terms(20).check(&workload("rate = 10", SEARCH, slo));
            assert!(matches!(refused, Err(Unsuitable::AsksForMore { .. })), "{slo}: {refused:?}");
        }
        assert!(terms(20).check(&workload("rate = 10", SEARCH, "errors = \"<= 1%\"")).is_ok());
    }

    #[test]
    fn a_start_rate_makes_an_open_loop_of_a_closed_one() {
        let text = format!("[load]\nconcurrency = 4\n{SEARCH}\n[thresholds]\n{P99}\n");
        let flag = Override::flag("--start-rate", "load.rate", "100");
        let open = load_text("w", &text, &[flag]).unwrap();
        assert_eq!(terms(20).check(&open), Ok(()));
    }

    #[test]
    fn there_is_time_for_ten_windows_or_it_says_how_much_it_takes() {
        let short = Terms { budget: Duration::from_secs(249), ..terms(20) };
        let told = short.check(&workload("rate = 10", SEARCH, P99)).unwrap_err().to_string();
        assert!(told.contains("9 windows") && told.contains("--budget 250s"), "{told}");
        let enough = Terms { budget: Duration::from_secs(250), ..terms(20) };
        assert_eq!(enough.check(&workload("rate = 10", SEARCH, P99)), Ok(()));
    }

    #[test]
    fn at_a_low_rate_the_window_is_as_long_as_its_percentile_needs() {
        let one = workload("rate = 10", SEARCH, P99);
        // p99 takes 1,000 requests; with four standard deviations 1,126.5.
        assert_eq!(terms(20).window_at(&one, 100.0), Duration::from_secs(20));
        assert_eq!(terms(20).window_at(&one, 50.0), Duration::from_millis(22_530));
        assert_eq!(terms(20).window_at(&one, 1.0), Duration::from_secs(100), "at most five times");
        assert!((terms(20).lowest_rate(&one) - 11.2649).abs() < 1e-3);
        let half = format!("{SEARCH}\n[[operations]]\nkind = \"insert\"");
        let half = workload("rate = 10", &half, P99);
        assert!((terms(20).lowest_rate(&half) - 22.5298).abs() < 1e-3, "half of the requests are searches");
        let mean = workload("rate = 10", SEARCH, "\"search.response.mean\" = \"< 20ms\"");
        assert_eq!(terms(20).window_at(&mean, 1.0), Duration::from_secs(20));
    }

    #[test]
    fn a_percentile_of_an_operation_whose_rate_stays_is_refused_where_no_window_tells_it() {
        let two = format!("{SEARCH}\n[[operations]]\nkind = \"insert\"\nrate = 10");
        let slo = "\"insert.response.p99\" = \"< 20ms\"";
        let told = terms(20).check(&workload("rate = 100", &two, slo)).unwrap_err().to_string();
        assert!(told.contains("--window 113s") && told.contains("hold 200"), "{told}");
        assert_eq!(
            Terms { budget: Duration::from_secs(9_000), ..terms(113) }.check(&workload(
                "rate = 100",
                &two,
                slo
            )),
            Ok(())
        );
    }
}
