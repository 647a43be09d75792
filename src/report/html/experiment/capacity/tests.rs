//! The page of a capacity against what its sample holds, and against what is missing.

use super::super::super::attack::{assert_harmless, assert_told};
use super::super::{Runs, page};
use crate::report::experiment::capacity::{Conclusion, ProbeOutcome};
use crate::report::experiment::{Capacity, Outcome, samples};

fn of(capacity: Capacity) -> String {
    let page = page(&samples::experiment(Outcome::Capacity(Box::new(capacity))), &Runs::nowhere());
    assert_harmless("capacity", &page);
    assert_told("capacity", &page);
    page
}

fn figure<'a>(page: &'a str, id: &str) -> &'a str {
    let start = format!("<figure class=\"chart\" id=\"{id}\">");
    page.split_once(&start).unwrap_or_else(|| panic!("no {id}")).1.split("</figure>").next().unwrap()
}

#[track_caller]
fn shows(text: &str, all: &[&str]) {
    for words in all {
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
}

#[test]
fn questions_are_answered_in_order() {
    let page = of(samples::capacity());
    let places: Vec<usize> = ["found", "knee", "probes", "ran"]
        .iter()
        .map(|id| page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}")))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    shows(
        &page,
        &[
            "<strong>312/s (95\u{a0}% 289..371)</strong>",
            "search.response.p99 &lt; 20ms",
            "between 200/s and 282.8/s",
        ],
    );
}

/// Rates from 100 to 400/s on an axis with a tenth of room at its ends, so that a place is ln(1.1 rate / 100) / ln 4.84; p99 from 6 to
/// 31 ms on one from 5 to 50 ms.
#[test]
fn probes_the_bound_and_the_interval_stand_where_their_numbers_are() {
    let page = of(samples::capacity());
    let figure = figure(&page, "knee-0");
    let (slo, median) = figure.split_once("search.response.p50, logarithmic").unwrap();
    shows(
        slo,
        &[
            // 220 x (1 - lg 1.2).
            "<svg x=\"6.04%\" y=\"202.6\" overflow=\"visible\"><title>100/s: 6.00 ms, held</title><path class=\"mark solid held\"",
            "<svg x=\"93.96%\" y=\"0\" overflow=\"visible\"><title>400/s: unanswered, did not hold</title><path class=\"mark hollow bare gave-way\"",
            "<title>282.8/s: 31.0 ms, left out: the generator did not keep up</title>",
            // ln 3.179 and ln 4.081 of ln 4.84.
            "<rect class=\"band interval\" x=\"73.34%\" width=\"15.84%\"",
            "<line class=\"capacity\" x1=\"78.2%\" x2=\"78.2%\"",
            "text-anchor=\"end\">capacity 312/s</text>",
            // 220 x (1 - lg 4).
            "<line class=\"bound\" x1=\"0\" x2=\"100%\" y1=\"87.5\"",
        ],
    );
    // From 200 to 282.8/s.
    shows(median, &["<rect class=\"band knee\" x=\"50%\" width=\"21.97%\"", "twice that at the lowest rate"]);
}

#[test]
fn the_search_is_drawn_and_told_in_its_order() {
    let page = of(samples::capacity());
    let search = figure(&page, "probes-0");
    // Five probes on an axis from 0 to 6.
    let places: Vec<&str> =
        search.split("<svg x=\"").skip(1).filter_map(|rest| rest.split('"').next()).take(5).collect();
    assert_eq!(places, ["16.67%", "33.33%", "50%", "66.67%", "83.33%"]);
    let (_, probes) = page.split_once("<section id=\"probes\"").unwrap();
    shows(probes, &[">17.0 ms</td>", "left out: generator_late", "0a1b2c3d", "did not hold"]);
}

#[test]
fn every_end_of_a_search_has_a_page() {
    use Conclusion as C;
    for conclusion in [C::Stopped, C::HoldsAtNoRate, C::GeneratorGaveUp, C::BudgetSpent, C::Untrusted] {
        let unknown = |probes| Capacity {
            conclusion,
            rate_per_s: None,
            low_per_s: None,
            high_per_s: None,
            knee: None,
            probes,
            ..samples::capacity()
        };
        let all = samples::capacity().probes;
        assert!(of(unknown(vec![])).contains("No probe is complete yet."));
        of(unknown(all[..1].to_vec()));
        for outcome in
            [ProbeOutcome::Held, ProbeOutcome::Failed, ProbeOutcome::Generator, ProbeOutcome::Untrusted]
        {
            let mut probes = all.clone();
            probes.iter_mut().for_each(|probe| probe.outcome = outcome);
            let page = of(unknown(probes));
            assert!(!page.contains("class=\"capacity\"") && !page.contains("class=\"band interval\""));
        }
    }
}

#[test]
fn shares_and_rates_are_drawn_from_0() {
    let mut capacity = samples::capacity();
    capacity.slo = ["errors < 1%", "search.succeeded_per_s >= 90", "nonsense"].map(str::to_owned).to_vec();
    for probe in &mut capacity.probes {
        let one = probe.slo[0].clone();
        probe.slo = capacity
            .slo
            .iter()
            .map(|expression| crate::report::model::Threshold {
                expression: expression.clone(),
                ..one.clone()
            })
            .collect();
        probe.slo[0].value = Some(0.0);
        probe.slo[1].value = Some(probe.rate_per_s);
    }
    // No error at all on an axis from 0 to 1 %.
    shows(
        &of(capacity),
        &["x=\"6.04%\" y=\"220\" overflow=\"visible\"><title>100/s: 0 %, held</title>", "100/s: 100, held"],
    );
}
