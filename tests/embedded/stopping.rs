//! Ctrl-C while the server is fetched, unpacked and started.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::{Child, Command};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::{TestCache, alive, assert_contains, wait_until, write_script};

/// The tool under way, in a cache of its own; what it says on stderr is in a file.
struct Start {
    tool: Child,
    said: std::path::PathBuf,
}

impl Start {
    fn of(command: &mut Command, dir: &Path) -> Self {
        let said = dir.join("stderr");
        let tool = command.stderr(File::create(&said).unwrap()).spawn().unwrap();
        Self { tool, said }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// Sends it alone the signal that a terminal sends on Ctrl-C, and holds it to having ended for that.
    #[track_caller]
    fn interrupt(mut self) {
        kill_process(Pid::from_raw(self.tool.id() as i32).unwrap(), Signal::INT).unwrap();
        let status = self.tool.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{}", self.said());
        assert_contains(&self.said(), &["error: stopped before"]);
    }
}

#[track_caller]
fn number_in(path: &Path) -> u32 {
    let read = || fs::read_to_string(path).ok()?.trim().parse().ok();
    wait_until("a process says its number", || read().is_some());
    read().unwrap()
}

#[test]
fn ctrl_c_ends_a_download_with_all_its_processes() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let numbers = "echo $$ > \"$0.pid\"; sleep 600 & echo $! > \"$0.child\"; wait";
    write_script(&dir.path().join("python3"), &format!("trap '' INT TERM; touch half.whl; {numbers}"));
    let mut command = Command::new(crate::TOOL);
    command.args(["embedded", "start"]).env("MILVUS_LOAD_CACHE", &cache).env_remove("MILVUS_LOAD_WHEEL");
    command.env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()));
    let start = Start::of(&mut command, dir.path());
    let pids = ["python3.pid", "python3.child"].map(|file| number_in(&dir.path().join(file)));
    assert!(pids.into_iter().all(alive));
    start.interrupt();
    wait_until("pip and its child are gone", || !pids.into_iter().any(alive));
    let left: Vec<_> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".part-")), "{left:?}");
}

#[test]
fn ctrl_c_ends_the_wait_for_another_that_installs() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("install.lock");
    let held = OpenOptions::new().create(true).append(true).open(&lock).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let mut command = Command::new(crate::TOOL);
    command.args(["embedded", "start"]).env("MILVUS_LOAD_CACHE", dir.path());
    let start = Start::of(&mut command, dir.path());
    wait_until("it waits", || start.said().contains("waiting for another milvus-load"));
    start.interrupt();
}

#[test]
fn ctrl_c_ends_a_server_that_does_not_get_ready() {
    let cache = TestCache::with_script("echo $$ > ../../number; exec sleep 600");
    let dir = tempfile::tempdir().unwrap();
    let start = Start::of(&mut cache.tool(&["start"]), dir.path());
    let server = number_in(&cache.0.path().join("number"));
    start.interrupt();
    assert!(!alive(server), "it ends before the tool does");
    assert!(cache.servers().is_empty());
}
