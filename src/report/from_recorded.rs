//! From the record of a run to the numbers of its report.

use super::model::{
    Connection, Dist, ErrorClass, Failures, Hits, NoLink, Operation, Outcome, Request, RunReport,
};
use super::{parts, sampling};
use crate::measure::{End, Errors, Exemplar, OperationRecord, Quantile, Recorded, Unknown, quantile};
use crate::trace::TraceRef;
use crate::units::Nanos;
use crate::workload::{self, Slow, Stream};

/// What a report's numbers are made of.
pub struct Source<'a> {
    /// The merged record of all workers.
    pub recorded: &'a Recorded,
    /// The workload's operations, in the order of the record.
    pub operations: &'a [workload::Operation],
    pub streams: &'a [Stream],
    /// Wall time of the run's anchor (start of the warm-up), nanoseconds since 1970.
    pub anchor_unix_ns: u64,
    /// Length of the window, or what there was of it when the run was stopped; rates divide by it.
    pub measured: Nanos,
    pub slow: Slow,
    /// How many requests of each set are told per operation.
    pub requests: usize,
    /// The addresses that each connection has had at its other end, in order; none where it was never up.
    pub peers: &'a [Vec<String>],
    /// Whether the sampled and the unsampled requests differ in nothing but that.
    pub by_sampled: bool,
    /// The link of a trace, or why there is none.
    pub link: &'a dyn Fn(TraceRef) -> Result<String, NoLink>,
}

impl RunReport {
    /// Fills in operations, intervals, stages, requests and connections.
    pub fn fill(&mut self, source: &Source<'_>) {
        let named = || source.operations.iter().zip(&source.recorded.operations);
        self.operations =
            named().map(|(info, record)| (info.name.clone(), operation(info, record, source))).collect();
        self.intervals = parts::intervals(source);
        self.stages = parts::stages(source);
        self.connections = connections(source);
        let collect = |choose: &dyn Fn(&OperationRecord) -> Vec<Exemplar>| {
            let mut requests: Vec<Request> = named()
                .flat_map(|(info, record)| {
                    choose(record).into_iter().map(|e| request(&info.name, &e, source))
                })
                .collect();
            requests.sort_by(|a, b| b.response_us.total_cmp(&a.response_us));
            requests
        };
        self.slowest = collect(&|record| record.slowest.all().take(source.requests).copied().collect());
        self.slowest_sampled =
            collect(&|record| record.slowest.sampled().take(source.requests).copied().collect());
        self.slow = collect(&|record| slow(record, source.slow, source.requests));
        self.typical = collect(&|record| typical(record, source.requests));
    }
}

fn operation(info: &workload::Operation, record: &OperationRecord, source: &Source<'_>) -> Operation {
    let counters = record.counters;
    let seconds = source.measured.as_secs_f64();
    let per_second = |count: f64| (seconds > 0.0).then(|| count / seconds);
    let facts = info.kind.facts();
    let (vectors_per_s, rows_per_s) = match facts.query_vectors() {
        Some(vectors) => (per_second(counters.succeeded as f64 * f64::from(vectors)), None),
        None => (None, per_second(record.hits.returned as f64)),
    };
    Operation {
        kind: facts.name().to_owned(),
        offered: counters.offered(),
        succeeded: counters.succeeded,
        failed: counters.failed,
        timed_out: counters.timed_out,
        not_sent: counters.not_sent,
        warmup: record.warmup.offered(),
        offered_per_s: per_second(counters.offered() as f64),
        succeeded_per_s: per_second(counters.succeeded as f64),
        vectors_per_s,
        rows_per_s,
        hits: Hits {
            expected: record.hits.expected,
            returned: record.hits.returned,
            empty: record.hits.empty,
            short: record.hits.short,
            unknown: record.hits.unknown,
        },
        response: Dist::of(&record.response, counters.offered()),
        service: Dist::of(&record.service, counters.offered()),
        lag: Dist::of(&record.lag, record.lag.count()),
        failures: Failures {
            response: Dist::of(&record.failure_response, record.failure_response.count()),
            service: Dist::of(&record.failure_service, record.failure_service.count()),
        },
        timeouts: Dist::of(&record.timeouts, record.timeouts.count()),
        errors: error_classes(&record.errors),
        recall: None,
        sampling: source.by_sampled.then(|| sampling::of(record)).flatten(),
    }
}

fn error_classes(errors: &Errors) -> Vec<ErrorClass> {
    let mut classes: Vec<ErrorClass> = errors
        .kinds()
        .into_iter()
        .map(|kind| ErrorClass {
            grpc: Some(kind.grpc),
            milvus: Some(kind.milvus),
            count: kind.count,
            message: kind.message.to_string(),
        })
        .collect();
    if errors.other() > 0 {
        let message = "other kinds of failures".to_owned();
        classes.push(ErrorClass { grpc: None, milvus: None, count: errors.other(), message });
    }
    classes
}

fn connections(source: &Source<'_>) -> Vec<Connection> {
    let peers = source.peers.iter().cloned().chain(std::iter::repeat(Vec::new()));
    source
        .recorded
        .connections
        .iter()
        .zip(peers)
        .map(|(record, peers)| {
            let p99 = match &record.response {
                Some(timings) => quantile(timings, record.requests, Quantile::P99),
                None if record.requests > 0 => Err(Unknown::Unanswered),
                None => Err(Unknown::TooFew),
            };
            Connection {
                peer: peers.last().cloned(),
                peers,
                requests: record.requests,
                p99_us: p99.ok().map(Nanos::as_micros_f64),
                unknown: p99.err().map(|unknown| ("p99_us".to_owned(), unknown.into())).into_iter().collect(),
            }
        })
        .collect()
}

fn request(operation: &str, exemplar: &Exemplar, source: &Source<'_>) -> Request {
    // What was never sent has no trace, whatever was decided about it.
    let trace = TraceRef { sampled: exemplar.has_trace(), ..exemplar.trace };
    let TraceRef { trace_id, span_id, sampled } = trace;
    let traced = trace_id != 0;
    let link = if traced { (source.link)(trace) } else { Err(NoLink::TracingOff) };
    let (outcome, grpc, milvus) = match exemplar.end {
        End::Succeeded => (Outcome::Succeeded, None, None),
        End::Failed { grpc, milvus } => (Outcome::Failed, Some(grpc), Some(milvus)),
        End::TimedOut => (Outcome::TimedOut, None, None),
    };
    Request {
        operation: operation.to_owned(),
        trace_id: traced.then(|| format!("{trace_id:032x}")),
        span_id: traced.then(|| format!("{span_id:016x}")),
        sampled,
        intended_unix_us: (source.anchor_unix_ns + exemplar.intended.get()) / 1_000,
        at_s: (exemplar.intended - source.recorded.window_start).as_secs_f64(),
        response_us: exemplar.response().as_micros_f64(),
        service_us: exemplar.service().map(Nanos::as_micros_f64),
        lag_us: exemplar.lag().map(Nanos::as_micros_f64),
        outcome,
        grpc,
        milvus,
        connection: exemplar.connection,
        trace_url_reason: link.as_ref().err().copied(),
        trace_url: link.ok(),
    }
}

fn slow(record: &OperationRecord, slow: Slow, count: usize) -> Vec<Exemplar> {
    slow_bound(record, slow).map_or_else(Vec::new, |bound| record.slow(bound, count))
}

/// `None` where the percentile lies among the unanswered, or too few were offered for it: the slowest requests are told
/// all the same.
fn slow_bound(record: &OperationRecord, slow: Slow) -> Option<Nanos> {
    match slow {
        Slow::Duration(duration) => Some(duration.into()),
        Slow::Quantile(share) => response_quantile(record, share).map(just_below),
    }
}

fn typical(record: &OperationRecord, count: usize) -> Vec<Exemplar> {
    let bounds = response_quantile(record, 0.25).zip(response_quantile(record, 0.75));
    bounds.map_or_else(Vec::new, |(low, high)| record.exemplars.draw(just_below(low)..=high, count))
}

fn response_quantile(record: &OperationRecord, share: f64) -> Option<Nanos> {
    quantile(&record.response, record.counters.offered(), Quantile::new(share)?).ok()
}

/// The histogram tells a value up to 0.1 % too high; requests of that bucket are to be within the range.
fn just_below(span: Nanos) -> Nanos {
    span - Nanos::new(span.get() / 1_000)
}
