//! What tracing costs all requests together: one server, one continuous load, and slots in random order whose requests are traced
//! or not.
//!
//! Read [`Design`] first, then [`carry_out`].

mod analysis;
mod arms;
mod design;
mod findings;
mod own_fraction;
mod own_sampling;
mod slots;
mod so_far;
mod starts;

use crate::engine::Stop;
use crate::measure::SlotGrid;
use crate::report::RunReport;
use crate::report::experiment::overhead::{Overhead, OverheadBlocks, OverheadSlot, OverheadTiming};
use crate::run::{
    self, Alternation, EdgeReading, Identity, Observed, Ready, Record, RunError, RunProgress, Server,
    Settings,
};
use crate::stats::overhead::Ending;
use crate::trace::collector::{CollectorProcess, Tally};
use crate::units::Nanos;
use crate::workload::LoadModel;

use so_far::SoFar;

pub use arms::ArmTotals;
pub use design::{Design, SLOT, WASHOUT, check, expected_half_width};
pub use own_fraction::OwnFraction;
pub use own_sampling::OwnSampling;
pub use slots::THROUGHPUT;
pub use starts::{FollowStarts, Servers, Wait};

/// How long after the last answer spans may still come: the server's C++ part exports every 5 s.
const LAST_SPANS: std::time::Duration = std::time::Duration::from_secs(6);

/// One load of an experiment, and what was done before it.
pub struct Plan<'a> {
    /// With the overrides of [`Design::overrides`].
    pub settings: &'a Settings,
    pub design: &'a Design,
    /// Slots of an experiment that is resumed.
    pub earlier: Option<&'a Overhead>,
}

impl Plan<'_> {
    fn first_block(&self) -> usize {
        let blocks = self.earlier.iter().flat_map(|earlier| &earlier.slots).map(|slot| slot.block + 1);
        blocks.max().unwrap_or(0)
    }

    fn server(&self) -> usize {
        let servers = self.earlier.iter().flat_map(|earlier| &earlier.slots).map(|slot| slot.server + 1);
        servers.max().unwrap_or(0)
    }
}

/// An experiment with the run that it was.
pub struct Done {
    /// What was found.
    pub overhead: Overhead,
    /// The whole load as one run.
    pub report: RunReport,
}

/// Where an experiment is carried out.
pub struct Place<'a> {
    pub server: &'a Server,
    /// Where the spans go, where that is a collector of the experiment's own.
    pub collector: Option<&'a mut CollectorProcess>,
    /// What was asked of a server that somebody else has started.
    pub sampling: Option<OwnSampling>,
    pub identity: &'a Identity,
    pub stop: &'a Stop,
}

/// Carries the experiment out: one load over all slots. Stopped by hand, it has the blocks that were complete. `known_to` is told from time
/// to time of the half-width of the primary metric's interval so far, as a share.
///
/// # Errors
/// Where nothing could be measured.
pub fn carry_out(
    plan: &Plan<'_>,
    place: Place<'_>,
    ready: &mut Ready<'_>,
    known_to: &mut dyn FnMut(f64),
    progress: &mut dyn RunProgress,
) -> Result<Done, RunError> {
    let Place { server, collector, sampling, identity, stop } = place;
    let requests = ready.requests(plan.settings)?;
    let slots = plan.design.slots(plan.first_block())?;
    let grid = slots.grid();
    let fractions = plan.design.fractions.iter().map(|fraction| fraction.get()).collect();
    let mut so_far = SoFar::new(grid, &plan.design.order(plan.first_block()), fractions);
    // It is of a median, and a closed loop decides on its throughput.
    let known = !is_closed(plan.settings);
    let alternation = Alternation {
        slots,
        follow: &mut |_: &EdgeReading| None,
        handed_over: &mut |part| so_far.take(part).into_iter().filter(|_| known).for_each(&mut *known_to),
    };
    let observed = ready.alternate(plan.settings, &requests, identity, alternation, stop, progress)?;
    let counted = Counted::of(server, collector.as_deref(), sampling);
    // A server of the run's own has been given that time already.
    if counted.server && !server.kind.ends_with_run() {
        progress.server_spans();
        std::thread::sleep(LAST_SPANS);
    }
    let tally = collector.map(|collector| collector.tally().map_err(anyhow::Error::from));
    let (slots, mut arms) =
        seen(plan, grid, server, &observed, tally.as_ref().and_then(|tally| tally.as_ref().ok()));
    let stopped = observed.driven.finished.stopped.is_some();
    let record = Record::new(plan.settings, server, identity.clone(), observed);
    let report = run::report(&[record], &[])?;
    let earlier = plan.earlier.iter().flat_map(|earlier| earlier.slots.iter().cloned());
    let slots: Vec<OverheadSlot> = earlier.chain(slots).collect();
    if let Some(earlier) = plan.earlier {
        arms.add(&earlier.arms);
    }
    let mut around = findings::around(server, sampling, plan.earlier);
    around.extend(tally.and_then(Result::err).map(|error| findings::collector_lost(&error)));
    around.extend(report.verdict.findings.iter().cloned());
    let mut overhead = told(plan, counted, (slots, arms), &report, stopped);
    overhead.findings = findings::of(&overhead, counted, &around);
    Ok(Done { overhead, report })
}

fn seen(
    plan: &Plan<'_>,
    grid: SlotGrid,
    server: &Server,
    observed: &Observed,
    tally: Option<&Tally>,
) -> (Vec<OverheadSlot>, ArmTotals) {
    let workload = &plan.settings.workload;
    let order = plan.design.order(plan.first_block());
    let layout = slots::Layout {
        grid,
        order: &order,
        fractions: &plan.design.fractions,
        first_block: plan.first_block(),
        server: plan.server(),
        warmup: Nanos::from(workload.load.warmup),
        operations: &workload.operations,
        server_here: server.is_on_this_machine(),
        is_closed: is_closed(plan.settings),
    };
    let slots = slots::of(&layout, &observed.driven);
    let arms = ArmTotals::of(&layout, &slots, &observed.driven, tally);
    (slots, arms)
}

fn told(
    plan: &Plan<'_>,
    counted: Counted,
    (slots, arms): (Vec<OverheadSlot>, ArmTotals),
    report: &RunReport,
    stopped: bool,
) -> Overhead {
    let design = plan.design;
    let fractions: Vec<f64> = design.fractions.iter().map(|fraction| fraction.get()).collect();
    let ending = if stopped { Ending::Stopped } else { Ending::AsPlanned };
    let primary = match plan.earlier {
        Some(earlier) => earlier.primary.clone(),
        None => primary(plan.settings, report),
    };
    let slots_per_block = fractions.len() + 2;
    let earlier =
        plan.earlier.map_or(0, |earlier| analysis::complete_blocks(&earlier.slots, slots_per_block).len());
    Overhead {
        mode: design.mode,
        timing: OverheadTiming {
            warmup_s: plan.settings.workload.load.warmup.as_secs_f64(),
            washout_s: design.washout.as_secs_f64(),
            slot_s: design.slot.as_secs_f64(),
        },
        blocks: OverheadBlocks {
            planned: design.blocks + earlier,
            complete: analysis::complete_blocks(&slots, slots_per_block).len(),
        },
        metrics: analysis::effects(&slots, &fractions, &primary, ending),
        primary,
        arms: arms.summaries,
        beside_the_server: counted.beside_the_server(),
        findings: Vec::new(),
        fractions,
        slots,
    }
}

/// Throughput in a closed loop, else the median response time of the operation with the most requests.
fn primary(settings: &Settings, report: &RunReport) -> String {
    if is_closed(settings) {
        return THROUGHPUT.to_owned();
    }
    let most = report.operations.iter().max_by_key(|(_, operation)| operation.offered);
    format!("{}.response.p50_us", most.map_or("search", |(name, _)| name))
}

fn is_closed(settings: &Settings) -> bool {
    settings.workload.load.streams.iter().all(|stream| matches!(stream.model, LoadModel::Closed { .. }))
}

/// Whose spans reach a collector of the experiment's own, and where all of them run.
#[derive(Clone, Copy, Debug)]
struct Counted {
    client: bool,
    server: bool,
    /// Whether the server shares this machine.
    server_here: bool,
}

impl Counted {
    fn of(server: &Server, collector: Option<&CollectorProcess>, sampling: Option<OwnSampling>) -> Self {
        let exports_to = server.tracing().and_then(|tracing| tracing.endpoint);
        let is_ours = |collector: &CollectorProcess| {
            exports_to.as_deref().is_some_and(|url| url.trim_end_matches('/') == collector.endpoint())
        };
        Self {
            client: collector.is_some(),
            server: collector.is_some_and(is_ours) || sampling.is_some_and(OwnSampling::exports_here),
            server_here: server.is_on_this_machine(),
        }
    }

    /// What shares the machine with the server.
    fn beside_the_server(self) -> Vec<String> {
        if !self.server_here {
            return Vec::new();
        }
        let collector = self.client.then(|| "the collector".to_owned());
        ["the generator".to_owned()].into_iter().chain(collector).collect()
    }
}
