//! Export of spans over OTLP, from a thread of its own.
//!
//! Belongs here: the queue between workers and collector, batches, time limits, the count of every span. Does not belong
//! here: what a span says ([`super::span`]) and what the environment says ([`super::env`]).
//!
//! The SDK's batch processor is not used, since it tells the number of spans it dropped to nobody but a log. Over gRPC,
//! the default, requests are of our own encoding ([`RequestEncoder`]), since this is where most of the cost of tracing
//! lies; over HTTP they are those of the exporter of `opentelemetry-otlp`.
//!
//! Invariant: a collector that is absent, slow or broken never delays and never fails a request, and
//! `recorded = exported + dropped + failed + queued` at any time (`tests::every_span_is_accounted_for_*`).
//! Start with [`Exporter`].

mod collector;
mod encode;
mod estimate;
mod grpc;
mod http;
mod pump;
mod queue;
mod rejected;
mod retry;
mod settings;
mod tls;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use tokio::time::Instant;

pub use encode::{Encoded, RequestEncoder};
pub(super) use estimate::encoded_bytes;
pub(super) use queue::{LostTraces, Queued, Shared};
pub use queue::{PassedOn, SpanCounts, SpanSink};
pub use settings::{BatchLimits, ExportSettings, TlsFiles, Transport};

use crate::trace::endpoint::Endpoint;
use crate::trace::span::{OperationAttributes, SpanTemplates};
use collector::Collector;
use pump::{Pump, PumpOutcome};

/// How we introduce ourselves to collectors.
const USER_AGENT: &str = concat!("milvus-load/", env!("CARGO_PKG_VERSION"));

/// Why an exporter could not start. A collector that is not there is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A PEM file that cannot be read.
    #[error("cannot read {} for the connection to the collector: {source}; see OTEL_EXPORTER_OTLP_CERTIFICATE, \
             OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// PEM files that hold no usable certificate or key.
    #[error("the certificates for the collector cannot be used: {0}; check that they are PEM files")]
    Tls(String),
    /// A setting that tonic or opentelemetry-otlp refused.
    #[error("the span exporter could not be set up: {0}")]
    Exporter(String),
    /// No thread or no runtime.
    #[error("the thread that exports spans could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// The running exporter. Dropping it without [`Exporter::finish`] gives up what is still queued.
#[derive(Debug)]
pub struct Exporter {
    endpoint: Endpoint,
    /// Kept to make others from; nothing is offered through it.
    sink: SpanSink,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<PumpOutcome>>,
}

impl Exporter {
    /// Starts the thread. Connects to the collector when there is something to send, so its absence is no error here.
    ///
    /// # Errors
    /// Where a certificate cannot be read or used, or no thread can be had.
    pub fn start(
        settings: &ExportSettings,
        operations: &[OperationAttributes],
        run_id: &str,
    ) -> Result<Self, ExportError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let templates = SpanTemplates::new(operations, run_id);
        let collector = {
            let _inside = runtime.enter();
            Collector::new(settings, &templates)?
        };
        let watch = collector.watch();
        let (sink, queue, shared) = SpanSink::new(settings.limits.queue);
        let pump = Pump {
            queue,
            shared: Arc::clone(&shared),
            collector,
            templates,
            limits: settings.limits,
            batch: Vec::with_capacity(settings.limits.batch),
            bytes: 0,
            since: None,
            taken: 0,
            flush_until: 0,
            outcome: PumpOutcome::default(),
        };
        let thread = std::thread::Builder::new().name("export".into()).spawn(move || {
            let _listening =
                watch.map(|watch| tracing::dispatcher::set_default(&tracing::Dispatch::new(watch)));
            let outcome = runtime.block_on(pump.run());
            // An HTTP request that hangs must not hold up the end; it dies with the process.
            runtime.shutdown_background();
            outcome
        })?;
        Ok(Self { endpoint: settings.endpoint.clone(), sink, shared, thread: Some(thread) })
    }

    /// A sink for one worker.
    pub fn sink(&self) -> SpanSink {
        self.sink.clone()
    }

    /// Whether an export of so many bytes, passed on now, would find room.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.shared.has_room(bytes)
    }

    /// Asks for all spans that have been offered by now to be sent at once, and not when a batch is full or its time has come.
    /// Returns at once; who offers spans is not held up.
    pub fn flush(&self) {
        self.shared.flush();
    }

    pub fn counts(&self) -> SpanCounts {
        self.shared.counts()
    }

    /// Sends what is queued, for at most `limit`, and ends. Blocks the calling thread. Workers should have ended before:
    /// what they offer afterwards is dropped.
    pub fn finish(mut self, limit: Duration) -> ExportReport {
        // A limit beyond what a clock can hold is as good as an hour.
        let now = Instant::now();
        self.shared.close(now.checked_add(limit).unwrap_or(now + Duration::from_secs(3600)));
        let ended = self.thread.take().and_then(|thread| thread.join().ok());
        // A thread that panicked has exported nothing that could be told; what it held is counted as dropped.
        self.shared.mark_closed();
        let outcome = ended.unwrap_or_else(|| PumpOutcome {
            last_error: Some("the thread that exports spans has crashed; please report this".into()),
            ..PumpOutcome::unknown()
        });
        let (lost, more_lost) = LostTraces::into_set(self.shared.lost().into_iter().chain([outcome.lost]));
        ExportReport {
            endpoint: self.endpoint.to_string(),
            counts: self.shared.counts(),
            last_error: outcome.last_error,
            lost,
            more_lost,
            arrived: None,
        }
    }
}

/// Ends the thread without waiting for it.
impl Drop for Exporter {
    fn drop(&mut self) {
        self.shared.close(Instant::now());
    }
}

#[derive(Clone, Debug)]
pub struct ExportReport {
    pub endpoint: String,
    /// The fate of all spans; none is queued any more.
    pub counts: SpanCounts,
    /// What went wrong last, if anything did. Holds no secrets.
    pub last_error: Option<String>,
    lost: HashSet<u128>,
    more_lost: bool,
    /// Where only the traces that are kept were to go on: those that arrived.
    arrived: Option<HashSet<u128>>,
}

/// Whether a trace's spans have reached the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The collector has taken all that was recorded of it.
    Exported,
    /// At least one span of it is known not to have arrived.
    NotExported,
    /// Some spans were lost, and whether this one's are among them is not known.
    Unknown,
}

impl ExportReport {
    /// From what was stored: `lost` are traces of which something did not arrive.
    pub const fn of_stored(
        endpoint: String,
        counts: SpanCounts,
        last_error: Option<String>,
        lost: HashSet<u128>,
        more_lost: bool,
    ) -> Self {
        Self { endpoint, counts, last_error, lost, more_lost, arrived: None }
    }

    /// Where only traces that are kept were to arrive.
    pub fn of_kept(
        endpoint: String,
        counts: SpanCounts,
        last_error: Option<String>,
        arrived: HashSet<u128>,
    ) -> Self {
        let lost = HashSet::new();
        Self { endpoint, counts, last_error, lost, more_lost: false, arrived: Some(arrived) }
    }

    /// Adds what another exporter of the same run has done.
    pub fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.last_error = self.last_error.take().or_else(|| other.last_error.clone());
        self.lost.extend(&other.lost);
        self.more_lost |= other.more_lost;
        match (&mut self.arrived, &other.arrived) {
            (Some(ours), Some(theirs)) => ours.extend(theirs),
            (ours @ None, theirs) => ours.clone_from(theirs),
            (Some(_), None) => {}
        }
    }

    /// Whether traces were lost that are not known by name.
    pub const fn more_lost(&self) -> bool {
        self.more_lost
    }

    /// What became of a trace of which spans were offered.
    pub fn fate(&self, trace_id: u128) -> Fate {
        if let Some(arrived) = &self.arrived {
            return if arrived.contains(&trace_id) { Fate::Exported } else { Fate::NotExported };
        }
        if self.counts.exported == 0 || self.lost.contains(&trace_id) {
            Fate::NotExported
        } else if self.more_lost {
            Fate::Unknown
        } else {
            Fate::Exported
        }
    }
}

/// Encodes spans of a run as its exporter would.
pub fn encoder(
    settings: &ExportSettings,
    operations: &[OperationAttributes],
    run_id: &str,
) -> RequestEncoder {
    RequestEncoder::new(SpanTemplates::new(operations, run_id), &collector::resource(settings))
}

impl PumpOutcome {
    /// Nothing is known of what was lost.
    fn unknown() -> Self {
        let mut outcome = Self::default();
        outcome.lost.add_unknown();
        outcome
    }
}

impl SpanTemplates {
    /// A queued span as the SDK has it.
    fn build(&self, span: &Queued) -> Option<SpanData> {
        match span {
            Queued::Client(span) => self.client_span(span),
            Queued::Setup(span) => Some(self.setup_span(span.as_ref().clone())),
            // Bytes already.
            Queued::PassedOn(_) => None,
        }
    }

    /// No less than a queued span takes when sent.
    fn estimated_bytes(&self, span: &Queued) -> usize {
        match span {
            Queued::Client(span) => self.most_bytes(span.operation),
            Queued::Setup(span) => encoded_bytes(&self.setup_span(span.as_ref().clone())),
            Queued::PassedOn(export) => export.bytes.len(),
        }
    }
}

#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;
