//! Both ends of a collector's process: starting it and asking it, and being it.
//!
//! It writes its port as one line, then a tally in JSON as one line for every line that it reads, until its standard input ends.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::net::TcpListener;

use super::receive::{Take, serve};
use super::tally::Tally;
use crate::grpc;

/// The first argument with which the tool is a collector.
pub const COLLECT: &str = "__collect";

/// Why there is no collector, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// It does not start.
    #[error("cannot start the collector's process: {0}")]
    Start(#[source] io::Error),
    /// It has ended, or says something else than it should.
    #[error("the collector's process no longer answers: {0}")]
    Lost(#[source] io::Error),
}

/// A running collector; it ends when this is dropped.
#[derive(Debug)]
pub struct CollectorProcess {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    port: u16,
}

impl CollectorProcess {
    /// Starts `tool`, which is this program, as a collector on a free port of 127.0.0.1. Spans of a service called `client` are the
    /// client's.
    ///
    /// # Errors
    /// Where the process does not start.
    pub fn start(tool: &Path, client: &str) -> Result<Self, CollectorError> {
        let mut command = Command::new(tool);
        command.args([COLLECT, client]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        // Ctrl-C is for the tool to hear: it still asks what was received.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(CollectorError::Start)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(CollectorError::Start(io::ErrorKind::BrokenPipe.into()));
        };
        let mut process = Self { child, stdin: Some(stdin), stdout: BufReader::new(stdout), port: 0 };
        let line = process.line().map_err(CollectorError::Start)?;
        process.port = line.trim().parse().map_err(|_| CollectorError::Start(io::Error::other(line)))?;
        Ok(process)
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has received so far.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn tally(&mut self) -> Result<Tally, CollectorError> {
        let mut ask = || {
            let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
            stdin.write_all(b"\n")?;
            serde_json::from_str(&self.line()?).map_err(io::Error::from)
        };
        ask().map_err(CollectorError::Lost)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }
}

impl Drop for CollectorProcess {
    fn drop(&mut self) {
        self.stdin = None;
        // It ends by itself now; that it cannot be waited for would change nothing.
        let _ = self.child.wait();
    }
}

/// Is a collector, to the end of standard input. `args` is what follows [`COLLECT`].
pub fn collect(mut args: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let client = args.next().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match run(client) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: the collector has ended: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts spans and keeps none.
struct Counting {
    tally: Mutex<Tally>,
    /// The name of the client's service.
    client: String,
}

impl Counting {
    fn tally(&self) -> Tally {
        self.with(|tally| tally.clone())
    }

    /// Counting cannot panic; were it to, the counts would still be as good as before.
    fn with<T>(&self, work: impl FnOnce(&mut Tally) -> T) -> T {
        work(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Take for Counting {
    fn take(&self, export: Bytes, bytes: usize) -> Result<(), u8> {
        let export = ExportTraceServiceRequest::decode(export).map_err(|_| grpc::INVALID_ARGUMENT)?;
        self.with(|tally| tally.take(&export, bytes, &self.client));
        Ok(())
    }

    fn refused(&self) {
        self.with(|tally| tally.refused += 1);
    }
}

fn run(client: String) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let receiver = Arc::new(Counting { tally: Mutex::default(), client });
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let port = listener.local_addr()?.port();
    let asked = Arc::clone(&receiver);
    let (over, ended) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("answers".to_owned()).spawn(move || {
        let _ = over.send(answers(port, &asked));
    })?;
    runtime.block_on(async {
        tokio::select! {
            () = serve(listener, receiver) => Ok(()),
            ended = ended => ended.unwrap_or(Ok(())),
        }
    })
}

/// Blocks on standard input, and so has a thread of its own.
fn answers(port: u16, receiver: &Counting) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{port}")?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        line?;
        writeln!(out, "{}", serde_json::to_string(&receiver.tally())?)?;
        out.flush()?;
    }
    Ok(())
}
