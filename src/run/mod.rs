//! *One run* as a value: the server that it drives, the collection made ready on it, the load, what was seen, and the
//! report that is made of it.
//!
//! Belongs here: whatever an experiment repeats and a command only names. Does not belong: arguments, exit codes, drawing on a
//! terminal ([`commands`](crate::commands)).

mod assemble;
mod error;
mod evidence;
pub mod machine;
mod measuring;
pub mod planning;
mod progress;
mod scrape;
mod settings;
mod target;
pub mod tracing;

pub use assemble::report;
pub use error::RunError;
pub use measuring::{Identity, Observed, measure};
pub use progress::RunProgress;
pub use settings::Settings;
pub use target::{ChosenTarget, TargetKind};
