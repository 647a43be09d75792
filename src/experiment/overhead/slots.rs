//! What each slot of a load brought: its requests, and what was read at the edges of its kept part.

use std::collections::BTreeMap;

use crate::engine::Finished;
use crate::measure::{BySampled, Counters, MachineTime, Packed, Part, SlotGrid, Timings};
use crate::report::experiment::overhead::OverheadSlot;
use crate::run::{Driven, EdgeReading};
use crate::stats::blocks::Arm;
use crate::units::{Fraction, Nanos};
use crate::workload::Operation;

/// Times of a slot's statistic, by the end of its name.
const PERCENTILES: [(&str, u64); 3] = [("p50_us", 50), ("p90_us", 90), ("p99_us", 99)];

/// With fewer beyond it a percentile of one slot would be chance. At 100 requests a second p99 of a slot of 5 s has 5 beyond it on average, and as
/// arrivals are drawn, never less than this.
const ENOUGH_BEYOND: u64 = 4;

/// Completed requests per second, of all operations: the primary metric of a closed loop.
pub const THROUGHPUT: &str = "succeeded_per_s";
/// CPU time of the generator per request, without busy-waiting.
pub const GENERATOR_CPU: &str = "generator.cpu_us_per_request";
/// Of it, the measuring threads'.
pub const WORKER_CPU: &str = "generator.worker_cpu_us_per_request";
/// CPU time of its exporting per request: nothing where nothing is exported, so no effect can be told of it.
pub const EXPORT_CPU: &str = "generator.export_cpu_us_per_request";
/// CPU time of the server per request.
pub const SERVER_CPU: &str = "server.cpu_us_per_request";
/// The server's memory at the slot's end.
pub const SERVER_MEMORY: &str = "server.rss_bytes";

/// How the slots of a load were laid out.
pub struct Layout<'a> {
    pub grid: SlotGrid,
    /// The arm of each slot.
    pub order: &'a [Vec<Arm>],
    pub fractions: &'a [Fraction],
    /// The number of the first block.
    pub first_block: usize,
    /// The number of the server's process.
    pub server: usize,
    /// Length of the warm-up.
    pub warmup: Nanos,
    pub operations: &'a [Operation],
    /// Whether the server shares this machine.
    pub server_here: bool,
    /// Whether all streams are closed loops, so that throughput is a result and not a setting.
    pub is_closed: bool,
}

/// All slots that were carried out whole.
pub fn of(layout: &Layout<'_>, driven: &Driven) -> Vec<OverheadSlot> {
    let finished = &driven.finished;
    let whole = match finished.stopped {
        None => finished.slots,
        Some(stopped) => finished.slots.min(layout.grid.over(stopped - layout.warmup)),
    };
    let arms =
        layout.order.iter().enumerate().flat_map(|(block, arms)| arms.iter().map(move |arm| (block, *arm)));
    arms.take(whole)
        .enumerate()
        .map(|(index, (block, arm))| one(layout, driven, index, layout.first_block + block, arm))
        .collect()
}

fn one(layout: &Layout<'_>, driven: &Driven, index: usize, block: usize, arm: Arm) -> OverheadSlot {
    let finished = &driven.finished;
    let start = layout.warmup + layout.grid.start(index);
    let kept = KeptPart::of(layout, driven, index);
    let (mut values, mut sent, mut sampled) = (BTreeMap::new(), 0, 0);
    let mut succeeded = 0;
    for (operation, record) in layout.operations.iter().zip(&finished.recorded.operations) {
        let Some(slot) = record.slots.get(index) else { continue };
        let requests = Requests::of(&slot.kept);
        sent += requests.sent;
        sampled += slot.kept.sampled.timings.lag.count();
        succeeded += requests.counters.succeeded;
        values.extend(requests.values(&operation.name));
    }
    let seconds = kept.length.as_secs_f64();
    if layout.is_closed {
        values.insert(THROUGHPUT.to_owned(), succeeded as f64 / seconds);
    }
    values.extend(kept.costs(sent as f64 / seconds));
    // An arm without a request, or a number that is not above 0, is not known on a scale of ratios.
    values.retain(|name, value| value.is_finite() && (*value > 0.0 || name == EXPORT_CPU));
    let (arm, fraction) = named(arm, layout.fractions);
    OverheadSlot {
        block,
        arm,
        fraction,
        server: layout.server,
        start_unix_us: finished.clock.unix_nanos(start) / 1_000,
        sent,
        sampled,
        stolen: kept.stolen(),
        others_cores: kept.others_cores(layout.server_here),
        values,
    }
}

/// Its name and fraction.
pub fn named(arm: Arm, fractions: &[Fraction]) -> (String, f64) {
    match arm {
        Arm::Off => ("off".to_owned(), 0.0),
        Arm::OffAgain => ("off again".to_owned(), 0.0),
        Arm::On(index) => {
            let fraction = fractions.get(index).map_or(0.0, |fraction| fraction.get());
            (fraction.to_string(), fraction)
        }
    }
}

/// The requests of one operation in a kept part, sampled or not.
struct Requests {
    counters: Counters,
    sent: u64,
    response: Timings<u64>,
}

impl Requests {
    fn of(kept: &BySampled) -> Self {
        let parts = [&kept.sampled, &kept.unsampled];
        let mut counters = Counters::default();
        parts.iter().for_each(|part| counters.merge(&part.counters));
        Self {
            counters,
            sent: parts.iter().map(|part| part.timings.lag.count()).sum(),
            response: merged(parts.map(|part| &part.timings.response)),
        }
    }

    fn values(&self, operation: &str) -> Vec<(String, f64)> {
        let offered = self.counters.offered();
        let percentiles = PERCENTILES.iter().filter_map(|(name, percent)| {
            let rank = (offered * percent).div_ceil(100);
            // What did not succeed is infinitely slow.
            let known = offered - rank >= ENOUGH_BEYOND && rank <= self.response.count();
            let value = known.then(|| self.response.at_ranks(&[rank.max(1)]))?.first()?.as_micros_f64();
            Some((format!("{operation}.response.{name}"), value))
        });
        // A mean of the survivors would make failures look fast.
        let mean = self.response.moments().mean().filter(|_| self.counters.unsuccessful() == 0);
        let mean = mean.map(|nanos| (format!("{operation}.response.mean_us"), nanos / 1e3));
        percentiles.chain(mean).collect()
    }
}

/// Times of several parts together.
pub fn merged<'a>(parts: impl IntoIterator<Item = &'a Packed>) -> Timings<u64> {
    let mut all = Timings::new();
    parts.into_iter().for_each(|part| all.merge_packed(part));
    all
}

/// What was read at both edges of a slot's kept part.
struct KeptPart<'a> {
    length: Nanos,
    edges: Option<(&'a EdgeReading, &'a EdgeReading)>,
    /// CPU time of the measuring threads in it, and what of that they busy-waited; `None`: not known.
    workers: Option<(Nanos, Nanos)>,
}

impl<'a> KeptPart<'a> {
    fn of(layout: &Layout<'_>, driven: &'a Driven, index: usize) -> Self {
        let grid = layout.grid;
        let (from, to) = (grid.start(index) + grid.washout(), grid.start(index + 1));
        let at =
            |moment: Nanos| driven.edges.iter().position(|reading| reading.edge == layout.warmup + moment);
        let edges = at(from).zip(at(to));
        Self {
            length: to - from,
            edges: edges.and_then(|(from, to)| driven.edges.get(from).zip(driven.edges.get(to))),
            workers: edges.and_then(|(from, to)| workers(&driven.finished, from, to)),
        }
    }

    /// Costs per request at this rate. Readings are taken a little after their edges, so that what they tell is taken per second.
    fn costs(&self, sent_per_s: f64) -> Vec<(String, f64)> {
        let Some((from, to)) = self.edges else { return Vec::new() };
        let seconds = (to.at - from.at).as_secs_f64();
        let per_request = |micros: f64, seconds: f64| micros / seconds / sent_per_s;
        let mut costs = Vec::new();
        let mut put = |name: &str, value: f64| costs.push((name.to_owned(), value));
        if let Some((ran, spun)) = self.workers {
            let window = self.length.as_secs_f64();
            put(WORKER_CPU, (ran - spun).as_micros_f64() / window / sent_per_s);
            let others =
                (to.process.cpu - from.process.cpu).as_micros_f64() / seconds - ran.as_micros_f64() / window;
            put(GENERATOR_CPU, ((ran - spun).as_micros_f64() / window + others.max(0.0)) / sent_per_s);
        }
        if let Some(parts) = to.process.parts_since(&from.process, Nanos::ZERO) {
            put(
                EXPORT_CPU,
                per_request(parts.get(&Part::Export).copied().unwrap_or_default().as_micros_f64(), seconds),
            );
        }
        if let Some((before, after)) = from.server.zip(to.server) {
            if let Some((before, after)) = before.cpu_seconds.zip(after.cpu_seconds) {
                put(
                    SERVER_CPU,
                    per_request((after - before) * 1e6, (to.server_at - from.server_at).as_secs_f64()),
                );
            }
            if let Some(bytes) = after.rss_bytes {
                put(SERVER_MEMORY, bytes as f64);
            }
        }
        costs
    }

    fn machine(&self) -> Option<MachineTime> {
        let (from, to) = self.edges?;
        Some(to.machine?.since(&from.machine?))
    }

    fn stolen(&self) -> Option<f64> {
        let machine = self.machine()?;
        (machine.all > Nanos::ZERO).then(|| machine.stolen.get() as f64 / machine.all.get() as f64)
    }

    /// Cores that neither this process nor the server kept busy.
    fn others_cores(&self, server_here: bool) -> Option<f64> {
        let (machine, (from, to)) = (self.machine()?, self.edges?);
        let server = match server_here {
            true => to.server?.cpu_seconds? - from.server?.cpu_seconds?,
            false => 0.0,
        };
        let ours = (to.process.cpu - from.process.cpu).as_secs_f64();
        let others = (machine.busy.as_secs_f64() - ours - server).max(0.0);
        (machine.all > Nanos::ZERO).then(|| others / machine.all.as_secs_f64() * f64::from(machine.cores))
    }
}

/// CPU time of all measuring threads between two edges, by number, and what of it they busy-waited.
fn workers(finished: &Finished, from: usize, to: usize) -> Option<(Nanos, Nanos)> {
    let (mut ran, mut spun) = (Nanos::ZERO, Nanos::ZERO);
    for readings in &finished.readings {
        let (before, after) = (readings.get(from)?, readings.get(to)?);
        ran = ran + after.cpu?.since(&before.cpu?).ran;
        spun = spun + (after.spun - before.spun);
    }
    Some((ran, spun))
}
