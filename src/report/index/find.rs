//! Where reports lie under a directory: `<base>/<name>/<run>/`, as [`RunDirectory`](crate::report::store::RunDirectory) makes them.
//!
//! The runs of an experiment lie deeper, beneath it, and are not looked for.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::report::calendar;
use crate::report::experiment::EXPERIMENT_FILE;
use crate::report::store::{REPORT_FILE, is_run};

/// A directory with a report or an experiment in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Relative to the base.
    pub(super) directory: PathBuf,
    pub(super) is_experiment: bool,
    /// As its name tells, or where that tells nothing, its file's last change: `20231114T221320.123Z`.
    time: String,
}

impl Place {
    /// Relative to the base.
    pub(super) fn file(&self) -> PathBuf {
        self.directory.join(if self.is_experiment { EXPERIMENT_FILE } else { REPORT_FILE })
    }

    /// The directory that it shares with others of its workload.
    pub(super) fn parent(&self) -> &Path {
        self.directory.parent().unwrap_or(Path::new(""))
    }
}

/// In a clone of this tool's repository there are reports in it that were not made there.
const EXAMPLES: &str = "examples";

fn is_named_as_run(run: &DirEntry) -> bool {
    run.file_name().to_str().is_some_and(is_run)
}

/// All that lie under `base`, newest first.
///
/// # Errors
/// Where `base` is no directory that can be read.
pub(super) fn places(base: &Path) -> io::Result<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    for workload in fs::read_dir(base)? {
        let Ok(workload) = workload else { continue };
        if !is_hidden(&workload) {
            let all = within(&workload.path())
                .filter(|run| workload.file_name() != EXAMPLES || is_named_as_run(run));
            places.extend(all.filter_map(|run| place(&workload, &run)));
        }
    }
    places.sort_by(|a, b| (&b.time, &b.directory).cmp(&(&a.time, &a.directory)));
    Ok(places)
}

fn place(workload: &DirEntry, run: &DirEntry) -> Option<Place> {
    let is_there = |name: &str| fs::metadata(run.path().join(name)).ok().filter(fs::Metadata::is_file);
    let (is_experiment, file) = match is_there(EXPERIMENT_FILE) {
        Some(file) => (true, file),
        None => (false, is_there(REPORT_FILE)?),
    };
    let named = run.file_name().into_string().ok().filter(|name| is_run(name));
    let time = match named {
        Some(name) => name.chars().take("00000000T000000.000Z".len()).collect(),
        None => {
            let changed = file.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            calendar::compact(changed.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX)))
        }
    };
    Some(Place { directory: Path::new(&workload.file_name()).join(run.file_name()), is_experiment, time })
}

/// Whether there is nothing in it but reports, so that nobody minds one more file there. What is hidden does not count.
pub(super) fn holds_reports_alone(base: &Path) -> bool {
    let is_report = |run: DirEntry| {
        is_named_as_run(&run)
            || [REPORT_FILE, EXPERIMENT_FILE].iter().any(|file| run.path().join(file).is_file())
    };
    let is_workload = |entry: &DirEntry| {
        let mut runs = within(&entry.path()).peekable();
        // An empty one is that of a run that is about to begin.
        entry.path().is_dir() && (runs.peek().is_none() || runs.any(is_report))
    };
    within(base).filter(|entry| !is_hidden(entry)).all(|entry| is_workload(&entry))
}

fn within(directory: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    fs::read_dir(directory).into_iter().flatten().flatten()
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}
