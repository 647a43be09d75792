//! The page of directories whose truth is known, and of one whose every name and text is an attack.

use std::fs;
use std::path::Path;

use super::super::attack::{ATTACK, assert_harmless, assert_told, attacked};
use super::page;
use crate::report::experiment::{EXPERIMENT_SCHEMA, samples as experiments};
use crate::report::index::Index;
use crate::report::model::{Setting, Shard, State, UnknownReason};
use crate::report::store::RunDirectory;
use crate::report::{RunReport, SCHEMA, samples};

const STARTED: u64 = 1_700_000_000_000_000;
const DAY: u64 = 86_400_000_000;

/// Its response times are these, in milliseconds; trusted, complete, at 100 per second.
fn run(p50: f64, p99: f64) -> RunReport {
    let mut report = samples::full();
    report.settings = vec![Setting { key: "load.rate".into(), value: 100.into(), from: "default".into() }];
    report.thresholds.clear();
    report.verdict.trusted = true;
    let response = &mut report.operations.get_mut("search").unwrap().response;
    (response.p50_us, response.p99_us) = (Some(p50 * 1e3), Some(p99 * 1e3));
    report
}

/// The page of runs on one day after the other.
fn page_of(runs: &[RunReport]) -> String {
    let base = tempfile::tempdir().unwrap();
    for (day, report) in (0..).zip(runs) {
        let mut report = report.clone();
        report.run.started_unix_us = STARTED + day * DAY;
        let id = format!("id{day}");
        let directory = RunDirectory::create(base.path(), "search", STARTED + day * DAY, &id).unwrap();
        directory.write_report(&report).unwrap();
    }
    let page = page(&Index::read(base.path()).unwrap(), Path::new("reports"));
    assert_harmless("index", &page);
    assert_told("index", &page);
    page
}

/// The `d` of the line of response times, of p50 and then of p99.
fn lines(page: &str) -> Vec<&str> {
    let after =
        page.split("<path class=\"line response\" d=\"").filter(|part| part.contains("vector-effect"));
    after
        .filter_map(|part| part.split_once('"').map(|(d, _)| d))
        .filter(|d| d.starts_with('M') || d.is_empty())
        .collect()
}

fn count(page: &str, what: &str) -> usize {
    page.matches(what).count()
}

#[test]
fn runs_made_alike_are_one_line_from_the_oldest_to_the_newest() {
    let page = page_of(&[run(1.0, 8.0), run(2.0, 4.0), run(1.0, 8.0)]);
    // 54 high: p50 of 0 to 2 ms, p99 of 0 to 10 ms.
    assert_eq!(lines(&page)[..2], ["M0 27L500 0L1000 27", "M0 10.8L500 32.4L1000 10.8"]);
    assert_eq!(count(&page, "class=\"stage\""), 0);
    let newest = page.split("<tbody>").nth(1).unwrap();
    let at = |text: &str| newest.find(text).unwrap_or_else(|| panic!("{text} in {newest}"));
    assert!(at("2023-11-16 22:13:20") < at("2023-11-15 22:13:20"));
    assert!(at("2023-11-15 22:13:20") < at("2023-11-14 22:13:20"));
    assert!(newest.contains("data-at=\"1000\"") && newest.contains("data-at=\"0\""));
    assert!(newest.contains("2.00 ms") && newest.contains("100.0") && newest.contains("nothing"));
}

#[test]
fn runs_of_other_settings_are_not_joined_and_the_change_is_told() {
    let mut other = run(2.0, 4.0);
    other.settings[0].value = 200.into();
    let page = page_of(&[run(1.0, 8.0), run(1.0, 8.0), other.clone(), other]);
    assert_eq!(lines(&page)[0], "M0 27L333.3 27M666.7 0L1000 0");
    assert_eq!(count(&page, "<line class=\"stage\" x1=\"50%\""), 2, "in both plots");
    assert_eq!(count(&page, "load.rate 100 → 200"), 1);
    assert!(page.contains("settings, data, server or machine changed"));
}

#[test]
fn what_changed_is_told_against_the_run_that_the_line_comes_from() {
    let mut untrusted = run(2.0, 4.0);
    untrusted.settings[0].value = 200.into();
    untrusted.verdict.trusted = false;
    let page = page_of(&[run(1.0, 8.0), untrusted, run(2.0, 4.0)]);
    assert_eq!(lines(&page)[0], "M0 27L1000 0");
    assert_eq!((count(&page, "100 → 200"), count(&page, "200 → 100")), (1, 0));
}

#[test]
fn rows_that_grew_are_no_course_of_the_server() {
    let of = |rows: u64, mut run: RunReport| {
        run.collection.get_or_insert_default().start.rows = Some(rows);
        run
    };
    let page = page_of(&[of(20_000, run(1.0, 8.0)), of(20_000_000, run(2.0, 4.0))]);
    assert_eq!(count(&page, "<line class=\"stage\" x1=\"50%\""), 2, "in both plots");
    assert!(page.contains("not comparable: ") && page.contains("collection.rows_at_start"));
}

#[test]
fn what_cannot_be_trusted_is_a_cross_beside_the_line() {
    let mut untrusted = run(900.0, 5_000.0);
    untrusted.verdict.trusted = false;
    let mut interrupted = run(1.0, 8.0);
    interrupted.run.state = State::Interrupted;
    let page = page_of(&[run(1.0, 8.0), untrusted, interrupted, run(2.0, 4.0)]);
    // The scale is that of the others.
    assert_eq!(lines(&page)[0], "M0 27L1000 0");
    assert_eq!(count(&page, "<path class=\"line failed\" d=\"M-3 -3"), 4);
    assert!(page.contains("✗ not trusted") && page.contains("interrupted"));
    assert!(page.contains("not trusted, or ended early; at the upper edge where it is beyond"));
    // The last one is like the first.
    assert_eq!(count(&page, "class=\"stage\""), 0);
}

#[test]
fn an_unknown_number_interrupts_the_line_and_one_that_is_unanswered_is_marked() {
    let unknown = |reason| {
        let mut report = run(1.0, 8.0);
        let response = &mut report.operations.get_mut("search").unwrap().response;
        response.p99_us = None;
        response.unknown.insert("p99_us".into(), reason);
        report
    };
    let page = page_of(&[
        run(1.0, 8.0),
        unknown(UnknownReason::Unanswered),
        run(1.0, 8.0),
        unknown(UnknownReason::TooFew),
        run(1.0, 8.0),
    ]);
    assert_eq!(lines(&page)[..2], ["M0 0L250 0L500 0L750 0L1000 0", "M0 10.8M500 10.8M1000 10.8"]);
    assert_eq!(count(&page, "<path class=\"errors\" d=\"M-4 5"), 1);
    assert!(page.contains(">unanswered<") && page.contains(">too few<"));
}

#[test]
fn a_shard_is_listed_and_never_drawn() {
    let mut shard = run(500.0, 900.0);
    shard.shard = Some(Shard { index: 1, of: 4 });
    let page = page_of(&[run(1.0, 8.0), shard, run(2.0, 4.0)]);
    assert_eq!(lines(&page)[0], "M0 27L1000 0");
    assert!(page.contains("shard 1/4") && page.contains("Response times of 2 runs"));
}

#[test]
fn one_run_is_a_table_and_no_picture() {
    let page = page_of(&[run(1.0, 8.0)]);
    assert!(!page.contains("<figure") && page.contains("none before to compare with"));
    assert!(page.contains("href=\"./search/20231114T221320.000Z-id0/report.json\""));
    assert!(!page.contains("report.html"), "it has none");
}

#[test]
fn times_that_cannot_be_are_drawn_nowhere() {
    let page = page_of(&[run(1.0, 8.0), run(f64::MAX, -1.0), run(1e300, 8.0)]);
    assert!(lines(&page)[0].starts_with("M0 0"), "{:?}", lines(&page));
    assert!(page.len() < 100_000);
}

#[test]
fn no_foreign_name_is_markup_wherever_it_stands() {
    let base = tempfile::tempdir().unwrap();
    let name: String = ATTACK.chars().filter(|c| !matches!(c, '/' | '\0')).take(80).collect();
    let reports = [samples::full(), samples::unknown(), samples::staged()].map(|mut report| {
        // Of these nothing is listed.
        (report.intervals, report.slowest, report.slowest_sampled, report.typical) =
            (vec![], vec![], vec![], vec![]);
        let (report, attacks) = attacked(&report);
        assert!(attacks > 10, "{attacks} texts were taken");
        RunReport { schema: SCHEMA.to_owned(), ..report }
    });
    for (index, text) in
        [name.as_str(), "javascript:alert(1)", "%2e%2e%2fetc", "a\" onclick=\"x", "#x?y"].iter().enumerate()
    {
        for (number, report) in reports.iter().enumerate() {
            let directory = base.path().join(text).join(format!("{index}{number}{text}"));
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("report.json"), serde_json::to_vec(report).unwrap()).unwrap();
            fs::write(directory.join("report.html"), "x").unwrap();
        }
        let broken = base.path().join(text).join(format!("broken{text}"));
        fs::create_dir_all(&broken).unwrap();
        fs::write(
            broken.join("report.json"),
            format!("{{\"schema\": {}}}", serde_json::to_string(ATTACK).unwrap()),
        )
        .unwrap();
    }
    for (number, outcome) in experiments::outcomes().into_iter().enumerate() {
        let (mut experiment, _) = attacked(&experiments::experiment(outcome));
        experiment.schema = EXPERIMENT_SCHEMA.to_owned();
        let directory = base.path().join(&name).join(format!("{number}{name}x"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("experiment.json"), serde_json::to_vec(&experiment).unwrap()).unwrap();
    }
    let index = Index::read(base.path()).unwrap();
    assert_eq!(
        (index.len(), index.left_out.len()),
        (15 + experiments::outcomes().len(), 5),
        "{:?}",
        index.left_out
    );
    let page = page(&index, &base.path().join(&name));
    assert_harmless("index", &page);
    assert_told("index", &page);
    assert!(count(&page, "&lt;script&gt;") > 10);
    for link in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "#./-_~%:,".contains(c);
        assert!(link.chars().all(is_plain) && !link.contains("/../"), "{link}");
    }
}
