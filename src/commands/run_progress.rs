//! What stderr shows while a command works: lines that stay, and one line that moves (only on a terminal).

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::LiveTotals;
use crate::engine::prepare::SetupProgress;
use crate::report::terminal::clean;
use crate::run::RunProgress;
use crate::units::Nanos;

/// The progress of a run.
pub struct TerminalProgress {
    bar: ProgressBar,
    last: Option<(Nanos, LiveTotals)>,
    step: &'static str,
    /// Where there is one, it stands in the moving line, and no line stays.
    title: Option<String>,
    /// What stands before the numbers, where anything does.
    heading: String,
}

impl TerminalProgress {
    /// Draws on stderr; without a terminal there, only the lines that stay.
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            last: None,
            step: "",
            title: None,
            heading: String::new(),
        }
    }

    /// For a run that is one of many: only the moving line, with this title.
    pub fn titled(title: &str) -> Self {
        Self { title: Some(title.to_owned()), ..Self::new() }
    }

    /// Puts this before the numbers of the moving line; other lines stay as before.
    pub(super) fn entitle(&mut self, heading: &str) {
        heading.clone_into(&mut self.heading);
    }

    /// Removes the moving line.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
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

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; were one wrong, the plain bar would do.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl RunProgress for TerminalProgress {
    fn say(&self, line: &str) {
        if !line.is_empty() && self.title.is_none() {
            self.bar.suspend(|| super::say(line));
        }
    }

    fn running(&mut self, now: Nanos, end: Nanos, warmup: Nanos, totals: LiveTotals) {
        if self.step != "run" {
            self.step = "run";
            self.measure(end.get() / 1_000_000, "{bar:24} {wide_msg}");
        }
        let Some((then, before)) = self.last else {
            self.last = Some((now, totals));
            return;
        };
        // Rates over about a second, so that they can be read.
        let span = now - then;
        if span < Nanos::from_millis(900) {
            self.bar.set_position(now.get() / 1_000_000);
            return;
        }
        self.last = Some((now, totals));
        let per_second = |count: u64, earlier: u64| (count - earlier) as f64 / span.as_secs_f64();
        let phase = match () {
            () if now < warmup => "warming up",
            () if now < end => "measuring",
            () => "draining",
        };
        let title = self.title.as_deref().unwrap_or(&self.heading);
        let title = if title.is_empty() { String::new() } else { format!("{title}: ") };
        self.bar.set_message(format!(
            "{title}{phase} {:.0}/{:.0} s  {:.0}/s offered  {:.0}/s ok  {} in flight  {} unsuccessful",
            now.as_secs_f64().min(end.as_secs_f64()),
            end.as_secs_f64(),
            per_second(totals.offered, before.offered),
            per_second(totals.succeeded, before.succeeded),
            totals.in_flight,
            totals.unsuccessful,
        ));
        self.bar.set_position(now.get() / 1_000_000);
    }

    fn ending(&mut self) {
        self.step = "ending";
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
