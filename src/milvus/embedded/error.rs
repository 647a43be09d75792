//! What can go wrong between "no Milvus was named" and "the embedded one answers".

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::install::{WHEEL_ENV, WHEEL_VERSION};
use super::kept::ServerInfo;

/// Why there is no embedded Milvus. Every message says what to do instead.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The wheel holds a Linux x86_64 program.
    #[error(
        "the embedded Milvus runs on Linux x86_64 only, and this is {os} {arch}: start one with \
         `docker compose up -d` (docker-compose.yaml) and name it with --uri or MILVUS_URI"
    )]
    Platform { os: &'static str, arch: &'static str },
    /// Neither XDG_CACHE_HOME nor HOME is set.
    #[error("this user has no cache directory (HOME is not set): set MILVUS_LOAD_CACHE to a directory")]
    NoCacheDir,
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A path that cannot be written into a configuration file.
    #[error(
        "{path:?} is not UTF-8, which Milvus's configuration must be: set MILVUS_LOAD_CACHE to another directory"
    )]
    PathNotUtf8 { path: PathBuf },
    #[error(
        "`{command}` could not download Milvus {WHEEL_VERSION}: {reason}{}\nEither give the wheel's file in {WHEEL_ENV}, or \
         start Milvus with `docker compose up -d` (docker-compose.yaml) and name it with --uri",
        quoted(stderr)
    )]
    Pip {
        command: String,
        /// How it ended, or why it could not start.
        reason: String,
        /// The end of what it said.
        stderr: String,
    },
    /// Not the wheel that this tool was made for.
    #[error(
        "{} is not the wheel of Milvus {WHEEL_VERSION} for Linux x86_64: its sha256 is {found} and must be {wanted}: \
         remove it, or let {WHEEL_ENV} name the right file",
        path.display()
    )]
    WheelHash {
        path: PathBuf,
        /// Its hash, in hex.
        found: String,
        /// The right one, in hex.
        wanted: &'static str,
    },
    #[error("cannot unpack {}: {reason}", path.display())]
    BadWheel { path: PathBuf, reason: String },
    /// The configuration template does not have the shape that it had when this was written.
    #[error(
        "the configuration template of Milvus {WHEEL_VERSION} {reason}: this is a bug of milvus-load, please report it"
    )]
    Template { reason: String },
    /// The collector's address cannot be given to Milvus.
    #[error("{value:?} is no OTLP endpoint: {reason}; write for example \"http://localhost:4317\"")]
    Endpoint { value: String, reason: &'static str },
    #[error("found no {wanted} free TCP ports on this machine: {reason}")]
    NoFreePorts {
        wanted: usize,
        /// What the last attempt said.
        reason: String,
    },
    /// The supervising process ended before it had started the server.
    #[error(
        "the supervisor of the embedded Milvus ended with {status} before it had started the server{}",
        quoted(log)
    )]
    Supervisor { status: String, log: String },
    /// The server ended before it was ready.
    #[error(
        "the embedded Milvus ended with {status} {after:.1?} after its start; the end of its log:{}",
        quoted(log)
    )]
    Exited { status: String, after: Duration, log: String },
    /// On a machine that several people use.
    #[error(
        "the embedded Milvus must write to {}, which another user made: ask that user or root to remove it, or to \
         `chmod 1777` it; the end of its log:{}", path.display(), quoted(log)
    )]
    RuntimeDir {
        /// Where it writes whatever it is told.
        path: &'static Path,
        log: String,
    },
    /// One of the ports went to another program between our choice and the server's start, several times in a row.
    #[error(
        "the embedded Milvus did not get its ports in {attempts} attempts; the end of its log:{}",
        quoted(log)
    )]
    PortsTaken {
        /// How often fresh ports were chosen.
        attempts: u32,
        /// The end of the last one's log.
        log: String,
    },
    /// The server lives and is not ready.
    #[error(
        "the embedded Milvus was not ready after {limit:.0?}: {missing}. Is the machine very busy, or short of memory? \
         The end of its log:{}",
        quoted(log)
    )]
    NotReady { limit: Duration, missing: String, log: String },
    /// There is one already, and only one is kept.
    #[error("an embedded Milvus is kept already at {}: stop it first with `milvus-load embedded stop`", .0.uri)]
    AlreadyKept(Box<ServerInfo>),
    /// The server that was to be kept is gone.
    #[error("the embedded Milvus at {uri} has ended and cannot be kept")]
    Gone { uri: String },
    /// The user wanted no more of it: see [`Progress::is_stopped`](super::Progress::is_stopped).
    #[error("stopped before the embedded Milvus was ready")]
    Stopped,
    /// The kept server did not end.
    #[error(
        "the embedded Milvus (supervisor's process {pid}) did not end within {limit:.0?}: end it with `kill -9 {pid}`"
    )]
    WillNotStop { pid: u32, limit: Duration },
}

impl EmbeddedError {
    /// For `map_err`: what was tried on which path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Foreign output below a message, indented; nothing where there is none.
fn quoted(text: &str) -> String {
    text.lines().map(|line| format!("\n    | {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_output_is_quoted_line_by_line_and_its_absence_leaves_nothing() {
        assert_eq!(quoted("a\nb"), "\n    | a\n    | b");
        assert_eq!(quoted(""), "");
    }

    #[test]
    fn a_wrong_platform_is_one_sentence_that_names_compose() {
        let text = EmbeddedError::Platform { os: "macos", arch: "aarch64" }.to_string();
        assert!(
            text.contains("docker-compose.yaml") && text.contains("macos aarch64") && !text.contains('\n')
        );
    }

    #[test]
    fn a_failed_download_quotes_pip_and_names_both_ways_out() {
        let error = EmbeddedError::Pip {
            command: "python3 -m pip".into(),
            reason: "exit status: 1".into(),
            stderr: "ERROR: no network".into(),
        };
        let text = error.to_string();
        for part in ["    | ERROR: no network", "MILVUS_LOAD_WHEEL", "docker-compose.yaml"] {
            assert!(text.contains(part), "{part:?} is missing in {text:?}");
        }
    }
}
