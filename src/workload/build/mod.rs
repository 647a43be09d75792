//! From what was said to a [`Workload`]: defaults filled in, keys that exclude each other settled, values held against
//! each other. One file per table of the workload.
//!
//! Invariant: where a part is missing, a problem says why; the test `any_toml_gives_a_workload_or_a_problem` guards it.

mod collection;
mod load;
mod operations;
mod settings;
mod target;
mod thresholds;
mod trace;

use std::path::Path;

use super::keys::KEYS;
use super::kind::Value;
use super::layers::Layers;
use super::problem::Problems;
use super::{Data, Workload};

pub use collection::PRIMARY_KEY;

/// The workload, or `None` with something on the list of problems.
pub(super) fn workload(
    mut layers: Layers,
    name: &str,
    base: &Path,
    problems: &mut Problems<'_>,
) -> Option<Workload> {
    exclude(&mut layers, problems);
    fill(&mut layers, name);
    let target = target::build(&mut layers, base, problems);
    let collection = collection::build(&mut layers, problems);
    let operations = operations::build(&mut layers, collection.as_ref(), problems);
    let load = load::build(&mut layers, problems);
    let trace = trace::build(&layers, problems);
    let thresholds = thresholds::build(&layers, problems);
    let data = data(&layers);
    let workload = Workload {
        name: name.to_owned(),
        description: layers.root.text("description").unwrap_or_default(),
        target: target?,
        collection: collection?,
        data: data?,
        load: load?,
        operations: operations?,
        trace: trace?,
        thresholds,
        settings: settings::list(&layers),
        notices: settings::notices(&layers, problems.file()),
    };
    Some(workload)
}

/// Keys that exclude each other, in every table that has such.
fn exclude(layers: &mut Layers, problems: &mut Problems<'_>) {
    let fix = "keep rate (or stages, where it changes) for an open loop, whose requests start at their own times, \
               or concurrency for a closed one";
    layers.root.only_one_of(&["load.rate", "load.concurrency", "load.stages"], problems, fix);
    load::stages_or_duration(&mut layers.root, problems);
    let fix = "keep one: jaeger_ui is short for a link to Jaeger";
    layers.root.only_one_of(&["trace.jaeger_ui", "trace.link"], problems, fix);
    for operation in &mut layers.operations {
        let fix = "keep weight for a share of [load]'s requests, or rate, stages or concurrency for a stream of its own";
        let [rate, concurrency, stages] = load::OWN;
        operation.only_one_of(&[load::WEIGHT, rate, concurrency, stages], problems, fix);
    }
}

/// The table's own defaults; those that depend on other keys are filled in where these are read.
fn fill(layers: &mut Layers, name: &str) {
    for key in KEYS.iter().filter(|key| key.built) {
        match key.path.split_once("[].") {
            None if key.path == "trace.jaeger_ui" && layers.root.said("trace.link") => {}
            None if key.path == "load.duration" && layers.root.said("load.stages") => {}
            None => layers.root.fill_default(key),
            Some((list, _)) => {
                let sections =
                    if list == "operations" { &mut layers.operations } else { &mut layers.scalars };
                for section in sections {
                    let kind = section.text("operations[].kind").unwrap_or_default();
                    if key.only_for.is_empty() || key.only_for.contains(&kind.as_str()) {
                        section.fill_default(key);
                    }
                }
            }
        }
    }
    let safe: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(200).collect();
    layers.root.fill("collection.name", Value::Text(format!("milvus_load_{safe}")));
    layers.root.fill("collection.owner", Value::Text(super::owner::of_this_process()));
}

fn data(layers: &Layers) -> Option<Data> {
    let root = &layers.root;
    Some(Data {
        seed: root.integer("data.seed")?,
        clusters: root.integer("data.clusters")?,
        spread: root.number("data.spread")?,
        queries: root.integer("data.queries")?,
    })
}
