//! The shape of an experiment's result, `milvus-load/experiment/1`: a promise to people's scripts, like that of a report.
//!
//! Belongs here: every type that is written to experiment.json, and the [`Document`] that is made of each. Within `/1` fields are
//! only added. Unknown is null with a reason beside it, never 0.

pub mod capacity;
mod compare;
pub(in crate::report) mod compare_document;
pub(in crate::report) mod compare_numbers;
pub(in crate::report) mod compare_sentence;
mod figures;
pub mod overhead;
pub(in crate::report) mod overhead_document;
pub(in crate::report) mod overhead_sentence;
mod plot;
#[cfg(test)]
pub(crate) mod samples;
mod scatter;
pub mod sweep;
pub(in crate::report) mod words;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use capacity::Capacity;
pub use figures::Figures;
pub use sweep::Sweep;

use super::document::Document;
use super::model::{Machine, Server};
use super::store::{RunDirectory, StoreError};

pub use compare::{
    Change, ChangeVerdict, Comparison, Decision, DecisionOutcome, Difference, Direction, Estimate, Group,
    Metric, NoValue, RunOrder, RunValue, Seen, Spread, Unit, UntrustedRun, Weight,
};
pub use compare_numbers::{listed, percent, signed_percent};

/// The schema's name, first field of every experiment.
pub const EXPERIMENT_SCHEMA: &str = "milvus-load/experiment/1";

/// The file's name within an experiment's directory.
pub const EXPERIMENT_FILE: &str = "experiment.json";

/// A whole experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Experiment {
    /// Always `milvus-load/experiment/1`.
    #[schemars(extend("const" = EXPERIMENT_SCHEMA))]
    pub schema: String,
    /// Which one it was.
    pub experiment: About,
    /// The server under load; null where there is not one for all runs.
    pub server: Option<Server>,
    /// The machine that generated the load; null where there is not one for all runs.
    pub machine: Option<Machine>,
    /// The runs that it is made of, in the order of their start.
    pub runs: Vec<RunReference>,
    /// What was found.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What tells an experiment from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct About {
    /// 8 hex digits.
    pub id: String,
    /// The workload's name.
    pub name: String,
    /// The command, as typed.
    pub command: String,
    /// The version of milvus-load.
    pub version: String,
    /// When it was started, RFC 3339.
    pub started: String,
    /// The seed of everything that was drawn, as text.
    pub seed: String,
    /// Whether it came to its end.
    pub complete: bool,
}

/// A run of an experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunReference {
    /// The run's ID.
    pub id: String,
    /// What it was in the experiment, such as `A` or `load.rate=200`.
    pub label: String,
    /// Its report, relative to experiment.json where it lies beneath it.
    pub report: String,
    /// Whether its numbers can be trusted.
    pub trusted: bool,
}

/// What an experiment found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// Groups of runs against the first of them, or how far the runs of one lie apart.
    Compare(Box<Comparison>),
    /// The highest rate that holds a service level.
    Capacity(Box<Capacity>),
    /// A grid of settings.
    Sweep(Box<Sweep>),
    /// What tracing costs at each sample fraction.
    Overhead(Box<overhead::Overhead>),
}

impl Experiment {
    /// What it says, for people.
    pub fn document(&self) -> Document {
        match &self.outcome {
            Outcome::Compare(comparison) => compare_document::document(self, comparison),
            Outcome::Capacity(capacity) => capacity::document(self, capacity),
            Outcome::Sweep(sweep) => sweep::document(self, sweep),
            Outcome::Overhead(overhead) => overhead_document::of(self, overhead),
        }
    }

    /// As its command is called.
    pub fn kind(&self) -> &'static str {
        match &self.outcome {
            // `run --repeat` alone.
            Outcome::Compare(comparison) if comparison.groups.len() == 1 => "repeat",
            Outcome::Compare(_) => "compare",
            Outcome::Capacity(_) => "capacity",
            Outcome::Sweep(_) => "sweep",
            Outcome::Overhead(_) => "overhead",
        }
    }

    /// What it found, or where that takes more than a sentence, what it was about.
    pub fn headline(&self) -> String {
        let document = self.document();
        let (title, text) = (document.title(), document.first_text());
        let told = match self.outcome {
            // Its text says what a capacity means.
            Outcome::Capacity(_) => title,
            Outcome::Compare(_) | Outcome::Overhead(_) | Outcome::Sweep(_) => text.or(title),
        };
        told.unwrap_or_default().to_owned()
    }

    /// The comparison, where it is one.
    pub fn comparison(&self) -> Option<&Comparison> {
        let Outcome::Compare(comparison) = &self.outcome else { return None };
        Some(comparison)
    }

    /// Writes it, whole or not at all, and says where.
    ///
    /// # Errors
    /// Where the disk is full, or the directory is gone.
    pub fn write(&self, directory: &RunDirectory) -> Result<PathBuf, StoreError> {
        let path = directory.path().join(EXPERIMENT_FILE);
        let mut text = Vec::new();
        super::json::render(self, &mut text).map_err(|source| StoreError::Write { path, source })?;
        directory.write_file(EXPERIMENT_FILE, &text)
    }

    /// Reads one back.
    ///
    /// # Errors
    /// Where the file cannot be read, is damaged, or is not an experiment that this version reads.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        super::store::read_as(path, EXPERIMENT_SCHEMA)
    }
}

/// The experiment's JSON Schema, draft 2020-12.
pub fn experiment_schema() -> serde_json::Value {
    schemars::schema_for!(Experiment).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::terminal::Style;

    #[test]
    fn what_is_written_is_read_back_and_fits_the_schema() {
        let base = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(base.path(), "search", 1_700_000_000_000_000, "1").unwrap();
        let validator = jsonschema::validator_for(&experiment_schema()).unwrap();
        for outcome in samples::outcomes() {
            let experiment = samples::experiment(outcome);
            let path = experiment.write(&directory).unwrap();
            assert_eq!(Experiment::read(&path).unwrap(), experiment);
            let value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let wrong: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{wrong:?}");
        }
    }

    #[test]
    fn what_was_found_fits_a_sentence() {
        let told = |outcome| samples::experiment(outcome).headline();
        assert!(
            told(Outcome::Overhead(Box::new(samples::overhead())))
                .starts_with("Tracing every request costs +6.1 %")
        );
        assert_eq!(
            told(Outcome::Capacity(Box::new(samples::capacity()))),
            "capacity of search: 312/s (95 % 289..371)"
        );
        for outcome in samples::outcomes() {
            let headline = told(outcome);
            assert!((10..400).contains(&headline.chars().count()), "{headline}");
        }
    }

    #[test]
    fn an_overhead_experiment_is_shown_within_its_columns() {
        let document = samples::experiment(Outcome::Overhead(Box::new(samples::overhead()))).document();
        let mut text = Vec::new();
        document.terminal(Style::Plain, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for words in
            ["costs +6.1 % search p50", "at 0.1", "Against the noise", "Slots over time", "upper bounds"]
        {
            assert!(text.contains(words), "{words:?} is missing in\n{text}");
        }
        let mut markdown = Vec::new();
        document.markdown(&mut markdown).unwrap();
        assert!(String::from_utf8(markdown).unwrap().starts_with("## what tracing costs: search\n"));
    }

    fn both_forms(outcome: Outcome) -> [String; 2] {
        let document = samples::experiment(outcome).document();
        let (mut terminal, mut markdown) = (Vec::new(), Vec::new());
        document.terminal(Style::Plain, &mut terminal).unwrap();
        document.markdown(&mut markdown).unwrap();
        [terminal, markdown].map(|text| String::from_utf8(text).unwrap())
    }

    #[track_caller]
    fn shows(text: &str, all: &[&str]) {
        for words in all {
            assert!(text.contains(words), "{words:?} is missing in\n{text}");
        }
    }

    #[test]
    fn a_capacity_is_shown_with_its_interval_its_knee_and_every_probe() {
        let [terminal, markdown] = both_forms(Outcome::Capacity(Box::new(samples::capacity())));
        let answer = "capacity of search: 312/s (95 % 289..371)";
        assert!(terminal.starts_with(answer) && markdown.starts_with(&format!("## {answer}")), "{terminal}");
        shows(
            &terminal,
            &[
                "5, of which 3 held, 1 did not, and 1 are left out",
                "between 200/s and 282.8/s",
                "unanswered",
                "longer --budget",
            ],
        );
        shows(&terminal, &["left out: generator_late", "taken as it was", "seed    42"]);
        assert!(terminal.lines().all(|line| line.chars().count() <= 100), "{terminal}");
    }

    #[test]
    fn a_rate_beyond_all_probes_is_said_to_be_that() {
        let beyond = capacity::Capacity { rate_per_s: Some(450.0), ..samples::capacity() };
        let text = both_forms(Outcome::Capacity(Box::new(beyond)))[0].replace("\n  ", " ");
        shows(&text, &["No probe went that far", "400/s"]);
    }

    #[test]
    fn every_end_of_a_search_is_told_with_what_to_do() {
        let text = |conclusion| {
            let capacity = samples::capacity();
            let none = capacity::Capacity {
                conclusion,
                rate_per_s: None,
                low_per_s: None,
                high_per_s: None,
                lowest_failed_per_s: None,
                ..capacity
            };
            both_forms(Outcome::Capacity(Box::new(none)))[0].split_whitespace().collect::<Vec<_>>().join(" ")
        };
        use capacity::Conclusion as C;
        shows(&text(C::GeneratorGaveUp), &["at least 282.8/s, where the generator gave up", "more cores"]);
        shows(&text(C::HoldsAtNoRate), &["holds at no rate", "down to 11.26/s", "longer --window"]);
        shows(&text(C::BudgetSpent), &["at least 282.8/s, then the budget was spent", "longer --budget"]);
        shows(&text(C::Untrusted), &["cannot be trusted", "remedies"]);
        shows(&text(C::Stopped), &["at least 282.8/s so far, stopped"]);
    }

    #[test]
    fn a_rate_that_is_known_is_told_however_the_search_ended() {
        use capacity::Conclusion as C;
        for (conclusion, words) in [
            (C::GeneratorGaveUp, "312/s (95 % 289..371) so far, then the generator gave up"),
            (C::Untrusted, "312/s (95 % 289..371) so far, then the probes could not be trusted"),
            (C::Stopped, "312/s (95 % 289..371) so far, stopped"),
        ] {
            let capacity = capacity::Capacity { conclusion, ..samples::capacity() };
            let text = both_forms(Outcome::Capacity(Box::new(capacity)))[1].clone();
            assert!(text.contains(words) && !text.contains("at least"), "{text}");
        }
        let failed = capacity::Capacity {
            conclusion: C::GeneratorGaveUp,
            rate_per_s: None,
            lowest_failed_per_s: Some(100.0),
            ..samples::capacity()
        };
        let text = both_forms(Outcome::Capacity(Box::new(failed)))[1].clone();
        assert!(text.contains("not found, where the generator gave up"), "{text}");
    }

    #[test]
    fn the_drift_of_a_sweep_is_told_where_its_control_runs_can_be_trusted() {
        let told = |trusted: [bool; 2]| {
            let mut sweep = samples::sweep();
            sweep.points[0].runs.iter_mut().zip(trusted).for_each(|(run, trusted)| run.trusted = trusted);
            sweep.keep(|_| true);
            both_forms(Outcome::Sweep(Box::new(sweep)))[1].split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let both = told([true, true]);
        shows(&both, &["run 2 times throughout, varied by 10 % and changed by +10 %", "mean nothing"]);
        let one = told([true, false]);
        shows(&one, &["run 2 times throughout, is not known: fewer than two"]);
        assert!(!one.contains("mean nothing"), "{one}");
    }

    #[test]
    fn a_sweep_is_shown_as_table_curve_and_heat_with_what_is_missing() {
        let [terminal, markdown] = both_forms(Outcome::Sweep(Box::new(samples::sweep())));
        shows(
            &terminal,
            &["sweep of search over load.concurrency and operations.search.params.ef: 4 points"],
        );
        shows(&terminal, &["4 of 6", "--resume", "concurrency", "trusted but 1 left out: short_of_cpu"]);
        shows(
            &terminal,
            &[
                "not trusted: short_of_cpu",
                "not run",
                "too few",
                "concurrency \\ ef",
                "2.00 ms ··",
                "3.00 ms ██",
            ],
        );
        shows(&terminal, &["response time over throughput"]);
        shows(&markdown, &["## sweep of search", "```text", "concurrency \\ ef"]);
    }
}
