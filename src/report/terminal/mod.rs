//! The report as a summary in a terminal, at most 100 columns wide (links and paths may be longer).
//!
//! From the top: what ran, whether to trust it, the numbers per operation and per stage, errors, the slowest requests, findings with
//! their remedies, thresholds; last the paths and the next command.

mod attribution;
pub mod calibration;
pub mod diagnosis;
mod fetched;
pub mod one;
mod sampling;
mod sections;
mod setup;
pub mod slow;
#[cfg(test)]
mod slow_tests;
mod stages;
pub(in crate::report) mod waterfall;
/// What a summary says, for other renderings of it.
pub(in crate::report) mod summary {
    pub(in crate::report) use super::attribution::{HEADING as ATTRIBUTION_HEADING, Told, cells, rest, told};
    pub(in crate::report) use super::sampling::{LEFT_OUT as SAMPLING_LEAVES_OUT, sentence as sampling};
    pub(in crate::report) use super::sections::{
        RANKS, clocks, count_rows, error_rows, facts, load, met, percent, rate, severity_words, span, target,
        time, time_row, unknown, value_of, verdict_words,
    };
    pub(in crate::report) use super::setup::sentence as setup;
    pub(in crate::report) use super::stages::{NOTE as STAGES_NOTE, planned, rows as stage_rows, short};
}
pub(in crate::report) mod table;
pub(in crate::report) mod words;

use std::io::{self, Write};

pub use fetched::{Answer, SPANS_MISSING};
pub use table::Style;
pub(crate) use table::Tone;
pub use words::clean;

use super::model::RunReport;

/// What the caller knows and the report does not.
#[derive(Clone, Debug, Default)]
pub struct Footer {
    /// Paths to name at the end: what it is, where it is.
    pub paths: Vec<(String, String)>,
    /// The next command to type.
    pub next: Option<String>,
}

/// Slowest requests shown.
const SLOWEST: usize = 10;
/// Columns.
pub(in crate::report) const WIDTH: usize = 100;

/// # Errors
/// Where the writer fails.
pub fn render(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    sections::header(report, style, out)?;
    sections::setup(report, style, out)?;
    sections::verdict_line(report, style, out)?;
    sections::counts(report, style, out)?;
    sections::times(report, style, out)?;
    sampling::lines(report, style, out)?;
    stages::table_of(report, style, out)?;
    sections::errors(report, style, out)?;
    sections::slowest(report, style, SLOWEST, out)?;
    attribution::lines(report, style, out)?;
    sections::thresholds(report, style, out)?;
    sections::findings(report, style, out)
}

/// Writes what comes last.
///
/// # Errors
/// Where the writer fails.
pub fn footer(footer: &Footer, style: Style, out: &mut dyn Write) -> io::Result<()> {
    sections::footer(footer, style, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn text(report: &RunReport) -> String {
        let mut bytes = Vec::new();
        let last = Footer {
            paths: vec![("report".into(), "reports/search/20231114T221320.123Z-1a2b3c4d/report.json".into())],
            next: Some("milvus-load slow latest".into()),
        };
        render(report, Style::Plain, &mut bytes).unwrap();
        footer(&last, Style::Plain, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// The words of the line that begins with these words.
    #[track_caller]
    fn line(text: &str, begin: &str) -> String {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines()
            .map(words)
            .find(|line| line.starts_with(begin))
            .unwrap_or_else(|| panic!("no {begin:?} in\n{text}"))
    }

    #[test]
    fn no_line_is_wider_than_a_hundred_columns_but_for_links_and_paths() {
        for (name, report) in samples::all() {
            for line in
                text(&report).lines().filter(|line| !line.contains("://") && !line.contains("reports/"))
            {
                assert!(line.chars().count() <= WIDTH, "{name}: {line:?}");
            }
        }
    }

    #[test]
    fn a_full_run_shows_its_numbers_by_clock() {
        let text = text(&samples::full());
        assert_eq!(
            line(&text, "target"),
            "target http://127.0.0.1:19530 (Milvus 2.3.5, embedded, database shop)"
        );
        assert_eq!(
            line(&text, "set-up").replace('\u{a0}', " "),
            "set-up 3.18 s: inspect 4.00 ms, create 80.0 ms, insert 2.10 s, ready 1.00 s"
        );
        assert_eq!(line(&text, "search 2,000"), "search 2,000 2,000 0 0 0 100.0 100.0");
        // 1 to 2,000 ms, each once; the slowest is search 857 (857 * 7 mod 2,000 = 1,999), 0x359.
        assert_eq!(line(&text, "search response"), "search response 1.00 s 1.80 s 1.98 s too few 2.00 s");
        assert_eq!(line(&text, "lag"), "lag 100 us 100 us 100 us too few 100 us");
        assert_eq!(
            line(&text, "search 2.00 s"),
            "search 2.00 s 2.00 s 100 us succeeded 000000000000000000000000abc00359 no"
        );
        assert!(text.contains("http://localhost:16686/trace/000000000000000000000000abc0"), "{text}");
        assert!(text.trim_end().ends_with("milvus-load slow latest"), "{text}");
    }

    #[test]
    fn an_unknown_percentile_says_why_and_is_never_a_number() {
        let text = text(&samples::unknown());
        assert_eq!(
            line(&text, "search response"),
            "search response 50.0 ms unanswered unanswered unanswered 80.0 ms"
        );
        assert_eq!(line(&text, "search 100"), "search 100 80 5 10 5 5.0 4.0");
    }

    #[test]
    fn where_all_failed_the_errors_are_told_by_class_and_cannot_steer_the_terminal() {
        let text = text(&samples::all_failed());
        assert!(
            line(&text, "search response")
                .ends_with("unanswered unanswered unanswered unanswered unanswered")
        );
        assert!(line(&text, "search 100 14 0").ends_with("connection refused"));
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn an_empty_and_an_interrupted_run_say_so() {
        assert!(text(&samples::empty()).contains("nothing was offered"));
        let interrupted = text(&samples::interrupted());
        assert!(interrupted.contains("interrupted") && interrupted.contains("7.50 s"), "{interrupted}");
    }

    #[test]
    fn stages_are_told_with_their_rates_and_only_where_there_are_any() {
        let text = text(&samples::staged());
        assert!(line(&text, "load").contains("3 stages"), "{text}");
        assert_eq!(line(&text, "0 to 8 s insert"), "0 to 8 s insert closed 40 0 5.0 5.00 ms too few too few");
        assert_eq!(line(&text, "search 20/s"), "search 20/s 160 0 20.0 10.0 ms 10.0 ms too few");
        assert_eq!(
            line(&text, "search 20 to 80/s"),
            "search 20 to 80/s 400 4 50.0 20.0 ms 20.0 ms unanswered"
        );
        // Stopped half way through the last one.
        assert_eq!(line(&text, "search 80 to 40/s"), "search 80 to 40/s 60 0 30.0 10.0 ms too few too few");
        assert!(!super::tests::text(&samples::full()).contains("stage"));
    }

    #[test]
    fn a_calibration_before_the_run_is_told_at_its_head() {
        let calibrated = RunReport { calibration: Some(samples::calibration()), ..samples::full() };
        assert!(
            line(&text(&calibrated), "proof").starts_with("proof calibration: WRONG: 1 of 3 percentiles")
        );
        assert!(!text(&samples::full()).contains("calibration"));
    }

    #[test]
    fn findings_come_with_cause_and_remedy() {
        let text = text(&samples::full());
        assert!(line(&text, "note").contains("share this machine's cores"));
        assert!(line(&text, "cause").contains("beside the generator"));
        assert!(line(&text, "remedy").contains("--uri"));
        assert_eq!(line(&text, "verdict"), "verdict trusted (1 note)");
        assert_eq!(line(&text, "not met"), "not met search.response.p99 < 50ms (1.98 s)");
    }

    /// Prints them for a person to look at: `cargo test --lib terminal -- --ignored --nocapture`.
    #[test]
    #[ignore = "prints the sample reports for a person to look at"]
    fn show() {
        for (name, report) in samples::all() {
            println!("=== {name}\n{}", text(&report));
        }
    }
}
