//! What stderr shows while a command works: lines that stay, and what moves: one line, or the view of a load.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::prepare::SetupProgress;
use crate::measure::LiveWorkers;
use crate::report::terminal::clean;
use crate::run::{Outline, RunProgress};
use crate::units::Nanos;

use super::live::{LiveView, Times, screen};

/// The progress of a run.
pub struct TerminalProgress {
    bar: ProgressBar,
    /// Of the load under way.
    view: Option<LiveView>,
    step: &'static str,
    /// Where there is one, it stands in the moving line, and no line stays.
    title: Option<String>,
    /// Where in its load an experiment is.
    heading: String,
}

impl TerminalProgress {
    /// Draws on stderr; without a terminal there, only the lines that stay.
    pub fn new() -> Self {
        Self { bar: bar(), view: None, step: "", title: None, heading: String::new() }
    }

    /// For a run that is one of many: only what moves, with this title.
    pub fn titled(title: &str) -> Self {
        Self { title: Some(title.to_owned()), ..Self::new() }
    }

    /// Puts this before the numbers of the load; other lines stay as before.
    pub(super) fn entitle(&mut self, heading: &str) {
        heading.clone_into(&mut self.heading);
    }

    /// Removes what moves.
    pub fn clear(&mut self) {
        self.end_view();
        self.bar.finish_and_clear();
    }

    fn end_view(&mut self) {
        if self.view.take().is_some() {
            self.bar = bar();
        }
    }

    fn spin(&mut self, message: &str) {
        self.bar.set_style(style("{spinner} {wide_msg} {elapsed}"));
        self.bar.enable_steady_tick(Duration::from_millis(120));
        self.bar.set_message(clean(message));
    }

    fn measure(&mut self, total: u64, template: &str) {
        self.bar.disable_steady_tick();
        self.bar.set_style(style(template));
        self.bar.set_length(total);
        self.bar.set_position(0);
        self.bar.reset_eta();
    }
}

impl Default for TerminalProgress {
    fn default() -> Self {
        Self::new()
    }
}

/// Nothing is drawn on a terminal that takes nothing: it would be waited for.
fn bar() -> ProgressBar {
    let draws = std::io::stderr().is_terminal() && screen::takes();
    let target = if draws { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    ProgressBar::with_draw_target(None, target)
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; were one wrong, the plain bar would do.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl RunProgress for TerminalProgress {
    fn say(&self, line: &str) {
        if line.is_empty() || self.title.is_some() {
            return;
        }
        match self.view {
            // It comes above what is drawn.
            Some(_) => super::say(line),
            None => self.bar.suspend(|| super::say(line)),
        }
    }

    fn starting(&mut self, outline: &Outline) {
        self.step = "run";
        self.clear();
        // One that was finished draws no more.
        self.bar = bar();
        self.view = Some(LiveView::begin(outline));
    }

    fn running(&mut self, now: Nanos, end: Nanos, warmup: Nanos, live: &LiveWorkers) {
        let title = self.title.as_deref().unwrap_or(&self.heading);
        if let Some(view) = &mut self.view {
            view.running(title, Times { now, end, warmup }, live);
        }
    }

    fn ending(&mut self) {
        self.step = "ending";
        self.end_view();
        self.spin("exporting the last spans");
    }

    fn server_spans(&mut self) {
        self.spin("waiting for the server's last spans");
    }
}

impl SetupProgress for TerminalProgress {
    fn step(&mut self, name: &'static str) {
        if self.step == name {
            return;
        }
        self.step = name;
        self.spin(&format!("set-up: {name}"));
    }

    fn rows(&mut self, done: u64, total: u64) {
        if done == 0 {
            self.measure(total, "set-up: insert {bar:24} {pos}/{len} rows  {per_sec}  {eta} left");
        }
        self.bar.set_position(done);
    }

    fn waiting(&mut self, missing: &str) {
        self.spin(&format!("set-up: {}: waiting for {missing}", self.step));
    }
}
