//! `milvus-load schema report|workload|calibration`: the JSON Schema of what is written and of what is read.

use std::io::{self, Write};

use serde_json::Value;

use crate::report::json;

/// Writes the schema, indented.
///
/// # Errors
/// Where `out` fails.
pub fn run(schema: &Value, out: &mut dyn Write) -> io::Result<()> {
    json::render(schema, out)
}
