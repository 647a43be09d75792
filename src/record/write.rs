//! Writes a record, line by line.

use std::io::{self, Write};

use hdrhistogram::Counter;
use serde::Serialize;

use super::lines::{
    Big, Clock, CountersLine, ErrorLine, Hex, HitsLine, Line, MomentsLine, OperationLine, OutcomeLine,
    PartLine, RequestLine, TimesLine,
};
use super::{Header, Shape};
use crate::measure::{
    Counters, End, Errors, Exemplar, Hits, Interval, KeptExemplars, Moments, OperationRecord, Packed,
    Recorded, SampledRecord, Timings,
};
use crate::trace::TraceRef;

/// Writes the header, `context`, and all of `recorded`. The header's shape is made to fit the record.
///
/// # Errors
/// Where the writer fails, `context` cannot be said in JSON, or the load was laid out in slots.
pub fn write(
    header: &Header,
    context: &impl Serialize,
    recorded: &Recorded,
    out: &mut dyn Write,
) -> io::Result<()> {
    if recorded.slots.is_some() {
        return Err(io::Error::other("a load in slots is not stored as a record"));
    }
    let mut lines = Lines { out, count: 0 };
    lines.put(&Header { shape: Shape::of(recorded), ..header.clone() })?;
    lines.put(context)?;
    recorded.operations.iter().try_for_each(|operation| lines.operation(operation))?;
    for connection in &recorded.connections {
        let response = connection.response.as_ref().and_then(times);
        lines.put(&Line::Connection { requests: connection.requests, response })?;
    }
    let end = Line::End { lines: lines.count };
    lines.put(&end)
}

struct Lines<'a> {
    out: &'a mut dyn Write,
    count: u64,
}

impl Lines<'_> {
    fn put(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, line)?;
        self.count += 1;
        self.out.write_all(b"\n")
    }

    fn operation(&mut self, record: &OperationRecord) -> io::Result<()> {
        self.put(&Line::Operation(operation(record)))?;
        for clock in Clock::ALL {
            if let Some(times) = times(of(record, clock)) {
                self.put(&Line::Times { of: clock, times })?;
            }
        }
        if let Some(SampledRecord { counters, sent, service }) = &record.sampled {
            let (counts, service) = (self::counters(*counters), times(service));
            self.put(&Line::Sampled { counts, sent: *sent, service })?;
        }
        let slowest = [(false, requests(record.slowest.all())), (true, requests(record.slowest.sampled()))];
        for (sampled, requests) in slowest {
            self.put(&Line::Slowest { sampled, requests })?;
        }
        for (bucket, sampled, reservoir) in record.exemplars.reservoirs() {
            let KeptExemplars { seen, kept } = reservoir;
            self.put(&Line::Exemplars { bucket, sampled, seen, requests: requests(kept.iter()) })?;
        }
        for (index, interval) in record.intervals.iter().enumerate() {
            self.put(&Line::Interval(part(index, interval)))?;
        }
        for (index, stage) in record.stages.iter().enumerate() {
            self.put(&Line::Stage(part(index, stage)))?;
        }
        Ok(())
    }
}

fn operation(record: &OperationRecord) -> OperationLine {
    OperationLine {
        warmup: counters(record.warmup),
        window: counters(record.counters),
        after: counters(record.after),
        hits: hits(record.hits),
        unsent: moments(&record.unsent),
        waited_ns: Big(record.waited),
        refused_for_server: record.refused_for_server,
        errors: errors(&record.errors),
        other_errors: record.errors.other(),
        slowest: record.slowest.capacity(),
        seed: record.exemplars.seed(),
    }
}

pub(super) const fn of(record: &OperationRecord, clock: Clock) -> &Timings<u64> {
    match clock {
        Clock::Response => &record.response,
        Clock::Service => &record.service,
        Clock::Lag => &record.lag,
        Clock::FailureResponse => &record.failure_response,
        Clock::FailureService => &record.failure_service,
        Clock::Timeouts => &record.timeouts,
    }
}

pub(super) const fn counters(counters: Counters) -> CountersLine {
    let Counters { succeeded, failed, timed_out, not_sent } = counters;
    CountersLine { succeeded, failed, timed_out, not_sent }
}

pub(super) const fn hits(hits: Hits) -> HitsLine {
    let Hits { expected, returned, empty, short, unknown } = hits;
    HitsLine { expected, returned, empty, short, unknown }
}

pub(super) fn moments(moments: &Moments) -> MomentsLine {
    let sums = moments.sums();
    MomentsLine {
        count: sums.count,
        min_ns: sums.min,
        max_ns: sums.max,
        sum: Big(sums.sum),
        squares: Big(sums.sum_of_squares),
    }
}

pub(super) fn errors(errors: &Errors) -> Vec<ErrorLine> {
    let line = |kind: &crate::measure::ErrorKind| ErrorLine {
        grpc: kind.grpc,
        milvus: kind.milvus,
        count: kind.count,
        message: kind.message.to_string(),
    };
    errors.kinds().into_iter().map(line).collect()
}

/// `None` where there are none.
pub(super) fn times<C: Counter>(timings: &Timings<C>) -> Option<TimesLine> {
    let histogram = timings.to_base64()?;
    let MomentsLine { count, min_ns, max_ns, sum, squares } = moments(timings.moments());
    Some(TimesLine { count, min_ns, max_ns, sum, squares, saturated: timings.saturated(), histogram })
}

pub(super) fn part(index: usize, interval: &Interval) -> PartLine {
    let times = |packed: &Packed| (packed.count() > 0).then(|| times(&packed.unpack())).flatten();
    PartLine {
        index,
        counts: counters(interval.counters),
        in_flight_max: interval.in_flight_max,
        response: times(&interval.timings.response),
        service: times(&interval.timings.service),
        lag: times(&interval.timings.lag),
    }
}

pub(super) fn requests<'a>(exemplars: impl Iterator<Item = &'a Exemplar>) -> Vec<RequestLine> {
    exemplars.map(request).collect()
}

fn request(exemplar: &Exemplar) -> RequestLine {
    let TraceRef { trace_id, span_id, sampled } = exemplar.trace;
    RequestLine {
        intended_ns: exemplar.intended.get(),
        sent_ns: exemplar.sent.map(|sent| sent.get()),
        done_ns: exemplar.done.get(),
        outcome: match exemplar.end {
            End::Succeeded => OutcomeLine::Succeeded,
            End::Failed { grpc, milvus } => OutcomeLine::Failed { grpc, milvus },
            End::TimedOut => OutcomeLine::TimedOut,
        },
        trace_id: (trace_id != 0).then_some(Hex(trace_id)),
        span_id: (span_id != 0).then_some(Hex(u128::from(span_id))),
        sampled,
        connection: exemplar.connection,
    }
}
