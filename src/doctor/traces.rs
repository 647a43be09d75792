//! What came of the requests, judged.

use super::cause::Cause;
use super::check::{failed, noted, ok, unknown};
use super::configuration::Configuration;
use super::fraction::Traced;
use super::intake::Knocks;
use super::probes::Probe;
use super::version::Version;
use crate::report::model::{Check, CheckState};
use crate::trace::spans::{Kind, Span};
use crate::units::Nanos;

pub(super) const SAMPLED: &str = "traces.sampled";
pub(super) const JOINED: &str = "traces.joined";
pub(super) const UNSAMPLED: &str = "traces.unsampled";
pub(super) const OWN_FRACTION: &str = "traces.own_fraction";
pub(super) const REQUEST_ID: &str = "traces.request_id";
pub(super) const SEARCH: &str = "traces.search";
pub(super) const CLOCKS: &str = "traces.clocks";

/// A request and the spans that came of it.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub probe: Probe,
    pub spans: Vec<Span>,
}

impl Came {
    /// Milvus's span of the call, beneath the client's.
    pub fn server(&self) -> Option<&Span> {
        self.spans.iter().find(|span| span.kind == Kind::Server && span.parent == Some(self.probe.span_id))
    }

    /// Spans other than the client's own.
    pub fn of_milvus(&self) -> usize {
        self.spans.iter().filter(|span| span.span_id != self.probe.span_id).count()
    }

    pub fn has_client(&self) -> bool {
        self.spans.iter().any(|span| span.span_id == self.probe.span_id)
    }
}

pub(super) fn has_segcore(spans: &[Span]) -> bool {
    spans.iter().any(|span| &*span.service == "segcore" || span.name.starts_with("SegCore"))
}

/// What is known of why nothing might come.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub knocks: Knocks,
    /// What the log tells.
    pub log: Option<Cause>,
    /// What is wrong with the configuration by itself, or with how the embedded server was started.
    pub suspect: Option<Cause>,
    pub configuration: Option<Configuration>,
    pub version: Option<Version>,
    /// Host and port of where spans are to arrive.
    pub place: Option<(String, u16)>,
    /// Calls that arrived with an ID of their own, though ours had one.
    pub strangers: u64,
}

/// Why no span of Milvus comes: what was seen before what was said, and what was said before what is guessed.
pub(super) fn why_nothing(known: &Known) -> Cause {
    if known.knocks.tls > 0 {
        return Cause::SecureOn;
    }
    if known.knocks.http1 > 0 && known.knocks.http2 == 0 {
        return Cause::MethodHttp;
    }
    if known.strangers > 0 {
        return Cause::HeaderDropped;
    }
    if let Some(cause) =
        known.log.clone().filter(|cause| *cause != Cause::ExportFails).or(known.suspect.clone())
    {
        return cause;
    }
    if let Some(configuration) = &known.configuration {
        let is_there = known.place.as_ref().is_none_or(|(host, port)| configuration.names(host, *port));
        return match known.log {
            Some(ref cause) => cause.clone(),
            // On its own machine it would be right: so it is not on it, but in a container.
            None if configuration.names_loopback() => Cause::EndpointIsLoopback,
            None if is_there => Cause::ConfigurationWithoutEffect,
            // A container knows the collector by another name than this machine does.
            None => Cause::MilvusExportsElsewhere,
        };
    }
    match (&known.log, known.version) {
        (Some(cause), _) => cause.clone(),
        (None, Some(version)) if version.may_fail_to_export() => Cause::ExporterFailedToStart,
        (None, _) => Cause::NothingArrives,
    }
}

/// A request with flag 01: `first` and `last` of them, and one `again` where neither came.
pub(super) fn sampled(first: &Came, last: &Came, again: Option<&Came>, place: &str, known: &Known) -> Check {
    let counted = |came: &Came| format!("flag 01: {} in {place}", plural(came.of_milvus(), "span"));
    let joined = |came: &Came| format!("{}, joined to the client's", counted(came));
    match (first.server(), last.server(), again.map(|came| (came, came.server()))) {
        (Some(_), Some(_), _) => ok(SAMPLED, joined(last)),
        (None, Some(_), _) => {
            noted(SAMPLED, format!("{}; an earlier one was lost", joined(last)), &Cause::CameLater)
        }
        (_, None, Some((again, Some(_)))) => {
            noted(SAMPLED, format!("{}; earlier ones were lost", joined(again)), &Cause::CameLater)
        }
        _ if last.of_milvus() > 0 => {
            failed(SAMPLED, format!("{}, none beneath the client's", counted(last)), &Cause::HeaderDropped)
        }
        _ => {
            let knocked = match (known.knocks.tls, known.knocks.http1) {
                (0, 0) => "",
                (0, _) => ", where a connection spoke HTTP/1",
                _ => ", where a connection began with TLS",
            };
            let seen = format!("a request with flag 01 left none in {place}{knocked}");
            failed(SAMPLED, seen, &why_nothing(known))
        }
    }
}

/// Of a check that says something only where spans come at all.
fn only_if(sampled: &Check, name: &str) -> Option<Check> {
    (sampled.state != CheckState::Ok).then(|| unknown(name, "not told: no span of Milvus arrives"))
}

/// Whether Jaeger shows client and server as one trace; `in_jaeger` is that of a request with flag 01.
pub(super) fn joined(in_jaeger: &Came, sampled: &Check) -> Check {
    if let Some(check) = only_if(sampled, JOINED) {
        return check;
    }
    match (in_jaeger.has_client(), in_jaeger.server()) {
        (true, Some(server)) => {
            ok(JOINED, format!("Jaeger shows the client's span and {}'s as one trace", server.service))
        }
        (true, None) => failed(JOINED, "Jaeger has the client's span alone", &Cause::MilvusExportsElsewhere),
        (false, Some(_)) => failed(JOINED, "Jaeger has Milvus's spans alone", &Cause::AnotherJaeger),
        (false, None) => {
            failed(JOINED, "Jaeger has neither the client's span nor Milvus's", &Cause::AnotherJaeger)
        }
    }
}

/// A request with flag 00.
pub(super) fn unsampled(came: &Came, sampled: &Check) -> Check {
    only_if(sampled, UNSAMPLED).unwrap_or_else(|| match came.of_milvus() {
        0 => ok(UNSAMPLED, "flag 00: no span, as asked"),
        spans => failed(UNSAMPLED, format!("flag 00: {}", plural(spans, "span")), &Cause::FlagIgnored),
    })
}

/// Requests without a header.
pub(super) fn own_fraction(traced: Option<Traced>, told: Option<f64>, sampled: &Check) -> Check {
    if let Some(check) = only_if(sampled, OWN_FRACTION) {
        return check;
    }
    let Some(traced) = traced.filter(|traced| traced.sent > 0) else {
        return unknown(OWN_FRACTION, "no header: not told how many were traced");
    };
    let seen = format!("no header: {}", traced.sentence());
    match told {
        Some(told) if traced.contradicts(told) => failed(
            OWN_FRACTION,
            format!("{seen}, and the configuration says sampleFraction {told}"),
            &Cause::ConfigurationWithoutEffect,
        ),
        _ if traced.traced == 0 => noted(OWN_FRACTION, seen, &Cause::OwnFractionZero),
        _ => ok(OWN_FRACTION, seen),
    }
}

/// A request with flag 01 and a `client_request_id`.
pub(super) fn request_id(came: Option<&Came>, sampled: &Check) -> Check {
    if let Some(check) = only_if(sampled, REQUEST_ID) {
        return check;
    }
    match came {
        None => unknown(REQUEST_ID, "flag 01 and client_request_id: the request was not answered"),
        Some(came) if came.of_milvus() > 0 => {
            ok(REQUEST_ID, "flag 01 and client_request_id: traced all the same")
        }
        Some(_) => noted(
            REQUEST_ID,
            "flag 01 and client_request_id: not traced (milvus-load never sends it)",
            &Cause::RequestIdBlocksSampling,
        ),
    }
}

/// A search with flag 01.
pub(super) fn search(came: &Came, known: &Known, sampled: &Check) -> Check {
    if let Some(check) = only_if(sampled, SEARCH) {
        return check;
    }
    let spans = plural(came.of_milvus(), "span");
    let is_secure = known.configuration.as_ref().and_then(|configuration| configuration.secure);
    let ignores = known.version.is_some_and(Version::segcore_ignores_secure) && is_secure != Some(false);
    match (came.of_milvus(), has_segcore(&came.spans)) {
        (0, _) => unknown(SEARCH, "a search: no span of Milvus, which may be lost; repeat"),
        (_, true) => ok(SEARCH, format!("a search: {spans}, segcore's among them")),
        (_, false) if ignores => {
            failed(SEARCH, format!("a search: {spans}, none of segcore"), &Cause::SegcoreIgnoresSecure)
        }
        (_, false) => failed(SEARCH, format!("a search: {spans}, none of segcore"), &Cause::NoSegcore),
    }
}

/// Whether the server's clock can be the client's. With the server ahead by d, its span is seen d too late; it lay between sent and done, so
/// that root.end - done <= d <= root.start - sent.
pub(super) fn clocks<'a>(all: impl Iterator<Item = &'a Came>, sampled: &Check) -> Check {
    if let Some(check) = only_if(sampled, CLOCKS) {
        return check;
    }
    let difference = |a: u64, b: u64| i128::from(a) - i128::from(b);
    let bounds = all.filter_map(|came| {
        let root = came.server()?;
        Some((difference(root.end, came.probe.done), difference(root.start, came.probe.sent)))
    });
    let narrowest = bounds.reduce(|(low, high), (l, h)| (low.max(l), high.min(h)));
    let span = |ns: i128| Nanos::new(u64::try_from(ns.unsigned_abs()).unwrap_or(u64::MAX)).to_string();
    match narrowest {
        None => unknown(CLOCKS, "not told: no span of Milvus is joined to the client's"),
        Some((low, _)) if low > RESOLUTION => {
            failed(CLOCKS, format!("Milvus's clock is ahead by {} or more", span(low)), &Cause::ClocksApart)
        }
        Some((_, high)) if high < -RESOLUTION => {
            failed(CLOCKS, format!("Milvus's clock is behind by {} or more", span(high)), &Cause::ClocksApart)
        }
        Some((low, high)) => ok(CLOCKS, format!("apart by no more than {}", span(low.abs().max(high.abs())))),
    }
}

/// Jaeger tells microseconds, and cuts off what is less.
const RESOLUTION: i128 = 2_000;

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
