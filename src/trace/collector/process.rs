//! Both ends of a collector's process: starting it and asking it, and being it.
//!
//! It writes its address as one line (or why it has none), then a tally in JSON as one line for every line that it reads, until its
//! standard input ends.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::TcpListener;

use super::counting::Counting;
use super::receive::serve;
use super::tally::Tally;

/// The first argument with which the tool is a collector.
pub const COLLECT: &str = "__collect";

/// Where it listens unless an address was asked for: any free port, for this machine alone.
pub const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A process that says nothing for so long has been stopped, or hangs.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Why there is no collector, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// It does not start.
    #[error("cannot start the collector's process: {0}")]
    Start(#[source] io::Error),
    /// It cannot listen where it was asked to.
    #[error(
        "the collector cannot listen on {address}: {reason}; name an address of this machine that nobody else listens on"
    )]
    Listen { address: SocketAddr, reason: String },
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
    address: SocketAddr,
}

impl CollectorProcess {
    /// Starts `tool`, which is this program, as a collector that listens at `listen`. Spans of a service called `client` are the client's.
    ///
    /// # Errors
    /// Where the process does not start, or cannot listen there.
    pub fn start(tool: &Path, client: &str, listen: SocketAddr) -> Result<Self, CollectorError> {
        let mut command = Command::new(tool);
        command
            .args([COLLECT, client, &listen.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        // Ctrl-C is for the tool to hear: it still asks what was received.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(CollectorError::Start)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(CollectorError::Start(io::ErrorKind::BrokenPipe.into()));
        };
        let mut process = Self { child, stdin: Some(stdin), stdout: BufReader::new(stdout), address: listen };
        let line = process.line().map_err(CollectorError::Start)?;
        let said = line.trim();
        process.address =
            said.parse().map_err(|_| CollectorError::Listen { address: listen, reason: said.to_owned() })?;
        Ok(process)
    }

    /// Where programs of this machine send to.
    pub fn endpoint(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
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
        let (mut line, until) = (Vec::new(), Instant::now() + ANSWER_LIMIT);
        while line.last() != Some(&b'\n') {
            if self.stdout.buffer().is_empty() {
                wait_for(self.stdout.get_ref(), until)?;
            }
            let some = self.stdout.fill_buf()?;
            if some.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let taken = some.iter().position(|byte| *byte == b'\n').map_or(some.len(), |end| end + 1);
            line.extend_from_slice(&some[..taken]);
            self.stdout.consume(taken);
        }
        String::from_utf8(line).map_err(io::Error::other)
    }
}

impl Drop for CollectorProcess {
    fn drop(&mut self) {
        self.stdin = None;
        // It ends by itself now, and has nothing to lose. That it cannot be killed or waited for would change nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(stdout: &ChildStdout, until: Instant) -> io::Result<()> {
    let left = until.saturating_duration_since(Instant::now());
    let limit = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
    match poll(&mut [PollFd::new(stdout, PollFlags::IN)], Some(&limit)) {
        Ok(0) => Err(io::Error::new(io::ErrorKind::TimedOut, "it says nothing; has it been stopped?")),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Is a collector, to the end of standard input. `args` is what follows [`COLLECT`].
pub fn collect(mut args: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let mut next = || args.next().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (client, listen) = (next(), next().parse().unwrap_or(ANYWHERE));
    match run(client, listen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: the collector has ended: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(client: String, listen: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let receiver = Counting::new(client);
    let listener = match runtime.block_on(TcpListener::bind(listen)) {
        Ok(listener) => listener,
        Err(error) => {
            // For the tool to read in place of the address.
            println!("{error}");
            return Ok(());
        }
    };
    let address = listener.local_addr()?;
    let asked = Arc::clone(&receiver);
    let (over, ended) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("answers".to_owned()).spawn(move || {
        let _ = over.send(answers(address, &asked));
    })?;
    runtime.block_on(async {
        tokio::select! {
            () = serve(listener, receiver) => Ok(()),
            ended = ended => ended.unwrap_or(Ok(())),
        }
    })
}

/// Blocks on standard input, and so has a thread of its own.
fn answers(address: SocketAddr, receiver: &Counting) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{address}")?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        line?;
        writeln!(out, "{}", serde_json::to_string(&receiver.tally())?)?;
        out.flush()?;
    }
    Ok(())
}
