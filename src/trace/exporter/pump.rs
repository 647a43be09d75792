//! The exporter's thread: from the queue to the collector in portions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::time::Instant;

use super::collector::{Collector, Refusal, Taken};
use super::queue::{LostTraces, Queued, Shared, spans};
use super::settings::BatchLimits;
use crate::trace::span::SpanTemplates;

/// How often the queue is looked into. At 100,000 spans/s a default queue holds 30 times what comes in between.
const LOOK: Duration = Duration::from_millis(20);

/// Moves spans from the queue to the collector until it is told to end.
pub(super) struct Pump {
    pub(super) queue: Receiver<Queued>,
    pub(super) shared: Arc<Shared>,
    pub(super) collector: Collector,
    pub(super) templates: SpanTemplates,
    pub(super) limits: BatchLimits,
    pub(super) batch: Vec<Queued>,
    pub(super) bytes: usize,
    /// When the first span of the batch was taken.
    pub(super) since: Option<Instant>,
    /// Spans taken from the queue so far.
    pub(super) taken: u64,
    /// Until so many are taken, nothing waits for more: a flush was asked for when they had been offered.
    pub(super) flush_until: u64,
    pub(super) outcome: PumpOutcome,
}

/// What the thread leaves behind.
#[derive(Debug, Default)]
pub(super) struct PumpOutcome {
    pub(super) lost: LostTraces,
    pub(super) last_error: Option<String>,
}

impl Pump {
    /// Ends some moments after the deadline at the latest, with every span that it took from the queue counted.
    pub(super) async fn run(mut self) -> PumpOutcome {
        loop {
            // Before the queue is looked into: what came before the end was asked for is then sure to be seen.
            let ending = self.shared.deadline().is_some();
            let flush = self.shared.take_flush();
            // The first of those that are to be flushed is in this batch, or was taken before.
            let flushing = flush.is_some() || self.taken < self.flush_until;
            self.flush_until = self.flush_until.max(flush.unwrap_or(0));
            self.fill();
            let at_once = ending || flushing;
            if self.is_full() || self.is_due() || (at_once && !self.batch.is_empty()) {
                self.send_batch().await;
            } else if ending {
                break;
            } else {
                tokio::select! {
                    () = tokio::time::sleep(LOOK.min(self.limits.delay)) => {}
                    () = self.shared.wake.notified() => {}
                }
            }
        }
        self.shared.mark_closed();
        self.outcome
    }

    fn fill(&mut self) {
        while !self.is_full() {
            let Ok(span) = self.queue.try_recv() else {
                // Nothing that was offered before a flush is left.
                self.flush_until = self.taken;
                break;
            };
            self.taken += span.spans() as u64;
            self.shared.taken(&span);
            self.bytes += self.templates.estimated_bytes(&span);
            self.since.get_or_insert_with(Instant::now);
            self.batch.push(span);
        }
    }

    fn is_full(&self) -> bool {
        self.batch.len() >= self.limits.batch || self.bytes >= self.limits.batch_bytes
    }

    fn is_due(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= self.limits.delay)
    }

    /// Sends the batch and empties it.
    async fn send_batch(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        (self.bytes, self.since) = (0, None);
        self.send_whole_or_halves(&batch).await;
        batch.clear();
        self.batch = batch;
    }

    /// What is too large as a whole is sent once more in halves.
    async fn send_whole_or_halves(&mut self, batch: &[Queued]) {
        let answer = self.send(batch).await;
        if !matches!(answer, Err(Refusal::TooLarge(_))) || batch.len() < 2 {
            return self.count(batch, answer);
        }
        let (first, second) = batch.split_at(batch.len() / 2);
        for half in [first, second] {
            let answer = self.send(half).await;
            self.count(half, answer);
        }
    }

    async fn send(&mut self, batch: &[Queued]) -> Result<Taken, Refusal> {
        const TIME_IS_UP: &str = "not exported before the time at the end of the run was up";
        if self.shared.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(Refusal::Failed(TIME_IS_UP.into()));
        }
        let deadline = async {
            loop {
                match self.shared.deadline() {
                    Some(deadline) => break tokio::time::sleep_until(deadline).await,
                    None => self.shared.wake.notified().await,
                }
            }
        };
        tokio::select! {
            // An answer that is there counts, however late.
            biased;
            answer = self.collector.send(batch) => answer,
            () = deadline => Err(Refusal::Failed(TIME_IS_UP.into())),
        }
    }

    fn count(&mut self, batch: &[Queued], answer: Result<Taken, Refusal>) {
        let add = |counter: &AtomicU64, spans: usize| counter.fetch_add(spans as u64, Ordering::Release);
        let all = spans(batch);
        let (failed, words) = match answer {
            Ok(Taken { rejected: 0, message }) => (0, message),
            Ok(Taken { rejected, message }) => {
                let words = message.unwrap_or_else(|| "no reason given".into());
                (rejected, Some(format!("the collector refused {rejected} of {all} spans: {words}")))
            }
            Err(refusal) => (all, Some(refusal.to_string())),
        };
        if failed == all {
            batch.iter().for_each(|span| self.outcome.lost.add(span.trace_id()));
        } else if failed > 0 {
            self.outcome.lost.add_unknown();
        }
        add(&self.shared.failed, failed);
        add(&self.shared.exported, all - failed);
        self.outcome.last_error = words.or(self.outcome.last_error.take());
    }
}
