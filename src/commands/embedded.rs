//! `milvus-load embedded start | stop | status | path`: the one local Milvus that is kept for use by hand.

use std::io::{self, Write};
use std::path::Path;

use crate::milvus::embedded::{
    Cache, EXPOSED, Embedded, EmbeddedError, EmbeddedOptions, Exports, OtlpEndpoint, Progress, ServerInfo,
    kept, stop_kept,
};
use crate::report::terminal::clean;
use crate::units::{Fraction, UnitError};

/// What is to be done with the kept server.
#[derive(Clone, Debug, PartialEq, clap::Subcommand)]
pub enum EmbeddedCommand {
    /// Start a local Milvus that stays until `stop`; every run without a target uses it.
    Start {
        /// Where it exports its spans to, such as http://localhost:4317. Without it, to the run that uses it, which keeps the
        /// traces that matter.
        #[arg(long, value_name = "URL")]
        otlp_endpoint: Option<String>,
        /// The share of requests it traces by itself, 0 to 1. With 0, the client decides.
        #[arg(long, value_name = "F", default_value_t = 0.0)]
        sample_fraction: f64,
    },
    /// End it and remove its data.
    Stop,
    /// Say whether one runs, and where. Exit code 1 where none does.
    Status,
    /// Print the cache directory, with the unpacked Milvus and the running servers.
    Path,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// `--sample-fraction`.
    #[error("--sample-fraction: {0}")]
    Fraction(#[from] UnitError),
    /// Standard output.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

/// What the command found, for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Done: exit code 0.
    Done,
    /// `status`, and no server runs: exit code 1.
    NoServer,
}

/// Does it, printing to `out` and drawing to `progress`.
///
/// # Errors
/// See [`Error`].
pub fn run(
    command: &EmbeddedCommand,
    cache_dir: Option<&Path>,
    progress: &mut dyn Progress,
    out: &mut dyn Write,
) -> Result<Found, Error> {
    let cache = Cache::locate(cache_dir)?;
    match command {
        EmbeddedCommand::Start { otlp_endpoint, sample_fraction } => {
            let otlp = otlp_endpoint.as_deref().map(str::parse::<OtlpEndpoint>).transpose()?;
            let fraction = Fraction::new(*sample_fraction)?;
            start(&cache, otlp.map_or(Exports::ToTheRun, Exports::To), fraction, progress, out)?;
        }
        EmbeddedCommand::Stop => match stop_kept(&cache)? {
            Some(info) => writeln!(out, "stopped the embedded Milvus at {}; its data is removed", info.uri)?,
            None => writeln!(out, "no embedded Milvus is kept")?,
        },
        EmbeddedCommand::Status => match kept(&cache) {
            Some(info) => describe(&info, out)?,
            None => {
                writeln!(out, "no embedded Milvus is kept; start one with `milvus-load embedded start`")?;
                return Ok(Found::NoServer);
            }
        },
        EmbeddedCommand::Path => writeln!(out, "{}", cache.root().display())?,
    }
    Ok(Found::Done)
}

fn start(
    cache: &Cache,
    exports: Exports,
    sample_fraction: Fraction,
    progress: &mut dyn Progress,
    out: &mut dyn Write,
) -> Result<(), Error> {
    if let Some(info) = kept(cache) {
        return Ok(already(&info, out)?);
    }
    let options = EmbeddedOptions {
        exports,
        sample_fraction,
        cache_dir: Some(cache.root().to_owned()),
        ..EmbeddedOptions::default()
    };
    match Embedded::start(&options, progress)?.keep() {
        Ok(info) => {
            describe(&info, out)?;
            super::say(&format!("note: {EXPOSED}"));
            writeln!(out, "next: milvus-load run WORKLOAD.toml, and at last milvus-load embedded stop")?;
        }
        // Another `start` was faster. Ours is gone again.
        Err(EmbeddedError::AlreadyKept(info)) => already(&info, out)?,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn already(info: &ServerInfo, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "an embedded Milvus is kept already, with the settings it was started with:")?;
    describe(info, out)
}

/// One line per fact, its name first.
fn describe(info: &ServerInfo, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "uri       {}", info.uri)?;
    writeln!(out, "version   {} (embedded, shares this machine's cores)", clean(&info.version))?;
    writeln!(out, "process   {}", info.pid)?;
    writeln!(out, "metrics   {}", info.metrics_url)?;
    match &info.otlp_endpoint {
        Some(url) if info.export_port.is_some() => {
            writeln!(
                out,
                "traces    to the run that uses it ({url}), sample fraction {}",
                info.sample_fraction
            )?;
        }
        Some(url) => writeln!(out, "traces    to {url}, sample fraction {}", info.sample_fraction)?,
        None => writeln!(out, "traces    none (start it with --otlp-endpoint)")?,
    }
    writeln!(out, "data      {}", info.data_dir.display())?;
    writeln!(out, "log       {}", info.log_path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::milvus::embedded::Quiet;

    fn run_in(dir: &Path, command: EmbeddedCommand) -> (Result<Found, Error>, String) {
        let mut out = Vec::new();
        let found = run(&command, Some(dir), &mut Quiet, &mut out);
        (found, String::from_utf8(out).unwrap())
    }

    #[test]
    fn with_no_server_status_is_a_no_and_stop_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let (found, text) = run_in(dir.path(), EmbeddedCommand::Status);
        assert_eq!(found.unwrap(), Found::NoServer);
        assert!(text.contains("milvus-load embedded start"), "{text}");
        assert_eq!(run_in(dir.path(), EmbeddedCommand::Stop).0.unwrap(), Found::Done);
    }

    #[test]
    fn path_is_the_cache_directory_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(run_in(dir.path(), EmbeddedCommand::Path).1, format!("{}\n", dir.path().display()));
    }

    #[test]
    fn impossible_options_are_refused_before_anything_is_started() {
        let dir = tempfile::tempdir().unwrap();
        for (otlp_endpoint, sample_fraction) in [(Some("localhost".to_owned()), 0.0), (None, 1.5)] {
            let command = EmbeddedCommand::Start { otlp_endpoint, sample_fraction };
            assert!(run_in(dir.path(), command).0.is_err());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
