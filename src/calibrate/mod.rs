//! Whether the numbers are true: servers of known delays, what a perfect measurement of them would say, and how far
//! from it a real one may be on this machine.
//!
//! Belongs here: the scenarios and their truths, the judging of measured against true percentiles, the machine's
//! own noise by bare system calls, the search for a highest rate. Does not belong: driving the engine, which
//! `commands/calibrate` does in the same way as `run`.
//!
//! Invariant: the truth of a scenario is its law composed with its schedule, and nothing that was measured goes
//! into it. Guarded by `the_truth_is_that_of_the_published_closed_forms`. Read [`Scenario`] first, then
//! [`judge()`].

mod highest;
mod judge;
mod noise;
pub mod probe;
mod scenario;

pub use highest::{Highest, highest};
pub use judge::{Floor, Judging, Measured, agreed, bound, judge, proof, rows};
pub use noise::{Added, Noises};
pub use scenario::{DIM, Scenario, Set, WORKLOAD};
