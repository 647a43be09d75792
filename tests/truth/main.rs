//! The numbers against the truth: the engine and the binary against servers whose behaviour is known to the request.
//!
//! No assertion here asks the machine to be quick. Where a time is judged, it is against what the server wrote down, or
//! against the other times of the same run. What must have happened is waited for, in the server's log, and not slept for.

#[path = "../common/closed_port.rs"]
mod closed_port;
#[path = "../common/tool.rs"]
mod tool;
#[path = "../common/verdict.rs"]
mod verdict;

mod accounting;
mod arms;
mod bookkeeping;
mod broken;
mod capacity;
mod clocks;
mod collection;
mod collector_cost;
mod compare;
mod connections;
mod cpu;
mod database;
mod journal;
mod lies;
mod live;
mod lock;
mod lookups;
mod merge;
mod metrics_page;
mod overhead;
mod phases;
mod repeat;
mod replaced;
mod sampled;
mod scribe;
mod shards;
mod slots;
mod stages;
mod stall;
mod support;
mod sweep;
mod tls;
mod wire;
