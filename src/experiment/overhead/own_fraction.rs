//! The second experiment: the server's own `sampleFraction`, with no header sent. It is set as the server starts, so each slot is a server
//! process of its own: pairs of starts, one at fraction 0 and one at the fraction asked after, in random order.

use std::collections::BTreeMap;

use crate::engine::Stop;
use crate::random::splitmix64;
use crate::report::RunReport;
use crate::report::experiment::overhead::{
    ArmEffect, ArmSummary, Change, EffectVerdict, Effects, Mode, Overhead, OverheadBlocks, OverheadSlot,
    OverheadTiming,
};
use crate::report::model::{Finding, Severity};
use crate::run::{self, Identity, Record, RunError, RunProgress, Server, Settings, Sharing};
use crate::stats::blocks::FEWEST_BLOCKS;
use crate::stats::{Better, Contrast, paired_logs};
use crate::trace::collector::{CollectorProcess, SpanKinds, Tally};
use crate::units::Fraction;
use crate::workload::Override;

use super::analysis::{complete_blocks, median, metrics_of};
use super::slots::{GENERATOR_CPU, SERVER_CPU, SERVER_MEMORY, THROUGHPUT};
use super::starts::{FollowStarts, Next, Servers};
use super::{Counted, LAST_SPANS, findings, is_closed, primary};

/// Level at which an effect is seen.
const SEEN_BELOW: f64 = 0.05;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnFraction {
    /// Of the starts that are not at 0.
    pub fraction: Fraction,
    /// Of either kind.
    pub starts: usize,
    /// Of the order within pairs.
    pub seed: u64,
}

impl OwnFraction {
    /// What is said over the workload: neither header nor span of the client's.
    pub fn overrides(flags: Vec<Override>) -> Vec<Override> {
        let mut overrides = flags;
        overrides.push(Override::flag("overhead", "trace.enabled", "false"));
        overrides
    }

    /// The starts with their pairs, in their order.
    fn order(self) -> Vec<(usize, Fraction)> {
        let pair = |number: usize| {
            let turned = splitmix64(splitmix64(self.seed) ^ number as u64) & 1 == 1;
            let [first, second] =
                if turned { [self.fraction, Fraction::ZERO] } else { [Fraction::ZERO, self.fraction] };
            [(number, first), (number, second)]
        };
        (0..self.starts).flat_map(pair).collect()
    }

    /// Carries it out; the last run's report comes with it. Stopped by hand, it has the starts that were complete.
    ///
    /// # Errors
    /// Where a server cannot be had, or nothing was measured at all.
    pub fn carry_out(
        self,
        settings: &Settings,
        servers: &Servers<'_>,
        collector: &mut CollectorProcess,
        command: &str,
        stop: &Stop,
        follow: &mut dyn FollowStarts,
    ) -> Result<(Overhead, RunReport), RunError> {
        let (mut starts, mut last, mut findings, mut before) = (Vec::new(), None, Vec::new(), None);
        for (pair, fraction) in self.order() {
            let identity = Identity::new(command.to_owned())?;
            let next = Next { pair: (pair, self.starts), fraction, before: before.replace(fraction) };
            let started = servers.start(settings, collector, next, stop, follow);
            let made = started.and_then(|started| {
                let report = one_run(started.server(), settings, &identity, stop, follow.running());
                let tally = last_tally_of(collector);
                started.finish()?;
                Ok((report?, tally?))
            });
            let (report, tally) = match made {
                Err(_) if stop.is_raised() => break,
                // What was measured is not thrown away; that there is less of it is told.
                Err(RunError::Failed(error)) if last.is_some() => {
                    findings.push(start_failed(&error));
                    break;
                }
                made => made?,
            };
            follow.made(&report, &identity)?;
            if stop.is_raised() {
                break;
            }
            starts.push(slot(self, pair, fraction, starts.len(), &report, &tally, settings));
            findings.extend(report.verdict.findings.iter().cloned());
            last = Some(report);
        }
        match (last, stop.reason()) {
            (Some(report), _) => {
                Ok((self.told(settings, servers.counted(), starts, (&report, &findings)), report))
            }
            (None, Some(reason)) => Err(RunError::Stopped(reason)),
            (None, None) => Err(anyhow::anyhow!("an experiment needs a start").into()),
        }
    }

    fn told(
        self,
        settings: &Settings,
        counted: Counted,
        starts: Vec<(OverheadSlot, SpanKinds)>,
        (report, of_loads): (&RunReport, &[Finding]),
    ) -> Overhead {
        let arms = [0.0, self.fraction.get()].map(|fraction| summary(fraction, &starts)).to_vec();
        let slots: Vec<OverheadSlot> = starts.into_iter().map(|(slot, _)| slot).collect();
        let primary = primary(settings, report);
        let mut overhead = Overhead {
            mode: Mode::OwnFraction,
            fractions: vec![self.fraction.get()],
            timing: OverheadTiming {
                warmup_s: settings.workload.load.warmup.as_secs_f64(),
                washout_s: 0.0,
                slot_s: settings.workload.load.duration.as_secs_f64(),
            },
            blocks: OverheadBlocks { planned: self.starts, complete: complete_blocks(&slots, 2).len() },
            metrics: effects(&slots, self.fraction.get(), &primary, slots.len() < 2 * self.starts),
            primary,
            arms,
            beside_the_server: counted.beside_the_server(),
            findings: Vec::new(),
            slots,
        };
        overhead.findings = findings::of(&overhead, counted, of_loads);
        overhead
    }
}

fn start_failed(error: &anyhow::Error) -> Finding {
    Finding {
        code: "start_failed".to_owned(),
        severity: Severity::Error,
        message: format!("a start failed, and the experiment ended with it: {error:#}"),
        cause: "the server did not start, or its run could not be measured".to_owned(),
        remedy: "remove what is named, and repeat the experiment".to_owned(),
    }
}

fn one_run(
    server: &Server,
    settings: &Settings,
    identity: &Identity,
    stop: &Stop,
    progress: &mut dyn RunProgress,
) -> Result<RunReport, RunError> {
    let _kept_to_this_run = server.lock(&settings.workload, identity, Sharing::Alone)?;
    let mut ready = server.prepare(settings, stop, progress)?;
    let requests = ready.requests(settings)?;
    let observed = ready.drive(settings, &requests, identity, stop, progress)?;
    let record = Record::new(settings, server, identity.clone(), observed);
    Ok(run::report(&[record], &[])?)
}

fn last_tally_of(collector: &mut CollectorProcess) -> anyhow::Result<Tally> {
    std::thread::sleep(LAST_SPANS);
    Ok(collector.tally()?)
}

/// A start as a slot, and the spans that came of its window.
fn slot(
    of: OwnFraction,
    block: usize,
    fraction: Fraction,
    server: usize,
    report: &RunReport,
    tally: &Tally,
    settings: &Settings,
) -> (OverheadSlot, SpanKinds) {
    let start = report.run.started_unix_us * 1_000;
    let spans = tally.between(start, start + (report.run.measured_s * 1e9) as u64);
    let sent = report.operations.values().map(|operation| operation.lag.count).sum::<u64>();
    let slot = OverheadSlot {
        block,
        arm: if fraction == of.fraction { fraction.to_string() } else { "off".to_owned() },
        fraction: fraction.get(),
        server,
        start_unix_us: report.run.started_unix_us,
        sent,
        // The client knows nothing of it: as many as the fraction says.
        sampled: (sent as f64 * fraction.get()).round() as u64,
        stolen: None,
        others_cores: report.resources.others_cores,
        values: values(report, sent, is_closed(settings)),
    };
    (slot, spans)
}

fn values(report: &RunReport, sent: u64, is_closed: bool) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    let mut put = |name: String, value: Option<f64>| {
        values.extend(value.filter(|value| value.is_finite() && *value > 0.0).map(|value| (name, value)));
    };
    for (name, operation) in &report.operations {
        let response = &operation.response;
        let numbers = [
            ("p50_us", response.p50_us),
            ("p90_us", response.p90_us),
            ("p99_us", response.p99_us),
            // A mean of the survivors would make failures look fast.
            ("mean_us", response.mean_us.filter(|_| operation.succeeded == operation.offered)),
        ];
        numbers.into_iter().for_each(|(number, value)| put(format!("{name}.response.{number}"), value));
    }
    let succeeded: f64 = report.operations.values().filter_map(|operation| operation.succeeded_per_s).sum();
    put(THROUGHPUT.to_owned(), is_closed.then_some(succeeded));
    let server = report.resources.server.as_ref();
    // Of all of the run: its warm-up too.
    let all = sent + report.operations.values().map(|operation| operation.warmup).sum::<u64>();
    put(
        SERVER_CPU.to_owned(),
        server.and_then(|server| server.cpu_s).map(|cpu| cpu * 1e6 / all.max(1) as f64),
    );
    put(SERVER_MEMORY.to_owned(), server.and_then(|server| server.rss_bytes).map(|bytes| bytes as f64));
    put(GENERATOR_CPU.to_owned(), report.resources.generator.cpu_us_per_request);
    values
}

fn summary(fraction: f64, starts: &[(OverheadSlot, SpanKinds)]) -> ArmSummary {
    let own = || starts.iter().filter(move |(slot, _)| slot.fraction == fraction);
    let count = |of: fn(&SpanKinds) -> u64| Some(own().map(|(_, spans)| of(spans)).sum());
    ArmSummary {
        arm: if fraction > 0.0 { fraction.to_string() } else { "off".to_owned() },
        fraction,
        slots: own().count(),
        sent: own().map(|(slot, _)| slot.sent).sum(),
        sampled: own().map(|(slot, _)| slot.sampled).sum(),
        client_spans: count(|spans| spans.client),
        server_requests: count(|spans| spans.entry),
        spans: count(|spans| spans.all()),
        client_spans_lost: 0,
        export_cpu_us_per_request: None,
        collector_bytes_per_request: None,
        pooled_p99_us: BTreeMap::new(),
    }
}

/// Of pairs of starts: a paired t on logarithms.
fn effects(slots: &[OverheadSlot], fraction: f64, primary: &str, stopped: bool) -> Vec<Effects> {
    let complete = complete_blocks(slots, 2);
    let told = |metric: &str| {
        let pairs: Vec<(f64, f64)> = complete
            .iter()
            .filter_map(|block| {
                let of = |on: bool| {
                    let slot =
                        slots.iter().find(|slot| slot.block == *block && (slot.fraction > 0.0) == on)?;
                    slot.values.get(metric).copied()
                };
                of(false).zip(of(true))
            })
            .collect();
        let (off, on): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let better = if metric == THROUGHPUT { Better::Higher } else { Better::Lower };
        let contrast = paired_logs(&off, &on);
        Effects {
            metric: metric.to_owned(),
            more_is_better: better == Better::Higher,
            off: median(off.into_iter()),
            unknown: contrast.as_ref().err().map(ToString::to_string),
            arms: contrast
                .ok()
                .map(|contrast| effect(contrast, fraction, better, pairs.len(), stopped))
                .into_iter()
                .collect(),
            noise: None,
            line: None,
            blocks: pairs.len(),
            dropped: complete.len() - pairs.len(),
        }
    };
    metrics_of(slots, primary).into_iter().map(told).collect()
}

fn effect(contrast: Contrast, fraction: f64, better: Better, pairs: usize, stopped: bool) -> ArmEffect {
    let change = contrast.interval().relative_from_logs();
    let is_seen = contrast.p_value() < SEEN_BELOW;
    let is_worse = (contrast.estimate > 0.0) == (better == Better::Lower);
    let verdict = match (stopped, pairs < FEWEST_BLOCKS, is_seen) {
        (true, ..) => EffectVerdict::Stopped,
        (_, true, _) => EffectVerdict::TooFewBlocks,
        (.., false) => EffectVerdict::NoneSeen,
        (.., true) if is_worse => EffectVerdict::Costs,
        (.., true) => EffectVerdict::Gains,
    };
    let worst = if better == Better::Lower { change.high } else { -change.low };
    ArmEffect {
        fraction,
        change: Change { estimate: change.estimate, low: change.low, high: change.high },
        p_value: contrast.p_value(),
        smallest_detectable: better.worse_by(contrast.smallest_detectable()),
        spread: 1.0,
        own_interval: false,
        verdict,
        excluded_above: (verdict == EffectVerdict::NoneSeen).then_some(worst),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(pairs: usize, cost: f64) -> Vec<OverheadSlot> {
        let slot = |block: usize, fraction: f64| {
            let hash = crate::random::splitmix64(block as u64 * 2 + u64::from(fraction > 0.0));
            let jitter = 1.0 + 0.02 * (crate::random::unit_interval(hash) - 0.5);
            let level = 1_000.0 * (1.0 + 0.3 * block as f64) * (1.0 + cost * fraction) * jitter;
            OverheadSlot {
                block,
                arm: if fraction > 0.0 { "1".into() } else { "off".into() },
                fraction,
                server: 0,
                start_unix_us: 0,
                sent: 100,
                sampled: 0,
                stolen: None,
                others_cores: None,
                values: BTreeMap::from([("search.response.p50_us".to_owned(), level)]),
            }
        };
        (0..pairs).flat_map(|pair| [slot(pair, 0.0), slot(pair, 1.0)]).collect()
    }

    #[test]
    fn a_cost_is_found_over_pairs_that_differ_by_more_than_it() {
        let metric = "search.response.p50_us";
        let found = &effects(&slots(5, 0.1), 1.0, metric, false)[0];
        assert_eq!((found.blocks, found.arms[0].verdict), (5, EffectVerdict::Costs));
        assert!((found.arms[0].change.estimate - 0.1).abs() < 0.02, "{found:?}");
        let none = &effects(&slots(5, 0.0), 1.0, metric, false)[0].arms[0];
        assert_eq!(none.verdict, EffectVerdict::NoneSeen);
        assert!(none.excluded_above.unwrap() > 0.0 && none.excluded_above.unwrap() < 0.03, "{none:?}");
        assert_eq!(
            effects(&slots(4, 0.1), 1.0, metric, false)[0].arms[0].verdict,
            EffectVerdict::TooFewBlocks
        );
        assert_eq!(effects(&slots(5, 0.1), 1.0, metric, true)[0].arms[0].verdict, EffectVerdict::Stopped);
        assert!(effects(&slots(1, 0.1), 1.0, metric, false)[0].unknown.is_some());
    }

    #[test]
    fn each_pair_has_both_and_the_seed_decides_which_is_first() {
        let order = |seed| OwnFraction { fraction: Fraction::ONE, starts: 20, seed }.order();
        let first: Vec<bool> = order(1).chunks(2).map(|pair| pair[0].1 == Fraction::ONE).collect();
        assert!(first.contains(&true) && first.contains(&false), "{first:?}");
        assert!(order(1).chunks(2).all(|pair| pair[0].1 != pair[1].1 && pair[0].0 == pair[1].0));
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
