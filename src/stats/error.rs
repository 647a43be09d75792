//! Why a statistic cannot be computed.

/// What is wrong with the values.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// Fewer than the method needs.
    #[error("there are {have} values, and at least {need} are needed")]
    TooFew {
        /// How many there are.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// It has no logarithm.
    #[error("{value} is not a finite number above 0, so it cannot be compared as a ratio")]
    NotPositive {
        /// The value.
        value: f64,
    },
    /// It is not a number, or infinite.
    #[error("{value} is not a finite number")]
    NotFinite {
        /// The value.
        value: f64,
    },
    /// Pairs of which one half is missing.
    #[error(
        "pairs need as many values on one side as on the other, and there are {baseline} and {candidate}"
    )]
    NotPaired {
        /// On the one side.
        baseline: usize,
        /// On the other.
        candidate: usize,
    },
    /// A slot that the design does not have, or that was given twice.
    #[error("block {block} does not hold every arm once")]
    NotComplete {
        /// Which, from 0.
        block: usize,
    },
}

/// Natural logarithms.
///
/// # Errors
/// Where a value is not finite or not above 0.
pub(super) fn logs(values: &[f64]) -> Result<Vec<f64>, StatsError> {
    values.iter().map(|&value| log(value)).collect()
}

/// Natural logarithm.
///
/// # Errors
/// Where the value is not finite or not above 0.
pub(super) fn log(value: f64) -> Result<f64, StatsError> {
    if value.is_finite() && value > 0.0 { Ok(value.ln()) } else { Err(StatsError::NotPositive { value }) }
}
