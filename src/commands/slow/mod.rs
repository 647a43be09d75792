//! `slow`: the slowest requests of a report, with their trace IDs and links, and on request what Jaeger knows of them.

mod fetch;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use crate::cli::SlowArgs;
use crate::report::terminal::slow::{Listing, render};
use crate::report::terminal::{Footer, Style};
use crate::report::{RunReport, model::NoLink};
use crate::run::read_report;
use crate::trace::endpoint::Endpoint;
use crate::trace::jaeger::JaegerClient;
use crate::trace::link::LinkTemplate;

use super::{Exit, Failure, style};
use fetch::{Fetched, fetch};

/// Carries out `slow`.
///
/// # Errors
/// Where the report cannot be found or read, Jaeger was to be asked and cannot be, or `out` fails. What is known without
/// Jaeger has been written by then.
pub fn run(args: &SlowArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let now_unix_us = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
    };
    list(args, style::of_stdout(), &now_unix_us, out)
}

fn list(
    args: &SlowArgs,
    style: Style,
    now_unix_us: &dyn Fn() -> u64,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let named = args.jaeger.as_deref().map(jaeger_named).transpose()?;
    let (mut report, path) = read_report(&args.report.report, &args.report.out)?;
    if let Some(jaeger) = &named {
        relink(&mut report, &LinkTemplate::jaeger(jaeger)?);
    }
    let listing = Listing::new(&report, args.number);
    let fetched = match args.fetch {
        true => {
            jaeger_of(named, &report).map(|jaeger| fetch(&JaegerClient::new(&jaeger), &listing, now_unix_us))
        }
        false => Ok(Fetched::default()),
    };
    let answers = fetched.as_ref().map_or(&[][..], |fetched| &fetched.answers);
    render(&report, &listing, answers, style, &footer(args, &path, &listing), out)?;
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

/// Links lead to another Jaeger than the one the run was made with.
fn relink(report: &mut RunReport, link: &LinkTemplate) {
    for request in report.slowest.iter_mut().chain(&mut report.slowest_sampled) {
        let has_link = request.trace_url.is_some() || request.trace_url_reason == Some(NoLink::NoUi);
        let id = request.trace_id.as_deref().and_then(|id| u128::from_str_radix(id, 16).ok());
        if let (true, Some(id)) = (has_link, id) {
            request.trace_url = Some(link.of(id));
            request.trace_url_reason = None;
        }
    }
}

fn footer(args: &SlowArgs, path: &Path, listing: &Listing<'_>) -> Footer {
    let has_traces = listing.requests().any(|request| request.trace_url.is_some());
    let directory = path.parent().unwrap_or(path).display();
    let next = (has_traces && !args.fetch).then(|| format!("milvus-load slow {directory} --fetch"));
    Footer { paths: vec![("report".to_owned(), path.display().to_string())], next }
}
