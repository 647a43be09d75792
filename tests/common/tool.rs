//! The binary as a user without any setting in the environment has it.

use std::process::Command;

/// The tool; of the environment, nothing that it would heed.
pub fn tool() -> Command {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_milvus-load"));
    let heeded = |name: &str| ["MILVUS_", "OTEL_", "NO_COLOR"].iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os() {
        if heeded(&name.to_string_lossy()) {
            tool.env_remove(&name);
        }
    }
    tool
}
