//! Where things lie on disk, and the locks that keep processes apart.
//!
//! ```text
//! <user's cache>/milvus-load/        or MILVUS_LOAD_CACHE
//!     milvus-2.3.5/                  the unpacked server, complete or absent
//!     servers/<id>/                  one running server: its lock, configuration, data, logs
//!     kept.json                      which of them is kept for use by hand
//!     install.lock, servers.lock     who may install; who may make, sweep or keep a server
//! ```
//!
//! Every lock is a `flock`: the kernel releases it when its holder ends, in whatever way, so none is ever stale.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::EmbeddedError;
use super::supervised::POLL;

/// The environment variable that moves the cache.
pub const CACHE_ENV: &str = "MILVUS_LOAD_CACHE";

/// The cache directory and the names in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache at `root`, else where [`CACHE_ENV`] says, else in the user's cache directory. Nothing is created yet.
    ///
    /// # Errors
    /// Where none of the three is known.
    pub fn locate(root: Option<&Path>) -> Result<Self, EmbeddedError> {
        let from_env = || std::env::var_os(CACHE_ENV).filter(|v| !v.is_empty()).map(PathBuf::from);
        let of_user = || dirs::cache_dir().map(|dir| dir.join("milvus-load"));
        let root =
            root.map(Path::to_owned).or_else(from_env).or_else(of_user).ok_or(EmbeddedError::NoCacheDir)?;
        // The server runs in a directory of its own, so that a relative path would mean another place there.
        let root = std::path::absolute(&root).map_err(EmbeddedError::io("find", &root))?;
        Ok(Self { root })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The unpacked server of that version.
    pub(super) fn install_dir(&self, version: &str) -> PathBuf {
        self.root.join(format!("milvus-{version}"))
    }

    /// Where running servers have their directories.
    pub(super) fn servers_dir(&self) -> PathBuf {
        self.root.join("servers")
    }

    /// Names the kept server.
    pub(super) fn kept_file(&self) -> PathBuf {
        self.root.join("kept.json")
    }

    /// Held by who installs.
    pub(super) fn install_lock(&self) -> PathBuf {
        self.root.join("install.lock")
    }

    /// Held by who makes, sweeps or keeps a server.
    pub(super) fn servers_lock(&self) -> PathBuf {
        self.root.join("servers.lock")
    }

    /// Makes the directory where it is missing.
    pub(super) fn create(&self) -> Result<(), EmbeddedError> {
        let servers = self.servers_dir();
        std::fs::create_dir_all(&servers).map_err(EmbeddedError::io("create", &servers))
    }
}

/// A held lock; released when dropped or when the process ends.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Waits for the lock, creating its file where it is missing, for as long as `is_stopped` does not say so.
    pub(super) fn wait(path: &Path, is_stopped: impl Fn() -> bool) -> Result<Self, EmbeddedError> {
        loop {
            if let Some(lock) = Self::attempt(path).map_err(EmbeddedError::io("lock", path))? {
                return Ok(lock);
            }
            if is_stopped() {
                return Err(EmbeddedError::Stopped);
            }
            std::thread::sleep(POLL);
        }
    }

    /// The lock, or `None` where somebody else has it. The file is created where it is missing.
    pub(super) fn attempt(path: &Path) -> io::Result<Option<Self>> {
        Self::attempt_on(open(path, true)?)
    }

    /// Like [`Lock::attempt`], but an error of kind `NotFound` where there is no such file.
    pub(super) fn attempt_existing(path: &Path) -> io::Result<Option<Self>> {
        Self::attempt_on(open(path, false)?)
    }

    fn attempt_on(file: File) -> io::Result<Option<Self>> {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces what the lock's file says.
    pub(super) fn write(&mut self, text: &str) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.write_all(text.as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone is not enough at once: a process that another thread is just starting may share the file
        // until its exec. An error means that the lock is gone already.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path)
}

/// Writes a file so that a reader sees the old text or the new one, never a part.
pub(super) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    std::fs::write(&new, text)?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_cache_wins_over_the_users_and_becomes_absolute() {
        let cache = Cache::locate(Some(Path::new("here"))).unwrap();
        assert!(cache.root().is_absolute());
        assert!(cache.root().ends_with("here"));
    }

    #[test]
    fn a_held_lock_is_refused_to_others_and_free_again_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::attempt(&path).unwrap().expect("nobody has it");
        assert!(Lock::attempt(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::attempt(&path).unwrap().is_some());
    }

    #[test]
    fn who_waits_for_a_lock_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::attempt(&path).unwrap();
        assert!(matches!(Lock::wait(&path, || true), Err(EmbeddedError::Stopped)));
        drop(held);
        Lock::wait(&path, || true).expect("nobody has it");
    }

    #[test]
    fn a_lock_that_must_exist_is_not_created() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(Lock::attempt_existing(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!path.exists());
    }

    #[test]
    fn the_text_in_a_lock_is_replaced_not_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, "123456").unwrap();
        Lock::attempt(&path).unwrap().unwrap().write("78").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "78");
    }

    #[test]
    fn a_file_written_whole_leaves_nothing_else_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        write_whole(&path, "one").unwrap();
        write_whole(&path, "two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
