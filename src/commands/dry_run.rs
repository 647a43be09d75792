//! `run --dry-run`: what would be done, and where each setting comes from. Touches no server.

use std::io::{self, Write};

use crate::engine::BusyWait;
use crate::engine::{RateProfile, Shard};
use crate::run::machine::is_here;
use crate::run::{self, Settings, planning, tracing};
use crate::units::Nanos;
use crate::workload::{Arrival, LoadModel, Rates, Stream, Workload};

/// Prints the plan.
///
/// # Errors
/// Where `out` cannot be written to.
pub fn print(settings: &Settings, out: &mut dyn Write) -> io::Result<()> {
    let workload = &settings.workload;
    let load = &workload.load;
    writeln!(out, "{}: {}", workload.name, workload.description)?;
    match &workload.target.uri {
        Some(uri) => write!(out, "target      {uri}")?,
        None => write!(out, "target      the embedded Milvus (none was named)")?,
    }
    match workload.target.database.as_str() {
        "" => writeln!(out)?,
        database => writeln!(out, ", database {database}")?,
    }
    let seconds = |duration| Nanos::from(duration).to_string();
    writeln!(
        out,
        "time        warm-up {}, window {}, drain at most {}",
        seconds(load.warmup),
        seconds(load.duration),
        seconds(load.drain)
    )?;
    // The embedded Milvus, where none is named, is here too.
    let here = workload.target.uri.as_ref().is_none_or(|uri| is_here(&uri.host));
    let workers = planning::workers(workload, here, Shard::WHOLE);
    let is_open = |stream: &Stream| matches!(stream.model, LoadModel::Open { .. });
    let wait = match planning::busy_wait(workload, workers, here, Shard::WHOLE) {
        _ if !load.streams.iter().any(is_open) => "no waits (closed loop)",
        BusyWait::Never => "sleeping until a request is due",
        BusyWait::ShortWaits => "busy-waiting in place of sleeps below 40 us",
        BusyWait::EveryWait => "busy-waiting for the last 40 us",
    };
    writeln!(out, "generator   {workers} worker thread(s), {wait}; {} connection(s)", load.connections)?;
    for stream in &load.streams {
        print_stream(workload, stream, out)?;
    }
    print_memory(settings, workers, out)?;
    print_settings(workload, out)
}

fn print_stream(workload: &Workload, stream: &Stream, out: &mut dyn Write) -> io::Result<()> {
    let load = &workload.load;
    let model = match &stream.model {
        LoadModel::Open { rate, arrival } => {
            let arrival = match arrival {
                Arrival::Constant => "constant",
                Arrival::Poisson => "Poisson",
            };
            let at = match rate {
                Rates::Constant(rate) => format!("at {rate}"),
                Rates::Staged { stages, .. } => format!("in {} stage(s)", stages.len()),
            };
            let requests = requests(workload, rate, Nanos::ZERO, load.duration.into());
            format!(
                "open loop, {arrival} arrivals {at}: about {requests:.0} requests measured, at most {} in flight",
                load.max_in_flight
            )
        }
        LoadModel::Closed { concurrency } => format!("closed loop, {concurrency} request(s) under way"),
    };
    writeln!(out, "stream      {}: {model}", stream.name)?;
    if let LoadModel::Open { rate: rates @ Rates::Staged { .. }, .. } = &stream.model {
        print_stages(workload, rates, out)?;
    }
    let total: f64 = stream.shares.iter().map(|(_, weight)| weight).sum();
    for &(index, weight) in &stream.shares {
        let operation = &workload.operations[index];
        let facts = operation.kind.facts();
        let (kind, detail, share) = (facts.name(), facts.summary(), 100.0 * weight / total);
        writeln!(out, "            {:5.1} %  {} ({kind}, {detail})", share, operation.name)?;
    }
    Ok(())
}

/// Requests that are due between two moments of the window, on average.
fn requests(workload: &Workload, rates: &Rates, start: Nanos, end: Nanos) -> f64 {
    let warmup = Nanos::from(workload.load.warmup);
    RateProfile::of(rates).requests(warmup + start, warmup + end)
}

fn print_stages(workload: &Workload, rates: &Rates, out: &mut dyn Write) -> io::Result<()> {
    let starts = rates.starts();
    let ends = starts.iter().copied().skip(1).chain([Nanos::from(workload.load.duration)]);
    for (start, end) in starts.iter().copied().zip(ends) {
        let rate = match rates.over(start, end) {
            (from, to) if from == to => format!("{from}/s"),
            (from, to) => format!("{from} to {to}/s"),
        };
        let times = format!("{} to {} s", start.as_secs_f64(), end.as_secs_f64());
        let requests = requests(workload, rates, start, end);
        writeln!(out, "            {times:>16}  {rate:<18}  about {requests:.0} requests")?;
    }
    Ok(())
}

fn print_memory(settings: &Settings, workers: usize, out: &mut dyn Write) -> io::Result<()> {
    let workload = &settings.workload;
    let recorder = planning::recorder(workload).memory_bytes() * workers;
    let vectors = run::bytes_ahead(workload);
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    let spans = match tracing::builds_spans(workload) {
        true => {
            let limits = settings.otel.limits;
            format!("{:.0} MB ({} spans) waiting for export", megabytes(limits.most_bytes()), limits.queue)
        }
        false => "no spans".to_owned(),
    };
    let (recorder, vectors) = (megabytes(recorder), megabytes(vectors));
    writeln!(
        out,
        "memory      at most {recorder:.0} MB recording, {vectors:.0} MB requests made ahead, {spans}"
    )
}

fn print_settings(workload: &Workload, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "settings")?;
    let width = workload.settings.iter().map(|setting| setting.key.len()).max().unwrap_or(0);
    for setting in &workload.settings {
        writeln!(out, "  {:width$}  {}  ({})", setting.key, setting.as_toml(), setting.from)?;
    }
    Ok(())
}
