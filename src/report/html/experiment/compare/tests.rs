use std::fs;

use super::super::super::attack::{ATTACK, assert_harmless, attacked};
use super::super::{Runs, page as of_experiment};
use crate::report::experiment::{
    Change, ChangeVerdict, Comparison, DecisionOutcome, Experiment, NoValue, Outcome, RunOrder, RunReference,
    RunValue, UntrustedRun, samples,
};
use crate::report::model::RunReport;
use crate::report::samples as runs;

fn experiment(comparison: Comparison) -> Experiment {
    let mut experiment = samples::experiment(Outcome::Compare(Box::new(comparison.clone())));
    // By their start: A1 B1 B2 A2.
    for (group, index) in [(0, 0), (1, 0), (1, 1), (0, 1)] {
        let Some(group) = comparison.groups.get(group) else { continue };
        let id = group.runs[index].clone();
        experiment.runs.push(RunReference {
            report: format!("runs/{id}/report.json"),
            id,
            label: group.label.clone(),
            trusted: group.untrusted == 0,
        });
    }
    experiment
}

fn page_with(experiment: &Experiment, runs: &Runs<'_>) -> String {
    let page = of_experiment(experiment, runs);
    assert_harmless("compare", &page);
    page
}

fn page(comparison: Comparison) -> String {
    page_with(&experiment(comparison), &Runs::nowhere())
}

#[track_caller]
fn shows(page: &str, all: &[&str]) {
    for words in all {
        assert!(page.contains(words), "{words:?} is missing in\n{page}");
    }
}

#[test]
fn the_answer_comes_first_then_what_differs_the_runs_and_the_tails() {
    let page = page(samples::comparison());
    let places = ["answer", "differ", "each", "tail", "ran"]
        .map(|id| page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no panel {id}")));
    assert!(places.is_sorted(), "{places:?}");
    shows(
        &page,
        &[
            "Is B slower?",
            "B is worse than A: search.response.p50 +5.0\u{a0}% (95\u{a0}% CI +2.0 to +8.0\u{a0}%).",
            "Fail above 2.5\u{a0}%: REGRESSED: it is worse by more than 2.5\u{a0}%.",
            "operations.search.params.ef",
            "workload or server",
        ],
    );
}

#[test]
fn a_change_stands_where_its_numbers_say_the_one_that_decides_above_all_others() {
    // The longest reaches from -10 % to 12 %; 3 % of that to spare on either side: from -10.66 % to 12.66 %. So 2 % is at 54.29 % of the
    // width, 5 % at 67.15 %, 8 % at 80.02 %.
    let page = page(samples::comparison());
    shows(
        &page,
        &[
            r#"class="whisker bad" x1="54.29%" x2="80.02%""#,
            r#"<svg x="67.15%" y="27" overflow="visible"><path class="estimate bad""#,
            r#"class="whisker open" x1="2.83%" x2="97.17%""#,
        ],
    );
    assert!(page.find(">decides<") < page.find(">exploratory<"));
    assert!(page.contains("+1.0 %, none seen, &gt; 12.0 % excluded"), "{page}");
}

#[test]
fn every_run_stands_in_the_order_of_its_start_at_its_value() {
    // 1,000 and 1,020 us of A came first and last, 1,050 and 1,070 of B between. 21.4 us, 2 % of the most, to spare on either side: 978.6 to
    // 1,091.4 on 150 pixels.
    let page = page(samples::comparison());
    for (place, top) in [("12.5%", "121.5"), ("37.5%", "55.1"), ("62.5%", "28.5"), ("87.5%", "94.9")] {
        assert!(page.contains(&format!("<svg x=\"{place}\" y=\"{top}\"")), "{place} {top}\n{page}");
    }
}

#[test]
fn runs_of_one_kind_tell_how_far_they_lie_apart() {
    let mut comparison = samples::comparison();
    comparison.groups.truncate(1);
    comparison.order = RunOrder::OneGroup;
    comparison.differences.clear();
    comparison.decision.outcome = DecisionOutcome::NotAsked;
    comparison.metrics.iter_mut().for_each(|metric| {
        metric.groups.truncate(1);
        metric.changes.clear();
    });
    let page = page(comparison);
    shows(
        &page,
        &[
            "How far do runs of one kind lie apart?",
            "from run to run it varies by 1.4\u{a0}% (one standard deviation)",
            "run-to-run SD",
            "Nothing but the numbers",
        ],
    );
    assert!(!page.contains("Is B slower?") && !page.contains("Fail above"));
}

#[test]
fn what_cannot_be_told_is_said() {
    let mut comparison = samples::comparison();
    comparison.groups[1].untrusted = 2;
    comparison.untrusted_runs =
        vec![UntrustedRun { group: "B".into(), run: "b1".into(), errors: vec!["requests were late".into()] }];
    for metric in &mut comparison.metrics {
        metric.groups[1].values = vec![RunValue { value: None, unknown: Some(NoValue::Unanswered) }; 2];
        (metric.groups[1].mean, metric.groups[1].sd) = (None, None);
        let reason = Some("unanswered in 2 of 2 runs of B".into());
        metric.changes[0] = Change { change: None, interval: None, reason, ..metric.changes[0].clone() };
    }
    comparison.metrics[0].changes[0].verdict = ChangeVerdict::Worse;
    let page = page(comparison);
    shows(
        &page,
        &[
            "search.response.p50 is unanswered in 2 of 2 runs of B",
            "! 2 of 4 runs cannot be trusted",
            "B, run b1: requests were late",
            ">?</text>",
            "B, not trusted",
            "none of these was found",
        ],
    );
}

#[test]
fn a_comparison_of_nothing_has_a_page() {
    let mut comparison = samples::comparison();
    comparison.groups.clear();
    comparison.metrics.clear();
    comparison.differences.clear();
    shows(&page(comparison), &["There is nothing to tell: no complete run."]);
    let mut comparison = samples::comparison();
    comparison.metrics.clear();
    shows(&page(comparison), &["There is nothing to tell", "No run has a number."]);
}

/// Stores reports where the references of an experiment say.
fn stored(reports: &[(&str, RunReport)]) -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    for (id, report) in reports {
        let directory = base.path().join("runs").join(id);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("report.json"), serde_json::to_string(report).unwrap()).unwrap();
    }
    base
}

#[test]
fn tails_are_of_all_requests_of_a_group_together() {
    // 1 to 2,000 ms once each, in every run: so two runs together have the same percentiles, and one nine more to tell.
    let all = ["a1", "a2", "b1", "b2"].map(|id| (id, runs::full()));
    let base = stored(&all);
    let experiment = experiment(samples::comparison());
    let page = page_with(&experiment, &Runs::beside(base.path()));
    shows(
        &page,
        &[
            "A, all requests of 2 runs together",
            "<td class=\"number \">1.98 s</td>",
            "thin: each run by itself",
        ],
    );
    assert!(page.contains(">4,000</td>"), "so many were offered");
    // One is missing.
    fs::remove_file(base.path().join("runs/b2/report.json")).unwrap();
    let page = page_with(&experiment, &Runs::beside(base.path()));
    shows(&page, &["! The reports of 1 of 4 runs were not found", "B, all requests of 1 run together"]);
}

#[test]
fn no_foreign_text_of_a_report_is_markup() {
    let (report, _) = attacked(&runs::full());
    let base = stored(&["a1", "a2", "b1", "b2"].map(|id| (id, report.clone())));
    let (mut experiment, _) = attacked(&experiment(samples::comparison()));
    // The attack has their places too; these are what is under attack here.
    for (run, id) in experiment.runs.iter_mut().zip(["a1", "b1", "b2", "a2"]) {
        run.report = format!("runs/{id}/report.json");
    }
    let page = page_with(&experiment, &Runs::beside(base.path()));
    assert!(page.contains(&ATTACK[2..10].replace('<', "&lt;").replace('>', "&gt;")), "{page}");
}
