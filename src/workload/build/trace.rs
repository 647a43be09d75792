//! `[trace]`: sampling, where spans go, and links.

use crate::units::Fraction;
use crate::workload::kind::Value;
use crate::workload::layers::Layers;
use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::{Trace, Unsampled};

pub(super) fn build(layers: &Layers, problems: &mut Problems<'_>) -> Option<Trace> {
    let root = &layers.root;
    let (link, jaeger_ui) = link(root)?;
    Some(Trace {
        enabled: root.bool("trace.enabled")?,
        sample_fraction: Fraction::new(root.number("trace.sample_fraction")?).ok()?,
        unsampled: match root.text("trace.unsampled")?.as_str() {
            "propagate" => Unsampled::Propagate,
            "omit" => Unsampled::Omit,
            _ => return None,
        },
        otlp_endpoint: root.text("trace.otlp_endpoint")?,
        otlp_asked: root.said("trace.otlp_endpoint"),
        service_name: root.text("trace.service_name")?,
        resource: resource(root, problems),
        link,
        jaeger_ui,
        slow: match root.any("trace.slow")? {
            Value::Slow(slow, _) => slow,
            _ => return None,
        },
        slowest: root.integer("trace.slowest")?,
    })
}

/// The link, and Jaeger's address where the link is one of Jaeger's.
fn link(root: &Section) -> Option<(String, Option<String>)> {
    const FORM: &str = "/trace/{trace_id}";
    match root.text("trace.link") {
        Some(link) => {
            let jaeger_ui = link.strip_suffix(FORM).map(str::to_owned);
            Some((link, jaeger_ui))
        }
        None => {
            let jaeger_ui = root.text("trace.jaeger_ui")?.trim_end_matches('/').to_owned();
            Some((format!("{jaeger_ui}{FORM}"), Some(jaeger_ui)))
        }
    }
}

fn resource(root: &Section, problems: &mut Problems<'_>) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    for (name, value, entry) in root.map("trace.resource") {
        if name == "service.name" {
            problems.add(
                &entry.shown,
                &entry.at,
                "the service's name has a key of its own",
                "use trace.service_name",
            );
        }
        if let Value::Text(text) = value {
            attributes.push((name.to_owned(), text.clone()));
        }
    }
    attributes
}
