//! What being sampled costs a request itself: its service time, against that of the requests that were not sampled.
//!
//! Which request is sampled is decided by its trace ID alone, so the two groups differ in nothing else: no blocks of time are needed,
//! and would bias the quantiles. What was sent and did not succeed counts as infinitely slow.

use std::collections::BTreeMap;

use super::model::{Difference, Sampling, SamplingDifferences, UnknownReason};
use crate::measure::{ENOUGH_BEYOND, OperationRecord, Quantile, SampledRecord, Timings};
use crate::stats::{Interval, NotTold, Ranked, Summary, quantile_difference, welch};

/// `None` where the sampled were not recorded by themselves, or none of one kind was sent.
pub(super) fn of(record: &OperationRecord) -> Option<Sampling> {
    let SampledRecord { sent, service, .. } = record.sampled.as_ref()?;
    let sampled = Group { sent: *sent, service: service.clone() };
    let unsampled = Group {
        sent: record.lag.count().checked_sub(*sent)?,
        // By construction it is a part; a record that was damaged may tell otherwise.
        service: record.service.less(service)?,
    };
    (sampled.sent > 0 && unsampled.sent > 0).then(|| Sampling {
        sampled: sampled.sent,
        unsampled: unsampled.sent,
        service: differences(&sampled, &unsampled),
    })
}

/// Requests of one label.
struct Group {
    /// Sent, whatever became of them.
    sent: u64,
    /// done - sent, of the succeeded.
    service: Timings<u64>,
}

impl Group {
    /// Nanoseconds; `None` where the request of that rank did not succeed, or took longer than the histogram tells.
    fn at(&self, rank: u64) -> Option<f64> {
        let told = self.service.count() - self.service.saturated().min(self.service.count());
        let found = (rank <= told).then(|| self.service.at_ranks(&[rank]));
        found.and_then(|found| found.first().map(|span| span.get() as f64))
    }

    fn quantile_difference(&self, other: &Self, quantile: Quantile) -> Result<Interval, UnknownReason> {
        let (treated, control) = (|rank| self.at(rank), |rank| other.at(rank));
        let (treated, control) =
            (Ranked { sent: self.sent, at: &treated }, Ranked { sent: other.sent, at: &control });
        quantile_difference(treated, control, quantile.share()).map_err(|reason| match reason {
            NotTold::TooFew => UnknownReason::TooFew,
            NotTold::Unanswered if self.service.saturated() + other.service.saturated() > 0 => {
                UnknownReason::Saturated
            }
            NotTold::Unanswered => UnknownReason::Unanswered,
        })
    }

    fn mean_difference(&self, other: &Self) -> Result<Interval, UnknownReason> {
        let too_few = UnknownReason::TooFew;
        // A mean of the survivors would make failures look fast.
        if self.service.count() < self.sent || other.service.count() < other.sent {
            return Err(UnknownReason::Unanswered);
        }
        let contrast = welch(other.summary().ok_or(too_few)?, self.summary().ok_or(too_few)?);
        contrast.map(|contrast| contrast.interval()).map_err(|_| too_few)
    }

    fn summary(&self) -> Option<Summary> {
        let moments = self.service.moments();
        let enough = moments.count() >= ENOUGH_BEYOND;
        let (mean, deviation) = enough.then(|| moments.mean().zip(moments.standard_deviation()))??;
        Some(Summary::from_population(moments.count(), mean, deviation))
    }
}

fn differences(sampled: &Group, unsampled: &Group) -> SamplingDifferences {
    let mut unknown = BTreeMap::new();
    let mut told = |name: &str, found: Result<Interval, UnknownReason>| match found {
        Ok(Interval { estimate, low, high }) => {
            Some(Difference { difference_us: estimate / 1e3, low_us: low / 1e3, high_us: high / 1e3 })
        }
        Err(reason) => {
            unknown.insert(name.to_owned(), reason);
            None
        }
    };
    let quantile = |quantile| sampled.quantile_difference(unsampled, quantile);
    SamplingDifferences {
        p50_us: told("p50_us", quantile(Quantile::P50)),
        p90_us: told("p90_us", quantile(Quantile::P90)),
        p99_us: told("p99_us", quantile(Quantile::P99)),
        mean_us: told("mean_us", sampled.mean_difference(unsampled)),
        unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Outcome, Recorder, RecorderConfig, Sample};
    use crate::trace::TraceRef;
    use crate::units::Nanos;

    /// Requests by label: whether it was sampled, and its service time in microseconds, or that it failed.
    fn record(requests: impl IntoIterator<Item = (bool, Result<u64, ()>)>) -> OperationRecord {
        let mut recorder = Recorder::new(RecorderConfig {
            operations: 1,
            connections: 1,
            window_start: Nanos::ZERO,
            window: Nanos::from_secs(10),
            slots: None,
            by_sampled: true,
            longest: Nanos::from_secs(10),
            slowest: 5,
            stages: vec![],
            seed: 1,
        });
        for (index, (sampled, service)) in requests.into_iter().enumerate() {
            let intended = Nanos::new(index as u64 * 1_000);
            let outcome = match service {
                Ok(_) => Outcome::Succeeded { hits: 1 },
                Err(()) => Outcome::Failed { grpc: 14, milvus: 0, message: "no".into() },
            };
            // Sent a millisecond late: it is no part of the service time.
            let sent = intended + Nanos::from_millis(1);
            recorder.record(&Sample {
                operation: 0,
                intended,
                sent: Some(sent),
                done: sent + Nanos::new(service.unwrap_or(1) * 1_000),
                outcome,
                trace: TraceRef { trace_id: index as u128 + 1, span_id: 1, sampled },
                connection: 0,
                hits_expected: Some(1),
            });
        }
        recorder.finish().operations.remove(0)
    }

    /// 1 to 1,000 us unsampled and the same plus 50 us sampled.
    #[test]
    fn fifty_microseconds_that_are_paid_are_found_at_every_number() {
        let requests = (1..=1_000).flat_map(|micros| [(false, Ok(micros)), (true, Ok(micros + 50))]);
        let told = of(&record(requests)).unwrap();
        assert_eq!((told.sampled, told.unsampled), (1_000, 1_000));
        let SamplingDifferences { p50_us, p90_us, p99_us, mean_us, unknown } = told.service;
        assert!(unknown.is_empty());
        for found in [p50_us, p90_us, p99_us, mean_us] {
            let Difference { difference_us, low_us, high_us } = found.unwrap();
            // Buckets are 0.1 % wide.
            assert!((difference_us - 50.0).abs() < 1.1, "{difference_us}");
            assert!(low_us < difference_us && difference_us < high_us);
        }
        // Ranks 470 and 532 of 1,000 around the 500th: 30 and 32 us, joined 43.9 us on either side.
        let median = p50_us.unwrap();
        let half = (30f64).hypot(32.0);
        assert!((median.difference_us - median.low_us - half).abs() < 1.5, "{median:?}");
        assert!((median.high_us - median.difference_us - half).abs() < 1.5, "{median:?}");
        // Two uniform distributions of deviation 288.8 us: 1.96 times 12.9 us.
        let mean = mean_us.unwrap();
        assert!((mean.high_us - mean.difference_us - 25.3).abs() < 0.2, "{mean:?}");
    }

    #[test]
    fn what_failed_is_slower_than_anything_and_few_requests_tell_nothing() {
        let failing = (1..=1_000).flat_map(|micros| {
            [(false, Ok(micros)), (true, if micros > 600 { Err(()) } else { Ok(micros) })]
        });
        let told = of(&record(failing)).unwrap();
        assert_eq!((told.sampled, told.unsampled), (1_000, 1_000));
        let median = told.service.p50_us.unwrap();
        assert!(
            median.difference_us.abs() < 1.0,
            "of all that were sent, not of those that came back: {median:?}"
        );
        assert_eq!(told.service.unknown["p90_us"], UnknownReason::Unanswered);
        assert_eq!(told.service.unknown["mean_us"], UnknownReason::Unanswered);

        let few = of(&record((1..=15).map(|micros| (micros % 5 == 0, Ok(micros))))).unwrap();
        assert_eq!((few.sampled, few.unsampled), (3, 12));
        assert_eq!(few.service.unknown.len(), 4, "{:?}", few.service);
        assert_eq!(of(&record((1..=15).map(|micros| (true, Ok(micros))))), None);
    }
}
