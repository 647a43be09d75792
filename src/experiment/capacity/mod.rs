//! The highest rate that holds a service level: one window after the other, each at the rate that those before ask for.
//!
//! Belongs here: what a probe is, which probes count, when the search ends. Which rate comes next and what all probes say together is
//! [`stats::capacity`](crate::stats::capacity)'s.

mod digits;
mod probe;
mod search;
mod state;
mod terms;

pub use search::search;
pub use terms::{Terms, Unsuitable};
