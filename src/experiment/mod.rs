//! Several runs, or several treatments within one, that answer one question: which, in which order, on which server.
//!
//! Belongs here: designing an experiment, carrying it out over [`run`](crate::run), and asking [`stats`](crate::stats) of the
//! reports that came out. Does not belong: statistics themselves, how results are shown ([`report`](crate::report)), arguments
//! and exit codes ([`commands`](crate::commands)). Invariant: the order of everything that is compared is drawn from a seed that is told.

pub mod capacity;
pub mod compare;
mod follow;
pub mod order;
pub mod overhead;
pub mod repeat;
mod site;
pub mod sweep;

pub use follow::{Follow, Unfollowed};
pub use site::{Held, Site, store_run};
