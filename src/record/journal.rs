//! The journal of a run under way: what its workers have handed over so far. A process that dies has written this much.
//!
//! A header, a context as a record has it, then one line per worker, operation and interval. A later line on the same interval
//! replaces an earlier one. Each line is written whole; the last one may be torn and is passed over then.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::lines::{Big, CountersLine, ErrorLine, HitsLine, MomentsLine, PartLine, RequestLine};
use super::read::{Reader, RecordError};
use super::{Header, Shape, write};
use crate::measure::{
    HandOver, Interval, IntervalGrid, IntervalRest, OperationRecord, PackScratch, Recorded,
};
use crate::units::Nanos;

/// The schema's name, first field of every journal.
pub const JOURNAL_SCHEMA: &str = "milvus-load/journal/1";
/// The journal's file name within a run's directory.
pub const JOURNAL_FILE: &str = "journal.jsonl";
/// More workers than any machine has threads for.
const MOST_WORKERS: usize = 10_000;

/// The first line.
#[derive(Serialize, Deserialize)]
struct JournalHeader {
    schema: String,
    workers: usize,
    /// How many of the slowest are kept.
    slowest: usize,
    run: Header,
}

#[derive(Serialize, Deserialize)]
struct HandOverLine {
    worker: usize,
    operation: usize,
    part: PartLine,
    warmup: CountersLine,
    hits: HitsLine,
    unsent: MomentsLine,
    waited_ns: Big,
    refused_for_server: u64,
    errors: Vec<ErrorLine>,
    other_errors: u64,
    slowest: Vec<RequestLine>,
    slowest_sampled: Vec<RequestLine>,
}

/// Begins a journal of so many workers, each of which keeps so many of its slowest requests.
///
/// # Errors
/// Where the writer fails.
pub fn begin(
    header: &Header,
    context: &impl Serialize,
    (workers, slowest): (usize, usize),
    out: &mut dyn Write,
) -> io::Result<()> {
    let header = JournalHeader { schema: JOURNAL_SCHEMA.to_owned(), workers, slowest, run: header.clone() };
    let mut lines = serde_json::to_vec(&header)?;
    lines.push(b'\n');
    serde_json::to_writer(&mut lines, context)?;
    lines.push(b'\n');
    out.write_all(&lines)
}

/// Adds what a worker has handed over.
///
/// # Errors
/// Where the writer fails.
pub fn append(worker: usize, part: &HandOver, out: &mut dyn Write) -> io::Result<()> {
    let line = HandOverLine {
        worker,
        operation: part.operation,
        part: write::part(part.index, &part.interval),
        warmup: write::counters(part.warmup),
        hits: write::hits(part.rest.hits),
        unsent: write::moments(&part.rest.unsent),
        waited_ns: Big(part.rest.waited),
        refused_for_server: part.rest.refused_for_server,
        errors: write::errors(&part.rest.errors),
        other_errors: part.rest.errors.other(),
        slowest: write::requests(part.slowest.iter()),
        slowest_sampled: write::requests(part.slowest_sampled.iter()),
    };
    let mut bytes = serde_json::to_vec(&line)?;
    bytes.push(b'\n');
    // In one piece, so that only a process that dies within the call tears it.
    out.write_all(&bytes)
}

/// What is known of a run that left a journal.
#[derive(Debug)]
pub struct Rebuilt<C> {
    pub header: Header,
    /// What was kept beside the numbers.
    pub context: C,
    /// The intervals that every worker has handed over for every operation, from the first on.
    pub recorded: Recorded,
    /// Their length together.
    pub measured: Nanos,
}

/// Reads what [`begin`] and [`append`] wrote, up to a torn last line.
///
/// # Errors
/// Where it is no journal, or is damaged before its last line.
pub fn read_journal<C: DeserializeOwned>(input: impl BufRead) -> Result<Rebuilt<C>, RecordError> {
    let mut reader = Reader::new(input);
    let JournalHeader { workers, slowest, run: header, .. } = reader.first(JOURNAL_SCHEMA)?;
    reader.check(&header)?;
    if workers > MOST_WORKERS {
        return Err(reader.impossible(format!("more than {MOST_WORKERS} workers")));
    }
    let context = reader.json("the context")?;
    let grid = IntervalGrid::of(Nanos::new(header.shape.window_ns));
    let mut parts = HandOvers::new();
    let mut scratch = PackScratch::default();
    while let Some(line) = reader.whole_line::<HandOverLine>()? {
        let worker = line.worker;
        let part = reader.hand_over(line, &mut scratch)?;
        if worker >= workers || part.operation >= header.shape.operations || part.index >= grid.count {
            return Err(reader.impossible("a worker, operation or interval that there is not".to_owned()));
        }
        parts.insert((part.operation, worker, part.index), part);
    }
    let complete = complete(&parts, header.shape.operations, workers);
    let recorded = recorded(&header.shape, grid, slowest, &parts, complete);
    let length = Nanos::new(grid.length.get().saturating_mul(complete as u64));
    let measured = length.min(Nanos::new(header.shape.window_ns));
    Ok(Rebuilt { header, context, recorded, measured })
}

/// By operation, worker and interval.
type HandOvers = BTreeMap<(usize, usize, usize), HandOver>;

/// How many intervals from the first on are there of every worker and operation.
fn complete(parts: &HandOvers, operations: usize, workers: usize) -> usize {
    let of = |operation: usize, worker: usize| {
        (0..).take_while(|index| parts.contains_key(&(operation, worker, *index))).count()
    };
    let pairs = (0..operations).flat_map(|operation| (0..workers).map(move |worker| (operation, worker)));
    pairs.map(|(operation, worker)| of(operation, worker)).min().unwrap_or(0)
}

fn recorded(
    shape: &Shape,
    grid: IntervalGrid,
    slowest: usize,
    parts: &HandOvers,
    complete: usize,
) -> Recorded {
    let mut operations: Vec<OperationRecord> =
        (0..shape.operations).map(|_| OperationRecord::empty(slowest, 0, false)).collect();
    let mut warmup = BTreeMap::new();
    for ((operation, worker, index), part) in parts {
        // The last one knows most of it.
        warmup.insert((*operation, *worker), part.warmup);
        if *index < complete {
            operations[*operation].take_in(part);
        }
    }
    for ((operation, _), counters) in warmup {
        operations[operation].warmup.merge(&counters);
    }
    for operation in &mut operations {
        operation.intervals.resize_with(grid.count, Interval::default);
    }
    Recorded {
        window_start: Nanos::new(shape.window_start_ns),
        window: Nanos::new(shape.window_ns),
        grid,
        stages: Vec::new(),
        slots: None,
        operations,
        connections: Vec::new(),
        stray: 0,
    }
}

impl<R: BufRead> Reader<R> {
    fn hand_over(&self, line: HandOverLine, scratch: &mut PackScratch) -> Result<HandOver, RecordError> {
        Ok(HandOver {
            operation: line.operation,
            index: line.part.index,
            interval: self.part(line.part, scratch)?,
            rest: IntervalRest {
                hits: self.hits(line.hits)?,
                unsent: self.moments(line.unsent)?,
                waited: line.waited_ns.0,
                refused_for_server: self.count(line.refused_for_server)?,
                errors: self.errors(line.errors, line.other_errors)?,
            },
            slowest: self.requests(line.slowest)?,
            slowest_sampled: self.requests(line.slowest_sampled)?,
            warmup: self.counters(line.warmup)?,
        })
    }
}
