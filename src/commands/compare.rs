//! `compare`: find the runs, see that they may be compared, compare them, tell, end as the comparison says.

use std::path::Path;

use anyhow::anyhow;

use crate::cli::{CompareArgs, ComparisonFormat};
use crate::experiment::compare::{self, Asked, CompareError, FailAbove, Found, Question, Runs};
use crate::report::circumstances::is_beneath;
use crate::report::experiment::{Comparison, DecisionOutcome, Difference, Experiment, Weight, listed};
use crate::report::{RunReport, html, json};
use crate::run::Identity;

use super::output::Output;
use super::{Exit, Failure, command_line, style};

/// Carries out `compare`.
///
/// # Errors
/// Where a report cannot be read; as usage where the runs may not be compared, or are too few to decide on.
pub fn run(args: &CompareArgs) -> Result<Exit, Failure> {
    let found = compare::gather(&args.reports, &args.out).map_err(|error| match args.reports.len() {
        // Most likely another one was forgotten.
        1 => Failure::usage(error),
        _ => Failure::from(error),
    })?;
    found.notes.iter().for_each(|note| super::say(&format!("note: {note}")));
    refuse_incomplete(&found)?;
    refuse_differences(&found, args.allow_differences.as_deref())?;
    let fail = |limit| FailAbove { limit, single_run: args.single_run, drift: args.allow_drift };
    let question = Question {
        paired: found.paired,
        stopped: !found.complete,
        allow_untrusted: args.allow_untrusted,
        metric: args.metric.as_deref(),
        asked: Asked { fail_above: args.fail_above.map(fail) },
    };
    let comparison = compare::analyse(&found.groups, question).map_err(failure)?;
    let identity = Identity::new(command_line::as_typed(std::env::args()))?;
    let exit = exit(&comparison, args.allow_untrusted);
    let about = compare::About { identity: &identity, seed: found.seed, complete: found.complete };
    let experiment = compare::experiment(about, &found.groups, |id| path(&found, id), comparison);
    let format = if args.json { ComparisonFormat::Json } else { args.format };
    show(&experiment, format)?;
    Ok(exit)
}

fn path(found: &Found, id: &str) -> String {
    found.paths.get(id).map_or_else(String::new, |path| path.display().to_string())
}

/// What was typed wrong, as opposed to what cannot be read.
pub fn failure(error: CompareError) -> Failure {
    match error {
        CompareError::NoMetric { .. }
        | CompareError::NothingInCommon
        | CompareError::NoIntervalWithinRuns { .. }
        | CompareError::TooFew(_) => Failure::usage(error),
        CompareError::Histogram(_) => Failure::from(error),
    }
}

fn show(experiment: &Experiment, format: ComparisonFormat) -> std::io::Result<()> {
    let mut out = Output::stdout();
    match format {
        ComparisonFormat::Text => experiment.document().terminal(style::of_stdout(), &mut out),
        ComparisonFormat::Markdown => experiment.document().markdown(&mut out),
        ComparisonFormat::Html => {
            // The paths of its runs are as they were typed: from where this runs.
            html::render_experiment(experiment, &html::Runs::beside(Path::new("")), &mut out)
        }
        ComparisonFormat::Json => json::render(experiment, &mut out),
    }
}

/// Numbers that cannot be trusted, or are too noisy, decide nothing.
pub fn exit(comparison: &Comparison, allow_untrusted: bool) -> Exit {
    let undecided = comparison.decision.outcome == DecisionOutcome::CannotSay || comparison.untrusted() > 0;
    match comparison.decision.outcome {
        _ if undecided && !allow_untrusted => Exit::Untrusted,
        DecisionOutcome::Regressed => Exit::NotMet,
        _ => Exit::Done,
    }
}

/// A window that was cut short, or that a part of the load was missing from, is not the one that was asked for.
fn refuse_incomplete(found: &Found) -> Result<(), Failure> {
    let line = |(report, path): (&RunReport, &Path)| {
        format!("  {} ({}): {}", report.run.id, path.display(), report.run.state.name())
    };
    let mut lines: Vec<String> = found.incomplete().map(line).collect();
    // One may be compared with itself.
    lines.dedup();
    if lines.is_empty() {
        return Ok(());
    }
    let lines = lines.join("\n");
    Err(Failure::usage(anyhow!("only runs that came to their end are compared, and these did not:\n{lines}")))
}

/// Runs of another workload or another server are another measurement.
fn refuse_differences(found: &Found, allowed: Option<&[String]>) -> Result<(), Failure> {
    let runs: Vec<_> = found.groups.iter().map(|group| group.reports.iter().collect()).collect();
    let differences = compare::between(&runs);
    let is_allowed = |key: &str| {
        found.varied.iter().any(|varied| varied == key)
            || allowed
                .is_some_and(|keys| keys.iter().any(|allowed| allowed.is_empty() || is_beneath(key, allowed)))
    };
    let is_refused =
        |difference: &Difference| difference.weight == Weight::Decides && !is_allowed(&difference.key);
    let refused: Vec<&Difference> = differences.iter().filter(|difference| is_refused(difference)).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let mut lines = vec!["the runs differ in more than their numbers:".to_owned()];
    lines
        .extend(differences.iter().map(|difference| line(difference, &found.groups, is_refused(difference))));
    let keys = refused.iter().map(|difference| difference.key.as_str()).collect::<Vec<_>>().join(",");
    lines.push(format!("to compare them all the same: --allow-differences, or --allow-differences={keys}"));
    Err(Failure::usage(anyhow!("{}", lines.join("\n"))))
}

/// `  load.rate: A 100, B 200`.
fn line(difference: &Difference, groups: &[Runs], is_refused: bool) -> String {
    let of = |(group, values): (&Runs, &Vec<_>)| format!("{} {}", group.label, listed(values));
    let values = groups.iter().zip(&difference.values).map(of).collect::<Vec<_>>().join(", ");
    let note = if is_refused { "" } else { " (may differ)" };
    format!("  {}: {values}{note}", difference.key)
}
