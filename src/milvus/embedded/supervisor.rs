//! The process that stands between the tool and the server.
//!
//! ```text
//! tool --- pipe (stdin) ---> supervisor (own session) ---> server (own process group)
//! ```
//!
//! The tool holds the pipe's other end. However it ends, kill -9 included, the kernel closes that end; the supervisor
//! then ends the server's whole group and removes its directory. A byte [`KEEP`] on the pipe lets the server outlive
//! the tool; then SIGTERM to the supervisor ends it. A terminal's Ctrl-C reaches neither, and SIGINT is ignored.
//!
//! A death signal tied to the parent would not do: it follows the parent's *thread*, and cannot remove a directory.
//!
//! While it lives the supervisor holds the lock of the server's directory: the one sound proof that the directory
//! is in use.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, setsid};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::cache::{Lock, write_whole};
use super::error::EmbeddedError;
use super::logs;
use super::server_dir::{Leftovers, ServerDir};
use super::stand_in::{self, StandIn, Standing};

/// The hidden subcommand that [`supervise`] answers to.
pub const SUPERVISE: &str = "__supervise";

/// On the pipe: the server is to outlive the tool.
pub(super) const KEEP: u8 = b'K';

/// What to start and how to end it; the file `launch.json` in the server's directory, which is also where it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    /// The whole environment: nothing else is inherited.
    pub(super) environment: Vec<(String, String)>,
    /// How long it may take to end after SIGTERM before SIGKILL, milliseconds.
    pub(super) stop_limit_ms: u64,
    /// Where it exports its spans to, and somebody always has to listen.
    #[serde(default)]
    pub(super) export_port: Option<u16>,
}

/// The supervisor itself, in a process of its own, whose arguments after [`SUPERVISE`] are `args`. Returns when the
/// server has ended and its directory is gone. `stand_in` takes the server's spans while no run does.
pub fn supervise(args: impl IntoIterator<Item = OsString>, stand_in: StandIn) -> ExitCode {
    let mut args = args.into_iter();
    let (Some(dir), None) = (args.next(), args.next()) else {
        eprintln!("{SUPERVISE} is for milvus-load's own use and takes the directory of a server");
        return ExitCode::from(2);
    };
    // Fails only where this process leads a group already, as when it is run by hand: no reason not to go on.
    let _ = setsid();
    match run(&ServerDir::new(dir.into()), stand_in) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &ServerDir, stand_in: StandIn) -> Result<(), EmbeddedError> {
    let _lock = take(dir)?;
    let launch = dir.launch();
    let text = std::fs::read(&launch).map_err(EmbeddedError::io("read", &launch))?;
    let launch: Launch = serde_json::from_slice(&text)
        .map_err(|error| EmbeddedError::io("read", &launch)(io::Error::other(error)))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(EmbeddedError::io("supervise a server in", dir.path()))?;
    let pid = runtime.block_on(watch(dir, &launch, stand_in))?;
    // What cannot be tidied outside must not keep us from removing the directory.
    let tidied = Leftovers::of_milvus().tidy(pid);
    dir.remove().map_err(EmbeddedError::io("remove", dir.path()))?;
    tidied.map_err(EmbeddedError::io("tidy up after a server in", dir.path()))
}

/// Locks the directory and says who did.
fn take(dir: &ServerDir) -> Result<Lock, EmbeddedError> {
    let path = dir.lock();
    let lock = Lock::attempt_existing(&path).and_then(|lock| match lock {
        Some(mut lock) => lock.write(&std::process::id().to_string()).map(|()| lock),
        None => Err(io::Error::other("another process holds it")),
    });
    lock.map_err(EmbeddedError::io("lock", &path))
}

/// Runs the server until it is to end, and ends it. Returns its process id.
async fn watch(dir: &ServerDir, launch: &Launch, stand_in: StandIn) -> Result<u32, EmbeddedError> {
    let unsupervised = || EmbeddedError::io("supervise a server in", dir.path());
    let mut terminate = signal(SignalKind::terminate()).map_err(unsupervised())?;
    // To have a listener is to be spared the signal's default action; nobody needs to read it.
    let _ignored = [SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()].map(signal);
    let mut parent = ParentPipe::stdin().map_err(unsupervised())?;
    let mut standing = launch.export_port.map(|port| Standing::new(dir, port, stand_in));
    standing.iter_mut().for_each(Standing::look);
    let mut looks = tokio::time::interval(stand_in::LOOK);
    let mut server = Server::spawn(dir, launch)?;
    let mut kept = false;
    loop {
        tokio::select! {
            status = server.child.wait(), if !server.ended => {
                server.has_ended();
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                write_whole(&dir.exit(), &status).map_err(EmbeddedError::io("write", &dir.exit()))?;
                // The tool, where there is one, reads the log before the directory goes.
                if kept { break }
            }
            _ = terminate.recv() => break,
            _ = looks.tick(), if standing.is_some() => standing.iter_mut().for_each(Standing::look),
            request = parent.next(), if !kept => match request {
                Request::Keep => {
                    kept = true;
                    if server.ended { break }
                }
                Request::End => break,
            }
        }
    }
    server.end(Duration::from_millis(launch.stop_limit_ms)).await;
    Ok(server.pid)
}

/// The running server and its process group.
struct Server {
    child: Child,
    pid: u32,
    ended: bool,
}

impl Server {
    fn spawn(dir: &ServerDir, launch: &Launch) -> Result<Self, EmbeddedError> {
        let path = dir.logs().join(logs::OUTPUT);
        let output = OpenOptions::new().create(true).append(true).open(&path);
        let output = output.map_err(EmbeddedError::io("write", &path))?;
        let errors = output.try_clone().map_err(EmbeddedError::io("write", &path))?;
        let child = Command::new(&launch.program)
            .args(&launch.args)
            .env_clear()
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(EmbeddedError::io("start", &launch.program))?;
        // A child has an id until it has been waited for, which nobody has.
        let pid = child.id().unwrap_or_default();
        let server = Self { child, pid, ended: false };
        match write_whole(&dir.pid(), &pid.to_string()) {
            Ok(()) => Ok(server),
            Err(error) => {
                server.signal(Signal::KILL);
                Err(EmbeddedError::io("write", &dir.pid())(error))
            }
        }
    }

    /// Takes note that the server has ended by itself, and ends what it may have started. Only now: later its number
    /// might be another group's.
    fn has_ended(&mut self) {
        self.signal(Signal::KILL);
        self.ended = true;
    }

    /// Ends the whole group: by request, and after `limit` by force.
    async fn end(&mut self, limit: Duration) {
        if self.ended {
            return;
        }
        self.signal(Signal::TERM);
        let _ = timeout(limit, self.child.wait()).await;
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
        self.ended = true;
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(group) = pid {
            // The one error there is: nobody left in the group.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// What the tool asks for through the pipe.
enum Request {
    /// [`KEEP`].
    Keep,
    /// Its end is closed: the tool has ended or wants the server ended.
    End,
}

struct ParentPipe(pipe::Receiver);

impl ParentPipe {
    fn stdin() -> io::Result<Self> {
        let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        pipe::Receiver::from_file(stdin).map(Self)
    }

    /// Cancel-safe: a request is one byte.
    async fn next(&mut self) -> Request {
        match self.0.read_u8().await {
            Ok(KEEP) => Request::Keep,
            Ok(_) | Err(_) => Request::End,
        }
    }
}
