//! A sweep for people: the grid, a table of its points, pictures, and how much of a difference is noise.

use crate::report::document::{Block, Document};
use crate::report::terminal::table::{Cell, Tone};

use super::super::Experiment;
use super::super::figures::Figures;
use super::super::words::{self, errors, percent, rate_cell, time};
use super::best::best;
use super::drift::largest_difference;
use super::pictures::{curve, heat, letter, quantities};
use super::{Drift, SetUp, Sweep, SweptPoint};

/// From the numbers to their pictures.
pub(in crate::report::experiment) fn document(experiment: &Experiment, sweep: &Sweep) -> Document {
    let mut document = Document::default();
    document.push(Block::Title(title(experiment, sweep)));
    let names: Vec<String> = sweep.names().into_iter().cloned().collect();
    let of = |name: &str| if names.len() > 1 { format!("{name}: ") } else { String::new() };
    let found: Vec<String> =
        names.iter().flat_map(|name| best(sweep, name).into_iter().map(|text| of(name) + &text)).collect();
    found.into_iter().for_each(|text| document.push(Block::Text(text)));
    document.push(Block::Facts(facts(experiment, sweep)));
    for name in &names {
        let of = of(name);
        document.push(Block::Heading(format!("{of}points, their runs together")));
        document.push(Block::Table(1 + sweep.varied.len(), table(sweep, name)));
        let drawing = curve(sweep, name);
        if !drawing.is_empty() {
            let heading =
                "response time over throughput: a small letter is a point's p50, its capital the p99";
            document.push(Block::Heading(format!("{of}{heading}")));
            document.push(Block::Drawing(drawing));
        }
        for quantity in quantities(sweep, name) {
            if let Some(table) = heat(sweep, name, quantity) {
                let untrusted = if is_distrusted(sweep) { "; ! not trusted" } else { "" };
                let heading = format!("{of}{}, from low (··) to high (██){untrusted}", quantity.name);
                document.push(Block::Heading(heading));
                document.push(Block::Table(1, table));
            }
        }
        if let Some(text) = noise(sweep, name) {
            document.push(Block::Text(format!("{of}{text}")));
        }
    }
    document
}

/// Whether some point has runs, and none that can be trusted.
fn is_distrusted(sweep: &Sweep) -> bool {
    sweep.points.iter().any(|point| !point.runs.is_empty() && !point.trusted)
}

fn title(experiment: &Experiment, sweep: &Sweep) -> String {
    let keys: Vec<&str> = sweep.varied.iter().map(|varied| varied.key.as_str()).collect();
    format!(
        "sweep of {} over {}: {} points",
        experiment.experiment.name,
        keys.join(" and "),
        sweep.points.len()
    )
}

/// What was run, and on what.
pub(in crate::report) fn facts(experiment: &Experiment, sweep: &Sweep) -> Vec<(String, String)> {
    let (all, missing) = (sweep.order.len(), sweep.missing().len());
    let mut runs =
        format!("{} of {all}, in random order (seed {})", all - missing, experiment.experiment.seed);
    if missing > 0 {
        runs.push_str("; go on with --resume");
    }
    let control = format!("point {}, run throughout: {}", name_of(sweep.control), sweep.label(sweep.control));
    let set_up = match sweep.set_up {
        SetUp::Shared => "one for all runs",
        SetUp::PerGroup => {
            "points that differ in the collection have their own, made twice; those of one follow each other"
        }
        SetUp::PerRun => "made anew for every run, as the workload writes",
        SetUp::Grown => "what runs wrote was kept: the collection grew, in an order that favours no point",
    };
    let mut facts = vec![
        ("runs".to_owned(), runs),
        ("control".to_owned(), control),
        ("set-up".to_owned(), set_up.to_owned()),
    ];
    facts.extend(experiment.server.iter().map(|server| ("server".to_owned(), words::server(server))));
    facts
}

/// Its letter, or beyond z its number.
pub(in crate::report) fn name_of(point: usize) -> String {
    letter(point).map_or_else(|| (point + 1).to_string(), String::from)
}

/// A row for each point, the heading first.
pub(in crate::report) fn table(sweep: &Sweep, operation: &str) -> Vec<Vec<Cell>> {
    let keys = sweep.short_keys().into_iter().map(Cell::from);
    let columns = ["runs", "offered/s", "succeeded/s", "p50", "p99", "errors", "verdict"];
    let heading = std::iter::once(Cell::from("")).chain(keys).chain(columns.map(Cell::from)).collect();
    let row = |(index, point): (usize, &SweptPoint)| {
        let none = Figures::default();
        let figures = point.operations.get(operation).unwrap_or(&none);
        let mut row = vec![Cell(name_of(index), Tone::Strong)];
        row.extend(point.values.iter().map(|value| Cell::from(value.as_str())));
        row.push(point.runs.len().to_string().into());
        if point.runs.is_empty() {
            row.push(Cell("not run".into(), Tone::Dim));
            return row;
        }
        row.push(rate_cell(figures.offered_per_s));
        row.push(rate_cell(figures.succeeded_per_s));
        row.push(time(figures, "p50_us", figures.p50_us));
        row.push(time(figures, "p99_us", figures.p99_us));
        row.push(errors(figures.errors));
        row.push(verdict(point));
        row
    };
    std::iter::once(heading).chain(sweep.points.iter().enumerate().map(row)).collect()
}

fn verdict(point: &SweptPoint) -> Cell {
    let distrusted = point.runs.iter().filter(|run| !run.trusted).count();
    let reasons: std::collections::BTreeSet<&str> =
        point.runs.iter().flat_map(|run| &run.reasons).map(String::as_str).collect();
    let reasons = reasons.into_iter().collect::<Vec<_>>().join(", ");
    match distrusted {
        0 => Cell("trusted".into(), Tone::Good),
        some if point.trusted => Cell(format!("trusted but {some} left out: {reasons}"), Tone::Warning),
        _ => Cell(format!("not trusted: {reasons}"), Tone::Bad),
    }
}

/// What a difference between points has to be held against.
pub(in crate::report) fn noise(sweep: &Sweep, operation: &str) -> Option<String> {
    let drift = sweep.drift.get(operation)?;
    let mut sentences: Vec<String> = control(sweep, drift).into_iter().collect();
    if let (Some(median), Some(most)) = (drift.repeat_median, drift.repeat_most) {
        sentences.push(format!(
            "Two runs of the same other point differed by {} (the median of all points), {} at most.",
            percent(median),
            percent(most)
        ));
    }
    if sentences.is_empty() {
        return None;
    }
    let others = [
        ("p99", largest_difference(sweep, operation, |figures| figures.p99_us)),
        ("throughput", largest_difference(sweep, operation, |figures| figures.succeeded_per_s)),
    ];
    let others: Vec<String> = others
        .into_iter()
        .filter_map(|(what, most)| Some(format!("by up to {} in {what}", percent(most?))))
        .collect();
    if !others.is_empty() {
        sentences.push(format!("Runs of one point differed {}.", others.join(" and ")));
    }
    if drift.control_range.is_some() || drift.repeat_median.is_some() {
        sentences.push("Smaller differences between points mean nothing.".to_owned());
    }
    Some(sentences.join(" "))
}

/// How much the control point drifted; `None` where it was run once at most.
fn control(sweep: &Sweep, drift: &Drift) -> Option<String> {
    let runs = sweep.points.get(sweep.control).map_or(0, |point| point.runs.len());
    let of = format!("of the control point, run {runs} times throughout,");
    Some(match (drift.control_range, drift.control_change) {
        _ if runs < 2 => return None,
        (Some(range), Some(change)) => format!(
            "The median {of} varied by {} and changed by {}{} from its first run to its last.",
            percent(range),
            if change < 0.0 { "-" } else { "+" },
            percent(change.abs())
        ),
        (Some(range), None) => format!(
            "The median {of} varied by {}; how much it changed from its first run to its last is not known, as one of the two \
             has no median to trust.",
            percent(range)
        ),
        (None, _) => {
            format!("The drift {of} is not known: fewer than two of its runs have a median to trust.")
        }
    })
}
