//! From the record of a run to the parts of its window: intervals and stages.

use std::collections::BTreeMap;

use super::from_recorded::Source;
use super::model::{Dist, Interval, IntervalOperation, Stage, StageOperation, StageRate};
use crate::measure::{self, Counters, OperationRecord, Packed};
use crate::units::Nanos;
use crate::workload::LoadModel;

/// The intervals of what was measured: a run that was stopped has none after its end.
pub(super) fn intervals(source: &Source<'_>) -> Vec<Interval> {
    let grid = source.recorded.grid;
    let starts = (0..grid.count).map(|index| Nanos::new(grid.length.get() * index as u64)).collect();
    let part = |Part { index, start, end }| Interval {
        start_s: start.as_secs_f64(),
        length_s: (end - start).as_secs_f64(),
        operations: operations(source, |record| record.intervals.get(index)),
    };
    let told = |interval: &Interval| {
        interval.length_s > 0.0 || interval.operations.values().any(|operation| operation.offered > 0)
    };
    within(starts, source).map(part).filter(told).collect()
}

/// The stages of what was measured.
pub(super) fn stages(source: &Source<'_>) -> Vec<Stage> {
    let starts = source.recorded.stages.clone();
    if starts.len() < 2 {
        return Vec::new();
    }
    let part = |Part { index, start, end }| Stage {
        start_s: start.as_secs_f64(),
        length_s: (end - start).as_secs_f64(),
        operations: operations(source, |record| record.stages.get(index))
            .into_iter()
            .map(|(name, numbers)| {
                let rate = rate(source, &name, start, end);
                (name, stage_operation(rate, numbers, end - start))
            })
            .collect(),
    };
    let told = |stage: &Stage| {
        stage.length_s > 0.0 || stage.operations.values().any(|operation| operation.numbers.offered > 0)
    };
    within(starts, source).map(part).filter(told).collect()
}

/// A part of the window, as far as it was measured.
struct Part {
    index: usize,
    start: Nanos,
    end: Nanos,
}

/// The parts that begin at these times of the window, in order.
fn within(starts: Vec<Nanos>, source: &Source<'_>) -> impl Iterator<Item = Part> {
    let (window, measured) = (source.recorded.window, source.measured);
    let ends: Vec<Nanos> = starts.iter().copied().skip(1).chain([window]).collect();
    starts.into_iter().zip(ends).enumerate().map(move |(index, (start, end))| {
        let end = end.min(window).min(measured.max(start));
        Part { index, start, end }
    })
}

/// The numbers of one part, by the operation's name.
fn operations<'a>(
    source: &'a Source<'a>,
    part: impl Fn(&'a OperationRecord) -> Option<&'a measure::Interval>,
) -> BTreeMap<String, IntervalOperation> {
    let named = source.operations.iter().zip(&source.recorded.operations);
    named.filter_map(|(info, record)| Some((info.name.clone(), numbers(part(record)?)))).collect()
}

fn numbers(part: &measure::Interval) -> IntervalOperation {
    let Counters { succeeded, failed, timed_out, not_sent } = part.counters;
    let offered = part.counters.offered();
    let dist = |packed: &Packed, offered| Dist::of(&packed.unpack(), offered);
    IntervalOperation {
        offered,
        succeeded,
        failed,
        timed_out,
        not_sent,
        in_flight_max: part.in_flight_max,
        response: dist(&part.timings.response, offered),
        service: dist(&part.timings.service, offered),
        lag: dist(&part.timings.lag, part.timings.lag.count()),
    }
}

fn stage_operation(rate: Option<StageRate>, numbers: IntervalOperation, length: Nanos) -> StageOperation {
    let per_second = |count: u64| (length > Nanos::ZERO).then(|| count as f64 / length.as_secs_f64());
    StageOperation {
        rate,
        offered_per_s: per_second(numbers.offered),
        succeeded_per_s: per_second(numbers.succeeded),
        numbers,
    }
}

/// An operation's share of its stream's rate; an operation is in one stream alone.
fn rate(source: &Source<'_>, operation: &str, start: Nanos, end: Nanos) -> Option<StageRate> {
    let index = source.operations.iter().position(|info| info.name == operation)?;
    source.streams.iter().find_map(|stream| {
        let (_, weight) = stream.shares.iter().find(|(operation, _)| *operation == index)?;
        let LoadModel::Open { rate, .. } = &stream.model else { return None };
        let share = weight / stream.shares.iter().map(|(_, weight)| weight).sum::<f64>();
        let (from, to) = rate.over(start, end);
        Some(StageRate { from: from * share, to: to * share })
    })
}
