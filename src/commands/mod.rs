//! One file per subcommand, each reading like the sentence that describes it.
pub mod report;
pub mod schema;
