//! Who is told how an experiment goes on.

use crate::run::{RunProgress, Silent};

/// Follows an experiment from run to run.
pub trait Follow {
    /// Something worth keeping on the screen.
    fn say(&mut self, line: &str);
    /// A run begins, or with no title a set-up: who follows that.
    fn begin(&mut self, title: Option<&str>) -> &mut dyn RunProgress;
    /// It is over.
    fn end(&mut self);
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unfollowed(Silent);

impl Follow for Unfollowed {
    fn say(&mut self, _: &str) {}

    fn begin(&mut self, _: Option<&str>) -> &mut dyn RunProgress {
        &mut self.0
    }

    fn end(&mut self) {}
}
