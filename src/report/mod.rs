//! *How* to show it: the report's shape, where it is kept, and one small file per format.
//!
//! Belongs here: turning what was measured into [`RunReport`], judging thresholds on it, writing and reading it. A renderer
//! sees a `RunReport` and a writer: no clock, no environment, no server. Does not belong: fetching anything.
//!
//! Invariant: report.json is the one source; every rendering can be made from it alone, and says of every unknown number
//! that it is unknown. Read [`model`] first, then [`Source`].
//!
//! A report is made in this order: [`RunReport::new`], [`RunReport::fill`] from the record, [`thresholds::judge`], the verdict
//! (its evidence takes what `judge` found too few), then [`store::RunDirectory::write_report`].

pub mod attribution;
mod calendar;
pub mod circumstances;
pub mod csv;
pub mod document;
pub mod experiment;
mod from_recorded;
pub mod from_run;
pub mod hlog;
pub mod html;
pub mod index;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod model;
mod parts;
#[cfg(test)]
mod report_tests;
#[cfg(test)]
pub(crate) mod samples;
mod sampling;
pub mod store;
pub mod terminal;
pub mod thresholds;
pub mod traces;
pub mod waterfall;

pub use calendar::rfc3339;
pub use from_recorded::Source;
pub use model::{RunReport, SCHEMA, calibration_schema, diagnosis_schema, schema};
