//! Noise of a machine, slot by slot: the logarithm of a slot's statistic without any effect.

use rand::RngExt as _;
use rand_distr::{Distribution as _, Exp, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

/// From one slot's start to the next's, in seconds: washout and slot.
const SLOT_STEP: f64 = 10.5;
/// Measured at its end.
const SLOT: f64 = 5.0;
/// Standard deviation of a slot's logarithm on a quiet machine.
pub(super) const QUIET: f64 = 0.04;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noise {
    /// Independent and normal.
    White,
    /// Normal, each slot correlated 0.7 with the one before.
    Autoregressive,
    /// Quiet, with bursts of seconds to minutes in which other guests take the machine's cores: several times slower,
    /// and noisier.
    Stolen,
}

pub(super) const ALL: [Noise; 3] = [Noise::White, Noise::Autoregressive, Noise::Stolen];

impl Noise {
    pub(super) fn slots(self, n: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<f64> {
        let normal = |rng: &mut Xoshiro256PlusPlus| -> f64 { StandardNormal.sample(rng) };
        match self {
            Self::White => (0..n).map(|_| QUIET * normal(rng)).collect(),
            Self::Autoregressive => {
                let correlation: f64 = 0.7;
                let mut level = normal(rng);
                let next = |_| {
                    let value = QUIET * level;
                    level = correlation * level + (1.0 - correlation * correlation).sqrt() * normal(rng);
                    value
                };
                (0..n).map(next).collect()
            }
            Self::Stolen => {
                let bursts = bursts(n as f64 * SLOT_STEP, rng);
                (0..n)
                    .map(|slot| {
                        let end = (slot + 1) as f64 * SLOT_STEP;
                        let stolen: f64 = bursts.iter().map(|burst| burst.within(end - SLOT, end)).sum();
                        let noisier = 0.3 * stolen.min(1.0) * normal(rng);
                        QUIET * normal(rng) + stolen.ln_1p() + noisier
                    })
                    .collect()
            }
        }
    }
}

/// A time in which everything takes `1 + excess` times as long.
struct Burst {
    start: f64,
    end: f64,
    excess: f64,
}

impl Burst {
    /// Its excess, in proportion to how much of the time from `from` to `to` it covers.
    fn within(&self, from: f64, to: f64) -> f64 {
        self.excess * (self.end.min(to) - self.start.max(from)).max(0.0) / (to - from)
    }
}

/// One burst in two minutes on average, of 2 s to 2 min (log-uniform), 2 to 6 times slower.
fn bursts(length: f64, rng: &mut Xoshiro256PlusPlus) -> Vec<Burst> {
    let gap = Exp::new(1.0 / 120.0).unwrap();
    let mut bursts = Vec::new();
    let mut start = -120.0;
    loop {
        start += gap.sample(rng);
        if start > length {
            return bursts;
        }
        let end = start + 2.0 * 60f64.powf(rng.random::<f64>());
        bursts.push(Burst { start, end, excess: 1.0 + 4.0 * rng.random::<f64>() });
    }
}
