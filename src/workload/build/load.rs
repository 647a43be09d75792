//! `[load]`: streams, bounds and times.

use std::time::Duration;

use crate::units::{Nanos, Rate};
use crate::workload::kind::Value;
use crate::workload::layers::Layers;
use crate::workload::overrides::rank;
use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::stages::total;
use crate::workload::{Arrival, Load, LoadModel, MOST_STAGES, Rates, Spin, Stream};

/// The stream that operations without a rate or concurrency of their own share; no operation may be called so.
pub(super) const SHARED: &str = "load";

pub(super) const WEIGHT: &str = "operations[].weight";
/// What makes an operation a stream of its own.
pub(super) const OWN: [&str; 3] = ["operations[].rate", "operations[].concurrency", "operations[].stages"];
const OF_LOAD: [&str; 3] = ["load.rate", "load.concurrency", "load.stages"];
const STAGES: &str = "load.stages";
const DURATION: &str = "load.duration";

pub(super) fn build(layers: &mut Layers, problems: &mut Problems<'_>) -> Option<Load> {
    let streams = streams(layers, problems);
    let root = &layers.root;
    let duration = window(root);
    own_stages_fill_the_window(layers, duration, problems);
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
    let load = Load {
        streams: streams?,
        max_in_flight: root.integer("load.max_in_flight")?,
        connections,
        workers,
        spin: match root.text("load.spin")?.as_str() {
            "on" => Spin::On,
            "off" => Spin::Off,
            _ => Spin::Auto,
        },
        warmup: root.duration("load.warmup")?,
        duration: duration?,
        drain: root.duration("load.drain")?,
        arrival_seed: None,
    };
    stages_can_be_told_apart(layers, &load, problems);
    Some(load)
}

/// Stages say themselves how long they last; a duration of higher precedence cannot stretch or cut them.
pub(super) fn stages_or_duration(root: &mut Section, problems: &mut Problems<'_>) {
    let rank_of = |key| root.entry(key).map(|entry| rank(&entry.at.origin));
    if let (Some(duration), Some(stages)) = (rank_of(DURATION), rank_of(STAGES))
        && duration > stages
    {
        let message = "the window is as long as its stages, and load.stages says how long each lasts";
        let fix = "set load.stages, or say --rate or --concurrency as well, which takes the stages away";
        return problems.add(DURATION, root.place(DURATION), message, fix);
    }
    let fix = "remove duration: the window is as long as its stages together";
    root.only_one_of(&[DURATION, STAGES], problems, fix);
}

/// All stages of `[load]`, or its duration.
fn window(root: &Section) -> Option<Duration> {
    match root.said(STAGES) {
        true => root.stages(STAGES).map(|stages| total(stages).as_duration()),
        false => root.duration(DURATION),
    }
}

fn own_stages_fill_the_window(layers: &Layers, window: Option<Duration>, problems: &mut Problems<'_>) {
    const KEY: &str = OWN[2];
    for section in &layers.operations {
        let (Some(stages), Some(window)) = (section.stages(KEY), window) else { continue };
        let (own, window) = (total(stages), Nanos::from(window));
        if own != window {
            let message = format!("the stages last {own} together, and the window {window}");
            let fix = match layers.root.said(STAGES) {
                true => "let them last as long as those of load.stages".to_owned(),
                false => format!("write load.duration = \"{}s\", or change the stages", own.as_secs_f64()),
            };
            problems.add(section.shown(KEY), section.place(KEY), message, fix);
        }
    }
}

fn stages_can_be_told_apart(layers: &Layers, load: &Load, problems: &mut Problems<'_>) {
    let count = load.stage_starts().len();
    let sections = std::iter::once((&layers.root, STAGES))
        .chain(layers.operations.iter().map(|operation| (operation, OWN[2])));
    let last = sections.rev().find(|(section, key)| section.said(key));
    if let Some((section, key)) = last.filter(|_| count > MOST_STAGES) {
        let message = format!(
            "the stages of all streams cut the window into {count} parts, and {MOST_STAGES} are told apart"
        );
        let fix = "let the stages of different streams begin at the same times";
        problems.add(section.shown(key), section.place(key), message, fix);
    }
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
    let warmup = layers.root.duration("load.warmup").map(Nanos::from);
    let own = |section: &Section| OWN.iter().any(|key| section.said(key));
    let shares: Option<Vec<_>> = (layers.operations.iter_mut().enumerate())
        .filter(|(_, section)| !own(section))
        .map(|(index, section)| {
            section.fill(WEIGHT, Value::Number(1.0));
            Some((index, section.number(WEIGHT)?))
        })
        .collect();
    let shared =
        shared_model(&layers.root, (arrival, warmup), shares.as_ref().is_some_and(Vec::is_empty), problems);
    let mut streams = Vec::new();
    match (shares?, shared) {
        (shares, _) if shares.is_empty() => {}
        (shares, model) => streams.push(Stream { name: SHARED.to_owned(), model: model?, shares }),
    }
    for (index, section) in layers.operations.iter().enumerate().filter(|(_, section)| own(section)) {
        let name = section.text("operations[].name")?;
        let model = model(section, OWN, arrival, warmup)?;
        streams.push(Stream { name, model, shares: vec![(index, 1.0)] });
    }
    arrival_needs_an_open_stream(&layers.root, &streams, problems);
    Some(streams)
}

fn model(
    section: &Section,
    [rate, concurrency, stages]: [&str; 3],
    arrival: Option<Arrival>,
    warmup: Option<Nanos>,
) -> Option<LoadModel> {
    if let Some(rate) = section.number(rate) {
        let rate = Rate::per_second(rate).ok()?.into();
        return Some(LoadModel::Open { rate, arrival: arrival? });
    }
    if let Some(stages) = section.stages(stages) {
        let rate = Rates::Staged { warmup: warmup?, stages: stages.to_vec() };
        return Some(LoadModel::Open { rate, arrival: arrival? });
    }
    Some(LoadModel::Closed { concurrency: section.integer(concurrency)? })
}

/// The model of `[load]`'s stream, held against whether any operation takes part in it.
fn shared_model(
    root: &Section,
    (arrival, warmup): (Option<Arrival>, Option<Nanos>),
    unused: bool,
    problems: &mut Problems<'_>,
) -> Option<LoadModel> {
    let said = OF_LOAD.into_iter().find(|key| root.said(key));
    match said {
        Some(key) if unused => {
            let (message, fix) = (
                "no operation takes part in [load]: each has a rate, stages or concurrency of its own",
                "remove it, or set the operation's own, such as operations.NAME.rate",
            );
            problems.add(key, root.place(key), message, fix);
        }
        None if !unused => problems.add(
            "load.rate",
            &root.at,
            "none of load.rate, load.stages and load.concurrency is given",
            "add under [load] either rate = 100 (open loop: 100 requests start per second, whatever the server does; \
             stages for a rate that changes) or concurrency = 8 (closed loop: 8 requests at once, the next when one is done)",
        ),
        Some(_) | None => {}
    }
    said.and_then(|_| model(root, OF_LOAD, arrival, warmup))
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
