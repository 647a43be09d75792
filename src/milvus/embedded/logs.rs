//! The server's logs, for quoting their end in an error.
//!
//! Milvus writes what happens before it has read its configuration, and every crash, to its standard output and
//! error ([`OUTPUT`]); the rest goes to a rotated file of its own in the same directory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::server_dir::RUNTIME_DIR;

/// Where the server's standard output and error go, in its log directory.
pub(super) const OUTPUT: &str = "milvus.out";

/// Where the supervisor's go.
pub(super) const SUPERVISOR: &str = "supervisor.log";

/// How many lines of a log an error quotes.
const QUOTED_LINES: usize = 15;

/// A line longer than this many characters is cut: Milvus prints stack traces on one line.
const QUOTED_WIDTH: usize = 300;

/// How much of a log's end is looked at, bytes.
const TAIL_BYTES: u64 = 64 * 1024;

/// The log that Milvus wrote to last.
pub(super) fn current(log_dir: &Path) -> PathBuf {
    let fallback = log_dir.join(OUTPUT);
    let Ok(entries) = std::fs::read_dir(log_dir) else { return fallback };
    entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name == OUTPUT || (name.starts_with("standalone-") && name.ends_with(".log"))
        })
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .max()
        .map_or(fallback, |(_, path)| path)
}

/// The end of a log as text to quote; empty where there is none.
pub(super) fn tail(path: &Path) -> String {
    last_lines(&end_of(path), QUOTED_LINES)
}

/// Whether the end of the server's output says that a port was taken. Milvus ends on some such clashes and lives
/// on without its metrics, or on another port, after others (measured on 2.3.5).
pub(super) fn tells_of_a_taken_port(log_dir: &Path) -> bool {
    end_of(&log_dir.join(OUTPUT)).contains("bind: address already in use")
}

/// Whether the server ended because [`RUNTIME_DIR`] is another user's. It takes that directory where it may not
/// write to /run.
pub(super) fn tells_of_a_foreign_runtime_dir(log_dir: &Path) -> bool {
    end_of(&log_dir.join(OUTPUT)).contains(&format!("Create runtime directory at {RUNTIME_DIR} failed"))
}

fn end_of(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// The last `count` lines that are not blank, each cut at [`QUOTED_WIDTH`] characters.
pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let cut = |line: &&str| match line.char_indices().nth(QUOTED_WIDTH) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => (*line).to_owned(),
    };
    lines[lines.len().saturating_sub(count)..].iter().map(cut).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_output(dir: &Path, text: &str) {
        std::fs::write(dir.join(OUTPUT), text).unwrap();
    }

    #[test]
    fn only_the_last_lines_are_quoted_and_blank_ones_are_left_out() {
        assert_eq!(last_lines("a\n\nb\n  \nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
        assert_eq!(last_lines("", 2), "");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let cut = last_lines(&"ü".repeat(QUOTED_WIDTH + 1), 1);
        assert_eq!(cut, format!("{}...", "ü".repeat(QUOTED_WIDTH)));
        let whole = "ü".repeat(QUOTED_WIDTH);
        assert_eq!(last_lines(&whole, 1), whole);
    }

    #[test]
    fn the_end_of_a_log_larger_than_what_is_read_is_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(OUTPUT);
        std::fs::write(&path, format!("{}\nlast", "x\n".repeat(TAIL_BYTES as usize))).unwrap();
        assert!(tail(&path).ends_with("x\nlast"));
        assert_eq!(tail(&dir.path().join("absent")), "");
    }

    #[test]
    fn a_taken_port_is_read_off_milvuss_own_words() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!tells_of_a_taken_port(dir.path()));
        // As Milvus 2.3.5 prints it.
        let line = "panic: listen tcp :21003: bind: address already in use";
        write_output(dir.path(), line);
        assert!(tells_of_a_taken_port(dir.path()));
    }

    #[test]
    fn a_foreign_runtime_directory_is_read_off_milvuss_own_words() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!tells_of_a_foreign_runtime_dir(dir.path()));
        // As Milvus 2.3.5 prints it.
        write_output(dir.path(), "Set runtime dir at /run/milvus failed, set it to /tmp/milvus directory");
        assert!(!tells_of_a_foreign_runtime_dir(dir.path()));
        write_output(dir.path(), "Create runtime directory at /tmp/milvus failed");
        assert!(tells_of_a_foreign_runtime_dir(dir.path()));
    }

    #[test]
    fn a_log_of_another_program_is_not_taken_for_the_servers() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(SUPERVISOR), "").unwrap();
        std::fs::write(dir.path().join("milvus.WARNING"), "").unwrap();
        assert_eq!(current(dir.path()), dir.path().join(OUTPUT));
        std::fs::write(dir.path().join("standalone-1.log"), "").unwrap();
        assert_eq!(current(dir.path()), dir.path().join("standalone-1.log"));
    }
}
