//! The overhead experiment's analysis: from slots in randomised complete blocks to each arm's effect and a decision.
//!
//! The model is additive in logarithms, so every effect is relative. A block with a slot whose value is not known is
//! left out whole, and counted. Nothing is decided below [`FEWEST_BLOCKS`] or where the experiment was stopped by
//! hand: whoever stops it has seen it.

use std::collections::BTreeMap;

use super::blocks::{Arm, FEWEST_BLOCKS, arms};
use super::contrast::Contrast;
use super::cost_line::{CostLine, Errors, Point};
use super::error::{StatsError, log};
use super::huber::{Blocks, Fit, fit};
use super::interval::Interval;
use super::scale::Better;

/// Level at which an arm's effect is seen.
const SEEN_BELOW: f64 = 0.05;

/// Level at which two equal arms differ too much for the experiment to be sound.
const UNSOUND_BELOW: f64 = 0.001;

/// An arm whose residuals vary so many times as much as the others' is judged by its own.
const UNEQUAL_SPREAD: f64 = 2.0;

/// One slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// Its block; numbers may have gaps.
    pub block: usize,
    /// What was done in it.
    pub arm: Arm,
    /// The metric, above 0; `None` where it is not known.
    pub value: Option<f64>,
}

/// How the experiment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After the number of blocks that was fixed before it began.
    AsPlanned,
    /// By hand.
    Stopped,
}

/// What is known of the experiment beside its slots.
#[derive(Clone, Copy, Debug)]
pub struct Design<'a> {
    /// Of the arms `On(0)`, `On(1)`, ..., each in (0, 1].
    pub fractions: &'a [f64],
    /// Which way the metric is better.
    pub better: Better,
    /// How it ended.
    pub ending: Ending,
}

/// What an arm's effect comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// It makes the metric worse.
    Costs,
    /// It makes the metric better, which tracing should not.
    Gains,
    /// No effect seen; a change for the worse by more than this share is excluded.
    NoneSeen {
        /// 0.02 for 2 %.
        excluded_above: f64,
    },
    /// Fractions are tested from the largest on, and a larger one showed nothing.
    NotTested,
    /// Intervals only: the experiment was stopped by hand.
    Stopped,
    /// Intervals only: fewer complete blocks than [`FEWEST_BLOCKS`].
    TooFewBlocks,
}

/// One fraction's effect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArmEffect {
    /// The fraction.
    pub fraction: f64,
    /// Relative change of the metric against "off", 0.02 for 2 % more; 95 % interval.
    pub effect: Interval,
    /// Two-sided, of "no effect".
    pub p_value: f64,
    /// The change for the worse, as a share, that such an experiment finds 4 times in 5.
    pub smallest_detectable: f64,
    /// Its residual variance over that of the other slots.
    pub spread: f64,
    /// Whether `effect` is from the arm's own pairs, as its spread is unlike the others'.
    pub own_interval: bool,
    /// The decision.
    pub verdict: Verdict,
}

/// How two equal arms differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sham {
    /// Relative change from "off" to "off again"; 95 % interval.
    pub effect: Interval,
    /// Half-width of that interval, as a relative change: what is smaller is noise. The point leaves it in 1 of 20
    /// sound experiments.
    pub noise_band: f64,
    /// Two-sided, of "no difference", which is the truth.
    pub p_value: f64,
    /// p < 0.001: something other than the arms changed with them, and the experiment is not sound.
    pub unsound: bool,
}

/// The experiment's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Overhead {
    /// In the order of the design's fractions.
    pub arms: Vec<ArmEffect>,
    /// Off against off.
    pub sham: Sham,
    /// Over all fractions, if cost is proportional.
    pub line: Option<CostLine>,
    /// Complete blocks, which everything is from.
    pub blocks: usize,
    /// Blocks left out because a value was not known or a slot not reached.
    pub dropped: usize,
    /// Unknown values of each arm (`Off`, `OffAgain`, `On(0)`, ...): were they mostly one arm's, what was left out is
    /// not chance.
    pub unknown: Vec<(Arm, usize)>,
}

/// Analyses an experiment.
///
/// Estimand: an arm's relative effect on the typical slot. Assumption: the order within each block was drawn at
/// random; errors add in logarithms. Smallest n: 2 complete blocks for intervals, 5 for a decision. Sources: see
/// [`fit`]; fractions in fixed sequence, Maurer, Hothorn and Lehmacher, "Multiple comparisons in drug clinical
/// trials", 1995.
///
/// # Errors
/// Below 2 complete blocks, where a block does not hold every arm once, or a value is not above 0.
pub fn analyse(slots: &[Slot], design: Design<'_>) -> Result<Overhead, StatsError> {
    let table = Table::of(slots, design)?;
    let columns: Vec<usize> = (0..design.fractions.len() + 2).collect();
    let merged: Vec<usize> = columns.iter().map(|column| column.saturating_sub(1)).collect();
    let model = fit(&Blocks { y: &table.cost, arms: &merged })?;
    let apart = fit(&Blocks { y: &table.cost, arms: &columns })?;
    let contrasts: Vec<Judged> =
        (0..design.fractions.len()).map(|i| Judged::of(i, &model, &table)).collect::<Result<_, _>>()?;
    let verdicts = verdicts(&contrasts, table.cost.len(), design);
    let arms = contrasts.iter().zip(verdicts).zip(design.fractions);
    Ok(Overhead {
        arms: arms.map(|((judged, verdict), &fraction)| judged.told(fraction, verdict, design)).collect(),
        sham: sham(apart.contrast(1, 0), design.better),
        line: line(&model, design),
        blocks: table.cost.len(),
        dropped: table.dropped,
        unknown: table.unknown,
    })
}

/// Complete blocks in the order off, off again, on.
struct Table {
    /// Logarithms, turned so that larger is worse.
    cost: Vec<Vec<f64>>,
    dropped: usize,
    unknown: Vec<(Arm, usize)>,
}

impl Table {
    fn of(slots: &[Slot], design: Design<'_>) -> Result<Self, StatsError> {
        let arms = arms(design.fractions.len());
        let mut values: BTreeMap<usize, Vec<Option<Option<f64>>>> = BTreeMap::new();
        for slot in slots {
            let block = slot.block;
            let column = arms.iter().position(|arm| *arm == slot.arm);
            let row = values.entry(block).or_insert_with(|| vec![None; arms.len()]);
            let cell = column.and_then(|column| row.get_mut(column));
            match cell {
                Some(cell @ None) => *cell = Some(slot.value),
                Some(Some(_)) | None => return Err(StatsError::NotComplete { block }),
            }
        }
        let mut table =
            Self { cost: Vec::new(), dropped: 0, unknown: arms.iter().map(|&arm| (arm, 0)).collect() };
        for row in values.values() {
            table.take_block(row, design.better)?;
        }
        Ok(table)
    }

    /// A slot that was never reached, as the experiment was stopped, leaves its block out as well.
    fn take_block(&mut self, row: &[Option<Option<f64>>], better: Better) -> Result<(), StatsError> {
        for (value, (_, unknown)) in row.iter().zip(&mut self.unknown) {
            *unknown += usize::from(*value == Some(None));
        }
        let known: Option<Vec<f64>> = row.iter().map(|value| value.flatten()).collect();
        match known {
            None => self.dropped += 1,
            Some(values) => {
                let cost = values.into_iter().map(|value| Ok(better.sign() * log(value)?));
                self.cost.push(cost.collect::<Result<_, _>>()?);
            }
        }
        Ok(())
    }
}

/// An arm's effect with the interval that it is judged by.
struct Judged {
    contrast: Contrast,
    spread: f64,
    own_interval: bool,
}

impl Judged {
    fn of(arm: usize, model: &Fit, table: &Table) -> Result<Self, StatsError> {
        let column = arm + 2;
        let spread = spread(model, column);
        let own_interval = spread > UNEQUAL_SPREAD;
        let contrast = if own_interval { own_pairs(column, table)? } else { model.contrast(arm + 1, 0) };
        Ok(Self { contrast, spread, own_interval })
    }

    fn told(&self, fraction: f64, verdict: Verdict, design: Design<'_>) -> ArmEffect {
        ArmEffect {
            fraction,
            effect: design.better.change(self.contrast.interval()),
            p_value: self.contrast.p_value(),
            smallest_detectable: design.better.worse_by(self.contrast.smallest_detectable()),
            spread: self.spread,
            own_interval: self.own_interval,
            verdict,
        }
    }
}

/// The arm against the mean of both "off" of its block, in a fit of these pairs alone.
///
/// A plain paired t would take every burst of stolen time for the arm's own spread.
fn own_pairs(column: usize, table: &Table) -> Result<Contrast, StatsError> {
    let pairs: Vec<Vec<f64>> =
        table.cost.iter().map(|row| vec![(row[0] + row[1]) / 2.0, row[column]]).collect();
    Ok(fit(&Blocks { y: &pairs, arms: &[0, 1] })?.contrast(1, 0))
}

/// Mean squared residual of a column over that of the other columns.
fn spread(model: &Fit, column: usize) -> f64 {
    let (mut own, mut others) = (0.0, 0.0);
    for row in &model.residuals {
        for (i, r) in row.iter().enumerate() {
            *(if i == column { &mut own } else { &mut others }) += r * r;
        }
    }
    let columns = model.residuals.first().map_or(0, Vec::len) as f64;
    if own == 0.0 { 0.0 } else { own / (others / (columns - 1.0)) }
}

/// Largest fraction first, each at 5 %, until one shows nothing.
fn verdicts(arms: &[Judged], blocks: usize, design: Design<'_>) -> Vec<Verdict> {
    let mut order: Vec<usize> = (0..arms.len()).collect();
    order.sort_by(|a, b| design.fractions[*b].total_cmp(&design.fractions[*a]));
    let mut verdicts = vec![Verdict::NotTested; arms.len()];
    let mut going_on = true;
    for arm in order {
        let contrast = arms[arm].contrast;
        verdicts[arm] = if design.ending == Ending::Stopped {
            Verdict::Stopped
        } else if blocks < FEWEST_BLOCKS {
            Verdict::TooFewBlocks
        } else if !going_on {
            Verdict::NotTested
        } else if contrast.p_value() >= SEEN_BELOW {
            going_on = false;
            Verdict::NoneSeen { excluded_above: design.better.worse_by(contrast.interval().high) }
        } else if contrast.estimate > 0.0 {
            Verdict::Costs
        } else {
            Verdict::Gains
        };
    }
    verdicts
}

fn sham(contrast: Contrast, better: Better) -> Sham {
    let p_value = contrast.p_value();
    Sham {
        effect: better.change(contrast.interval()),
        noise_band: better.worse_by(contrast.half_width()),
        p_value,
        unsound: p_value < UNSOUND_BELOW,
    }
}

fn line(model: &Fit, design: Design<'_>) -> Option<CostLine> {
    let blocks = model.residuals.len() as f64;
    let point = |(i, &fraction): (usize, &f64)| Point { fraction, cost: model.contrast(i + 1, 0).estimate };
    let points: Vec<Point> = design.fractions.iter().enumerate().map(point).collect();
    // "Off" is the mean of two slots a block.
    let errors =
        Errors { own: model.variance / blocks, shared: model.variance / (2.0 * blocks), df: model.df };
    CostLine::fit(&points, errors, design.better)
}
