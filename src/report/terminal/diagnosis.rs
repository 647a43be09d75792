//! A diagnosis in a terminal: what to do first, then every check in the order of a trace's way.

use std::io::{self, Write};

use super::super::model::{Check, CheckCause, CheckState, Diagnosis};
use super::WIDTH;
use super::table::{Style, Tone, wrap};
use super::words::clean;

/// Columns before what was seen.
const INDENT: usize = 33;

/// `again` is the command that was typed.
///
/// # Errors
/// Where the writer fails.
pub fn render(diagnosis: &Diagnosis, again: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    summary(diagnosis, style, out)?;
    writeln!(out)?;
    let mut told: Vec<&str> = Vec::new();
    for check in &diagnosis.checks {
        line(check, &mut told, style, out)?;
    }
    let next = match diagnosis.healthy {
        true if diagnosis.checks.iter().any(|check| check.name == "traces.search") => {
            "milvus-load slow latest"
        }
        true => "milvus-load run workloads/search.toml, then milvus-load slow latest",
        false => again,
    };
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
        let text = format!("traces work: {} ok{unknown}", of(CheckState::Ok));
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
                        .paint(Tone::Warning, &format!("nothing is broken as far as could be seen{unknown}"))
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
    for (index, line) in wrap(&clean(&cause.fix), WIDTH - 5).iter().enumerate() {
        let label = if index == 0 { "Fix: " } else { "     " };
        writeln!(out, "{label}{}", style.paint(Tone::Strong, line))?;
    }
    Ok(())
}

fn line<'a>(check: &'a Check, told: &mut Vec<&'a str>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let tone = match check.state {
        CheckState::Ok => Tone::Good,
        CheckState::Failed => Tone::Bad,
        CheckState::Unknown => Tone::Warning,
    };
    let state = style.paint(tone, &format!("{:<7}", check.state.name()));
    let name = clean(&check.name);
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
        render(&diagnosis, "milvus-load doctor --uri http://x", Style::Plain, &mut out).unwrap();
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
        assert_eq!(text.matches("the fix of").count(), 2, "in the summary and once below:\n{text}");
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
        assert!(all.starts_with("traces work: 2 ok\n"), "{all}");
        assert!(all.contains("note: the problem of own_fraction_zero; the fix of"), "{all}");
        let unseen = text(vec![check("traces.sampled", CheckState::Unknown, "not told", None)]);
        assert!(unseen.starts_with("nothing is broken as far as could be seen, 1 unknown\n"), "{unseen}");
    }

    #[test]
    fn no_line_is_wider_than_a_hundred_columns_and_none_steers_the_terminal() {
        let long = "many words ".repeat(40) + "\u{1b}[2J\r\n";
        let text = text(vec![check("traces.sampled", CheckState::Failed, &long, Some("x"))]);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text:?}");
    }
}
