//! One run of the engine in the way of `run`: workload, session, plan, workers, report.

use crate::clock::RunClock;
use crate::engine::Stop;
use crate::report::RunReport;
use crate::report::model::{Dist, LateTimes, Operation};
use crate::run::{self, Identity, Metrics, Record, Server, Settings};
use crate::trace::env::OtelEnv;
use crate::workload;

use super::super::Failure;
use super::super::run_progress::TerminalProgress;

/// Drives servers one after the other, and tells on stderr what it does.
pub(super) struct Driver<'a> {
    stop: &'a Stop,
    /// What the moving line says.
    title: String,
}

/// What came of it.
pub(super) struct Driven {
    /// As `run` would write it.
    pub(super) report: RunReport,
    /// What it was made of.
    pub(super) record: Record,
    /// The clock that it was measured by.
    pub(super) clock: RunClock,
}

impl<'a> Driver<'a> {
    /// `stop` ends the run under way, and with it all.
    pub(super) const fn new(stop: &'a Stop) -> Self {
        Self { stop, title: String::new() }
    }

    /// Says what comes next.
    pub(super) fn say(&mut self, title: &str, what: &str) {
        title.clone_into(&mut self.title);
        super::super::say(&format!("calibrate: {title} ({what})"));
    }

    /// Carries a workload out. Neither the environment nor any file has a say in it.
    ///
    /// # Errors
    /// Where it could not be measured, or a signal came.
    pub(super) fn drive(&self, uri: &str, text: &str) -> Result<Driven, Failure> {
        let workload = workload::load_text("calibration", text, &[])?;
        let settings = Settings { workload, otel: OtelEnv::default(), notices: vec![] };
        let server = Server::named(uri.parse()?, Metrics::Told(vec![]));
        let identity = Identity {
            run_id: "calibration".to_owned(),
            command: "milvus-load calibrate".to_owned(),
            started_unix_us: 0,
            part: None,
        };
        let mut progress = TerminalProgress::titled(&self.title);
        let observed = server.prepare(&settings, self.stop, &mut progress).and_then(|mut ready| {
            let requests = ready.requests(&settings)?;
            ready.drive(&settings, &requests, &identity, self.stop, &mut progress)
        });
        progress.clear();
        let observed = observed?;
        if let Some(reason) = self.stop.reason() {
            return Err(Failure::Stopped(reason));
        }
        let clock = observed.driven.finished.clock;
        let record = Record::new(&settings, &server, identity, observed);
        Ok(Driven { report: run::report(std::slice::from_ref(&record), &[])?, record, clock })
    }
}

impl Driven {
    /// The one operation that there is.
    ///
    /// # Errors
    /// Where the report lacks it, which would be a bug.
    pub(super) fn search(&self) -> Result<&Operation, Failure> {
        let search = self.report.operations.get("search");
        search.ok_or_else(|| anyhow::anyhow!("the report has no searches; please report this").into())
    }
}

/// The few numbers that are told of being late.
pub(super) fn late(dist: &Dist) -> LateTimes {
    LateTimes { p50_us: dist.p50_us, p99_us: dist.p99_us, max_us: dist.max_us }
}
