//! Downloading the wheel with the user's own pip: in a directory of ours, without our secrets, and only for as long as it
//! is wanted.
//!
//! `python3 -m pip` looks for `pip` in the working directory first. A folder of that name beside a workload would be run in
//! pip's place, so pip runs in an empty directory, and Python 3.11 and later are told not to look there at all. Settings
//! of pip itself, such as its index, proxies and certificates, are left as they are. The user's own site-packages stay too, for
//! pip may be installed there.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use super::error::EmbeddedError;
use super::install::WHEEL_VERSION;
use super::logs;
use super::progress::{Progress, Step};
use super::supervised::POLL;

/// Variables of these prefixes are kept from pip: this tool's own, among them `MILVUS_TOKEN` and the headers of
/// `OTEL_EXPORTER_OTLP_HEADERS`, and those that make Python run other code than it would without them (`PYTHONPATH`).
const WITHHELD: [&str; 3] = ["MILVUS_", "OTEL_", "PYTHON"];

/// What pip says on stderr, in its directory.
const LOG: &str = "pip.log";

/// Downloads the wheel into `dir`, which must be empty.
///
/// # Errors
/// Where pip cannot be started, fails, or is stopped. Its whole process group has ended then.
pub(super) fn download(dir: &Path, progress: &mut dyn Progress) -> Result<PathBuf, EmbeddedError> {
    progress.begin(Step::Download, None);
    let failed = |reason: String| EmbeddedError::Pip {
        command: format!("python3 -m pip download --no-deps milvus=={WHEEL_VERSION}"),
        reason,
        stderr: logs::tail(&dir.join(LOG)),
    };
    let mut command = command(dir, std::env::vars_os().map(|(name, _)| name));
    let log = dir.join(LOG);
    command.stderr(File::create(&log).map_err(EmbeddedError::io("create", &log))?);
    let mut pip = Group::spawn(&mut command).map_err(|error| failed(error.to_string()))?;
    let status = loop {
        if let Some(status) = pip.ended().map_err(|error| failed(error.to_string()))? {
            break status;
        }
        if progress.is_stopped() {
            return Err(EmbeddedError::Stopped);
        }
        std::thread::sleep(POLL);
    };
    if !status.success() {
        return Err(failed(status.to_string()));
    }
    let wheel = only_wheel_in(dir).map_err(EmbeddedError::io("read", dir))?;
    let wheel = wheel.ok_or_else(|| failed("it downloaded no wheel".into()))?;
    progress.end();
    Ok(wheel)
}

/// The command, of which the environment is this process's without those of `variables` that are to be withheld.
fn command(dir: &Path, variables: impl Iterator<Item = OsString>) -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"])
        .args(["--progress-bar", "off", "--quiet", "--dest"])
        .arg(dir)
        .arg(format!("milvus=={WHEEL_VERSION}"))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    for name in variables {
        if WITHHELD.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes())) {
            pip.env_remove(name);
        }
    }
    pip.env("PYTHONSAFEPATH", "1");
    pip
}

fn only_wheel_in(dir: &Path) -> io::Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "whl") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// A process and all that it starts, in a group of its own. Dropping it kills what is left of them.
struct Group(Child);

impl Group {
    fn spawn(command: &mut Command) -> io::Result<Self> {
        command.process_group(0).spawn().map(Self)
    }

    /// How the process ended, where it has.
    fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Once it has been waited for, its number may be another group's.
        let Ok(None) = self.0.try_wait() else { return };
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn only_a_wheel_counts_as_downloaded() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("milvus-2.3.5.tar.gz"), "").unwrap();
        assert_eq!(only_wheel_in(dir.path()).unwrap(), None);
        let wheel = dir.path().join("milvus-2.3.5-py3-none-manylinux2014_x86_64.whl");
        std::fs::write(&wheel, "").unwrap();
        assert_eq!(only_wheel_in(dir.path()).unwrap(), Some(wheel));
    }

    #[test]
    fn pip_keeps_its_own_settings_and_is_given_none_of_ours() {
        let names =
            ["MILVUS_TOKEN", "OTEL_EXPORTER_OTLP_HEADERS", "PYTHONPATH", "PIP_INDEX_URL", "HTTPS_PROXY"];
        let command = command(Path::new("/dir"), names.into_iter().map(OsString::from));
        let changes: Vec<_> = command.get_envs().collect();
        let removed = |name: &str| changes.contains(&(OsStr::new(name), None));
        assert!(names[..3].iter().all(|name| removed(name)), "{changes:?}");
        assert!(names[3..].iter().all(|name| !removed(name)), "{changes:?}");
        assert_eq!(command.get_current_dir(), Some(Path::new("/dir")));
    }
}
