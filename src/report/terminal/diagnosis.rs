//! A diagnosis in a terminal: what to do first, then every check in the order of a trace's way.

use std::io::{self, Write};

use super::super::model::{Check, CheckCause, CheckState, Diagnosis};
use super::WIDTH;
use super::table::{Style, Tone, wrap};
use super::words::clean;

/// Columns before what was seen.
const INDENT: usize = 33;

/// `again` is the command that was typed, `well` what to type where nothing is broken.
///
/// # Errors
/// Where the writer fails.
pub fn render(
    diagnosis: &Diagnosis,
    (again, well): (&str, &str),
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    summary(diagnosis, style, out)?;
    writeln!(out)?;
    // What the summary says need not be said again.
    let mut told: Vec<&str> = diagnosis
        .first_failed()
        .and_then(|check| check.cause.as_ref())
        .map(|cause| cause.code.as_str())
        .into_iter()
        .collect();
    for alike in diagnosis.checks.chunk_by(is_told_as_one) {
        lines(alike, &mut told, style, out)?;
    }
    let next = if diagnosis.healthy { well } else { again };
    writeln!(out, "\n  {}  {}", style.paint(Tone::Dim, "next   "), clean(next))
}

/// The first broken link, and what to do about it.
fn summary(diagnosis: &Diagnosis, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let of = |state| diagnosis.checks.iter().filter(|check| check.state == state).count();
    let Some(broken) = diagnosis.first_failed() else {
        let unknown = match of(CheckState::Unknown) {
            0 => String::new(),
            count => format!(", {count} unknown"),
        };
        let text = format!(
            "Traces work: Milvus exports, and its spans join the client's ({} ok{unknown})",
            of(CheckState::Ok)
        );
        // Nothing that failed is not yet a trace that was seen.
        let was_seen = diagnosis
            .checks
            .iter()
            .any(|check| check.name == "traces.sampled" && check.state == CheckState::Ok);
        return match was_seen {
            true => writeln!(out, "{}", style.paint(Tone::Good, &text)),
            false => {
                writeln!(
                    out,
                    "{}",
                    style
                        .paint(Tone::Warning, &format!("Nothing is broken as far as could be seen{unknown}"))
                )
            }
        };
    };
    let problem = broken.cause.as_ref().map_or(broken.name.as_str(), |cause| &cause.problem);
    let text = capital(&format!("{}: {}", clean(problem), clean(&broken.seen)));
    for line in wrap(&text, WIDTH) {
        writeln!(out, "{}", style.paint(Tone::Bad, &line))?;
    }
    let Some(cause) = &broken.cause else { return Ok(()) };
    let fix = clean(&cause.fix);
    // What is to be copied stays in one piece.
    let is_typed = fix.contains("milvus-load ") || fix.contains("://");
    let fix = if is_typed { vec![fix] } else { wrap(&fix, WIDTH - 5) };
    for (index, line) in fix.iter().enumerate() {
        let label = if index == 0 { "Fix: " } else { "     " };
        writeln!(out, "{label}{}", style.paint(Tone::Strong, line))?;
    }
    Ok(())
}

/// What could not be told for one reason is one line.
fn is_told_as_one(one: &Check, other: &Check) -> bool {
    let is_bare = |check: &Check| check.state == CheckState::Unknown && check.cause.is_none();
    is_bare(one) && is_bare(other) && one.seen == other.seen && part(&one.name) == part(&other.name)
}

/// `traces` of `traces.sampled`.
fn part(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Checks that are told as one.
fn lines<'a>(
    alike: &'a [Check],
    told: &mut Vec<&'a str>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let [check, others @ ..] = alike else { return Ok(()) };
    let tone = match check.state {
        CheckState::Ok => Tone::Good,
        CheckState::Failed => Tone::Bad,
        CheckState::Unknown => Tone::Warning,
    };
    let state = style.paint(tone, &format!("{:<7}", check.state.name()));
    let name = match others {
        [] => clean(&check.name),
        _ => format!("{}.* ({})", clean(part(&check.name)), alike.len()),
    };
    for (index, line) in wrap(&clean(&check.seen), WIDTH - INDENT).iter().enumerate() {
        match index {
            0 => writeln!(out, "  {state}  {name:<20}  {line}")?,
            _ => writeln!(out, "{:INDENT$}{line}", "")?,
        }
    }
    let Some(cause) = &check.cause else { return Ok(()) };
    let label = if check.state == CheckState::Failed { "fix" } else { "note" };
    let text = advice(check, cause, told);
    for (index, line) in wrap(&text, WIDTH - INDENT - label.len() - 2).iter().enumerate() {
        let label = if index == 0 { format!("{label}: ") } else { " ".repeat(label.len() + 2) };
        writeln!(out, "{:INDENT$}{}{line}", "", style.paint(Tone::Dim, &label))?;
    }
    Ok(())
}

/// A fix that has been told already is not told twice.
fn advice<'a>(check: &Check, cause: &'a CheckCause, told: &mut Vec<&'a str>) -> String {
    let is_known = told.contains(&cause.code.as_str());
    told.push(&cause.code);
    match (check.state, is_known) {
        (_, true) => "as above".to_owned(),
        (CheckState::Failed, false) => clean(&cause.fix),
        (CheckState::Ok | CheckState::Unknown, false) => {
            format!("{}; {}", clean(&cause.problem), clean(&cause.fix))
        }
    }
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::super::super::model::DIAGNOSIS_SCHEMA;
    use super::*;

    fn check(name: &str, state: CheckState, seen: &str, code: Option<&str>) -> Check {
        let cause = code.map(|code| CheckCause {
            code: code.to_owned(),
            problem: format!("the problem of {code}"),
            fix: format!("the fix of {code}"),
        });
        Check { name: name.to_owned(), state, seen: seen.to_owned(), cause }
    }

    fn text(checks: Vec<Check>) -> String {
        let mut diagnosis = Diagnosis {
            schema: DIAGNOSIS_SCHEMA.to_owned(),
            version: "0".to_owned(),
            started: String::new(),
            healthy: true,
            broken: None,
            milvus: String::new(),
            otlp_endpoint: String::new(),
            jaeger: None,
            checks,
        };
        diagnosis.broken = diagnosis.first_failed().map(|check| check.name.clone());
        diagnosis.healthy = diagnosis.broken.is_none();
        let mut out = Vec::new();
        let next = ("milvus-load doctor --uri http://x", "milvus-load run w.toml");
        render(&diagnosis, next, Style::Plain, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_first_broken_link_and_its_fix_come_first_and_the_same_command_last() {
        let text = text(vec![
            check("milvus.connection", CheckState::Ok, "it answers", None),
            check("milvus.configuration", CheckState::Failed, "exporter noop", Some("exporter_off")),
            check("jaeger.api", CheckState::Unknown, "not asked", None),
            check("traces.sampled", CheckState::Failed, "no span", Some("exporter_off")),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "The problem of exporter_off: exporter noop");
        assert_eq!(lines[1], "Fix: the fix of exporter_off");
        assert_eq!(text.matches("the fix of").count(), 1, "in the summary alone:\n{text}");
        for part in [
            "  ok       milvus.connection",
            "  failed   milvus.config",
            "  unknown  jaeger.api",
            "fix: as above",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        assert!(text.trim_end().ends_with("next     milvus-load doctor --uri http://x"), "{text}");
    }

    #[test]
    fn what_works_says_so_and_notes_what_is_worth_knowing() {
        let ok = check("traces.sampled", CheckState::Ok, "8 spans", None);
        let noted = check("traces.own_fraction", CheckState::Ok, "0 of 300", Some("own_fraction_zero"));
        let all = text(vec![ok, noted]);
        assert!(all.starts_with("Traces work: ") && all.contains("(2 ok)"), "{all}");
        assert!(all.trim_end().ends_with("next     milvus-load run w.toml"), "{all}");
        assert!(all.contains("note: the problem of own_fraction_zero; the fix of"), "{all}");
        let unseen = text(vec![check("traces.sampled", CheckState::Unknown, "not told", None)]);
        assert!(unseen.starts_with("Nothing is broken as far as could be seen, 1 unknown\n"), "{unseen}");
    }

    #[test]
    fn what_could_not_be_told_for_one_reason_is_one_line() {
        let unknown = |name| check(name, CheckState::Unknown, "not told", None);
        let text = text(vec![unknown("jaeger.api"), unknown("traces.a"), unknown("traces.b")]);
        assert_eq!(text.matches("not told").count(), 2, "{text}");
        assert!(text.contains("unknown  traces.* (2)          not told"), "{text}");
    }

    #[test]
    fn a_command_to_type_is_not_cut() {
        let mut broken = check("milvus.configuration", CheckState::Failed, "x", Some("x"));
        let fix = format!("milvus-load embedded stop, then milvus-load {}", "x ".repeat(60).trim_end());
        broken.cause.as_mut().unwrap().fix.clone_from(&fix);
        assert!(text(vec![broken]).contains(&fix));
    }

    #[test]
    fn no_line_is_wider_than_a_hundred_columns_and_none_steers_the_terminal() {
        let long = "many words ".repeat(40) + "\u{1b}[2J\r\n";
        let text = text(vec![check("traces.sampled", CheckState::Failed, &long, Some("x"))]);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text:?}");
    }
}
