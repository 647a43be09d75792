//! The page of a sweep against what its sample holds, and against what is missing.

use super::super::super::attack::{assert_harmless, assert_told};
use super::super::{Runs, page};
use crate::report::experiment::sweep::Varied;
use crate::report::experiment::{Outcome, Sweep, samples};

fn of(sweep: Sweep) -> String {
    let page = page(&samples::experiment(Outcome::Sweep(Box::new(sweep))), &Runs::nowhere());
    assert_harmless("sweep", &page);
    assert_told("sweep", &page);
    page
}

fn part<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    page.split_once(start).unwrap_or_else(|| panic!("no {start}")).1.split(end).next().unwrap()
}

#[track_caller]
fn shows(text: &str, all: &[&str]) {
    for words in all {
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
}

#[test]
fn questions_are_answered_in_order() {
    let page = of(samples::sweep());
    let places: Vec<usize> = ["found", "curve", "grid", "drift", "points", "ran"]
        .iter()
        .map(|id| page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}")))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    shows(&page, &["Highest throughput: 1000/s at concurrency=1 ef=16 (point a)", "2 of 6 runs are missing"]);
}

/// Throughput is 1000, 667 and 250/s, so the axis ends at 1050; medians are 1.0, 1.5 and 4.0 ms on an axis from 1 to 5 ms.
#[test]
fn marks_stand_where_their_numbers_are() {
    let page = of(samples::sweep());
    let figure = part(&page, "<figure class=\"chart\" id=\"curve-0\">", "</figure>");
    let (p50, p99) = figure.split_once("p99 of the response, logarithmic").unwrap();
    shows(
        p50,
        &[
            "<svg x=\"95.24%\" y=\"200\" overflow=\"visible\"><title>concurrency=1 ef=16: p50 1.00 ms at 1000/s</title><path class=\"mark solid s0\"",
            // 200 x (1 - ln 4 / ln 5).
            "<svg x=\"23.81%\" y=\"27.7\"",
            // 200 x (1 - ln 1.5 / ln 5); none of its runs can be trusted.
            "<svg x=\"63.49%\" y=\"149.6\" overflow=\"visible\"><title>concurrency=1 ef=64: p50 1.50 ms at 666.7/s, not trusted</title><path class=\"mark hollow s2\"",
            "d=\"M952.4 200L238.1 27.7\"",
            "text-anchor=\"middle\">4</text>",
        ],
    );
    assert_eq!(p99.split("<table").next().unwrap().matches("<svg x=\"23.81%\"").count(), 0, "it has no p99");
    shows(&page, &["Without p99: c (too few).", "hollow: not trusted"]);
}

#[test]
fn a_grid_tells_every_number_and_tints_it() {
    let page = of(samples::sweep());
    let grid = part(&page, "<section id=\"grid\"", "</section>");
    shows(
        grid,
        &[
            "<th scope=\"col\" class=\"number\">ef=64</th>",
            "<td class=\"number tint tint-1\">2.00 ms</td>",
            "<td class=\"number tint tint-5\">3.00 ms<div class=\"bad\">not trusted</div></td>",
            "too few</td>",
            "not run</td>",
            "<td class=\"number tint tint-5\">1000</td>",
            "<td class=\"number tint tint-1\">250</td>",
        ],
    );
    let mut alone = samples::sweep();
    alone.varied.truncate(1);
    assert!(!of(alone).contains("id=\"grid\""));
}

/// The control's runs are the first and the third of six; the axis goes from 0 to 7.
#[test]
fn the_control_is_drawn_in_the_order_of_runs() {
    let page = of(samples::sweep());
    let figure = part(&page, "<figure class=\"chart\" id=\"drift-0\">", "</figure>");
    shows(
        figure,
        &["x=\"14.29%\"", "x=\"42.86%\"", "run 3: p50 1.10 ms, not trusted", "not trusted: short_of_cpu"],
    );
}

#[test]
fn every_run_is_listed_in_its_order() {
    let page = of(samples::sweep());
    let (_, runs) = page.split_once("Runs, in their order</caption>").unwrap();
    let rows: Vec<&str> =
        runs.split("<th scope=\"row\">").skip(1).map(|row| row.split('<').next().unwrap()).take(4).collect();
    assert_eq!(rows, ["1", "2", "3", "4"]);
    shows(runs, &["00000001"]);
}

#[test]
fn a_sweep_of_little_has_a_page() {
    let mut nothing = samples::sweep();
    nothing.keep(|_| false);
    shows(&of(nothing.clone()), &["No run is complete yet.", "6 of 6 runs are missing"]);
    let mut one = samples::sweep();
    one.keep(|run| run.place == 0);
    shows(&of(one), &["No point was run twice", "not run"]);
    nothing.points.clear();
    nothing.varied.clear();
    nothing.order.clear();
    of(nothing);
    let mut failed = samples::sweep();
    let all = failed
        .points
        .iter_mut()
        .flat_map(|point| &mut point.runs)
        .flat_map(|run| run.operations.values_mut());
    all.for_each(|figures| {
        *figures = crate::report::experiment::Figures { succeeded_per_s: Some(0.0), ..Default::default() }
    });
    failed.keep(|_| true);
    shows(&of(failed), &["no point has a known p50"]);
}

#[test]
fn more_lines_than_can_be_told_apart_are_in_the_table() {
    let mut many = samples::sweep();
    let values: Vec<String> = (0..9).map(|value| value.to_string()).collect();
    many.varied[1] = Varied { key: "operations.search.params.ef".into(), values: values.clone() };
    many.varied[0].values.truncate(1);
    many.varied.push(Varied { key: "load.rate".into(), values: vec!["1".into(), "2".into()] });
    let point = many.points[0].clone();
    many.points = values
        .iter()
        .flat_map(|ef| ["1", "2"].map(|rate| (ef.clone(), rate)))
        .map(|(ef, rate)| {
            let mut point = point.clone();
            point.values = vec!["1".into(), ef, rate.into()];
            point
        })
        .collect();
    shows(&of(many), &["3 more lines are not drawn; the table has their points."]);
}
