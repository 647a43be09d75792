//! Comparing runs: what may be compared, on which numbers, and what follows.
//!
//! Read [`Runs`] first, then [`analyse`].

mod analysis;
mod assembly;
mod change;
mod decision;
mod differences;
mod metrics;
#[cfg(test)]
mod samples;
mod sources;

pub use analysis::{CompareError, Question, Runs, analyse};
pub use assembly::{About, experiment};
pub use decision::{Asked, FailAbove};
pub use differences::between;
pub use metrics::MetricKey;
pub use sources::{Found, gather, labels};
