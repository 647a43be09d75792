//! What ran? Command, settings with where each came from, what was around it, and what set-up took.

use maud::{Markup, html};

use super::super::page::Panel;
use super::super::table::{Row, Table, Td};
use super::super::text::short;
use super::super::{facts, table::bar};
use super::word;
use crate::report::RunReport;
use crate::report::model::{
    Collection, CollectionState, Connection, Machine, Resources, Setting, SetupStep, ShardPart, Spans, Trace,
};
use crate::report::terminal::summary::{percent, short as digits, span, target, time};
use crate::report::terminal::table::{Cell, Tone, grouped};

pub(super) fn panel(report: &RunReport) -> Panel {
    let (said, defaults): (Vec<&Setting>, Vec<&Setting>) =
        report.settings.iter().partition(|setting| setting.from != "default");
    let body = html! {
        p { code class="command" { (short(&report.run.command)) } }
        (facts(around(report)))
        (setup(&report.setup))
        @if report.settings.is_empty() { p class="empty" { "The report does not tell the settings." } }
        @if !said.is_empty() { (settings("Settings that were given", &said).markup()) }
        @if !defaults.is_empty() { (settings("Settings by default", &defaults).behind("Settings by default")) }
        @if !report.shards.is_empty() { (shards(&report.shards).behind("Shards")) }
        @if !report.connections.is_empty() { (connections(&report.connections).behind("Connections")) }
    };
    Panel { id: "ran", title: "Set-up", question: "What ran?", body }
}

fn around(report: &RunReport) -> Vec<(&'static str, Markup)> {
    let mut told: Vec<(&'static str, String)> = Vec::new();
    told.extend(report.server.as_ref().map(|server| ("server", target(server))));
    told.push(("generator", machine(&report.machine)));
    told.extend(report.collection.as_ref().map(|collection| ("collection", self::collection(collection))));
    told.extend(report.trace.as_ref().map(|trace| ("tracing", tracing(trace, report.spans.as_ref()))));
    if report.trace.is_none() {
        told.push(("tracing", "off".to_owned()));
    }
    told.push(("cost", cost(&report.resources)));
    told.push(("milvus-load", report.run.version.clone()));
    told.into_iter().map(|(name, text)| (name, html! { (short(&text)) })).collect()
}

fn machine(Machine { cores, memory, os, cpu }: &Machine) -> String {
    let mut parts = vec![format!("{cores} cores")];
    parts.extend(memory.map(bytes));
    parts.extend(cpu.clone());
    parts.push(os.clone());
    parts.join(", ")
}

/// In the unit that memory is counted in.
fn bytes(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib >= 1_024.0 { format!("{:.1} GiB", mib / 1_024.0) } else { format!("{mib:.0} MiB") }
}

fn collection(collection: &Collection) -> String {
    let state = |state: &CollectionState| {
        let rows =
            state.rows.map_or_else(|| "rows not known".to_owned(), |rows| format!("{} rows", grouped(rows)));
        let segments = state.segments.map(|segments| {
            format!(", {} sealed and {} growing segments", segments.sealed, segments.growing)
        });
        format!("{rows}{}", segments.unwrap_or_default())
    };
    let vector =
        collection.vector.as_ref().map(|vector| format!(", {} dimensions, {}", vector.dim, vector.metric));
    let index = collection.start.index.as_ref().map(|index| format!(", index {index}"));
    let end = match &collection.end {
        Some(end) if state(end) == state(&collection.start) => "the same at the end".to_owned(),
        Some(end) => format!("at the end {}", state(end)),
        None => "its end could not be read".to_owned(),
    };
    format!(
        "{}: {}{}{}; {end}",
        collection.name,
        state(&collection.start),
        vector.unwrap_or_default(),
        index.unwrap_or_default()
    )
}

fn tracing(trace: &Trace, spans: Option<&Spans>) -> String {
    let told = spans.map(|spans| {
        let lost = |count: u64, word: &str| {
            if count > 0 { format!(", {} {word}", grouped(count)) } else { String::new() }
        };
        format!(
            "; {} spans, {} delivered{}{}",
            grouped(spans.recorded),
            grouped(spans.exported),
            lost(spans.dropped, "dropped"),
            lost(spans.failed, "failed")
        )
    });
    format!(
        "{} of requests, to {}, unsampled: {}{}",
        percent(trace.fraction),
        trace.endpoint,
        trace.unsampled,
        told.unwrap_or_default()
    )
}

fn cost(Resources { generator, server, others_cores }: &Resources) -> String {
    let mut told = Vec::new();
    told.push(match generator.cpu_us_per_request {
        Some(micros) => format!("the generator used {} of CPU per request", span(micros)),
        None => "what the generator used per request is not known".to_owned(),
    });
    told.extend(generator.rss_peak_bytes.map(|peak| format!("at most {} of memory", bytes(peak))));
    if let Some(server) = server {
        told.extend(server.cpu_s.map(|seconds| format!("the server {} of CPU", span(seconds * 1e6))));
        told.extend(server.rss_bytes.map(|rss| format!("{} at the end", bytes(rss))));
    }
    told.extend(others_cores.map(|cores| format!("other programs {cores:.2} cores")));
    told.join(", ")
}

fn setup(steps: &[SetupStep]) -> Markup {
    if steps.is_empty() {
        return html! { p class="empty" { "The report tells no step of a set-up." } };
    }
    let total: f64 = steps.iter().map(|step| step.seconds).sum();
    let mut table = Table::new("Steps of the set-up, in order", 1, &["step", "took", "retries", "when"]);
    table.last_left = 1;
    let mut before = 0.0;
    for SetupStep { step, seconds, retries, .. } in steps {
        let cells: [Td; 4] = [
            short(step).into(),
            span(seconds * 1e6).into(),
            grouped(*retries).into(),
            bar(before / total, seconds / total, "setup").into(),
        ];
        table.push(Row::from_iter(cells));
        before += seconds;
    }
    html! { (table.markup()) p class="note" { "All of it took " (span(total * 1e6)) ", before the load." } }
}

fn settings(caption: &str, settings: &[&Setting]) -> Table {
    let mut table = Table::new(caption, 3, &["setting", "value", "from"]);
    for setting in settings {
        let value = setting.value.as_str().map_or_else(|| setting.value.to_string(), str::to_owned);
        let cells: [Td; 3] = [
            html! { code { (short(&setting.key)) } }.into(),
            html! { code { (short(&value)) } }.into(),
            Cell(short(&setting.from), Tone::Dim).into(),
        ];
        table.push(Row::from_iter(cells));
    }
    table
}

/// The processes of a run that was divided.
fn shards(shards: &[ShardPart]) -> Table {
    let heading = [
        "shard",
        "machine",
        "offered",
        "connections",
        "began late by",
        "clock off by at most",
        "CPU per request",
    ];
    let mut table = Table::new("Shards", 2, &heading);
    for shard in shards {
        let known = |micros: Option<f64>| {
            micros.map_or_else(|| Cell("unknown".to_owned(), Tone::Dim), |micros| span(micros).into())
        };
        let late = if shard.late_us > 0.0 { span(shard.late_us) } else { "not late".to_owned() };
        let cells: [Td; 7] = [
            shard.index.to_string().into(),
            shard.machine.to_string().into(),
            grouped(shard.offered).into(),
            grouped(shard.connections.into()).into(),
            late.into(),
            known(shard.clock_error_us).into(),
            known(shard.cpu_us_per_request).into(),
        ];
        table.push(Row::from_iter(cells));
    }
    table
}

fn connections(connections: &[Connection]) -> Table {
    let mut table = Table::new("Connections", 2, &["connection", "peer", "requests", "response p99"]);
    for (number, connection) in (1..).zip(connections) {
        let p99 = crate::report::model::Dist { unknown: connection.unknown.clone(), ..Default::default() };
        let cells: [Td; 4] = [
            digits(f64::from(number)).into(),
            connection.peer.as_deref().map_or_else(|| "never up".to_owned(), short).into(),
            grouped(connection.requests).into(),
            word(time(&p99, "p99_us", connection.p99_us)).into(),
        ];
        table.push(Row::from_iter(cells));
    }
    table
}
