//! What lies in a directory of reports, as a page lists it.
//!
//! Belongs here: finding reports, reading of each only what a list shows, putting them in order, storing the page. Invariants: whatever
//! lies there, what is read and listed is bounded, and what is left out is told; a file that cannot be read keeps no other from being
//! listed; the page is there whole or not at all, and what is no page of this tool's is never written over.

mod find;
mod run;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::experiment::{EXPERIMENT_SCHEMA, Experiment};
use super::store;
use super::terminal::table::grouped;
use crate::units::parse_rfc3339;
use find::Place;

pub use run::{Changed, ListedOperation, ListedRun, ListedTimes};
pub use stored::{IndexError, bring_up_to_date, write};

/// The file's name in a directory of reports.
pub const INDEX_FILE: &str = "index.html";

/// Reports that are read, the newest: of one workload's directory, and of all.
const OF_ONE: usize = 200;
const OF_ALL: usize = 1_000;
/// Mebibytes of a file: a report of the longest run with many operations has a tenth of it.
const LARGEST_MIB: u64 = 256;
/// Mebibytes of all files, so that nobody waits for seconds.
const ALL_MIB: u64 = 512;

/// Which reports are read, in words.
pub fn bounds() -> String {
    format!(
        "the newest {OF_ONE} of each kind of a workload are, {} in all, and no more than {ALL_MIB} MiB",
        grouped(OF_ALL as u64)
    )
}

/// The newest reports under a directory.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Each with one report or more; that with the newest report first.
    pub workloads: Vec<Workload>,
    /// Files that are not listed, and why.
    pub left_out: Vec<String>,
    /// Older reports, which were not read.
    pub older: usize,
}

/// Reports of workloads of one name.
#[derive(Clone, Debug)]
pub struct Workload {
    /// As the reports have it.
    pub name: String,
    /// Newest first; never empty.
    pub entries: Vec<Entry>,
}

/// A run or an experiment.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Relative to the index.
    pub directory: PathBuf,
    /// Whether it has a page of its own.
    pub has_page: bool,
    /// When it was started: microseconds since 1970.
    pub started_unix_us: u64,
    /// Which of the two.
    pub listed: Listed,
}

/// What is listed.
#[derive(Clone, Debug)]
pub enum Listed {
    /// A run of its own, not one of an experiment's.
    Run(Box<ListedRun>),
    /// An experiment.
    Experiment(Box<ListedExperiment>),
}

/// An experiment, as a list shows it.
#[derive(Clone, Debug)]
pub struct ListedExperiment {
    /// As its command is called.
    pub kind: &'static str,
    /// What it found, in a sentence.
    pub headline: String,
    /// Its runs, and how many of them cannot be trusted.
    pub runs: usize,
    /// Of these.
    pub untrusted: usize,
    /// Whether it came to its end.
    pub complete: bool,
}

impl Entry {
    /// The run, where it is one.
    pub fn run(&self) -> Option<&ListedRun> {
        match &self.listed {
            Listed::Run(run) => Some(run),
            Listed::Experiment(_) => None,
        }
    }
}

impl Index {
    /// Of what lies under `base`.
    ///
    /// # Errors
    /// Where `base` is no directory that can be read.
    pub fn read(base: &Path) -> io::Result<Self> {
        Ok(Self::of(base, find::places(base)?))
    }

    fn of(base: &Path, places: Vec<Place>) -> Self {
        let mut index = Self::default();
        let (mut read, mut bytes) = (0, 0);
        let mut of_one: HashMap<PathBuf, usize> = HashMap::new();
        let mut entries = Vec::new();
        for place in places {
            let siblings = of_one.entry(place.parent().to_owned()).or_default();
            if read == OF_ALL || *siblings == OF_ONE || bytes >= ALL_MIB << 20 {
                index.older += 1;
                continue;
            }
            (read, *siblings) = (read + 1, *siblings + 1);
            match entry(base, &place, &mut bytes) {
                Ok(entry) => entries.push(entry),
                Err(error) => index.left_out.push(error.to_string()),
            }
        }
        index.workloads = by_workload(entries);
        index
    }

    /// Runs and experiments that are listed.
    pub fn len(&self) -> usize {
        self.workloads.iter().map(|workload| workload.entries.len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.workloads.is_empty()
    }
}

fn by_workload(mut entries: Vec<(String, Entry)>) -> Vec<Workload> {
    entries
        .sort_by(|(_, a), (_, b)| (b.started_unix_us, &b.directory).cmp(&(a.started_unix_us, &a.directory)));
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut workloads: Vec<Workload> = Vec::new();
    for (name, entry) in entries {
        let place = *places.entry(name.clone()).or_insert(workloads.len());
        match workloads.get_mut(place) {
            Some(workload) => workload.entries.push(entry),
            None => workloads.push(Workload { name, entries: vec![entry] }),
        }
    }
    workloads
}

/// The workload's name, and what is listed of it.
fn entry(base: &Path, place: &Place, read: &mut u64) -> Result<(String, Entry), EntryError> {
    let path = place.file();
    let bytes = bytes_of(base, &path)?;
    *read = read.saturating_add(bytes.len() as u64);
    let (name, started_unix_us, listed) = match place.is_experiment {
        true => experiment(&store::parse_as(&bytes, &path, EXPERIMENT_SCHEMA)?),
        false => {
            let run = ListedRun::parse(&bytes, &path)?;
            (run.run.name.clone(), run.run.started_unix_us, Listed::Run(Box::new(run)))
        }
    };
    let has_page = base.join(&place.directory).join(super::html::HTML_FILE).is_file();
    Ok((name, Entry { directory: place.directory.clone(), has_page, started_unix_us, listed }))
}

fn bytes_of(base: &Path, path: &Path) -> Result<Vec<u8>, EntryError> {
    let fail = |source| store::StoreError::Read { path: path.to_owned(), source };
    let file = File::open(base.join(path)).map_err(fail)?;
    if file.metadata().map_err(fail)?.len() > LARGEST_MIB << 20 {
        return Err(EntryError::TooLarge(path.to_owned()));
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    file.take(LARGEST_MIB << 20).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

fn experiment(experiment: &Experiment) -> (String, u64, Listed) {
    let about = &experiment.experiment;
    let started = parse_rfc3339(&about.started).map_or(0, |time| time.get() / 1_000);
    let listed = ListedExperiment {
        kind: experiment.kind(),
        headline: experiment.headline(),
        runs: experiment.runs.len(),
        untrusted: experiment.runs.iter().filter(|run| !run.trusted).count(),
        complete: about.complete,
    };
    (about.name.clone(), started, Listed::Experiment(Box::new(listed)))
}

/// Why a file is left out.
#[derive(Debug, thiserror::Error)]
enum EntryError {
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error("{} has more than {LARGEST_MIB} MiB", .0.display())]
    TooLarge(PathBuf),
}
