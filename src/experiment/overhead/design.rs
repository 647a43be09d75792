//! The design of an overhead experiment: its arms, their order, and what the workload becomes.

use std::time::Duration;

use anyhow::ensure;

use crate::engine::Slots;
use crate::measure::SlotGrid;
use crate::report::experiment::overhead::Mode;
use crate::run::Settings;
use crate::stats::blocks::{self, Timing};
use crate::trace::sampling::{Arm, Header, SamplingRule, Switches};
use crate::units::{Fraction, Nanos};
use crate::workload::Override;

/// Server and segcore export every 5 s: what a slot's requests leave behind must be gone before the next one's count.
pub const WASHOUT: Duration = Duration::from_millis(5_500);

/// One tick of each.
pub const SLOT: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// Fractions of the arms, largest first; off is there twice besides.
    pub fractions: Vec<Fraction>,
    /// Who traces.
    pub mode: Mode,
    /// Discarded at the start of each slot.
    pub washout: Duration,
    /// Measured in each slot.
    pub slot: Duration,
    /// Of the order.
    pub seed: u64,
    /// Blocks, fixed before the start.
    pub blocks: usize,
}

impl Design {
    /// As many blocks as the budget holds; fractions from the largest on.
    ///
    /// # Errors
    /// Where the budget is too short for a decision, with the one that would do; where a fraction is 0, or there twice.
    pub fn within(
        budget: Duration,
        mut fractions: Vec<Fraction>,
        mode: Mode,
        timing: Timing,
        seed: u64,
    ) -> anyhow::Result<Self> {
        fractions.sort_by(|a, b| b.get().total_cmp(&a.get()));
        ensure!(!fractions.is_empty(), "an experiment needs a fraction above 0 to compare with off");
        ensure!(
            fractions.iter().all(|fraction| *fraction > Fraction::ZERO),
            "off is always there, twice: name fractions above 0"
        );
        ensure!(fractions.windows(2).all(|pair| pair[0] != pair[1]), "each fraction is an arm: name it once");
        let blocks = timing.blocks_in(budget, fractions.len())?;
        Ok(Self { fractions, mode, washout: timing.washout, slot: timing.slot, seed, blocks })
    }

    /// Blocks in the order in which they are carried out. A resumed experiment goes on with other orders.
    pub fn order(&self, first_block: usize) -> Vec<Vec<blocks::Arm>> {
        let mut order = blocks::randomised(self.seed, self.fractions.len(), first_block + self.blocks);
        order.split_off(first_block)
    }

    /// The same as slots of one load.
    ///
    /// # Errors
    /// Where no load is that long.
    pub fn slots(&self, first_block: usize) -> anyhow::Result<Slots> {
        let order: Vec<blocks::Arm> = self.order(first_block).into_iter().flatten().collect();
        let length = Nanos::from(self.washout + self.slot);
        let grid = SlotGrid::new(length, self.washout.into(), order.len()).ok_or_else(|| {
            anyhow::anyhow!("slots need a length, and all of them together must fit into time")
        })?;
        let off = Arm { rule: SamplingRule::new(Fraction::ZERO), switches: Switches::OFF };
        let on = self.fractions.iter().map(|fraction| self.arm(*fraction));
        let arms: Vec<Arm> = [off].into_iter().chain(on).collect();
        let index = |arm: &blocks::Arm| match arm {
            blocks::Arm::Off | blocks::Arm::OffAgain => 0,
            // There are a handful of fractions.
            blocks::Arm::On(fraction) => u8::try_from(fraction + 1).unwrap_or(u8::MAX),
        };
        Ok(Slots::new(grid, arms, order.iter().map(index).collect())?)
    }

    fn arm(&self, fraction: Fraction) -> Arm {
        let switches = match self.mode {
            Mode::Client => Switches { header: Header::Unsampled, spans: true },
            Mode::Server => Switches { header: Header::Decision, spans: false },
            Mode::Both => Switches { header: Header::Decision, spans: true },
            // Not told apart by slots of one server: see `own_fraction`.
            Mode::OwnFraction => Switches::OFF,
        };
        Arm { rule: SamplingRule::new(fraction), switches }
    }

    /// How long all slots take.
    pub fn window(&self) -> Duration {
        let slots = (self.fractions.len() + 2) * self.blocks;
        (self.washout + self.slot).saturating_mul(u32::try_from(slots).unwrap_or(u32::MAX))
    }

    /// What is said over the workload so that it becomes this experiment's load.
    pub fn overrides(&self, flags: Vec<Override>, collector: Option<&str>) -> Vec<Override> {
        let own = |key: &str, value: String| Override::flag("overhead", key, value);
        let mut overrides: Vec<Override> =
            collector.map(|url| own("trace.otlp_endpoint", url.to_owned())).into_iter().collect();
        // Arms decide; without these no exporter would be there for them.
        overrides.push(own("trace.enabled", "true".to_owned()));
        overrides.push(own("trace.sample_fraction", "1".to_owned()));
        overrides.push(own("trace.unsampled", "propagate".to_owned()));
        overrides.push(own("load.duration", format!("{}ns", self.window().as_nanos())));
        overrides.extend(flags);
        overrides
    }
}

/// What of a workload cannot be compared from slot to slot.
///
/// # Errors
/// Where its rate changes.
pub fn check(settings: &Settings) -> anyhow::Result<()> {
    ensure!(
        settings.workload.load.stage_starts().len() < 2,
        "load.stages: slots of an experiment can be compared only where the load stays the same; give load.rate or \
         load.concurrency instead"
    );
    Ok(())
}

/// How wide the interval of the median response time will be, as a share, on a calm machine and on one whose time is stolen.
///
/// By what slots of one load differed on the embedded Milvus, 100 searches a second: their logarithms by 5.9 % (standard deviation)
/// on a calm day, by some 28 % on one with up to 45 % stolen. Other servers and loads differ otherwise.
pub fn expected_half_width(blocks: usize) -> [f64; 2] {
    let n = blocks as f64;
    let t = crate::stats::two_sided_t((n - 1.0).max(1.0));
    [0.059, 0.28].map(|deviation| (t * deviation / n.sqrt()).exp_m1())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing() -> Timing {
        Timing { warm_up: Duration::from_secs(5), washout: WASHOUT, slot: SLOT }
    }

    fn fractions(of: &[f64]) -> Vec<Fraction> {
        of.iter().map(|f| Fraction::new(*f).unwrap()).collect()
    }

    #[test]
    fn a_quarter_of_an_hour_holds_twenty_one_blocks_of_off_off_and_two_fractions() {
        let design =
            Design::within(Duration::from_secs(900), fractions(&[0.1, 1.0]), Mode::Both, timing(), 1)
                .unwrap();
        assert_eq!((design.blocks, design.fractions.clone()), (21, fractions(&[1.0, 0.1])));
        let slots = design.slots(0).unwrap();
        assert_eq!(slots.grid().count(), 84);
        assert_eq!(slots.grid().window(), Nanos::from(design.window()));
        assert_eq!(design.window(), Duration::from_secs(882));
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let within = |of: &[f64], budget| {
            Design::within(Duration::from_secs(budget), fractions(of), Mode::Both, timing(), 1)
                .unwrap_err()
                .to_string()
        };
        assert!(within(&[0.0, 1.0], 900).contains("above 0"));
        assert!(within(&[1.0, 1.0], 900).contains("once"));
        assert!(within(&[], 900).contains("above 0"));
        assert!(within(&[1.0], 60).contains("it takes"), "{}", within(&[1.0], 60));
    }

    #[test]
    fn a_resumed_experiment_goes_on_with_the_blocks_that_come_next() {
        let design = |blocks| Design {
            fractions: fractions(&[1.0]),
            mode: Mode::Client,
            washout: WASHOUT,
            slot: SLOT,
            seed: 7,
            blocks,
        };
        assert_eq!(design(20).order(0)[8..], design(12).order(8));
    }

    /// facts: 5.0 % at 8 blocks, 3.8 % at 12, 2.8 % at 20; 23 % at 8 under stolen time.
    #[test]
    fn the_widths_foretold_are_those_that_were_measured() {
        for (blocks, calm) in [(8, 0.050), (12, 0.038), (20, 0.028)] {
            assert!((expected_half_width(blocks)[0] - calm).abs() < 0.002, "{blocks}");
        }
        assert!((expected_half_width(8)[1] - 0.26).abs() < 0.04);
    }
}
