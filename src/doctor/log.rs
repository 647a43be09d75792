//! The lines of Milvus's log that tell why it does not export.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::cause::Cause;

/// How much of a log's end is read.
const MOST_BYTES: u64 = 64 << 20;
/// How much of a line is looked at.
const MOST_LINE: u64 = 16 << 10;
/// How much of a line is quoted, in characters.
const QUOTED: usize = 140;

/// What a log tells of the server's last start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Telltales {
    /// The exporter that it says it started with.
    pub exporter: Option<String>,
    /// The first line of each cause, in their order.
    pub found: Vec<(Cause, String)>,
    pub lines: u64,
}

impl Telltales {
    /// Reads the end of a file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MOST_BYTES)))?;
        Self::read(BufReader::new(file.take(MOST_BYTES)))
    }

    /// Reads the ends of the files that an embedded server writes in its directory.
    ///
    /// # Errors
    /// Where one of them cannot be read.
    pub fn of_directory(directory: &Path) -> io::Result<Self> {
        let mut all = Self::default();
        for entry in std::fs::read_dir(directory)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            if name == "milvus.out" || (name.starts_with("standalone-") && name.ends_with(".log")) {
                all.merge(Self::of_file(&directory.join(&*name))?);
            }
        }
        Ok(all)
    }

    fn read(mut lines: impl BufRead) -> io::Result<Self> {
        let mut telltales = Self::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = lines.by_ref().take(MOST_LINE).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(telltales);
            }
            telltales.take(String::from_utf8_lossy(&line).trim_end());
            if !line.ends_with(b"\n") {
                lines.skip_until(b'\n')?;
            }
        }
    }

    fn take(&mut self, line: &str) {
        self.lines += 1;
        if line.contains("Init tracer finished") {
            // What stands before it is of an earlier start.
            self.found.clear();
            self.exporter = field(line, "Exporter").map(str::to_owned);
        }
        let Some(cause) = cause(line) else { return };
        if !self.found.iter().any(|(known, _)| known.code() == cause.code()) {
            self.found.push((cause, telling(line)));
        }
    }

    /// Adds what another file of the same start tells.
    pub fn merge(&mut self, other: Self) {
        self.exporter = self.exporter.take().or(other.exporter);
        self.lines += other.lines;
        for (cause, line) in other.found {
            if !self.found.iter().any(|(known, _)| known.code() == cause.code()) {
                self.found.push((cause, line));
            }
        }
    }

    /// The cause that tells most: a setting before what came of it.
    pub fn cause(&self) -> Option<(Cause, &str)> {
        let is_outcome = |cause: &Cause| matches!(cause, Cause::ExportFails | Cause::ExporterFailedToStart);
        let found = self.found.iter().find(|(cause, _)| !is_outcome(cause)).or(self.found.first());
        found.map(|(cause, line)| (cause.clone(), line.as_str()))
    }
}

/// Milvus's and Go's own words, in the order of what tells most.
fn cause(line: &str) -> Option<Cause> {
    let has = |words: &str| line.contains(words);
    if has("does not look like a TLS handshake") {
        return Some(Cause::SecureOn);
    }
    if has("too many colons in address") {
        return Some(Cause::EndpointWithScheme { host_and_port: "host:port".to_owned() });
    }
    if let Some((_, exporter)) = line.split_once("unsupported trace exporter: ") {
        let exporter = exporter.split(['"', ']', ' ', ':', '\\']).next().unwrap_or_default().to_owned();
        return Some(Cause::ExporterOff { exporter });
    }
    if has("looked like an HTTP/1.1 header") || has("http2: frame too large") {
        return Some(Cause::EndpointPort { port: None });
    }
    if has("error reading server preface") && has("EOF") {
        return Some(Cause::CollectorOnLocalhostOnly);
    }
    if has("Init tracer failed") {
        return Some(Cause::ExporterFailedToStart);
    }
    let is_export = has("traces export") || has("OTLP TRACE GRPC Exporter");
    if is_export && has("connection refused") && (has("127.0.0.1:") || has("[::1]:")) {
        return Some(Cause::EndpointIsLoopback);
    }
    is_export.then_some(Cause::ExportFails)
}

/// The part of a line that tells: Go nests its errors, the cause last, and Milvus puts time and place first.
fn telling(line: &str) -> String {
    let nested = line.rsplit_once("desc = ").map(|(_, cause)| cause);
    let message = || line.split_once("] [\"").map(|(_, message)| message);
    let words = nested.or_else(message).unwrap_or(line).trim_matches(['"', '\\', ']', ' ']);
    words.chars().take(QUOTED).collect()
}

/// `[Exporter=otlp]`.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.split_once(&format!("[{name}="))?.1;
    Some(rest.split(']').next()?.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Telltales {
        Telltales::read(text.as_bytes()).unwrap()
    }

    fn code(line: &str) -> Option<&'static str> {
        cause(line).map(|cause| cause.code())
    }

    #[test]
    fn each_telltale_line_has_its_cause() {
        let refused =
            "traces export: rpc error: code = Unavailable desc = connection error: desc = \"transport: ";
        for (words, expected) in [
            (
                "authentication handshake failed: tls: first record does not look like a TLS handshake\"",
                "secure_on",
            ),
            (
                "Error while dialing: dial tcp: address http://jaeger:4317: too many colons in address\"",
                "endpoint_with_scheme",
            ),
            ("error reading server preface: EOF\"", "collector_on_localhost_only"),
            (
                "error reading server preface: http2: frame too large, note that the frame header looked like an HTTP/1.1 header\"",
                "endpoint_port",
            ),
            (
                "Error while dialing: dial tcp 127.0.0.1:4317: connect: connection refused\"",
                "endpoint_is_loopback",
            ),
            ("Error while dialing: dial tcp 172.18.0.2:4317: connect: connection refused\"", "export_fails"),
            ("Error while dialing: dial tcp: lookup jaeger on 127.0.0.11:53: no such host\"", "export_fails"),
        ] {
            assert_eq!(code(&format!("{refused}{words}")), Some(expected), "{words}");
        }
        assert_eq!(code("traces export: context deadline exceeded"), Some("export_fails"));
        assert_eq!(
            code(
                "[2024/08/05 03:04:05.678 +00:00] [WARN] [tracer/tracer.go:45] [\"Init tracer failed\"] [error=\"x\"]"
            ),
            Some("exporter_failed_to_start")
        );
        let unsupported =
            "[WARN] [\"Init tracer failed\"] [error=\"unsupported trace exporter: zipkin: invalid\"]";
        assert_eq!(cause(unsupported), Some(Cause::ExporterOff { exporter: "zipkin".into() }));
        for harmless in
            ["", "[INFO] [\"search done\"]", "dial tcp 127.0.0.1:2379: connect: connection refused"]
        {
            assert_eq!(code(harmless), None, "{harmless}");
        }
    }

    #[test]
    fn a_start_makes_what_stands_before_it_old() {
        let old = "tls: first record does not look like a TLS handshake\n";
        let start = "[INFO] [tracer/tracer.go:49] [\"Init tracer finished\"] [Exporter=otlp]\n";
        assert_eq!(read(&format!("{old}{start}")).cause(), None);
        let again = read(&format!("{start}{old}{old}"));
        assert_eq!(again.cause().map(|(cause, _)| cause), Some(Cause::SecureOn));
        assert_eq!((again.exporter.as_deref(), again.found.len(), again.lines), (Some("otlp"), 1, 3));
    }

    #[test]
    fn the_part_that_tells_is_quoted() {
        let nested = "2026/11/27 11:20:34 traces export: context deadline exceeded: rpc error: code = Unavailable desc = \
            connection error: desc = \"transport: authentication handshake failed: tls: first record does not look like a TLS handshake\"";
        assert_eq!(
            telling(nested),
            "transport: authentication handshake failed: tls: first record does not look like a TLS handshake"
        );
        let zap = "[2024/08/05 03:04:05.678 +00:00] [WARN] [tracer/tracer.go:45] [\"Init tracer failed\"] [error=\"x\"]";
        assert_eq!(telling(zap), "Init tracer failed\"] [error=\"x");
        assert_eq!(telling(&"x".repeat(500)).len(), QUOTED);
    }

    #[test]
    fn a_setting_tells_more_than_what_came_of_it() {
        let both = "traces export: context deadline exceeded\ntls: first record does not look like a TLS handshake\n";
        assert_eq!(read(both).cause().map(|(cause, _)| cause), Some(Cause::SecureOn));
    }

    #[test]
    fn long_lines_and_bytes_that_are_no_text_are_passed_over() {
        let long = vec![b'x'; 3 * MOST_LINE as usize];
        let text = [&long[..], b"\n\xff\xfe\ntoo many colons in address"].concat();
        let read = Telltales::read(&text[..]).unwrap();
        assert_eq!((read.lines, read.found.len()), (3, 1));
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        assert!(Telltales::of_file(Path::new("/nowhere/milvus.log")).is_err());
    }
}
