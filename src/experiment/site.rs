//! Where the runs of an experiment take place, and where their reports are kept: `runs/<time>-<id>/` beneath its directory.

use crate::engine::Stop;
use crate::report::experiment::RunReference;
use crate::report::model::State;
use crate::report::store::RunDirectory;
use crate::report::traces::{self, named_in};
use crate::report::{RunReport, html};
use crate::run::{self, CollectionLock, Identity, Ready, Record, RunError, Server, Settings, Sharing};

use crate::trace::kept::KeptTrace;

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
        let say = &mut |line: &str| follow.say(line);
        let reference = store_run(self.directory, (&report, &record.kept), &record.identity, label, say)?;
        Ok((report, reference))
    }
}

/// Stores the report of a run beneath its experiment, with its page and the traces that were kept. That these cannot be stored is told and
/// changes nothing.
///
/// # Errors
/// Where the report cannot be stored.
pub fn store_run(
    experiment: &RunDirectory,
    (report, kept): (&RunReport, &[KeptTrace]),
    identity: &Identity,
    label: &str,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<RunReference> {
    let directory =
        RunDirectory::create(experiment.path(), "runs", identity.started_unix_us, &identity.run_id)?;
    let path = directory.write_report(report)?;
    if let Err(error) = traces::store(kept, named_in(report), &directory) {
        say(&format!("warning: the traces of run {} are not stored: {error}", identity.run_id));
    }
    if let Err(error) = html::store(report, kept, &directory) {
        say(&format!("warning: the page of run {} is not stored: {error}", identity.run_id));
    }
    let relative = path.strip_prefix(experiment.path()).unwrap_or(&path);
    Ok(RunReference {
        id: identity.run_id.clone(),
        label: label.to_owned(),
        report: relative.display().to_string(),
        trusted: report.verdict.trusted,
    })
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
