//! A run as JUnit XML, which CI systems show: a test case for each threshold, and one for the verdict.
//!
//! The elements and attributes are those that Jenkins, GitLab and GitHub's report actions read:
//! <https://github.com/testmoapp/junitxml>.

use std::io::{self, Write};

use super::model::{RunReport, Severity, State, Threshold};
use super::terminal::clean;
use super::terminal::summary::value_of;

/// What became of a test case.
enum Ending {
    Passed,
    Failure(String),
    Error(String),
    Skipped(String),
}

struct Case {
    name: String,
    ending: Ending,
}

/// Writes it. Numbers that cannot be trusted decide no threshold, unless that is allowed.
///
/// # Errors
/// Where the writer fails.
pub fn render(report: &RunReport, allow_untrusted: bool, out: &mut dyn Write) -> io::Result<()> {
    let decides = report.verdict.trusted || allow_untrusted;
    let mut cases: Vec<Case> =
        report.thresholds.iter().map(|threshold| threshold_case(threshold, decides)).collect();
    cases.push(verdict_case(report, allow_untrusted));
    suite(&report.run.name, Some((&report.run.started, report.run.measured_s)), &cases, out)
}

/// Writes that the run has not come to its end: what is there until it has, so that nobody takes an older file for its result.
///
/// # Errors
/// Where the writer fails.
pub fn unfinished(name: &str, out: &mut dyn Write) -> io::Result<()> {
    let ending = Ending::Error("the run did not come to its end".to_owned());
    suite(name, None, &[Case { name: VERDICT.to_owned(), ending }], out)
}

const VERDICT: &str = "verdict";

fn threshold_case(threshold: &Threshold, decides: bool) -> Case {
    let value = value_of(threshold);
    let ending = match threshold.met {
        _ if !decides => Ending::Error(format!("the numbers cannot be trusted; it was {value}")),
        Some(true) => Ending::Passed,
        Some(false) => Ending::Failure(format!("not met: it was {value}")),
        None => Ending::Error(format!("cannot be judged: {value}")),
    };
    Case { name: threshold.expression.clone(), ending }
}

fn verdict_case(report: &RunReport, allow_untrusted: bool) -> Case {
    let errors = report.verdict.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let errors: Vec<&str> = errors.map(|finding| finding.message.as_str()).collect();
    let words = match errors.as_slice() {
        [] => "the numbers cannot be trusted".to_owned(),
        errors => errors.join("; "),
    };
    let ending = match (report.run.state, report.verdict.trusted) {
        (State::Interrupted | State::Failed, _) => {
            Ending::Error(format!("the run is {}", report.run.state.name()))
        }
        (State::Complete, true) => Ending::Passed,
        (State::Complete, false) if allow_untrusted => {
            Ending::Skipped(format!("not trusted, and allowed: {words}"))
        }
        (State::Complete, false) => Ending::Error(words),
    };
    Case { name: VERDICT.to_owned(), ending }
}

fn suite(name: &str, ran: Option<(&str, f64)>, cases: &[Case], out: &mut dyn Write) -> io::Result<()> {
    let count = |is: fn(&Ending) -> bool| cases.iter().filter(|case| is(&case.ending)).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        cases.len(),
        count(|ending| matches!(ending, Ending::Failure(_))),
        count(|ending| matches!(ending, Ending::Error(_))),
        count(|ending| matches!(ending, Ending::Skipped(_))),
    );
    let when = ran.map_or_else(String::new, |(started, seconds)| {
        format!(" timestamp=\"{}\" time=\"{seconds:.3}\"", escaped(started))
    });
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"milvus-load\" {counts}>")?;
    writeln!(out, "  <testsuite name=\"{}\" {counts}{when}>", escaped(name))?;
    for Case { name: case, ending } in cases {
        let attributes =
            format!("classname=\"milvus-load.{}\" name=\"{}\" time=\"0\"", escaped(name), escaped(case));
        match ending {
            Ending::Passed => writeln!(out, "    <testcase {attributes}/>")?,
            Ending::Failure(words) => element(out, &attributes, "failure", words)?,
            Ending::Error(words) => element(out, &attributes, "error", words)?,
            Ending::Skipped(words) => element(out, &attributes, "skipped", words)?,
        }
    }
    writeln!(out, "  </testsuite>")?;
    writeln!(out, "</testsuites>")
}

fn element(out: &mut dyn Write, attributes: &str, name: &str, words: &str) -> io::Result<()> {
    writeln!(out, "    <testcase {attributes}>")?;
    writeln!(out, "      <{name} message=\"{}\"/>", escaped(words))?;
    writeln!(out, "    </testcase>")
}

/// Text for an attribute: on one line, without characters that XML 1.0 does not have.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in clean(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn text(report: &RunReport, allow_untrusted: bool) -> String {
        let mut bytes = Vec::new();
        render(report, allow_untrusted, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Elements are closed in order, and nothing within quotes could end them.
    #[track_caller]
    fn is_well_formed(xml: &str) {
        let body = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
        let mut open = Vec::new();
        for tag in body.split('<').skip(1) {
            let (tag, after) = tag.split_once('>').expect("an end");
            assert!(after.trim().is_empty() && tag.matches('"').count() % 2 == 0, "{tag:?} {after:?}");
            assert!(tag.chars().all(|c| !c.is_control()), "{tag:?}");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') => {}
                None => open.push(tag.split(' ').next().unwrap()),
            }
        }
        assert!(open.is_empty(), "{open:?}");
        for entity in xml.split('&').skip(1) {
            assert!(
                ["amp;", "lt;", "gt;", "quot;"].iter().any(|known| entity.starts_with(known)),
                "{entity}"
            );
        }
    }

    #[test]
    fn a_threshold_that_is_not_met_fails_with_its_value() {
        let text = text(&samples::full(), false);
        is_well_formed(&text);
        assert!(
            text.contains("<testsuite name=\"search\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\""),
            "{text}"
        );
        let case = "<testcase classname=\"milvus-load.search\" name=\"search.response.p99 &lt; 50ms\" time=\"0\">\n      \
                    <failure message=\"not met: it was 1.98 s\"/>";
        assert!(text.contains(case), "{text}");
        assert!(text.contains("name=\"verdict\" time=\"0\"/>"), "{text}");
    }

    #[test]
    fn what_cannot_be_trusted_or_judged_is_an_error_unless_it_is_allowed() {
        let mut report = samples::full();
        report.verdict.trusted = false;
        let told = text(&report, false);
        is_well_formed(&told);
        assert!(told.contains("failures=\"0\" errors=\"2\" skipped=\"0\""), "{told}");
        let allowed = text(&report, true);
        assert!(allowed.contains("failures=\"1\" errors=\"0\" skipped=\"1\""), "{allowed}");
        report.verdict.trusted = true;
        report.thresholds[0].met = None;
        assert!(text(&report, false).contains("failures=\"0\" errors=\"1\""));
    }

    #[test]
    fn every_sample_and_a_run_without_an_end_are_well_formed() {
        for (_, mut report) in samples::all() {
            report.run.name = "a \"b\" <c> & \u{1b}[31m\u{0}\u{ffff}".into();
            is_well_formed(&text(&report, false));
        }
        let mut bytes = Vec::new();
        unfinished("search", &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        is_well_formed(&text);
        assert!(text.contains("errors=\"1\"") && text.contains("did not come to its end"), "{text}");
    }
}
