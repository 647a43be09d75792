//! What each arm did over all its complete slots, and what of it reached the collector.

use std::collections::BTreeMap;

use crate::measure::Packed;
use crate::report::experiment::overhead::{ArmSummary, OverheadSlot};
use crate::run::{Driven, EdgeReading};
use crate::trace::collector::Tally;
use crate::units::Nanos;

use super::slots::{EXPORT_CPU, Layout, merged, named};

/// All arms, off first.
pub struct ArmTotals {
    pub(super) summaries: Vec<ArmSummary>,
}

impl ArmTotals {
    /// Of the slots of one load.
    pub(super) fn of(
        layout: &Layout<'_>,
        slots: &[OverheadSlot],
        driven: &Driven,
        tally: Option<&Tally>,
    ) -> Self {
        let arms = crate::stats::blocks::arms(layout.fractions.len());
        let names = arms.into_iter().map(|arm| named(arm, layout.fractions));
        let summaries =
            names.map(|(arm, fraction)| summary(layout, (arm, fraction), slots, driven, tally)).collect();
        Self { summaries }
    }

    /// Takes in what the same arms did before. Percentiles of pooled slots are those of the newest load: they cannot be added.
    pub(super) fn add(&mut self, earlier: &[ArmSummary]) {
        for summary in &mut self.summaries {
            let Some(before) = earlier.iter().find(|before| before.arm == summary.arm) else { continue };
            let weighted = |ours: Option<f64>, theirs: Option<f64>| {
                let (ours, theirs) = ours.zip(theirs)?;
                let sent = (summary.sent + before.sent).max(1) as f64;
                Some((ours * summary.sent as f64 + theirs * before.sent as f64) / sent)
            };
            let sum = |ours: Option<u64>, theirs: Option<u64>| Some(ours? + theirs?);
            *summary = ArmSummary {
                slots: summary.slots + before.slots,
                sent: summary.sent + before.sent,
                sampled: summary.sampled + before.sampled,
                client_spans: sum(summary.client_spans, before.client_spans),
                server_requests: sum(summary.server_requests, before.server_requests),
                spans: sum(summary.spans, before.spans),
                client_spans_lost: summary.client_spans_lost + before.client_spans_lost,
                export_cpu_us_per_request: weighted(
                    summary.export_cpu_us_per_request,
                    before.export_cpu_us_per_request,
                ),
                collector_bytes_per_request: weighted(
                    summary.collector_bytes_per_request,
                    before.collector_bytes_per_request,
                ),
                ..summary.clone()
            };
        }
    }
}

fn summary(
    layout: &Layout<'_>,
    (arm, fraction): (String, f64),
    slots: &[OverheadSlot],
    driven: &Driven,
    tally: Option<&Tally>,
) -> ArmSummary {
    let own: Vec<(usize, &OverheadSlot)> =
        slots.iter().enumerate().filter(|(_, slot)| slot.arm == arm).collect();
    let sent = own.iter().map(|(_, slot)| slot.sent).sum::<u64>();
    let per_request = |total: f64| (sent > 0).then(|| total / sent as f64);
    let spans = tally.map(|tally| {
        let of_slot = |(index, _): &(usize, &OverheadSlot)| {
            let [from, to] = kept_unix(layout, driven, *index);
            tally.between(from, to)
        };
        own.iter().map(of_slot).fold([0; 3], |[client, entry, all], kinds| {
            [client + kinds.client, entry + kinds.entry, all + kinds.all()]
        })
    });
    let bytes = tally.zip(spans).and_then(|(tally, [_, _, all])| {
        let share = all as f64 / tally.spans().all().max(1) as f64;
        per_request(tally.bytes as f64 * share)
    });
    let export = own
        .iter()
        .map(|(_, slot)| Some(slot.values.get(EXPORT_CPU)? * slot.sent as f64))
        .sum::<Option<f64>>();
    ArmSummary {
        slots: own.len(),
        sent,
        sampled: own.iter().map(|(_, slot)| slot.sampled).sum(),
        client_spans: spans.map(|[client, ..]| client),
        server_requests: spans.map(|[_, entry, _]| entry),
        spans: spans.map(|[.., all]| all),
        client_spans_lost: own.iter().map(|(index, _)| lost(layout, driven, *index)).sum(),
        export_cpu_us_per_request: export.and_then(per_request),
        collector_bytes_per_request: bytes,
        pooled_p99_us: pooled_p99(layout, &own, driven),
        arm,
        fraction,
    }
}

/// The kept part of a slot, nanoseconds since 1970.
fn kept_unix(layout: &Layout<'_>, driven: &Driven, index: usize) -> [u64; 2] {
    let grid = layout.grid;
    let at = |moment: Nanos| driven.finished.clock.unix_nanos(layout.warmup + moment);
    [at(grid.start(index) + grid.washout()), at(grid.start(index + 1))]
}

/// Spans that the client dropped or failed to export from the slot's start to its end.
fn lost(layout: &Layout<'_>, driven: &Driven, index: usize) -> u64 {
    let at = |moment: Nanos| driven.edges.iter().find(|reading| reading.edge == layout.warmup + moment);
    let lost = |reading: &EdgeReading| reading.spans.map(|spans| spans.dropped + spans.failed);
    let (from, to) = (at(layout.grid.start(index)), at(layout.grid.start(index + 1)));
    let both = from.and_then(lost).zip(to.and_then(lost));
    both.map_or(0, |(before, after)| after.saturating_sub(before))
}

fn pooled_p99(
    layout: &Layout<'_>,
    own: &[(usize, &OverheadSlot)],
    driven: &Driven,
) -> BTreeMap<String, Option<f64>> {
    let of = |(operation, record): (&crate::workload::Operation, &crate::measure::OperationRecord)| {
        let kept: Vec<_> =
            own.iter().filter_map(|(index, _)| record.slots.get(*index)).map(|slot| &slot.kept).collect();
        let parts = || kept.iter().flat_map(|kept| [&kept.sampled, &kept.unsampled]);
        let offered = parts().map(|part| part.counters.offered()).sum();
        let responses: Vec<&Packed> = parts().map(|part| &part.timings.response).collect();
        let p99 = crate::measure::quantile(&merged(responses), offered, crate::measure::Quantile::P99);
        (operation.name.clone(), p99.ok().map(Nanos::as_micros_f64))
    };
    layout.operations.iter().zip(&driven.finished.recorded.operations).map(of).collect()
}
