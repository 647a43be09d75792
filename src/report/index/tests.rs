//! What is found, read, put in order and stored, held against reports that are read whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::*;
use crate::report::circumstances::Circumstances;
use crate::report::experiment::samples as experiments;
use crate::report::model::{Setting, State};
use crate::report::store::RunDirectory;
use crate::report::{RunReport, samples};

const STARTED: u64 = 1_700_000_000_000_000;
const DAY: u64 = 86_400_000_000;

/// Stores it as a run of its own that began so many days later, and says in which directory.
fn stored(base: &Path, day: u64, report: &RunReport) -> PathBuf {
    let mut report = report.clone();
    report.run.started_unix_us = STARTED + day * DAY;
    let directory =
        RunDirectory::create(base, &report.run.name, STARTED + day * DAY, &format!("id{day}")).unwrap();
    directory.write_report(&report).unwrap();
    directory.path().strip_prefix(base).unwrap().to_owned()
}

fn directories(workload: &Workload) -> Vec<PathBuf> {
    workload.entries.iter().map(|entry| entry.directory.clone()).collect()
}

fn setting(key: &str, value: serde_json::Value) -> Setting {
    Setting { key: key.into(), value, from: "--set".into() }
}

#[test]
fn of_every_report_the_list_has_what_the_report_has() {
    for (name, report) in samples::all() {
        let bytes = serde_json::to_vec(&report).unwrap();
        let listed = ListedRun::parse(&bytes, Path::new("x")).unwrap();
        assert_eq!(listed.run, report.run, "{name}");
        assert_eq!(listed.trusted, report.verdict.trusted, "{name}");
        let not_met = report.thresholds.iter().filter(|threshold| threshold.met == Some(false)).count();
        assert_eq!((listed.thresholds, listed.not_met), (report.thresholds.len(), not_met), "{name}");
        let offered: Vec<_> = report.operations.iter().filter(|(_, o)| o.offered > 0).collect();
        assert_eq!(listed.operations.len(), offered.len(), "{name}");
        for (operation, whole) in offered {
            let part = &listed.operations[operation];
            assert_eq!(part.response.p50_us, whole.response.p50_us, "{name}");
            assert_eq!(part.response.p99_us, whole.response.p99_us, "{name}");
            assert_eq!(part.response.unknown, whole.response.unknown, "{name}");
            assert_eq!(part.succeeded_per_s, whole.succeeded_per_s, "{name}");
        }
        assert_eq!(listed.facts(), &Circumstances::from(&report).facts(), "{name}");
    }
}

#[test]
fn what_changed_since_another_run_is_told_and_what_separates_them_first() {
    let mut before = samples::full();
    before.settings = vec![setting("load.rate", 100.into()), setting("data.seed", "1".into())];
    let mut after = before.clone();
    after.settings = vec![
        setting("load.rate", 200.into()),
        setting("data.seed", "2".into()),
        setting("load.spin", "off".into()),
    ];
    after.machine.cores = 64;
    after.run.state = State::Interrupted;
    let listed = |report| ListedRun::parse(&serde_json::to_vec(report).unwrap(), Path::new("x")).unwrap();
    let changed = listed(&after).changed_since(&listed(&before));
    let told: Vec<_> = changed.iter().map(|change| (change.key.as_str(), change.separates)).collect();
    assert_eq!(
        told,
        [("load.rate", true), ("load.spin", true), ("machine.cores", true), ("data.seed", false)]
    );
    assert_eq!((&changed[0].from, &changed[0].to), (&100.into(), &200.into()));
    assert!(changed[1].from.is_null());
    assert_eq!(listed(&after).changed_since(&listed(&after)), []);
}

#[test]
fn runs_and_experiments_are_listed_newest_first_and_the_runs_of_an_experiment_are_not() {
    let base = tempfile::tempdir().unwrap();
    let early = stored(base.path(), 1, &samples::full());
    let late = stored(base.path(), 3, &samples::interrupted());
    let mut experiment = experiments::experiment(experiments::outcomes().remove(0));
    experiment.experiment.started = crate::report::rfc3339(STARTED + 2 * DAY);
    let directory = RunDirectory::create(base.path(), "search-x", STARTED + 2 * DAY, "x").unwrap();
    experiment.write(&directory).unwrap();
    for day in 0..5 {
        stored(directory.path(), day, &samples::full());
    }
    let mut other = samples::empty();
    other.run.name = "other".into();
    let oldest = stored(base.path(), 0, &other);

    let index = Index::read(base.path()).unwrap();
    let names: Vec<_> = index.workloads.iter().map(|workload| workload.name.as_str()).collect();
    assert_eq!((names, index.len()), (vec!["search", "other"], 4));
    let middle = directory.path().strip_prefix(base.path()).unwrap().to_owned();
    assert_eq!(directories(&index.workloads[0]), [late, middle, early]);
    assert_eq!(directories(&index.workloads[1]), [oldest]);
    let Listed::Experiment(listed) = &index.workloads[0].entries[1].listed else { panic!("no experiment") };
    assert_eq!((listed.kind, listed.runs), (experiment.kind(), experiment.runs.len()));
    assert!(!listed.headline.is_empty() && index.left_out.is_empty());
}

#[test]
fn what_cannot_be_read_is_named_and_keeps_no_other_from_being_listed() {
    let base = tempfile::tempdir().unwrap();
    stored(base.path(), 0, &samples::full());
    let whole = serde_json::to_vec(&samples::full()).unwrap();
    for (name, bytes) in [
        ("cut", &whole[..whole.len() / 2]),
        ("foreign", br#"{"schema": "other/1"}"#),
        ("newer", br#"{"schema": "milvus-load/report/2"}"#),
        ("list", b"[1, 2]"),
        ("empty", b""),
        ("without", br#"{"schema": "milvus-load/report/1"}"#),
    ] {
        fs::create_dir_all(base.path().join("search").join(name)).unwrap();
        fs::write(base.path().join("search").join(name).join("report.json"), bytes).unwrap();
    }
    // No files, and nothing that has to do with reports.
    fs::create_dir_all(base.path().join("search/directory/report.json")).unwrap();
    fs::write(base.path().join("note.txt"), "x").unwrap();
    let index = Index::read(base.path()).unwrap();
    assert_eq!((index.len(), index.left_out.len()), (1, 6), "{:?}", index.left_out);
    for words in [
        "search/cut/report.json is damaged",
        "search/foreign/report.json is not a report",
        "search/newer/report.json is of a later version",
        "search/list/report.json is damaged",
        "search/empty/report.json is damaged",
        "search/without/report.json is damaged: missing field",
    ] {
        assert!(index.left_out.iter().any(|told| told.contains(words)), "{words}: {:?}", index.left_out);
    }
}

#[test]
fn a_directory_that_was_renamed_is_listed_by_what_its_report_says() {
    let base = tempfile::tempdir().unwrap();
    let (first, second) =
        (stored(base.path(), 0, &samples::full()), stored(base.path(), 1, &samples::full()));
    fs::rename(base.path().join(first), base.path().join("search/before the upgrade")).unwrap();
    let index = Index::read(base.path()).unwrap();
    assert_eq!(directories(&index.workloads[0]), [second, PathBuf::from("search/before the upgrade")]);
}

#[test]
fn the_examples_that_a_clone_brings_are_not_listed() {
    let base = tempfile::tempdir().unwrap();
    let own = stored(base.path(), 0, &samples::full());
    let brought = stored(base.path(), 1, &samples::full());
    fs::create_dir(base.path().join("examples")).unwrap();
    fs::rename(base.path().join(brought), base.path().join("examples/search")).unwrap();
    let index = Index::read(base.path()).unwrap();
    assert_eq!((index.len(), directories(&index.workloads[0])), (1, vec![own]));
}

#[test]
fn of_two_thousand_reports_the_newest_are_read_and_the_page_stays_small() {
    let base = tempfile::tempdir().unwrap();
    let mut report = samples::full();
    // Histograms, intervals and requests are not what is tried here.
    (report.intervals, report.slowest, report.slowest_sampled) = (vec![], vec![], vec![]);
    for run in 0..2_000 {
        report.run.name = ["daily", "hourly"][run as usize % 2].into();
        stored(base.path(), run, &report);
    }
    let (path, index) = write(base.path()).unwrap();
    assert_eq!((index.len(), index.older), (400, 1_600));
    let newest: Vec<u64> = index.workloads.iter().map(|w| w.entries[0].started_unix_us).collect();
    assert_eq!(newest, [STARTED + 1_999 * DAY, STARTED + 1_998 * DAY]);
    assert_eq!(index.workloads[0].entries[199].started_unix_us, STARTED + (1_999 - 398) * DAY);
    let page = fs::read_to_string(path).unwrap();
    assert!(page.len() < 700_000, "{}", page.len());
    assert!(page.contains("1,600 older reports not read"));
    // One more than 200 of each of six workloads: 1,000 in all.
    for name in 0..6 {
        report.run.name = format!("w{name}");
        for run in 0..201 {
            stored(base.path(), 10_000 + run, &report);
        }
    }
    assert_eq!(Index::read(base.path()).unwrap().len(), 1_000);
}

#[test]
fn after_a_run_the_index_is_made_where_nothing_else_is_and_kept_up_to_date_where_it_is() {
    let base = tempfile::tempdir().unwrap();
    let index = base.path().join(INDEX_FILE);
    stored(base.path(), 0, &samples::full());
    fs::write(base.path().join(".gitignore"), "*").unwrap();
    fs::create_dir(base.path().join("about-to-run")).unwrap();
    assert_eq!(bring_up_to_date(base.path()).unwrap(), Some(index.clone()));
    fs::remove_file(&index).unwrap();
    // A project's own directory.
    fs::create_dir_all(base.path().join("src/bin")).unwrap();
    assert_eq!(bring_up_to_date(base.path()).unwrap(), None);
    assert!(!index.exists());
    // That of this tool by default, whatever else people have put there.
    let default = base.path().join("reports");
    stored(&default, 0, &samples::full());
    fs::write(default.join("junit.xml"), "").unwrap();
    assert_eq!(bring_up_to_date(&default).unwrap(), Some(default.join(INDEX_FILE)));
    // Who asks for it has it, from then on.
    write(base.path()).unwrap();
    let late = stored(base.path(), 9, &samples::full());
    assert_eq!(bring_up_to_date(base.path()).unwrap(), Some(index.clone()));
    assert!(fs::read_to_string(&index).unwrap().contains(late.file_name().unwrap().to_str().unwrap()));
}

#[test]
fn a_page_of_somebody_else_is_never_written_over() {
    let base = tempfile::tempdir().unwrap();
    stored(base.path(), 0, &samples::full());
    let index = base.path().join(INDEX_FILE);
    let report = crate::report::html::store(
        &samples::full(),
        &[],
        &RunDirectory::create(base.path(), "search", STARTED + DAY, "x").unwrap(),
    );
    let own_report = fs::read_to_string(report.unwrap()).unwrap();
    for theirs in ["<title>Mine</title>", own_report.as_str(), ""] {
        fs::write(&index, theirs).unwrap();
        assert_eq!(bring_up_to_date(base.path()).unwrap(), None);
        assert!(matches!(write(base.path()), Err(IndexError::NotOurs(_))));
        assert_eq!(fs::read_to_string(&index).unwrap(), theirs);
    }
}

#[test]
fn where_there_is_no_report_there_is_no_index() {
    let base = tempfile::tempdir().unwrap();
    assert!(matches!(write(base.path()), Err(IndexError::NoReport(_))));
    assert!(matches!(write(&base.path().join("nowhere")), Err(IndexError::Unread { .. })));
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
}

#[test]
fn of_many_at_once_none_is_missed_and_nothing_partial_is_left() {
    let base = tempfile::tempdir().unwrap();
    let names: Vec<PathBuf> = thread::scope(|scope| {
        let one = |day| {
            let base = base.path();
            scope.spawn(move || {
                let name = stored(base, day, &samples::full());
                assert!(bring_up_to_date(base).unwrap().is_some());
                name
            })
        };
        let all: Vec<_> = (0..3).map(one).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let page = fs::read_to_string(base.path().join(INDEX_FILE)).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
    for name in names {
        assert!(page.contains(name.file_name().unwrap().to_str().unwrap()), "{}", name.display());
    }
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 2);
}
