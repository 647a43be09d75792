//! The page that lists the reports of a directory: asked for, or brought up to date after a run.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::report::index::{self, Index};
use crate::report::store::RunDirectory;
use crate::report::terminal::{self, Footer};

use super::{Failure, style};

/// `report --index`: writes the index of the reports under `base`, and says where, and what is not in it.
///
/// # Errors
/// As [`index::write`], and where standard output fails.
pub(super) fn run(base: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let (path, index) = index::write(base)?;
    say_what_is_missing(&index);
    let footer = Footer { paths: vec![("index".to_owned(), path.display().to_string())], next: None };
    terminal::footer(&footer, style::of_stdout(), out)?;
    Ok(())
}

fn say_what_is_missing(index: &Index) {
    index.left_out.iter().for_each(|words| super::say(&format!("warning: left out: {words}")));
    if index.older > 0 {
        super::say(&format!("note: {} older reports are not in it", index.older));
    }
}

/// After a run or an experiment in `directory`, and says where it is, if there is one. That it cannot be written is told and changes nothing.
pub(super) fn after(directory: &RunDirectory) -> Option<PathBuf> {
    let base = directory.path().parent()?.parent()?;
    let base = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    index::bring_up_to_date(base).unwrap_or_else(|error| {
        super::say(&format!("warning: the index of the reports is not brought up to date: {error}"));
        None
    })
}
