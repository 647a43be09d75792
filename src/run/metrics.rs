//! Reads the server's own metrics page, before and after a run.

use std::time::Duration;

use crate::measure::{ProcessMetrics, parse_process_metrics};

const LIMIT: Duration = Duration::from_secs(1);
/// Milvus's page has some 300 KB.
const MOST_BYTES: u64 = 16 << 20;

/// Where a server tells its metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metrics {
    /// At one of these, which are the server's own.
    Told(Vec<String>),
    /// Perhaps here, where another server may tell its own.
    Guessed(String),
}

impl Metrics {
    /// The endpoints that are the server's: those that were told, or the guessed one where its page counts the calls that
    /// `call` makes to the server. `call` makes [`PROBES`] `HasCollection` calls.
    pub(super) fn of_server(&self, call: impl FnOnce()) -> Vec<String> {
        match self {
            Self::Told(endpoints) => endpoints.clone(),
            Self::Guessed(endpoint) => {
                let Some(before) = page(endpoint) else { return Vec::new() };
                call();
                let counts = |page: &str| calls(page, "HasCollection");
                // A server that was never asked has no count yet.
                let more = page(endpoint).map_or(0.0, |after| counts(&after) - counts(&before));
                if more >= f64::from(PROBES) { vec![endpoint.clone()] } else { Vec::new() }
            }
        }
    }
}

/// Calls by which a guessed page is known to be the server's. Another server would have to be asked the same as often within the same
/// milliseconds.
pub(super) const PROBES: u32 = 5;

/// How often a function was called, by the proxy's own count, over all databases and collections. 0 where it is not told.
fn calls(page: &str, function: &str) -> f64 {
    let of_function = format!("function_name=\"{function}\"");
    let counts = page.lines().filter(|line| {
        line.starts_with("milvus_proxy_req_count{")
            && line.contains(&of_function)
            && line.contains("status=\"total\"")
    });
    counts.filter_map(|line| line.split_once("} ")?.1.split(' ').next()?.parse::<f64>().ok()).sum()
}

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

    /// The same process now. `None` where the page is gone, or tells of another process: the difference between two processes
    /// means nothing.
    pub fn now(&self) -> Option<ProcessMetrics> {
        read(self.endpoint).filter(|now| now.started_seconds == self.before.started_seconds)
    }

    /// The process before and now, where it is the same.
    pub fn read_again(&self) -> Option<(ProcessMetrics, ProcessMetrics)> {
        Some((self.before, self.now()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_over_databases_and_told_from_other_functions_and_outcomes() {
        let page = "# TYPE milvus_proxy_req_count counter\n\
            milvus_proxy_req_count{function_name=\"HasCollection\",node_id=\"1\",status=\"success\"} 7\n\
            milvus_proxy_req_count{db_name=\"a\",function_name=\"HasCollection\",node_id=\"1\",status=\"total\"} 5\n\
            milvus_proxy_req_count{db_name=\"b\",function_name=\"HasCollection\",node_id=\"1\",status=\"total\"} 4 1700000000\n\
            milvus_proxy_req_count{function_name=\"Search\",node_id=\"1\",status=\"total\"} 51\n\
            milvus_proxy_req_count{function_name=\"HasCollection\",status=\"total\"";
        assert_eq!(calls(page, "HasCollection"), 9.0);
        assert_eq!(calls(page, "Insert"), 0.0);
    }
}
