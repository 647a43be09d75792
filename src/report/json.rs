//! JSON: the very file.

use std::io::{self, Write};

use serde::Serialize;

use super::terminal::words::is_steering;

/// Writes a report, a calibration or a schema, indented, with a line's end after it, in one piece.
///
/// Its words may be a server's. Characters that steer a terminal stand as `\u` escapes, which changes nothing for whoever reads
/// JSON.
///
/// # Errors
/// Where the writer fails.
pub fn render(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    // JSON itself consists of ASCII and line ends: any other such character is part of a string.
    if text.chars().any(|c| c != '\n' && is_steering(c)) {
        text = text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
            match c {
                '\n' => escaped.push(c),
                c if is_steering(c) => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => escaped.push(c),
            }
            escaped
        });
    }
    text.push('\n');
    out.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counting {
        writes: usize,
        bytes: Vec<u8>,
    }

    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes += 1;
            self.bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_report_is_written_in_one_piece() {
        let mut out = Counting::default();
        render(&crate::report::samples::full(), &mut out).unwrap();
        assert_eq!(out.writes, 1);
        assert!(out.bytes.ends_with(b"}\n"));
    }

    #[test]
    fn words_that_would_steer_a_terminal_are_escaped_and_read_back_as_they_were() {
        let words = "a\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\u{2028} b\n\t\"\\";
        let mut out = Vec::new();
        render(&[words], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && is_steering(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), [words]);
    }
}
