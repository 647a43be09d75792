//! `[load]`: when requests start, and on how many connections and threads.
//!
//! Belongs here: what a stream is. Does not belong here: its rate over the run, which is [`Rates`]', and when its requests are
//! due, which is [`Schedule`](crate::engine::Schedule)'s.

use std::time::Duration;

use super::Rates;
use crate::units::Nanos;

/// `[load]`, what all streams share.
#[derive(Clone, Debug)]
pub struct Load {
    /// The streams: first that of `[load]` (if any operation uses it), then operations with a rate or concurrency of their own.
    pub streams: Vec<Stream>,
    /// Per open stream: due and not done, at most; 1 or more.
    pub max_in_flight: u32,
    /// Connections in total, 1 or more.
    pub connections: u32,
    /// Worker threads; `None`: what the machine can spare, at most `connections`.
    pub workers: Option<u32>,
    /// Whether workers busy-wait for the last moments before a request is due.
    pub spin: Spin,
    /// Discarded lead-in.
    pub warmup: Duration,
    /// The measured window; with stages, all of theirs.
    pub duration: Duration,
    /// How long to wait for what is in flight at the end.
    pub drain: Duration,
    /// Decides arrivals, which operation each is and which of its requests it sends, where that is not the data's seed: the
    /// windows of an experiment differ in it.
    pub arrival_seed: Option<u64>,
}

/// `load.spin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spin {
    /// Where it costs little CPU, or where the machine has cores to spare.
    Auto,
    On,
    Off,
}

impl Load {
    /// When each stage of the window begins, from its start: wherever a stage of any stream does. The first is 0; no other
    /// means that no rate changes.
    pub fn stage_starts(&self) -> Vec<Nanos> {
        let mut starts = vec![Nanos::ZERO];
        for stream in &self.streams {
            if let LoadModel::Open { rate, .. } = &stream.model {
                starts.extend(rate.starts());
            }
        }
        starts.sort_unstable();
        starts.dedup();
        starts
    }
}

/// One arrival process with the operations that share it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// `load`, or the operation's name.
    pub name: String,
    pub model: LoadModel,
    /// Indexes into [`Workload::operations`](super::Workload::operations) with their weights (above 0).
    pub shares: Vec<(usize, f64)>,
}

/// When requests start.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadModel {
    /// At their own times, whatever the server does.
    Open {
        /// Requests per second, over the run.
        rate: Rates,
        arrival: Arrival,
    },
    /// The next when the last is done, in so many slots.
    Closed {
        /// Slots, 1 or more.
        concurrency: u32,
    },
}

/// How the gaps of an open stream are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Equal gaps.
    Constant,
    /// Exponential gaps: independent arrivals.
    Poisson,
}
