//! Where the runs of an experiment take place, and where their reports are kept: `runs/<time>-<id>/` beneath its directory.

use std::path::PathBuf;

use crate::engine::Stop;
use crate::report::RunReport;
use crate::report::experiment::RunReference;
use crate::report::model::State;
use crate::report::store::{REPORT_FILE, RunDirectory};
use crate::run::{self, CollectionLock, Identity, Ready, Record, RunError, Server, Settings, Sharing};

use super::follow::Follow;

/// What all runs of an experiment share.
pub struct Site<'a> {
    /// The server under load.
    pub server: &'a Server,
    /// The experiment's directory.
    pub directory: &'a RunDirectory,
    /// The experiment; its runs tell its command as their own.
    pub identity: &'a Identity,
    /// Ends the run under way, and the experiment with it.
    pub stop: &'a Stop,
}

/// A collection that is ready, and kept to this experiment.
pub struct Held<'a> {
    /// The collection.
    pub ready: Ready<'a>,
    _kept_to_this_experiment: Option<CollectionLock>,
}

impl<'a> Site<'a> {
    /// Makes the collection ready; with a title, that is told as that of one run of many.
    ///
    /// # Errors
    /// As [`Server::prepare`], and where another run has it.
    pub fn prepare(
        &self,
        settings: &Settings,
        title: Option<&str>,
        follow: &mut dyn Follow,
    ) -> Result<Held<'a>, RunError> {
        let lock = self.server.lock(&settings.workload, self.identity, Sharing::Alone)?;
        let ready = self.server.prepare(settings, self.stop, follow.begin(title));
        follow.end();
        Ok(Held { ready: ready?, _kept_to_this_experiment: lock })
    }

    /// One run on it, whose report is stored.
    ///
    /// # Errors
    /// As [`Ready::drive`], and where the report cannot be stored.
    pub fn run(
        &self,
        held: &mut Held<'_>,
        settings: &Settings,
        (title, label): (&str, &str),
        follow: &mut dyn Follow,
    ) -> Result<(RunReport, RunReference), RunError> {
        let identity = Identity::new(self.identity.command.clone())?;
        let requests = held.ready.requests(settings)?;
        let observed = held.ready.drive(settings, &requests, &identity, self.stop, follow.begin(Some(title)));
        follow.end();
        let record = Record::new(settings, self.server, identity, observed?);
        let report = run::report(std::slice::from_ref(&record), &[])?;
        let reference = self.store(&report, record.identity.started_unix_us, label)?;
        Ok((report, reference))
    }

    fn store(&self, report: &RunReport, started: u64, label: &str) -> anyhow::Result<RunReference> {
        let directory = RunDirectory::create(self.directory.path(), "runs", started, &report.run.id)?;
        directory.write_report(report)?;
        let name = directory.path().file_name().map(PathBuf::from).unwrap_or_default();
        let path = PathBuf::from("runs").join(name).join(REPORT_FILE);
        Ok(RunReference {
            id: report.run.id.clone(),
            label: label.to_owned(),
            report: path.display().to_string(),
            trusted: report.verdict.trusted,
        })
    }
}

/// Sees that a run came to its end; after a signal that is not asked.
///
/// # Errors
/// Where it did not: a part of its load is missing.
pub fn whole(report: &RunReport) -> anyhow::Result<()> {
    let (id, state) = (&report.run.id, report.run.state);
    anyhow::ensure!(
        state == State::Complete,
        "run {id} could not go on ({}); the experiment holds those that were complete",
        state.name()
    );
    Ok(())
}
