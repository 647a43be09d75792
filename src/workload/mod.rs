//! *What* to do: the TOML file, its validation, and the [`Workload`] that comes out of it.
mod model;
pub use model::*;
