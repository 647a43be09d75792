//! The tool's handle on a supervisor and, through it, on a server.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::cache::write_whole;
use super::error::EmbeddedError;
use super::logs;
use super::progress::Progress;
use super::server_dir::ServerDir;
use super::supervisor::{KEEP, Launch, SUPERVISE};
use super::sweep;

/// How long the server may take to end after SIGTERM. Its data is removed with it, so there is nothing to wait for
/// but its own tidying (2 s on an idle one).
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How long more the supervisor may take to remove the directory.
pub(super) const REMOVE_LIMIT: Duration = Duration::from_secs(15);

/// How often files that another process writes are looked for.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// How long a supervisor may take to start its server.
const SPAWN_LIMIT: Duration = Duration::from_secs(30);

/// A running supervisor. Dropping it ends the server and removes its directory.
#[derive(Debug)]
pub(super) struct Supervised {
    dir: ServerDir,
    supervisor: Child,
    /// The tool's end of the pipe. Nobody else has it: the standard library opens it close-on-exec.
    pipe: Option<ChildStdin>,
    pid: u32,
}

impl Supervised {
    /// Starts a supervisor, and it the server. When this returns, the supervisor holds the directory's lock.
    ///
    /// Needs the servers' lock held, so that nobody sweeps the directory before the supervisor has locked it.
    pub(super) fn spawn(
        exe: &Path,
        dir: ServerDir,
        launch: &Launch,
        progress: &dyn Progress,
    ) -> Result<Self, EmbeddedError> {
        let text = serde_json::to_string_pretty(launch)
            .map_err(|error| EmbeddedError::io("write", &dir.launch())(std::io::Error::other(error)))?;
        write_whole(&dir.launch(), &text).map_err(EmbeddedError::io("write", &dir.launch()))?;
        File::create(dir.lock()).map_err(EmbeddedError::io("create", &dir.lock()))?;
        let log = dir.logs().join(logs::SUPERVISOR);
        let log = File::create(&log).map_err(EmbeddedError::io("create", &log))?;
        let mut supervisor = Command::new(exe)
            .arg0("milvus-load")
            .arg(SUPERVISE)
            .arg(dir.path())
            // Nothing of the user's is needed, and a token would lie in it for as long as the server lives.
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(EmbeddedError::io("start", exe))?;
        let pipe = supervisor.stdin.take();
        let mut supervised = Self { dir, supervisor, pipe, pid: 0 };
        supervised.pid = supervised.wait_for_server(progress)?;
        Ok(supervised)
    }

    fn wait_for_server(&mut self, progress: &dyn Progress) -> Result<u32, EmbeddedError> {
        let start = Instant::now();
        loop {
            if let Some(pid) = read_number(&self.dir.pid()) {
                return Ok(pid);
            }
            self.check_alive()?;
            if progress.is_stopped() {
                return Err(EmbeddedError::Stopped);
            }
            if start.elapsed() > SPAWN_LIMIT {
                return Err(self.failed("no answer".to_owned()));
            }
            std::thread::sleep(POLL);
        }
    }

    /// # Errors
    /// Where the supervisor has ended.
    pub(super) fn check_alive(&mut self) -> Result<(), EmbeddedError> {
        match self.supervisor.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failed(status.to_string())),
            Err(error) => Err(self.failed(error.to_string())),
        }
    }

    fn failed(&self, status: String) -> EmbeddedError {
        EmbeddedError::Supervisor { status, log: logs::tail(&self.dir.logs().join(logs::SUPERVISOR)) }
    }

    pub(super) fn dir(&self) -> &ServerDir {
        &self.dir
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn supervisor_pid(&self) -> u32 {
        self.supervisor.id()
    }

    /// How the server ended, where it has.
    pub(super) fn exit_status(&self) -> Option<String> {
        std::fs::read_to_string(self.dir.exit()).ok()
    }

    /// Lets the server live on after this process; false where it has ended already.
    pub(super) fn release(&mut self) -> bool {
        let alive = self.exit_status().is_none() && self.check_alive().is_ok();
        let told = match self.pipe.as_mut() {
            Some(pipe) if alive => pipe.write_all(&[KEEP]).is_ok(),
            Some(_) | None => false,
        };
        if told {
            self.pipe = None;
        }
        told
    }

    /// Ends the server and removes its directory. Does nothing after [`Supervised::release`].
    pub(super) fn stop(&mut self) -> Result<(), EmbeddedError> {
        if self.pipe.take().is_none() {
            return Ok(());
        }
        let start = Instant::now();
        while self.check_alive().is_ok() {
            if start.elapsed() > STOP_LIMIT + REMOVE_LIMIT {
                // It is stuck. Then its work is ours.
                let _ = self.supervisor.kill();
                let _ = self.supervisor.wait();
                break;
            }
            std::thread::sleep(POLL);
        }
        sweep::remove_leftover(&self.dir)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Nothing can be returned from here; what is left, the next start sweeps.
        let _ = self.stop();
    }
}

/// The number that a file consists of.
pub(super) fn read_number(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}
