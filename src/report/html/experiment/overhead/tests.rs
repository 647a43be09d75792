use super::super::super::attack::assert_harmless;
use super::super::{Runs, page as of_experiment};
use crate::report::experiment::overhead::{EffectVerdict, Mode, Overhead};
use crate::report::experiment::overhead_sentence::sentence;
use crate::report::experiment::{Outcome, samples};

fn page(overhead: Overhead) -> String {
    let experiment = samples::experiment(Outcome::Overhead(Box::new(overhead)));
    let page = of_experiment(&experiment, &Runs::nowhere());
    assert_harmless("overhead", &page);
    page
}

/// The parts of a page that have these IDs, cut at the next one.
fn panel<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no panel {id}"));
    let rest = &page[start..];
    &rest[..rest.find("</section>").unwrap()]
}

#[test]
fn the_sentence_comes_first_and_the_questions_follow_in_the_readers_order() {
    let page = page(samples::overhead());
    let places: Vec<usize> = ["cost", "sure", "fraction", "drift", "arms", "ran"]
        .map(|id| page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no panel {id}")))
        .to_vec();
    assert!(places.is_sorted(), "{places:?}");
    let sentence = sentence(&samples::overhead()).replace(" %", "\u{a0}%");
    assert!(panel(&page, "cost").contains(&format!("<p class=\"answer\">{sentence}</p>")), "{sentence}");
    assert!(panel(&page, "cost").contains("so these costs are upper bounds"));
}

#[test]
fn an_effect_stands_where_its_numbers_say_with_its_verdict_in_words() {
    // p50 and CPU are drawn on one axis. Its ends: the noise, -3.2 %, and the longest interval, 9.4 %, with 3 % of that on either side to
    // spare: from -3.578 % to 9.778 %. So 2.9 % is at 48.5 % of the width, 6.1 % at 72.46 %, 9.4 % at 97.17 %.
    let page = page(samples::overhead());
    let sure = panel(&page, "sure");
    assert!(sure.contains(r#"class="whisker bad" x1="48.5%" x2="97.17%""#), "{sure}");
    assert!(
        sure.contains(r#"<svg x="72.46%" y="27" overflow="visible"><path class="estimate bad""#),
        "{sure}"
    );
    // The noise: 0.378 of 13.356 to 6.778.
    assert!(sure.contains(r#"class="noise" x="2.83%" width="47.92%""#), "{sure}");
    for words in ["+6.1 %, costs", "at 0.1", "none seen, &gt; 0.94 % excluded", "off again", "±3.2 %"] {
        assert!(sure.contains(words), "{words:?} is missing");
    }
    // All of p99 is noise, and it is exploratory: it has a picture of its own.
    assert!(sure.find("id=\"effects\"") < sure.find("id=\"exploratory\""));
    assert!(sure.contains("+5.0 %, none seen, &gt; 38.0 % excluded"));
}

#[test]
fn the_line_goes_from_zero_to_what_tracing_all_costs() {
    let page = page(samples::overhead());
    let fraction = panel(&page, "fraction");
    assert!(
        fraction.contains("more than 2\u{a0}% on search p50 is excluded up to a fraction of 0.21."),
        "{fraction}"
    );
    // 0 to 9.4 % on 150 pixels: 6.1 % is 52.7 from the top; the arm at 0.1, 0.61 %, is 140.3.
    assert!(fraction.contains("d=\"M0 150L1000 52.7\""), "{fraction}");
    assert!(fraction.contains("<svg x=\"10%\" y=\"140.3\""), "{fraction}");
    assert!(fraction.contains("x1=\"21%\" x2=\"21%\""), "{fraction}");
}

#[test]
fn every_slot_stands_at_its_place_in_time_and_at_its_value() {
    // 12 slots. Values go from 2,000 to 2,320 us, with 23.2 to spare on either side, on 220 pixels.
    let page = page(samples::overhead());
    let drift = panel(&page, "drift");
    assert!(drift.contains(r#"<svg x="4.17%" y="206.1""#), "the first, 2,000 us: {drift}");
    assert!(drift.contains(r#"<svg x="20.83%" y="134""#), "the third, at 1, 2,120 us: {drift}");
    assert_eq!(drift.matches("class=\"mark solid s2\"").count(), 3 + 1, "at 1: one a block, and the legend");
    // 2 % stolen on an axis to 5 %, 44 pixels high.
    assert!(drift.contains("V26.4h"), "{drift}");
    assert!(drift.contains("2.12 ms"));
}

#[test]
fn what_is_missing_is_said_and_a_page_comes_of_anything() {
    let empty = Overhead {
        slots: vec![],
        metrics: vec![],
        arms: vec![],
        beside_the_server: vec![],
        ..samples::overhead()
    };
    let page_of_empty = page(empty);
    for words in
        ["Nothing was measured.", "No effect is known.", "No slot was completed.", "No arm has a slot."]
    {
        assert!(page_of_empty.contains(words), "{words:?} is missing");
    }
    assert!(!page_of_empty.contains("<section id=\"fraction\""));

    let mut unknown = samples::overhead();
    unknown.blocks.complete = 1;
    unknown.metrics.iter_mut().for_each(|effects| {
        effects.arms.clear();
        (effects.noise, effects.line, effects.off) = (None, None, None);
        effects.unknown = Some("1 complete block".into());
    });
    unknown.slots.truncate(3);
    unknown.slots.iter_mut().for_each(|slot| {
        slot.values.clear();
        (slot.stolen, slot.others_cores) = (None, None);
    });
    let page_of_unknown = page(unknown);
    for words in [
        "Nothing can be said of search p50: 1 complete block.",
        "not known in any slot",
        "1 of 3, each of 4 slots",
    ] {
        assert!(page_of_unknown.contains(words), "{words:?} is missing");
    }
    let main =
        &page_of_unknown[page_of_unknown.find("<main>").unwrap()..page_of_unknown.find("</main>").unwrap()];
    assert!(!main.contains("NaN") && !main.contains("inf"), "{main}");
}

#[test]
fn verdicts_that_were_given_are_explained_and_no_others() {
    let mut overhead = samples::overhead();
    assert!(!page(overhead.clone()).contains("stopped by hand"));
    overhead.metrics[0].arms[0].verdict = EffectVerdict::Stopped;
    assert!(page(overhead).contains("was stopped by hand: there are intervals, and no decision"));
}

#[test]
fn slots_that_are_servers_of_their_own_are_pairs_and_one_that_took_over_is_marked() {
    let mut overhead = samples::overhead();
    overhead.slots.iter_mut().skip(4).for_each(|slot| slot.server = 1);
    assert!(page(overhead.clone()).contains("server process 2"));
    overhead.mode = Mode::OwnFraction;
    overhead.metrics.iter_mut().for_each(|effects| (effects.noise, effects.line) = (None, None));
    let page = page(overhead);
    assert!(!page.contains("server process 2") && page.contains(">pair</text>"));
    assert!(!page.contains("class=\"noise\""));
}
