//! Asking Jaeger for the traces of listed requests.

use std::time::Duration;

use crate::report::model::Request;
use crate::report::terminal::Answer;
use crate::report::terminal::slow::Listing;
use crate::trace::TraceSummary;
use crate::trace::jaeger::{JaegerClient, JaegerError, PollRule};
use crate::trace::kept::KeptTrace;
use crate::trace::spans::Span;

/// How many of a trace's longest spans are shown.
const LONGEST: usize = 8;

/// How old a request has to be for its trace to be complete: Milvus's spans come up to 5 s after the answer.
const COMPLETE_AFTER: Duration = Duration::from_secs(6);

/// A trace that is not there is waited for until its request is so old.
const WAIT_UNTIL: Duration = Duration::from_secs(12);

/// A trace that is not there may still arrive while its request is younger than this: exporters that back off.
const MAY_ARRIVE_UNTIL: Duration = Duration::from_secs(60);

/// What Jaeger said of a listing's requests.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// For each request, in the listing's order; shorter where Jaeger failed in between.
    pub(super) answers: Vec<Answer>,
    /// Why Jaeger could not be asked, or not to the end.
    pub(super) failure: Option<JaegerError>,
}

/// Asks for the trace of every listed request that was sampled. Blocks: for spans that may still be on their way it waits
/// until the youngest request is 12 s old.
pub(super) fn fetch(client: &JaegerClient, listing: &Listing<'_>, now_unix_us: &dyn Fn() -> u64) -> Fetched {
    let mut fetched = Fetched::default();
    if let Some(error) = unwell(client, listing) {
        fetched.failure = Some(error);
        return fetched;
    }
    let young = |request| sampled_trace(request).is_some() && is_young(request, now_unix_us());
    if listing.requests().any(young) {
        say_that_it_waits();
    }
    for request in listing.requests() {
        match ask(client, request, now_unix_us) {
            Ok(answer) => fetched.answers.push(answer),
            Err(error) => {
                fetched.failure = Some(error);
                break;
            }
        }
    }
    fetched
}

/// Whether Jaeger is there at all, before it is waited for.
fn unwell(client: &JaegerClient, listing: &Listing<'_>) -> Option<JaegerError> {
    let first = listing.requests().find_map(sampled_trace)?;
    client.fetch(first).err().filter(|error| *error != JaegerError::NotFound)
}

fn ask(
    client: &JaegerClient,
    request: &Request,
    now_unix_us: &dyn Fn() -> u64,
) -> Result<Answer, JaegerError> {
    let Some(trace_id) = sampled_trace(request) else { return Ok(Answer::NotAsked) };
    match poll(client, trace_id, request, now_unix_us) {
        Ok((spans, is_complete)) => Ok(trace(request, &spans, is_complete)),
        Err(JaegerError::NotFound) => {
            Ok(Answer::Absent { may_arrive: age(request, now_unix_us()) < MAY_ARRIVE_UNTIL })
        }
        Err(error) => Err(error),
    }
}

fn poll(
    client: &JaegerClient,
    trace_id: u128,
    request: &Request,
    now_unix_us: &dyn Fn() -> u64,
) -> Result<(Vec<Span>, bool), JaegerError> {
    let polled = client.fetch_stable(trace_id, rule(age(request, now_unix_us())))?;
    Ok((KeptTrace::from(&polled.trace).spans(), polled.is_stable))
}

fn trace(request: &Request, spans: &[Span], is_complete: bool) -> Answer {
    let client = request.span_id.as_deref().and_then(|id| u64::from_str_radix(id, 16).ok());
    Answer::Trace {
        summary: TraceSummary::new(spans, LONGEST),
        has_client: spans.iter().any(|span| Some(span.span_id) == client),
        is_complete,
    }
}

fn is_young(request: &Request, now_unix_us: u64) -> bool {
    age(request, now_unix_us) < COMPLETE_AFTER
}

fn say_that_it_waits() {
    let most = WAIT_UNTIL.as_secs();
    crate::commands::say(&format!("waiting up to {most} s for spans that may still be on their way"));
}

fn sampled_trace(request: &Request) -> Option<u128> {
    super::trace_id(request).filter(|_| request.sampled)
}

/// Time since the request was over. A clock that is behind makes it young, never negative.
fn age(request: &Request, now_unix_us: u64) -> Duration {
    // To a float and back: response_us is at most an hour or so, far from what a float loses.
    let done = request.intended_unix_us.saturating_add(request.response_us as u64);
    Duration::from_micros(now_unix_us.saturating_sub(done))
}

/// Old requests are looked for once; young ones until they are old enough.
fn rule(age: Duration) -> PollRule {
    PollRule {
        stable: COMPLETE_AFTER.saturating_sub(age),
        limit: WAIT_UNTIL.saturating_sub(age),
        ..PollRule::default()
    }
}
