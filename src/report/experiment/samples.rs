//! Experiments that tests render.

use std::collections::BTreeMap;

use super::overhead::{
    ArmEffect, ArmSummary, Change, CostLine, EffectVerdict, Effects, Mode, Noise, Overhead, OverheadBlocks,
    OverheadSlot, OverheadTiming,
};
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

/// One of every kind.
pub(crate) fn outcomes() -> Vec<Outcome> {
    vec![Outcome::Overhead(Box::new(overhead()))]
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
