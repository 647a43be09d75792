//! `[load]`: streams, bounds and times.

use crate::units::Rate;
use crate::workload::kind::Value;
use crate::workload::layers::Layers;
use crate::workload::overrides::rank;
use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::{Arrival, Load, LoadModel, Stream};

/// The stream that operations without a rate or concurrency of their own share; no operation may be called so.
pub(super) const SHARED: &str = "load";

const WEIGHT: &str = "operations[].weight";
const OWN: [&str; 2] = ["operations[].rate", "operations[].concurrency"];
const OF_LOAD: [&str; 2] = ["load.rate", "load.concurrency"];

pub(super) fn build(layers: &mut Layers, problems: &mut Problems<'_>) -> Option<Load> {
    let streams = streams(layers, problems);
    let root = &layers.root;
    let connections = root.integer("load.connections")?;
    let workers = root.integer("load.workers");
    if workers.is_some_and(|workers: u32| workers > connections) {
        problems.add(
            "load.workers",
            root.place("load.workers"),
            format!("more workers than connections ({connections}): a worker has its own connections"),
            format!("raise load.connections, or write at most {connections}"),
        );
    }
    Some(Load {
        streams: streams?,
        max_in_flight: root.integer("load.max_in_flight")?,
        connections,
        workers,
        warmup: root.duration("load.warmup")?,
        duration: root.duration("load.duration")?,
        drain: root.duration("load.drain")?,
    })
}

fn streams(layers: &mut Layers, problems: &mut Problems<'_>) -> Option<Vec<Stream>> {
    if layers.operations.is_empty() || layers.operations.iter().any(|section| section.broken) {
        return None; // There is a problem already, and no telling which stream is used.
    }
    let arrival = match layers.root.text("load.arrival").as_deref() {
        Some("constant") => Some(Arrival::Constant),
        Some("poisson") => Some(Arrival::Poisson),
        _ => None,
    };
    let own = |section: &Section| OWN.iter().any(|key| section.said(key));
    let shares: Option<Vec<_>> = (layers.operations.iter_mut().enumerate())
        .filter(|(_, section)| !own(section))
        .map(|(index, section)| {
            section.fill(WEIGHT, Value::Number(1.0));
            Some((index, section.number(WEIGHT)?))
        })
        .collect();
    let shared = shared_model(&layers.root, arrival, shares.as_ref().is_some_and(Vec::is_empty), problems);
    let mut streams = Vec::new();
    match (shares?, shared) {
        (shares, _) if shares.is_empty() => {}
        (shares, model) => streams.push(Stream { name: SHARED.to_owned(), model: model?, shares }),
    }
    for (index, section) in layers.operations.iter().enumerate().filter(|(_, section)| own(section)) {
        let name = section.text("operations[].name")?;
        streams.push(Stream { name, model: model(section, OWN, arrival)?, shares: vec![(index, 1.0)] });
    }
    arrival_needs_an_open_stream(&layers.root, &streams, problems);
    Some(streams)
}

fn model(section: &Section, [rate, concurrency]: [&str; 2], arrival: Option<Arrival>) -> Option<LoadModel> {
    match section.number(rate) {
        Some(rate) => Some(LoadModel::Open { rate: Rate::per_second(rate).ok()?, arrival: arrival? }),
        None => Some(LoadModel::Closed { concurrency: section.integer(concurrency)? }),
    }
}

/// The model of `[load]`'s stream, held against whether any operation takes part in it.
fn shared_model(
    root: &Section,
    arrival: Option<Arrival>,
    unused: bool,
    problems: &mut Problems<'_>,
) -> Option<LoadModel> {
    let said = OF_LOAD.into_iter().find(|key| root.said(key));
    match said {
        Some(key) if unused => {
            let (message, fix) = (
                "no operation takes part in [load]: each has a rate or concurrency of its own",
                "remove it, or set the operation's own, such as operations.NAME.rate",
            );
            problems.add(key, root.place(key), message, fix);
        }
        None if !unused => problems.add(
            "load.rate",
            &root.at,
            "neither load.rate nor load.concurrency is given",
            "add under [load] either rate = 100 (open loop: 100 requests start per second, whatever the server does) \
             or concurrency = 8 (closed loop: 8 requests at once, the next when one is done)",
        ),
        Some(_) | None => {}
    }
    said.and_then(|_| model(root, OF_LOAD, arrival))
}

/// Gaps are an open loop's; `--concurrency` over a file with a rate takes the file's arrival away with it.
fn arrival_needs_an_open_stream(root: &Section, streams: &[Stream], problems: &mut Problems<'_>) {
    let open = streams.iter().any(|stream| matches!(stream.model, LoadModel::Open { .. }));
    let rank_of = |key| root.entry(key).map_or(0, |entry| rank(&entry.at.origin));
    if !open && root.said("load.arrival") && rank_of("load.arrival") >= rank_of("load.concurrency") {
        problems.add(
            "load.arrival",
            root.place("load.arrival"),
            "a closed loop has no arrivals: the next request starts when the last is done",
            "remove it, or write rate in place of concurrency",
        );
    }
}
