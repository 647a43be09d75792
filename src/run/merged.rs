//! The records of a run's processes as one record, and the verdict on all of them.

use crate::measure::{Evidence, Finding, ProcessSnapshot, Scope, Verdict};
use crate::record::{self, Named, ShardError};

use super::evidence;
use super::observed::CollectionLook;
use super::record::{CollectionRecord, Record};
use super::tracing::Collector;

/// The shards of the run that are not among its records.
///
/// # Errors
/// Where the records are not of one run, or one is there twice.
pub fn missing(records: &[Record]) -> Result<Vec<u32>, ShardError> {
    let headers: Vec<_> = records.iter().map(|record| (record.source.as_str(), record.header())).collect();
    let named: Vec<_> = headers.iter().map(|(name, header)| Named { name, header }).collect();
    record::missing(&named)
}

/// All records as one, of which each is a shard of the same run, finished, and in order.
pub(super) fn merged(records: &[&Record]) -> anyhow::Result<Record> {
    let (first, others) = records.split_first().ok_or_else(|| anyhow::anyhow!("no record"))?;
    let mut whole = Record { calibration: None, ..(*first).clone() };
    for other in others {
        add(&mut whole, other)?;
    }
    whole.identity.part = None;
    // What the machines did is for each of them, see `judge`.
    whole.load.machine = None;
    Ok(whole)
}

fn add(whole: &mut Record, other: &Record) -> anyhow::Result<()> {
    whole.load.recorded.append(other.load.recorded.clone())?;
    let (load, theirs) = (&mut whole.load, &other.load);
    load.pool.merge(&theirs.pool);
    load.peers.extend(theirs.peers.iter().cloned());
    load.late_bodies += theirs.late_bodies;
    load.planned.iter_mut().zip(&theirs.planned).for_each(|(all, more)| *all += more);
    load.after_the_end.iter_mut().zip(&theirs.after_the_end).for_each(|(all, more)| *all += more);
    load.cpu = load.cpu + theirs.cpu;
    load.spun = load.spun + theirs.spun;
    load.workers.extend(&theirs.workers);
    load.generator.0 = together(&load.generator.0, &theirs.generator.0);
    load.generator.1 = together(&load.generator.1, &theirs.generator.1);
    if theirs.clock_gained.length > load.clock_gained.length {
        load.clock_gained = theirs.clock_gained;
    }
    add_server(whole, other);
    whole.collection.end = later(&whole.collection, &other.collection);
    whole.collector = match (whole.collector, other.collector) {
        (Collector::There, _) | (_, Collector::There) => Collector::There,
        (Collector::BuiltIn, _) | (_, Collector::BuiltIn) => Collector::BuiltIn,
        (Collector::NotNeeded, theirs) => theirs,
        (ours, Collector::NotNeeded) => ours,
        (Collector::Absent { asked }, Collector::Absent { asked: theirs }) => {
            Collector::Absent { asked: asked || theirs }
        }
    };
    match (&mut whole.collected, &other.collected) {
        (Some(ours), Some(theirs)) => ours.merge(theirs),
        (ours @ None, theirs) => *ours = *theirs,
        (Some(_), None) => {}
    }
    whole.kept.extend(other.kept.iter().cloned());
    match (&mut whole.export, &other.export) {
        (Some(ours), Some(theirs)) => ours.merge(theirs),
        (ours @ None, theirs) => *ours = theirs.clone(),
        (Some(_), None) => {}
    }
    Ok(())
}

/// One that answered no shard, or another version to one, is a server that was gone, or changed.
fn add_server(whole: &mut Record, other: &Record) {
    let (ours, theirs) = (&mut whole.server, &other.server);
    ours.on_this_machine |= theirs.on_this_machine;
    if ours.process.is_none() {
        ours.process = theirs.process;
    }
    let (start, end) = (&ours.version.0, &ours.version.1);
    let told = [&Some(theirs.version.0.clone()), &theirs.version.1].map(Clone::clone);
    let differs = told.into_iter().find(|version| version.as_ref() != Some(start));
    if end.as_ref() == Some(start)
        && let Some(version) = differs
    {
        ours.version.1 = version;
    }
}

/// The processes together: their CPU added up, and the most memory that any of them had.
fn together(ours: &ProcessSnapshot, theirs: &ProcessSnapshot) -> ProcessSnapshot {
    let parts = ours.parts.clone().zip(theirs.parts.as_ref()).map(|(mut parts, theirs)| {
        for (part, cpu) in theirs {
            let sum = parts.entry(*part).or_default();
            *sum = *sum + *cpu;
        }
        parts
    });
    ProcessSnapshot { cpu: ours.cpu + theirs.cpu, parts, rss_peak: ours.rss_peak.max(theirs.rss_peak) }
}

/// Shards only add rows: who saw most of them looked last.
fn later(ours: &CollectionRecord, theirs: &CollectionRecord) -> Option<CollectionLook> {
    [&ours.end, &theirs.end].into_iter().flatten().max_by_key(|look| look.state.rows).cloned()
}

/// Which other records are of the same machine, the record itself among them.
fn on_its_machine<'a>(record: &'a Record, records: &'a [&'a Record]) -> impl Iterator<Item = &'a Record> {
    let is_same = move |other: &&&Record| match &record.host.boot_id {
        Some(id) => other.host.boot_id.as_ref() == Some(id),
        None => std::ptr::eq(**other, record),
    };
    records.iter().filter(is_same).copied()
}

/// A finding, and which shards it is about; `None`: the run.
pub(super) type Attributed = (Option<String>, Finding);

/// The verdict on several records: each generator and machine for itself, all else on the numbers of the whole.
pub(super) fn judge(whole: &Evidence, records: &[&Record]) -> Vec<Attributed> {
    let mut findings = Vec::new();
    for record in records {
        let siblings: Vec<&Record> = on_its_machine(record, records).collect();
        let is_first = siblings.first().is_some_and(|first| std::ptr::eq(*first, *record));
        for finding in Verdict::of(&evidence_of(record, &siblings)).findings {
            match finding.scope() {
                Scope::Process => findings.push((Some(named(&[record])), finding)),
                Scope::Machine if is_first => findings.push((Some(named(&siblings)), finding)),
                Scope::Machine | Scope::Run => {}
            }
        }
    }
    for finding in Verdict::of(whole).findings {
        let is_new = match (&finding, finding.scope()) {
            // What no shard is found to be the cause of by itself, all of them together may be.
            (Finding::NotSent { operation, .. }, _) => !findings.iter().any(
                |(_, known)| matches!(known, Finding::NotSent { operation: other, .. } if other == operation),
            ),
            (_, scope) => scope == Scope::Run,
        };
        if is_new {
            findings.push((None, finding));
        }
    }
    findings.sort_by_key(|(_, finding)| finding.severity());
    findings
}

/// What a shard's generator is judged by; the other shards on its machine are no strangers there.
fn evidence_of(record: &Record, siblings: &[&Record]) -> Evidence {
    let mut evidence = evidence::gather(record, &[]);
    if let Some(machine) = &mut evidence.machine {
        machine.ours = siblings.iter().fold(Default::default(), |sum, sibling| {
            let (before, after) = &sibling.load.generator;
            sum + (after.cpu - before.cpu)
        });
    }
    evidence
}

/// How many cores other programs used, on the machine where they used most.
pub(super) fn others_cores(records: &[&Record]) -> Option<f64> {
    let of = |record: &&Record| {
        let siblings: Vec<&Record> = on_its_machine(record, records).collect();
        evidence_of(record, &siblings).machine?.others()
    };
    records.iter().filter_map(of).max_by(f64::total_cmp)
}

fn named(records: &[&Record]) -> String {
    let indexes: Vec<String> =
        records.iter().filter_map(|record| Some(record.identity.part?.shard.index().to_string())).collect();
    match &indexes[..] {
        [one] => format!("shard {one}"),
        all => format!("shards {}", all.join(", ")),
    }
}

/// By number of the machine, from 0 in the order of the shards.
pub(super) fn machines(records: &[&Record]) -> Vec<u32> {
    let mut seen: Vec<Option<&str>> = Vec::new();
    let mut numbers = Vec::new();
    for record in records {
        let id = record.host.boot_id.as_deref();
        let known = seen.iter().position(|other| id.is_some() && *other == id);
        numbers.push(known.unwrap_or(seen.len()) as u32);
        if known.is_none() {
            seen.push(id);
        }
    }
    numbers
}
