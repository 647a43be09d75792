//! Where reports are kept: `<base>/<name>/<time>-<id>/report.json`.
//!
//! Belongs here: directories, atomic writing, reading back, finding "the latest". Invariant: report.json is there whole
//! or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::calendar;
use super::model::{RunReport, SCHEMA};

/// The report's file name within a run's directory.
pub const REPORT_FILE: &str = "report.json";

/// Why a report could not be written, found or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made or written to.
    #[error("cannot write to {}: {source}; name another directory with --out", path.display())]
    Write {
        /// Which file or directory.
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither a directory with a report, nor a file, nor `latest`.
    #[error("{reference:?} is no report: name a run's directory, a report.json, or latest, latest~1, ...")]
    NotFound {
        /// As typed.
        reference: String,
    },
    /// There are not so many.
    #[error(
        "there is no {reference} under {}, which holds {}: run a workload first, or name the directory given to --out",
        base.display(), so_many(*found)
    )]
    TooFew {
        /// As typed.
        reference: String,
        /// Where they were looked for.
        base: PathBuf,
        needed: usize,
        found: usize,
    },
    /// Not JSON, cut off, or with a field of a wrong type.
    #[error("{} is damaged: {source}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        source: serde_json::Error,
    },
    /// Some other JSON.
    #[error("{} is not a report of milvus-load: its \"schema\" is {found}, not {schema:?}", path.display())]
    Foreign {
        path: PathBuf,
        /// Its schema as JSON, or `missing`.
        found: String,
        /// The schema that was looked for.
        schema: &'static str,
    },
    /// A report of a later version.
    #[error("{} is of a later version ({found:?}, this one reads {schema:?}): use the milvus-load that wrote it, or a newer one", path.display())]
    Newer {
        path: PathBuf,
        /// Its schema.
        found: String,
        /// The schema that was looked for.
        schema: &'static str,
    },
}

/// A run's own directory, there and writable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Makes `<base>/<name>/<time>-<id>/` and proves that it can be written to; to be called before any load.
    /// Characters that do not belong in a file name are replaced in `name` and `id`.
    ///
    /// # Errors
    /// Where the directory cannot be made or written to, or is there already.
    pub fn create(base: &Path, name: &str, started_unix_us: u64, id: &str) -> Result<Self, StoreError> {
        let parent = base.join(file_name(name));
        let path = parent.join(format!("{}-{}", calendar::compact(started_unix_us), file_name(id)));
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Write { path, source }
        };
        fs::create_dir_all(&parent).map_err(fail(&parent))?;
        fs::create_dir(&path).map_err(fail(&path))?;
        let directory = Self { path };
        let probe = directory.path.join(".writable");
        fs::write(&probe, b"x").and_then(|()| fs::remove_file(&probe)).map_err(fail(&probe))?;
        Ok(directory)
    }

    /// One that is there already, proved to be writable.
    ///
    /// # Errors
    /// Where it is not.
    pub fn existing(path: &Path) -> Result<Self, StoreError> {
        let probe = path.join(".writable");
        let written = fs::write(&probe, b"x").and_then(|()| fs::remove_file(&probe));
        written.map_err(|source| StoreError::Write { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the report, whole or not at all, and says where.
    ///
    /// # Errors
    /// Where the disk is full, or the directory is gone.
    pub fn write_report(&self, report: &RunReport) -> Result<PathBuf, StoreError> {
        let mut text = Vec::new();
        let path = self.path.join(REPORT_FILE);
        let wrap = |source| StoreError::Write { path: path.clone(), source };
        super::json::render(report, &mut text).map_err(wrap)?;
        self.write_file(REPORT_FILE, &text)
    }

    /// Writes a file of the run, whole or not at all, and says where.
    ///
    /// # Errors
    /// Where the disk is full, or the directory is gone.
    pub fn write_file(&self, name: &str, content: &[u8]) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        let partial = self.path.join(format!(".{name}.partial"));
        replace(&path, &partial, || fs::File::create(&partial), content)?;
        Ok(path)
    }

    /// Removes the directory if nothing was written to it, of a run that could not start; the workload's as well where no
    /// other run is in it.
    pub fn discard_if_empty(self) {
        // Each fails where it is not empty, as it should.
        let _ = fs::remove_dir(&self.path);
        let _ = self.path.parent().map(fs::remove_dir);
    }
}

/// Writes a file that other processes may write too, whole or not at all: the last one stays.
///
/// # Errors
/// Where the disk is full, or nothing may be written there.
pub(in crate::report) fn write_beside_others(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Where containers share the directory, several processes have one number.
    let partial = |try_: u32| path.with_file_name(format!(".{name}.{}-{try_}.partial", process::id()));
    let new = |partial: &Path| fs::OpenOptions::new().write(true).create_new(true).open(partial);
    for number in 0..PARTIALS {
        let partial = partial(number);
        match new(&partial) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return replace(path, &partial, || opened, content),
        }
    }
    let source = io::Error::other(format!(
        "{PARTIALS} unfinished ones are beside it, such as {}",
        partial(0).display()
    ));
    Err(StoreError::Write { path: path.to_owned(), source })
}

/// Unfinished files of processes that were killed, beside which one more is made.
const PARTIALS: u32 = 100;

/// Writes `partial`, then gives it its name.
fn replace(
    path: &Path,
    partial: &Path,
    open: impl FnOnce() -> io::Result<fs::File>,
    content: &[u8],
) -> Result<(), StoreError> {
    let write = || {
        let mut file = open()?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(partial, path)
    };
    write().map_err(|source| {
        // What is left of it is of no use; that removing may fail too changes nothing.
        let _ = fs::remove_file(partial);
        StoreError::Write { path: path.to_owned(), source }
    })
}

/// Reads a report back.
///
/// # Errors
/// Where the file cannot be read, is damaged, or is not a report that this version reads.
pub fn read(path: &Path) -> Result<RunReport, StoreError> {
    let bytes = fs::read(path).map_err(|source| StoreError::Read { path: path.to_owned(), source })?;
    parse(&bytes, path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<RunReport, StoreError> {
    parse_as(bytes, path, SCHEMA)
}

/// Reads a file of another of our formats back.
pub(super) fn read_as<T: DeserializeOwned>(path: &Path, schema: &'static str) -> Result<T, StoreError> {
    let bytes = fs::read(path).map_err(|source| StoreError::Read { path: path.to_owned(), source })?;
    parse_as(&bytes, path, schema)
}

/// Of the bytes of a file of one of our formats; `path` is what an error names.
pub(in crate::report) fn parse_as<T: DeserializeOwned>(
    bytes: &[u8],
    path: &Path,
    schema: &'static str,
) -> Result<T, StoreError> {
    let damaged = |source| StoreError::Damaged { path: path.to_owned(), source };
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(damaged)?;
    fits(value.get("schema"), path, schema)?;
    serde_json::from_value(value).map_err(damaged)
}

/// Why a file is none of a format, where its parts have been read without that telling.
pub(in crate::report) fn why_not(
    bytes: &[u8],
    path: &Path,
    schema: &'static str,
    error: Option<serde_json::Error>,
) -> StoreError {
    #[derive(Deserialize)]
    struct Named {
        schema: Option<serde_json::Value>,
    }
    let damaged = |source| StoreError::Damaged { path: path.to_owned(), source };
    let named: Named = match serde_json::from_slice(bytes) {
        Ok(named) => named,
        Err(error) => return damaged(error),
    };
    match (fits(named.schema.as_ref(), path, schema), error) {
        (Err(other), _) => other,
        (Ok(()), Some(error)) => damaged(error),
        (Ok(()), None) => damaged(serde::de::Error::custom("it has two schemas")),
    }
}

/// Sees that a file is of the format that is read.
fn fits(found: Option<&serde_json::Value>, path: &Path, schema: &'static str) -> Result<(), StoreError> {
    // Up to the version.
    let format = schema.trim_end_matches(|c: char| c.is_ascii_digit());
    match found.and_then(|schema| schema.as_str()) {
        Some(same) if same == schema => Ok(()),
        Some(newer) if newer.starts_with(format) => {
            Err(StoreError::Newer { path: path.to_owned(), found: newer.to_owned(), schema })
        }
        Some(_) | None => {
            let found = found.map_or_else(|| "missing".to_owned(), ToString::to_string);
            Err(StoreError::Foreign { path: path.to_owned(), found, schema })
        }
    }
}

/// The report.json that a REPORT argument means: a run's directory, a file, or `latest`, `latest~N` (N runs before
/// the latest) of all runs under `base`, by the time they started.
///
/// # Errors
/// Where there is no such report.
pub fn resolve(reference: &str, base: &Path) -> Result<PathBuf, StoreError> {
    let path = Path::new(reference);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if path.join(REPORT_FILE).is_file() {
        return Ok(path.join(REPORT_FILE));
    }
    let back = match reference.strip_prefix("latest") {
        Some("") => Some(0),
        Some(rest) => rest.strip_prefix('~').and_then(|n| n.parse::<usize>().ok()),
        None => None,
    };
    let back = back.ok_or_else(|| StoreError::NotFound { reference: reference.to_owned() })?;
    let mut runs = runs_under(base);
    runs.sort_unstable_by(|a, b| b.cmp(a));
    let found = runs.len();
    runs.into_iter().nth(back).map(|(_, path)| path).ok_or_else(|| StoreError::TooFew {
        reference: reference.to_owned(),
        base: base.to_owned(),
        needed: back.saturating_add(1),
        found,
    })
}

fn so_many(reports: usize) -> String {
    match reports {
        0 => "no reports".to_owned(),
        1 => "1 report".to_owned(),
        more => format!("{more} reports"),
    }
}

/// Every report of `<base>/<name>/<time>-<id>/`, with its directory's name: text order is time order.
fn runs_under(base: &Path) -> Vec<(String, PathBuf)> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    entries(base)
        .flat_map(|workload| entries(&workload.path()))
        .filter_map(|run| {
            let name = run.file_name().into_string().ok()?;
            let report = run.path().join(REPORT_FILE);
            (is_run(&name) && report.is_file()).then_some((name, report))
        })
        .collect()
}

/// Whether a directory's name begins with a time such as `20231114T221320.123Z-`.
pub(in crate::report) fn is_run(name: &str) -> bool {
    let shape = b"00000000T000000.000Z-";
    name.len() > shape.len()
        && name
            .bytes()
            .zip(shape)
            .all(|(byte, &like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like })
}

fn file_name(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = text.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    // No empty name, no `..`, nothing hidden.
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    const STARTED: u64 = 1_700_000_000_123_000;

    #[test]
    fn a_report_is_read_back_as_it_was_written() {
        let base = tempfile::tempdir().unwrap();
        for (index, (name, report)) in samples::all().into_iter().enumerate() {
            let directory =
                RunDirectory::create(base.path(), name, STARTED + index as u64 * 1_000, "id").unwrap();
            let path = directory.write_report(&report).unwrap();
            assert_eq!(read(&path).unwrap(), report, "{name}");
            assert_eq!(resolve("latest", base.path()).unwrap(), path);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing partial is left behind");
        }
    }

    #[test]
    fn a_report_is_found_by_directory_file_and_age() {
        let base = tempfile::tempdir().unwrap();
        let report = samples::empty();
        let run = |name, started| {
            RunDirectory::create(base.path(), name, started, "id").unwrap().write_report(&report).unwrap()
        };
        // Made out of order, and the later one under the name that sorts first.
        let (late, early) = (run("a", STARTED + 60_000_000), run("z", STARTED));
        let find = |reference: &str| resolve(reference, base.path());
        assert_eq!(find("latest").unwrap(), late);
        assert_eq!(find("latest~1").unwrap(), early);
        assert_eq!(find(early.to_str().unwrap()).unwrap(), early);
        assert_eq!(find(early.parent().unwrap().to_str().unwrap()).unwrap(), early);
        assert!(matches!(find("latest~2"), Err(StoreError::TooFew { needed: 3, found: 2, .. })));
        for wrong in ["nowhere", "latest~", "latest~x", "latestt", "latest~-1"] {
            assert!(matches!(find(wrong), Err(StoreError::NotFound { .. })), "{wrong}");
        }
    }

    #[test]
    fn a_directory_without_a_report_is_not_the_latest() {
        let base = tempfile::tempdir().unwrap();
        RunDirectory::create(base.path(), "search", STARTED, "id").unwrap();
        assert!(matches!(resolve("latest", base.path()), Err(StoreError::TooFew { found: 0, .. })));
    }

    #[test]
    fn a_run_never_writes_into_another_ones_directory() {
        let base = tempfile::tempdir().unwrap();
        RunDirectory::create(base.path(), "search", STARTED, "id").unwrap();
        let again = RunDirectory::create(base.path(), "search", STARTED, "id").unwrap_err();
        assert!(again.to_string().contains("--out"), "{again}");
    }

    #[test]
    fn a_base_that_is_a_file_is_refused_before_any_load() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            RunDirectory::create(file.path(), "search", STARTED, "id"),
            Err(StoreError::Write { .. })
        ));
    }

    #[test]
    fn an_unused_directory_is_removed_and_a_used_one_is_not() {
        let base = tempfile::tempdir().unwrap();
        let unused = RunDirectory::create(base.path(), "a", STARTED, "id").unwrap();
        let used = RunDirectory::create(base.path(), "b", STARTED, "id").unwrap();
        used.write_file("note.txt", b"x").unwrap();
        let (gone, there) = (unused.path().to_owned(), used.path().to_owned());
        unused.discard_if_empty();
        used.discard_if_empty();
        assert!(!gone.exists() && there.exists());
    }

    #[test]
    fn names_cannot_lead_out_of_the_base() {
        assert_eq!(file_name("../../etc"), "_.._.._etc");
        assert_eq!((file_name(""), file_name("a b/c")), ("_".to_owned(), "a_b_c".to_owned()));
    }

    #[test]
    fn what_is_not_a_report_is_told_apart_from_what_is_damaged() {
        let whole = serde_json::to_vec(&samples::full()).unwrap();
        let told = |bytes: &[u8]| parse(bytes, Path::new("x.json")).unwrap_err().to_string();
        assert!(told(&whole[..whole.len() / 2]).contains("damaged"));
        assert!(told(b"not json").contains("damaged"));
        assert!(told(b"{}").contains("\"schema\" is missing"));
        assert!(told(br#"{"schema": "other/1"}"#).contains("\"other/1\""));
        assert!(told(br#"{"schema": "milvus-load/report/2"}"#).contains("later version"));
        assert!(told(br#"{"schema": "milvus-load/report/1"}"#).contains("missing field"));
    }

    #[test]
    fn fields_of_a_later_version_are_passed_over() {
        let mut value = serde_json::to_value(samples::full()).unwrap();
        value["later"] = serde_json::json!({ "rows": [] });
        value["run"]["later"] = 1.into();
        assert_eq!(parse(&serde_json::to_vec(&value).unwrap(), Path::new("x")).unwrap(), samples::full());
    }
}
