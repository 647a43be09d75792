//! The `milvus-load` command.
fn main() {}
