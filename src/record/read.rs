//! Reads a record of unknown origin.

use std::io::{self, BufRead, Read as _};

use hdrhistogram::Counter;
use serde::de::DeserializeOwned;

use super::lines::{
    Big, Clock, CountersLine, ErrorLine, Hex, HitsLine, Line, MomentsLine, OperationLine, OutcomeLine,
    PartLine, RequestLine, TimesLine,
};
use super::{Header, SCHEMA};
use crate::measure::{
    ConnectionRecord, Counters, End, ErrorKind, Errors, Exemplar, Hits, Interval, IntervalGrid,
    KeptExemplars, MomentSums, Moments, OperationRecord, PackScratch, Packed, PerClock, Recorded,
    SampledRecord, Timings,
};
use crate::trace::TraceRef;
use crate::units::Nanos;

/// The longest line that is read: a histogram in which every bucket holds much takes 400 KB of text, an interval has three.
const MOST_LINE: u64 = 4 << 20;
/// The most operations: their distributions are allocated one by one, as their lines come.
const MOST_OPERATIONS: usize = 1_000;
/// Above every count that a run can reach, and so far below 2^64 that no sum of them overflows.
const MOST_COUNT: u64 = 1 << 44;
/// The most of the slowest requests that are kept.
const MOST_SLOWEST: usize = 100_000;

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("line {line}: {source}")]
    Read {
        /// From 1.
        line: u64,
        source: io::Error,
    },
    /// No record, or one of a later version.
    #[error("it is not what this version reads: its \"schema\" is {found}, not {wanted:?}")]
    Foreign {
        /// Its schema, or `missing`.
        found: String,
        wanted: &'static str,
    },
    /// A line that no record has.
    #[error("line {line} is longer than {} MiB", MOST_LINE >> 20)]
    TooLong {
        /// From 1.
        line: u64,
    },
    /// No JSON, or another line than any of a record.
    #[error("line {line} is damaged: {source}")]
    Damaged {
        /// From 1.
        line: u64,
        source: serde_json::Error,
    },
    /// A line in the wrong place.
    #[error("line {line}: expected {expected}, found {found}")]
    Unexpected {
        /// From 1.
        line: u64,
        expected: String,
        found: String,
    },
    /// The end is missing.
    #[error(
        "it is cut off after line {line}: {expected} is missing; its run did not end in order, or the disk was full"
    )]
    CutOff {
        /// The last whole line, from 1.
        line: u64,
        expected: String,
    },
    /// Numbers that cannot be.
    #[error("line {line}: {what}")]
    Impossible {
        /// From 1.
        line: u64,
        /// What is wrong with them.
        what: String,
    },
}

/// Reads what [`write()`](super::write()) wrote.
///
/// # Errors
/// Where it is no such record, or not a whole one.
pub fn read<C: DeserializeOwned>(input: impl BufRead) -> Result<(Header, C, Recorded), RecordError> {
    let mut reader = Reader::new(input);
    let header = reader.first(SCHEMA)?;
    reader.check(&header)?;
    let context = reader.json("the context")?;
    let shape = &header.shape;
    let window = Nanos::new(shape.window_ns);
    let mut recorded = Recorded {
        window_start: Nanos::new(shape.window_start_ns),
        window,
        grid: IntervalGrid::of(window),
        slots: None,
        stages: shape.stages_ns.iter().copied().map(Nanos::new).collect(),
        operations: Vec::new(),
        connections: Vec::new(),
        stray: reader.count(shape.stray)?,
    };
    let stages = if recorded.stages.len() > 1 { recorded.stages.len() } else { 0 };
    let mut next = reader.line("an operation")?;
    for index in 0..shape.operations {
        let (operation, following) = reader.operation(next, index, recorded.grid.count, stages)?;
        recorded.operations.push(operation);
        next = following;
    }
    for index in 0..shape.connections {
        recorded.connections.push(reader.connection(next, index)?);
        next = reader.line("a connection or the end")?;
    }
    match next {
        Line::End { lines } if lines == reader.line - 1 => Ok((header, context, recorded)),
        Line::End { lines } => {
            Err(reader.impossible(format!("it says that {lines} lines came before it, which is not so")))
        }
        other => Err(reader.unexpected("the end", &other)),
    }
}

pub(super) struct Reader<R> {
    input: R,
    /// The number of the line read last, from 1.
    line: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    pub(super) const fn new(input: R) -> Self {
        Self { input, line: 0, buffer: Vec::new() }
    }

    /// The first line, where it is of the schema that is wanted.
    pub(super) fn first<T: DeserializeOwned>(&mut self, wanted: &'static str) -> Result<T, RecordError> {
        #[derive(serde::Deserialize)]
        struct AnySchema {
            schema: Option<serde_json::Value>,
        }
        self.fill("the header")?;
        let foreign =
            |found: String| RecordError::Foreign { found: found.chars().take(100).collect(), wanted };
        let any: AnySchema =
            serde_json::from_slice(&self.buffer).map_err(|_| foreign("missing".to_owned()))?;
        match any.schema {
            Some(schema) if schema == wanted => self.parse(),
            other => Err(foreign(other.map_or("missing".to_owned(), |schema| schema.to_string()))),
        }
    }

    /// That a header can be one.
    pub(super) fn check(&self, header: &Header) -> Result<(), RecordError> {
        let shape = &header.shape;
        let ascending = shape.stages_ns.is_sorted_by(|a, b| a < b)
            && shape.stages_ns.first().is_none_or(|start| *start == 0);
        let problem = match () {
            () if shape.operations > MOST_OPERATIONS => format!("more than {MOST_OPERATIONS} operations"),
            () if !ascending => "stages that do not ascend from 0".to_owned(),
            () if header.shard.is_some_and(|shard| shard.index >= shard.of) => {
                "a shard that is not below the number of shards".to_owned()
            }
            () => return Ok(()),
        };
        Err(self.impossible(problem))
    }

    /// The next line; `None` where there is none, or where the last one is torn.
    pub(super) fn whole_line<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RecordError> {
        match self.json("more") {
            Ok(line) => Ok(Some(line)),
            Err(RecordError::CutOff { .. }) => Ok(None),
            Err(damaged @ RecordError::Damaged { .. }) => match self.fill("more") {
                Err(RecordError::CutOff { .. }) => Ok(None),
                _ => Err(damaged),
            },
            Err(other) => Err(other),
        }
    }

    /// Reads the next line into the buffer, without its end.
    fn fill(&mut self, expected: &str) -> Result<(), RecordError> {
        self.buffer.clear();
        let read = (&mut self.input).take(MOST_LINE + 1).read_until(b'\n', &mut self.buffer);
        let cut_off = |line| RecordError::CutOff { line, expected: expected.to_owned() };
        match read {
            Err(source) => Err(RecordError::Read { line: self.line + 1, source }),
            Ok(0) => Err(cut_off(self.line)),
            Ok(read) if read as u64 > MOST_LINE => Err(RecordError::TooLong { line: self.line + 1 }),
            Ok(_) if self.buffer.pop() != Some(b'\n') => Err(cut_off(self.line)),
            Ok(_) => {
                self.line += 1;
                Ok(())
            }
        }
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, RecordError> {
        serde_json::from_slice(&self.buffer)
            .map_err(|source| RecordError::Damaged { line: self.line, source })
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self, expected: &str) -> Result<T, RecordError> {
        self.fill(expected)?;
        self.parse()
    }

    fn line(&mut self, expected: &str) -> Result<Line, RecordError> {
        self.json(expected)
    }

    fn unexpected(&self, expected: &str, found: &Line) -> RecordError {
        RecordError::Unexpected {
            line: self.line,
            expected: expected.to_owned(),
            found: format!("a line {:?}", found.name()),
        }
    }

    pub(super) fn impossible(&self, what: String) -> RecordError {
        RecordError::Impossible { line: self.line, what }
    }

    /// An operation that begins with `first`, and the line after its last.
    fn operation(
        &mut self,
        first: Line,
        index: usize,
        intervals: usize,
        stages: usize,
    ) -> Result<(OperationRecord, Line), RecordError> {
        let Line::Operation(line) = first else {
            return Err(self.unexpected(&format!("operation {index}"), &first));
        };
        let mut record = self.counts(line)?;
        let mut next = self.line("more of an operation")?;
        while let Line::Times { of, times } = next {
            let timings = self.times(Some(times))?;
            let place = of_mut(&mut record, of);
            if place.count() > 0 {
                return Err(self.impossible("the same distribution twice".to_owned()));
            }
            *place = timings;
            next = self.line("more of an operation")?;
        }
        if let Line::Sampled { counts, sent, service } = next {
            record.sampled = Some(SampledRecord {
                counters: self.counters(counts)?,
                sent: self.count(sent)?,
                service: self.times(service)?,
            });
            next = self.line("more of an operation")?;
        }
        for wanted in [false, true] {
            match next {
                Line::Slowest { sampled, requests } if sampled == wanted => {
                    let requests = self.requests(requests)?;
                    let kept = record.slowest.keep(wanted, &requests);
                    kept.ok_or_else(|| {
                        self.impossible(
                            "more of the slowest than are kept, or one that was not sampled".to_owned(),
                        )
                    })?;
                }
                other => return Err(self.unexpected("the slowest requests", &other)),
            }
            next = self.line("more of an operation")?;
        }
        while let Line::Exemplars { bucket, sampled, seen, requests } = next {
            let reservoir = KeptExemplars { seen: self.count(seen)?, kept: self.requests(requests)? };
            let kept = record.exemplars.keep(bucket, sampled, &reservoir);
            kept.ok_or_else(|| self.impossible("exemplars that do not belong together".to_owned()))?;
            next = self.line("more of an operation")?;
        }
        let mut scratch = PackScratch::default();
        for (count, what) in [(intervals, "interval"), (stages, "stage")] {
            for index in 0..count {
                let line = match (next, what) {
                    (Line::Interval(line), "interval") | (Line::Stage(line), "stage")
                        if line.index == index =>
                    {
                        line
                    }
                    (other, _) => return Err(self.unexpected(&format!("{what} {index}"), &other)),
                };
                let part = self.part(line, &mut scratch)?;
                let parts = if what == "interval" { &mut record.intervals } else { &mut record.stages };
                parts.push(part);
                next = self.line("the next interval, stage, operation or connection, or the end")?;
            }
        }
        Ok((record, next))
    }

    fn counts(&self, line: OperationLine) -> Result<OperationRecord, RecordError> {
        if line.slowest > MOST_SLOWEST {
            return Err(self.impossible(format!("more than {MOST_SLOWEST} of the slowest")));
        }
        Ok(OperationRecord {
            warmup: self.counters(line.warmup)?,
            counters: self.counters(line.window)?,
            after: self.counters(line.after)?,
            unsent: self.moments(line.unsent)?,
            waited: line.waited_ns.0,
            refused_for_server: self.count(line.refused_for_server)?,
            errors: self.errors(line.errors, line.other_errors)?,
            hits: self.hits(line.hits)?,
            ..OperationRecord::empty(line.slowest, line.seed, false)
        })
    }

    pub(super) fn count(&self, count: u64) -> Result<u64, RecordError> {
        if count > MOST_COUNT {
            return Err(self.impossible(format!("a count of {count}")));
        }
        Ok(count)
    }

    pub(super) fn counters(&self, line: CountersLine) -> Result<Counters, RecordError> {
        Ok(Counters {
            succeeded: self.count(line.succeeded)?,
            failed: self.count(line.failed)?,
            timed_out: self.count(line.timed_out)?,
            not_sent: self.count(line.not_sent)?,
        })
    }

    pub(super) fn hits(&self, line: HitsLine) -> Result<Hits, RecordError> {
        // Hits may be many times the requests, yet not 2^12 of them each on average over all that can be counted.
        let hits = |count: u64| {
            let fits = count <= MOST_COUNT << 12;
            fits.then_some(count).ok_or_else(|| self.impossible(format!("a count of {count} hits")))
        };
        Ok(Hits {
            expected: hits(line.expected)?,
            returned: hits(line.returned)?,
            empty: self.count(line.empty)?,
            short: self.count(line.short)?,
            unknown: self.count(line.unknown)?,
        })
    }

    pub(super) fn errors(&self, lines: Vec<ErrorLine>, other: u64) -> Result<Errors, RecordError> {
        let mut kinds = Vec::new();
        for ErrorLine { grpc, milvus, count, message } in lines {
            kinds.push(ErrorKind { grpc, milvus, count: self.count(count)?, message: message.into() });
        }
        Errors::of_kinds(kinds, self.count(other)?)
            .ok_or_else(|| self.impossible("more kinds of errors than are told apart".to_owned()))
    }

    pub(super) fn moments(&self, line: MomentsLine) -> Result<Moments, RecordError> {
        let MomentsLine { count, min_ns: min, max_ns: max, sum: Big(sum), squares: Big(sum_of_squares) } =
            line;
        let sums = MomentSums { count: self.count(count)?, min, max, sum, sum_of_squares };
        Moments::from_sums(sums).ok_or_else(|| self.impossible("sums that no times can have".to_owned()))
    }

    fn times<C: Counter>(&self, line: Option<TimesLine>) -> Result<Timings<C>, RecordError> {
        let Some(line) = line else { return Ok(Timings::new()) };
        let TimesLine { count, min_ns, max_ns, sum, squares, saturated, histogram } = line;
        let moments = self.moments(MomentsLine { count, min_ns, max_ns, sum, squares })?;
        Timings::from_stored(Some(&histogram), moments, saturated)
            .map_err(|error| self.impossible(error.to_string()))
    }

    pub(super) fn part(&self, line: PartLine, scratch: &mut PackScratch) -> Result<Interval, RecordError> {
        let mut packed = |line: Option<TimesLine>| {
            let timings = line.map(|line| self.times::<u64>(Some(line))).transpose()?;
            Ok(timings.map_or_else(Packed::default, |timings| timings.pack(scratch)))
        };
        Ok(Interval {
            counters: self.counters(line.counts)?,
            in_flight_max: line.in_flight_max,
            timings: PerClock {
                response: packed(line.response)?,
                service: packed(line.service)?,
                lag: packed(line.lag)?,
            },
        })
    }

    pub(super) fn requests(&self, lines: Vec<RequestLine>) -> Result<Vec<Exemplar>, RecordError> {
        lines.into_iter().map(|line| self.request(line)).collect()
    }

    fn request(&self, line: RequestLine) -> Result<Exemplar, RecordError> {
        let RequestLine { intended_ns, sent_ns, done_ns, outcome, trace_id, span_id, sampled, connection } =
            line;
        if done_ns < intended_ns || sent_ns.is_some_and(|sent| sent < intended_ns || sent > done_ns) {
            return Err(self.impossible("a request that is not due, sent and done in this order".to_owned()));
        }
        let number = |hex: Option<Hex>| hex.map_or(0, |Hex(number)| number);
        let span_id = u64::try_from(number(span_id))
            .map_err(|_| self.impossible("a span ID of more than 16 digits".to_owned()))?;
        Ok(Exemplar {
            intended: Nanos::new(intended_ns),
            sent: sent_ns.map(Nanos::new),
            done: Nanos::new(done_ns),
            end: match outcome {
                OutcomeLine::Succeeded => End::Succeeded,
                OutcomeLine::Failed { grpc, milvus } => End::Failed { grpc, milvus },
                OutcomeLine::TimedOut => End::TimedOut,
            },
            trace: TraceRef { trace_id: number(trace_id), span_id, sampled },
            connection,
        })
    }

    fn connection(&self, line: Line, index: u16) -> Result<ConnectionRecord, RecordError> {
        let Line::Connection { requests, response } = line else {
            return Err(self.unexpected(&format!("connection {index}"), &line));
        };
        let response = response.map(|line| self.times(Some(line))).transpose()?;
        Ok(ConnectionRecord { requests: self.count(requests)?, response })
    }
}

const fn of_mut(record: &mut OperationRecord, clock: Clock) -> &mut Timings<u64> {
    match clock {
        Clock::Response => &mut record.response,
        Clock::Service => &mut record.service,
        Clock::Lag => &mut record.lag,
        Clock::FailureResponse => &mut record.failure_response,
        Clock::FailureService => &mut record.failure_service,
        Clock::Timeouts => &mut record.timeouts,
    }
}
