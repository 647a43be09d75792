//! What a collector says when it takes a batch but not all of it.
//!
//! OTLP calls that partial success. Over gRPC it stands in the answer. Over HTTP, opentelemetry-otlp reports it as
//! success and leaves but a log event behind, named `...PartialSuccess`, through `tracing`. [`PartialSuccessWatch`] is a
//! subscriber that hears nothing but these events, on the exporter's thread alone. It declares itself indifferent to
//! every other place that could log, so that they cost the measuring threads nothing.

use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::queue::lock;

/// A reply that took only a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartialSuccess {
    /// Spans refused, as told: a collector may lie, so this is clamped by its user.
    pub(super) rejected: i64,
    /// The collector's words; a warning where nothing was refused.
    pub(super) message: String,
}

/// Keeps the last partial success.
#[derive(Clone, Debug, Default)]
pub(super) struct PartialSuccessWatch {
    last: Arc<Mutex<Option<PartialSuccess>>>,
}

impl PartialSuccessWatch {
    /// The last one since it was last asked.
    pub(super) fn take(&self) -> Option<PartialSuccess> {
        lock(&self.last).take()
    }
}

impl Subscriber for PartialSuccessWatch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "opentelemetry-otlp"
            && *metadata.level() == Level::WARN
            && metadata.name().ends_with(".PartialSuccess")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut told = PartialSuccess::default();
        event.record(&mut told);
        *lock(&self.last) = Some(told);
    }

    // No span is ever enabled, so none of these is ever asked for anything.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for PartialSuccess {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "rejected_spans" {
            self.rejected = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "error_message" {
            self.message = value.to_owned();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
