//! Single requests that are kept by name: the slowest, and a fair few of every speed.
//!
//! Belongs here: choosing which requests to keep, in fixed memory, so that merging workers gives exactly what one recorder
//! would have kept. Does not belong: what is done with their traces.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::RangeInclusive;

use super::histogram::LONGEST;
use super::sample::{Outcome, Sample};
use crate::random::splitmix64;
use crate::trace::TraceRef;
use crate::units::Nanos;

/// How a kept request ended; those that were never sent are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Answered as asked.
    Succeeded,
    /// Refused by the server or the connection.
    Failed {
        /// gRPC status code.
        grpc: u8,
        /// Milvus's code, 0 where there is none.
        milvus: i32,
    },
    /// Given up.
    TimedOut,
}

/// One request, small enough to be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemplar {
    /// When it was due, from the run's anchor.
    pub intended: Nanos,
    /// Just before its headers went out; `None`: it failed before.
    pub sent: Option<Nanos>,
    pub done: Nanos,
    pub end: End,
    pub trace: TraceRef,
    /// Index of its connection.
    pub connection: u16,
}

impl Exemplar {
    /// From a finished request; `None` where it was never sent because of the in-flight bound.
    pub fn of(sample: &Sample) -> Option<Self> {
        let end = match &sample.outcome {
            Outcome::Succeeded { .. } => End::Succeeded,
            Outcome::Failed { grpc, milvus, .. } => End::Failed { grpc: *grpc, milvus: *milvus },
            Outcome::TimedOut => End::TimedOut,
            Outcome::NotSent => return None,
        };
        Some(Self {
            intended: sample.intended,
            sent: sample.sent,
            done: sample.done,
            end,
            trace: sample.trace,
            connection: sample.connection,
        })
    }

    /// Whether there is a trace of it: one that was never sent has none, though its ID may have been sampled.
    pub const fn has_trace(&self) -> bool {
        self.trace.sampled && self.sent.is_some()
    }

    /// done - intended.
    pub fn response(&self) -> Nanos {
        self.done - self.intended
    }

    /// done - sent.
    pub fn service(&self) -> Option<Nanos> {
        self.sent.map(|sent| self.done - sent)
    }

    /// sent - intended.
    pub fn lag(&self) -> Option<Nanos> {
        self.sent.map(|sent| sent - self.intended)
    }

    /// A number drawn for this request: the same wherever it is recorded, independent of its speed. Neither the connection nor
    /// the worker is in it, for merging shards numbers these anew.
    fn priority(&self, seed: u64) -> u64 {
        let (low, high) = (self.trace.trace_id as u64, (self.trace.trace_id >> 64) as u64);
        [self.intended.get(), low, high, self.trace.span_id]
            .into_iter()
            .fold(seed, |state, part| splitmix64(state ^ part))
    }
}

/// The N requests with the highest keys.
///
/// The keys belong to the requests, not to the order of arrival, so the best N of two workers together are among the
/// best N of each: merging is exact.
#[derive(Clone, Debug)]
pub struct Top {
    capacity: usize,
    heap: BinaryHeap<Reverse<Keyed>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keyed {
    key: (u64, u64),
    exemplar: Exemplar,
}

impl Ord for Keyed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let rest = |k: &Self| {
            (k.exemplar.trace.trace_id, k.exemplar.intended, k.exemplar.done, k.exemplar.sent, k.exemplar.end)
        };
        self.key.cmp(&other.key).then_with(|| rest(self).cmp(&rest(other)))
    }
}

impl PartialOrd for Keyed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Top {
    /// Room for `capacity` requests, allocated at once.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, heap: BinaryHeap::with_capacity(capacity) }
    }

    /// Bytes that one of this capacity occupies.
    pub const fn memory_bytes(capacity: usize) -> usize {
        size_of::<Self>() + capacity * size_of::<Keyed>()
    }

    fn offer(&mut self, keyed: Keyed) {
        let _ = self.exchange(keyed);
    }

    /// Takes a request in, and gives away the one that there is no room for, be it the same.
    fn exchange(&mut self, keyed: Keyed) -> Option<Exemplar> {
        if self.heap.len() < self.capacity {
            self.heap.push(Reverse(keyed));
            return None;
        }
        match self.heap.peek_mut() {
            Some(mut lowest) if lowest.0 < keyed => {
                Some(std::mem::replace(&mut *lowest, Reverse(keyed)).0.exemplar)
            }
            Some(_) | None => Some(keyed.exemplar),
        }
    }

    fn merge(&mut self, other: &Self) {
        other.heap.iter().for_each(|keyed| self.offer(keyed.0));
    }

    /// Adds to the number of each one's connection, which is no part of any key.
    fn renumber(&mut self, offset: u16) {
        let kept = std::mem::take(&mut self.heap).into_vec().into_iter();
        let renumbered = kept.map(|Reverse(mut keyed)| {
            keyed.exemplar.connection = keyed.exemplar.connection.saturating_add(offset);
            Reverse(keyed)
        });
        self.heap = renumbered.collect();
    }

    /// The kept ones, highest key first.
    fn ordered(&self) -> impl Iterator<Item = &Exemplar> {
        let mut kept: Vec<&Keyed> = self.heap.iter().map(|keyed| &keyed.0).collect();
        kept.sort_unstable_by(|a, b| b.cmp(a));
        kept.into_iter().map(|keyed| &keyed.exemplar)
    }
}

/// The slowest requests by response time, of whatever outcome but "not sent"; and apart from them the slowest sampled ones.
#[derive(Clone, Debug)]
pub struct Slowest {
    all: Top,
    sampled: Top,
}

impl Slowest {
    /// Room for `capacity` of each.
    pub fn new(capacity: usize) -> Self {
        Self { all: Top::new(capacity), sampled: Top::new(capacity) }
    }

    /// Bytes that one of this capacity occupies.
    pub const fn memory_bytes(capacity: usize) -> usize {
        2 * Top::memory_bytes(capacity)
    }

    /// How many of each are kept.
    pub const fn capacity(&self) -> usize {
        self.all.capacity
    }

    /// Keeps what another list of all, or (`sampled`) of the sampled, had kept; `None` where it is more than are kept, or one
    /// that was not sampled.
    pub fn keep(&mut self, sampled: bool, kept: &[Exemplar]) -> Option<()> {
        let fits = kept.len() <= self.capacity() && (!sampled || kept.iter().all(Exemplar::has_trace));
        let top = if sampled { &mut self.sampled } else { &mut self.all };
        fits.then(|| kept.iter().for_each(|exemplar| top.offer(Self::keyed(*exemplar))))
    }

    fn keyed(exemplar: Exemplar) -> Keyed {
        // Among equals the earlier is kept.
        Keyed { key: (exemplar.response().get(), u64::MAX - exemplar.intended.get()), exemplar }
    }

    pub fn record(&mut self, exemplar: Exemplar) {
        let keyed = Self::keyed(exemplar);
        self.all.offer(keyed);
        if exemplar.has_trace() {
            self.sampled.offer(keyed);
        }
    }

    /// Takes a sampled request into the list of these alone. Gives away the one that is no longer among them, be it the same.
    pub fn exchange_sampled(&mut self, exemplar: Exemplar) -> Option<Exemplar> {
        self.sampled.exchange(Self::keyed(exemplar))
    }

    pub fn merge(&mut self, other: &Self) {
        self.all.merge(&other.all);
        self.sampled.merge(&other.sampled);
    }

    /// Adds to the number of each request's connection.
    pub(super) fn renumber_connections(&mut self, offset: u16) {
        self.all.renumber(offset);
        self.sampled.renumber(offset);
    }

    /// The slowest, slowest first.
    pub fn all(&self) -> impl Iterator<Item = &Exemplar> {
        self.all.ordered()
    }

    /// Every request of the run (every sampled one, where there are any) with a response of `bound` or more, slowest first;
    /// `None` where there were more of them than were kept.
    pub fn all_from(&self, bound: Nanos) -> Option<Vec<Exemplar>> {
        let top = if self.sampled.heap.is_empty() { &self.all } else { &self.sampled };
        let kept: Vec<Exemplar> = top.ordered().copied().collect();
        let reaches_below = kept.last().is_some_and(|fastest| fastest.response() < bound);
        (reaches_below || kept.len() < top.capacity)
            .then(|| kept.into_iter().filter(|exemplar| exemplar.response() >= bound).collect())
    }

    /// The slowest sampled ones, slowest first.
    pub fn sampled(&self) -> impl Iterator<Item = &Exemplar> {
        self.sampled.ordered()
    }
}

/// Requests of one class of error, of which a fair few are kept.
#[derive(Clone, Debug)]
pub struct FewOf {
    seed: u64,
    kept: Top,
}

impl FewOf {
    pub fn new(capacity: usize, seed: u64) -> Self {
        Self { seed, kept: Top::new(capacity) }
    }

    /// Takes a request in. Gives away the one that is no longer kept, be it the same.
    pub fn exchange(&mut self, exemplar: Exemplar) -> Option<Exemplar> {
        self.kept.exchange(Keyed { key: (exemplar.priority(self.seed), 0), exemplar })
    }
}

/// Requests kept per bucket and kind.
const RESERVOIR: usize = 32;
/// A microsecond: no request is answered sooner, so all that is are of one bucket.
const SHORTEST: u64 = 1 << 10;
/// 31 octaves up to one hour, 8 parts each, and what lies below.
const BUCKETS: usize = bucket_of(LONGEST) + 1;

/// Part of an octave (an eighth of it, linearly) that a span falls into; all beyond an hour into the last. No bucket of a
/// histogram of three digits lies in two of them.
const fn bucket_of(span: Nanos) -> usize {
    let span = if span.get() > LONGEST.get() { LONGEST.get() } else { span.get() };
    if span < SHORTEST {
        return 0;
    }
    let octave = span.ilog2();
    1 + (octave - SHORTEST.ilog2()) as usize * 8 + ((span >> (octave - 3)) & 7) as usize
}

/// For each bucket of response time a uniform reservoir of 32 succeeded requests, and one of 32 sampled ones.
///
/// Only the succeeded: "slow" and "typical" are drawn from here, and a refusal is neither. Uniform because the kept are those
/// with the highest priorities, and a priority knows nothing of the speed.
#[derive(Clone, Debug)]
pub struct Exemplars {
    seed: u64,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Debug)]
struct Bucket {
    all: Reservoir,
    sampled: Reservoir,
}

#[derive(Clone, Debug)]
struct Reservoir {
    seen: u64,
    kept: Top,
}

/// What is kept of the requests of one range of response times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptExemplars {
    /// How many there were.
    pub seen: u64,
    /// Those kept, as many of them as there is room for.
    pub kept: Vec<Exemplar>,
}

impl Reservoir {
    fn new() -> Self {
        Self { seen: 0, kept: Top::new(RESERVOIR) }
    }

    fn record(&mut self, priority: u64, exemplar: Exemplar) {
        self.seen += 1;
        self.kept.offer(Keyed { key: (priority, 0), exemplar });
    }

    fn merge(&mut self, other: &Self) {
        self.seen += other.seen;
        self.kept.merge(&other.kept);
    }

    /// How many requests each kept one stands for.
    fn weight(&self) -> f64 {
        self.seen as f64 / self.kept.heap.len().max(1) as f64
    }
}

impl Exemplars {
    /// Empty, with all its memory. Recorders of one run are given the same seed.
    pub fn new(seed: u64) -> Self {
        let bucket = || Bucket { all: Reservoir::new(), sampled: Reservoir::new() };
        Self { seed, buckets: (0..BUCKETS).map(|_| bucket()).collect() }
    }

    /// Bytes that one of these occupies.
    pub const fn memory_bytes() -> usize {
        let beyond_the_heaps = size_of::<Bucket>() - 2 * size_of::<Top>();
        size_of::<Self>() + BUCKETS * (beyond_the_heaps + 2 * Top::memory_bytes(RESERVOIR))
    }

    /// The number of the range of response times that this one falls into.
    pub const fn range_of(response: Nanos) -> usize {
        bucket_of(response)
    }

    /// Takes a succeeded request in.
    pub fn record(&mut self, exemplar: Exemplar) {
        let priority = exemplar.priority(self.seed);
        // `bucket_of` clamps to the last bucket.
        let bucket = &mut self.buckets[bucket_of(exemplar.response())];
        bucket.all.record(priority, exemplar);
        if exemplar.has_trace() {
            bucket.sampled.record(priority, exemplar);
        }
    }

    /// Takes a sampled request that succeeded into the reservoir of these alone. Gives away the one that is no longer kept, be it
    /// the same.
    pub fn exchange_sampled(&mut self, exemplar: Exemplar) -> Option<Exemplar> {
        let key = (exemplar.priority(self.seed), 0);
        let reservoir = &mut self.buckets[bucket_of(exemplar.response())].sampled;
        reservoir.seen += 1;
        reservoir.kept.exchange(Keyed { key, exemplar })
    }

    /// Decides, with a request's IDs and intended start, whether it is kept.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// What is kept: number of the range of response times, whether only sampled ones, and the requests; empty ones left out.
    pub fn reservoirs(&self) -> impl Iterator<Item = (usize, bool, KeptExemplars)> {
        let of = |reservoir: &Reservoir| KeptExemplars {
            seen: reservoir.seen,
            kept: reservoir.kept.ordered().copied().collect(),
        };
        let both = move |(index, bucket): (usize, &Bucket)| {
            [(index, false, of(&bucket.all)), (index, true, of(&bucket.sampled))]
        };
        self.buckets.iter().enumerate().flat_map(both).filter(|(_, _, kept)| kept.seen > 0)
    }

    /// Adds what another one of the same seed has kept of a range; `None` where it cannot be of that range, or of any.
    pub fn keep(&mut self, bucket: usize, sampled: bool, other: &KeptExemplars) -> Option<()> {
        let KeptExemplars { seen, kept } = other;
        let belongs = |exemplar: &Exemplar| {
            bucket_of(exemplar.response()) == bucket
                && exemplar.end == End::Succeeded
                && (!sampled || exemplar.has_trace())
        };
        let full = usize::try_from(*seen).unwrap_or(usize::MAX).min(RESERVOIR);
        if kept.len() != full || !kept.iter().all(belongs) {
            return None;
        }
        let bucket = self.buckets.get_mut(bucket)?;
        let reservoir = if sampled { &mut bucket.sampled } else { &mut bucket.all };
        reservoir.seen += seen;
        for &exemplar in kept {
            let key = (exemplar.priority(self.seed), 0);
            reservoir.kept.offer(Keyed { key, exemplar });
        }
        Some(())
    }

    /// Adds to the number of each request's connection.
    pub(super) fn renumber_connections(&mut self, offset: u16) {
        for bucket in &mut self.buckets {
            bucket.all.kept.renumber(offset);
            bucket.sampled.kept.renumber(offset);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (bucket, others) in self.buckets.iter_mut().zip(&other.buckets) {
            bucket.all.merge(&others.all);
            bucket.sampled.merge(&others.sampled);
        }
    }

    /// At most `count` requests with a response within `range`, slowest first, each request of the range (nearly) as
    /// likely as any other: a kept one counts for as many as its bucket saw per kept one. Sampled requests only, where
    /// there are any in the run: the others have no trace to look at.
    pub fn draw(&self, range: RangeInclusive<Nanos>, count: usize) -> Vec<Exemplar> {
        let any_sampled = self.buckets.iter().any(|bucket| bucket.sampled.seen > 0);
        let reservoirs = self.buckets.iter().map(|b| if any_sampled { &b.sampled } else { &b.all });
        // Weighted draw without replacement: the highest u^(1/w) (Efraimidis and Spirakis 2006), here as ln(u)/w.
        let mut priorities: Vec<(f64, Exemplar)> = reservoirs
            .flat_map(|r| r.kept.ordered().map(move |exemplar| (r.weight(), *exemplar)))
            .filter(|(_, exemplar)| range.contains(&exemplar.response()))
            .map(|(weight, exemplar)| {
                // Other priorities than those that filled the reservoirs: those are all high.
                let u = (exemplar.priority(!self.seed) as f64 + 1.0) / (u64::MAX as f64 + 2.0);
                (u.ln() / weight, exemplar)
            })
            .collect();
        priorities.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut drawn: Vec<Exemplar> =
            priorities.into_iter().take(count).map(|(_, exemplar)| exemplar).collect();
        drawn.sort_by_key(|exemplar| Reverse((exemplar.response(), exemplar.intended)));
        drawn
    }
}

#[cfg(test)]
#[path = "exemplars_tests.rs"]
mod tests;
