//! What stderr shows while a load goes on: a view that is drawn anew each second, or, where that is no terminal, a line now and then.
//!
//! Numbers come from the workers' counters ([`LastSeconds`]), become a [`Snapshot`], and this becomes lines of text, a pure function of it
//! and of the terminal's size ([`view`], [`plain`]). Only [`screen`] knows of a terminal. Everything here runs on the thread that
//! controls the run, once a second, and never waits: neither for a worker nor for a terminal that takes nothing.

mod bars;
mod line;
mod plain;
pub(super) mod screen;
mod snapshot;
#[cfg(test)]
mod terminal;
mod view;
mod words;

use crate::measure::{LastSeconds, LiveWorkers};
use crate::report::terminal::Style;
use crate::run::Outline;
use crate::units::Nanos;

use screen::Size;
use snapshot::Snapshot;
pub(super) use snapshot::Times;

/// Between two lines, where there is no terminal.
const LINE_EVERY: Nanos = Nanos::from_secs(10);

/// The view of one load.
pub(super) struct LiveView {
    outline: Outline,
    seconds: LastSeconds,
    style: Style,
    /// The newest, and at which size it was drawn.
    latest: Option<(Snapshot, Option<Size>)>,
    /// When the next line is due; `None`: a terminal is drawn on.
    next_line: Option<Nanos>,
}

impl LiveView {
    /// Begins, on the terminal that stderr is, or without one.
    pub fn begin(outline: &Outline) -> Self {
        Self {
            outline: outline.clone(),
            seconds: LastSeconds::default(),
            style: super::style::of_stderr(),
            latest: None,
            next_line: (!screen::open()).then_some(LINE_EVERY),
        }
    }

    /// Looks at the counters where a second has passed, and shows what has changed: they, or the terminal's size.
    pub fn running(&mut self, title: &str, times: Times, live: &LiveWorkers) {
        let now = times.now;
        if self.seconds.take(now, || live.read(now)) {
            let snapshot = Snapshot::of(title, times, &self.outline, &self.seconds);
            self.latest = Some((snapshot, None));
        }
        match self.next_line {
            Some(due) if now >= due => {
                self.next_line = Some(now - Nanos::new(now.get() % LINE_EVERY.get()) + LINE_EVERY);
                if let Some((snapshot, _)) = &self.latest {
                    super::say(&plain::line(snapshot));
                }
            }
            Some(_) => {}
            None => self.draw(),
        }
    }

    fn draw(&mut self) {
        let Some((snapshot, drawn)) = &mut self.latest else { return };
        let Some(size) = screen::size() else { return };
        if *drawn != Some(size) && screen::draw(&view::lines(snapshot, size, self.style)) {
            *drawn = Some(size);
        }
    }
}

/// However it ends, nothing is left half drawn.
impl Drop for LiveView {
    fn drop(&mut self) {
        if self.next_line.is_none() {
            screen::close();
        }
    }
}
