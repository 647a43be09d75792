//! Why the slow requests of a run were slow, by the traces that it kept.

use std::collections::HashMap;

use super::record::Record;
use crate::report::RunReport;
use crate::report::attribution::Source;
use crate::trace::kept::KeptTrace;

/// Fills it in, once the report has its verdict. Of a run that kept no traces nothing is said.
pub(super) fn attribute(report: &mut RunReport, record: &Record) {
    if record.kept.is_empty() {
        return;
    }
    let kept: HashMap<u128, &KeptTrace> = record.kept.iter().map(|trace| (trace.trace_id, trace)).collect();
    let recorded = &record.load.recorded;
    for (operation, numbers) in record.workload.operations.iter().zip(&recorded.operations) {
        let source = Source {
            record: numbers,
            window_start: recorded.window_start,
            grid: recorded.grid,
            anchor_unix_ns: record.load.anchor_unix_ns,
            slow: record.workload.trace.slow,
            spans: &|trace_id| kept.get(&trace_id).map(|trace| trace.spans()),
            is_cut: &|trace_id| kept.get(&trace_id).is_some_and(|trace| trace.is_cut),
        };
        report.attribute(&operation.name, &source);
    }
}
