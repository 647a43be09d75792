//! One worker's record of what happened, in memory that is fixed when it is made.
//!
//! Recording touches a handful of histogram buckets: no lock, no clock, no allocation that grows. Once per interval and
//! operation three histograms are packed (some 50 us). The type to read first is [`Recorder`]; what comes out is
//! [`Recorded`].

use super::counters::{Counters, Errors, Hits};
use super::exemplars::{Exemplar, Exemplars, Slowest};
use super::histogram::Timings;
use super::intervals::{Cut, Intervals};
use super::recorded::{ConnectionRecord, OperationRecord, Recorded};
use super::sample::{Outcome, Sample};
use crate::units::Nanos;

/// What a recorder must know beforehand. All workers of a run are given the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderConfig {
    /// How many operations the workload has.
    pub operations: usize,
    /// How many connections the run has; [`Sample::connection`] is below it.
    pub connections: u16,
    /// Start of the measured window, from the run's anchor: the end of the warm-up.
    pub window_start: Nanos,
    /// Length of the measured window.
    pub window: Nanos,
    /// How long after its intended start a request may be over: timeout and drain. Decides how long intervals stay open, not
    /// whether a sample is counted: later ones are.
    pub longest: Nanos,
    /// How many of the slowest requests are kept per operation.
    pub slowest: usize,
    /// Decides which requests are kept as exemplars.
    pub seed: u64,
}

impl RecorderConfig {
    /// How the window is cut.
    pub fn cut(&self) -> Cut {
        Cut::of(self.window)
    }

    /// Bytes that one worker's recorder occupies by the end of the run, at most: as if it used every connection. All but the
    /// packed intervals (18 KiB each, an estimate) is allocated before the first sample or with a connection's first.
    pub fn memory_bytes(&self) -> usize {
        let cut = self.cut();
        let per_operation = 6 * Timings::<u64>::memory_bytes()
            + size_of::<OperationRecord>()
            + Errors::memory_bytes()
            + Slowest::memory_bytes(self.slowest)
            + Exemplars::memory_bytes()
            + Intervals::memory_bytes(cut, self.longest)
            + Intervals::packed_bytes(cut);
        self.operations * per_operation + usize::from(self.connections) * ConnectionRecord::memory_bytes()
    }
}

/// Where a sample belongs, by its intended start.
enum Place {
    Warmup,
    /// So long after the window's start.
    Window(Nanos),
    After,
}

/// Records the samples of one worker.
#[derive(Debug)]
pub struct Recorder {
    config: RecorderConfig,
    operations: Vec<(OperationRecord, Intervals)>,
    connections: Vec<ConnectionRecord>,
    stray: u64,
}

impl Recorder {
    /// Allocates everything, see [`RecorderConfig::memory_bytes`].
    pub fn new(config: RecorderConfig) -> Self {
        let operation = |_| {
            (OperationRecord::new(config.slowest, config.seed), Intervals::new(config.cut(), config.longest))
        };
        Self {
            config,
            operations: (0..config.operations).map(operation).collect(),
            connections: vec![ConnectionRecord::default(); usize::from(config.connections)],
            stray: 0,
        }
    }

    /// Takes one finished request in. Samples of the warm-up, and of after the window, are only counted.
    pub fn record(&mut self, sample: &Sample) {
        let place = self.place(sample.intended);
        let Some((record, intervals)) = self.operations.get_mut(sample.operation) else {
            self.stray += 1;
            return;
        };
        let since_start = match place {
            Place::Warmup => return record.warmup.record(&sample.outcome),
            Place::After => return record.after.record(&sample.outcome),
            Place::Window(since_start) => since_start,
        };
        let succeeded = matches!(sample.outcome, Outcome::Succeeded { .. });
        intervals.record(since_start, sample, succeeded);
        record.record(sample);
        // A request that was never sent was on no connection.
        if sample.sent.is_some()
            && let Some(connection) = self.connections.get_mut(usize::from(sample.connection))
        {
            connection.record(sample, succeeded);
        }
    }

    /// Notes that a request became due and this worker has now so many due and not done.
    pub fn in_flight(&mut self, operation: usize, intended: Nanos, now_in_flight: u32) {
        if let Place::Window(since_start) = self.place(intended)
            && let Some((_, intervals)) = self.operations.get_mut(operation)
        {
            intervals.in_flight(since_start, now_in_flight);
        }
    }

    /// The counters of the window so far, of one operation: for progress.
    pub fn counters(&self, operation: usize) -> Counters {
        self.operations.get(operation).map_or_else(Counters::default, |(record, _)| record.counters)
    }

    /// Ends recording.
    pub fn finish(self) -> Recorded {
        let operations = self.operations.into_iter().map(|(mut record, intervals)| {
            record.intervals = intervals.finish();
            record
        });
        Recorded {
            window_start: self.config.window_start,
            window: self.config.window,
            cut: self.config.cut(),
            operations: operations.collect(),
            connections: self.connections,
            stray: self.stray,
        }
    }

    fn place(&self, intended: Nanos) -> Place {
        if intended < self.config.window_start {
            return Place::Warmup;
        }
        let since_start = intended - self.config.window_start;
        if since_start < self.config.window { Place::Window(since_start) } else { Place::After }
    }
}

impl OperationRecord {
    fn new(slowest: usize, seed: u64) -> Self {
        Self {
            warmup: Counters::default(),
            counters: Counters::default(),
            after: Counters::default(),
            response: Timings::new(),
            service: Timings::new(),
            lag: Timings::new(),
            failure_response: Timings::new(),
            failure_service: Timings::new(),
            timeouts: Timings::new(),
            errors: Errors::new(),
            hits: Hits::default(),
            slowest: Slowest::new(slowest),
            exemplars: Exemplars::new(seed),
            intervals: Vec::new(),
        }
    }

    fn record(&mut self, sample: &Sample) {
        self.counters.record(&sample.outcome);
        self.hits.record(sample);
        sample.lag().into_iter().for_each(|span| self.lag.record(span));
        let (response, service) = (sample.response(), sample.service());
        match &sample.outcome {
            Outcome::Succeeded { .. } => {
                self.response.record(response);
                service.into_iter().for_each(|span| self.service.record(span));
            }
            Outcome::Failed { grpc, milvus, message } => {
                self.failure_response.record(response);
                service.into_iter().for_each(|span| self.failure_service.record(span));
                self.errors.record(*grpc, *milvus, message);
            }
            Outcome::TimedOut => self.timeouts.record(response),
            Outcome::NotSent => {}
        }
        if let Some(exemplar) = Exemplar::of(sample) {
            self.slowest.record(exemplar);
            if matches!(sample.outcome, Outcome::Succeeded { .. }) {
                self.exemplars.record(exemplar);
            }
        }
    }
}
