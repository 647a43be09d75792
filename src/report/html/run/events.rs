//! What spans tell of themselves beside their times: their events, and why they failed.

use std::collections::HashMap;

use maud::{Markup, html};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;

use super::waterfall::since;
use crate::report::terminal::slow::cut;
use crate::trace::kept::KeptTrace;
use crate::trace::spans::span_id;

/// Of one span, and of one trace: so a page stays small enough to be mailed.
const MOST: usize = 12;
const MOST_OF_TRACE: usize = 60;
/// Characters of one.
const LONGEST: usize = 100;
/// What gRPC's instrumentation calls every message that was sent or received: the span itself says as much.
const MESSAGE: &str = "message";

/// By the span's ID.
#[derive(Debug, Default)]
pub(super) struct Events(HashMap<u64, Told>);

#[derive(Debug, Default)]
struct Told {
    /// Nanoseconds since 1970, and what happened then.
    events: Vec<(u64, String)>,
    left_out: usize,
    /// What the span says of its failure.
    failure: Option<String>,
}

impl Events {
    pub(super) fn of(trace: &KeptTrace) -> Self {
        let spans =
            trace.resources.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
        let (mut all, mut room) = (HashMap::new(), MOST_OF_TRACE);
        for span in spans {
            let Some(id) = span_id(&span.span_id) else { continue };
            let told = told(span, room.min(MOST));
            room -= told.events.len();
            if !told.events.is_empty() || told.left_out > 0 || told.failure.is_some() {
                // Of equal IDs the first counts, as where time went.
                all.entry(id).or_insert(told);
            }
        }
        Self(all)
    }

    /// What the span says of its failure.
    pub(super) fn failure(&self, span: u64) -> Option<&str> {
        self.0.get(&span)?.failure.as_deref()
    }

    /// Beneath the span's name; times count from when the request was due, moved as the span was.
    pub(super) fn listed(&self, span: u64, moved: i64, intended: u64) -> Markup {
        let Some(Told { events, left_out, .. }) = self.0.get(&span) else { return html! {} };
        html! {
            @let all = events.len() + left_out;
            @if all > 0 {
                details class="events" {
                    summary { (all) @if all == 1 { " event" } @else { " events" } }
                    ul class="plain" {
                        @for (at, words) in events {
                            li { (since(at.saturating_add_signed(moved), intended)) ": " (words) }
                        }
                        @if *left_out > 0 { li { (left_out) " more" } }
                    }
                }
            }
        }
    }
}

fn told(span: &Span, most: usize) -> Told {
    let mut told: Vec<&Event> =
        span.events.iter().filter(|event| event.name != MESSAGE && !event.name.is_empty()).collect();
    told.sort_by_key(|event| event.time_unix_nano);
    let events: Vec<(u64, String)> =
        told.iter().take(most).map(|event| (event.time_unix_nano, words(event))).collect();
    let failure =
        span.status.as_ref().map(|status| status.message.as_str()).filter(|message| !message.is_empty());
    Told {
        left_out: told.len() - events.len(),
        events,
        failure: failure.map(|message| cut(message, LONGEST)),
    }
}

/// An exception says which one it was.
fn words(event: &Event) -> String {
    let Event { name, attributes, .. } = event;
    let more = ["exception.type", "exception.message"].into_iter().filter_map(|key| text(attributes, key));
    cut(&std::iter::once(name.as_str()).chain(more).collect::<Vec<_>>().join(" "), LONGEST)
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}
