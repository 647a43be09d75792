//! How often the interval of a row holds the row's true difference, by simulation: requests go through the recorder, its reservoirs and
//! intervals, the episodes are those that the report tells apart, and only what was kept is looked at.
//!
//! The simulations beneath `stats` hold the interval alone against worlds on which its method was chosen. Two of the worlds here,
//! [`World::Mixed`] and [`World::Thinned`], were made after that.

use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::tests::{ANCHOR, Parts, SEARCH, US, WAIT, recorder, trace_of};
use super::*;
use crate::measure::{Outcome, Sample};
use crate::random::splitmix64;
use crate::trace::TraceRef;

/// Microseconds.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// From the window's start.
    start: f64,
    wait: f64,
    search: f64,
}

impl Request {
    const fn parts(&self) -> Parts {
        [0, 100, 100, self.wait as u64, self.search as u64, 0]
    }

    fn response(&self) -> f64 {
        self.parts().iter().sum::<u64>() as f64
    }
}

#[derive(Clone, Copy, Debug)]
enum World {
    /// Now and then the server stands still, and all that come meanwhile wait for its end.
    Stalls,
    /// One queue, first in, first out.
    Queue,
    /// Each request is slow by itself.
    Alone,
    /// Short stalls, a disk that makes searches slow for a while, and searches that are slow by themselves.
    Mixed,
    /// Stalls at a rate of which few slow requests are kept.
    Thinned,
}

impl World {
    /// From so many microseconds on a request is slow.
    const fn bound(self) -> u64 {
        match self {
            Self::Stalls | Self::Thinned => 40_000,
            Self::Queue | Self::Mixed => 30_000,
            Self::Alone => 9_000,
        }
    }

    /// Microseconds between two requests, in the mean.
    const fn gap(self) -> f64 {
        match self {
            Self::Thinned => 1_000.0,
            Self::Mixed => 3_000.0,
            Self::Stalls | Self::Queue | Self::Alone => 10_000.0,
        }
    }

    fn run(self, requests: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<Request> {
        let (mut start, mut queue) = (0.0, 0.0);
        let mut stalls = Spells { every: 8e6, length: 9e4, ..Spells::default() };
        let mut short = Spells { every: 3e6, length: 5e4, ..Spells::default() };
        let mut disk = Spells { every: 6e6, length: 3e5, ..Spells::default() };
        (0..requests)
            .map(|_| {
                let gap: f64 = Exp1.sample(rng);
                start += self.gap() * gap;
                let work: f64 = Exp1.sample(rng);
                let z: f64 = StandardNormal.sample(rng);
                let (wait, search) = match self {
                    Self::Stalls => (stalls.rest(start, rng), 2_000.0 + 1_000.0 * work),
                    Self::Thinned => (short.rest(start, rng), 2_000.0 + 1_000.0 * work),
                    Self::Queue => {
                        queue = f64::max(0.0, queue - self.gap() * gap);
                        let wait = queue;
                        queue += 6_000.0 * work;
                        (wait, 6_000.0 * work)
                    }
                    Self::Alone => (1_000.0 * z.exp(), 1_000.0 + 1_000.0 * work),
                    Self::Mixed => {
                        let slow_disk = if disk.rest(start, rng) > 0.0 { 20_000.0 * work } else { 0.0 };
                        let alone = if rng.random_bool(0.002) { 40_000.0 * z.abs() } else { 0.0 };
                        (short.rest(start, rng), 2_000.0 + 500.0 * work + slow_disk + alone)
                    }
                };
                Request { start, wait, search }
            })
            .collect()
    }
}

/// Spells of a length around `length`, log-normal, and so far apart in the mean; microseconds.
#[derive(Default)]
struct Spells {
    every: f64,
    length: f64,
    next: f64,
    end: f64,
}

impl Spells {
    /// How long the spell goes on at this moment; 0 outside of any.
    fn rest(&mut self, now: f64, rng: &mut Xoshiro256PlusPlus) -> f64 {
        while self.next <= now {
            let z: f64 = StandardNormal.sample(rng);
            self.end = self.next + self.length * (0.5 * z).exp();
            let gap: f64 = Exp1.sample(rng);
            self.next = self.end + self.every * gap;
        }
        f64::max(0.0, self.end - now)
    }
}

fn sequence(seed: u64, repetition: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(splitmix64(splitmix64(seed) ^ repetition))
}

/// The true differences of the wait and of the search: over a run too long for chance.
fn truth(world: World, requests: usize) -> [f64; 2] {
    let run = world.run(requests, &mut sequence(81, u64::MAX));
    let mut sorted: Vec<f64> = run.iter().map(Request::response).collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[sorted.len() / 4], sorted[sorted.len() * 3 / 4]);
    let mean = |of: fn(&Request) -> f64, within: &dyn Fn(f64) -> bool| {
        let (count, total) = run
            .iter()
            .filter(|request| within(request.response()))
            .fold((0.0, 0.0), |(count, total), request| (count + 1.0, total + of(request)));
        total / count
    };
    let difference = |of: fn(&Request) -> f64| {
        mean(of, &|response| response >= world.bound() as f64)
            - mean(of, &|response| (low..=high).contains(&response))
    };
    [difference(|request| request.wait), difference(|request| request.search)]
}

fn told(world: World, run: &[Request], seed: u64) -> Attribution {
    let window = Nanos::new((run.last().map_or(0.0, |last| last.start) * 1e3) as u64 + 1);
    let mut recorder = recorder(window, seed);
    for (index, request) in run.iter().enumerate() {
        let intended = Nanos::from_secs(1) + Nanos::new((request.start * 1e3) as u64);
        recorder.record(&Sample {
            operation: 0,
            intended,
            sent: Some(intended),
            done: intended + Nanos::new(request.parts().iter().sum::<u64>() * US),
            outcome: Outcome::Succeeded { hits: 10 },
            trace: TraceRef { trace_id: index as u128 + 1, span_id: 7, sampled: true },
            connection: 0,
            hits_expected: Some(10),
        });
    }
    let mut recorded = recorder.finish();
    let spans = |trace: u128| {
        let request = &run[trace as usize - 1];
        let sent = ANCHOR + Nanos::from_secs(1).get() + (request.start * 1e3) as u64;
        Some(trace_of(trace, sent, request.parts()))
    };
    attribution(&Source {
        record: &recorded.operations.remove(0),
        window_start: Nanos::from_secs(1),
        grid: recorded.grid,
        anchor_unix_ns: ANCHOR,
        slow: Slow::Duration(std::time::Duration::from_micros(world.bound())),
        spans: &spans,
        is_cut: &|_| false,
    })
}

#[derive(Debug, Default)]
struct Coverage {
    /// Runs whose intervals are told.
    told: u64,
    /// Of these, those whose interval holds the truth: of the wait, of the search.
    covered: [u64; 2],
    episodes: u64,
    slow: u64,
    traces: u64,
}

fn coverage(world: World, requests: usize, repetitions: u64) -> Coverage {
    let truth = truth(world, 4_000 * repetitions.clamp(100, 1_000) as usize);
    let mut found = Coverage::default();
    for repetition in 0..repetitions {
        let run = world.run(requests, &mut sequence(82, repetition));
        let told = told(world, &run, repetition);
        found.episodes += told.episodes;
        found.slow += told.slow.requests;
        found.traces += told.slow.complete;
        let interval = |words: &str| {
            let row = told.rows.iter().find(|row| row.words == words)?;
            Some((row.low_us?, row.high_us?))
        };
        let (Some(wait), Some(search)) = (interval(WAIT), interval(SEARCH)) else { continue };
        found.told += 1;
        for ((covered, (low, high)), truth) in found.covered.iter_mut().zip([wait, search]).zip(truth) {
            *covered += u64::from(low <= truth && truth <= high);
        }
    }
    let mean = |sum: u64| sum as f64 / repetitions as f64;
    println!(
        "{world:?}, {requests} requests: {:.1} episodes, {:.0} slow, {:.0} traces of them; told in {} of {repetitions}; covers {:?} (wait, search)",
        mean(found.episodes),
        mean(found.slow),
        mean(found.traces),
        found.told,
        found.percent(),
    );
    found
}

impl Coverage {
    fn percent(&self) -> [f64; 2] {
        self.covered.map(|covered| 100.0 * covered as f64 / self.told as f64)
    }
}

#[test]
fn intervals_over_kept_requests_hold_the_true_difference() {
    for world in [World::Stalls, World::Mixed] {
        let found = coverage(world, 10_000, 12);
        assert!(found.told >= 6, "{world:?}: {found:?}");
        // Of 12, 3 or more are missed once in 9 such seeds where 90 % are held, and 5 or more once in 230.
        assert!(found.covered.iter().all(|covered| covered + 4 >= found.told), "{world:?}: {found:?}");
    }
}

#[test]
#[ignore = "thousands of runs take minutes"]
fn coverage_by_what_is_kept_is_90_percent_or_more() {
    for world in [World::Stalls, World::Queue, World::Alone, World::Mixed, World::Thinned] {
        for requests in [20_000, 60_000] {
            let found = coverage(world, requests, 500);
            // Where slow requests come all the time and few are kept, they are too often one episode for an interval.
            assert!(found.told >= 50, "{world:?}: {found:?}");
            // What that many repetitions scatter by, twice.
            let scatter = 200.0 * (0.09 / found.told as f64).sqrt();
            assert!(found.percent().iter().all(|percent| *percent >= 90.0 - scatter), "{world:?}: {found:?}");
        }
    }
}
