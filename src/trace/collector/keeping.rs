//! One run on a collector: the client's own spans come in without a detour, its traces are decided on, and what is kept is taken out.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::decided::COMPLETE;
use super::here::{Collector, Shared};
use super::scan::Head;
use super::store::{Books, Stored, Trace};
use crate::trace::exporter::{
    ExportError, ExportReport, ExportSettings, Exporter, Fate, LostTraces, PassedOn, Queued, RequestEncoder,
    Shared as Queue, SpanCounts, SpanSink, encoder,
};
use crate::trace::kept::KeptTrace;
use crate::trace::span::{ClientSpan, OperationAttributes, SpanOutcome};
use crate::trace::spans::span_id;

/// How often the queue is looked into.
const LOOK: Duration = Duration::from_millis(20);
/// Spans that come in between, at 800,000 a second.
const QUEUE: usize = 16_384;
/// Between two looks whether something has been sent.
const POLL: Duration = Duration::from_millis(5);

/// Where spans are that went no further.
const HERE: &str = "the built-in collector";

/// Says of which requests the traces are kept.
pub trait Chooser: Send {
    /// A sampled request is over. `let_go` is called with every trace that from now on is sure not to be kept: this request's own, or
    /// those whose place it takes.
    fn over(&mut self, span: &ClientSpan, let_go: &mut dyn FnMut(u128));
}

/// What goes on to another collector.
pub enum Onward {
    /// Nothing.
    Nowhere,
    /// The client's spans, as they come; the collector passes on all else itself.
    All(Exporter),
    /// What is kept, at the end.
    Kept(Box<ExportSettings>),
}

/// A run under way.
pub struct Keeping {
    shared: Arc<Shared>,
    sink: SpanSink,
    queue: Arc<Queue>,
    choosers: Sender<Box<dyn Chooser>>,
    is_ending: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    encoder: RequestEncoder,
    onward: Onward,
    run_id: String,
}

/// What a collector has of a run.
#[derive(Clone, Debug)]
pub struct Collected {
    /// By trace ID.
    pub kept: Vec<KeptTrace>,
    pub books: Books,
    /// Sampled requests that the server answered and whose root span never came from it; `None`: not known.
    pub lost_at_server: Option<u64>,
    /// What became of the client's spans.
    pub export: ExportReport,
}

impl Collector {
    /// Begins a run: its spans are booked for it, and those of set-up that came before. `settings` say in whose name its own
    /// spans are. One run at a time.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn begin(
        &self,
        settings: &ExportSettings,
        operations: &[OperationAttributes],
        run_id: &str,
        onward: Onward,
    ) -> io::Result<Keeping> {
        let (sink, spans, queue) = SpanSink::new(QUEUE);
        let (choosers, chosen_by) = channel();
        let (is_ending, shared) = (Arc::new(AtomicBool::new(false)), Arc::clone(&self.shared));
        shared.store().begin();
        let work = Work {
            shared: Arc::clone(&shared),
            queue: Arc::clone(&queue),
            spans,
            onward: match &onward {
                Onward::All(exporter) => Some(exporter.sink()),
                Onward::Nowhere | Onward::Kept(_) => None,
            },
        };
        let ending = Arc::clone(&is_ending);
        let thread = std::thread::Builder::new().name("collect-own".into());
        let thread = thread.spawn(move || work.run(&chosen_by, &ending))?;
        let encoder = encoder(settings, operations, run_id);
        let run_id = run_id.to_owned();
        Ok(Keeping { shared, sink, queue, choosers, is_ending, thread, encoder, onward, run_id })
    }
}

impl Keeping {
    /// A sink for one worker.
    pub fn sink(&self) -> SpanSink {
        self.sink.clone()
    }

    /// Who decides; until there is somebody, the spans of requests wait.
    pub fn choose_by(&self, chooser: Box<dyn Chooser>) {
        // It listens until it is ended.
        let _ = self.choosers.send(chooser);
    }

    /// The run is over, and no worker hands anything over any more. `is_complete`: so long that all spans that ever come have come;
    /// otherwise traces of requests that were done only just now count as cut. What goes on to another collector may take until `limit` is over.
    pub fn finish(self, is_complete: bool, limit: Duration) -> Collected {
        let Self { shared, sink: _, queue, is_ending, thread, mut encoder, onward, run_id, .. } = self;
        is_ending.store(true, Ordering::Release);
        Thread::unpark(thread.thread());
        // Were it to have panicked, what it left in its queue is counted as dropped.
        let _ = thread.join();
        queue.mark_closed();
        let (traces, mut books, lost) = shared.store().end(Instant::now());
        let complete_until = unix_now().saturating_sub(COMPLETE).as_nanos();
        let complete_until = u64::try_from(complete_until).unwrap_or(u64::MAX);
        let mut kept = Vec::with_capacity(traces.len());
        let mut own = Vec::with_capacity(traces.len());
        for (id, trace) in traces {
            own.push((id, u64::from(trace.client.is_some()) + trace.setup.len() as u64));
            let done = trace.client.as_ref().map_or(0, |client| client.done);
            let Whole { mut trace, unreadable, again } = whole(id, trace, &mut encoder);
            trace.is_cut |= !is_complete && done > complete_until;
            books.kept -= unreadable + again;
            books.evicted += unreadable;
            books.received -= again;
            kept.push(trace);
        }
        let export = match onward {
            Onward::Nowhere => taken_here(&queue),
            Onward::All(exporter) => taken_there(&queue, exporter.finish(limit)),
            Onward::Kept(settings) => {
                let sent = send(&settings, &run_id, &kept, limit);
                only_kept(&queue, &own, sent, settings.endpoint.to_string())
            }
        };
        Collected { kept, books, lost_at_server: lost.filter(|_| is_complete), export }
    }

    /// From when on nothing more comes, of requests that were done by then.
    pub fn complete_at(done: Instant) -> Instant {
        done + COMPLETE
    }
}

/// The thread that takes what the workers hand over.
struct Work {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    spans: Receiver<Queued>,
    onward: Option<SpanSink>,
}

impl Work {
    fn run(self, chosen_by: &Receiver<Box<dyn Chooser>>, is_ending: &AtomicBool) {
        let mut chooser = None;
        loop {
            // Before the queue is looked into: what came before the end was asked for is then sure to be seen.
            let is_last = is_ending.load(Ordering::Acquire);
            chooser = chooser.or_else(|| chosen_by.try_recv().ok());
            if chooser.is_some() || is_last {
                self.spans.try_iter().for_each(|span| self.take(span, chooser.as_deref_mut()));
            }
            if is_last {
                return;
            }
            std::thread::park_timeout(LOOK);
        }
    }

    fn take(&self, queued: Queued, chooser: Option<&mut (dyn Chooser + 'static)>) {
        match &queued {
            Queued::Client(span) => self.decide(span, chooser),
            Queued::Setup(span) => self.shared.store().hold_setup(span.as_ref().clone()),
            Queued::PassedOn(_) => {}
        }
        self.queue.arrived(&queued);
        if let Some(onward) = &self.onward {
            onward.push(queued);
        }
    }

    fn decide(&self, span: &ClientSpan, chooser: Option<&mut (dyn Chooser + 'static)>) {
        let (id, now) = (span.trace.trace_id, Instant::now());
        // Such a request has been through the server's handler, which makes a span of it.
        let is_answered = matches!(span.outcome, SpanOutcome::Ok | SpanOutcome::Milvus(_));
        let mut is_kept = chooser.is_some();
        let mut replaced = Vec::new();
        if let Some(chooser) = chooser {
            chooser.over(span, &mut |gone| match gone == id {
                true => is_kept = false,
                false => replaced.push(gone),
            });
        }
        let mut store = self.shared.store();
        // First, since this request may need their room.
        replaced.into_iter().for_each(|gone| store.let_go(gone, now));
        match is_kept {
            true => store.hold(*span, is_answered),
            false => store.pass(span, is_answered, now),
        }
    }
}

fn unix_now() -> Duration {
    // Before 1970 nothing is sure to have come.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A trace, decoded.
struct Whole {
    trace: KeptTrace,
    /// Spans that cannot be decoded.
    unreadable: u64,
    /// Spans that were there already: an exporter that does not hear our answer sends them once more.
    again: u64,
}

fn whole(trace_id: u128, trace: Trace, encoder: &mut RequestEncoder) -> Whole {
    if let Some(span) = &trace.client {
        encoder.add(span);
    }
    trace.setup.into_iter().for_each(|span| encoder.add_setup(span));
    let own = encoder.finish();
    let mut resources = Vec::new();
    if own.count > 0 {
        let bytes = [&own.head[..], &own.spans[..]].concat();
        resources = ExportTraceServiceRequest::decode(&bytes[..]).unwrap_or_default().resource_spans;
    }
    let (mut unreadable, mut again) = (0, 0);
    let mut known = HashSet::new();
    let mut scopes: Vec<(Arc<Head>, Vec<Span>)> = Vec::new();
    for Stored { head, span } in trace.spans {
        let Ok(span) = Span::decode(&span[..]) else {
            unreadable += 1;
            continue;
        };
        if span_id(&span.span_id).is_some_and(|id| !known.insert(id)) {
            again += 1;
            continue;
        }
        match scopes.iter_mut().find(|(known, _)| *known == head) {
            Some((_, spans)) => spans.push(span),
            None => scopes.push((head, vec![span])),
        }
    }
    for (head, spans) in scopes {
        let count = spans.len() as u64;
        match around(&head, spans) {
            Ok(resource) => resources.push(resource),
            Err(_) => unreadable += count,
        }
    }
    let is_cut = trace.is_cut || unreadable > 0;
    Whole { trace: KeptTrace { trace_id, resources, is_cut }, unreadable, again }
}

fn around(head: &Head, spans: Vec<Span>) -> Result<ResourceSpans, prost::DecodeError> {
    let mut resource = ResourceSpans::decode(&head.resource[..])?;
    resource.scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::decode(&head.scope[..])? }];
    Ok(resource)
}

/// Sends what is kept to another collector.
fn send(
    settings: &ExportSettings,
    run_id: &str,
    kept: &[KeptTrace],
    limit: Duration,
) -> Result<ExportReport, ExportError> {
    let end = Instant::now() + limit;
    let exporter = Exporter::start(settings, &[], run_id)?;
    let sink = exporter.sink();
    for trace in kept {
        let export = ExportTraceServiceRequest { resource_spans: trace.resources.clone() };
        let bytes = export.encode_to_vec();
        while !exporter.has_room(bytes.len()) && Instant::now() < end {
            std::thread::sleep(POLL);
        }
        let scopes = trace.resources.iter().flat_map(|resource| &resource.scope_spans);
        let spans = scopes.map(|scope| scope.spans.len()).sum();
        sink.pass_on(PassedOn { bytes: bytes.into(), spans, trace_id: trace.trace_id });
    }
    Ok(exporter.finish(end.saturating_duration_since(Instant::now())))
}

/// What this collector itself has taken of the client's spans.
fn taken_here(queue: &Queue) -> ExportReport {
    let (lost, more_lost) = LostTraces::into_set(queue.lost());
    ExportReport::of_stored(HERE.to_owned(), queue.counts(), None, lost, more_lost)
}

/// What an exporter has done with what it was given, and what never got so far.
fn taken_there(queue: &Queue, mut report: ExportReport) -> ExportReport {
    let SpanCounts { dropped, .. } = queue.counts();
    let (lost, more_lost) = LostTraces::into_set(queue.lost());
    let before = SpanCounts { recorded: dropped, dropped, ..SpanCounts::default() };
    report.merge(&ExportReport::of_stored(report.endpoint.clone(), before, None, lost, more_lost));
    report
}

/// What this collector has taken, less the client's spans of traces that were to go on and did not arrive. `own`: how many of these
/// each trace has.
fn only_kept(
    queue: &Queue,
    own: &[(u128, u64)],
    sent: Result<ExportReport, ExportError>,
    endpoint: String,
) -> ExportReport {
    let (sent, error) = match sent {
        Ok(sent) => (Some(sent.clone()), sent.last_error),
        Err(error) => (None, Some(error.to_string())),
    };
    let is_there = |id: u128| sent.as_ref().is_some_and(|sent| sent.fate(id) != Fate::NotExported);
    let (arrived, missing): (Vec<_>, Vec<_>) = own.iter().partition(|(id, _)| is_there(*id));
    let mut counts = queue.counts();
    // They came from that queue.
    counts.failed = missing.iter().map(|(_, spans)| spans).sum::<u64>().min(counts.exported);
    counts.exported -= counts.failed;
    ExportReport::of_kept(endpoint, counts, error, arrived.into_iter().map(|(id, _)| id).collect())
}

#[cfg(test)]
#[path = "keeping_tests.rs"]
mod tests;
