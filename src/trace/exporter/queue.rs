//! Between workers and the exporter's thread: a bounded queue that never blocks, and the count of every span.
//!
//! The queue is the standard library's bounded channel. The exporter's thread looks into it by the clock and never waits
//! on it, so that handing over a span wakes nobody: one atomic addition and one copy.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::settings::BatchLimits;
use crate::trace::setup::SetupSpan;
use crate::trace::span::ClientSpan;

/// Spans of set-up that are taken: far more than there ever are, so that the bytes of the queue have a bound.
const MOST_SETUP: usize = 256;
/// Bytes of others' exports that wait at once.
const MOST_PASSED_ON: usize = 32 << 20;

/// What has become of the spans so far. Always `recorded = exported + dropped + failed + queued`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanCounts {
    /// Offered by workers and set-up.
    pub recorded: u64,
    /// Taken by the collector, as far as it told.
    pub exported: u64,
    /// Not queued, since the queue was full or already closed.
    pub dropped: u64,
    /// Queued, but the collector could not be reached, refused them, or time was up.
    pub failed: u64,
    /// Waiting or on their way; 0 once the exporter has finished.
    pub queued: u64,
}

impl SpanCounts {
    /// Adds another exporter's; numbers that were read may be any.
    pub fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.recorded, other.recorded),
            (&mut self.exported, other.exported),
            (&mut self.dropped, other.dropped),
            (&mut self.failed, other.failed),
            (&mut self.queued, other.queued),
        ];
        pairs.into_iter().for_each(|(ours, theirs)| *ours = ours.saturating_add(theirs));
    }
}

/// A span on its way to the exporter's thread, or an export of others that is passed on.
#[derive(Clone, Debug)]
pub(in crate::trace) enum Queued {
    Client(ClientSpan),
    Setup(Box<SetupSpan>),
    PassedOn(Box<PassedOn>),
}

/// An export that is passed on as it is: the bytes of an `ExportTraceServiceRequest`.
#[derive(Clone, Debug)]
pub struct PassedOn {
    pub bytes: Bytes,
    pub spans: usize,
    /// The trace whose spans they are; 0: of several.
    pub trace_id: u128,
}

impl Queued {
    pub(super) fn trace_id(&self) -> u128 {
        match self {
            Self::Client(span) => span.trace.trace_id,
            Self::Setup(span) => span.trace.trace_id,
            Self::PassedOn(export) => export.trace_id,
        }
    }

    /// What others have exported.
    pub(super) fn passed_on(&self) -> Option<&PassedOn> {
        match self {
            Self::PassedOn(export) => Some(export),
            Self::Client(_) | Self::Setup(_) => None,
        }
    }

    pub(super) fn spans(&self) -> usize {
        match self {
            Self::Client(_) | Self::Setup(_) => 1,
            Self::PassedOn(export) => export.spans,
        }
    }
}

/// How many spans a batch has.
pub(super) fn spans(batch: &[Queued]) -> usize {
    batch.iter().map(Queued::spans).sum()
}

impl BatchLimits {
    /// Bytes that the spans waiting for export take, at most: a slot of the queue and one of the batch hold a span whole but
    /// for the texts of set-up's. The queue's part is taken from the start on.
    pub const fn most_bytes(&self) -> usize {
        // The standard library's channel keeps a stamp beside each slot.
        let slot = size_of::<Queued>() + size_of::<usize>();
        self.queue * slot + self.batch * size_of::<Queued>() + MOST_SETUP * SetupSpan::MOST_BYTES
    }
}

/// Traces known not to have arrived whole; holds at most [`LostTraces::MOST`] and says if there were more.
#[derive(Clone, Debug, Default)]
pub(in crate::trace) struct LostTraces {
    ids: Vec<u128>,
    more: bool,
}

impl LostTraces {
    /// Each list may take 1 MiB.
    pub(super) const MOST: usize = 65_536;

    pub(super) fn add(&mut self, trace_id: u128) {
        if self.ids.len() < Self::MOST {
            self.ids.push(trace_id);
        } else {
            self.more = true;
        }
    }

    /// Some were lost, nobody knows which.
    pub(super) fn add_unknown(&mut self) {
        self.more = true;
    }

    pub(in crate::trace) fn into_set(lists: impl IntoIterator<Item = Self>) -> (HashSet<u128>, bool) {
        let (mut ids, mut more) = (HashSet::new(), false);
        for list in lists {
            ids.extend(list.ids);
            more |= list.more;
        }
        (ids, more)
    }
}

/// What sinks, the exporter's thread and its owner share.
#[derive(Debug, Default)]
pub(in crate::trace) struct Shared {
    recorded: AtomicU64,
    dropped: AtomicU64,
    /// Spans of set-up offered.
    setup: AtomicUsize,
    /// Bytes of others' exports in the queue.
    passed_on: AtomicUsize,
    pub(super) exported: AtomicU64,
    pub(super) failed: AtomicU64,
    /// When the exporter has to be done; set once, by whoever ends it.
    deadline: OnceLock<Instant>,
    pub(super) wake: Notify,
    /// Set where what is queued is to be sent before its time.
    flush: AtomicBool,
    /// Set once the queue has been emptied for the last time.
    closed: AtomicBool,
    lost: Mutex<Vec<Arc<Mutex<LostTraces>>>>,
}

impl Shared {
    /// Asks the thread to send what there is and to end, by `deadline` at the latest. The first call counts.
    pub(super) fn close(&self, deadline: Instant) {
        self.deadline.get_or_init(|| deadline);
        self.wake.notify_one();
    }

    /// Asks the thread to send what is queued by now; returns at once.
    pub(super) fn flush(&self) {
        self.flush.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// How many spans must have been taken from the queue to have done what was asked since the last call; `None`: nothing was.
    pub(super) fn take_flush(&self) -> Option<u64> {
        self.flush.swap(false, Ordering::AcqRel).then(|| {
            // What is dropped after it was counted makes this more than are queued; an empty queue ends it then.
            let dropped = self.dropped.load(Ordering::Acquire);
            self.recorded.load(Ordering::Acquire).saturating_sub(dropped)
        })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.passed_on.load(Ordering::Relaxed) + bytes <= MOST_PASSED_ON
    }

    /// Takes note that a span has reached who it was for.
    pub(in crate::trace) fn arrived(&self, queued: &Queued) {
        self.exported.fetch_add(queued.spans() as u64, Ordering::Release);
    }

    /// Takes note that an export of others has left the queue.
    pub(super) fn taken(&self, queued: &Queued) {
        if let Queued::PassedOn(export) = queued {
            self.passed_on.fetch_sub(export.bytes.len(), Ordering::Relaxed);
        }
    }

    pub(in crate::trace) fn mark_closed(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(in crate::trace) fn counts(&self) -> SpanCounts {
        // `recorded` is counted before anything can become of a span, and read last: the rest is never negative.
        let exported = self.exported.load(Ordering::Acquire);
        let failed = self.failed.load(Ordering::Acquire);
        let dropped = self.dropped.load(Ordering::Acquire);
        let closed = self.closed.load(Ordering::Acquire);
        let recorded = self.recorded.load(Ordering::Acquire);
        let rest = recorded.saturating_sub(exported + failed + dropped);
        // Whatever slipped in between the last look into the queue and its end was dropped with it.
        let (dropped, queued) = if closed { (dropped + rest, 0) } else { (dropped, rest) };
        SpanCounts { recorded, exported, dropped, failed, queued }
    }

    /// Takes what the sinks have noted so far.
    pub(in crate::trace) fn lost(&self) -> Vec<LostTraces> {
        lock(&self.lost).iter().map(|list| std::mem::take(&mut *lock(list))).collect()
    }
}

/// A poisoned lock still guards a valid list: additions to it cannot be half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a worker hands its spans over; one per worker.
#[derive(Debug)]
pub struct SpanSink {
    queue: SyncSender<Queued>,
    shared: Arc<Shared>,
    /// Of this sink alone, so that its lock is never contended while requests are measured.
    lost: Arc<Mutex<LostTraces>>,
}

impl SpanSink {
    /// A queue of so many spans: its two ends, and what both share.
    pub(in crate::trace) fn new(capacity: usize) -> (Self, Receiver<Queued>, Arc<Shared>) {
        let (queue, receiver) = sync_channel(capacity);
        let shared = Arc::new(Shared::default());
        (Self::register(queue, shared.clone()), receiver, shared)
    }

    fn register(queue: SyncSender<Queued>, shared: Arc<Shared>) -> Self {
        let lost = Arc::default();
        lock(&shared.lost).push(Arc::clone(&lost));
        Self { queue, shared, lost }
    }

    /// Hands a span over. Never blocks and never fails; a span that finds the queue full is dropped and counted.
    pub fn offer(&self, span: ClientSpan) {
        self.push(Queued::Client(span));
    }

    /// Hands a span of set-up over, likewise; its texts are cut where they are long.
    pub fn offer_setup(&self, span: SetupSpan) {
        if self.shared.setup.fetch_add(1, Ordering::Relaxed) < MOST_SETUP {
            self.push(Queued::Setup(Box::new(span.bounded())));
        } else {
            self.shared.recorded.fetch_add(1, Ordering::Release);
            self.count_dropped(span.trace.trace_id, 1);
        }
    }

    /// Hands an export of others over, likewise.
    pub fn pass_on(&self, export: PassedOn) {
        let (bytes, spans, trace_id) = (export.bytes.len(), export.spans, export.trace_id);
        if self.shared.passed_on.fetch_add(bytes, Ordering::Relaxed) + bytes <= MOST_PASSED_ON {
            if !self.push(Queued::PassedOn(Box::new(export))) {
                self.shared.passed_on.fetch_sub(bytes, Ordering::Relaxed);
            }
        } else {
            self.shared.passed_on.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.recorded.fetch_add(spans as u64, Ordering::Release);
            self.count_dropped(trace_id, spans);
        }
    }

    /// Hands over what came out of another queue; false where it is dropped.
    pub(in crate::trace) fn push(&self, span: Queued) -> bool {
        let (trace_id, spans) = (span.trace_id(), span.spans());
        self.shared.recorded.fetch_add(spans as u64, Ordering::Release);
        let is_queued = self.queue.try_send(span).is_ok();
        if !is_queued {
            self.count_dropped(trace_id, spans);
        }
        is_queued
    }

    fn count_dropped(&self, trace_id: u128, spans: usize) {
        self.shared.dropped.fetch_add(spans as u64, Ordering::Release);
        // Only the end of the run ever takes this lock from elsewhere; even then no request waits for it.
        if let Ok(mut lost) = self.lost.try_lock() {
            lost.add(trace_id);
        }
    }
}

/// Another sink into the same queue, with a list of its own of what it had to drop.
impl Clone for SpanSink {
    fn clone(&self) -> Self {
        Self::register(self.queue.clone(), self.shared.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::TraceRef;
    use crate::trace::span::SpanOutcome;

    pub(in super::super) fn span(trace_id: u128) -> ClientSpan {
        ClientSpan {
            trace: TraceRef { trace_id, span_id: 1, sampled: true },
            operation: 0,
            phase: "measure",
            intended: 1,
            sent: 2,
            done: 3,
            outcome: SpanOutcome::Ok,
            peer: None,
            rows: 0,
        }
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_remembers_which() {
        let (sink, receiver, shared) = SpanSink::new(2);
        let other = sink.clone();
        for id in 1..=3 {
            sink.offer(span(id));
        }
        other.offer(span(4));
        assert_eq!(shared.counts(), SpanCounts { recorded: 4, dropped: 2, queued: 2, ..Default::default() });
        assert_eq!(LostTraces::into_set(shared.lost()), (HashSet::from([3, 4]), false));
        assert_eq!(receiver.try_iter().map(|queued| queued.trace_id()).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_span_offered_after_the_end_is_dropped() {
        let (sink, receiver, shared) = SpanSink::new(2);
        sink.offer(span(1));
        // The exporter has emptied its queue for the last time before this span came.
        shared.mark_closed();
        drop(receiver);
        sink.offer(span(2));
        assert_eq!(shared.counts(), SpanCounts { recorded: 2, dropped: 2, ..Default::default() });
    }

    #[test]
    fn the_list_of_lost_traces_is_bounded_and_says_so() {
        let mut lost = LostTraces::default();
        for id in 0..=LostTraces::MOST as u128 {
            lost.add(id);
        }
        let (ids, more) = LostTraces::into_set([lost, LostTraces::default()]);
        assert_eq!((ids.len(), more), (LostTraces::MOST, true));
    }

    /// A client span owns nothing beyond its slot, so that slots are all there is; `Copy` types cannot own.
    #[test]
    fn the_bytes_of_waiting_spans_have_a_bound() {
        const fn owns_nothing<T: Copy>() {}
        owns_nothing::<ClientSpan>();
        let most = BatchLimits::default().most_bytes();
        assert!((8_000_000..16_000_000).contains(&most), "{most} bytes for 65,536 spans");
        let limits = BatchLimits { queue: BatchLimits::MOST_QUEUED, ..BatchLimits::default() };
        assert!(limits.most_bytes() <= 50_000_000, "{}", limits.most_bytes());
    }

    #[test]
    fn more_spans_of_set_up_than_there_ever_are_are_dropped_and_counted() {
        let (sink, receiver, shared) = SpanSink::new(1_000);
        let setup = SetupSpan {
            trace: TraceRef { trace_id: 5, span_id: 1, sampled: true },
            parent: None,
            is_call: false,
            name: "flush".into(),
            start: 1,
            end: 2,
            attributes: vec![],
            error: None,
        };
        (0..MOST_SETUP + 3).for_each(|_| sink.offer_setup(setup.clone()));
        let queued = MOST_SETUP as u64;
        assert_eq!(
            shared.counts(),
            SpanCounts { recorded: queued + 3, dropped: 3, queued, ..Default::default() }
        );
        assert_eq!(receiver.try_iter().count(), MOST_SETUP);
    }
}
