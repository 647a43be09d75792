//! What stderr shows while an experiment alternates arms: block and slot, never an effect.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::rc::Rc;

use crate::engine::prepare::SetupProgress;
use crate::experiment::overhead::Design;
use crate::measure::LiveWorkers;
use crate::run::{Outline, RunProgress, Settings};
use crate::units::Nanos;

use super::run_progress::TerminalProgress;

/// The progress of slots.
pub(super) struct SlotProgress {
    inner: TerminalProgress,
    warmup: Nanos,
    /// Of a slot, washout included.
    slot: Nanos,
    slots_per_block: u64,
    blocks: u64,
    block: u64,
    /// The half-width so far, as a share.
    known_to: Rc<Cell<Option<f64>>>,
    /// Without a terminal every block gets a line.
    lines: bool,
}

impl SlotProgress {
    pub fn new(settings: &Settings, design: &Design) -> Self {
        Self {
            inner: TerminalProgress::new(),
            warmup: settings.workload.load.warmup.into(),
            slot: Nanos::from(design.washout + design.slot),
            slots_per_block: design.fractions.len() as u64 + 2,
            blocks: design.blocks as u64,
            block: 0,
            known_to: Rc::default(),
            lines: !std::io::stderr().is_terminal(),
        }
    }

    /// Where to say how well the primary metric is known by now.
    pub fn known_to(&self) -> Rc<Cell<Option<f64>>> {
        Rc::clone(&self.known_to)
    }

    pub fn clear(&mut self) {
        self.inner.clear();
    }

    /// `block 3 of 21, slot 2 of 4, known to ±4.2 %`; nothing during the warm-up.
    fn place(&self, now: Nanos) -> String {
        if now < self.warmup {
            return String::new();
        }
        let slot = (now - self.warmup).get() / self.slot.get().max(1);
        let block = (slot / self.slots_per_block + 1).min(self.blocks);
        let known = self
            .known_to
            .get()
            .map_or_else(String::new, |share| format!(", known to \u{b1}{:.1} %", share * 100.0));
        format!(
            "block {block} of {}, slot {} of {}{known}",
            self.blocks,
            slot % self.slots_per_block + 1,
            self.slots_per_block
        )
    }
}

impl RunProgress for SlotProgress {
    fn say(&self, line: &str) {
        self.inner.say(line);
    }

    fn starting(&mut self, outline: &Outline) {
        self.inner.starting(outline);
    }

    fn running(&mut self, now: Nanos, end: Nanos, warmup: Nanos, live: &LiveWorkers) {
        let place = self.place(now);
        self.inner.entitle(&place);
        self.inner.running(now, end, warmup, live);
        let block = if now < warmup {
            0
        } else {
            (now - warmup).get() / self.slot.get().max(1) / self.slots_per_block
        };
        if self.lines && block > self.block && block < self.blocks {
            super::say(&place);
        }
        self.block = self.block.max(block);
    }

    fn ending(&mut self) {
        self.inner.ending();
    }

    fn server_spans(&mut self) {
        self.inner.server_spans();
    }
}

impl SetupProgress for SlotProgress {
    fn step(&mut self, name: &'static str) {
        self.inner.step(name);
    }

    fn rows(&mut self, done: u64, total: u64) {
        self.inner.rows(done, total);
    }

    fn waiting(&mut self, missing: &str) {
        self.inner.waiting(missing);
    }
}
