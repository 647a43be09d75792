//! One file per subcommand, each reading like the sentence that describes it. Only `main` exits; everything here returns.

mod assemble;
mod dry_run;
pub mod embedded;
mod evidence;
mod exit;
pub mod init;
mod machine;
mod measuring;
mod planning;
pub mod progress;
pub mod run;
mod run_progress;
mod scrape;
mod settings;
mod signals;
mod target;
mod tracing;

pub use exit::{Exit, Failure};
