//! The journal of a run: kept while the load goes on, read where no report came of it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::engine::Plan;
use crate::measure::{HandOver, MachineTime, OperationRecord, Recorded, RecorderConfig};
use crate::milvus::transport::PoolStats;
use crate::record::{self, JOURNAL_FILE};
use crate::report::RunReport;
use crate::report::store::{self, REPORT_FILE};
use crate::units::{Nanos, SignedNanos};

use super::machine;
use super::observed::{CollectionLook, Identity};
use super::progress::RunProgress;
use super::ready::Ready;
use super::record::{CollectionRecord, Host, LoadRecord, Record, ServerRecord, step};
use super::report::report;
use super::settings::Settings;
use super::stored::Context;
use super::tracing::Collector;

/// A journal that is being written. Where that fails, it is said once, and the run goes on without.
pub(super) struct Journal {
    path: PathBuf,
    /// What is known of the run before its load.
    begun: Record,
    workers: usize,
    file: Option<File>,
}

impl Journal {
    pub const fn new(path: PathBuf, begun: Record, workers: usize) -> Self {
        Self { path, begun, workers, file: None }
    }

    /// Begins it; the run's zero is known by now.
    pub fn begin(&mut self, anchor_unix_ns: u64, progress: &dyn RunProgress) {
        self.begun.load.anchor_unix_ns = anchor_unix_ns;
        let kept = (self.workers, self.begun.workload.trace.slowest);
        let begun = File::create(&self.path).and_then(|mut file| {
            record::begin(&self.begun.header(), &Context::of(&self.begun), kept, &mut file)?;
            Ok(file)
        });
        match begun {
            Ok(file) => self.file = Some(file),
            Err(error) => self.give_up(&error, progress),
        }
    }

    /// Adds what a worker has handed over.
    pub fn append(&mut self, worker: usize, part: &HandOver, progress: &dyn RunProgress) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = record::append(worker, part, file) {
            self.give_up(&error, progress);
        }
    }

    fn give_up(&mut self, error: &std::io::Error, progress: &dyn RunProgress) {
        self.file = None;
        progress.say(&format!(
            "warning: cannot write {}: {error}; the run goes on, and would be lost if this process died",
            self.path.display()
        ));
    }
}

impl Ready<'_> {
    /// What is known of a run before its load.
    pub(super) fn begun(
        &self,
        settings: &Settings,
        identity: &Identity,
        (before, extra_rows): (&CollectionLook, u64),
        collector: Collector,
        plan: &Plan,
    ) -> Record {
        Record {
            source: identity.run_id.clone(),
            identity: identity.clone(),
            workload: settings.workload.clone(),
            machine: machine::describe(),
            host: Host { boot_id: machine::boot_id(), clock_error: machine::clock_error() },
            setup: self.steps.iter().map(step).collect(),
            server: ServerRecord {
                uri: self.server.uri.to_string(),
                embedded: self.server.kind.is_embedded(),
                on_this_machine: self.server.is_on_this_machine(),
                tracing: self.server.tracing(),
                version: (self.version.clone(), None),
                process: None,
            },
            collection: CollectionRecord {
                extra_rows,
                first_free_row: self.next_rows.first(),
                inserted_by_setup: self.inserted_by_setup,
                vector: self.vector(),
                start: before.clone(),
                end: None,
            },
            load: LoadRecord::begun(&plan.recorder, plan.streams.len()),
            collector,
            export: None,
            collected: None,
            kept: Vec::new(),
            calibration: None,
            died: false,
            hopeless: false,
        }
    }
}

impl LoadRecord {
    /// Of a load that has only begun: its shape, and nothing in it.
    fn begun(recorder: &RecorderConfig, streams: usize) -> Self {
        let operation = |_| OperationRecord::empty(recorder.slowest, recorder.seed, false);
        Self {
            recorded: Recorded {
                window_start: recorder.window_start,
                window: recorder.window,
                grid: recorder.grid(),
                stages: Vec::new(),
                slots: None,
                operations: (0..recorder.operations).map(operation).collect(),
                connections: Vec::new(),
                stray: 0,
            },
            anchor_unix_ns: 0,
            stopped: None,
            pool: PoolStats::default(),
            peers: Vec::new(),
            late_bodies: 0,
            failure: None,
            planned: vec![0; streams],
            after_the_end: vec![0; streams],
            cpu: Nanos::ZERO,
            spun: Nanos::ZERO,
            workers: Vec::new(),
            generator: Default::default(),
            machine: None::<MachineTime>,
            clock_gained: SignedNanos::default(),
        }
    }
}

/// The report that REPORT means, and where it is: that of a run, or where a run's directory holds only a journal, what is
/// known of the run that died.
///
/// # Errors
/// Where there is none, or it cannot be read.
pub fn read_report(reference: &str, base: &Path) -> anyhow::Result<(RunReport, PathBuf)> {
    let directory = Path::new(reference);
    let journal = directory.join(JOURNAL_FILE);
    if journal.is_file() && !directory.join(REPORT_FILE).exists() {
        return Ok((rebuild(&journal)?, journal));
    }
    let path = store::resolve(reference, base)?;
    Ok((store::read(&path)?, path))
}

/// The report of a run that wrote none itself.
fn rebuild(path: &Path) -> anyhow::Result<RunReport> {
    let name = || format!("cannot read the journal {}", path.display());
    let file = File::open(path).with_context(name)?;
    let rebuilt = record::read_journal::<Context>(BufReader::new(file)).with_context(name)?;
    let (measured, source) = (rebuilt.measured, path.display().to_string());
    let mut record = rebuilt.context.record(rebuilt.header, rebuilt.recorded, source).with_context(name)?;
    record.load.stopped = Some(record.load.recorded.window_start + measured);
    record.died = true;
    report(&[record], &[])
}
