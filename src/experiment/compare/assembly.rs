//! From a comparison and its runs to what is stored of it.

use crate::report::experiment::{self, Comparison, EXPERIMENT_SCHEMA, Experiment, Outcome, RunReference};
use crate::report::{RunReport, rfc3339};
use crate::run::Identity;

use super::analysis::Runs;

/// What tells the experiment from others.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// ID, command and start.
    pub identity: &'a Identity,
    /// Of the order of runs; `None`: nothing was drawn.
    pub seed: Option<u64>,
    /// Whether it came to its end.
    pub complete: bool,
}

/// Puts together what is stored; `path` tells where the report of a run is, by its ID.
pub fn experiment(
    about: About<'_>,
    groups: &[Runs],
    path: impl Fn(&str) -> String,
    comparison: Comparison,
) -> Experiment {
    let reports = || groups.iter().flat_map(|group| &group.reports);
    let mut runs: Vec<(u64, RunReference)> = groups
        .iter()
        .flat_map(|group| group.reports.iter().map(move |report| (group, report)))
        .map(|(group, report)| {
            let reference = RunReference {
                id: report.run.id.clone(),
                label: group.label.clone(),
                report: path(&report.run.id),
                trusted: report.verdict.trusted,
            };
            (report.run.started_unix_us, reference)
        })
        .collect();
    runs.sort_by_key(|(started, _)| *started);
    let mut names: Vec<&str> = reports().map(|report| report.run.name.as_str()).collect();
    names.dedup();
    let distinct = names.first().is_some_and(|first| names.iter().all(|name| name == first));
    Experiment {
        schema: EXPERIMENT_SCHEMA.to_owned(),
        experiment: experiment::About {
            id: about.identity.run_id.clone(),
            name: if distinct { names[0].to_owned() } else { names.join(", ") },
            command: about.identity.command.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: rfc3339(about.identity.started_unix_us),
            seed: about.seed.map_or_else(String::new, |seed| seed.to_string()),
            complete: about.complete,
        },
        server: same(reports().map(|report| &report.server)).flatten(),
        machine: same(reports().map(|report: &RunReport| &report.machine)),
        runs: runs.into_iter().map(|(_, reference)| reference).collect(),
        outcome: Outcome::Compare(Box::new(comparison)),
    }
}

/// What all have; `None` where they do not have the same, or there are none.
fn same<'a, T: Clone + PartialEq + 'a>(mut values: impl Iterator<Item = &'a T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then(|| first.clone())
}
