//! Progress of getting and starting the embedded Milvus, drawn on stderr where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::Stop;
use crate::milvus::embedded::{Progress, Step};

/// Draws a bar or a spinner per step; on anything but a terminal, one line per step.
#[derive(Debug)]
pub struct Bars {
    bar: Option<ProgressBar>,
    stop: Stop,
}

impl Bars {
    /// Every step ends once `stop` is raised.
    pub fn new(stop: &Stop) -> Self {
        Self { bar: None, stop: stop.clone() }
    }
}

impl Progress for Bars {
    fn begin(&mut self, step: Step, total: Option<u64>) {
        let bar = match total {
            Some(total) => {
                ProgressBar::new(total).with_style(style("{msg} {bar:30} {percent:>3} %  {eta} left"))
            }
            None => ProgressBar::new_spinner().with_style(style("{spinner} {msg}  {elapsed}")),
        };
        bar.set_message(step.title());
        if bar.is_hidden() {
            super::say(step.title());
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        self.bar = Some(bar);
    }

    fn advance(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_raised()
    }
}

/// A failed step leaves no bar behind in the middle of its error.
impl Drop for Bars {
    fn drop(&mut self) {
        self.end();
    }
}

fn style(template: &str) -> ProgressStyle {
    // A template that indicatif cannot read costs its looks, not the run.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_templates_are_ones_that_indicatif_reads() {
        for template in ["{msg} {bar:30} {percent:>3} %  {eta} left", "{spinner} {msg}  {elapsed}"] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
