//! The highest rate that holds a service level, as an experiment tells it.

pub(in crate::report) mod document;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::model::{Threshold, UnknownReason};

use super::figures::Figures;

pub(super) use document::document;

/// What `capacity` found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// The service level: all of these hold.
    pub slo: Vec<String>,
    /// Length of a probe's window; a probe's own is longer where its rate is too low for the percentiles asked for.
    pub window_s: f64,
    /// Load at the probe's rate before each window.
    pub warmup_s: f64,
    /// What the probes were to take together at most.
    pub budget_s: f64,
    /// How it ended.
    pub conclusion: Conclusion,
    /// The rate at which half of all windows hold the service level, requests per second; null where it was not found.
    pub rate_per_s: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low_per_s: Option<f64>,
    /// Upper end of its 95 % interval.
    pub high_per_s: Option<f64>,
    /// Whether half of the interval is at most 2.5 % of the rate.
    pub precise: bool,
    /// The highest rate of a probe that held.
    pub highest_held_per_s: Option<f64>,
    /// The lowest rate of a probe that did not hold.
    pub lowest_failed_per_s: Option<f64>,
    /// The rate at which the generator gave up; null: at none.
    pub generator_limit_per_s: Option<f64>,
    /// The lowest rate that could be tried: below it a window has too few samples.
    pub lowest_tried_per_s: f64,
    /// Where response times begin to rise; null: nowhere in what was probed.
    pub knee: Option<Knee>,
    /// What else is to be known of it.
    pub notes: Vec<String>,
    /// Every probe, in order.
    pub probes: Vec<Probe>,
}

/// How the search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// It is still going on, or was stopped.
    Stopped,
    /// The rate is known.
    Found,
    /// The service level holds at no rate.
    HoldsAtNoRate,
    /// The generator gave up before the search was done: a rate that is told is that of the probes before, and without one the server's is
    /// not known.
    GeneratorGaveUp,
    /// There was no time to find a rate that holds and one that does not.
    BudgetSpent,
    /// Probes could not be trusted.
    Untrusted,
}

/// One window at one rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    /// Its run's ID.
    pub run: String,
    /// Offered, requests per second.
    pub rate_per_s: f64,
    /// Length of its window.
    pub window_s: f64,
    /// The seed of its arrivals, as text.
    pub seed: String,
    /// What came of it.
    pub outcome: ProbeOutcome,
    /// What speaks against it: expressions that are not met, or the codes of findings.
    pub reasons: Vec<String>,
    /// Each expression of the service level, judged.
    pub slo: Vec<Threshold>,
    /// Each operation.
    pub operations: BTreeMap<String, Figures>,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeOutcome {
    /// The service level held.
    Held,
    /// It did not.
    Failed,
    /// It did not, and the generator was late or short of CPU: the probe says nothing of the server.
    Generator,
    /// Its numbers cannot be trusted.
    Untrusted,
}

/// Where the median response time begins to rise: it is over twice what it is at the lowest rates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Knee {
    /// The operation.
    pub operation: String,
    /// Its median at the lowest rate.
    pub unloaded_p50_us: f64,
    /// Up to this rate no probe's median was over twice that.
    pub below_per_s: f64,
    /// From this rate on every probe's median was.
    pub above_per_s: f64,
}

impl Capacity {
    /// The knee of the operation whose median rises first.
    pub fn find_knee(&self) -> Option<Knee> {
        let names = self.probes.iter().flat_map(|probe| probe.operations.keys());
        let knees = names
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .filter_map(|name| self.knee_of(name));
        knees.min_by(|a, b| a.above_per_s.total_cmp(&b.above_per_s))
    }

    /// Probes that say something of the server, by rate. What is unanswered, or beyond an hour, is slower than anything; of too few
    /// samples nothing is known.
    fn knee_of(&self, operation: &str) -> Option<Knee> {
        let of = |probe: &Probe| {
            let figures = probe.operations.get(operation)?;
            let median = match figures.unknown.get("p50_us") {
                Some(UnknownReason::Unanswered | UnknownReason::Saturated) => f64::INFINITY,
                Some(UnknownReason::TooFew) | None => figures.p50_us?,
            };
            Some((probe.rate_per_s, median))
        };
        let told = |probe: &&Probe| matches!(probe.outcome, ProbeOutcome::Held | ProbeOutcome::Failed);
        let mut medians: Vec<(f64, f64)> = self.probes.iter().filter(told).filter_map(of).collect();
        medians.sort_by(|a, b| a.0.total_cmp(&b.0));
        let &(_, unloaded) = medians.first()?;
        let is_over = |&(_, median): &(f64, f64)| median > 2.0 * unloaded;
        // Of several probes at one rate some may be over it and some not: such a rate is between the two.
        let &(first_over, _) = medians.iter().find(|probe| is_over(probe))?;
        let &(below, _) = medians.iter().rfind(|(rate, _)| *rate < first_over)?;
        let &(last_under, _) = medians.iter().rfind(|probe| !is_over(probe))?;
        let &(above, _) = medians.iter().find(|(rate, _)| *rate > last_under)?;
        Some(Knee {
            operation: operation.to_owned(),
            unloaded_p50_us: unloaded,
            below_per_s: below,
            above_per_s: above,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(medians: &[(f64, f64)]) -> Capacity {
        let probe = |&(rate, p50): &(f64, f64)| Probe {
            run: String::new(),
            rate_per_s: rate,
            window_s: 1.0,
            seed: String::new(),
            outcome: ProbeOutcome::Held,
            reasons: vec![],
            slo: vec![],
            operations: [("search".to_owned(), Figures { p50_us: Some(p50), ..Figures::default() })].into(),
        };
        let empty = serde_json::json!({
            "slo": [], "window_s": 1.0, "warmup_s": 1.0, "budget_s": 1.0, "conclusion": "found", "precise": true,
            "lowest_tried_per_s": 1.0, "notes": [], "probes": [],
        });
        let empty: Capacity = serde_json::from_value(empty).unwrap();
        Capacity { probes: medians.iter().map(probe).collect(), ..empty }
    }

    #[test]
    fn the_knee_lies_between_the_last_flat_probe_and_the_first_from_which_all_are_steep() {
        let knee = |medians: &[(f64, f64)]| {
            probed(medians).find_knee().map(|knee| (knee.below_per_s, knee.above_per_s))
        };
        assert_eq!(knee(&[(400.0, 30.0), (100.0, 10.0), (200.0, 19.0)]), Some((200.0, 400.0)));
        // One that is over twice and a higher one that is not: somewhere around both.
        assert_eq!(knee(&[(100.0, 10.0), (200.0, 21.0), (210.0, 15.0), (300.0, 40.0)]), Some((100.0, 300.0)));
        // Of several at one rate, whichever came first.
        let mut same = [(100.0, 10.0), (150.0, 12.0), (200.0, 19.0), (200.0, 21.0), (300.0, 40.0)];
        assert_eq!(knee(&same), Some((150.0, 300.0)));
        same.swap(2, 3);
        assert_eq!(knee(&same), Some((150.0, 300.0)));
        assert_eq!(knee(&[(100.0, 10.0), (200.0, 19.0)]), None, "nowhere");
        assert_eq!(knee(&[]), None);
    }

    #[test]
    fn an_unanswered_median_is_slower_than_any_and_one_of_too_few_is_left_out() {
        let knee = |reason| {
            let mut capacity = probed(&[(100.0, 10.0), (200.0, 12.0), (300.0, 0.0)]);
            let unknown = [("p50_us".to_owned(), reason)].into();
            let figures = Figures { unknown, ..Figures::default() };
            capacity.probes[2].operations = [("search".to_owned(), figures)].into();
            capacity.find_knee().map(|knee| (knee.below_per_s, knee.above_per_s))
        };
        assert_eq!(knee(UnknownReason::Unanswered), Some((200.0, 300.0)));
        assert_eq!(knee(UnknownReason::Saturated), Some((200.0, 300.0)));
        assert_eq!(knee(UnknownReason::TooFew), None);
    }
}
