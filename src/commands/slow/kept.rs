//! The traces that a run has kept beside its report.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::commands::{publish, say};
use crate::report::store::RunDirectory;
use crate::report::terminal::Answer;
use crate::report::terminal::slow::Listing;
use crate::trace::TraceSummary;
use crate::trace::kept::{KeptTrace, TRACES_OTLP_FILE, read_otlp};

/// By trace ID.
#[derive(Debug)]
pub(super) struct Kept {
    /// Where they are, or would be.
    pub(super) path: PathBuf,
    traces: HashMap<u128, KeptTrace>,
}

impl Kept {
    /// Those beside this report; none where there is no such file.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(super) fn beside(report: &Path) -> anyhow::Result<Self> {
        let path = report.with_file_name(TRACES_OTLP_FILE);
        let traces = match File::open(&path) {
            Ok(file) => read_otlp(file).with_context(|| path.display().to_string())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self { path, traces: traces.into_iter().map(|trace| (trace.trace_id, trace)).collect() })
    }

    /// None beside this report.
    pub(super) fn nothing(report: &Path) -> Self {
        Self { path: report.with_file_name(TRACES_OTLP_FILE), traces: HashMap::new() }
    }

    /// Keeps these from now on, where none were kept. That they cannot be stored is told, and changes nothing now.
    pub(super) fn keep(&mut self, traces: Vec<KeptTrace>) {
        let directory = self.path.parent().map(RunDirectory::existing);
        match directory {
            Some(Ok(directory)) => drop(publish::traces(&traces, |_| true, &directory)),
            Some(Err(error)) => say(&format!("warning: the traces that Jaeger gave are not stored: {error}")),
            None => {}
        }
        self.traces = traces.into_iter().map(|trace| (trace.trace_id, trace)).collect();
    }

    pub(super) fn all(&self) -> Vec<KeptTrace> {
        self.traces.values().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.traces.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u128> {
        self.traces.keys().copied()
    }

    pub(super) fn get(&self, trace_id: u128) -> Option<&KeptTrace> {
        self.traces.get(&trace_id)
    }

    /// What is known of each listed request's trace.
    pub(super) fn answers(&self, listing: &Listing<'_>) -> Vec<Answer> {
        let of = |id: Option<u128>| match id.and_then(|id| self.get(id)) {
            Some(trace) => {
                Answer::Kept { summary: TraceSummary::new(&trace.spans(), 0), is_cut: trace.is_cut }
            }
            None => Answer::NotAsked,
        };
        listing.requests().map(|request| of(super::trace_id(request))).collect()
    }
}
