//! The search: probes until the answer is close enough, the budget is spent, or somebody gives up.

use std::time::{Duration, Instant};

use crate::random::splitmix64;
use crate::report::experiment::capacity::{Capacity, Conclusion, ProbeOutcome};
use crate::report::experiment::{About, EXPERIMENT_SCHEMA, Experiment, Outcome};
use crate::report::rfc3339;
use crate::run::{RunError, Settings};
use crate::units::{Nanos, Rate};
use crate::workload::{Access, LoadModel, Prepare, Workload};

use super::super::follow::Follow;
use super::super::site::{Held, Site, whole};
use super::digits::rounded;
use super::probe;
use super::state::State;
use super::terms::Terms;

/// Searches the capacity of `settings`, which `terms` have been checked against. What is known is stored after every probe; after a signal
/// that is returned, where there is any.
///
/// # Errors
/// Where the collection cannot be made ready, or a probe not be carried out.
pub fn search(
    site: &Site<'_>,
    settings: &Settings,
    terms: &Terms,
    follow: &mut dyn Follow,
) -> Result<(Experiment, Conclusion), RunError> {
    let mut held = site.prepare(settings, None, follow)?;
    let mut hunt = Hunt::new(site, settings, terms);
    hunt.store()?;
    while let Some(rate) = hunt.next() {
        match hunt.probe(&mut held, rate, follow) {
            Ok(()) => {}
            // Between two probes, with something to show.
            Err(RunError::Stopped(_)) if !hunt.state.result.probes.is_empty() => break,
            Err(error) => return Err(error),
        }
        hunt.store()?;
        if site.stop.reason().is_some() {
            break;
        }
    }
    if site.stop.reason().is_none() {
        hunt.state.result.conclusion = hunt.state.conclusion();
        hunt.experiment.experiment.complete = true;
        hunt.store()?;
    }
    Ok((hunt.experiment, hunt.state.result.conclusion))
}

/// A search under way.
struct Hunt<'a> {
    site: &'a Site<'a>,
    settings: &'a Settings,
    terms: &'a Terms,
    started: Instant,
    experiment: Experiment,
    state: State,
    /// Drained, stored and looked around: what a probe takes beyond its warm-up and window.
    overhead: Duration,
}

impl<'a> Hunt<'a> {
    fn new(site: &'a Site<'a>, settings: &'a Settings, terms: &'a Terms) -> Self {
        let workload = &settings.workload;
        let result = nothing_yet(workload, terms);
        let experiment = Experiment {
            schema: EXPERIMENT_SCHEMA.to_owned(),
            experiment: About {
                id: site.identity.run_id.clone(),
                name: workload.name.clone(),
                command: site.identity.command.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                started: rfc3339(site.identity.started_unix_us),
                seed: terms.seed.to_string(),
                complete: false,
            },
            server: None,
            machine: None,
            runs: Vec::new(),
            outcome: Outcome::Capacity(Box::new(result.clone())),
        };
        let state = State::new(result, start_rate(workload));
        let (started, overhead) = (Instant::now(), Duration::from_millis(500));
        Self { site, settings, terms, started, experiment, state, overhead }
    }

    /// The rate of the next probe, where there is time for it; `None`: no more.
    fn next(&self) -> Option<f64> {
        let each = self.terms.each() + self.overhead;
        self.state.next((self.left().as_secs_f64() / each.as_secs_f64()) as usize)
    }

    /// What is left of the budget.
    fn left(&self) -> Duration {
        self.terms.budget.saturating_sub(self.started.elapsed())
    }

    fn probe(&mut self, held: &mut Held<'_>, rate: f64, follow: &mut dyn Follow) -> Result<(), RunError> {
        let rate = Rate::per_second(rate)?;
        let number = self.state.result.probes.len() as u64;
        let seed = splitmix64(self.terms.seed ^ splitmix64(number));
        let settings = probe::settings(self.settings, self.terms, rate, seed);
        let title = format!("probe {} at {rate}", number + 1);
        let label = format!("load.rate={}", rate.get());
        let begun = Instant::now();
        let (report, reference) = self.site.run(held, &settings, (&title, &label), follow)?;
        if self.site.stop.reason().is_some() {
            return Ok(());
        }
        whole(&report)?;
        let window = settings.workload.load.duration;
        self.overhead = self.overhead.max(begun.elapsed().saturating_sub(self.terms.warmup() + window));
        self.state.take(probe::judge(&report, rate, window, seed));
        self.experiment.server = report.server;
        self.experiment.machine = Some(report.machine);
        self.experiment.runs.push(reference);
        follow.say(&self.line());
        Ok(())
    }

    /// Stores what is known.
    fn store(&mut self) -> Result<(), RunError> {
        self.experiment.outcome = Outcome::Capacity(Box::new(self.state.result.clone()));
        self.experiment.write(self.site.directory)?;
        Ok(())
    }

    /// The last probe, what is known, and the time that is left.
    fn line(&self) -> String {
        let result = &self.state.result;
        let Some(probe) = result.probes.last() else { return String::new() };
        let outcome = match probe.outcome {
            ProbeOutcome::Held => "held".to_owned(),
            ProbeOutcome::Failed => format!("did not hold ({})", probe.reasons.join(", ")),
            ProbeOutcome::Generator | ProbeOutcome::Untrusted => {
                format!("left out ({})", probe.reasons.join(", "))
            }
        };
        let so_far = match (result.rate_per_s, result.low_per_s, result.high_per_s) {
            (Some(rate), Some(low), Some(high)) => {
                format!("; so far {}/s ({}..{})", rounded(rate), rounded(low), rounded(high))
            }
            _ => String::new(),
        };
        let (number, left) = (result.probes.len(), Nanos::from(self.left()));
        format!("probe {number}: {}/s {outcome}{so_far}; at most {left} left", probe.rate_per_s)
    }
}

fn nothing_yet(workload: &Workload, terms: &Terms) -> Capacity {
    Capacity {
        slo: workload.thresholds.iter().map(|threshold| threshold.expression.clone()).collect(),
        window_s: terms.window.as_secs_f64(),
        warmup_s: terms.warmup().as_secs_f64(),
        budget_s: terms.budget.as_secs_f64(),
        conclusion: Conclusion::Stopped,
        rate_per_s: None,
        low_per_s: None,
        high_per_s: None,
        precise: false,
        highest_held_per_s: None,
        lowest_failed_per_s: None,
        generator_limit_per_s: None,
        lowest_tried_per_s: terms.lowest_rate(workload),
        knee: None,
        notes: notes(workload),
        probes: Vec::new(),
    }
}

/// Where the search starts: the rate of the workload.
fn start_rate(workload: &Workload) -> f64 {
    let of_load = workload.load.streams.iter().find(|stream| stream.name == "load");
    of_load.map_or(1.0, |stream| match &stream.model {
        LoadModel::Open { rate, .. } => rate.highest(),
        LoadModel::Closed { concurrency } => f64::from(*concurrency),
    })
}

/// What a reader has to know of what was searched.
fn notes(workload: &Workload) -> Vec<String> {
    let mut notes = Vec::new();
    if workload.has(Access::Writes) {
        notes.push(
            "The workload writes, and the collection was made ready once: it grew from probe to probe, so later probes met more \
             rows than earlier ones."
                .to_owned(),
        );
    }
    if workload.collection.prepare == Prepare::Never {
        notes.push("The collection was taken as it was.".to_owned());
    }
    let own: Vec<&str> = workload
        .load
        .streams
        .iter()
        .map(|stream| stream.name.as_str())
        .filter(|name| *name != "load")
        .collect();
    if !own.is_empty() {
        notes.push(format!("Beside it, at rates of their own that were not varied: {}.", own.join(", ")));
    }
    notes
}
