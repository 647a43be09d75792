//! From slots to effects.

use std::collections::BTreeSet;

use crate::report::experiment::overhead::{
    ArmEffect, Change, CostLine, EffectVerdict, Effects, Noise, OverheadSlot,
};
use crate::stats::blocks::Arm;
use crate::stats::overhead::{self as stats, Ending, Slot, Verdict};
use crate::stats::{Better, Interval};

use super::slots::{EXPORT_CPU, THROUGHPUT};

/// What a slot's budget of 2 % is about.
const BUDGET: f64 = 0.02;

/// What each metric comes to, the primary one first.
pub fn effects(slots: &[OverheadSlot], fractions: &[f64], primary: &str, ending: Ending) -> Vec<Effects> {
    metrics_of(slots, primary).into_iter().map(|metric| of(slots, fractions, metric, ending)).collect()
}

/// The metrics that any slot has, the primary one first.
pub fn metrics_of<'a>(slots: &'a [OverheadSlot], primary: &'a str) -> Vec<&'a str> {
    let names: BTreeSet<&String> = slots.iter().flat_map(|slot| slot.values.keys()).collect();
    let is_other = |name: &&str| *name != primary && *name != EXPORT_CPU;
    let mut others: Vec<&str> = names.iter().map(|name| name.as_str()).filter(is_other).collect();
    others.sort_by_key(|name| order(name));
    [primary].into_iter().chain(others).collect()
}

/// Times first, then the server's costs, then the generator's.
fn order(metric: &str) -> (usize, &str) {
    let kinds = ["server.", "generator."];
    (kinds.iter().position(|kind| metric.starts_with(kind)).map_or(0, |kind| kind + 1), metric)
}

fn of(slots: &[OverheadSlot], fractions: &[f64], metric: &str, ending: Ending) -> Effects {
    let more_is_better = metric == THROUGHPUT;
    let better = if more_is_better { Better::Higher } else { Better::Lower };
    let complete = complete_blocks(slots, fractions.len() + 2);
    let told: Vec<Slot> = slots
        .iter()
        .filter(|slot| complete.contains(&slot.block))
        .filter_map(|slot| {
            let arm = arm(&slot.arm, slot.fraction, fractions)?;
            Some(Slot { block: slot.block, arm, value: slot.values.get(metric).copied() })
        })
        .collect();
    let off =
        median(told.iter().filter(|slot| !matches!(slot.arm, Arm::On(_))).filter_map(|slot| slot.value));
    let nothing = Effects {
        metric: metric.to_owned(),
        more_is_better,
        off,
        arms: Vec::new(),
        noise: None,
        line: None,
        blocks: 0,
        dropped: complete.len(),
        unknown: None,
    };
    match stats::analyse(&told, stats::Design { fractions, better, ending }) {
        Ok(found) => told_of(found, nothing),
        Err(error) => Effects { unknown: Some(error.to_string()), ..nothing },
    }
}

fn told_of(found: stats::Overhead, nothing: Effects) -> Effects {
    Effects {
        arms: found.arms.iter().map(arm_effect).collect(),
        noise: Some(Noise {
            change: change(found.sham.effect),
            band: found.sham.noise_band,
            p_value: found.sham.p_value,
            unsound: found.sham.unsound,
        }),
        line: found.line.map(|line| CostLine {
            at_1: change(line.at(1.0)),
            at_0_1: change(line.at(0.1)),
            at_0_01: change(line.at(0.01)),
            fraction_within_2_percent: line.largest_fraction_within(BUDGET),
            lack_of_fit_p: line.lack_of_fit_p,
        }),
        blocks: found.blocks,
        dropped: found.dropped,
        ..nothing
    }
}

fn arm_effect(effect: &stats::ArmEffect) -> ArmEffect {
    let (verdict, excluded_above) = match effect.verdict {
        Verdict::Costs => (EffectVerdict::Costs, None),
        Verdict::Gains => (EffectVerdict::Gains, None),
        Verdict::NoneSeen { excluded_above } => (EffectVerdict::NoneSeen, Some(excluded_above)),
        Verdict::NotTested => (EffectVerdict::NotTested, None),
        Verdict::Stopped => (EffectVerdict::Stopped, None),
        Verdict::TooFewBlocks => (EffectVerdict::TooFewBlocks, None),
    };
    ArmEffect {
        fraction: effect.fraction,
        change: change(effect.effect),
        p_value: effect.p_value,
        smallest_detectable: effect.smallest_detectable,
        spread: effect.spread,
        own_interval: effect.own_interval,
        verdict,
        excluded_above,
    }
}

fn change(Interval { estimate, low, high }: Interval) -> Change {
    Change { estimate, low, high }
}

/// Blocks of which every slot is there.
pub fn complete_blocks(slots: &[OverheadSlot], arms: usize) -> BTreeSet<usize> {
    let blocks: BTreeSet<usize> = slots.iter().map(|slot| slot.block).collect();
    blocks
        .into_iter()
        .filter(|block| slots.iter().filter(|slot| slot.block == *block).count() == arms)
        .collect()
}

fn arm(name: &str, fraction: f64, fractions: &[f64]) -> Option<Arm> {
    match name {
        "off" => Some(Arm::Off),
        "off again" => Some(Arm::OffAgain),
        _ => fractions.iter().position(|one| *one == fraction).map(Arm::On),
    }
}

/// The mean of the middle two where there is no middle one.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => None,
        n if n % 2 == 1 => values.get(n / 2).copied(),
        n => Some((values[n / 2 - 1] + values[n / 2]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A block of off, off again, 1 and 0.1; blocks differ as a machine's minutes do, and by a hash from slot to slot.
    fn slots(blocks: usize, cost_at_1: f64) -> Vec<OverheadSlot> {
        let slot = |block: usize, arm: &str, fraction: f64| {
            let hash =
                crate::random::splitmix64(block as u64 * 10 + (fraction * 10.0) as u64 + arm.len() as u64);
            let jitter = 1.0 + 0.01 * (crate::random::unit_interval(hash) - 0.5);
            let level = 1_000.0 * (1.0 + block as f64 * 0.1) * jitter * (1.0 + cost_at_1 * fraction);
            let values = BTreeMap::from([
                ("search.response.p50_us".to_owned(), level),
                (THROUGHPUT.to_owned(), 1e6 / level),
            ]);
            OverheadSlot {
                block,
                arm: arm.to_owned(),
                fraction,
                server: 0,
                start_unix_us: 0,
                sent: 100,
                sampled: 0,
                stolen: None,
                others_cores: None,
                values,
            }
        };
        (0..blocks)
            .flat_map(|block| {
                [
                    slot(block, "off", 0.0),
                    slot(block, "off again", 0.0),
                    slot(block, "1", 1.0),
                    slot(block, "0.1", 0.1),
                ]
            })
            .collect()
    }

    #[test]
    fn a_cost_of_a_fifth_is_found_and_more_is_better_for_throughput() {
        let found = effects(&slots(10, 0.2), &[1.0, 0.1], "search.response.p50_us", Ending::AsPlanned);
        assert_eq!(found[0].metric, "search.response.p50_us");
        let [full, tenth] = &found[0].arms[..] else { panic!("{found:?}") };
        assert_eq!(full.verdict, EffectVerdict::Costs);
        assert!((full.change.estimate - 0.2).abs() < 0.01 && full.change.low < 0.2 && full.change.high > 0.2);
        assert!((tenth.change.estimate - 0.02).abs() < 0.01);
        let line = found[0].line.unwrap();
        assert!((line.at_0_1.estimate - 0.02).abs() < 0.003, "{line:?}");
        let throughput = found.iter().find(|effects| effects.metric == THROUGHPUT).unwrap();
        assert!(throughput.more_is_better);
        assert!((throughput.arms[0].change.estimate - (1.0 / 1.2 - 1.0)).abs() < 0.01);
        assert_eq!(throughput.arms[0].verdict, EffectVerdict::Costs);
    }

    #[test]
    fn a_block_that_was_cut_off_is_left_out_and_one_without_a_value_is_counted() {
        let mut slots = slots(8, 0.0);
        slots.pop();
        slots[0].values.clear();
        let found = effects(&slots, &[1.0, 0.1], "search.response.p50_us", Ending::AsPlanned);
        assert_eq!((found[0].blocks, found[0].dropped), (6, 1));
        let nothing = effects(&slots, &[1.0, 0.1], "search.response.p99_us", Ending::AsPlanned);
        assert!(nothing[0].unknown.is_some() && nothing[0].arms.is_empty() && nothing[0].off.is_none());
    }
}
