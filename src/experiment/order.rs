//! In which order runs of two kinds are carried out.

use crate::random::{splitmix64, unit_interval};

/// Pairs of both kinds (0 and 1), by run: which of the two comes first is drawn by lot, and each comes first equally often, give or
/// take one.
pub fn pairs(seed: u64, pairs: u32) -> Vec<usize> {
    let mut state = seed;
    let mut draw = || {
        state = splitmix64(state);
        unit_interval(state)
    };
    let pairs = pairs as usize;
    // An odd number of pairs leaves one over, whose order is drawn alone.
    let odd = usize::from(pairs % 2 == 1 && draw() < 0.5);
    let mut first: Vec<usize> = (0..pairs).map(|pair| usize::from(pair < pairs / 2 + odd)).collect();
    // Fisher and Yates.
    for last in (1..pairs).rev() {
        let other = (draw() * (last + 1) as f64) as usize;
        first.swap(last, other.min(last));
    }
    first.into_iter().flat_map(|first| [first, 1 - first]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_holds_both_and_each_comes_first_equally_often() {
        for seed in 0..200 {
            for count in [1, 2, 5, 8] {
                let order = pairs(seed, count);
                let firsts: usize = order.chunks(2).map(|pair| pair[0]).sum();
                assert!(order.chunks(2).all(|pair| pair[0] + pair[1] == 1), "{order:?}");
                assert!(firsts.abs_diff(count as usize - firsts) <= count as usize % 2, "{order:?}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_order_and_all_orders_come_up() {
        assert_eq!(pairs(7, 5), pairs(7, 5));
        // Of four pairs two begin with each: 6 orders, equally likely.
        let mut counts = std::collections::BTreeMap::new();
        (0..6_000).for_each(|seed| *counts.entry(pairs(seed, 4)).or_insert(0_u32) += 1);
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| count.abs_diff(1_000) < 150), "{counts:?}");
    }
}
