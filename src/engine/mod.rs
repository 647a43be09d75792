//! *When* to do it: the schedule, the workers, and the phases of a run (prepare, warm up, measure, drain).
//!
//! Belongs here: the order of things in time. Does not belong: bytes on the wire ([`crate::milvus`]), numbers
//! ([`crate::measure`]). Invariants: every arrival of a stream's [`Schedule`] before the end gives exactly one
//! [`Sample`](crate::measure::Sample) (unless the run is stopped, then every arrival that came due); workers share
//! nothing while measuring but the newest write's timestamp.

mod error;
mod feed;
mod keeper;
mod loops;
mod plan;
pub mod prepare;
mod rate_profile;
mod request;
mod run;
mod schedule;
mod share;
mod slots;
mod state;
mod stop;
mod watch;
mod worker;

pub use error::EngineError;
pub use feed::{InsertSource, RowBlocks};
pub use keeper::Keeper;
pub use plan::{BusyWait, Plan, PlannedOperation, Requests, Tracing};
pub use rate_profile::RateProfile;
pub use run::{Execution, Finished};
pub use schedule::{Choice, Due, Schedule};
pub use share::{Arrivals, Shard, ShardError};
pub use slots::{Slots, SlotsError};
pub use stop::{Stop, StopReason};
