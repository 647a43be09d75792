//! *How* to show it.
mod calendar;
mod from_recorded;
pub mod from_run;
pub mod model;
#[cfg(test)]
mod samples;
pub mod thresholds;
pub use from_recorded::Source;
pub use model::{RunReport, SCHEMA, schema};
