//! The rows of a workload: a run or an experiment each, newest first.

use maud::{Markup, html};
use serde_json::Value;

use super::super::table::{Row, Table, Td, class};
use super::super::text::short;
use super::{NAME, history, link, so_many};
use crate::report::experiment::EXPERIMENT_FILE;
use crate::report::html::HTML_FILE;
use crate::report::index::{Changed, Entry, Listed, ListedExperiment, ListedRun, ListedTimes, Workload};
use crate::report::model::{State, UnknownReason};
use crate::report::rfc3339;
use crate::report::store::REPORT_FILE;
use crate::report::terminal::slow::cut;
use crate::report::terminal::summary::{rate, span, unknown};
use crate::report::terminal::table::{Cell, Tone};

/// Of what changed, so many keys are named, each with so much of its values.
const KEYS: usize = 3;
const VALUE: usize = 24;

pub(super) fn table(workload: &Workload, operations: &[&str]) -> Table {
    let of = |operation: &&str, what: &str| match operations.len() {
        1 => what.to_owned(),
        _ => format!("{} {what}", cut(operation, NAME)),
    };
    let numbers =
        operations.iter().flat_map(|operation| ["p50", "p99", "per s"].map(|what| of(operation, what)));
    let before = ["when (UTC)", "kind", "verdict"].map(str::to_owned);
    let after = ["file", "changed, or found"].map(str::to_owned);
    let heading: Vec<String> = before.into_iter().chain(numbers).chain(after).collect();
    let mut table =
        Table { left: 3, last_left: 2, heading, ..Table::new("Runs and experiments, newest first", 3, &[]) };
    let places = history::places(workload);
    for (index, entry) in workload.entries.iter().enumerate() {
        // The one that the line would come from.
        let earlier = workload.entries[index + 1..].iter().filter_map(Entry::run).find(|run| run.is_sound());
        table.push(row(entry, operations, earlier, places[index]));
    }
    table
}

fn row(entry: &Entry, operations: &[&str], earlier: Option<&ListedRun>, at: Option<f64>) -> Row {
    let mut cells: Vec<Td> = vec![page(entry).into(), kind(entry).into(), verdict(entry).into()];
    for operation in operations {
        cells.extend(numbers(entry, operation));
    }
    cells.push(file(entry).into());
    cells.push(html! { span class="changed" { (told(entry, earlier)) } }.into());
    Row { at, ..Row::from_iter(cells) }
}

/// `2023-11-14 22:13:20`.
fn when(entry: &Entry) -> String {
    let text = rfc3339(entry.started_unix_us).replace('T', " ");
    text.split('.').next().unwrap_or(&text).to_owned()
}

/// `2023-11-14`.
pub(super) fn day(entry: &Entry) -> String {
    when(entry).chars().take(10).collect()
}

pub(super) fn kind(entry: &Entry) -> String {
    match &entry.listed {
        Listed::Experiment(experiment) => experiment.kind.to_owned(),
        Listed::Run(run) => match (run.shard, run.merged_from) {
            (Some(shard), _) => format!("shard {}/{}", shard.index, shard.of),
            (None, 0) => "run".to_owned(),
            (None, parts) => format!("run of {parts} shards"),
        },
    }
}

pub(super) fn verdict(entry: &Entry) -> Markup {
    let words = match &entry.listed {
        Listed::Run(run) => of_run(run),
        Listed::Experiment(experiment) => of_experiment(experiment),
    };
    html! {
        span class="verdict" {
            @for (index, Cell(text, tone)) in words.iter().enumerate() {
                @if index > 0 { ", " }
                span class=[class(*tone)] { (text) }
            }
        }
    }
}

fn of_run(run: &ListedRun) -> Vec<Cell> {
    let trusted = match run.trusted {
        true => Cell("trusted".to_owned(), Tone::Good),
        false => Cell("✗ not trusted".to_owned(), Tone::Bad),
    };
    let state =
        (run.run.state != State::Complete).then(|| Cell(run.run.state.name().to_owned(), Tone::Warning));
    let not_met = (run.trusted && run.not_met > 0).then(|| {
        Cell(format!("{} of {} not met", run.not_met, so_many(run.thresholds, "threshold")), Tone::Bad)
    });
    [Some(trusted), state, not_met].into_iter().flatten().collect()
}

fn of_experiment(experiment: &ListedExperiment) -> Vec<Cell> {
    let runs = so_many(experiment.runs, "run");
    let trusted = match (experiment.runs, experiment.untrusted) {
        (0, _) => Cell("no run".to_owned(), Tone::Warning),
        (_, 0) => Cell(format!("{runs}, trusted"), Tone::Good),
        (_, untrusted) => Cell(format!("✗ {untrusted} of {runs} not trusted"), Tone::Bad),
    };
    let early = (!experiment.complete).then(|| Cell("ended early".to_owned(), Tone::Warning));
    [Some(trusted), early].into_iter().flatten().collect()
}

fn numbers(entry: &Entry, operation: &str) -> [Td; 3] {
    let none = || Td::from(Cell("–".to_owned(), Tone::Dim));
    let Some(found) = entry.run().and_then(|run| run.operations.get(operation)) else {
        return [none(), none(), none()];
    };
    let ListedTimes { p50_us, p99_us, unknown } = &found.response;
    let time = |name: &str, value: Option<f64>| Td::from(time(value, unknown.get(name).copied()));
    [time("p50_us", *p50_us), time("p99_us", *p99_us), rate(found.succeeded_per_s).into()]
}

fn time(micros: Option<f64>, reason: Option<UnknownReason>) -> Cell {
    match (micros, reason) {
        (Some(micros), _) => span(micros).into(),
        (None, Some(reason)) => unknown(reason),
        (None, None) => Cell("unknown".to_owned(), Tone::Dim),
    }
}

/// What an experiment found; of a run, what is not as it was in the last one before that can be trusted.
fn told(entry: &Entry, earlier: Option<&ListedRun>) -> Markup {
    let (run, earlier) = match (&entry.listed, earlier) {
        (Listed::Experiment(experiment), _) => return html! { (short(&experiment.headline)) },
        (Listed::Run(run), Some(earlier)) => (run, earlier),
        (Listed::Run(_), None) => return html! { span class="dim" { "none before to compare with" } },
    };
    let changed = run.changed_since(earlier);
    if changed.is_empty() {
        return html! { span class="dim" { "nothing" } };
    }
    let separates = changed.iter().any(|change| change.separates);
    let more = changed.len().saturating_sub(KEYS);
    html! {
        @if separates { span class="warning" { "not comparable: " } }
        (changed.iter().take(KEYS).map(words).collect::<Vec<_>>().join("; "))
        @if more > 0 { "; " (more) " more" }
    }
}

/// `load.rate 100 → 200`.
fn words(changed: &Changed) -> String {
    let of = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => cut(text, VALUE),
        other => cut(&other.to_string(), VALUE),
    };
    format!("{} {} → {}", cut(&changed.key, NAME), of(&changed.from), of(&changed.to))
}

/// When it was, as the link to its page, if it has one.
pub(super) fn page(entry: &Entry) -> Markup {
    let page = link::beneath(&entry.directory.join(HTML_FILE)).filter(|_| entry.has_page);
    html! { span class="moment" { @match page { Some(page) => a href=(page) { (when(entry)) }, None => (when(entry)) } } }
}

/// The file that it was read from.
fn file(entry: &Entry) -> Markup {
    let file = match entry.listed {
        Listed::Run(_) => REPORT_FILE,
        Listed::Experiment(_) => EXPERIMENT_FILE,
    };
    html! { @match link::beneath(&entry.directory.join(file)) {
        Some(file) => a href=(file) { "JSON" },
        None => (short(&entry.directory.display().to_string())),
    } }
}
