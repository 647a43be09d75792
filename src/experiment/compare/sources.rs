//! Which runs an argument means: a report, an experiment, or a directory with reports beneath it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::report::experiment::{Comparison, Difference, EXPERIMENT_FILE, Experiment, Group, RunOrder};
use crate::report::model::State;
use crate::report::store::REPORT_FILE;
use crate::report::{RunReport, store};
use crate::run::read_report;

use super::analysis::Runs;

/// How far beneath a directory reports are looked for.
const DEEPEST: usize = 6;

/// Runs to be compared.
#[derive(Debug)]
pub struct Found {
    /// The baseline first.
    pub groups: Vec<Runs>,
    /// Whether they were made in pairs, which of the two came first being drawn by lot.
    pub paired: bool,
    /// Whether every experiment among them came to its end; else nothing may be decided.
    pub complete: bool,
    /// What whoever asked should know: runs that were left out.
    pub notes: Vec<String>,
    /// What was made to differ: the same in all runs of a group, and not in all groups.
    pub varied: Vec<String>,
    /// Of the order of their runs, where it was drawn.
    pub seed: Option<u64>,
    /// Where the report of each run is, by its ID.
    pub paths: BTreeMap<String, PathBuf>,
}

/// A report and where it was read.
type Stored = (RunReport, PathBuf);

impl Found {
    fn add(&mut self, label: String, source: String, stored: Vec<Stored>) {
        self.paths.extend(stored.iter().map(|(report, path)| (report.run.id.clone(), path.clone())));
        let reports = stored.into_iter().map(|(report, _)| report).collect();
        self.groups.push(Runs { label, source, reports });
    }

    fn took_part(&mut self, experiment: &Experiment, reference: &str) {
        if !experiment.experiment.complete {
            self.complete = false;
            self.notes.push(format!("{reference} was stopped before its end: nothing is decided"));
        }
    }

    /// The runs that did not come to their end, each with where its report is.
    pub fn incomplete(&self) -> impl Iterator<Item = (&RunReport, &Path)> {
        let reports = self.groups.iter().flat_map(|group| &group.reports);
        reports
            .filter(|report| report.run.state != State::Complete)
            .map(|report| (report, self.paths.get(&report.run.id).map_or(Path::new(""), PathBuf::as_path)))
    }
}

/// The runs that `references` mean, each a group; one alone may be an experiment with groups of its own. `latest` is looked for
/// under `base`.
///
/// # Errors
/// Where there is none, or a report cannot be read.
pub fn gather(references: &[String], base: &Path) -> anyhow::Result<Found> {
    let mut found = Found {
        groups: Vec::new(),
        paired: false,
        complete: true,
        notes: Vec::new(),
        varied: Vec::new(),
        seed: None,
        paths: BTreeMap::new(),
    };
    if let [reference] = references {
        let Some((experiment, path)) = experiment(reference)? else {
            bail!("{reference} is one report: name another to compare it with");
        };
        let comparison = comparison(&experiment, reference)?;
        if comparison.groups.len() < 2 {
            bail!("{reference} holds runs of one kind: name others to compare them with");
        }
        found.paired = comparison.order == RunOrder::Pairs;
        found.seed = experiment.experiment.seed.parse().ok();
        found.took_part(&experiment, reference);
        found.varied =
            comparison.differences.iter().filter(|d| was_meant(d)).map(|d| d.key.clone()).collect();
        for (group, stored) in groups_of(&experiment, comparison, &path)? {
            found.add(group.label, group.source, stored);
        }
        return Ok(found);
    }
    for (reference, label) in references.iter().zip(labels()) {
        let stored = reports_of(reference, base, &mut found)?;
        found.add(label, reference.clone(), stored);
    }
    Ok(found)
}

/// `A`, `B`, ... `Z`, `A1`, ...
pub fn labels() -> impl Iterator<Item = String> {
    (0_u32..).flat_map(|round| {
        ('A'..='Z')
            .map(move |letter| if round == 0 { letter.to_string() } else { format!("{letter}{round}") })
    })
}

fn experiment(reference: &str) -> anyhow::Result<Option<(Experiment, PathBuf)>> {
    let path = Path::new(reference);
    let file = match path.file_name().is_some_and(|name| name == EXPERIMENT_FILE) {
        true => path.to_owned(),
        false => path.join(EXPERIMENT_FILE),
    };
    if !file.is_file() {
        return Ok(None);
    }
    Ok(Some((Experiment::read(&file)?, file)))
}

/// Whether it is what the groups are about. A server that was replaced under way, or a run that broke off, is nobody's intention.
fn was_meant(difference: &Difference) -> bool {
    let never = ["server.version", "run.state"];
    let one_each: Option<Vec<&Value>> = difference
        .values
        .iter()
        .map(|values| match values.as_slice() {
            [value] => Some(value),
            _ => None,
        })
        .collect();
    let differs = |values: Vec<&Value>| values.windows(2).any(|pair| pair[0] != pair[1]);
    !never.contains(&difference.key.as_str()) && one_each.is_some_and(differs)
}

fn comparison<'a>(experiment: &'a Experiment, reference: &str) -> anyhow::Result<&'a Comparison> {
    experiment
        .comparison()
        .with_context(|| format!("{reference} is another kind of experiment; name runs of it"))
}

/// The groups of an experiment with their runs.
fn groups_of(
    experiment: &Experiment,
    comparison: &Comparison,
    path: &Path,
) -> anyhow::Result<Vec<(Group, Vec<Stored>)>> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let read = |id: &String| {
        let reference = experiment.runs.iter().find(|run| run.id == *id);
        let reference =
            reference.with_context(|| format!("{} does not say where run {id} is", path.display()))?;
        let path = directory.join(&reference.report);
        Ok((store::read(&path)?, path))
    };
    let of = |group: &Group| {
        let stored = group.runs.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        Ok((group.clone(), stored))
    };
    comparison.groups.iter().map(of).collect()
}

fn reports_of(reference: &str, base: &Path, found: &mut Found) -> anyhow::Result<Vec<Stored>> {
    if let Some((experiment, path)) = experiment(reference)? {
        let comparison = comparison(&experiment, reference)?;
        if comparison.groups.len() > 1 {
            bail!("{reference} holds runs of {} kinds already: compare it alone", comparison.groups.len());
        }
        found.took_part(&experiment, reference);
        let groups = groups_of(&experiment, comparison, &path)?;
        let stored: Vec<Stored> = groups.into_iter().flat_map(|(_, stored)| stored).collect();
        if stored.is_empty() {
            bail!("{reference} holds no complete run");
        }
        return Ok(stored);
    }
    let directory = Path::new(reference);
    let error = match read_report(reference, base) {
        Ok(stored) => return Ok(vec![stored]),
        Err(error) => error,
    };
    if !directory.is_dir() || directory.join(REPORT_FILE).exists() {
        return Err(error);
    }
    let stored = beneath(directory, &mut found.notes)?;
    if stored.is_empty() {
        bail!("there is no report of a complete run beneath {reference}");
    }
    Ok(stored)
}

/// All complete runs beneath a directory, by their start.
fn beneath(directory: &Path, notes: &mut Vec<String>) -> anyhow::Result<Vec<Stored>> {
    let mut paths = Vec::new();
    collect(directory, DEEPEST, &mut paths);
    let mut complete = Vec::new();
    for path in paths {
        let report = store::read(&path)?;
        match report.run.state {
            State::Complete => complete.push((report, path)),
            state => notes.push(format!("{} is left out: {}", path.display(), state.name())),
        }
    }
    complete.sort_by(|(a, _), (b, _)| {
        (a.run.started_unix_us, &a.run.id).cmp(&(b.run.started_unix_us, &b.run.id))
    });
    Ok(complete)
}

fn collect(directory: &Path, deeper: usize, paths: &mut Vec<PathBuf>) {
    let report = directory.join(REPORT_FILE);
    if report.is_file() {
        paths.push(report);
        return;
    }
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    // A link may lead round in circles.
    let directories = entries.filter(|path| deeper > 0 && path.is_dir() && !path.is_symlink());
    directories.for_each(|path| collect(&path, deeper - 1, paths));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::experiment::Weight;
    use serde_json::json;

    #[test]
    fn only_what_is_the_same_within_each_group_and_differs_between_them_was_meant() {
        let meant = |key: &str, values: &[&[Value]]| {
            let values = values.iter().map(|of_group| of_group.to_vec()).collect();
            was_meant(&Difference { key: key.to_owned(), values, weight: Weight::Decides })
        };
        assert!(meant("load.rate", &[&[json!(1)], &[json!(2)]]));
        assert!(meant("load.rate", &[&[json!(1)], &[json!(1)], &[json!(2)]]));
        assert!(meant("load.spin", &[&[Value::Null], &[json!("off")]]));
        assert!(!meant("server.uri", &[&[json!("a"), json!("b")], &[json!("a")]]), "within a group");
        assert!(!meant("server.uri", &[&[json!("a"), json!("b")], &[json!("a"), json!("b")]]));
        assert!(!meant("server.version", &[&[json!("2.3")], &[json!("2.4")]]));
        assert!(!meant("run.state", &[&[json!("complete")], &[json!("failed")]]));
    }
}
