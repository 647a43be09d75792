//! One file per subcommand.
pub mod embedded;
pub mod progress;
