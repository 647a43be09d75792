//! Reads the server's own metrics page, before and after a run.

use std::time::Duration;

use crate::measure::{ProcessMetrics, parse_process_metrics};

const LIMIT: Duration = Duration::from_secs(1);
/// Milvus's page has some 300 KB.
const MOST_BYTES: u64 = 16 << 20;

/// A page that told the server's CPU and memory when the run began.
pub(super) struct MetricsPage<'a> {
    endpoint: &'a str,
    before: ProcessMetrics,
}

impl<'a> MetricsPage<'a> {
    /// The first of `endpoints` that tells any; one that does not answer is no error.
    pub fn find(endpoints: &'a [String]) -> Option<Self> {
        endpoints.iter().find_map(|endpoint| Some(Self { endpoint, before: read(endpoint)? }))
    }

    /// The same process before and now. `None` where the page is gone, or tells of another process: the difference between two
    /// processes means nothing.
    pub fn read_again(self) -> Option<(ProcessMetrics, ProcessMetrics)> {
        let after = read(self.endpoint)?;
        (self.before.started_seconds == after.started_seconds).then_some((self.before, after))
    }
}

fn read(endpoint: &str) -> Option<ProcessMetrics> {
    let metrics = parse_process_metrics(&page(endpoint)?);
    metrics.cpu_seconds.is_some().then_some(metrics)
}

fn page(endpoint: &str) -> Option<String> {
    // As directly as Milvus itself is talked to, whatever proxy the environment names.
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(LIMIT)).proxy(None).build().into();
    let mut answer = agent.get(endpoint).call().ok()?;
    answer.body_mut().with_config().limit(MOST_BYTES).read_to_string().ok()
}
