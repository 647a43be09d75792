//! Which traces of a run are kept: those of the requests that its record will name.
//!
//! The keeper sees every sampled request at its end, in whatever order, and runs the recorder's own lists over them. These are
//! decided by the requests alone and never by their order, so that what is left at the end is what the merged recorders of all workers
//! have kept (`what_is_kept_is_what_the_merged_recorders_keep`), and what falls out of them on the way is out for good.
//!
//! Besides, a few failed requests of every class of error are kept.

use std::collections::{BTreeMap, HashMap};

use crate::measure::{End, Exemplar, Exemplars, FewOf, RecorderConfig, Slowest};
use crate::trace::collector::Chooser;
use crate::trace::span::{ClientSpan, SpanOutcome};
use crate::units::Nanos;

/// Kept of each class of error.
const OF_AN_ERROR: usize = 8;
/// Classes of error that are told apart, per operation.
const MOST_ERRORS: usize = 64;

/// Chooses the traces of one run.
#[derive(Debug)]
pub struct Keeper {
    /// Wall time of the run's zero, nanoseconds since 1970.
    anchor: u64,
    window_start: Nanos,
    window: Nanos,
    seed: u64,
    operations: Vec<Lists>,
    /// On how many lists each kept trace is.
    listed: HashMap<u128, u8>,
}

/// The lists of one operation.
#[derive(Debug)]
struct Lists {
    slowest: Slowest,
    exemplars: Exemplars,
    errors: BTreeMap<End, FewOf>,
}

impl Keeper {
    /// For a run whose recorders are configured so and whose zero is `anchor`, nanoseconds since 1970.
    pub fn new(recorder: &RecorderConfig, anchor: u64) -> Self {
        let lists = |_| Lists {
            slowest: Slowest::new(recorder.slowest),
            exemplars: Exemplars::new(recorder.seed),
            errors: BTreeMap::new(),
        };
        Self {
            anchor,
            window_start: recorder.window_start,
            window: recorder.window,
            seed: recorder.seed,
            operations: (0..recorder.operations).map(lists).collect(),
            listed: HashMap::new(),
        }
    }

    /// The request as the recorder knows it; `None`: not of the window.
    fn exemplar(&self, span: &ClientSpan) -> Option<Exemplar> {
        let since_zero = |unix: u64| Nanos::new(unix.saturating_sub(self.anchor));
        let intended = since_zero(span.intended);
        let is_measured = intended >= self.window_start && intended - self.window_start < self.window;
        is_measured.then(|| Exemplar {
            intended,
            sent: Some(since_zero(span.sent)),
            done: since_zero(span.done),
            end: match span.outcome {
                SpanOutcome::Ok => End::Succeeded,
                SpanOutcome::Grpc(grpc) => End::Failed { grpc, milvus: 0 },
                SpanOutcome::Milvus(milvus) => End::Failed { grpc: 0, milvus },
                SpanOutcome::TimedOut => End::TimedOut,
            },
            trace: span.trace,
            // No part of any choice.
            connection: 0,
        })
    }
}

impl Lists {
    /// Puts a request on the lists that it may be on: how many it is on then, and what has fallen off them.
    fn take(&mut self, exemplar: Exemplar, seed: u64) -> (u8, [Option<Exemplar>; 2]) {
        let of_slowest = self.slowest.exchange_sampled(exemplar);
        let of_its_kind = match exemplar.end {
            End::Succeeded => self.exemplars.exchange_sampled(exemplar),
            end if self.errors.contains_key(&end) || self.errors.len() < MOST_ERRORS => {
                self.errors.entry(end).or_insert_with(|| FewOf::new(OF_AN_ERROR, seed)).exchange(exemplar)
            }
            _ => Some(exemplar),
        };
        let fallen = [of_slowest, of_its_kind];
        let is_itself = |fallen: &&Option<Exemplar>| {
            fallen.is_some_and(|fallen| fallen.trace.trace_id == exemplar.trace.trace_id)
        };
        let refused = fallen.iter().filter(is_itself).count() as u8;
        (fallen.len() as u8 - refused, fallen)
    }
}

impl Chooser for Keeper {
    fn over(&mut self, span: &ClientSpan, let_go: &mut dyn FnMut(u128)) {
        let id = span.trace.trace_id;
        let (Some(exemplar), Some(lists)) = (self.exemplar(span), self.operations.get_mut(span.operation))
        else {
            return let_go(id);
        };
        let (lists, fallen) = lists.take(exemplar, self.seed);
        match lists {
            0 => let_go(id),
            lists => drop(self.listed.insert(id, lists)),
        }
        let fallen = fallen.into_iter().flatten().map(|fallen| fallen.trace.trace_id);
        for other in fallen.filter(|other| *other != id) {
            let Some(left) = self.listed.get_mut(&other) else { continue };
            *left -= 1;
            if *left == 0 {
                self.listed.remove(&other);
                let_go(other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::measure::{Outcome, Recorded, Recorder, Sample};
    use crate::trace::TraceRef;

    const ANCHOR: u64 = 1_700_000_000_000_000_000;

    fn config() -> RecorderConfig {
        RecorderConfig {
            operations: 2,
            connections: 1,
            window_start: Nanos::from_secs(5),
            window: Nanos::from_secs(40),
            stages: Vec::new(),
            slots: None,
            by_sampled: false,
            longest: Nanos::from_secs(1),
            slowest: 3,
            seed: 7,
        }
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            12 => Just(Outcome::Succeeded { hits: 1 }),
            1 => (1..3u8).prop_map(|grpc| Outcome::Failed { grpc, milvus: 0, message: "".into() }),
            1 => (1..3).prop_map(|milvus| Outcome::Failed { grpc: 0, milvus, message: "".into() }),
            1 => Just(Outcome::TimedOut),
            1 => Just(Outcome::NotSent),
        ]
    }

    prop_compose! {
        /// Some before the window and some after it; few response times, so that many are equal and reservoirs overflow.
        fn request()(
            operation in 0..2usize, intended in 0..50_000u64, response in 1..8u64, outcome in outcome(), is_sampled in any::<bool>(),
        ) -> Sample {
            let due = Nanos::from_millis(intended);
            let is_sent = outcome != Outcome::NotSent;
            Sample {
                operation,
                intended: due,
                sent: is_sent.then_some(due + Nanos::new(100)),
                done: due + Nanos::from_millis(response),
                outcome,
                trace: TraceRef { trace_id: 0, span_id: 9, sampled: is_sampled },
                connection: 0,
                hits_expected: None,
            }
        }
    }

    /// As a worker makes it of a sample.
    fn span(sample: &Sample) -> Option<ClientSpan> {
        let unix = |moment: Nanos| ANCHOR + moment.get();
        Some(ClientSpan {
            trace: Some(sample.trace).filter(|trace| trace.sampled)?,
            operation: sample.operation,
            phase: "measure",
            intended: unix(sample.intended),
            sent: unix(sample.sent?),
            done: unix(sample.done),
            outcome: match sample.outcome {
                Outcome::Succeeded { .. } => SpanOutcome::Ok,
                Outcome::Failed { grpc: 0, milvus, .. } => SpanOutcome::Milvus(milvus),
                Outcome::Failed { grpc, .. } => SpanOutcome::Grpc(grpc),
                Outcome::TimedOut | Outcome::NotSent => SpanOutcome::TimedOut,
            },
            peer: None,
            rows: 0,
        })
    }

    /// What the keeper holds at the end, by what it has let go.
    fn kept<'a>(samples: impl Iterator<Item = &'a Sample>) -> BTreeSet<u128> {
        let (mut keeper, mut held) = (Keeper::new(&config(), ANCHOR), BTreeSet::new());
        for span in samples.filter_map(span) {
            held.insert(span.trace.trace_id);
            keeper.over(&span, &mut |gone| assert!(held.remove(&gone), "{gone} was let go twice"));
        }
        assert_eq!(keeper.listed.keys().copied().collect::<BTreeSet<_>>(), held);
        held
    }

    /// The sampled traces that the record names.
    fn named(recorded: &Recorded) -> BTreeSet<u128> {
        let mut named = BTreeSet::new();
        for operation in &recorded.operations {
            named.extend(operation.slowest.sampled().map(|exemplar| exemplar.trace.trace_id));
            named.extend(operation.slowest.all().filter(|e| e.has_trace()).map(|e| e.trace.trace_id));
            for (_, _, reservoir) in operation.exemplars.reservoirs() {
                named.extend(reservoir.kept.iter().filter(|e| e.has_trace()).map(|e| e.trace.trace_id));
            }
        }
        named
    }

    proptest! {
        // Each makes several recorders, with all their memory.
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_is_kept_is_what_the_merged_recorders_keep(
            mut samples in prop::collection::vec(request(), 0..1_500), workers in 1..4usize, order in any::<u64>(),
        ) {
            for (index, sample) in samples.iter_mut().enumerate() {
                sample.trace.trace_id = u128::from(crate::random::splitmix64(index as u64)) + 1;
            }
            let mut recorders: Vec<_> = (0..workers).map(|_| Recorder::new(config())).collect();
            samples.iter().enumerate().for_each(|(index, sample)| recorders[index % workers].record(sample));
            let mut recorded = recorders.pop().unwrap().finish();
            recorders.into_iter().for_each(|other| recorded.merge(&other.finish()).unwrap());
            let named = named(&recorded);
            let kept = kept(samples.iter());
            // Failed ones are kept beyond those.
            let of_errors: Vec<_> = kept.difference(&named).collect();
            prop_assert!(named.is_subset(&kept), "{:?}", named.difference(&kept));
            let is_failed = |id: &u128| {
                let sample = samples.iter().find(|sample| sample.trace.trace_id == *id).unwrap();
                !matches!(sample.outcome, Outcome::Succeeded { .. })
            };
            prop_assert!(of_errors.iter().all(|id| is_failed(id)));
            // Whatever the order.
            let mut shuffled: Vec<_> = samples.iter().collect();
            shuffled.sort_by_key(|sample| crate::random::splitmix64(order ^ sample.trace.trace_id as u64));
            prop_assert_eq!(self::kept(shuffled.into_iter()), kept);
        }
    }

    #[test]
    fn a_few_of_every_class_of_error_are_kept_and_no_more() {
        let sample = |index: u64, outcome: Outcome| Sample {
            operation: 0,
            intended: Nanos::from_secs(6) + Nanos::new(index),
            sent: Some(Nanos::from_secs(6) + Nanos::new(index)),
            // Never among the slowest.
            done: Nanos::from_secs(6) + Nanos::new(index + 1),
            outcome,
            trace: TraceRef { trace_id: u128::from(index) + 1, span_id: 1, sampled: true },
            connection: 0,
            hits_expected: None,
        };
        let failed = |milvus| Outcome::Failed { grpc: 0, milvus, message: "".into() };
        let slow =
            (0..3).map(|i| Sample { done: Nanos::from_secs(9), ..sample(i, Outcome::Succeeded { hits: 1 }) });
        let of_one = (100..200).map(|i| sample(i, failed(8)));
        let of_many = (1_000..1_100).map(|i| sample(i, failed(i as i32)));
        let samples: Vec<_> = slow.chain(of_one).chain(of_many).collect();
        let kept = kept(samples.iter());
        let count = |range: std::ops::Range<u128>| kept.iter().filter(|id| range.contains(id)).count();
        assert_eq!((count(101..201), count(1_001..1_101)), (8, 63), "64 classes, of which the first has 8");
        assert_eq!(count(1..4), 3);
    }
}
