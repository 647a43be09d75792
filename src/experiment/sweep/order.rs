//! In which order the points of a grid are run. Pure: drawn from a seed.
//!
//! ```text
//! control | every point, shuffled, with the control in between | every point, shuffled anew, likewise | control
//! ```
//!
//! Whatever drifts meets both halves, so it does not favour a point, and the control shows it. Where points need set-ups of their
//! own, each half goes through the set-ups in an order of its own, and through the points of each likewise; then the control is run
//! where its set-up begins and ends.

use crate::random::splitmix64;

/// How often every point is run.
pub(super) const PASSES: u32 = 2;
/// Runs of other points between two of the control, at least.
const FEWEST_BETWEEN: usize = 4;
/// About so many runs of the control come on top.
const CONTROLS: usize = 8;

/// The point of each run, in order. `set_ups[p]` says which set-up point p needs.
pub(super) fn order(seed: u64, set_ups: &[usize], control: usize) -> Vec<usize> {
    let mut draws = Draws { seed, drawn: 0 };
    let passes: Vec<Vec<Vec<usize>>> = (0..PASSES).map(|_| pass(&mut draws, set_ups)).collect();
    let is_shared = set_ups.iter().all(|set_up| Some(set_up) == set_ups.first());
    if is_shared {
        let runs: Vec<usize> = passes.into_iter().flatten().flatten().collect();
        return with_control(&runs, control);
    }
    let with_ends = |runs: Vec<usize>| match runs.contains(&control) {
        true => [vec![control], runs, vec![control]].concat(),
        false => runs,
    };
    passes.into_iter().flatten().flat_map(with_ends).collect()
}

/// All points once: by set-up, both in an order that is drawn.
fn pass(draws: &mut Draws, set_ups: &[usize]) -> Vec<Vec<usize>> {
    let count = set_ups.iter().max().map_or(0, |last| last + 1);
    let mut groups: Vec<Vec<usize>> = (0..count)
        .map(|set_up| (0..set_ups.len()).filter(|&point| set_ups[point] == set_up).collect())
        .collect();
    draws.shuffle(&mut groups);
    groups.iter_mut().for_each(|group| draws.shuffle(group));
    groups
}

/// With the control at both ends and evenly in between.
fn with_control(runs: &[usize], control: usize) -> Vec<usize> {
    let between = runs.len().div_ceil(CONTROLS).max(FEWEST_BETWEEN);
    let mut all = Vec::new();
    for part in runs.chunks(between) {
        all.push(control);
        all.extend(part);
    }
    all.push(control);
    all
}

/// A stream of random numbers.
struct Draws {
    seed: u64,
    drawn: u64,
}

impl Draws {
    /// By Fisher and Yates. That a remainder favours small numbers by 1 in 2^50 changes nothing here.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            self.drawn += 1;
            let random = splitmix64(splitmix64(self.seed) ^ self.drawn);
            items.swap(last, (random % (last as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(order: &[usize], point: usize) -> usize {
        order.iter().filter(|&&run| run == point).count()
    }

    #[test]
    fn every_point_is_run_twice_and_the_control_throughout() {
        let order = order(1, &[0; 12], 0);
        // 24 runs, in six parts of four: the control before each and at the end.
        assert_eq!(order.len(), 24 + 7);
        assert!((1..12).all(|point| times(&order, point) == 2));
        assert_eq!(times(&order, 0), 2 + 7);
        assert_eq!((order[0], order[order.len() - 1]), (0, 0));
    }

    #[test]
    fn every_point_is_in_both_halves() {
        for seed in 0..50 {
            let order = order(seed, &[0; 9], 0);
            let others: Vec<usize> = order.iter().copied().filter(|&point| point != 0).collect();
            let (first, second) = others.split_at(8);
            assert!((1..9).all(|point| times(first, point) == 1 && times(second, point) == 1));
        }
    }

    #[test]
    fn the_seed_alone_decides_the_order_and_all_orders_occur() {
        assert_eq!(order(3, &[0; 6], 0), order(3, &[0; 6], 0));
        let first_passes: std::collections::BTreeSet<Vec<usize>> =
            (0..200).map(|seed| pass(&mut Draws { seed, drawn: 0 }, &[0; 3]).concat()).collect();
        assert_eq!(first_passes.len(), 6, "3! orders of three points");
    }

    #[test]
    fn points_of_one_set_up_stay_together_and_the_control_frames_its_own() {
        // Points 0, 2 and 4 need set-up 0, the others 1.
        let order = order(5, &[0, 1, 0, 1, 0, 1], 0);
        assert_eq!(order.len(), 12 + 4);
        let set_ups: Vec<usize> = order.iter().map(|point| point % 2).collect();
        let changes = set_ups.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes <= 3, "two set-ups in each of two passes: {order:?}");
        assert_eq!(times(&order, 0), 2 + 4);
        assert!((1..6).all(|point| times(&order, point) == 2));
    }
}
