//! *What* happened.
mod sample;
pub use sample::{Outcome, Phase, Sample};
