//! The parts of the summary, top to bottom.

use std::io::{self, Write};

use super::super::model::{
    Dist, Finding, LoadKind, NoLink, Operation, Outcome, Request, RunReport, Server, Severity, ShardPart,
    Spans, State, Threshold, UnknownReason, Verdict,
};
use super::stages::short;
use super::table::{Cell, Style, Tone, grouped, table, wrap};
use super::words::clean;
use super::{Footer, WIDTH};
use crate::units::Nanos;

pub(super) fn header(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let run = &report.run;
    let state = match run.state {
        State::Complete => style.paint(Tone::Plain, run.state.name()),
        State::Interrupted | State::Failed => style.paint(Tone::Warning, run.state.name()),
    };
    writeln!(out, "{}  {state}", style.paint(Tone::Strong, &clean(&run.name)))?;
    for (label, text) in facts(report) {
        writeln!(out, "  {}  {}", style.paint(Tone::Dim, &format!("{label:<7}")), clean(&text))?;
    }
    Ok(())
}

/// What ran, in names and what they stand for.
pub(in crate::report) fn facts(report: &RunReport) -> Vec<(&'static str, String)> {
    let run = &report.run;
    let mut lines = Vec::new();
    if let Some(server) = &report.server {
        lines.push(("target", target(server)));
    }
    lines.push(("load", load(report)));
    if let Some(trace) = &report.trace {
        let to = if is_kept_here_alone(report) { "the built-in collector" } else { &trace.endpoint };
        lines.push(("tracing", format!("{} of requests, to {to}", percent(trace.fraction))));
    }
    if let Some(text) = report.spans.as_ref().and_then(spans) {
        lines.push(("spans", text));
    }
    if let Some(calibration) = &report.calibration {
        lines.push(("proof", super::calibration::sentence(calibration)));
    }
    lines.push(("started", format!("{}, run {}", run.started, run.id)));
    if !report.shards.is_empty() {
        lines.push(("shards", shards(&report.shards)));
    }
    lines
}

pub(super) fn setup(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    match super::setup::sentence(&report.setup) {
        Some(steps) => paragraph(out, style, Tone::Dim, "set-up", &steps),
        None => Ok(()),
    }
}

/// Whether the built-in collector kept traces, and there was no other one that could have links.
fn is_kept_here_alone(report: &RunReport) -> bool {
    let kept = report.spans.and_then(|spans| spans.kept).unwrap_or(0);
    let no_other = |request: &Request| request.trace_url_reason == Some(NoLink::NoCollector);
    kept > 0 && report.slowest_sampled.iter().all(no_other)
}

/// `http://127.0.0.1:19530 (Milvus 2.3.5, embedded, database shop)`.
pub(in crate::report) fn target(server: &Server) -> String {
    let version =
        server.version.as_ref().map_or("version not known".into(), |version| format!("Milvus {version}"));
    let embedded = if server.embedded { ", embedded" } else { "" };
    let database = server.database.as_ref().map_or_else(String::new, |name| format!(", database {name}"));
    format!("{} ({version}{embedded}{database})", server.uri)
}

/// What became of the spans that the built-in collector received; `None`: there was none. What is usual is left out where there is
/// none of it.
fn spans(spans: &Spans) -> Option<String> {
    let (received, kept, let_go) = (spans.received?, spans.kept?, spans.let_go?);
    let mut text =
        format!("{} received, {} kept, {} let go", grouped(received), grouped(kept), grouped(let_go));
    let foreign = match spans.dropped {
        0 => "of no request of this run",
        _ => "of no request that was decided on (spans of the client were dropped)",
    };
    for (count, words) in [
        (spans.evicted, "evicted for want of room"),
        (spans.foreign, foreign),
        (spans.exports_refused, "message(s) refused"),
        (spans.lost_at_server, "request(s) whose server span never came"),
    ] {
        if let Some(count) = count.filter(|count| *count > 0) {
            text.push_str(&format!(", {} {words}", grouped(count)));
        }
    }
    if spans.lost_at_server.is_none() {
        text.push_str("; what the server lost is not known");
    }
    Some(text)
}

/// `4 on 2 machines, none late, clocks off by at most 1.20 ms`.
fn shards(parts: &[ShardPart]) -> String {
    let machines = parts.iter().map(|part| part.machine + 1).max().unwrap_or(0);
    let plural = if machines == 1 { "" } else { "s" };
    let late = parts.iter().map(|part| part.late_us).fold(0.0, f64::max);
    let bounds: Option<Vec<f64>> = parts.iter().map(|part| part.clock_error_us).collect();
    let clocks = match bounds {
        Some(bounds) => format!("clocks off by at most {}", span(bounds.into_iter().fold(0.0, f64::max))),
        None => "how far clocks are off is unknown".to_owned(),
    };
    let lateness = match late > 0.0 {
        true => format!("the latest {} after the start given", span(late)),
        false => "none late".to_owned(),
    };
    format!("{} on {machines} machine{plural}, {lateness}, {clocks}", parts.len())
}

/// `open loop, rate 200, arrival poisson, 30.0 s measured`: what the settings say of the stream, where they do.
pub(in crate::report) fn load(report: &RunReport) -> String {
    let setting = |key: &str| {
        report.settings.iter().find(|s| s.key == key && !s.value.is_null()).map(|setting| {
            let value = setting.value.as_str().map_or_else(|| setting.value.to_string(), str::to_owned);
            format!("{} {value}", key.trim_start_matches("load."))
        })
    };
    let said =
        ["load.rate", "load.arrival", "load.concurrency", "load.connections"].into_iter().filter_map(setting);
    let mut parts = vec![report.run.load_model.name().to_owned()];
    parts.extend((!report.stages.is_empty()).then(|| format!("{} stages", report.stages.len())));
    parts.extend(said);
    parts.push(format!("{} measured", span(report.run.measured_s * 1e6)));
    parts.join(", ")
}

pub(super) fn verdict_line(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let (tone, word, found) = verdict_words(&report.verdict);
    let found = if found.is_empty() { found } else { format!(" ({found})") };
    let label = style.paint(Tone::Dim, "verdict");
    writeln!(out, "  {label}  {}{found}", style.paint(tone, word))
}

/// `trusted` or not, and `1 warning, 2 notes`.
pub(in crate::report) fn verdict_words(verdict: &Verdict) -> (Tone, &'static str, String) {
    let count = |severity: Severity, name: &str| {
        let count = verdict.findings.iter().filter(|finding| finding.severity == severity).count();
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {name}{plural}"))
    };
    let counts = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let counts: Vec<String> =
        counts.into_iter().filter_map(|(severity, name)| count(severity, name)).collect();
    let (tone, word) = if verdict.trusted { (Tone::Good, "trusted") } else { (Tone::Bad, "NOT TRUSTED") };
    (tone, word, counts.join(", "))
}

pub(super) fn counts(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if report.operations.values().all(|operation| operation.offered == 0) {
        return writeln!(out, "\n  nothing was offered within the measured window");
    }
    writeln!(out)?;
    table(out, style, 1, &count_rows(report))
}

/// What became of the requests of each operation, the heading first.
pub(in crate::report) fn count_rows(report: &RunReport) -> Vec<Vec<Cell>> {
    let heading =
        ["operation", "offered", "succeeded", "failed", "timed out", "not sent", "offered/s", "succeeded/s"];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    for (name, operation) in &report.operations {
        let bad = |count: u64| Cell(grouped(count), if count > 0 { Tone::Bad } else { Tone::Plain });
        rows.push(vec![
            Cell(clean(name), Tone::Strong),
            grouped(operation.offered).into(),
            grouped(operation.succeeded).into(),
            bad(operation.failed),
            bad(operation.timed_out),
            bad(operation.not_sent),
            rate(operation.offered_per_s),
            rate(operation.succeeded_per_s),
        ]);
    }
    rows
}

pub(super) fn times(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let offered: Vec<_> = report.operations.iter().filter(|(_, operation)| operation.offered > 0).collect();
    if offered.is_empty() {
        return Ok(());
    }
    let mut rows = vec![["operation", "", "p50", "p90", "p99", "p99.9", "max"].map(Cell::from).to_vec()];
    for (name, Operation { response, service, lag, .. }) in offered {
        rows.push(time_row(Cell(clean(name), Tone::Strong), "response", response));
        rows.push(time_row("".into(), "service", service));
        rows.push(time_row("".into(), "lag", lag));
    }
    writeln!(out)?;
    table(out, style, 2, &rows)?;
    for line in wrap(&clocks(report.run.load_model), WIDTH - 2).into_iter().chain(wrap(RANKS, WIDTH - 2)) {
        writeln!(out, "  {}", style.paint(Tone::Dim, &line))?;
    }
    Ok(())
}

/// What percentiles are of.
pub(in crate::report) const RANKS: &str =
    "percentiles: of all that was offered, the unsuccessful infinitely slow; max: of the succeeded";

/// From when to when the three times are.
pub(in crate::report) fn clocks(load: LoadKind) -> String {
    let due = match load {
        LoadKind::Open => "was due",
        LoadKind::Closed => "had a free slot",
        LoadKind::Mixed => "was due (open loop) or had a free slot (closed)",
    };
    format!("response: from when the request {due}; service: from when it was sent; lag: in between")
}

pub(in crate::report) fn time(dist: &Dist, name: &str, value: Option<f64>) -> Cell {
    match (value, dist.unknown.get(name)) {
        (Some(micros), _) => span(micros).into(),
        (None, Some(reason)) => unknown(*reason),
        (None, None) => Cell("unknown".into(), Tone::Dim),
    }
}

pub(in crate::report) fn time_row(name: Cell, clock: &str, dist: &Dist) -> Vec<Cell> {
    let numbers = [
        ("p50_us", dist.p50_us),
        ("p90_us", dist.p90_us),
        ("p99_us", dist.p99_us),
        ("p999_us", dist.p999_us),
        ("max_us", dist.max_us),
    ];
    let times = numbers.map(|(name, value)| time(dist, name, value));
    [name, clock.into()].into_iter().chain(times).collect()
}

pub(in crate::report) fn unknown(reason: UnknownReason) -> Cell {
    match reason {
        UnknownReason::Unanswered => Cell("unanswered".into(), Tone::Bad),
        UnknownReason::TooFew => Cell("too few".into(), Tone::Dim),
        UnknownReason::Saturated => Cell("over 1 h".into(), Tone::Bad),
    }
}

pub(super) fn errors(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let longest_name = report.operations.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    // What the other columns leave.
    let room = WIDTH.saturating_sub(longest_name.max(9) + 36);
    let rows = error_rows(report, room);
    if rows.len() == 1 {
        return Ok(());
    }
    writeln!(out)?;
    table(out, style, 5, &rows)
}

/// The kinds of failures of each operation with at most so many characters of a message, the heading first.
pub(in crate::report) fn error_rows(report: &RunReport, room: usize) -> Vec<Vec<Cell>> {
    let mut rows = vec![["operation", "failed", "gRPC", "Milvus", "first message"].map(Cell::from).to_vec()];
    for (name, operation) in &report.operations {
        for class in &operation.errors {
            let code = |code: Option<String>| code.unwrap_or_else(|| "other".to_owned());
            let message: String = clean(&class.message).chars().take(room).collect();
            rows.push(vec![
                Cell(clean(name), Tone::Strong),
                grouped(class.count).into(),
                code(class.grpc.map(|code| code.to_string())).into(),
                code(class.milvus.map(|code| code.to_string())).into(),
                message.into(),
            ]);
        }
    }
    rows
}

pub(super) fn slowest(report: &RunReport, style: Style, count: usize, out: &mut dyn Write) -> io::Result<()> {
    if report.slowest.is_empty() {
        return Ok(());
    }
    let shown: Vec<&Request> = report.slowest.iter().take(count).collect();
    let heading = ["slowest", "response", "service", "lag", "outcome", "trace ID", "sampled"];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    rows.extend(shown.iter().map(|request| request_row(request)));
    writeln!(out)?;
    table(out, style, 1, &rows)?;
    links(&shown, report, style, out)
}

fn request_row(request: &Request) -> Vec<Cell> {
    let or_dash = |micros: Option<f64>| micros.map_or_else(|| "-".to_owned(), span);
    let tone = if request.outcome == Outcome::Succeeded { Tone::Plain } else { Tone::Bad };
    vec![
        Cell(clean(&request.operation), Tone::Strong),
        span(request.response_us).into(),
        or_dash(request.service_us).into(),
        or_dash(request.lag_us).into(),
        Cell(request.outcome.name().replace('_', " "), tone),
        request.trace_id.as_deref().map_or_else(|| "-".to_owned(), clean).into(),
        if request.sampled { "yes" } else { "no" }.into(),
    ]
}

/// The links of those shown; where none of them has one, those of the slowest sampled ones, or why there is none.
fn links(shown: &[&Request], report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let own: Vec<&str> = shown.iter().filter_map(|request| request.trace_url.as_deref()).collect();
    let others: Vec<&str> =
        report.slowest_sampled.iter().filter_map(|request| request.trace_url.as_deref()).take(3).collect();
    let (title, links) = if own.is_empty() { ("slowest sampled", others) } else { ("their traces", own) };
    if links.is_empty() {
        let reason = shown.first().and_then(|request| request.trace_url_reason);
        let words = reason.map_or("no reason given", |reason| reason.words());
        let is_kept = report.spans.is_some_and(|spans| spans.kept.is_some_and(|kept| kept > 0));
        let text = match is_kept {
            true => "their traces are kept beside the report: slow draws them".to_owned(),
            false => format!("no traces to open: {words}"),
        };
        return writeln!(out, "  {}", style.paint(Tone::Dim, &text));
    }
    writeln!(out, "  {}", style.paint(Tone::Dim, title))?;
    links.iter().try_for_each(|link| writeln!(out, "    {}", clean(link)))
}

pub(super) fn thresholds(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if report.thresholds.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  {}", style.paint(Tone::Dim, "thresholds"))?;
    for threshold in &report.thresholds {
        let (tone, word) = met(threshold);
        let (word, value) = (format!("{word:<7}"), value_of(threshold));
        writeln!(out, "  {}  {} ({value})", style.paint(tone, &word), clean(&threshold.expression))?;
    }
    Ok(())
}

/// What became of a threshold.
pub(in crate::report) const fn met(threshold: &Threshold) -> (Tone, &'static str) {
    match threshold.met {
        Some(true) => (Tone::Good, "met"),
        Some(false) => (Tone::Bad, "not met"),
        None => (Tone::Warning, "unknown"),
    }
}

/// The number that a threshold was judged on, or why there is none.
pub(in crate::report) fn value_of(threshold: &Threshold) -> String {
    match (threshold.value, threshold.unknown) {
        (Some(value), _) => shown_as(&threshold.expression, value),
        (None, Some(reason)) => unknown(reason).0,
        (None, None) => "unknown".to_owned(),
    }
}

/// In the unit of its expression: a share for errors, per second for rates, else a time in microseconds.
fn shown_as(expression: &str, value: f64) -> String {
    let metric = expression.split(['<', '>']).next().unwrap_or_default().trim();
    match metric.rsplit('.').next() {
        Some("errors") => percent(value),
        Some(name) if name.ends_with("_per_s") => format!("{value:.1}/s"),
        _ => span(value),
    }
}

pub(super) fn findings(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for Finding { severity, message, cause, remedy, .. } in &report.verdict.findings {
        let (tone, name) = severity_words(*severity);
        writeln!(out)?;
        for (tone, label, text) in
            [(tone, name, message), (Tone::Dim, "cause", cause), (Tone::Dim, "remedy", remedy)]
        {
            paragraph(out, style, tone, label, text)?;
        }
    }
    Ok(())
}

pub(in crate::report) const fn severity_words(severity: Severity) -> (Tone, &'static str) {
    match severity {
        Severity::Error => (Tone::Bad, "error"),
        Severity::Warning => (Tone::Warning, "warning"),
        Severity::Note => (Tone::Dim, "note"),
    }
}

pub(super) fn paragraph(
    out: &mut dyn Write,
    style: Style,
    tone: Tone,
    label: &str,
    text: &str,
) -> io::Result<()> {
    for (index, line) in wrap(&clean(text), WIDTH - 11).iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        writeln!(out, "  {}  {line}", style.paint(tone, &format!("{label:<7}")))?;
    }
    Ok(())
}

pub(super) fn footer(footer: &Footer, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let lines = footer.paths.iter().map(|(label, path)| (label.as_str(), path.as_str()));
    let next = footer.next.as_deref().map(|command| ("next", command));
    for (index, (label, text)) in lines.chain(next).enumerate() {
        let before = if index == 0 { "\n" } else { "" };
        writeln!(out, "{before}  {}  {}", style.paint(Tone::Dim, &format!("{label:<7}")), clean(text))?;
    }
    Ok(())
}

pub(in crate::report) fn span(micros: f64) -> String {
    Nanos::new((micros * 1e3).round() as u64).to_string()
}

pub(in crate::report) fn rate(per_second: Option<f64>) -> Cell {
    per_second.map_or(Cell("unknown".into(), Tone::Dim), |rate| format!("{rate:.1}").into())
}

pub(in crate::report) fn percent(share: f64) -> String {
    format!("{}%", short(share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_told_with_how_late_they_were_and_how_far_clocks_are_off() {
        let part = |machine, late_us, clock_error_us| ShardPart {
            index: 0,
            machine,
            late_us,
            clock_error_us,
            offered: 1,
            connections: 1,
            cpu_us_per_request: None,
        };
        assert_eq!(
            shards(&[part(0, 0.0, Some(500.0)), part(1, 20.0, Some(1_200.0)), part(1, -5.0, Some(1.0))]),
            "3 on 2 machines, the latest 20.0 us after the start given, clocks off by at most 1.20 ms"
        );
        assert_eq!(
            shards(&[part(0, 0.0, None)]),
            "1 on 1 machine, none late, how far clocks are off is unknown"
        );
    }
}
