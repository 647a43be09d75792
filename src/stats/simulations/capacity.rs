//! Capacity searches on queues whose true root is known from many windows.

use rand::RngExt as _;
use rand_distr::{Distribution as _, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Rate, sequence};
use crate::stats::capacity::{Capacity, Probe, Search, Step, next};

/// A server that serves one at a time, first in, first out, and the level that it is to hold.
#[derive(Clone, Copy, Debug)]
struct Queue {
    /// Mean service, in seconds.
    service: f64,
    /// Exponential, or always the same.
    varying: bool,
    /// 99 % of a window's responses are to be below, in seconds.
    level: f64,
}

const QUEUES: [Queue; 2] = [
    Queue { service: 0.002, varying: true, level: 0.04 },
    Queue { service: 0.004, varying: false, level: 0.025 },
];

impl Queue {
    /// One window: drained, 5 s at the rate, then 20 s that count.
    fn holds(self, rate: f64, rng: &mut Xoshiro256PlusPlus) -> bool {
        let (mut now, mut waiting) = (0.0, 0.0);
        let (mut requests, mut late) = (0u32, 0u32);
        while now < 25.0 {
            let service = self.service * if self.varying { Exp1.sample(rng) } else { 1.0 };
            if now >= 5.0 {
                requests += 1;
                late += u32::from(waiting + service >= self.level);
            }
            let gap: f64 = Exp1.sample(rng);
            let gap = gap / rate;
            now += gap;
            // Lindley's recursion.
            waiting = f64::max(0.0, waiting + service - gap);
        }
        100 * late < requests
    }

    /// The rate at which half of all windows hold.
    fn root(self, windows: u64) -> f64 {
        let (mut low, mut high) = (0.3 / self.service, 1.0 / self.service);
        for round in 0..11 {
            let middle = (low + high) / 2.0;
            let mut holds = Rate::default();
            for window in 0..windows {
                holds.count(self.holds(middle, &mut sequence(31, round * windows + window)));
            }
            *(if holds.share() >= 0.5 { &mut low } else { &mut high }) = middle;
        }
        (low + high) / 2.0
    }

    fn search(self, start: f64, rng: &mut Xoshiro256PlusPlus) -> (usize, Capacity) {
        let search = Search { start, lowest: 1.0, highest: 1e5, budget: 40 };
        let mut probes = Vec::new();
        loop {
            match next(&search, &probes) {
                Step::Probe(rate) => probes.push(Probe { rate, held: self.holds(rate, rng) }),
                Step::Done(capacity) => return (probes.len(), capacity),
            }
        }
    }
}

fn searches(queue: Queue, windows: u64, repetitions: u64) {
    let root = queue.root(windows);
    let (mut near, mut covers, mut precise) = (Rate::default(), Rate::default(), Rate::default());
    let mut probes = 0;
    for repetition in 0..repetitions {
        let mut rng = sequence(32, repetition);
        let start = root * 8f64.powf(2.0 * rng.random::<f64>() - 1.0);
        let (made, capacity) = queue.search(start, &mut rng);
        probes += made;
        if let Capacity::Found { rate, precise: narrow } = capacity {
            near.count((rate.estimate / root - 1.0).abs() <= 0.05);
            covers.count(rate.contains(root));
            precise.count(narrow);
        } else {
            near.count(false);
            covers.count(false);
        }
    }
    println!(
        "{queue:?}: root {root:.1}, within 5 % in {:.1} %, covers in {:.1} %, precise in {:.1} %, {:.1} probes",
        near.percent(),
        covers.percent(),
        precise.percent(),
        probes as f64 / repetitions as f64
    );
    assert!(near.percent() >= 90.0);
    assert!(covers.percent() >= 80.0);
}

#[test]
fn it_finds_the_root_of_a_queue_within_5_percent_in_nine_of_ten() {
    searches(QUEUES[0], 100, 60);
}

#[test]
#[ignore = "a thousand searches take a minute"]
fn it_finds_the_root_of_any_queue_within_5_percent_in_nine_of_ten() {
    for queue in QUEUES {
        searches(queue, 2_000, 500);
    }
}
