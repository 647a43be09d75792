//! `slow`: the slowest requests of a report, with their trace IDs and links; what the run has kept or Jaeger knows of their
//! traces.

mod fetch;
mod kept;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use http::{HeaderName, HeaderValue};

use crate::cli::SlowArgs;
use crate::report::RunReport;
use crate::report::model::{NoLink, Request};
use crate::report::terminal::slow::{Listing, render};
use crate::report::terminal::{Footer, Style};
use crate::run::machine::is_here;
use crate::run::read_report;
use crate::trace::endpoint::Endpoint;
use crate::trace::env::jaeger_headers;
use crate::trace::jaeger::JaegerClient;
use crate::trace::link::LinkTemplate;

use super::{Exit, Failure, say, style};
use fetch::{Fetched, fetch};
use kept::Kept;

/// What `slow` finds around it.
struct Around<'a> {
    style: Style,
    now_unix_us: &'a dyn Fn() -> u64,
    /// A variable of the environment.
    variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Carries out `slow`.
///
/// # Errors
/// Where the report cannot be found or read, the trace that is to be drawn is not there, Jaeger was to be asked and cannot be, or
/// `out` fails. What is known without Jaeger has been written by then.
pub fn run(args: &SlowArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let now_unix_us = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
    };
    let around = Around {
        style: style::of_stdout(),
        now_unix_us: &now_unix_us,
        variable: &|name| std::env::var(name).ok(),
    };
    list(args, &around, out)
}

fn list(args: &SlowArgs, around: &Around<'_>, out: &mut dyn Write) -> Result<Exit, Failure> {
    let named = args.jaeger.as_deref().map(jaeger_named).transpose()?;
    let headers = jaeger_headers(around.variable).map_err(Failure::usage)?;
    let (mut report, path) = read_report(&args.report.report, &args.report.out)?;
    if let Some(jaeger) = &named {
        relink(&mut report, &LinkTemplate::jaeger(jaeger)?);
    }
    let client = args.fetch.then(|| client_of(named, &report, headers));
    let listing = Listing::new(&report, args.number);
    let kept = match Kept::beside(&path) {
        Ok(kept) => Some(kept),
        // The list stands without them.
        Err(error) => {
            say(&format!("warning: {error:#}"));
            None
        }
    };
    let fetched = match client {
        Some(client) => client.map(|client| fetch(&client, &listing, around.now_unix_us)),
        None => Ok(Fetched {
            answers: kept.as_ref().map_or_else(Vec::new, |kept| kept.answers(&listing)),
            failure: None,
        }),
    };
    let answers = fetched.as_ref().map_or(&[][..], |fetched| &fetched.answers);
    let footer = footer(args, &path, &listing, kept.as_ref());
    render(&report, &listing, answers, around.style, &footer, out)?;
    match fetched?.failure {
        None => Ok(Exit::Done),
        Some(error) => Err(anyhow::Error::new(error)
            .context("no traces fetched (--jaeger URL names another Jaeger than the report does)")
            .into()),
    }
}

/// What `--jaeger` says, where it can be Jaeger's address.
fn jaeger_named(text: &str) -> Result<String, Failure> {
    // As an endpoint, a URL is refused with a password in it, and never quoted then.
    match Endpoint::parse(text) {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(_) => Err(Failure::usage(anyhow::anyhow!(
            "--jaeger takes the address of Jaeger's UI, without user and password, such as http://localhost:16686"
        ))),
    }
}

/// Jaeger's address: the one that was named, else the one that the report's links lead to.
fn jaeger_of(named: Option<String>, report: &RunReport) -> anyhow::Result<String> {
    let setting = |key: &str| {
        let setting = report.settings.iter().find(|setting| setting.key == key);
        setting.and_then(|setting| setting.value.as_str())
    };
    let linked = || match setting("trace.link") {
        Some(link) => LinkTemplate::parse(link).ok()?.jaeger_ui().map(str::to_owned),
        None => setting("trace.jaeger_ui").map(str::to_owned),
    };
    named.or_else(linked).context(
        "the report does not say where Jaeger is (its trace.link is none of Jaeger's): name it with --jaeger URL",
    )
}

fn client_of(
    named: Option<String>,
    report: &RunReport,
    headers: Vec<(HeaderName, HeaderValue)>,
) -> anyhow::Result<JaegerClient> {
    let jaeger = jaeger_of(named, report)?;
    warn_of_plaintext(&jaeger, !headers.is_empty());
    Ok(JaegerClient::with_headers(&jaeger, headers))
}

/// Says so where headers for Jaeger can be read on their way.
pub(super) fn warn_of_plaintext(jaeger: &str, has_headers: bool) {
    let readable =
        Endpoint::parse(jaeger).ok().filter(|at| has_headers && !at.is_tls() && !is_here(at.host()));
    if let Some(endpoint) = readable {
        say(&format!(
            "warning: the headers for Jaeger go to {endpoint} unencrypted, for all on the way to read; use https:// where it speaks TLS"
        ));
    }
}

/// Links lead to another Jaeger than the one the run was made with.
fn relink(report: &mut RunReport, link: &LinkTemplate) {
    for request in report.slowest.iter_mut().chain(&mut report.slowest_sampled) {
        let has_link = request.trace_url.is_some() || request.trace_url_reason == Some(NoLink::NoUi);
        if let (true, Some(id)) = (has_link, trace_id(request)) {
            request.trace_url = Some(link.of(id));
            request.trace_url_reason = None;
        }
    }
}

fn trace_id(request: &Request) -> Option<u128> {
    request.trace_id.as_deref().and_then(|id| u128::from_str_radix(id, 16).ok())
}

fn footer(args: &SlowArgs, path: &Path, listing: &Listing<'_>, kept: Option<&Kept>) -> Footer {
    let directory = path.parent().unwrap_or(path).display();
    let has_traces = listing.requests().any(|request| request.trace_url.is_some());
    let next = (has_traces && !args.fetch).then(|| format!("milvus-load slow {directory} --fetch"));
    let mut paths = vec![("report".to_owned(), path.display().to_string())];
    if let Some(kept) = kept.filter(|kept| kept.len() > 0) {
        paths.push(("traces".to_owned(), kept.path.display().to_string()));
    }
    Footer { paths, next }
}
