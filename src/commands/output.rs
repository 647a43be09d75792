//! Standard output and standard error, whose reader may have seen enough: `milvus-load report --format csv | head`.

use std::io::{self, StdoutLock, Write};

/// A writer to whom a closed pipe is no failure: what nobody reads any more is dropped.
#[derive(Debug)]
pub struct Output<W>(W);

impl Output<StdoutLock<'static>> {
    /// Standard output, locked.
    pub fn stdout() -> Self {
        Self(io::stdout().lock())
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

/// A line on standard error. That nobody reads it any more, as behind `2>&1 | head`, must not end a run: `eprintln!` would
/// panic.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_who_has_seen_enough_is_no_failure() {
        let mut out = Output(Failing(io::ErrorKind::BrokenPipe));
        assert!(out.write_all(b"line").is_ok() && out.flush().is_ok());
    }

    #[test]
    fn a_full_disk_is_a_failure() {
        let mut out = Output(Failing(io::ErrorKind::StorageFull));
        assert!(out.write_all(b"line").is_err() && out.flush().is_err());
    }
}
