//! The load itself: spans on their way, workers driven, and what is read of generator, machine and server around it.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};

use crate::engine::{Execution, Keeper, Plan, Stop};
use crate::measure::{MachineTime, ProcessSnapshot};
use crate::units::Nanos;

use super::alternation::{Alternation, EdgeReader};
use super::descriptors;
use super::error::RunError;
use super::journal::Journal;
use super::metrics::MetricsPage;
use super::observed::{Driven, Identity, Observed};
use super::planning;
use super::progress::{Outline, RunProgress};
use super::ready::Ready;
use super::requests::Requests;
use super::settings::Settings;
use super::tracing::{Ended, FLUSH_LIMIT, RunTracing, Spans};

/// Between two looks at a run under way, for the progress line.
const TICK: Duration = Duration::from_millis(100);

/// A load whose workers ended so long before its end was broken off; a sound one has hardly a gap between its last arrival and its end.
const LAST_GAP: Duration = Duration::from_secs(10);

/// How long after the last answer the server may still hold spans of it: its C++ part exports every 5 s (seen on 2.3.5).
/// A server that ends with the run would take them with it.
const SERVER_SPANS: Duration = Duration::from_secs(6);

/// A load that is to be carried out.
struct Load<'e, 'a> {
    plan: Arc<Plan>,
    spans: &'e Spans,
    alternation: Option<Alternation<'a>>,
    start: Option<SystemTime>,
    journal: Option<Journal>,
}

impl Ready<'_> {
    /// Carries out the load of `settings` with `requests` that were made for it. Blocks until it is over.
    ///
    /// # Errors
    /// Where anything keeps the load from being measured; nothing was sent then.
    pub fn drive(
        &mut self,
        settings: &Settings,
        requests: &Requests,
        identity: &Identity,
        stop: &Stop,
        progress: &mut dyn RunProgress,
    ) -> Result<Observed, RunError> {
        self.observe(settings, requests, identity, None, stop, progress)
    }

    /// The same, with requests treated differently from one slot of the window to the next. Whether spans are built and headers
    /// sent, and at which fraction, is what each slot's arm says; during the warm-up, what that of the first slot says.
    ///
    /// # Errors
    /// As [`Ready::drive`]; where the slots do not fill the window.
    pub fn alternate(
        &mut self,
        settings: &Settings,
        requests: &Requests,
        identity: &Identity,
        alternation: Alternation<'_>,
        stop: &Stop,
        progress: &mut dyn RunProgress,
    ) -> Result<Observed, RunError> {
        alternation.check(&settings.workload)?;
        self.observe(settings, requests, identity, Some(alternation), stop, progress)
    }

    fn observe(
        &mut self,
        settings: &Settings,
        requests: &Requests,
        identity: &Identity,
        alternation: Option<Alternation<'_>>,
        stop: &Stop,
        progress: &mut dyn RunProgress,
    ) -> Result<Observed, RunError> {
        let workload = &settings.workload;
        let tracing = RunTracing::start(settings, self.server, &identity.run_id)?;
        progress.say(&tracing.sentence(settings));
        if let Some(note) = self.server.export_note(settings) {
            progress.say(&note);
        }
        if let Some(sink) = tracing.spans.sink() {
            self.spans.drain(..).for_each(|span| sink.offer_setup(span));
        }
        let before = self.look_before(workload)?;
        let extra_rows = self.rows_beyond_base(workload, &before.state);
        let slots = alternation.as_ref().map(|alternation| alternation.slots.clone());
        let plan = planning::plan(workload, self, requests, tracing.tracing.clone(), slots);
        // What is driven may have more connections than what was prepared.
        descriptors::ensure(workload.load.connections, plan.workers)?;
        self.note_writes(workload);
        let journal = self.journal.take().map(|path| {
            let begun = self.begun(settings, identity, (&before, extra_rows), tracing.collector, &plan);
            Journal::new(path, begun, plan.workers)
        });
        let load = Load {
            plan: Arc::new(plan),
            spans: &tracing.spans,
            alternation,
            start: identity.part.map(|part| part.start()),
            journal,
        };
        progress.starting(&Outline::of(&load.plan));
        let driven = self.carry_out(load, stop, progress)?;
        let over = Instant::now();
        progress.ending();
        let (version_end, after) = self.look_after(workload);
        let complete_at = tracing.complete_at(over);
        let is_complete = complete_at.is_none_or(|moment| wait_until(moment, stop, progress));
        let end = Instant::now() + FLUSH_LIMIT;
        let Ended { collector, export, collected } = tracing.finish(is_complete);
        self.server.pass_on_the_last(end, progress);
        let exported = export.as_ref().is_some_and(|export| export.counts.exported > 0);
        if exported && self.server.kind.ends_with_run() {
            wait_until(over + SERVER_SPANS, stop, progress);
        }
        Ok(Observed {
            driven,
            setup: self.steps.clone(),
            extra_rows,
            inserted_by_setup: self.inserted_by_setup,
            vector: self.vector(),
            first_free_row: self.next_rows.first(),
            version: (self.version.clone(), version_end),
            collection: (before, after),
            collector,
            export,
            collected,
        })
    }

    fn carry_out(
        &self,
        load: Load<'_, '_>,
        stop: &Stop,
        progress: &mut dyn RunProgress,
    ) -> Result<Driven, RunError> {
        let Load { plan, spans, mut alternation, start, mut journal } = load;
        let recorder = plan.recorder.clone();
        let (hand_over, handed_over) = mpsc::channel();
        let hand_over = (journal.is_some() || alternation.is_some()).then_some(hand_over);
        let warmup = plan.recorder.window_start;
        let page = MetricsPage::find(&self.metrics);
        let (before, machine_before) = (ProcessSnapshot::take(), MachineTime::now());
        let (finished, edges) = self.control.block_on(async {
            let sink = spans.sink();
            let execution = Execution::start_handing_over(plan, sink, stop.clone(), start, hand_over).await?;
            spans.choose_by(Keeper::new(&recorder, execution.anchor_unix_ns()));
            journal.iter_mut().for_each(|journal| journal.begin(execution.anchor_unix_ns(), progress));
            let mut edges = EdgeReader::new(&execution, spans.exporter(), page.as_ref());
            while !execution.is_finished() {
                progress.running(execution.elapsed(), execution.until(), warmup, execution.counters());
                let look = edges.next_look(&execution, TICK);
                tokio::time::sleep_until(look.into()).await;
                edges.read_passed(&execution, &mut alternation);
                for (worker, part) in handed_over.try_iter() {
                    journal.iter_mut().for_each(|journal| journal.append(worker, &part, progress));
                    alternation.iter_mut().for_each(|alternation| (alternation.handed_over)(&part));
                }
            }
            // Workers end with their last request, which may be due long before the last slot's end; where they were stopped, nobody
            // waits for that end.
            let end = execution.end();
            while alternation.is_some()
                && !stop.is_raised()
                && execution.elapsed() < end
                && end - execution.elapsed() < Nanos::from(LAST_GAP)
            {
                tokio::time::sleep(TICK).await;
            }
            // The last edge may have passed since the last look.
            edges.read_passed(&execution, &mut alternation);
            Ok::<_, RunError>((execution.finish()?, edges.finish()))
        })?;
        let (after, machine_after) = (ProcessSnapshot::take(), MachineTime::now());
        Ok(Driven {
            clock_gained: finished.clock.gained(),
            finished,
            generator: (before, after),
            machine: machine_before.zip(machine_after).map(|(before, after)| after.since(&before)),
            server: page.and_then(|page| page.read_again()),
            edges,
        })
    }
}

/// Waits for the server's last spans; false where somebody did not wait for them.
fn wait_until(moment: Instant, stop: &Stop, progress: &mut dyn RunProgress) -> bool {
    if Instant::now() < moment && !stop.is_hurried() {
        progress.say("waiting some seconds for the server's last spans (Ctrl-C ends the wait)");
        progress.server_spans();
    }
    while !stop.is_hurried() {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(TICK));
    }
    false
}
