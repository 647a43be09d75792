//! `doctor`: check the way of a trace link by link, and say what to do about the first that is broken.

use std::path::Path;

use crate::cli::DoctorArgs;
use crate::doctor::{self, Follow, Orders};
use crate::engine::Stop;
use crate::milvus::embedded::{EmbeddedError, Progress};
use crate::report::{json, terminal};
use crate::run::{RunError, RunProgress, Settings};
use crate::trace::env::jaeger_headers;
use crate::workload::Override;

use super::output::Output;
use super::progress::Bars;
use super::run_progress::TerminalProgress;
use super::{Exit, Failure, command_line, signals, slow, style};

/// Carries out `doctor`.
///
/// # Errors
/// Usage failures before anything is touched; where it could not be examined at all.
pub fn run(args: &DoctorArgs) -> Result<Exit, Failure> {
    let settings = match &args.workload {
        Some(file) => Settings::resolve(file, overrides(args)?),
        None => Settings::without_file(overrides(args)?),
    };
    let settings = settings.map_err(Failure::usage)?;
    settings.notices.iter().for_each(|notice| super::say(&format!("note: {notice}")));
    settings.plaintext_secrets().iter().for_each(|warning| super::say(&format!("warning: {warning}")));
    if let Some(address) = settings.workload.trace.collector_listen.filter(|at| !at.ip().is_loopback()) {
        super::say(&format!("warning: whoever reaches {address} can send spans there while doctor runs"));
    }
    let jaeger_headers = jaeger_headers(&|name| std::env::var(name).ok()).map_err(Failure::usage)?;
    if let Some(jaeger) = &settings.workload.trace.jaeger_ui {
        slow::warn_of_plaintext(jaeger, !jaeger_headers.is_empty());
    }
    let orders = Orders { has_workload: args.workload.is_some(), log: args.log.clone(), jaeger_headers };
    let stop = Stop::default();
    signals::listen(stop.clone())?;
    let mut follow = Terminal { bars: Bars::new(&stop), progress: TerminalProgress::new() };
    let examined = doctor::examine(&settings, &orders, &stop, &mut follow);
    follow.progress.clear();
    let diagnosis = examined.map_err(|error| match (error, stop.reason()) {
        (RunError::Failed(error), Some(reason))
            if matches!(error.downcast_ref(), Some(EmbeddedError::Stopped)) =>
        {
            Failure::Stopped(reason)
        }
        (error, _) => Failure::from(error),
    })?;
    let mut out = Output::stdout();
    if args.json {
        json::render(&diagnosis, &mut out)?;
    } else {
        let again = command_line::as_typed(std::env::args());
        let workload = args.workload.as_deref().unwrap_or(Path::new("workloads/search.toml")).display();
        let well = format!("milvus-load run {workload}, then milvus-load slow latest");
        terminal::diagnosis::render(&diagnosis, (&again, &well), style::of_stdout(), &mut out)?;
    }
    Ok(if diagnosis.healthy { Exit::Done } else { Exit::Absent })
}

fn overrides(args: &DoctorArgs) -> Result<Vec<Override>, Failure> {
    let listen = args.collector_listen.map(|address| address.to_string());
    let shortcuts = [
        ("--uri", "target.uri", &args.uri),
        ("--jaeger", "trace.jaeger_ui", &args.jaeger),
        ("--collector-listen", "trace.collector_listen", &listen),
    ];
    let shortcuts = shortcuts
        .into_iter()
        .filter_map(|(flag, key, value)| Some(Override::flag(flag, key, value.as_ref()?)));
    let set = args.set.iter().map(|argument| Override::set(argument).map_err(Failure::usage));
    shortcuts.map(Ok).chain(set).collect()
}

struct Terminal {
    bars: Bars,
    progress: TerminalProgress,
}

impl Follow for Terminal {
    fn say(&mut self, line: &str) {
        super::say(line);
    }

    fn starting(&mut self) -> &mut dyn Progress {
        &mut self.bars
    }

    fn preparing(&mut self) -> &mut dyn RunProgress {
        self.progress.clear();
        &mut self.progress
    }
}
