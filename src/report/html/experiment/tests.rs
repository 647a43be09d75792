//! The page of every sample, and of experiments whose every text is an attack.

use super::super::attack::{assert_harmless, assert_told, attacked};
use super::{Runs, page};
use crate::report::experiment::{Experiment, samples};

fn every() -> impl Iterator<Item = (&'static str, Experiment)> {
    samples::outcomes().into_iter().map(samples::experiment).map(|experiment| (experiment.kind(), experiment))
}

#[test]
fn no_foreign_text_is_markup_wherever_it_stands() {
    for (name, experiment) in every() {
        let (experiment, attacks) = attacked(&experiment);
        assert!(attacks > 10, "{name}: {attacks} texts were taken");
        let page = page(&experiment, &Runs::nowhere());
        assert_harmless(name, &page);
        let shown = page.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count();
        assert!(shown > 5, "{name}: {shown} of {attacks} are shown");
    }
}

#[test]
fn every_sample_has_a_page() {
    for (name, experiment) in every() {
        let page = page(&experiment, &Runs::nowhere());
        assert_harmless(name, &page);
        assert_told(name, &page);
        assert!(page.contains("id=\"ran\""), "{name}");
    }
}
