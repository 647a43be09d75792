//! Why a run brought nothing to report.

use crate::engine::StopReason;

/// A run that ended before there was anything to report.
#[derive(Debug)]
pub enum RunError {
    /// A signal came.
    Stopped(StopReason),
    /// Something kept it from being measured.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for RunError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
