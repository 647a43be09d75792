//! An overhead experiment for people: the sentence, effects with their intervals, a forest plot, the slots over time.

use std::collections::BTreeSet;

use super::super::document::{Block, Document};
use super::super::model::{Finding, Severity};
use super::super::terminal::table::{Cell, Tone, grouped};
use super::Experiment;
use super::overhead::{ArmEffect, ArmSummary, EffectVerdict, Effects, Mode, Overhead, OverheadSlot};
use super::overhead_sentence::{changed, metric_words, percent, sentence, share};
use super::plot::{Interval, forest, sparkline};

pub(in crate::report) const ARMS_LEGEND: &str = "by client, by server: requests whose spans of theirs reached the collector; lost: client's spans that did not; \
     bytes at the collector and the generator's CPU for exporting: per request.";

pub(super) fn of(experiment: &Experiment, overhead: &Overhead) -> Document {
    let mut document = Document::default();
    let mut put = |block| document.push(block);
    put(Block::Title(format!("what tracing costs: {}", experiment.experiment.name)));
    put(Block::Text(sentence(overhead)));
    if !overhead.findings.is_empty() {
        put(Block::List(overhead.findings.iter().map(finding).collect()));
    }
    put(Block::Facts(facts(experiment, overhead)));
    put(Block::Table(1, effects(overhead)));
    put(Block::Text(legend(overhead)));
    put(Block::Heading(
        if overhead.mode == Mode::OwnFraction { "Effects" } else { "Against the noise" }.into(),
    ));
    put(Block::Drawing(plot(overhead)));
    let lines = lines(overhead);
    if lines.len() > 1 {
        put(Block::Heading("If cost is proportional to the fraction".into()));
        put(Block::Table(1, lines));
    }
    put(Block::Heading("Slots over time".into()));
    put(Block::Drawing(over_time(overhead)));
    put(Block::Heading("What each arm did".into()));
    put(Block::Table(1, arms(overhead)));
    put(Block::Text(ARMS_LEGEND.to_owned()));
    beside(overhead).into_iter().for_each(|text| put(Block::Text(text)));
    document
}

/// What shares the server's machine, and what that means; `None`: nothing that is known of.
pub(in crate::report) fn beside(overhead: &Overhead) -> Option<String> {
    let beside = &overhead.beside_the_server;
    (!beside.is_empty()).then(|| {
        format!(
            "Also on the server's machine: {}. They slow it down and are slowed down by it, so these costs are upper bounds.",
            beside.join(", ")
        )
    })
}

/// `error: what. cause. remedy.`
fn finding(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    format!(
        "{severity}: {}. {}. {}.",
        finding.message,
        capitalised(&finding.cause),
        capitalised(&finding.remedy)
    )
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

pub(in crate::report) fn facts(experiment: &Experiment, overhead: &Overhead) -> Vec<(String, String)> {
    let about = &experiment.experiment;
    let mut facts: Vec<(&str, String)> = Vec::new();
    if let Some(server) = &experiment.server {
        let version = server.version.as_deref().unwrap_or("of unknown version");
        let embedded = if server.embedded { ", embedded" } else { "" };
        facts.push(("target", format!("{} (Milvus {version}{embedded})", server.uri)));
    }
    if let Some(machine) = &experiment.machine {
        let cpu = machine.cpu.as_deref().map_or_else(String::new, |cpu| format!(", {cpu}"));
        facts.push(("machine", format!("{} cores{cpu}, {}", machine.cores, machine.os)));
    }
    let fractions: Vec<String> = overhead.fractions.iter().map(ToString::to_string).collect();
    facts.push(("arms", arms_in_words(overhead, &fractions.join(", "))));
    facts.push(("blocks", blocks_in_words(overhead, &about.seed)));
    facts.push(("stolen", stolen(&overhead.slots)));
    facts.push(("started", format!("{}, {}", about.started, about.id)));
    facts.push(("command", about.command.clone()));
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn arms_in_words(overhead: &Overhead, fractions: &str) -> String {
    match overhead.mode {
        Mode::Client => format!("off, off again, {fractions}; the client alone traces"),
        Mode::Server => format!("off, off again, {fractions}; the server alone traces"),
        Mode::Both => format!("off, off again, {fractions}; client and server trace"),
        Mode::OwnFraction => {
            format!(
                "the server's own sampleFraction at 0 and at {fractions}; no header is sent, and the client does not trace"
            )
        }
    }
}

fn blocks_in_words(overhead: &Overhead, seed: &str) -> String {
    let (blocks, timing) = (overhead.blocks, overhead.timing);
    if overhead.mode == Mode::OwnFraction {
        return format!(
            "{} of {} pairs of server processes, in random order within each (seed {seed}): {} s measured of each",
            blocks.complete, blocks.planned, timing.slot_s
        );
    }
    let servers = overhead.slots.iter().map(|slot| slot.server + 1).max().unwrap_or(1);
    let on = if servers > 1 { format!(", on {servers} server processes") } else { String::new() };
    format!(
        "{} of {}, each of {} slots in random order (seed {seed}): {} s kept after {} s of washout{on}",
        blocks.complete,
        blocks.planned,
        overhead.fractions.len() + 2,
        timing.slot_s,
        timing.washout_s
    )
}

/// `2.0 % of the machine's time in the median slot, 17 % in the worst`.
fn stolen(slots: &[OverheadSlot]) -> String {
    let mut stolen: Vec<f64> = slots.iter().filter_map(|slot| slot.stolen).collect();
    stolen.sort_by(f64::total_cmp);
    match (stolen.get(stolen.len() / 2), stolen.last()) {
        (Some(median), Some(worst)) => format!(
            "{} of the machine's time in the median slot, {} in the worst",
            share(*median),
            share(*worst)
        ),
        _ => "not known".to_owned(),
    }
}

pub(in crate::report) fn effects(overhead: &Overhead) -> Vec<Vec<Cell>> {
    let mut heading: Vec<Cell> = vec!["metric".into(), "off".into()];
    heading.extend(overhead.fractions.iter().map(|fraction| Cell::from(format!("at {fraction}"))));
    heading.extend(["noise", "detectable"].map(Cell::from));
    let mut rows = vec![heading];
    for effects in &overhead.metrics {
        let (words, value) = metric_words(&effects.metric);
        let words = match effects.dropped > 0 && effects.blocks > 0 {
            true => format!("{words} ({} blocks)", effects.blocks),
            false => words,
        };
        let name_tone = if effects.metric == overhead.primary { Tone::Strong } else { Tone::Plain };
        let mut row =
            vec![Cell(words, name_tone), effects.off.map_or_else(|| "unknown".to_owned(), value).into()];
        match &effects.unknown {
            Some(_) => row.extend(overhead.fractions.iter().map(|_| Cell("unknown".into(), Tone::Dim))),
            None => row.extend(effects.arms.iter().map(effect)),
        }
        let noise = effects
            .noise
            .map_or_else(|| "unknown".to_owned(), |noise| format!("\u{b1}{}", share(noise.band)));
        let detectable =
            effects.arms.first().map_or_else(|| "unknown".to_owned(), |arm| share(arm.smallest_detectable));
        row.extend([noise.into(), detectable.into()]);
        rows.push(row);
    }
    rows
}

fn effect(arm: &ArmEffect) -> Cell {
    let tone = match arm.verdict {
        EffectVerdict::Costs => Tone::Bad,
        EffectVerdict::Gains => Tone::Good,
        EffectVerdict::NoneSeen => Tone::Plain,
        EffectVerdict::NotTested | EffectVerdict::Stopped | EffectVerdict::TooFewBlocks => Tone::Dim,
    };
    Cell(changed(arm.change), tone)
}

pub(in crate::report) fn legend(overhead: &Overhead) -> String {
    let (primary, _) = metric_words(&overhead.primary);
    let typical = if overhead.mode == Mode::OwnFraction { "a typical pair" } else { "the typical slot" };
    let noise = match overhead.metrics.iter().any(|effects| effects.noise.is_some()) {
        true => " noise: how far two equal arms may lie apart.",
        false => "",
    };
    format!(
        "Effects against off in {typical}, with 95 % intervals. {primary} was to be decided on; all else is exploratory.{noise} \
         detectable: the effect that such an experiment finds 4 times in 5."
    )
}

/// Metrics that are drawn: the primary one, and the CPU of server and generator.
pub(in crate::report) fn drawn(overhead: &Overhead) -> impl Iterator<Item = &Effects> {
    let is_drawn = |effects: &&Effects| {
        effects.metric == overhead.primary || effects.metric.ends_with(".cpu_us_per_request")
    };
    overhead.metrics.iter().filter(is_drawn).filter(|effects| !effects.arms.is_empty())
}

fn plot(overhead: &Overhead) -> Vec<String> {
    let mut lines = Vec::new();
    for effects in drawn(overhead) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(metric_words(&effects.metric).0);
        let interval = |label: String, change: super::overhead::Change, note: &str| Interval {
            label,
            low: change.low,
            estimate: change.estimate,
            high: change.high,
            note: note.to_owned(),
        };
        let noise = effects.noise.map(|noise| interval("off again".into(), noise.change, "noise"));
        let arm = |arm: &ArmEffect| interval(format!("at {}", arm.fraction), arm.change, arm.verdict.words());
        let arms = effects.arms.iter().map(arm);
        let rows: Vec<Interval> = arms.chain(noise).collect();
        lines.extend(forest(&rows, effects.noise.map_or(0.0, |noise| noise.band), &percent));
    }
    if lines.is_empty() {
        lines.push("no effect is known".into());
    }
    lines
}

pub(in crate::report) fn lines(overhead: &Overhead) -> Vec<Vec<Cell>> {
    let heading = ["metric", "at 1", "at 0.1", "fraction within 2 %", "fits"];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    for effects in drawn(overhead) {
        let Some(line) = effects.line else { continue };
        let fits = match line.lack_of_fit_p {
            None => "-".to_owned(),
            Some(p) if p < 0.05 => "no".to_owned(),
            Some(_) => "yes".to_owned(),
        };
        rows.push(vec![
            metric_words(&effects.metric).0.into(),
            changed(line.at_1).into(),
            changed(line.at_0_1).into(),
            rounded_down(line.fraction_within_2_percent).into(),
            fits.into(),
        ]);
    }
    rows
}

/// Two digits that promise no more than is known.
pub(in crate::report) fn rounded_down(fraction: f64) -> String {
    if fraction <= 0.0 {
        return "none".to_owned();
    }
    let digits = (1.0 - fraction.log10().floor()).clamp(0.0, 9.0) as usize;
    let scale = 10f64.powi(digits as i32);
    format!("{:.digits$}", (fraction * scale).floor() / scale)
}

/// One line per arm, one character per block.
fn over_time(overhead: &Overhead) -> Vec<String> {
    let blocks: BTreeSet<usize> = overhead.slots.iter().map(|slot| slot.block).collect();
    let of_block = |block: usize| overhead.slots.iter().filter(move |slot| slot.block == block);
    let values = |arm: &str| -> Vec<Option<f64>> {
        let of = |block: &usize| {
            of_block(*block).find(|slot| slot.arm == arm)?.values.get(&overhead.primary).copied()
        };
        blocks.iter().map(of).collect()
    };
    let all: Vec<f64> =
        overhead.slots.iter().filter_map(|slot| slot.values.get(&overhead.primary).copied()).collect();
    let (low, high) =
        all.iter().fold((f64::INFINITY, 0f64), |(low, high), value| (low.min(*value), high.max(*value)));
    let (words, value) = metric_words(&overhead.primary);
    let mut lines = vec![match all.is_empty() {
        true => format!("{words}: not known in any slot"),
        false => format!("{words} by block, from {} to {}", value(low), value(high)),
    }];
    for arm in &overhead.arms {
        lines.push(format!("{:>9} {}", arm.arm, sparkline(&values(&arm.arm), low, high)));
    }
    let stolen: Vec<Option<f64>> = blocks.iter().map(|block| mean_stolen(of_block(*block))).collect();
    if stolen.iter().any(Option::is_some) {
        lines.push(format!("{:>9} {} (of 50 %)", "stolen", sparkline(&stolen, 0.0, 0.5)));
    }
    lines
}

fn mean_stolen<'a>(slots: impl Iterator<Item = &'a OverheadSlot>) -> Option<f64> {
    let stolen: Option<Vec<f64>> = slots.map(|slot| slot.stolen).collect();
    stolen.map(|stolen| stolen.iter().sum::<f64>() / stolen.len().max(1) as f64)
}

pub(in crate::report) fn arms(overhead: &Overhead) -> Vec<Vec<Cell>> {
    let heading = [
        "arm",
        "slots",
        "sent",
        "sampled",
        "by client",
        "by server",
        "all spans",
        "lost",
        "bytes",
        "export CPU",
    ];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    let counted = |count: Option<u64>| count.map_or_else(|| "not counted".to_owned(), grouped);
    for arm in &overhead.arms {
        let ArmSummary { client_spans, server_requests, spans, .. } = arm;
        let lost_tone = if arm.client_spans_lost > 0 { Tone::Warning } else { Tone::Plain };
        rows.push(vec![
            Cell(arm.arm.clone(), Tone::Strong),
            arm.slots.to_string().into(),
            grouped(arm.sent).into(),
            grouped(arm.sampled).into(),
            counted(*client_spans).into(),
            counted(*server_requests).into(),
            counted(*spans).into(),
            Cell(grouped(arm.client_spans_lost), lost_tone),
            arm.collector_bytes_per_request
                .map_or_else(|| "not counted".to_owned(), |bytes| format!("{bytes:.0}"))
                .into(),
            arm.export_cpu_us_per_request
                .map_or_else(|| "unknown".to_owned(), |us| format!("{us:.1} us"))
                .into(),
        ]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_never_told_larger_than_it_is() {
        let told = [1.0, 0.999, 0.338, 0.0411, 0.00496, 0.0].map(rounded_down);
        assert_eq!(told, ["1.0", "0.99", "0.33", "0.041", "0.0049", "none"]);
    }
}
