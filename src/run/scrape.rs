//! Reads the server's own metrics page.

use std::time::Duration;

use crate::measure::{ProcessMetrics, parse_process_metrics};

const LIMIT: Duration = Duration::from_secs(1);
/// Milvus's page has some 300 KB.
const MOST_BYTES: u64 = 16 << 20;

/// The process metrics of the first endpoint that tells any; an endpoint that does not answer is no error.
pub fn first(endpoints: &[String]) -> Option<ProcessMetrics> {
    // As directly as Milvus itself is talked to, whatever proxy the environment names.
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(LIMIT)).proxy(None).build().into();
    endpoints.iter().find_map(|endpoint| {
        let mut answer = agent.get(endpoint).call().ok()?;
        let text = answer.body_mut().with_config().limit(MOST_BYTES).read_to_string().ok()?;
        let metrics = parse_process_metrics(&text);
        metrics.cpu_seconds.is_some().then_some(metrics)
    })
}
