use super::blocks::{Arm, arms};
use super::error::StatsError;
use super::overhead::{Design, Ending, Slot, Verdict, analyse};
use super::paired::one_sample;
use super::scale::Better;

const FRACTIONS: [f64; 2] = [1.0, 0.1];

const DESIGN: Design<'_> = Design { fractions: &FRACTIONS, better: Better::Lower, ending: Ending::AsPlanned };

/// Small, unequal, and orthogonal to nothing: only the signs of noise.
const NOISE: [f64; 7] = [0.01, -0.012, 0.004, 0.008, -0.009, -0.003, 0.006];

fn slots(blocks: usize, effects: [f64; 2]) -> Vec<Slot> {
    let mut noise = NOISE.iter().cycle();
    let mut slots = Vec::new();
    for block in 0..blocks {
        for arm in arms(2) {
            let effect = match arm {
                Arm::Off | Arm::OffAgain => 0.0,
                Arm::On(i) => effects[i],
            };
            let level = block as f64 * 0.3 + effect + noise.next().unwrap();
            slots.push(Slot { block, arm, value: Some(level.exp()) });
        }
    }
    slots
}

fn verdicts_of(slots: &[Slot], design: Design<'_>) -> [Verdict; 2] {
    let arms = analyse(slots, design).unwrap().arms;
    [arms[0].verdict, arms[1].verdict]
}

#[test]
fn effects_are_found_whatever_the_blocks_differ_by() {
    let got = analyse(&slots(7, [1.2f64.ln(), 1.1f64.ln()]), DESIGN).unwrap();
    assert!((got.arms[0].effect.estimate - 0.2).abs() < 0.01, "{:?}", got.arms[0]);
    assert!((got.arms[1].effect.estimate - 0.1).abs() < 0.01, "{:?}", got.arms[1]);
    assert_eq!([got.arms[0].verdict, got.arms[1].verdict], [Verdict::Costs, Verdict::Costs]);
    assert!(got.sham.effect.contains(0.0) && !got.sham.unsound);
    assert!(got.arms[0].smallest_detectable > 0.0 && got.arms[0].smallest_detectable < 0.03);
    assert_eq!((got.blocks, got.dropped), (7, 0));
}

/// Seven blocks of seven recurring noises: every column has each noise once, so the means are exact.
#[test]
fn balanced_noise_leaves_the_exact_effects() {
    let got = analyse(&slots(7, [0.2, 0.1]), DESIGN).unwrap();
    assert!((got.arms[0].effect.estimate - 0.2f64.exp_m1()).abs() < 2e-3);
    assert!(got.sham.effect.estimate.abs() < 4e-3);
}

#[test]
fn order_of_the_slots_does_not_matter() {
    let mut mixed = slots(6, [0.1, 0.0]);
    let plain = analyse(&mixed, DESIGN).unwrap();
    mixed.reverse();
    mixed.swap(3, 17);
    assert_eq!(analyse(&mixed, DESIGN).unwrap(), plain);
}

#[test]
fn the_largest_fraction_is_tested_first_and_the_first_that_shows_nothing_is_the_last() {
    assert!(matches!(
        verdicts_of(&slots(7, [0.2, 0.0]), DESIGN),
        [Verdict::Costs, Verdict::NoneSeen { excluded_above }] if excluded_above > 0.0 && excluded_above < 0.05
    ));
    assert!(matches!(
        verdicts_of(&slots(7, [0.0, 0.2]), DESIGN),
        [Verdict::NoneSeen { .. }, Verdict::NotTested]
    ));
    // The order of the design's list is not the order of testing.
    let turned = Design { fractions: &[0.1, 1.0], ..DESIGN };
    assert!(matches!(
        verdicts_of(&slots(7, [0.2, 0.0]), turned),
        [Verdict::NotTested, Verdict::NoneSeen { .. }]
    ));
    assert_eq!(verdicts_of(&slots(7, [-0.2, -0.2]), DESIGN), [Verdict::Gains, Verdict::Gains]);
}

#[test]
fn what_was_stopped_or_is_too_short_has_intervals_and_no_decision() {
    let stopped = Design { ending: Ending::Stopped, ..DESIGN };
    assert_eq!(verdicts_of(&slots(7, [0.2, 0.2]), stopped), [Verdict::Stopped; 2]);
    let got = analyse(&slots(4, [0.2, 0.2]), DESIGN).unwrap();
    assert_eq!(got.arms[0].verdict, Verdict::TooFewBlocks);
    assert!(got.arms[0].effect.low > 0.0);
}

#[test]
fn a_block_with_an_unknown_slot_is_left_out_whole_and_counted() {
    let mut some = slots(7, [0.2, 0.1]);
    some[4 * 3 + 2].value = None;
    let got = analyse(&some, DESIGN).unwrap();
    assert_eq!((got.blocks, got.dropped), (6, 1));
    assert_eq!(got.unknown[2], (Arm::On(0), 1));
    assert_eq!(got.unknown.iter().map(|(_, n)| n).sum::<usize>(), 1);
    let without: Vec<Slot> = slots(7, [0.2, 0.1]).into_iter().filter(|slot| slot.block != 3).collect();
    // A block that was never begun is none.
    let fewer = analyse(&without, DESIGN).unwrap();
    assert_eq!((&fewer.arms, fewer.dropped), (&got.arms, 0));
    // One that was not finished is left out.
    let begun = Slot { block: 9, arm: Arm::Off, value: Some(1.0) };
    let more = analyse(&[without, vec![begun]].concat(), DESIGN).unwrap();
    assert_eq!((&more.arms, more.dropped), (&got.arms, 1));
}

#[test]
fn a_throughput_that_falls_is_a_cost() {
    let times = slots(7, [0.2, 0.02]);
    let rates: Vec<Slot> =
        times.iter().map(|slot| Slot { value: slot.value.map(f64::recip), ..*slot }).collect();
    let (slower, fewer) = (
        analyse(&times, DESIGN).unwrap(),
        analyse(&rates, Design { better: Better::Higher, ..DESIGN }).unwrap(),
    );
    assert_eq!(fewer.arms[0].verdict, Verdict::Costs);
    assert!((1.0 + fewer.arms[0].effect.estimate) * (1.0 + slower.arms[0].effect.estimate) - 1.0 < 1e-9);
    assert!(fewer.arms[0].effect.high < 0.0 && fewer.arms[0].smallest_detectable > 0.0);
    let (at_tenth, inverse) = (slower.line.unwrap().at(0.1), fewer.line.unwrap().at(0.1));
    assert!(((1.0 + at_tenth.high) * (1.0 + inverse.low) - 1.0).abs() < 1e-9);
}

#[test]
fn equal_arms_that_differ_make_the_experiment_unsound() {
    let mut off = slots(7, [0.0, 0.0]);
    for slot in off.iter_mut().filter(|slot| slot.arm == Arm::OffAgain) {
        slot.value = slot.value.map(|value| value * 1.2);
    }
    let sham = analyse(&off, DESIGN).unwrap().sham;
    assert!(sham.unsound && (sham.effect.estimate - 0.2).abs() < 0.02 && sham.noise_band < 0.05, "{sham:?}");
}

#[test]
fn an_arm_that_varies_more_is_judged_by_its_own_pairs() {
    let mut wild = slots(7, [0.0, 0.0]);
    let mut turn = 1.0;
    for slot in wild.iter_mut().filter(|slot| slot.arm == Arm::On(1)) {
        turn = -turn;
        slot.value = slot.value.map(|value| value * (0.2 * turn + 0.02 * slot.block as f64).exp());
    }
    let got = analyse(&wild, DESIGN).unwrap();
    assert!(got.arms[1].own_interval && got.arms[1].spread > 2.0 && !got.arms[0].own_interval);
    let logs = |arm: Arm| -> Vec<f64> {
        wild.iter().filter(|slot| slot.arm == arm).map(|slot| slot.value.unwrap().ln()).collect()
    };
    let (one, two, on) = (logs(Arm::Off), logs(Arm::OffAgain), logs(Arm::On(1)));
    let differences: Vec<f64> = (0..7).map(|i| on[i] - (one[i] + two[i]) / 2.0).collect();
    let truth = one_sample(&differences).unwrap().interval().relative_from_logs();
    assert!((got.arms[1].effect.low - truth.low).abs() < 1e-12);
}

#[test]
fn slots_that_the_design_does_not_have_are_refused() {
    let mut twice = slots(5, [0.0; 2]);
    twice[1].arm = Arm::Off;
    assert_eq!(analyse(&twice, DESIGN).err(), Some(StatsError::NotComplete { block: 0 }));
    let mut foreign = slots(5, [0.0; 2]);
    foreign[2].arm = Arm::On(7);
    assert_eq!(analyse(&foreign, DESIGN).err(), Some(StatsError::NotComplete { block: 0 }));
    let mut zero = slots(5, [0.0; 2]);
    zero[2].value = Some(0.0);
    assert_eq!(analyse(&zero, DESIGN).err(), Some(StatsError::NotPositive { value: 0.0 }));
    assert_eq!(analyse(&[], DESIGN).err(), Some(StatsError::TooFew { have: 0, need: 2 }));
}

#[test]
fn one_fraction_alone_has_a_line_and_nothing_to_misfit() {
    let one: Vec<Slot> = slots(7, [0.1, 0.0]).into_iter().filter(|slot| slot.arm != Arm::On(1)).collect();
    let got = analyse(&one, Design { fractions: &[1.0], ..DESIGN }).unwrap();
    let (line, arm) = (got.line.unwrap(), got.arms[0]);
    assert_eq!(line.lack_of_fit_p, None);
    assert!((line.at(1.0).high - arm.effect.high).abs() < 1e-9);
    let within = line.largest_fraction_within(0.02);
    assert!(within > 0.1 && within < 0.25 && line.at(within).high <= 0.02 + 1e-12);
}
