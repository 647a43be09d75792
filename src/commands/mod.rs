//! One file per subcommand, each reading like the sentence that describes it. Only `main` exits; everything here returns.

mod exit;
pub mod init;
mod measuring;
mod planning;
mod progress;
mod scrape;
mod settings;
mod signals;
mod target;
mod tracing;

pub use exit::{Exit, Failure};
