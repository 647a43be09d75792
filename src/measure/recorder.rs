//! One worker's record of what happened, in memory that is fixed when it is made.
//!
//! Recording touches a handful of histogram buckets: no lock, no clock, no allocation that grows. Once per interval (and
//! stage) and operation three histograms are packed, each with another request (some 20 us). The type to read first is [`Recorder`]; what comes out is
//! [`Recorded`].

use super::counters::{Counters, Errors, Hits};
use super::exemplars::{Exemplar, Exemplars, Slowest};
use super::grid::{IntervalGrid, SlotGrid, TimeGrid};
use super::hand_over::{HandOver, HandingOver, IntervalRest};
use super::histogram::Timings;
use super::intervals::Intervals;
use super::moments::Moments;
use super::recorded::{ConnectionRecord, OperationRecord, Recorded};
use super::sample::{Outcome, Sample};
use super::slots::{SampledRecord, Slots};
use crate::units::Nanos;

/// What a recorder must know beforehand. All workers of a run are given the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderConfig {
    /// How many operations the workload has.
    pub operations: usize,
    /// How many connections the run has; [`Sample::connection`] is below it.
    pub connections: u16,
    /// Start of the measured window, from the run's anchor: the end of the warm-up.
    pub window_start: Nanos,
    pub window: Nanos,
    /// When the stages of the window begin, from its start: ascending, the first 0. With fewer than two the window is one
    /// stage, and nothing is recorded per stage.
    pub stages: Vec<Nanos>,
    /// The slots that the window is divided into for an experiment; it is as long as they are. `None`: nothing is recorded
    /// per slot.
    pub slots: Option<SlotGrid>,
    /// Whether some requests are sampled and others not, so that the sampled are recorded by themselves too.
    pub by_sampled: bool,
    /// How long after its intended start a request may be over: timeout and drain. Decides how long intervals stay open, not
    /// whether a sample is counted: later ones are.
    pub longest: Nanos,
    /// How many of the slowest requests are kept per operation.
    pub slowest: usize,
    /// Decides which requests are kept as exemplars.
    pub seed: u64,
}

impl RecorderConfig {
    /// How the window is divided into intervals.
    pub fn grid(&self) -> IntervalGrid {
        IntervalGrid::of(self.window)
    }

    /// The window's intervals, and its stages where it has more than one.
    fn grids(&self) -> (TimeGrid, Option<TimeGrid>) {
        let stages = (self.stages.len() > 1).then(|| TimeGrid::At(self.stages.clone()));
        (TimeGrid::Even(self.grid()), stages)
    }

    /// Bytes that one worker's recorder occupies by the end of the run, at most: as if it used every connection. All but the
    /// packed intervals (18 KiB each, an estimate) is allocated before the first sample or with a connection's first.
    pub fn memory_bytes(&self) -> usize {
        let (intervals, stages) = self.grids();
        let of_grid = |grid: &TimeGrid| Intervals::memory_bytes(grid, self.longest);
        let per_operation = 6 * Timings::<u64>::memory_bytes()
            + size_of::<OperationRecord>()
            + Errors::memory_bytes()
            + Slowest::memory_bytes(self.slowest)
            + Exemplars::memory_bytes()
            + of_grid(&intervals)
            // As if intervals were handed over.
            + self.grid().count * (size_of::<IntervalRest>() + 1)
            + stages.as_ref().map_or(0, of_grid)
            + self.slots.map_or(0, |grid| Slots::memory_bytes(grid, self.longest))
            + if self.by_sampled { Timings::<u64>::memory_bytes() } else { 0 };
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
    operations: Vec<OperationRecorder>,
    connections: Vec<ConnectionRecord>,
    stray: u64,
}

#[derive(Debug)]
struct OperationRecorder {
    record: OperationRecord,
    intervals: Intervals,
    stages: Option<Intervals>,
    slots: Option<Slots>,
    /// `None`: nothing is handed over before the end.
    handing_over: Option<HandingOver>,
}

impl OperationRecorder {
    fn new(config: &RecorderConfig) -> Self {
        let (intervals, stages) = config.grids();
        Self {
            record: OperationRecord::new(config),
            intervals: Intervals::new(intervals, config.longest),
            stages: stages.map(|stages| Intervals::new(stages, config.longest)),
            slots: config.slots.map(|grid| Slots::new(grid, config.longest)),
            handing_over: None,
        }
    }

    fn finish(self) -> OperationRecord {
        let stages = self.stages.map(Intervals::finish).unwrap_or_default();
        let slots = self.slots.map(Slots::finish).unwrap_or_default();
        OperationRecord { intervals: self.intervals.finish(), stages, slots, ..self.record }
    }
}

impl Recorder {
    /// Allocates everything, see [`RecorderConfig::memory_bytes`].
    pub fn new(config: RecorderConfig) -> Self {
        Self {
            operations: (0..config.operations).map(|_| OperationRecorder::new(&config)).collect(),
            connections: vec![ConnectionRecord::default(); usize::from(config.connections)],
            config,
            stray: 0,
        }
    }

    /// Takes one finished request in. Samples of the warm-up, and of after the window, are only counted.
    pub fn record(&mut self, sample: &Sample) {
        let place = self.place(sample.intended);
        let Some(OperationRecorder { record, intervals, stages, slots, handing_over }) =
            self.operations.get_mut(sample.operation)
        else {
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
        if let Some(stages) = stages {
            stages.record(since_start, sample, succeeded);
        }
        if let Some(slots) = slots {
            slots.record(since_start, sample, succeeded);
        }
        if let Some(handing_over) = handing_over {
            handing_over.record(since_start, sample);
        }
        record.record(sample, succeeded);
        // A request that was never sent was on no connection.
        if sample.sent.is_some()
            && let Some(connection) = self.connections.get_mut(usize::from(sample.connection))
        {
            connection.record(sample, succeeded);
        }
    }

    /// Notes that from `moment` on this worker has so many requests of the operation due and not done: to be told whenever
    /// one becomes due and whenever one is done.
    pub fn in_flight(&mut self, operation: usize, moment: Nanos, now_in_flight: u32) {
        let place = self.place(moment);
        let Some(operation) = self.operations.get_mut(operation) else { return };
        for parts in std::iter::once(&mut operation.intervals).chain(&mut operation.stages) {
            match place {
                Place::Warmup => parts.in_flight_before(now_in_flight),
                Place::Window(since_start) => parts.in_flight(since_start, now_in_flight),
                Place::After => {}
            }
        }
    }

    /// Notes that a request that was sent had waited so long for a free stream or a connection.
    pub fn waited(&mut self, operation: usize, intended: Nanos, span: Nanos) {
        let span = u128::from(span.get());
        if let Some((operation, since_start)) = self.in_window(operation, intended) {
            operation.record.waited += span;
            operation.handing_over.iter_mut().for_each(|it| it.rest(since_start).waited += span);
        }
    }

    /// Notes that a request was not sent while most of what filled its bound was with the server.
    pub fn refused_for_server(&mut self, operation: usize, intended: Nanos) {
        if let Some((operation, since_start)) = self.in_window(operation, intended) {
            operation.record.refused_for_server += 1;
            operation.handing_over.iter_mut().for_each(|it| it.rest(since_start).refused_for_server += 1);
        }
    }

    fn in_window(&mut self, operation: usize, intended: Nanos) -> Option<(&mut OperationRecorder, Nanos)> {
        let Place::Window(since_start) = self.place(intended) else { return None };
        Some((self.operations.get_mut(operation)?, since_start))
    }

    /// From now on intervals are handed over while recording goes on: to be told before the first sample.
    pub fn start_handing_over(&mut self) {
        for operation in &mut self.operations {
            operation.handing_over = Some(HandingOver::new(self.config.grid(), self.config.longest));
        }
    }

    /// Gives at most one interval per operation: the next that is over at the moment `now`, or one in which something has changed
    /// since it was given. To be called several times per interval; a call that gives something takes some 20 us.
    pub fn hand_over(&mut self, now: Nanos, mut give: impl FnMut(HandOver)) {
        let start = self.config.window_start;
        for (index, operation) in self.operations.iter_mut().enumerate() {
            let OperationRecorder { record, intervals, handing_over: Some(handing_over), .. } = operation
            else {
                return;
            };
            if now >= start
                && let Some(due) = handing_over.due(now - start)
            {
                let interval = intervals.copy_of(due);
                give(handing_over.hand_over(index, (due, interval), start, record));
            }
        }
    }

    /// The counters of the window so far, of one operation: for progress.
    pub fn counters(&self, operation: usize) -> Counters {
        self.operations.get(operation).map_or_else(Counters::default, |operation| operation.record.counters)
    }

    pub fn finish(self) -> Recorded {
        Recorded {
            window_start: self.config.window_start,
            window: self.config.window,
            grid: self.config.grid(),
            stages: self.config.stages,
            slots: self.config.slots,
            operations: self.operations.into_iter().map(OperationRecorder::finish).collect(),
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
    fn new(config: &RecorderConfig) -> Self {
        Self::empty(config.slowest, config.seed, config.by_sampled)
    }

    /// Of nothing yet. `by_sampled`: the sampled are recorded by themselves too.
    pub fn empty(slowest: usize, seed: u64, by_sampled: bool) -> Self {
        Self {
            warmup: Counters::default(),
            counters: Counters::default(),
            after: Counters::default(),
            response: Timings::new(),
            service: Timings::new(),
            lag: Timings::new(),
            unsent: Moments::default(),
            waited: 0,
            refused_for_server: 0,
            failure_response: Timings::new(),
            failure_service: Timings::new(),
            timeouts: Timings::new(),
            errors: Errors::new(),
            hits: Hits::default(),
            sampled: by_sampled.then(SampledRecord::new),
            slowest: Slowest::new(slowest),
            exemplars: Exemplars::new(seed),
            intervals: Vec::new(),
            stages: Vec::new(),
            slots: Vec::new(),
        }
    }

    fn record(&mut self, sample: &Sample, succeeded: bool) {
        self.counters.record(&sample.outcome);
        if sample.trace.sampled
            && let Some(sampled) = &mut self.sampled
        {
            sampled.record(sample, succeeded);
        }
        self.hits.record(sample);
        let (response, service) = (sample.response(), sample.service());
        match sample.lag() {
            Some(lag) => self.lag.record(lag),
            None if sample.outcome == Outcome::NotSent => {}
            None => self.unsent.record(response),
        }
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
            if succeeded {
                self.exemplars.record(exemplar);
            }
        }
    }
}
