//! Experiments that tests render.

use std::collections::BTreeMap;

use crate::report::model::{Threshold, UnknownReason};

use super::capacity::{Capacity, Conclusion, Probe, ProbeOutcome};
use super::compare::{
    self, ChangeVerdict, Comparison, Decision, DecisionOutcome, Difference, Direction, Estimate, Group,
    Metric, RunOrder, RunValue, Seen, Spread, Unit, Weight,
};
use super::figures::Figures;
use super::overhead::{
    ArmEffect, ArmSummary, Change, CostLine, EffectVerdict, Effects, Mode, Noise, Overhead, OverheadBlocks,
    OverheadSlot, OverheadTiming,
};
use super::sweep::{PointRun, SetUp, Sweep, SweptPoint, Varied};
use super::{About, EXPERIMENT_SCHEMA, Experiment, Outcome};

fn change([estimate, low, high]: [f64; 3]) -> Change {
    Change { estimate, low, high }
}

fn effects(metric: &str, off: f64, at_1: [f64; 3], verdict: EffectVerdict) -> Effects {
    let [estimate, low, high] = at_1;
    let arm = |fraction: f64, scale: f64, verdict| ArmEffect {
        fraction,
        change: change([estimate * scale, low * scale, high * scale]),
        p_value: 0.001,
        smallest_detectable: 0.045,
        spread: 1.1,
        own_interval: false,
        verdict,
        excluded_above: (verdict == EffectVerdict::NoneSeen).then_some(high * scale),
    };
    Effects {
        metric: metric.into(),
        more_is_better: false,
        off: Some(off),
        arms: vec![arm(1.0, 1.0, verdict), arm(0.1, 0.1, EffectVerdict::NoneSeen)],
        noise: Some(Noise {
            change: change([0.004, -0.028, 0.036]),
            band: 0.032,
            p_value: 0.8,
            unsound: false,
        }),
        line: Some(CostLine {
            at_1: change(at_1),
            at_0_1: change([estimate / 10.0, low / 10.0, high / 10.0]),
            at_0_01: change([estimate / 100.0, low / 100.0, high / 100.0]),
            fraction_within_2_percent: 0.21,
            lack_of_fit_p: Some(0.6),
        }),
        blocks: 3,
        dropped: 0,
        unknown: None,
    }
}

/// Three blocks of off, off again, 1 and 0.1.
pub(crate) fn overhead() -> Overhead {
    let arms = [("off", 0.0), ("off again", 0.0), ("1", 1.0), ("0.1", 0.1)];
    let slot = |block: usize, (arm, fraction): (&str, f64)| OverheadSlot {
        block,
        arm: arm.into(),
        fraction,
        server: 0,
        start_unix_us: 1_700_000_000_000_000,
        sent: 500,
        sampled: (500.0 * fraction) as u64,
        stolen: Some(0.02),
        others_cores: Some(0.1),
        values: BTreeMap::from([(
            "search.response.p50_us".into(),
            2_000.0 + 100.0 * block as f64 + 120.0 * fraction,
        )]),
    };
    let summary = |(arm, fraction): (&str, f64)| ArmSummary {
        arm: arm.into(),
        fraction,
        slots: 3,
        sent: 1_500,
        sampled: (1_500.0 * fraction) as u64,
        client_spans: Some((1_500.0 * fraction) as u64),
        server_requests: None,
        spans: Some((15_000.0 * fraction) as u64),
        client_spans_lost: 0,
        export_cpu_us_per_request: Some(2.5 * fraction),
        collector_bytes_per_request: Some(2_800.0 * fraction),
        pooled_p99_us: BTreeMap::from([("search".into(), Some(9_000.0))]),
    };
    Overhead {
        mode: Mode::Both,
        fractions: vec![1.0, 0.1],
        timing: OverheadTiming { warmup_s: 5.0, washout_s: 5.5, slot_s: 5.0 },
        blocks: OverheadBlocks { planned: 3, complete: 3 },
        primary: "search.response.p50_us".into(),
        metrics: vec![
            effects("search.response.p50_us", 2_100.0, [0.061, 0.029, 0.094], EffectVerdict::Costs),
            effects("search.response.p99_us", 9_000.0, [0.05, -0.2, 0.38], EffectVerdict::NoneSeen),
            effects("server.cpu_us_per_request", 3_000.0, [0.04, 0.031, 0.049], EffectVerdict::Costs),
        ],
        arms: arms.map(summary).to_vec(),
        beside_the_server: vec!["the generator".into(), "the collector".into()],
        findings: vec![],
        slots: (0..3).flat_map(|block| arms.map(|arm| slot(block, arm))).collect(),
    }
}

fn figures(rate: f64, p50_us: f64, p99_us: Result<f64, UnknownReason>) -> BTreeMap<String, Figures> {
    let figures = Figures {
        offered_per_s: Some(rate),
        succeeded_per_s: Some(rate),
        errors: Some(if p99_us.is_ok() { 0.0 } else { 0.02 }),
        p50_us: Some(p50_us),
        p90_us: Some(p50_us * 1.5),
        p99_us: p99_us.ok(),
        unknown: p99_us.err().map(|reason| ("p99_us".to_owned(), reason)).into_iter().collect(),
    };
    [("search".to_owned(), figures)].into()
}

fn probe(rate: f64, outcome: ProbeOutcome, p99_us: Result<f64, UnknownReason>) -> Probe {
    let expression = "search.response.p99 < 20ms".to_owned();
    let met = Some(outcome == ProbeOutcome::Held);
    Probe {
        run: "0a1b2c3d".into(),
        rate_per_s: rate,
        window_s: 20.0,
        seed: u64::MAX.to_string(),
        outcome,
        reasons: match outcome {
            ProbeOutcome::Held => vec![],
            ProbeOutcome::Failed => vec![expression.clone()],
            ProbeOutcome::Generator | ProbeOutcome::Untrusted => vec!["generator_late".into()],
        },
        slo: vec![Threshold { expression, value: p99_us.ok(), unknown: p99_us.err(), met }],
        operations: figures(rate, 2_000.0 + rate * rate / 20.0, p99_us),
    }
}

/// Five probes, one of which says nothing of the server and one of which has no p99.
pub(crate) fn capacity() -> Capacity {
    let probes = vec![
        probe(100.0, ProbeOutcome::Held, Ok(6_000.0)),
        probe(200.0, ProbeOutcome::Held, Ok(9_000.0)),
        probe(400.0, ProbeOutcome::Failed, Err(UnknownReason::Unanswered)),
        probe(282.8, ProbeOutcome::Generator, Ok(31_000.0)),
        probe(282.8, ProbeOutcome::Held, Ok(17_000.0)),
    ];
    let capacity = Capacity {
        slo: vec!["search.response.p99 < 20ms".into()],
        window_s: 20.0,
        warmup_s: 5.0,
        budget_s: 900.0,
        conclusion: Conclusion::Found,
        rate_per_s: Some(312.0),
        low_per_s: Some(289.0),
        high_per_s: Some(371.0),
        precise: false,
        highest_held_per_s: Some(282.8),
        lowest_failed_per_s: Some(400.0),
        generator_limit_per_s: None,
        lowest_tried_per_s: 11.26,
        knee: None,
        notes: vec!["The collection was taken as it was.".into()],
        probes,
    };
    Capacity { knee: capacity.find_knee(), ..capacity }
}

/// Two by two points: one with a run that is left out, one with no run that can be trusted, one that was not run.
pub(crate) fn sweep() -> Sweep {
    let varied =
        |key: &str, values: [&str; 2]| Varied { key: key.into(), values: values.map(str::to_owned).to_vec() };
    let point = |values: [&str; 2]| SweptPoint {
        values: values.map(str::to_owned).to_vec(),
        ..SweptPoint::default()
    };
    let mut sweep = Sweep {
        workload: serde_json::json!({ "load": { "duration": "30s" } }),
        varied: vec![
            varied("load.concurrency", ["1", "4"]),
            varied("operations.search.params.ef", ["16", "64"]),
        ],
        runs_per_point: 2,
        control: 0,
        set_up: SetUp::Shared,
        order: vec![0, 2, 0, 1, 3, 0],
        points: vec![point(["1", "16"]), point(["1", "64"]), point(["4", "16"]), point(["4", "64"])],
        drift: BTreeMap::new(),
    };
    let run = |place: usize, p50: f64, p99, trusted: bool| PointRun {
        place,
        run: format!("{place:08x}"),
        seed: place.to_string(),
        started_unix_us: 1_700_000_000_000_000,
        trusted,
        reasons: if trusted { vec![] } else { vec!["short_of_cpu".into()] },
        operations: figures(1e6 / p50, p50, p99),
    };
    sweep.take(0, run(0, 1_000.0, Ok(2_000.0), true));
    sweep.take(2, run(1, 4_000.0, Err(UnknownReason::TooFew), true));
    sweep.take(0, run(2, 1_100.0, Ok(2_400.0), false));
    sweep.take(1, run(3, 1_500.0, Ok(3_000.0), false));
    sweep
}

fn spread(values: [f64; 2], unit_of_sd: f64) -> Spread {
    let mean = (values[0] + values[1]) / 2.0;
    Spread {
        values: values.map(|value| RunValue { value: Some(value), unknown: None }).to_vec(),
        mean: Some(Estimate { value: mean, low: mean - 9.0 * unit_of_sd, high: mean + 9.0 * unit_of_sd }),
        sd: Some(unit_of_sd),
    }
}

fn against_a([value, low, high]: [f64; 3], verdict: ChangeVerdict, seen: Seen) -> compare::Change {
    compare::Change {
        group: "B".into(),
        change: Some(value),
        interval: Some(Estimate { value, low, high }),
        p_value: Some(0.01),
        smallest_detectable: Some(0.04),
        verdict,
        seen: Some(seen),
        excluded_above: (seen == Seen::Nothing).then_some(high),
        reason: None,
    }
}

/// Two runs of A and two of B, of which the median is worse and the tail shows nothing.
pub(crate) fn comparison() -> Comparison {
    let group = |label: &str, runs: [&str; 2]| Group {
        label: label.into(),
        source: format!("reports/{label}"),
        runs: runs.map(str::to_owned).to_vec(),
        untrusted: 0,
    };
    let metric = |name: &str, primary, groups: [Spread; 2], change| Metric {
        name: name.into(),
        unit: Unit::Microseconds,
        better: Direction::Lower,
        primary,
        groups: groups.to_vec(),
        changes: vec![change],
    };
    Comparison {
        order: RunOrder::Pairs,
        groups: vec![group("A", ["a1", "a2"]), group("B", ["b1", "b2"])],
        differences: vec![Difference {
            key: "operations.search.params.ef".into(),
            values: vec![vec![64.into()], vec![128.into()]],
            weight: Weight::Decides,
        }],
        untrusted_runs: vec![],
        metrics: vec![
            metric(
                "search.response.p50",
                true,
                [spread([1_000.0, 1_020.0], 14.0), spread([1_050.0, 1_070.0], 14.0)],
                against_a([0.05, 0.02, 0.08], ChangeVerdict::Worse, Seen::Worse),
            ),
            metric(
                "search.response.p99",
                false,
                [spread([9_000.0, 9_900.0], 636.0), spread([9_100.0, 9_990.0], 629.0)],
                against_a([0.01, -0.1, 0.12], ChangeVerdict::NoneSeen, Seen::Nothing),
            ),
        ],
        decision: Decision {
            metric: "search.response.p50".into(),
            fail_above: Some(0.025),
            outcome: DecisionOutcome::Regressed,
            reason: "it is worse by more than 2.5 %".into(),
        },
    }
}

/// One of every kind.
pub(crate) fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Compare(Box::new(comparison())),
        Outcome::Overhead(Box::new(overhead())),
        Outcome::Capacity(Box::new(capacity())),
        Outcome::Sweep(Box::new(sweep())),
    ]
}

/// With this outcome.
pub(crate) fn experiment(outcome: Outcome) -> Experiment {
    Experiment {
        schema: EXPERIMENT_SCHEMA.into(),
        experiment: About {
            id: "1a2b3c4d".into(),
            name: "search".into(),
            command: "milvus-load overhead search.toml".into(),
            version: "0.1.0".into(),
            started: "2023-11-14T22:13:20.000Z".into(),
            seed: "42".into(),
            complete: true,
        },
        server: None,
        machine: None,
        runs: vec![],
        outcome,
    }
}
