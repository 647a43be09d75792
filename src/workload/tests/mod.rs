//! The loader as a whole.

mod anything;
mod defaults;
mod precedence;
mod shipped;
mod wrong;

use super::{Override, Problem, Workload, WorkloadError, load_text};

/// The least that runs.
const LEAST: &str = "[load]\nrate = 5\n[[operations]]\nkind = \"search\"\n";

#[track_caller]
pub(super) fn loaded(text: &str, overrides: &[Override]) -> Workload {
    load_text("w", text, overrides).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn problems(text: &str, overrides: &[Override]) -> Vec<Problem> {
    match load_text("w", text, overrides) {
        Err(WorkloadError::Invalid(problems)) => problems,
        other => panic!("expected problems, got {other:?}"),
    }
}

fn set(argument: &str) -> Override {
    Override::set(argument).expect("is key=value")
}
