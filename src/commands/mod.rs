//! One file per subcommand, each reading like the sentence that describes it. Only `main` exits; everything here returns.

mod exit;
mod planning;
mod settings;
mod signals;
mod target;
mod tracing;

pub use exit::{Exit, Failure};
