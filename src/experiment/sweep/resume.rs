//! What of a sweep that was stopped still stands.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::report::RunReport;
use crate::report::experiment::sweep::Sweep;
use crate::report::experiment::{Experiment, Outcome, RunReference};
use crate::report::from_run::workload_value;
use crate::report::model::State;
use crate::report::store::{self, REPORT_FILE};

use super::design::Design;
use super::grid::{Axis, Grid};

/// Why a sweep cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// Another experiment.
    #[error(
        "{directory} holds another experiment, not a sweep: name the directory that sweep told as its result"
    )]
    NotASweep {
        /// The directory.
        directory: String,
    },
    /// Something else is varied.
    #[error("--vary {given} is not what that sweep varies: leave --vary out, or give {stored}")]
    OtherGrid {
        /// As typed.
        given: String,
        /// As stored.
        stored: String,
    },
    /// The workload is another one by now.
    #[error(
        "the workload is not that of the sweep: {} differ; give the file and the --set of then, or start a new sweep",
        .0.join(", ")
    )]
    OtherWorkload(Vec<String>),
    /// Not a number.
    #[error("the seed of the sweep, {0:?}, is not a number")]
    Seed(String),
}

/// What the sweep of an experiment varies.
///
/// # Errors
/// Where it is no sweep, or `given` is something else.
pub fn axes(experiment: &Experiment, given: &[Axis], directory: &Path) -> Result<Vec<Axis>, ResumeError> {
    let sweep = sweep_of(experiment)
        .ok_or_else(|| ResumeError::NotASweep { directory: directory.display().to_string() })?;
    let stored: Vec<Axis> = sweep
        .varied
        .iter()
        .map(|varied| Axis { key: varied.key.clone(), values: varied.values.clone() })
        .collect();
    if !given.is_empty() && given != stored {
        let words = |axes: &[Axis]| {
            let of = |axis: &Axis| format!("{}={}", axis.key, axis.values.join(","));
            axes.iter().map(of).collect::<Vec<_>>().join(" --vary ")
        };
        return Err(ResumeError::OtherGrid { given: words(given), stored: words(&stored) });
    }
    Ok(stored)
}

/// The seed of a stored sweep.
///
/// # Errors
/// Where somebody has changed it.
pub fn seed(experiment: &Experiment) -> Result<u64, ResumeError> {
    let text = &experiment.experiment.seed;
    text.parse().map_err(|_| ResumeError::Seed(text.clone()))
}

fn sweep_of(experiment: &Experiment) -> Option<&Sweep> {
    match &experiment.outcome {
        Outcome::Sweep(sweep) => Some(sweep),
        Outcome::Capacity(_) | Outcome::Compare(_) | Outcome::Overhead(_) => None,
    }
}

/// The workload that all points share: that of the first, without what is varied.
pub(super) fn shared_workload(grid: &Grid) -> Value {
    let settings = grid.points.first().map_or(&[][..], |point| &point.settings.workload.settings);
    let is_varied = |key: &str| {
        grid.axes.iter().any(|axis| {
            key == axis.key || key.strip_prefix(axis.key.as_str()).is_some_and(|rest| rest.starts_with('.'))
        })
    };
    let shared: Vec<_> = settings.iter().filter(|setting| !is_varied(&setting.key)).cloned().collect();
    workload_value(&shared)
}

/// Where a run was made. Numbers of another server or another machine are no points of the same curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Surroundings {
    /// `None`: embedded, on whatever port was free.
    pub uri: Option<String>,
    /// The server's.
    pub version: Option<String>,
    /// That the generator may use.
    pub cores: u32,
}

impl Surroundings {
    fn of(report: &RunReport) -> Self {
        let server = report.server.as_ref();
        Self {
            uri: server.filter(|server| !server.embedded).map(|server| server.uri.clone()),
            version: server.and_then(|server| server.version.clone()),
            cores: report.machine.cores,
        }
    }

    /// `Milvus 2.3.5 at http://a:19530 from 4 cores`.
    pub fn words(&self) -> String {
        let version = self.version.as_deref().unwrap_or("of unknown version");
        match &self.uri {
            Some(uri) => format!("Milvus {version} at {uri} from {} cores", self.cores),
            None => format!("an embedded Milvus {version} on {} cores", self.cores),
        }
    }
}

/// What of a stored sweep stands.
pub(super) struct Standing {
    pub experiment: Experiment,
    pub sweep: Sweep,
    /// Where each of its runs was made, by ID.
    pub made: BTreeMap<String, Surroundings>,
}

/// The stored sweep with those of its runs that are there and complete, their reports read again.
///
/// # Errors
/// Where the workload differs.
pub(super) fn standing(
    experiment: Experiment,
    design: &Design,
    directory: &Path,
) -> Result<Standing, ResumeError> {
    let Some(mut sweep) = sweep_of(&experiment).cloned() else {
        return Err(ResumeError::NotASweep { directory: directory.display().to_string() });
    };
    let mut differing = Vec::new();
    differences(&sweep.workload, &shared_workload(&design.grid), "", &mut differing);
    if sweep.order != design.order && differing.is_empty() {
        differing.push("the points".to_owned());
    }
    if !differing.is_empty() {
        return Err(ResumeError::OtherWorkload(differing));
    }
    let mut experiment = experiment;
    let read = |run: &RunReference| {
        let path = directory.join(&run.report);
        let report = store::read(&path).ok().filter(|_| path.ends_with(REPORT_FILE))?;
        // Another run's report may have come to lie in its place.
        let stands = report.run.state == State::Complete && report.run.id == run.id;
        stands.then(|| (run.id.clone(), Surroundings::of(&report)))
    };
    let made: BTreeMap<String, Surroundings> = experiment.runs.iter().filter_map(read).collect();
    experiment.runs.retain(|run| made.contains_key(&run.id));
    sweep.keep(|run| made.contains_key(&run.run));
    Ok(Standing { experiment, sweep, made })
}

/// The dotted keys at which two workloads differ.
fn differences(a: &Value, b: &Value, path: &str, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let side =
                    |side: &serde_json::Map<String, Value>| side.get(key).cloned().unwrap_or(Value::Null);
                differences(&side(one), &side(other), &path, found);
            }
        }
        _ if a != b => found.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_told_apart_by_key() {
        let mut found = vec![];
        let (a, b) = (
            serde_json::json!({"load": {"rate": 5, "drain": "1s"}, "x": 1}),
            serde_json::json!({"load": {"rate": 6, "drain": "1s"}}),
        );
        differences(&a, &b, "", &mut found);
        assert_eq!(found, ["load.rate", "x"]);
    }
}
