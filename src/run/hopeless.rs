//! Whether a run under way can still meet its thresholds.
//!
//! Told only where it is certain: the schedule says how many requests the window will have offered, and those that did not succeed by now
//! are too many of them, even if all others succeed. So of open loops alone; of a share of errors, and of a percentile, which lies
//! among the unanswered then.

use crate::engine::Schedule;
use crate::measure::LiveTotals;
use crate::report::thresholds::compare;
use crate::units::Nanos;
use crate::workload::{Clock, LoadModel, Statistic, Threshold, ThresholdMetric, Workload};

/// Looks at the counts of a run whether a threshold is out of reach.
#[derive(Debug)]
pub struct Hopeless {
    thresholds: Vec<Threshold>,
    warmup: Nanos,
    /// What the window will have offered.
    planned: u64,
    /// Succeeded by the last look before the window.
    warmed_up: u64,
    /// The most requests of the warm-up that did not succeed, once the window has begun.
    lost_before: Option<u64>,
}

impl Hopeless {
    /// `None` where nothing can be known before the end: in a closed loop, or without such a threshold.
    pub fn of(workload: &Workload) -> Option<Self> {
        let is_only = workload.operations.len() == 1;
        let is_known = |threshold: &&Threshold| match &threshold.metric {
            ThresholdMetric::Errors { operation } => operation.is_none() || is_only,
            // What was sent has a lag, whether or not it succeeds.
            ThresholdMetric::Time { clock, statistic: Statistic::Quantile(_), .. } => {
                is_only && matches!(clock, Clock::Response | Clock::Service)
            }
            ThresholdMetric::Time { .. } | ThresholdMetric::Rate { .. } => false,
        };
        let thresholds: Vec<Threshold> = workload.thresholds.iter().filter(is_known).cloned().collect();
        let planned = planned(workload)?;
        let warmup = Nanos::from(workload.load.warmup);
        (!thresholds.is_empty()).then_some(Self {
            thresholds,
            warmup,
            planned,
            warmed_up: 0,
            lost_before: None,
        })
    }

    /// The threshold that is out of reach; `None`: none is, as far as is certain.
    pub fn look(&mut self, now: Nanos, totals: LiveTotals) -> Option<&str> {
        if now < self.warmup {
            self.warmed_up = totals.succeeded;
            return None;
        }
        // Counts are those of the whole run: the most that the warm-up can have lost belongs to it.
        let warmed_up = self.warmed_up;
        let lost_before = *self.lost_before.get_or_insert_with(|| totals.offered.saturating_sub(warmed_up));
        let lost = if self.warmup == Nanos::ZERO {
            totals.unsuccessful
        } else {
            totals.unsuccessful.saturating_sub(lost_before)
        };
        let missed = self.thresholds.iter().find(|threshold| is_missed(threshold, lost, self.planned));
        missed.map(|threshold| threshold.expression.as_str())
    }
}

fn is_missed(threshold: &Threshold, lost: u64, planned: u64) -> bool {
    let share = lost as f64 / planned.max(1) as f64;
    match &threshold.metric {
        // More errors only make a bound from above harder to meet.
        ThresholdMetric::Errors { .. } => {
            !compare(share, threshold.comparison, threshold.bound)
                && compare(0.0, threshold.comparison, threshold.bound)
        }
        // It lies among the unanswered; one more than that takes, against rounding.
        ThresholdMetric::Time {
            clock: Clock::Response | Clock::Service,
            statistic: Statistic::Quantile(q),
            ..
        } => lost as f64 > planned as f64 * (1.0 - q) + 1.0,
        ThresholdMetric::Time { .. } | ThresholdMetric::Rate { .. } => false,
    }
}

/// What all streams offer in the window; `None` where one is a closed loop.
fn planned(workload: &Workload) -> Option<u64> {
    let load = &workload.load;
    let (start, end) = (Nanos::from(load.warmup), Nanos::from(load.warmup + load.duration));
    let mut planned = 0;
    for (number, stream) in load.streams.iter().enumerate() {
        let LoadModel::Open { rate, arrival } = &stream.model else { return None };
        let schedule = Schedule::new(workload.data.seed, number as u64, *arrival, rate.clone(), end);
        planned += schedule.filter(|due| due.at >= start).count() as u64;
    }
    Some(planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(load: &str, thresholds: &str) -> Option<Hopeless> {
        let text = format!("[load]\n{load}\n[thresholds]\n{thresholds}\n[[operations]]\nkind = \"search\"\n");
        Hopeless::of(&crate::workload::load_text("w", &text, &[]).unwrap())
    }

    fn totals(offered: u64, succeeded: u64) -> LiveTotals {
        LiveTotals { offered, succeeded, unsuccessful: offered - succeeded, in_flight: 0 }
    }

    const CONSTANT: &str = "rate = 100\narrival = \"constant\"\nduration = \"10s\"";

    /// 1,000 are planned: at 10 errors, 1 % can no longer be undercut.
    #[test]
    fn too_many_errors_for_all_that_is_planned_are_too_many() {
        let mut run = of(&format!("{CONSTANT}\nwarmup = \"0s\""), "errors = \"< 1%\"").unwrap();
        let now = Nanos::from_secs(1);
        assert_eq!(run.look(now, totals(20, 11)), None);
        assert_eq!(run.look(now, totals(20, 10)), Some("errors < 1%"));
        let mut at_most = of(&format!("{CONSTANT}\nwarmup = \"0s\""), "errors = \"<= 1%\"").unwrap();
        assert_eq!(at_most.look(now, totals(20, 10)), None);
        assert_eq!(at_most.look(now, totals(20, 9)), Some("errors <= 1%"));
    }

    #[test]
    fn a_percentile_is_out_of_reach_where_it_lies_among_the_unanswered() {
        let mut run =
            of(&format!("{CONSTANT}\nwarmup = \"0s\""), "\"search.response.p90\" = \"< 50ms\"").unwrap();
        let now = Nanos::from_secs(5);
        assert_eq!(run.look(now, totals(500, 400)), None);
        assert!(run.look(now, totals(500, 398)).is_some());
    }

    #[test]
    fn what_the_warm_up_lost_does_not_count() {
        let mut run = of(&format!("{CONSTANT}\nwarmup = \"1s\""), "errors = \"< 1%\"").unwrap();
        assert_eq!(run.look(Nanos::from_millis(950), totals(95, 20)), None);
        // Of the first 103, 83 at most were lost before the window.
        assert_eq!(run.look(Nanos::from_millis(1_030), totals(103, 20)), None);
        assert_eq!(run.look(Nanos::from_secs(2), totals(200, 108)), None);
        assert!(run.look(Nanos::from_secs(2), totals(200, 107)).is_some());
    }

    #[test]
    fn of_a_closed_loop_and_of_what_may_yet_improve_nothing_is_certain() {
        assert!(of("concurrency = 1", "errors = \"< 1%\"").is_none());
        assert!(of(CONSTANT, "\"search.response.mean\" = \"< 1ms\"").is_none());
        assert!(of(CONSTANT, "\"search.lag.p90\" = \"< 1ms\"").is_none(), "a failed request has a lag too");
        let mut at_least = of(&format!("{CONSTANT}\nwarmup = \"0s\""), "errors = \"> 1%\"").unwrap();
        assert_eq!(at_least.look(Nanos::from_secs(1), totals(100, 0)), None);
    }
}
