//! The page of `compare`: what changed and how sure that is, what else is not the same, each run, and the tails. Of runs of one kind, how
//! far they lie apart.

mod change;
mod differ;
mod each;
mod tail;
#[cfg(test)]
mod tests;

use maud::{Markup, html};

use super::super::mark::Mark;
use super::super::page::Panel;
use super::super::table::{Table, cut};
use super::super::text::{prose, short};
use super::super::toned;
use super::Runs;
use crate::report::experiment::compare_document as document;
use crate::report::experiment::compare_sentence::{decided, headlines};
use crate::report::experiment::{Comparison, DecisionOutcome, Experiment, Weight};
use crate::report::terminal::table::{Cell, Tone};

pub(super) fn panels(experiment: &Experiment, comparison: &Comparison, runs: &Runs<'_>) -> Vec<Panel> {
    let mut panels = vec![answer(experiment, comparison)];
    panels.extend(differ::panel(comparison));
    if !comparison.groups.is_empty() {
        panels.extend([each::panel(experiment, comparison, runs), tail::panel(experiment, comparison, runs)]);
    }
    panels
}

fn answer(experiment: &Experiment, comparison: &Comparison) -> Panel {
    let question = match comparison.groups.len() {
        0 | 1 => "How far do runs of one kind lie apart?",
        2 => "Is B slower?",
        _ => "Are the others slower than A?",
    };
    let facts = document::facts(experiment, comparison);
    let body = html! {
        @for headline in headlines(comparison) { p class="answer" { (prose(&headline)) } }
        (decision(comparison))
        (cautions(comparison))
        (super::super::facts(facts.iter().map(|(name, value)| (short(name), html! { (short(value)) }))))
        @match comparison.groups.len() {
            0 => {},
            1 => (Table::of("Numbers over the runs", 1, cut(&document::spreads(comparison))).markup()),
            count => @for index in 1..count { (change::against_baseline(comparison, index)) },
        }
        @if !comparison.metrics.is_empty() { p class="note" { (short(&document::legend(comparison))) } }
    };
    Panel { id: "answer", title: "Answer", question, body }
}

/// What follows for whoever asked with `--fail-above`.
fn decision(comparison: &Comparison) -> Markup {
    let (sign, tone) = match comparison.decision.outcome {
        DecisionOutcome::NotAsked => return html! {},
        DecisionOutcome::Passed => ("✓", Tone::Good),
        DecisionOutcome::Regressed => ("✗", Tone::Bad),
        DecisionOutcome::CannotSay => ("?", Tone::Warning),
    };
    html! {
        @if let Some(words) = decided(comparison) {
            p { (toned(&Cell(format!("{sign} "), tone))) (prose(&words)) }
        }
    }
}

/// What stands against the answer.
fn cautions(comparison: &Comparison) -> Markup {
    let all: usize = comparison.groups.iter().map(|group| group.runs.len()).sum();
    let untrusted = comparison.untrusted();
    let decides =
        comparison.differences.iter().filter(|difference| difference.weight == Weight::Decides).count();
    html! {
        @if untrusted > 0 {
            @let decide = if untrusted == 1 { "decides" } else { "decide" };
            p class="warning" { "! " (untrusted) " of " (all) " runs cannot be trusted: what they measured is part of all that is shown, and " (decide) " nothing unless that is allowed." }
        }
        @if decides > 0 {
            p { "Workload or server are not the same in " (decides) @if decides == 1 { " thing" } @else { " things" } ": " a href="#differ" { "what differs" } "." }
        }
    }
}

/// The first group is hollow: it is what others are held against.
const fn mark(group: usize) -> Mark {
    Mark::of(if group == 0 { 0 } else { group + 1 })
}
