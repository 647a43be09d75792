//! The slowest requests of a report, one by one, at most 100 columns wide (links may be longer).
//!
//! Belongs here: which of them are listed, and how. Does not belong here: asking Jaeger; what it answered is handed in.

use std::io::{self, Write};

use super::super::calendar::rfc3339;
use super::super::model::{NoLink, Outcome, Request, RunReport};
use super::Footer;
use super::attribution;
use super::fetched::{self, Answer};
use super::sections::{self, percent, span};
use super::table::{Cell, Style, Tone, aligned};
use super::words::clean;

/// Longer names of operations are cut, so that a line fits.
const LONGEST_NAME: usize = 18;

/// Which requests are listed: the slowest, and after them the slowest that have a trace.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// The slowest of all, slowest first.
    pub slowest: Vec<&'a Request>,
    /// Slowest sampled ones that are not among them, slowest first.
    pub sampled: Vec<&'a Request>,
}

impl<'a> Listing<'a> {
    /// The `number` slowest; where not all of them were sampled, as many of the slowest sampled ones as make up `number`
    /// traces.
    pub fn new(report: &'a RunReport, number: usize) -> Self {
        let slowest: Vec<&Request> = report.slowest.iter().take(number).collect();
        let wanted = slowest.iter().filter(|request| !request.sampled).count();
        let listed = |one: &Request| slowest.iter().any(|other| other.trace_id == one.trace_id);
        let sampled = report.slowest_sampled.iter().filter(|one| !listed(one)).take(wanted).collect();
        Self { slowest, sampled }
    }

    /// All of them, in the order in which they are shown.
    pub fn requests(&self) -> impl Iterator<Item = &'a Request> {
        self.slowest.iter().chain(&self.sampled).copied()
    }
}

/// Writes the list; `answers` are Jaeger's, one for each of [`Listing::requests`], or none at all.
///
/// # Errors
/// Where the writer fails.
pub fn render(
    report: &RunReport,
    listing: &Listing<'_>,
    answers: &[Answer],
    style: Style,
    footer: &Footer,
    out: &mut dyn Write,
) -> io::Result<()> {
    sections::header(report, style, out)?;
    if listing.slowest.is_empty() {
        writeln!(out, "\n  no request to list: none ended within the run")?;
        return sections::footer(footer, style, out);
    }
    attribution::lines(report, style, out)?;
    let (first, second) = answers.split_at(listing.slowest.len().min(answers.len()));
    block("slowest requests", (1, &listing.slowest), first, style, out)?;
    if !listing.sampled.is_empty() {
        let sampled = (listing.slowest.len() + 1, &listing.sampled[..]);
        block("slowest sampled requests, not listed above", sampled, second, style, out)?;
    }
    writeln!(out)?;
    let clocks = "response = lag + service; a trace shows service alone, from when the request was sent";
    writeln!(out, "  {}", style.paint(Tone::Dim, clocks))?;
    for remedy in remedies(report, listing, answers) {
        sections::paragraph(out, style, Tone::Dim, "remedy", &remedy)?;
    }
    sections::footer(footer, style, out)
}

/// Requests numbered from `first`.
fn block(
    title: &str,
    (first, requests): (usize, &[&Request]),
    answers: &[Answer],
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "\n  {}", style.paint(Tone::Strong, title))?;
    let heading = ["#", "operation", "response", "service", "lag", "outcome", "intended", "sampled"];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    rows.extend((first..).zip(requests).map(|(number, request)| row(number, request)));
    let mut lines = aligned(style, 2, &rows).into_iter();
    if let Some(heading) = lines.next() {
        writeln!(out, "{heading}")?;
    }
    let answers = answers.iter().chain(std::iter::repeat(&Answer::NotAsked));
    for ((line, request), answer) in lines.zip(requests).zip(answers) {
        writeln!(out, "{line}")?;
        beneath(request, answer, style, out)?;
        fetched::show(request, answer, style, out)?;
    }
    Ok(())
}

fn row(number: usize, request: &Request) -> Vec<Cell> {
    let or_dash = |micros: Option<f64>| micros.map_or_else(|| "-".to_owned(), span);
    let tone = if request.outcome == Outcome::Succeeded { Tone::Plain } else { Tone::Bad };
    vec![
        number.to_string().into(),
        Cell(cut(&clean(&request.operation), LONGEST_NAME), Tone::Strong),
        span(request.response_us).into(),
        or_dash(request.service_us).into(),
        or_dash(request.lag_us).into(),
        Cell(request.outcome.name().replace('_', " "), tone),
        rfc3339(request.intended_unix_us).into(),
        if request.sampled { "yes" } else { "no" }.into(),
    ]
}

/// Trace ID and link, or why there is none; the codes of a failed one.
fn beneath(request: &Request, answer: &Answer, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let id = request.trace_id.as_deref().map_or_else(|| "no trace ID".to_owned(), clean);
    match (&request.trace_url, missing_link(request, answer)) {
        (Some(link), _) => writeln!(out, "    {id}  {}", clean(link))?,
        // What is at hand needs no excuse.
        (None, None) if matches!(answer, Answer::Kept { .. }) => writeln!(out, "    {id}")?,
        (None, reason) => {
            let words = reason.map_or("no link", NoLink::words);
            writeln!(out, "    {id}  {}", style.paint(Tone::Dim, words))?;
        }
    }
    match (request.grpc, request.milvus) {
        (Some(0), Some(code)) => writeln!(out, "    Milvus code {code}"),
        (Some(code), _) => writeln!(out, "    gRPC code {code}"),
        (None, _) => Ok(()),
    }
}

/// What to do about what is missing, each thing once, in the order of the list.
fn remedies(report: &RunReport, listing: &Listing<'_>, answers: &[Answer]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let answered = listing.requests().zip(answers.iter().chain(std::iter::repeat(&Answer::NotAsked)));
    let links = answered.filter_map(|(request, answer)| missing_link(request, answer));
    let links = links.map(|reason| link_remedy(reason, report));
    let answers = listing.requests().zip(answers);
    let answers = answers.filter_map(|(request, answer)| fetched::remedy(request, answer, report));
    for remedy in links.chain(answers) {
        if !all.contains(&remedy) {
            all.push(remedy);
        }
    }
    all
}

/// Why there is no link, where one is missed: a trace that was kept is at hand without a collector.
fn missing_link(request: &Request, answer: &Answer) -> Option<NoLink> {
    let is_kept = matches!(answer, Answer::Kept { .. });
    request.trace_url_reason.filter(|reason| !(is_kept && *reason == NoLink::NoCollector))
}

fn link_remedy(reason: NoLink, report: &RunReport) -> String {
    let todo = match reason {
        NoLink::TracingOff => "set trace.enabled = true, without OTEL_SDK_DISABLED, and run again".to_owned(),
        NoLink::NotSampled => match &report.trace {
            Some(trace) => format!(
                "the run sampled {} of its requests; raise trace.sample_fraction (--sample-fraction) for more",
                percent(trace.fraction)
            ),
            None => "raise trace.sample_fraction (--sample-fraction)".to_owned(),
        },
        NoLink::NotExported => {
            format!("{}; see that collector's log", fetched::delivery(report))
        }
        NoLink::NoCollector => format!(
            "nobody listened {} during the run; start Jaeger there (docker compose up -d jaeger), or name your \
             collector with trace.otlp_endpoint, and run again",
            fetched::at_endpoint(report)
        ),
        NoLink::NoUi => {
            "say where Jaeger is with --jaeger URL, or in the workload with trace.jaeger_ui".to_owned()
        }
    };
    format!("{}: {todo}", reason.words())
}

/// At most `most` characters, the last of them a mark where some are gone.
pub(in crate::report) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
