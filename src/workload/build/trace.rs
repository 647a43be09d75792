//! `[trace]`: sampling, where spans go, and links.

use std::net::SocketAddr;

use crate::units::Fraction;
use crate::workload::kind::Value;
use crate::workload::layers::Layers;
use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::{Keep, Trace, Unsampled};

pub(super) fn build(layers: &Layers, problems: &mut Problems<'_>) -> Option<Trace> {
    let root = &layers.root;
    let (link, jaeger_ui) = link(root)?;
    let keep = match root.text("trace.keep")?.as_str() {
        "all" => Keep::All,
        "slow" => Keep::Slow,
        _ => return None,
    };
    if keep == Keep::Slow {
        samples_all(root, problems);
    }
    Some(Trace {
        enabled: root.bool("trace.enabled")?,
        sample_fraction: Fraction::new(root.number("trace.sample_fraction")?).ok()?,
        unsampled: match root.text("trace.unsampled")?.as_str() {
            "propagate" => Unsampled::Propagate,
            "omit" => Unsampled::Omit,
            _ => return None,
        },
        keep,
        collector_listen: listen(root, problems),
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

/// Which request is slow is known at its end, so that all have to be sampled. Who says so himself contradicts nothing.
fn samples_all(root: &Section, problems: &mut Problems<'_>) {
    const FRACTION: &str = "trace.sample_fraction";
    let is_other = root.number(FRACTION).is_some_and(|fraction| fraction != 1.0);
    if let Some(entry) = root.entry(FRACTION).filter(|_| root.said(FRACTION) && is_other) {
        let keep = root.entry("trace.keep").map(|keep| keep.at.origin.to_string()).unwrap_or_default();
        problems.add(
            &entry.shown,
            &entry.at,
            format!("contradicts trace.keep = \"slow\", said at {keep}, which samples every request"),
            "leave trace.sample_fraction out, or keep all that it samples with trace.keep = \"all\"",
        );
    }
}

fn listen(root: &Section, problems: &mut Problems<'_>) -> Option<SocketAddr> {
    const LISTEN: &str = "trace.collector_listen";
    let text = root.text(LISTEN)?;
    let address = text.parse().ok();
    if address.is_none() {
        problems.add(
            LISTEN,
            root.place(LISTEN),
            format!("{text:?} is no IP address with a port"),
            "write for example \"127.0.0.1:4316\", or \"0.0.0.0:4316\" for a Milvus in a container or elsewhere",
        );
    }
    address
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
