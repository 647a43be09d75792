//! How sure is it? Each effect with its interval, against zero and against how far two equal arms lie apart.

use maud::{Markup, html};

use super::super::super::chart::Figure;
use super::super::super::forest::{self, Interval, Seen};
use super::super::super::page::Panel;
use super::super::super::table::{Row, Table, Td, cut};
use super::super::super::text::short;
use super::{document, nothing};
use crate::report::experiment::overhead::{ArmEffect, Change, EffectVerdict, Effects, Overhead};
use crate::report::experiment::overhead_sentence::{changed, metric_words, percent, share, verdict};

pub(super) fn panel(overhead: &Overhead) -> Panel {
    let known = || overhead.metrics.iter().filter(|effects| !effects.arms.is_empty());
    let (first, others): (Vec<&Effects>, Vec<&Effects>) =
        known().partition(|effects| document::drawn(overhead).any(|drawn| drawn.metric == effects.metric));
    let body = html! {
        @if known().next().is_none() { (nothing("No effect is known.")) }
        @if !first.is_empty() {
            (figure("effects", "Effects of tracing", "The metric that was to be decided on, and CPU.", &first))
        }
        @if !others.is_empty() {
            (figure("exploratory", "Effects on all else", "Exploratory: of twenty metrics, one is seen to change where nothing did.", &others))
        }
        (words(overhead))
        @if !overhead.metrics.is_empty() {
            (Table::of("Effects against off, by metric", 1, cut(&document::effects(overhead))).markup())
            p class="note" { (short(&document::legend(overhead))) }
        }
        (unknown(overhead))
    };
    Panel { id: "sure", title: "Certainty", question: "How sure is it, against the noise?", body }
}

fn figure(id: &str, title: &str, about: &str, metrics: &[&Effects]) -> Markup {
    let rows: Vec<(&Effects, Vec<Interval>)> =
        metrics.iter().map(|effects| (*effects, intervals(effects))).collect();
    let band = |effects: &Effects| effects.noise.map(|noise| noise.band);
    let widest = metrics.iter().filter_map(|effects| band(effects)).fold(0.0, f64::max);
    let x = forest::axis(rows.iter().flat_map(|(_, intervals)| intervals), widest);
    let plot = |(effects, intervals): &(&Effects, Vec<Interval>)| {
        forest::plot(&metric_words(&effects.metric).0, intervals, band(effects), &x)
    };
    let mut keys = vec![
        Seen::Worse.key("costs"),
        Seen::Better.key("gains"),
        Seen::Nothing.key("none seen, or nothing decided"),
    ];
    if widest > 0.0 {
        keys.push(forest::noise_key("noise: two equal arms may lie so far apart"));
    }
    let figure = Figure {
        id,
        title,
        about,
        x: &x,
        x_label: "change against off, with its 95 % interval",
        plots: rows.iter().map(plot).collect(),
        keys,
        table: table(title, metrics),
        is_open: false,
    };
    figure.markup()
}

/// Of the arms, and of the second off.
fn intervals(effects: &Effects) -> Vec<Interval> {
    let of = |label: String, Change { low, estimate, high }: Change, come_to: &str, seen| Interval {
        low,
        estimate,
        high,
        label,
        aside: format!("{}, {come_to}", percent(estimate)),
        seen,
    };
    let arm = |arm: &ArmEffect| of(format!("at {}", arm.fraction), arm.change, &verdict(arm), seen(arm));
    let noise = effects.noise.map(|noise| of("off again".to_owned(), noise.change, "noise", Seen::Nothing));
    effects.arms.iter().map(arm).chain(noise).collect()
}

const fn seen(arm: &ArmEffect) -> Seen {
    match arm.verdict {
        EffectVerdict::Costs => Seen::Worse,
        EffectVerdict::Gains => Seen::Better,
        EffectVerdict::NoneSeen
        | EffectVerdict::NotTested
        | EffectVerdict::Stopped
        | EffectVerdict::TooFewBlocks => Seen::Nothing,
    }
}

fn table(title: &str, metrics: &[&Effects]) -> Table {
    let heading = ["metric", "arm", "verdict", "change", "p", "detectable", "blocks"];
    let mut table = Table::new(&format!("{title}, one by one, with their 95 % intervals"), 3, &heading);
    for effects in metrics {
        let name = short(&metric_words(&effects.metric).0);
        for arm in &effects.arms {
            let cells: [Td; 7] = [
                name.as_str().into(),
                format!("at {}", arm.fraction).into(),
                verdict(arm).into(),
                changed(arm.change).into(),
                probability(arm.p_value).into(),
                share(arm.smallest_detectable).into(),
                effects.blocks.to_string().into(),
            ];
            table.push(Row::from_iter(cells));
        }
        if let Some(noise) = effects.noise {
            let word = if noise.unsound { "differs from off: not sound" } else { "noise" };
            let cells: [Td; 7] = [
                name.as_str().into(),
                "off\u{a0}again".into(),
                word.into(),
                changed(noise.change).into(),
                probability(noise.p_value).into(),
                "".into(),
                effects.blocks.to_string().into(),
            ];
            table.push(Row::from_iter(cells));
        }
    }
    table
}

/// Three digits behind the point; what is smaller is said to be that.
fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// The verdicts that were given, in words.
fn words(overhead: &Overhead) -> Markup {
    const ALL: [(EffectVerdict, &str); 6] = [
        (
            EffectVerdict::Costs,
            "The interval lies on the worse side of zero: chance alone does that in 1 of 40.",
        ),
        (
            EffectVerdict::Gains,
            "The interval lies on the better side of zero: chance alone does that in 1 of 40.",
        ),
        (
            EffectVerdict::NoneSeen,
            "The interval holds zero. There may be an effect, but none for the worse that is larger than what is excluded.",
        ),
        (
            EffectVerdict::NotTested,
            "Fractions are tested from the largest on, and a larger one showed nothing.",
        ),
        (EffectVerdict::Stopped, "The experiment was stopped by hand: there are intervals, and no decision."),
        (EffectVerdict::TooFewBlocks, "There are intervals, and no decision."),
    ];
    let arms = || overhead.metrics.iter().flat_map(|effects| &effects.arms);
    let given = ALL.iter().filter(|(verdict, _)| arms().any(|arm| arm.verdict == *verdict));
    super::super::super::facts(given.map(|(verdict, means)| (verdict.words(), html! { (means) })))
}

/// Why nothing can be said of some metrics.
fn unknown(overhead: &Overhead) -> Markup {
    let unknown = overhead.metrics.iter().filter_map(|effects| Some((effects, effects.unknown.as_deref()?)));
    html! {
        @for (effects, reason) in unknown {
            p class="note" { "Nothing can be said of " (short(&metric_words(&effects.metric).0)) ": " (short(reason)) "." }
        }
    }
}
