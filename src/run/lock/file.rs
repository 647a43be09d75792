//! The files of locks: taken, shared, read and removed, each under the mutex of their directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::{Holder, Sharing};

/// The file of a lock, locked or not. Whoever takes it up holds the mutex of its directory.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
    path: PathBuf,
}

impl LockFile {
    /// Creates it where it is missing.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self { file: open(&path)?, path })
    }

    /// Whether it was taken.
    pub(super) fn take(&mut self, holder: &Holder, sharing: Sharing) -> io::Result<bool> {
        if self.attempt(FlockOperation::NonBlockingLockExclusive)? {
            self.file.set_len(0)?;
            self.append(holder)?;
            // The kernel gives one up before it takes the other; meanwhile the mutex keeps everybody out.
            return Ok(sharing == Sharing::Alone || self.attempt(FlockOperation::NonBlockingLockShared)?);
        }
        if sharing == Sharing::Alone || !self.attempt(FlockOperation::NonBlockingLockShared)? {
            return Ok(false);
        }
        if !self.lines()?.iter().any(|other| other.run_id == holder.run_id) {
            flock(&self.file, FlockOperation::Unlock)?;
            return Ok(false);
        }
        self.append(holder)?;
        Ok(true)
    }

    fn attempt(&self, operation: FlockOperation) -> io::Result<bool> {
        match flock(&self.file, operation) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a holder down, beside those that are there.
    fn append(&mut self, holder: &Holder) -> io::Result<()> {
        let mut line = serde_json::to_string(holder)?;
        line.push('\n');
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(line.as_bytes())
    }

    fn lines(&mut self) -> io::Result<Vec<Holder>> {
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_string(&mut text)?;
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Gives it up, and removes the file where nobody else has it. Without the mutex a small file stays behind, and no lock.
    pub(super) fn give_up(&self) {
        if let Some(Ok(_mutex)) = self.path.parent().map(DirectoryMutex::lock) {
            remove_if_free(&self.file, &self.path);
        }
        let _ = flock(&self.file, FlockOperation::Unlock);
    }

    /// Of those that were written down, those that are alive; all of them where none is, for a process of another container has
    /// another number here.
    pub(super) fn holders(&mut self) -> io::Result<Vec<Holder>> {
        let all = self.lines()?;
        let alive: Vec<_> = all.iter().filter(|holder| is_alive(holder.pid)).cloned().collect();
        Ok(if alive.is_empty() { all } else { alive })
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Closing alone is not enough at once: a process that another thread is just starting may share the file until its exec.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Held while locks are taken, given up, or their files removed: whoever has it sees no file come, go or change hands.
pub(super) struct DirectoryMutex {
    _file: File,
}

impl DirectoryMutex {
    pub(super) fn lock(directory: &Path) -> io::Result<Self> {
        let file = open(&directory.join("mutex"))?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(Self { _file: file })
    }

    /// Removes files of locks whose holders were killed.
    pub(super) fn sweep(&self, directory: &Path) {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        for path in
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "lock"))
        {
            if let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) {
                remove_if_free(&file, &path);
            }
        }
    }
}

/// Needs the mutex held. Of a shared lock, the last to give it up is the one that can have it alone.
fn remove_if_free(file: &File, path: &Path) {
    if flock(file, FlockOperation::NonBlockingLockExclusive).is_ok() {
        // It is in nobody's way where it stays.
        let _ = fs::remove_file(path);
    }
}

fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Commands are nobody else's business.
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Whether there is such a process. One that we may not signal is alive too.
fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM)))
}
