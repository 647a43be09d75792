//! Arms that alternate within one load: its slots, and what is read where one part of a slot gives way to the next.

use std::iter::Peekable;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::engine::{Execution, Slots};
use crate::measure::{HandOver, MachineTime, ProcessMetrics, ProcessSnapshot};
use crate::trace::exporter::{Exporter, SpanCounts};
use crate::units::Nanos;
use crate::workload::Workload;

use super::metrics::MetricsPage;

/// The slots of a load, and who follows it.
pub struct Alternation<'a> {
    /// The arm of each slot; together they are as long as the window.
    pub slots: Slots,
    /// Is told of every reading, in order. The number of a slot, counted from 0, lets the load end with that slot, as complete.
    pub follow: &'a mut dyn FnMut(&EdgeReading) -> Option<usize>,
    /// Is told of what workers hand over while they record, each interval some time after its end.
    pub handed_over: &'a mut dyn FnMut(&HandOver),
}

impl Alternation<'_> {
    /// # Errors
    /// Where the slots do not fill the window.
    pub(super) fn check(&self, workload: &Workload) -> anyhow::Result<()> {
        let (slots, window) = (self.slots.grid().window(), Nanos::from(workload.load.duration));
        ensure!(
            slots == window,
            "the slots take {slots} together, and load.duration is {window}; let them be the same"
        );
        Ok(())
    }
}

/// What there was to read where a part of a slot begins, or the last one ends. All counts go on from one to the next.
#[derive(Clone, Debug)]
pub struct EdgeReading {
    /// The moment that it is of, from the start of the run.
    pub edge: Nanos,
    /// When it was read: a little later, and much later where the server's page hangs.
    pub at: Nanos,
    /// This process.
    pub process: ProcessSnapshot,
    /// This machine, where it tells.
    pub machine: Option<MachineTime>,
    /// The server's process, where it tells.
    pub server: Option<ProcessMetrics>,
    /// When it had told.
    pub server_at: Nanos,
    /// The client's spans; `None` where none are built.
    pub spans: Option<SpanCounts>,
}

/// The readings of a load under way.
pub(super) struct EdgeReader<'a> {
    edges: Peekable<std::vec::IntoIter<Nanos>>,
    exporter: Option<&'a Exporter>,
    page: Option<&'a MetricsPage<'a>>,
    readings: Vec<EdgeReading>,
}

impl<'a> EdgeReader<'a> {
    /// Of a load that has just been started; without slots there is nothing to read.
    pub fn new(
        execution: &Execution,
        exporter: Option<&'a Exporter>,
        page: Option<&'a MetricsPage<'a>>,
    ) -> Self {
        Self { edges: execution.edges().into_iter().peekable(), exporter, page, readings: Vec::new() }
    }

    /// The next edge, or in `longest`, whichever comes first.
    pub fn next_look(&mut self, execution: &Execution, longest: Duration) -> Instant {
        let look = Instant::now() + longest;
        self.edges.peek().map_or(look, |edge| execution.instant(*edge).min(look))
    }

    /// Reads what there is where an edge has passed; spans are sent on, so that those of a slot are counted as its own.
    pub fn read_passed(&mut self, execution: &Execution, alternation: &mut Option<Alternation<'_>>) {
        // A load that ends early has no edges after its end.
        let last = execution.end();
        while let Some(edge) = self.edges.next_if(|edge| *edge <= last && execution.elapsed() >= *edge) {
            self.exporter.iter().for_each(|exporter| exporter.flush());
            let reading = EdgeReading {
                edge,
                process: ProcessSnapshot::take(),
                machine: MachineTime::now(),
                spans: self.exporter.map(Exporter::counts),
                at: execution.elapsed(),
                // In the order in which they stand.
                server: self.page.and_then(MetricsPage::now),
                server_at: execution.elapsed(),
            };
            if let Some(slot) = alternation.as_mut().and_then(|alternation| (alternation.follow)(&reading)) {
                // Where that slot is over already the load goes on, and whoever follows it is asked again at the next edge.
                execution.end_after(slot);
            }
            self.readings.push(reading);
        }
    }

    /// All readings, in order.
    pub fn finish(self) -> Vec<EdgeReading> {
        self.readings
    }
}
