//! Cleaning up after supervisors that could not: killed themselves, or by a power failure.

use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::cache::{Cache, Lock};
use super::error::EmbeddedError;
use super::server_dir::{Leftovers, ServerDir};
use super::supervised::{POLL, read_number};

/// How long a killed server may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// Removes every server's directory that no supervisor holds, and ends the server that may still run in it.
///
/// Needs the servers' lock held: under it every directory without a lock of its own is a leftover.
pub(super) fn sweep(cache: &Cache) -> Result<(), EmbeddedError> {
    let servers = cache.servers_dir();
    for entry in std::fs::read_dir(&servers).map_err(EmbeddedError::io("read", &servers))?.flatten() {
        remove_leftover(&ServerDir::new(entry.path()))?;
    }
    Ok(())
}

/// Removes one directory unless its supervisor lives.
pub(super) fn remove_leftover(dir: &ServerDir) -> Result<(), EmbeddedError> {
    let lock = match Lock::attempt_existing(&dir.lock()) {
        Ok(None) => return Ok(()),
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(EmbeddedError::io("lock", &dir.lock())(error)),
    };
    if let Some(pid) = read_number(&dir.pid()) {
        kill_server(dir, pid);
        let _ = Leftovers::of_milvus().tidy(pid);
    }
    let removed = dir.remove().map_err(EmbeddedError::io("remove", dir.path()));
    drop(lock);
    removed
}

/// Ends the server that was started in `dir` as `pid`, where that process is still it.
fn kill_server(dir: &ServerDir, pid: u32) {
    let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    let start = Instant::now();
    while runs_in(dir, pid) && start.elapsed() < KILL_LIMIT {
        let _ = kill_process_group(group, Signal::KILL);
        std::thread::sleep(POLL);
    }
}

/// Whether the process works in that directory. Its number alone proves nothing: numbers are used again.
fn runs_in(dir: &ServerDir, pid: u32) -> bool {
    let cwd = std::fs::read_link(format!("/proc/{pid}/cwd"));
    let dir = dir.path().canonicalize();
    matches!((cwd, dir), (Ok(cwd), Ok(dir)) if cwd == dir)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::locate(Some(dir.path())).unwrap();
        cache.create().unwrap();
        (dir, cache)
    }

    fn server_dir(cache: &Cache, name: &str) -> ServerDir {
        let dir = ServerDir::new(cache.servers_dir().join(name));
        std::fs::create_dir_all(dir.data()).unwrap();
        dir
    }

    #[test]
    fn directories_without_a_living_supervisor_are_removed_and_others_are_not() {
        let (_temp, cache) = cache();
        let half_made = server_dir(&cache, "half");
        let crashed = server_dir(&cache, "crashed");
        std::fs::write(crashed.lock(), "1").unwrap();
        let alive = server_dir(&cache, "alive");
        let _held = Lock::attempt(&alive.lock()).unwrap().unwrap();
        sweep(&cache).unwrap();
        assert!(!half_made.path().exists());
        assert!(!crashed.path().exists());
        assert!(alive.data().exists());
    }

    #[test]
    fn a_server_whose_supervisor_was_killed_is_ended() {
        let (_temp, cache) = cache();
        let dir = server_dir(&cache, "orphan");
        let mut server = Command::new("sleep")
            .arg("600")
            .current_dir(dir.path())
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        std::fs::write(dir.pid(), server.id().to_string()).unwrap();
        // Waited for in its own thread: an unreaped child would still have its number.
        let ended = std::thread::spawn(move || server.wait().unwrap());
        sweep(&cache).unwrap();
        assert!(!dir.path().exists());
        assert!(!ended.join().unwrap().success());
    }

    #[test]
    fn a_process_that_got_the_number_of_an_ended_server_is_left_alone() {
        let (_temp, cache) = cache();
        let dir = server_dir(&cache, "old");
        let mut other = Command::new("sleep")
            .arg("600")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        std::fs::write(dir.pid(), other.id().to_string()).unwrap();
        sweep(&cache).unwrap();
        assert!(!dir.path().exists());
        assert!(other.try_wait().unwrap().is_none(), "it was ended");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
