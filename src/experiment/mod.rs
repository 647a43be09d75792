//! Several runs, or several treatments within one, that answer one question: which, in which order, on which server.
//!
//! Belongs here: designing an experiment and carrying it out over [`run`](crate::run). Does not belong: what its numbers mean
//! ([`stats`](crate::stats)), how they are shown ([`report`](crate::report)), arguments and exit codes
//! ([`commands`](crate::commands)). Invariant: the order of everything that is compared is drawn from a seed that is told.

pub mod capacity;
mod follow;
pub mod overhead;
mod site;
pub mod sweep;

pub use follow::{Follow, Unfollowed};
pub use site::{Held, Site};
