//! Which runs an argument means: a report, an experiment, or a directory with reports beneath it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::report::experiment::{Comparison, EXPERIMENT_FILE, Experiment, Group, RunOrder};
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
    /// What whoever asked should know: runs that were left out.
    pub notes: Vec<String>,
    /// Settings that were made to differ.
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
        // It was made to have them.
        found.varied = comparison.differences.iter().map(|difference| difference.key.clone()).collect();
        for (group, stored) in groups_of(&experiment, comparison, &path)? {
            found.add(group.label, group.source, stored);
        }
        return Ok(found);
    }
    for (reference, label) in references.iter().zip(labels()) {
        let stored = reports_of(reference, base, &mut found.notes)?;
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

fn reports_of(reference: &str, base: &Path, notes: &mut Vec<String>) -> anyhow::Result<Vec<Stored>> {
    if let Some((experiment, path)) = experiment(reference)? {
        let comparison = comparison(&experiment, reference)?;
        if comparison.groups.len() > 1 {
            bail!("{reference} holds runs of {} kinds already: compare it alone", comparison.groups.len());
        }
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
    let stored = beneath(directory, notes)?;
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
