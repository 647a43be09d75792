//! `[thresholds]`: each an operation's number, a comparison and a bound.

use crate::workload::kind::Value;
use crate::workload::layers::Layers;
use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::suggest::{either, nearest};
use crate::workload::threshold::{self, Part};
use crate::workload::{Threshold, ThresholdMetric};

pub(super) fn build(layers: &Layers, problems: &mut Problems<'_>) -> Vec<Threshold> {
    let mut thresholds = Vec::new();
    // An operation whose name could not be read may be the one meant.
    let all_named = layers.operations.iter().all(|section| section.text("operations[].name").is_some());
    let names: Vec<String> = layers.operations.iter().filter_map(name_of).collect();
    for (metric, value, entry) in layers.root.map("thresholds") {
        let Value::Text(condition) = value else { continue };
        match threshold::parse(metric, condition) {
            Ok(threshold) => {
                if let Some(operation) = operation_of(&threshold.metric)
                    && all_named
                    && !names.iter().any(|name| name == operation)
                {
                    let message = format!("there is no operation {operation:?}");
                    problems.add(&entry.shown, &entry.at, message, unknown_fix(operation, &names));
                }
                thresholds.push(threshold);
            }
            Err(error) => {
                let at = match error.part() {
                    Part::Metric => &entry.at,
                    Part::Condition => &entry.value_at,
                };
                problems.add(&entry.shown, at, error.to_string(), error.fix());
            }
        }
    }
    thresholds
}

/// Its name; of an operation that is not built, what it would be called.
fn name_of(section: &Section) -> Option<String> {
    section.text("operations[].name").or_else(|| Some(section.name.clone()).filter(|_| section.broken))
}

fn operation_of(metric: &ThresholdMetric) -> Option<&str> {
    match metric {
        ThresholdMetric::Errors { operation } => operation.as_deref(),
        ThresholdMetric::Time { operation, .. } | ThresholdMetric::Rate { operation } => Some(operation),
    }
}

fn unknown_fix(operation: &str, names: &[String]) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match nearest(operation, names.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("the operations are {}", either(&names)),
    }
}
