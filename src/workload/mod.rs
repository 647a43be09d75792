//! *What* to do: the TOML file, its validation, and the [`Workload`] that comes out of it.
//!
//! ```text
//! text -> raw (TOML with places) -> layers (file, environment, flags, by the table of keys) -> build -> Workload
//! ```
//!
//! Belongs here: the keys of the file, what each takes, precedence, and every reason why a workload cannot be run.
//! Does not belong here: what a server says, when requests are sent, how `OTEL_*` variables are read (they come in as
//! [`Override`]s). Files are read here, the workload's and the token's; nothing else is touched.
//!
//! Invariant: a [`Workload`] needs no further checks; all that was said is in force, or [`WorkloadError`] says why not.
//! Start reading at [`load`]; a new key begins in `keys.rs`.
mod build;
mod filter;
mod keys;
mod kind;
mod layers;
mod load;
mod model;
mod operations;
mod overrides;
mod owner;
mod problem;
mod quantile;
mod raw;
mod restore;
mod schema;
mod section;
mod stages;
mod suggest;
mod template;
#[cfg(test)]
mod tests;
mod threshold;
mod uri;
mod vector;

use std::path::Path;

pub use build::PRIMARY_KEY;
pub use filter::FilterError;
pub use load::{Arrival, Load, LoadModel, Spin, Stream};
pub use model::*;
pub use operations::{Access, Get, Insert, Operation, OperationFacts, OperationKind, Query, Search};
pub use overrides::{Override, SetError, milvus_environment};
pub use problem::{Problem, WorkloadError};
pub use quantile::QuantileError;
pub use restore::restore;
pub use schema::schema;
pub use stages::{MOST_STAGES, Rates, Stage};
pub use template::{TemplateKind, template};
pub use threshold::ThresholdError;
pub use uri::UriError;
pub use vector::{VectorRules, vector_rules};

pub use crate::data::VectorType;

/// Reads a workload file and lays the overrides over it: flag and `--set`, then environment, then file, then default.
///
/// # Errors
/// Where the file cannot be read, or with all the problems that were found in it and in the overrides.
pub fn load(path: &Path, overrides: &[Override]) -> Result<Workload, WorkloadError> {
    let bytes =
        std::fs::read(path).map_err(|source| WorkloadError::Read { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|_| WorkloadError::NotText { path: path.to_owned() })?;
    let name = path.file_stem().map_or_else(|| "workload".into(), |stem| stem.to_string_lossy());
    let base = path.parent().unwrap_or(Path::new(""));
    read(&name, &path.display().to_string(), base, &text, overrides)
}

/// Reads a workload from text, as if it were in the file `name`.toml of the current directory.
///
/// # Errors
/// With all the problems that were found.
pub fn load_text(name: &str, text: &str, overrides: &[Override]) -> Result<Workload, WorkloadError> {
    read(name, &format!("{name}.toml"), Path::new(""), text, overrides)
}

fn read(
    name: &str,
    file: &str,
    base: &Path,
    text: &str,
    overrides: &[Override],
) -> Result<Workload, WorkloadError> {
    let mut problems = problem::Problems::new(file, text);
    let document = match raw::document(text) {
        Ok(document) => document,
        Err(syntax) => {
            problems.add(
                "",
                &syntax.at,
                format!("not TOML: {}", syntax.message),
                "see https://toml.io for how TOML is written",
            );
            return Err(problems.into_error());
        }
    };
    let mut layers = layers::Layers::of_file(&document, &mut problems);
    layers.lay(overrides, &mut problems);
    match build::workload(layers, name, base, &mut problems) {
        Some(workload) if problems.is_empty() => Ok(workload),
        Some(_) => Err(problems.into_error()),
        None => {
            if problems.is_empty() {
                let (message, fix) =
                    ("the loader does not know a value that its own table allows", "report this bug");
                problems.add("", &document.at, message, fix);
            }
            Err(problems.into_error())
        }
    }
}
