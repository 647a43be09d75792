//! One request's trace, drawn: found by its number in the list or by the beginning of its ID.

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, anyhow};

use super::fetch;
use super::kept::Kept;
use super::{Around, Exit, Failure, trace_id};
use crate::report::RunReport;
use crate::report::model::Request;
use crate::report::terminal::Footer;
use crate::report::terminal::SPANS_MISSING;
use crate::report::terminal::one::{Drawn, render};
use crate::report::terminal::slow::Listing;
use crate::report::waterfall::{self, Waterfall, moments};
use crate::trace::attribution::attribute;
use crate::trace::jaeger::JaegerClient;
use crate::trace::spans::Span;

/// IDs told where several begin alike.
const TOLD: usize = 5;

/// Where requests are looked for.
pub(super) struct Source<'a> {
    pub(super) report: &'a RunReport,
    /// The report's.
    pub(super) path: &'a Path,
    pub(super) listing: &'a Listing<'a>,
}

/// Draws the trace that `wanted` means: Jaeger's where there is a client for it, else the one that the run has kept.
///
/// # Errors
/// Where it means none or several, or there is no such trace.
pub(super) fn draw(
    wanted: &str,
    source: &Source<'_>,
    client: Option<&JaegerClient>,
    around: &Around<'_>,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let kept = Kept::beside(source.path)?;
    let id = find(wanted, source, &kept)?;
    let request = source.request(id);
    let (spans, from) = match (client, request) {
        (Some(client), Some(request)) => fetched(client, id, request, around)?,
        (Some(_), None) => {
            return Err(anyhow!("{id:032x} is not a request of this report; leave out --fetch").into());
        }
        (None, _) => read(&kept, id, request, source)?,
    };
    let moments = moments(id, request, &spans)
        .with_context(|| format!("{id:032x} was never sent, or its trace has no span"))?;
    let attributed = attribute(&moments, &spans);
    let waterfall = Waterfall {
        request: moments,
        operation: request.map_or("", |request| &request.operation),
        spans: &spans,
        path: attributed.as_ref().map(waterfall::Path::from).map_err(ToString::to_string),
    };
    let report = ("report".to_owned(), source.path.display().to_string());
    let drawn = Drawn { request, from: &from, waterfall: &waterfall, width: around.width };
    render(&drawn, around.style, &Footer { paths: vec![report], next: None }, out)?;
    Ok(Exit::Done)
}

impl Source<'_> {
    /// Every request that the report names.
    fn requests(&self) -> impl Iterator<Item = &Request> {
        let RunReport { slowest, slowest_sampled, slow, typical, .. } = self.report;
        slowest.iter().chain(slowest_sampled).chain(slow).chain(typical)
    }

    fn request(&self, id: u128) -> Option<&Request> {
        self.requests().find(|request| trace_id(request) == Some(id))
    }
}

/// The trace ID that is meant. A number up to the length of the list is one of the list.
fn find(wanted: &str, source: &Source<'_>, kept: &Kept) -> Result<u128, Failure> {
    let listed = source.listing.requests().count();
    let number = wanted.parse::<usize>().ok().filter(|number| (1..=listed).contains(number));
    if let Some(request) = number.and_then(|number| source.listing.requests().nth(number - 1)) {
        return trace_id(request)
            .ok_or_else(|| anyhow!("request {wanted} has no trace ID: tracing was off").into());
    }
    let wanted = wanted.to_ascii_lowercase();
    if wanted.is_empty() || wanted.len() > 32 || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::usage(anyhow!(
            "--trace takes a number of the list, 1 to {listed}, or the beginning of a trace ID, up to 32 hex digits"
        )));
    }
    let ids = source.requests().filter_map(trace_id).chain(kept.ids());
    let mut found: Vec<u128> = ids.filter(|id| format!("{id:032x}").starts_with(&wanted)).collect();
    found.sort_unstable();
    found.dedup();
    match found[..] {
        [id] => Ok(id),
        [] => {
            let beyond = match wanted.parse::<usize>() {
                Ok(_) => format!("the list ends at {listed}, and "),
                Err(_) => String::new(),
            };
            Err(anyhow!(
                "{beyond}no request of this report and no trace kept beside it has an ID that begins with {wanted}; the list \
                 without --trace shows IDs, with -n 50 more of them"
            )
            .into())
        }
        _ => {
            let told: Vec<String> = found.iter().take(TOLD).map(|id| format!("{id:032x}")).collect();
            let more = if found.len() > TOLD { ", ..." } else { "" };
            let (count, told) = (found.len(), told.join(", "));
            Err(anyhow!("{count} trace IDs begin with {wanted}: {told}{more}; give more of its digits")
                .into())
        }
    }
}

fn fetched(
    client: &JaegerClient,
    id: u128,
    request: &Request,
    around: &Around<'_>,
) -> Result<(Vec<Span>, String), Failure> {
    let (spans, is_complete) = fetch::one(client, id, request, around.now_unix_us)
        .with_context(|| format!("the trace {id:032x} was not fetched"))?;
    let late = if is_complete { "" } else { "; more spans may be on their way" };
    Ok((spans, format!("from Jaeger at {}{late}", client.base())))
}

fn read(
    kept: &Kept,
    id: u128,
    request: Option<&Request>,
    source: &Source<'_>,
) -> Result<(Vec<Span>, String), Failure> {
    let path = kept.path.display();
    if let Some(trace) = kept.get(id) {
        let cut = if trace.is_cut { format!("; {SPANS_MISSING}") } else { String::new() };
        return Ok((trace.spans(), format!("from {path}{cut}")));
    }
    let ask = || format!("milvus-load slow {} --trace {id:032x} --fetch", source.path.display());
    Err(match (request.is_some_and(|request| request.sampled), kept.len()) {
        (false, _) => {
            anyhow!("{id:032x} was not sampled: it has no trace; raise trace.sample_fraction for more")
        }
        (true, 0) => anyhow!("no traces were kept: there is no {path}; ask Jaeger with {}", ask()),
        (true, many) => {
            anyhow!("{id:032x} is not among the {many} traces kept in {path}; ask Jaeger with {}", ask())
        }
    }
    .into())
}
