//! Checks in the making.

use super::cause::Cause;
use crate::report::model::{Check, CheckCause, CheckState};

impl Cause {
    pub(super) fn told(&self) -> CheckCause {
        CheckCause { code: self.code().to_owned(), problem: self.problem().to_owned(), fix: self.fix() }
    }
}

pub(super) fn ok(name: &str, seen: impl Into<String>) -> Check {
    check(name, CheckState::Ok, seen, None)
}

/// As it should be, with something worth knowing.
pub(super) fn noted(name: &str, seen: impl Into<String>, cause: &Cause) -> Check {
    check(name, CheckState::Ok, seen, Some(cause))
}

pub(super) fn failed(name: &str, seen: impl Into<String>, cause: &Cause) -> Check {
    check(name, CheckState::Failed, seen, Some(cause))
}

pub(super) fn unknown(name: &str, why: impl Into<String>) -> Check {
    check(name, CheckState::Unknown, why, None)
}

/// It could not be told, and what would let it be.
pub(super) fn unknown_because(name: &str, why: impl Into<String>, cause: &Cause) -> Check {
    check(name, CheckState::Unknown, why, Some(cause))
}

fn check(name: &str, state: CheckState, seen: impl Into<String>, cause: Option<&Cause>) -> Check {
    Check { name: name.to_owned(), state, seen: seen.into(), cause: cause.map(Cause::told) }
}
