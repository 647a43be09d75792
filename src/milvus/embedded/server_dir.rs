//! One server's directory, and what happens to it when the server has ended.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The layout of one server's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerDir(PathBuf);

impl ServerDir {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
    pub(super) fn configs(&self) -> PathBuf {
        self.0.join("configs")
    }
    pub(super) fn etcd_config(&self) -> PathBuf {
        self.configs().join("embedEtcd.yaml")
    }
    pub(super) fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }
    pub(super) fn data(&self) -> PathBuf {
        self.0.join("data")
    }
    pub(super) fn run(&self) -> PathBuf {
        self.0.join("run")
    }
    /// Held by the supervisor, whose process id it says.
    pub(super) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }
    /// What the supervisor is to start.
    pub(super) fn launch(&self) -> PathBuf {
        self.0.join("launch.json")
    }
    /// The server's process id, from when it runs.
    pub(super) fn pid(&self) -> PathBuf {
        self.0.join("server.pid")
    }
    /// How the server ended, from when it did.
    pub(super) fn exit(&self) -> PathBuf {
        self.0.join("server.exit")
    }
    /// Held by the run whose collector the server exports to.
    pub(super) fn collector(&self) -> PathBuf {
        self.0.join("collector.lock")
    }
    /// What the tool knows of the server, from when it is ready.
    pub(super) fn info(&self) -> PathBuf {
        self.0.join("server.json")
    }
    /// Removes the directory with all that is in it, also where another process is at the same.
    pub(super) fn remove(&self) -> io::Result<()> {
        loop {
            match fs::remove_dir_all(&self.0) {
                // Something inside went away under our hands: look again.
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.0.exists() => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                result => return result,
            }
        }
    }
}

/// Where Milvus 2.3.5 writes whatever it is told (measured).
pub(super) const RUNTIME_DIR: &str = "/tmp/milvus";

/// What a server leaves outside its directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leftovers<'a> {
    /// Where `server_id_<process>` is written.
    pub(super) ids: &'a Path,
    /// The process-id files that all standalone servers of a machine, or of its users other than root, share.
    pub(super) pid_files: [&'a Path; 2],
}

impl Leftovers<'static> {
    /// Where Milvus 2.3.5 writes them.
    pub(super) fn of_milvus() -> Self {
        let pid_files = ["/run/milvus/standalone.pid", "/tmp/milvus/standalone.pid"];
        Self { ids: Path::new(RUNTIME_DIR), pid_files: pid_files.map(Path::new) }
    }
}

impl Leftovers<'_> {
    /// Removes those of the ended server `pid`; others' are left alone.
    pub(super) fn tidy(&self, pid: u32) -> io::Result<()> {
        remove_if_there(&self.ids.join(format!("server_id_{pid}")))?;
        for file in self.pid_files {
            // Any other is another server's, or none at all, or not ours to read.
            if fs::read_to_string(file).is_ok_and(|text| text.trim() == pid.to_string()) {
                remove_if_there(file)?;
            }
        }
        Ok(())
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_leftovers_of_that_process_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (roots, users) = (dir.path().join("root.pid"), dir.path().join("user.pid"));
        let leftovers = Leftovers { ids: dir.path(), pid_files: [&roots, &users] };
        fs::write(&roots, "124\n").unwrap();
        fs::write(&users, "1240").unwrap();
        for pid in [123, 124] {
            fs::write(dir.path().join(format!("server_id_{pid}")), "x").unwrap();
        }
        leftovers.tidy(123).unwrap();
        assert!(!dir.path().join("server_id_123").exists());
        assert!(dir.path().join("server_id_124").exists());
        assert!(roots.exists());
        leftovers.tidy(124).unwrap();
        assert!(!roots.exists() && users.exists());
        leftovers.tidy(124).unwrap();
    }
}
