//! How a command ends: the exit code that scripts rely on, and what is said on stderr.

use crate::engine::StopReason;
use crate::run::RunError;

/// A command that did what it was asked, in the order of what prevails: the first that applies is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// The generator could not go on, and what it had measured was reported: 1.
    BrokenOff,
    /// Stopped by a signal; a partial report was written: 130 or 143.
    Stopped(StopReason),
    /// The numbers cannot be trusted: 4.
    Untrusted,
    /// A threshold is not met: 3.
    NotMet,
    /// What was asked after is not there (`embedded status` with none running), or is broken (`doctor`): 1.
    Absent,
    /// Done: 0.
    Done,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::BrokenOff | Self::Absent => 1,
            Self::Stopped(reason) => reason.exit_code(),
            Self::Untrusted => 4,
            Self::NotMet => 3,
            Self::Done => 0,
        }
    }
}

/// A command that could not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or a wrong workload file: 2.
    Usage(anyhow::Error),
    /// It could not run: 1.
    CouldNotRun(anyhow::Error),
    /// Stopped by a signal before there was anything to report: 130 or 143.
    Stopped(StopReason),
}

impl Failure {
    /// A usage error.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(error.into())
    }

    /// The process's exit code.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::CouldNotRun(_) => 1,
            Self::Stopped(reason) => reason.exit_code(),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(error) | Self::CouldNotRun(error) => write_chain(f, error),
            Self::Stopped(_) => write!(f, "stopped before anything was measured"),
        }
    }
}

/// The error and its causes in one line; a cause that has been quoted already is not told twice.
fn write_chain(f: &mut std::fmt::Formatter<'_>, error: &anyhow::Error) -> std::fmt::Result {
    let mut told = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told.push_str(": ");
            told.push_str(&cause);
        }
    }
    f.write_str(&told)
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::CouldNotRun(error.into())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Stopped(reason) => Self::Stopped(reason),
            RunError::Failed(error) => Self::CouldNotRun(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_prevail_over_distrust_and_distrust_over_thresholds() {
        let stopped = Exit::Stopped(StopReason::Interrupted);
        let mut all = [Exit::Done, Exit::NotMet, stopped, Exit::BrokenOff, Exit::Untrusted];
        all.sort();
        assert_eq!(all.map(Exit::code), [1, 130, 4, 3, 0]);
    }

    #[test]
    fn every_cause_is_told_and_none_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read x: {0}")]
        struct Quoting(#[source] std::io::Error);
        let missing = || std::io::Error::other("no such file");
        assert_eq!(Failure::from(Quoting(missing())).to_string(), "cannot read x: no such file");
        let silent = anyhow::Error::from(missing()).context("cannot start");
        assert_eq!(Failure::from(silent).to_string(), "cannot start: no such file");
    }
}
