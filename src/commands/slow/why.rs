//! Why the slow requests were slow, where the report does not tell: from traces that are at hand only now.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

use super::kept::Kept;
use crate::commands::say;
use crate::report::RunReport;
use crate::report::model::Attribution;
use crate::run::Again;
use crate::trace::jaeger::{JaegerClient, JaegerError};
use crate::trace::kept::KeptTrace;

/// By operation; `None`: the report has it, or nothing more is known. Traces that Jaeger gives are kept beside the report, where the
/// run kept none.
///
/// # Errors
/// Where the run's record cannot be read, or Jaeger fails.
pub(super) fn attribution(
    report: &RunReport,
    path: &Path,
    kept: &mut Kept,
    client: Option<&JaegerClient>,
) -> anyhow::Result<Option<BTreeMap<String, Attribution>>> {
    let is_told = report.attribution.values().any(|told| told.unknown.is_none());
    if is_told || (client.is_none() && kept.len() == 0) {
        return Ok(None);
    }
    let Some(again) = Again::beside(path)? else { return Ok(None) };
    if let Some(client) = client.filter(|_| kept.len() == 0) {
        let traces =
            ask(client, &again).context("the traces of slow and typical requests were not fetched")?;
        kept.keep(traces);
    }
    Ok(Some(again.report(kept.all())?.attribution))
}

/// All that it has of the requests that stand for the others.
fn ask(client: &JaegerClient, again: &Again) -> Result<Vec<KeptTrace>, JaegerError> {
    let ids = again.sampled();
    say(&format!("asking Jaeger for the traces of {} requests that stand for all others", ids.len()));
    let mut traces = Vec::new();
    for id in ids {
        match client.fetch(id) {
            Ok(trace) => traces.push(KeptTrace::from(&trace)),
            Err(JaegerError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(traces)
}
