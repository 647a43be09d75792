//! *What it means*: intervals, comparison, experiment, capacity.
//!
//! Belongs here: pure functions from numbers to estimates, intervals and decisions. Does not belong: any clock, any
//! input or output, anything of Milvus. Invariant: every error rate and coverage that is claimed is simulated. What
//! is random comes from a seed that is handed in. Read [`Interval`] and [`Contrast`] first.

pub mod blocks;
pub mod capacity;
pub mod compare;
mod contrast;
mod cost_line;
mod episodes;
mod error;
pub mod huber;
mod interval;
mod linear;
pub mod overhead;
#[cfg(test)]
mod overhead_tests;
mod paired;
mod psychometric;
mod rank_interval;
mod scale;
#[cfg(test)]
mod simulations;
mod student;
mod summary;
mod welch;

pub use contrast::Contrast;
pub use cost_line::CostLine;
pub use episodes::{EpisodeStratum, FEWEST_EPISODES, Stratum, episodes_difference};
pub use error::StatsError;
pub use interval::Interval;
pub use paired::{one_sample, paired_logs};
pub use rank_interval::{NotTold, Ranked, quantile_difference};
pub use scale::Better;
pub use student::{
    CONFIDENCE, POWER, f_beyond, normal_below, normal_quantile, t_quantile, two_sided_p, two_sided_t,
};
pub use summary::Summary;
pub use welch::{welch, welch_logs};
