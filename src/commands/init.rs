//! `milvus-load init`: a commented workload to start from, on standard output or in a new file.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::workload::{TemplateKind, template};

/// Why no workload was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is something already, and it stays as it is.
    #[error("{} exists already and is left as it is; name a new file", .0.display())]
    Exists(PathBuf),
    /// The file or the output cannot be written.
    #[error("cannot write {to}: {source}; name a file in a directory that you may write to")]
    Write {
        /// What was written to.
        to: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Prints the workload to `out`; with a path, writes it there and says on `out` how to run it.
///
/// # Errors
/// Where the file exists, or cannot be written. An existing file is never changed.
pub fn run(kind: TemplateKind, path: Option<&Path>, out: &mut dyn Write) -> Result<(), InitError> {
    let text = template(kind);
    let Some(path) = path else {
        return out.write_all(text.as_bytes()).map_err(|source| failed("standard output", source));
    };
    let written = OpenOptions::new().write(true).create_new(true).open(path);
    written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => InitError::Exists(path.to_owned()),
        _ => failed(&path.display().to_string(), source),
    })?;
    let shown = path.display();
    writeln!(out, "wrote {shown}; run it with: milvus-load run {shown}")
        .map_err(|source| failed("standard output", source))
}

fn failed(to: &str, source: std::io::Error) -> InitError {
    InitError::Write { to: to.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::load;

    #[test]
    fn the_written_file_loads_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        for kind in TemplateKind::ALL {
            let path = directory.path().join(format!("{}.toml", kind.name()));
            let mut said = Vec::new();
            run(kind, Some(&path), &mut said).expect("is written");
            load(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
            let mut printed = Vec::new();
            run(kind, None, &mut printed).expect("is printed");
            assert_eq!(std::fs::read(&path).expect("is there"), printed);
            assert!(String::from_utf8_lossy(&said).contains("milvus-load run"));
        }
    }

    #[test]
    fn an_existing_file_is_never_changed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("mine.toml");
        std::fs::write(&path, "mine").expect("is written");
        let refused = run(TemplateKind::Search, Some(&path), &mut Vec::new());
        assert!(matches!(refused, Err(InitError::Exists(_))));
        assert_eq!(std::fs::read_to_string(&path).expect("is there"), "mine");
    }
}
