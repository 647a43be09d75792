//! The numbers of a run that are compared: their names, and their values in a report.

use crate::measure::{HistogramError, Quantile};
use crate::report::RunReport;
use crate::report::experiment::{Direction, NoValue, Unit};
use crate::report::model::{Dist, Operation, UnknownReason};
use crate::stats::{Interval, NotTold, Ranked, Summary, quantile_difference, welch};

/// One number of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricKey {
    /// As thresholds spell it.
    pub name: String,
    number: Number,
}

#[derive(Clone, Debug, PartialEq)]
enum Number {
    Quantile { operation: String, clock: Clock, quantile: Quantile },
    Mean { operation: String, clock: Clock },
    SucceededPerSecond { operation: String },
    Errors { operation: String },
    GeneratorCpu,
    ServerCpu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Response,
    Service,
}

/// Those of the response times that are always looked at.
const RESPONSE: [(&str, Quantile); 4] =
    [("p50", Quantile::P50), ("p90", Quantile::P90), ("p99", Quantile::P99), ("p99.9", Quantile::P999)];

/// All that is compared of runs with these operations, whether or not a run tells it.
pub fn of_operations<'a>(operations: impl IntoIterator<Item = &'a str>) -> Vec<MetricKey> {
    let mut keys = Vec::new();
    for operation in operations {
        keys.extend(RESPONSE.map(|(statistic, _)| format!("{operation}.response.{statistic}")));
        keys.extend(
            ["response.mean", "service.p50", "succeeded_per_s", "errors"]
                .map(|number| format!("{operation}.{number}")),
        );
    }
    keys.extend([GENERATOR_CPU, SERVER_CPU].map(str::to_owned));
    keys.iter().filter_map(|name| MetricKey::parse(name)).collect()
}

const GENERATOR_CPU: &str = "generator.cpu_us_per_request";
const SERVER_CPU: &str = "server.cpu_us_per_request";

impl MetricKey {
    /// Reads a name such as `search.response.p99`; `None` where it is none.
    pub fn parse(name: &str) -> Option<Self> {
        let number = match name {
            GENERATOR_CPU => Number::GeneratorCpu,
            SERVER_CPU => Number::ServerCpu,
            _ => number(name)?,
        };
        Some(Self { name: name.to_owned(), number })
    }

    /// The operation that it is of; `None`: all of them.
    pub fn operation(&self) -> Option<&str> {
        match &self.number {
            Number::Quantile { operation, .. }
            | Number::Mean { operation, .. }
            | Number::SucceededPerSecond { operation }
            | Number::Errors { operation } => Some(operation),
            Number::GeneratorCpu | Number::ServerCpu => None,
        }
    }

    /// Whether a comparison can be decided on it. A share of errors has no relative change where there were none: thresholds judge
    /// it.
    pub fn can_decide(&self) -> bool {
        self.unit() != Unit::Share
    }

    /// Whether one run tells how far chance alone may have moved it.
    pub fn has_interval_within_runs(&self) -> bool {
        matches!(self.number, Number::Quantile { .. } | Number::Mean { .. })
    }

    /// In what it is counted.
    pub fn unit(&self) -> Unit {
        match self.number {
            Number::SucceededPerSecond { .. } => Unit::PerSecond,
            Number::Errors { .. } => Unit::Share,
            _ => Unit::Microseconds,
        }
    }

    /// Which way it is better.
    pub fn better(&self) -> Direction {
        match self.number {
            Number::SucceededPerSecond { .. } => Direction::Higher,
            _ => Direction::Lower,
        }
    }

    /// Its value in a run.
    ///
    /// # Errors
    /// Where a histogram of the report cannot be read.
    pub fn value(&self, report: &RunReport) -> Result<Result<f64, NoValue>, HistogramError> {
        let of = |name: &String| report.operations.get(name);
        let told = |value: Option<f64>| value.ok_or(NoValue::NotTold);
        Ok(match &self.number {
            Number::Quantile { operation, clock, quantile } => match of(operation) {
                Some(operation) => {
                    clock.of(operation).quantile_us(operation.offered, *quantile)?.map_err(no_value)
                }
                None => Err(NoValue::NotTold),
            },
            Number::Mean { operation, clock } => match of(operation) {
                Some(operation) => clock.of(operation).mean_us.ok_or(match operation.offered {
                    0 => NoValue::TooFew,
                    _ => NoValue::Unanswered,
                }),
                None => Err(NoValue::NotTold),
            },
            Number::SucceededPerSecond { operation } => told(of(operation).and_then(|o| o.succeeded_per_s)),
            Number::Errors { operation } => told(of(operation).and_then(error_share)),
            Number::GeneratorCpu => told(report.resources.generator.cpu_us_per_request),
            Number::ServerCpu => told(server_cpu(report)),
        })
    }

    /// How much more `candidate` has than `baseline`, as a share of the baseline, with the 95 % interval that chance within these two runs
    /// leaves; `None` where there is no such interval.
    ///
    /// # Errors
    /// Where a histogram of a report cannot be read.
    pub fn within_runs(
        &self,
        candidate: &RunReport,
        baseline: &RunReport,
    ) -> Result<Option<Interval>, HistogramError> {
        let dists = |operation: &String, clock: Clock| {
            let of = |report: &'_ RunReport| {
                report.operations.get(operation).map(|o| (o.offered, clock.of(o).clone()))
            };
            of(candidate).zip(of(baseline))
        };
        let (difference, base) = match &self.number {
            Number::Quantile { operation, clock, quantile } => {
                let Some((one, zero)) = dists(operation, *clock) else { return Ok(None) };
                let Ok(base) = zero.1.quantile_us(zero.0, *quantile)? else { return Ok(None) };
                (between_quantiles(&one, &zero, *quantile)?.ok(), base)
            }
            Number::Mean { operation, clock } => {
                let Some((one, zero)) = dists(operation, *clock) else { return Ok(None) };
                let Some(base) = zero.1.mean_us else { return Ok(None) };
                (between_means(&one.1, &zero.1), base)
            }
            _ => return Ok(None),
        };
        Ok(difference.filter(|_| base > 0.0).map(|difference| difference.map(|micros| micros / base)))
    }
}

impl Clock {
    fn of(self, operation: &Operation) -> &Dist {
        match self {
            Self::Response => &operation.response,
            Self::Service => &operation.service,
        }
    }
}

fn number(name: &str) -> Option<Number> {
    let (operation, rest) = name.split_once('.').filter(|(operation, _)| !operation.is_empty())?;
    let operation = operation.to_owned();
    let (clock, statistic) = match rest {
        "errors" => return Some(Number::Errors { operation }),
        "succeeded_per_s" => return Some(Number::SucceededPerSecond { operation }),
        _ => rest.split_once('.')?,
    };
    let clock = match clock {
        "response" => Clock::Response,
        "service" => Clock::Service,
        _ => return None,
    };
    if statistic == "mean" {
        return Some(Number::Mean { operation, clock });
    }
    let percent: f64 = statistic.strip_prefix('p')?.parse().ok()?;
    Some(Number::Quantile { operation, clock, quantile: Quantile::new(percent / 100.0)? })
}

fn no_value(unknown: UnknownReason) -> NoValue {
    match unknown {
        UnknownReason::Unanswered => NoValue::Unanswered,
        UnknownReason::TooFew => NoValue::TooFew,
        UnknownReason::Saturated => NoValue::Saturated,
    }
}

fn error_share(operation: &Operation) -> Option<f64> {
    let unsuccessful = operation.offered.saturating_sub(operation.succeeded);
    (operation.offered > 0).then(|| unsuccessful as f64 / operation.offered as f64)
}

/// CPU of the server over all that was sent, the warm-up included, as its CPU is.
fn server_cpu(report: &RunReport) -> Option<f64> {
    let seconds = report.resources.server.as_ref()?.cpu_s?;
    let sent: u64 = report.operations.values().map(|operation| operation.lag.count + operation.warmup).sum();
    (sent > 0).then(|| seconds * 1e6 / sent as f64)
}

fn between_quantiles(
    (one_offered, one): &(u64, Dist),
    (zero_offered, zero): &(u64, Dist),
    quantile: Quantile,
) -> Result<Result<Interval, NotTold>, HistogramError> {
    let (one, zero) = (one.timings()?, zero.timings()?);
    let known = |timings: &crate::measure::Timings<u64>, rank: u64| {
        let known = timings.count() - timings.saturated().min(timings.count());
        if rank > known {
            return None;
        }
        timings.at_ranks(&[rank]).first().map(|span| span.as_micros_f64())
    };
    let (at_one, at_zero) = (|rank| known(&one, rank), |rank| known(&zero, rank));
    let candidate = Ranked { sent: *one_offered, at: &at_one };
    let baseline = Ranked { sent: *zero_offered, at: &at_zero };
    Ok(quantile_difference(candidate, baseline, quantile.share()))
}

fn between_means(one: &Dist, zero: &Dist) -> Option<Interval> {
    let of = |dist: &Dist| Some(Summary::from_population(dist.count, dist.mean_us?, dist.stddev_us?));
    welch(of(zero)?, of(one)?).ok().map(|contrast| contrast.interval())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::compare::samples::report;

    #[track_caller]
    fn value(name: &str, report: &RunReport) -> Result<f64, NoValue> {
        MetricKey::parse(name).unwrap().value(report).unwrap()
    }

    #[test]
    fn every_number_is_found_under_the_name_that_thresholds_have_for_it() {
        let report = report(1..=1_000, 0);
        let near = |name, truth: f64| {
            let got = value(name, &report).unwrap();
            assert!((got / truth - 1.0).abs() < 1e-3, "{name}: {got}, not {truth}");
        };
        near("search.response.p50", 500_000.0);
        near("search.service.p90", 900_000.0);
        near("search.response.p12.5", 125_000.0);
        near("search.response.mean", 500_500.0);
        near("search.succeeded_per_s", 1_000.0);
        // 2.02 s over 1,000 requests of the window and 10 of the warm-up.
        near("server.cpu_us_per_request", 2_000.0);
        assert_eq!(value("generator.cpu_us_per_request", &report), Err(NoValue::NotTold));
        assert_eq!(value("search.response.p99.9", &report), Err(NoValue::TooFew));
        assert_eq!(value("insert.response.p50", &report), Err(NoValue::NotTold));
        for name in ["p50", ".response.p50", "search.lag.p50", "search.response.p100", "search.response.x"] {
            assert_eq!(MetricKey::parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_unsuccessful_count_as_infinitely_slow_and_as_errors() {
        let report = report(1..=800, 200);
        assert_eq!(value("search.response.p90", &report), Err(NoValue::Unanswered));
        assert_eq!(value("search.errors", &report), Ok(0.2));
        let got = value("search.response.p50", &report).unwrap();
        assert!((got - 500_000.0).abs() < 501.0, "the 500th of 1,000: {got}");
    }

    /// n = 1,000, q = 0.5: c = 1.95996 * 15.8114 = 30.99, ranks 470, 500, 532; the arms are 30 and 32 ms below and above, on both sides.
    #[test]
    fn within_two_runs_the_interval_is_that_of_order_statistics() {
        let (slow, fast) = (report(1_001..=2_000, 0), report(1..=1_000, 0));
        let interval =
            |name: &str, one, zero| MetricKey::parse(name).unwrap().within_runs(one, zero).unwrap().unwrap();
        let got = interval("search.response.p50", &slow, &fast);
        // The difference is 1,000 ms, the baseline 500 ms; low and high by sqrt(30^2 + 32^2) = 43.86 ms.
        let near = |got: f64, truth: f64| assert!((got - truth).abs() < 0.01, "{got}, not {truth}");
        near(got.estimate, 2.0);
        near(got.low, (1_000.0 - 43.86) / 500.0);
        near(got.high, (1_000.0 + 43.86) / 500.0);
        let same = interval("search.response.p50", &fast, &fast);
        assert!(same.estimate == 0.0 && same.low < 0.0 && same.high > 0.0);
        // Two of 1 to 1,000: sd 288.8194 over n - 1, standard error sqrt(2) * 288.8194 / sqrt(1000) = 12.916 ms, t = 1.9611 on 1,998.
        let mean = interval("search.response.mean", &fast, &fast);
        near(mean.high, 12.916 * 1.9611 / 500.5);
        let rate = MetricKey::parse("search.succeeded_per_s").unwrap();
        assert_eq!(rate.within_runs(&slow, &fast).unwrap(), None);
    }
}
