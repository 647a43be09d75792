//! Randomised complete blocks: the order of an experiment's slots, and how many blocks a budget holds.

use std::time::Duration;

use crate::random::splitmix64;

/// Fewer blocks decide nothing.
pub const FEWEST_BLOCKS: usize = 5;

/// From this budget on, an arm at 10 % is worth its time.
const BOTH_ARMS_FROM: Duration = Duration::from_secs(15 * 60);

/// Keeps this use of a seed apart from others.
const DOMAIN: u64 = 0x626c_6f63_6b73;

/// What is done to the requests of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arm {
    /// Nothing.
    Off,
    /// Nothing again, so that the experiment shows how much two equal arms differ.
    OffAgain,
    /// The i-th of the experiment's fractions, from 0.
    On(usize),
}

/// The arms of one block, before their order is drawn.
pub fn arms(fractions: usize) -> Vec<Arm> {
    [Arm::Off, Arm::OffAgain].into_iter().chain((0..fractions).map(Arm::On)).collect()
}

/// The fractions that are measured where none were asked for: 10 % only where the budget is long enough for it.
pub fn default_fractions(budget: Duration) -> &'static [f64] {
    if budget >= BOTH_ARMS_FROM { &[1.0, 0.1] } else { &[1.0] }
}

/// Blocks that hold every arm once, each in an order of its own, all orders equally likely.
///
/// The order depends on the seed and the block's number alone, so more blocks do not change the first ones. Source:
/// Fisher, "The design of experiments", 1935; shuffled as by Durstenfeld, "Algorithm 235", 1964.
pub fn randomised(seed: u64, fractions: usize, blocks: usize) -> Vec<Vec<Arm>> {
    (0..blocks as u64).map(|block| shuffled(arms(fractions), splitmix64(seed ^ DOMAIN) ^ block)).collect()
}

fn shuffled(mut arms: Vec<Arm>, seed: u64) -> Vec<Arm> {
    let mut state = splitmix64(seed);
    for last in (1..arms.len()).rev() {
        state = splitmix64(state);
        // High half of a 128-bit product: uniform over 0..=last, up to 2^-58 of bias.
        let chosen = (u128::from(state) * (last as u128 + 1)) >> 64;
        arms.swap(last, chosen as usize);
    }
    arms
}

/// The times of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Once, before the first block.
    pub warm_up: Duration,
    /// Discarded at the start of each slot.
    pub washout: Duration,
    /// Measured in each slot.
    pub slot: Duration,
}

/// A budget that holds fewer than [`FEWEST_BLOCKS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} s hold {blocks} blocks of {slots} slots, and {FEWEST_BLOCKS} is the least that decides anything: it takes {} s",
    .budget.as_secs_f64(),
    .needed.as_secs_f64()
)]
pub struct BudgetTooShort {
    /// What was given.
    pub budget: Duration,
    /// Whole blocks that it holds.
    pub blocks: usize,
    /// Slots of a block.
    pub slots: usize,
    /// What it takes.
    pub needed: Duration,
}

impl Timing {
    /// How long so many blocks take, warm-up included.
    pub fn length(self, fractions: usize, blocks: usize) -> Duration {
        let slots = arms(fractions).len() * blocks;
        self.warm_up + (self.washout + self.slot).saturating_mul(u32::try_from(slots).unwrap_or(u32::MAX))
    }

    /// How many whole blocks the budget holds.
    ///
    /// # Errors
    /// Where that is below [`FEWEST_BLOCKS`], with the budget that would do.
    pub fn blocks_in(self, budget: Duration, fractions: usize) -> Result<usize, BudgetTooShort> {
        let slots = arms(fractions).len();
        let block = (self.washout + self.slot).as_nanos() * slots as u128;
        let room = budget.saturating_sub(self.warm_up).as_nanos();
        // No length at all: as many as are needed, and no more.
        let blocks =
            room.checked_div(block).map_or(FEWEST_BLOCKS, |n| usize::try_from(n).unwrap_or(usize::MAX));
        if blocks < FEWEST_BLOCKS {
            let needed = self.length(fractions, FEWEST_BLOCKS);
            return Err(BudgetTooShort { budget, blocks, slots, needed });
        }
        Ok(blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const TIMING: Timing = Timing {
        warm_up: Duration::from_secs(5),
        washout: Duration::from_millis(5_500),
        slot: Duration::from_secs(5),
    };

    #[test]
    fn every_block_holds_every_arm_once_and_off_twice() {
        for block in randomised(7, 2, 50) {
            let mut sorted = block.clone();
            sorted.sort();
            assert_eq!(sorted, [Arm::Off, Arm::OffAgain, Arm::On(0), Arm::On(1)]);
        }
    }

    #[test]
    fn the_seed_decides_and_more_blocks_keep_the_first_ones() {
        assert_eq!(randomised(1, 3, 20)[..10], randomised(1, 3, 10));
        assert_ne!(randomised(1, 3, 20), randomised(2, 3, 20));
    }

    /// 24 orders of 4 arms, 24,000 blocks: chi-square on 23 degrees of freedom, 99.99 % at 56.
    #[test]
    fn all_orders_are_equally_likely() {
        let mut seen: HashMap<Vec<Arm>, f64> = HashMap::new();
        for block in (0..240).flat_map(|seed| randomised(seed, 2, 100)) {
            *seen.entry(block).or_default() += 1.0;
        }
        assert_eq!(seen.len(), 24);
        let chi_square: f64 = seen.values().map(|n| (n - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi_square < 56.0, "{chi_square}");
    }

    #[test]
    fn a_quarter_of_an_hour_holds_twenty_one_blocks_of_four_slots() {
        // (900 - 5) / 42 = 21.3.
        assert_eq!(TIMING.blocks_in(Duration::from_secs(900), 2), Ok(21));
        assert_eq!(TIMING.length(2, 21), Duration::from_secs(5 + 21 * 42));
    }

    #[test]
    fn a_budget_below_five_blocks_is_refused_with_the_one_that_would_do() {
        let refused = TIMING.blocks_in(Duration::from_secs(214), 2).unwrap_err();
        assert_eq!((refused.blocks, refused.needed), (4, Duration::from_secs(215)));
        assert_eq!(TIMING.blocks_in(refused.needed, 2), Ok(5));
        assert!(refused.to_string().contains("it takes 215 s"), "{refused}");
        assert_eq!(TIMING.blocks_in(Duration::ZERO, 2).unwrap_err().blocks, 0);
    }

    #[test]
    fn ten_percent_is_measured_from_fifteen_minutes_on() {
        assert_eq!(default_fractions(Duration::from_secs(900)), [1.0, 0.1]);
        assert_eq!(default_fractions(Duration::from_secs(899)), [1.0]);
    }
}
