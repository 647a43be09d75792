//! Run after run, in the order of the design; what is known is stored after each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::random::splitmix64;
use crate::report::experiment::sweep::{PointRun, SetUp, Sweep, SweptPoint, Varied};
use crate::report::experiment::{About, EXPERIMENT_SCHEMA, Experiment, Figures, Outcome};
use crate::report::rfc3339;
use crate::run::{Identity, RunError, machine};
use crate::units::Nanos;

use super::super::follow::Follow;
use super::super::site::{Held, Site, whole};
use super::design::{CONTROL, Design, in_minutes};
use super::order::PASSES;
use super::resume::{ResumeError, Standing, Surroundings, shared_workload, standing};

/// A sweep of which some runs may be complete.
pub struct Sweeping {
    /// As it is stored.
    pub experiment: Experiment,
    /// What it has found.
    pub sweep: Sweep,
    /// Where the runs that were complete before were made, by ID.
    made: BTreeMap<String, Surroundings>,
}

impl Sweeping {
    /// With nothing done yet.
    pub fn begin(design: &Design, identity: &Identity) -> Self {
        let points = design.grid.points.iter().map(|point| {
            let values =
                design.grid.axes.iter().zip(&point.places).map(|(axis, &place)| axis.values[place].clone());
            SweptPoint { values: values.collect(), ..SweptPoint::default() }
        });
        let varied = design.grid.axes.iter();
        let sweep = Sweep {
            workload: shared_workload(&design.grid),
            varied: varied
                .map(|axis| Varied { key: axis.key.clone(), values: axis.values.clone() })
                .collect(),
            runs_per_point: PASSES,
            control: CONTROL,
            set_up: design.set_up,
            order: design.order.clone(),
            points: points.collect(),
            drift: BTreeMap::new(),
        };
        let name =
            design.grid.points.first().map_or_else(String::new, |first| first.settings.workload.name.clone());
        let experiment = Experiment {
            schema: EXPERIMENT_SCHEMA.to_owned(),
            experiment: About {
                id: identity.run_id.clone(),
                name,
                command: identity.command.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                started: rfc3339(identity.started_unix_us),
                seed: design.seed.to_string(),
                complete: false,
            },
            server: None,
            machine: None,
            runs: Vec::new(),
            outcome: Outcome::Sweep(Box::new(sweep.clone())),
        };
        Self { experiment, sweep, made: BTreeMap::new() }
    }

    /// What stands of a stored one.
    ///
    /// # Errors
    /// Where it is of another workload.
    pub fn resume(experiment: Experiment, design: &Design, directory: &Path) -> Result<Self, ResumeError> {
        let Standing { experiment, sweep, made } = standing(experiment, design, directory)?;
        Ok(Self { experiment, sweep, made })
    }

    /// Leaves out the runs that were made on another server or another machine than those that are to come; tells how many.
    fn leave_out_foreign(&mut self, here: &Surroundings) -> Option<String> {
        let foreign: BTreeMap<String, Surroundings> =
            std::mem::take(&mut self.made).into_iter().filter(|(_, made)| made != here).collect();
        let there: BTreeSet<String> = foreign.values().map(Surroundings::words).collect();
        if foreign.is_empty() {
            return None;
        }
        self.experiment.runs.retain(|run| !foreign.contains_key(&run.id));
        self.sweep.keep(|run| !foreign.contains_key(&run.run));
        Some(format!(
            "note: {} of the runs that are complete were made on {}, and not on {}: they are left out and made again",
            foreign.len(),
            there.into_iter().collect::<Vec<_>>().join(", "),
            here.words()
        ))
    }

    fn store(&mut self, site: &Site<'_>) -> Result<(), RunError> {
        self.experiment.experiment.complete = self.sweep.missing().is_empty();
        self.experiment.outcome = Outcome::Sweep(Box::new(self.sweep.clone()));
        self.experiment.write(site.directory)?;
        Ok(())
    }
}

/// Runs what is missing. After a signal the complete runs are stored, and that is no error.
///
/// # Errors
/// Where a collection cannot be made ready, or a run not be carried out; what was complete before is stored.
pub fn carry_out(
    site: &Site<'_>,
    design: &Design,
    sweeping: &mut Sweeping,
    follow: &mut dyn Follow,
) -> Result<(), RunError> {
    sweeping.store(site)?;
    let mut held: Option<(usize, Held<'_>)> = None;
    let mut is_prepared = false;
    while let Some(&(place, point)) = sweeping.sweep.missing().first() {
        let mut settings = design.grid.points[point].settings.clone();
        // Runs of one point differ in their arrivals too, as any two windows do.
        let seed = splitmix64(design.seed ^ splitmix64(place as u64));
        settings.workload.load.arrival_seed = Some(seed);
        let label = design.grid.label(point);
        let title = format!("run {} of {}, {label}", place + 1, design.order.len());
        let still_fits = held.take().filter(|(before, _)| serves(design, *before, point));
        let mut ready = match still_fits {
            Some((_, ready)) => ready,
            None => site.prepare(&settings, is_prepared.then_some(title.as_str()), follow)?,
        };
        if let Some(told) = sweeping.leave_out_foreign(&surroundings(site, &ready)) {
            follow.say(&told);
            sweeping.store(site)?;
            // Earlier ones may be missing now.
            (held, is_prepared) = (Some((point, ready)), true);
            continue;
        }
        let (report, reference) = site.run(&mut ready, &settings, (&title, &label), follow)?;
        held = Some((point, ready));
        is_prepared = true;
        if site.stop.reason().is_some() {
            return sweeping.store(site);
        }
        whole(&report)?;
        let run = PointRun::of(place, seed, &report);
        sweeping.experiment.server = report.server;
        sweeping.experiment.machine = Some(report.machine);
        sweeping.experiment.runs.push(reference);
        let told = line(&run, &label, (place, design.order.len()));
        sweeping.sweep.take(point, run);
        sweeping.store(site)?;
        let left = design.load_time(sweeping.sweep.missing().into_iter().map(|(_, point)| point));
        follow.say(&if left.is_zero() { told } else { format!("{told}; {} left", in_minutes(left.into())) });
    }
    Ok(())
}

fn surroundings(site: &Site<'_>, held: &Held<'_>) -> Surroundings {
    let is_embedded = site.server.kind.is_embedded();
    Surroundings {
        uri: (!is_embedded).then(|| site.server.uri.to_string()),
        version: Some(held.ready.version().to_owned()),
        cores: machine::describe().cores,
    }
}

/// Whether what was made ready for one point does for another.
fn serves(design: &Design, before: usize, point: usize) -> bool {
    match design.set_up {
        SetUp::Shared => true,
        SetUp::PerRun => false,
        SetUp::PerGroup | SetUp::Grown => design.group(before) == design.group(point),
    }
}

/// What a run came to.
fn line(run: &PointRun, label: &str, (place, all): (usize, usize)) -> String {
    let of = |(name, figures): (&String, &Figures)| {
        let time = |name: &str, micros: Option<f64>| match (micros, figures.unknown.get(name)) {
            (Some(micros), _) => Nanos::new((micros * 1e3) as u64).to_string(),
            (None, reason) => reason.map_or("unknown", |reason| reason.name()).replace('_', " "),
        };
        let (p50, p99) = (time("p50_us", figures.p50_us), time("p99_us", figures.p99_us));
        format!("{name} {:.1}/s, p50 {p50}, p99 {p99}", figures.succeeded_per_s.unwrap_or(0.0))
    };
    let operations: Vec<String> = run.operations.iter().map(of).collect();
    let distrust =
        if run.trusted { String::new() } else { format!("; not trusted: {}", run.reasons.join(", ")) };
    format!("run {} of {all}: {label}: {}{distrust}", place + 1, operations.join("; "))
}
