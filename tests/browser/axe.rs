//! axe-core, which is not ours and not committed.

/// Names its file, `axe.min.js`.
const AXE: &str = "MILVUS_LOAD_AXE";

pub struct Axe {
    pub source: String,
}

impl Axe {
    pub fn read() -> Self {
        let path = std::env::var_os(AXE)
            .unwrap_or_else(|| panic!("{AXE} must name axe-core's axe.min.js; .ci/run fetches one"));
        let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{AXE}: {error}"));
        Self { source }
    }
}
