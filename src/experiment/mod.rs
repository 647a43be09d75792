//! Several runs that answer one question: which runs, in which order, on which server.
//!
//! Belongs here: designing an experiment and carrying it out over [`run`](crate::run). Does not belong: what its numbers mean
//! ([`stats`](crate::stats)), how they are shown ([`report`](crate::report)), arguments and exit codes
//! ([`commands`](crate::commands)). Invariant: the order of everything that is compared is drawn from a seed that is told.

pub mod capacity;
mod follow;
mod site;
pub mod sweep;

pub use follow::{Follow, Unfollowed};
pub use site::{Held, Site};
