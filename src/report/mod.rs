//! *How* to show it.
pub mod model;
pub use model::{RunReport, SCHEMA, schema};
