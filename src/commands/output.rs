//! Standard output and standard error, whose reader may have seen enough: `milvus-load report --format csv | head`.

use std::io::{self, IsTerminal as _, StdoutLock, Write};

use super::live::screen;
use crate::report::terminal::clean;

/// A writer to whom a reader who has gone is no failure: what nobody reads any more is dropped.
#[derive(Debug)]
pub struct Output<W> {
    inner: W,
    /// A terminal that has hung up fails with EIO, as a broken disk does beneath a file.
    is_terminal: bool,
}

impl Output<StdoutLock<'static>> {
    /// Standard output, locked.
    pub fn stdout() -> Self {
        let inner = io::stdout().lock();
        let is_terminal = inner.is_terminal();
        Self { inner, is_terminal }
    }
}

impl<W> Output<W> {
    fn has_lost_its_reader(&self, error: &io::Error) -> bool {
        let hung_up = self.is_terminal && error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
        hung_up || error.kind() == io::ErrorKind::BrokenPipe
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.inner.write(bytes) {
            Err(error) if self.has_lost_its_reader(&error) => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.inner.flush() {
            Err(error) if self.has_lost_its_reader(&error) => Ok(()),
            flushed => flushed,
        }
    }
}

/// Lines on standard error, cleaned of what would steer a terminal: they may quote a server. Where lines are drawn there, these
/// come above them; a terminal that has taken nothing for a while is not waited for. That nobody reads it any more, as behind `2>&1 | head`, must not end a run: `eprintln!` would panic.
pub fn say(lines: &str) {
    let lines = cleaned(lines);
    if !screen::say(&lines) && screen::takes() {
        let _ = writeln!(io::stderr(), "{lines}");
    }
}

fn cleaned(lines: &str) -> String {
    lines.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(rustix::io::Errno);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    fn is_failure(errno: rustix::io::Errno, is_terminal: bool) -> bool {
        let mut out = Output { inner: Failing(errno), is_terminal };
        let written = out.write_all(b"line").is_err();
        assert_eq!(out.flush().is_err(), written);
        written
    }

    #[test]
    fn a_reader_who_has_gone_is_no_failure() {
        assert!(!is_failure(rustix::io::Errno::PIPE, false));
        assert!(!is_failure(rustix::io::Errno::IO, true), "a terminal that has hung up");
    }

    #[test]
    fn a_full_or_broken_disk_is_a_failure() {
        assert!(is_failure(rustix::io::Errno::NOSPC, false));
        assert!(is_failure(rustix::io::Errno::IO, false));
    }

    #[test]
    fn what_is_said_keeps_its_lines_and_loses_what_would_steer_a_terminal() {
        assert_eq!(cleaned("error: a\u{1b}[2Jb\r\n    | c"), "error: ab \n    | c");
    }
}
