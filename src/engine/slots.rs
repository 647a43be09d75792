//! Slots: one load without a pause, whose requests are treated differently from one slot to the next.

use crate::measure::SlotGrid;
use crate::trace::sampling::Arm;
use crate::units::Nanos;

/// The slots of a window with the arm of each, laid out before the load starts.
#[derive(Clone, Debug)]
pub struct Slots {
    grid: SlotGrid,
    arms: Vec<Arm>,
    /// The arm of each slot.
    order: Vec<u8>,
}

/// Slots that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotsError {
    /// More or fewer than the grid has.
    #[error("{given} slots were given an arm, and there are {count}")]
    Count {
        /// Slots with an arm.
        given: usize,
        /// Slots of the grid.
        count: usize,
    },
    /// An arm that there is not.
    #[error("a slot has arm {arm}, and there are {arms}, counted from 0")]
    Arm {
        /// Which.
        arm: u8,
        /// How many there are.
        arms: usize,
    },
}

impl Slots {
    /// `order` has an index into `arms` for each slot.
    ///
    /// # Errors
    /// Where there are not as many as slots, or one is of no arm.
    pub fn new(grid: SlotGrid, arms: Vec<Arm>, order: Vec<u8>) -> Result<Self, SlotsError> {
        if order.len() != grid.count() {
            return Err(SlotsError::Count { given: order.len(), count: grid.count() });
        }
        if let Some(&arm) = order.iter().find(|arm| usize::from(**arm) >= arms.len()) {
            return Err(SlotsError::Arm { arm, arms: arms.len() });
        }
        Ok(Self { grid, arms, order })
    }

    pub const fn grid(&self) -> SlotGrid {
        self.grid
    }

    /// The arm of a request that is due so long after the window's start; before it, that of the first slot.
    pub fn arm(&self, since_start: Nanos) -> &Arm {
        // Both exist, see `new`.
        &self.arms[usize::from(self.order[self.grid.slot(since_start)])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::sampling::{Header, SamplingRule, Switches};
    use crate::units::Fraction;

    #[test]
    fn every_slot_has_an_arm_and_a_moment_that_of_its_slot() {
        let rule = SamplingRule::new(Fraction::ONE);
        let on = Arm { rule, switches: Switches { header: Header::Decision, spans: true } };
        let off = Arm { rule, switches: Switches::OFF };
        let grid = SlotGrid::new(Nanos::from_secs(10), Nanos::from_secs(5), 3).unwrap();
        let slots = |order: &[u8]| Slots::new(grid, vec![off, on], order.to_vec());
        assert_eq!(slots(&[0, 1]).unwrap_err(), SlotsError::Count { given: 2, count: 3 });
        assert_eq!(slots(&[0, 1, 2]).unwrap_err(), SlotsError::Arm { arm: 2, arms: 2 });
        let slots = slots(&[1, 0, 1]).unwrap();
        let is_on = [0, 9_999, 10_000, 19_999, 20_000, 99_999]
            .map(|millis| *slots.arm(Nanos::from_millis(millis)) == on);
        assert_eq!(is_on, [true, true, false, false, true, true]);
    }
}
