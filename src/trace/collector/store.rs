//! What a collector holds: spans of requests not yet decided on, and those of traces that are to be kept. All of it is bounded.
//!
//! Belongs here: where a span belongs, and the count of every span. Does not belong: which traces are kept, and how spans arrive.
//!
//! Invariant: received = kept + let go + evicted + foreign + waiting (`every_span_is_booked_once_whatever_comes_in_whatever_order`).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::decided::{self, Decided, Fate};
use super::scan::{Found, Head, Refusal, Scope, scopes};
use crate::trace::setup::SetupSpan;
use crate::trace::span::ClientSpan;

/// What one span costs beside its bytes, as if it were its trace's only one: its place, its trace's, and what the allocator adds.
const SPAN_COST: usize = 192;
/// Heads that are compared with a new one: a server has one for each of its parts.
const RECENT_HEADS: usize = 16;
/// A larger one is not remembered; that of a server takes some hundred bytes.
const LARGEST_HEAD: usize = 64 << 10;

/// Bounds in bytes. Each span is counted with its head, as if no other had the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Spans of requests that are not yet decided on.
    pub(super) waiting: usize,
    /// Spans of one trace.
    pub(super) trace: usize,
    /// Spans of all traces that are to be kept.
    pub(super) held: usize,
    /// IDs in each of the two sets of those that are not kept.
    pub(super) decided: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { waiting: 32 << 20, trace: 1 << 20, held: 128 << 20, decided: decided::MOST }
    }
}

/// What became of the spans that were received, the client's own among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    pub received: u64,
    /// Of traces that are kept.
    pub kept: u64,
    /// Of requests that are neither slow nor typical nor failed, as far as such are kept.
    pub let_go: u64,
    /// For want of room.
    pub evicted: u64,
    /// Of no request that was decided on: of none of the run, or of one whose client's span was dropped.
    pub foreign: u64,
    /// Exports that were malformed or too large; their spans are not known, and in no other number.
    pub refused: u64,
}

impl Books {
    /// Adds another collector's; numbers that were read may be any.
    pub fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.received, other.received),
            (&mut self.kept, other.kept),
            (&mut self.let_go, other.let_go),
            (&mut self.evicted, other.evicted),
            (&mut self.foreign, other.foreign),
            (&mut self.refused, other.refused),
        ];
        pairs.into_iter().for_each(|(ours, theirs)| *ours = ours.saturating_add(theirs));
    }
}

/// A span as it came.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) head: Arc<Head>,
    pub(super) span: Box<[u8]>,
}

impl Stored {
    fn cost(&self) -> usize {
        self.span.len() + self.head.bytes() + SPAN_COST
    }
}

/// What there is of one trace.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The client's span of the request.
    pub(super) client: Option<Box<ClientSpan>>,
    /// The client's spans of set-up.
    pub(super) setup: Vec<SetupSpan>,
    /// The servers'.
    pub(super) spans: Vec<Stored>,
    /// Not all of its spans that came are here.
    pub(super) is_cut: bool,
    bytes: usize,
    fate: Fate,
}

impl Trace {
    fn count(&self) -> u64 {
        u64::from(self.client.is_some()) + (self.setup.len() + self.spans.len()) as u64
    }
}

/// Traces not yet decided on, oldest first.
#[derive(Debug, Default)]
struct Waiting {
    traces: HashMap<u128, (u64, Trace)>,
    /// By the number of their arrival; those that are decided meanwhile are passed over.
    order: VecDeque<(u64, u128)>,
    arrivals: u64,
    bytes: usize,
}

impl Waiting {
    fn get(&mut self, id: u128) -> &mut Trace {
        let Self { traces, order, arrivals, .. } = self;
        let (_, trace) = traces.entry(id).or_insert_with(|| {
            *arrivals += 1;
            order.push_back((*arrivals, id));
            (*arrivals, Trace::default())
        });
        trace
    }

    fn remove(&mut self, id: u128) -> Option<Trace> {
        let (_, trace) = self.traces.remove(&id)?;
        self.bytes -= trace.bytes;
        // So that places of those that are gone never outnumber those that are there by much.
        if self.order.len() > 2 * self.traces.len() + 1_024 {
            let Self { traces, order, .. } = self;
            order.retain(|(arrival, id)| traces.get(id).is_some_and(|(of, _)| of == arrival));
        }
        Some(trace)
    }

    fn remove_oldest(&mut self) -> Option<(u128, Trace)> {
        loop {
            let (arrival, id) = self.order.pop_front()?;
            if self.traces.get(&id).is_some_and(|(of, _)| *of == arrival) {
                return self.remove(id).map(|trace| (id, trace));
            }
        }
    }
}

/// All that is held.
#[derive(Debug)]
pub(super) struct Store {
    limits: Limits,
    waiting: Waiting,
    held: HashMap<u128, Trace>,
    held_bytes: usize,
    decided: Decided,
    heads: VecDeque<Arc<Head>>,
    /// A server's root span of any request has come since the last run's end: this is where the server exports to.
    has_seen_root: bool,
    books: Books,
}

impl Store {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            waiting: Waiting::default(),
            held: HashMap::new(),
            held_bytes: 0,
            decided: Decided::new(now, limits.decided),
            heads: VecDeque::with_capacity(RECENT_HEADS),
            has_seen_root: false,
            books: Books::default(),
        }
    }

    /// Takes an export in; how many spans it has.
    pub(super) fn take(&mut self, export: &[u8], now: Instant) -> Result<u64, Refusal> {
        let scopes = scopes(export)?;
        let mut count = 0;
        for Scope { head, spans } in scopes {
            let head = self.shared(head);
            count += spans.len() as u64;
            spans.into_iter().for_each(|found| self.put(found, &head, now));
        }
        Ok(count)
    }

    #[cfg(test)]
    pub(super) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    pub(super) fn refuse(&mut self) {
        self.books.refused += 1;
    }

    fn shared(&mut self, head: Head) -> Arc<Head> {
        if head.bytes() > LARGEST_HEAD {
            return Arc::new(head);
        }
        // The latest first: scopes of one resource follow each other.
        if let Some(known) = self.heads.iter().rev().find(|known| ***known == head) {
            return Arc::clone(known);
        }
        if self.heads.len() == RECENT_HEADS {
            self.heads.pop_front();
        }
        let head = Arc::new(head);
        self.heads.push_back(Arc::clone(&head));
        head
    }

    fn put(&mut self, found: Found<'_>, head: &Arc<Head>, now: Instant) {
        self.books.received += 1;
        let is_root = found.is_server && found.is_call && found.parent != 0;
        self.has_seen_root |= is_root;
        if let Some(fate) = self.decided.get(found.trace_id) {
            fate.has_root |= is_root;
            match fate.is_evicted {
                true => self.books.evicted += 1,
                false => self.books.let_go += 1,
            }
            return;
        }
        if found.trace_id == 0 {
            self.books.foreign += 1;
            return;
        }
        let stored = || Stored { head: Arc::clone(head), span: found.span.into() };
        let cost = found.span.len() + head.bytes() + SPAN_COST;
        if let Some(trace) = self.held.get_mut(&found.trace_id) {
            trace.fate.has_root |= is_root;
            if trace.bytes + cost > self.limits.trace || self.held_bytes + cost > self.limits.held {
                trace.is_cut = true;
                self.books.evicted += 1;
                return;
            }
            trace.bytes += cost;
            self.held_bytes += cost;
            trace.spans.push(stored());
            return;
        }
        if cost > self.limits.trace && !self.waiting.traces.contains_key(&found.trace_id) {
            // A trace without spans has no place in the ring, which is bounded by their bytes.
            let fate = Fate { has_root: is_root, is_evicted: true, ..Fate::default() };
            self.decided.add(found.trace_id, fate, now);
            self.books.evicted += 1;
            return;
        }
        let trace = self.waiting.get(found.trace_id);
        trace.fate.has_root |= is_root;
        if trace.bytes + cost > self.limits.trace {
            trace.is_cut = true;
            self.books.evicted += 1;
            return;
        }
        trace.bytes += cost;
        trace.spans.push(stored());
        self.waiting.bytes += cost;
        self.evict(now);
    }

    fn evict(&mut self, now: Instant) {
        while self.waiting.bytes > self.limits.waiting {
            let Some((id, trace)) = self.waiting.remove_oldest() else { break };
            self.books.evicted += trace.count();
            // Whoever ends later is to be told that spans are missing, and not that the server lost its root.
            self.decided.add(id, Fate { is_evicted: true, ..trace.fate }, now);
        }
    }

    /// What there was of a trace that is now decided on.
    fn undecided(&mut self, id: u128) -> Trace {
        let evicted = self.decided.remove(id).unwrap_or_default();
        let mut trace = self.waiting.remove(id).unwrap_or_default();
        trace.fate.has_root |= evicted.has_root;
        trace.is_cut |= evicted.is_evicted;
        trace
    }

    /// A request is over and its trace is to be kept, as things stand. `is_answered`: by the server, which then has made a span.
    pub(super) fn hold(&mut self, span: ClientSpan, is_answered: bool) {
        let id = span.trace.trace_id;
        let mut trace = self.undecided(id);
        self.books.received += 1;
        trace.client = Some(Box::new(span));
        trace.fate.is_expected = is_answered;
        self.hold_trace(id, trace);
    }

    /// The trace of set-up is kept too.
    pub(super) fn hold_setup(&mut self, span: SetupSpan) {
        let id = span.trace.trace_id;
        let mut trace = match self.held.remove(&id) {
            Some(trace) => {
                self.held_bytes -= trace.bytes;
                trace
            }
            None => self.undecided(id),
        };
        self.books.received += 1;
        trace.setup.push(span);
        self.hold_trace(id, trace);
    }

    fn hold_trace(&mut self, id: u128, mut trace: Trace) {
        while self.held_bytes + trace.bytes > self.limits.held
            && let Some(span) = trace.spans.pop()
        {
            trace.bytes -= span.cost();
            trace.is_cut = true;
            self.books.evicted += 1;
        }
        self.held_bytes += trace.bytes;
        self.held.insert(id, trace);
    }

    /// A request is over and its trace is not to be kept.
    pub(super) fn pass(&mut self, span: &ClientSpan, is_answered: bool, now: Instant) {
        let mut trace = self.undecided(span.trace.trace_id);
        trace.fate.is_expected = is_answered;
        // The client's own, which need not be stored for that.
        self.books.received += 1;
        self.books.let_go += 1;
        self.forget(span.trace.trace_id, &trace, now);
    }

    /// A trace that was held is not to be kept after all.
    pub(super) fn let_go(&mut self, id: u128, now: Instant) {
        let Some(trace) = self.held.remove(&id) else { return };
        self.held_bytes -= trace.bytes;
        self.forget(id, &trace, now);
    }

    fn forget(&mut self, id: u128, trace: &Trace, now: Instant) {
        self.books.let_go += trace.count();
        self.decided.add(id, trace.fate, now);
    }

    /// Spans that came before this are booked from now on.
    pub(super) fn begin(&mut self) {
        let waiting: u64 = self.waiting.traces.values().map(|(_, trace)| trace.count()).sum();
        self.books = Books { received: waiting, ..Books::default() };
        self.decided.take_lost();
    }

    /// Ends what was begun: the traces that are kept, what became of all spans, and how many requests' root spans never came from the
    /// server that answered them; `None`: that cannot be said.
    pub(super) fn end(&mut self, now: Instant) -> (Vec<(u128, Trace)>, Books, Option<u64>) {
        let waiting = std::mem::take(&mut self.waiting);
        self.books.foreign += waiting.traces.values().map(|(_, trace)| trace.count()).sum::<u64>();
        let mut kept: Vec<_> = std::mem::take(&mut self.held).into_iter().collect();
        self.held_bytes = 0;
        kept.sort_unstable_by_key(|(id, _)| *id);
        let mut lost = self.decided.take_lost();
        for (id, trace) in &kept {
            self.books.kept += trace.count();
            let is_lost = trace.fate.is_expected && !trace.fate.has_root;
            lost = lost.map(|lost| lost + u64::from(is_lost));
            // What comes of it from now on is let go.
            self.decided.add(*id, Fate { is_expected: false, ..trace.fate }, now);
        }
        // All of them: the server exports elsewhere, such as to another shard, or its root spans are not known as such.
        let has_seen_root = std::mem::take(&mut self.has_seen_root);
        (kept, std::mem::take(&mut self.books), lost.filter(|lost| *lost == 0 || has_seen_root))
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
