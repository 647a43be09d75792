//! Slow against typical: how often the interval of a row holds the row's true difference, in runs whose slow requests come in
//! episodes and are kept by ranges of response time, as the recorder keeps them.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Rate, sequence};
use crate::stats::episodes::{EpisodeStratum, FEWEST_EPISODES, Stratum, episodes_difference};

/// Requests kept per range.
const KEPT: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Request {
    /// Milliseconds from the run's start.
    start: f64,
    response: f64,
    /// Its parts: what it waits for, and its own work.
    rows: [f64; 2],
}

#[derive(Clone, Copy, Debug)]
enum World {
    /// Now and then the server stands still, and all that come meanwhile wait for its end.
    Stalls,
    /// One queue, first in, first out.
    Queue,
    /// Each request is slow by itself.
    Alone,
}

const ALL: [World; 3] = [World::Stalls, World::Queue, World::Alone];

impl World {
    /// From so many milliseconds on a request is slow.
    const fn bound(self) -> f64 {
        match self {
            Self::Stalls => 40.0,
            Self::Queue => 30.0,
            Self::Alone => 9.0,
        }
    }

    fn run(self, requests: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<Request> {
        let (mut now, mut stall, mut queue) = (0.0, Stall::default(), 0.0);
        (0..requests)
            .map(|_| {
                let gap: f64 = Exp1.sample(rng);
                now += 10.0 * gap;
                let work: f64 = Exp1.sample(rng);
                let (waited, work) = match self {
                    Self::Stalls => (stall.rest(now, rng), 2.0 + work),
                    Self::Queue => {
                        queue = f64::max(0.0, queue - 10.0 * gap);
                        let waited = queue;
                        queue += 6.0 * work;
                        (waited, 6.0 * work)
                    }
                    Self::Alone => {
                        let z: f64 = StandardNormal.sample(rng);
                        (z.exp(), 1.0 + work)
                    }
                };
                Request { start: now, response: waited + work, rows: [waited, work] }
            })
            .collect()
    }
}

/// Every 8 s on average, of 30 ms to 300 ms.
#[derive(Default)]
struct Stall {
    next: f64,
    end: f64,
}

impl Stall {
    fn rest(&mut self, now: f64, rng: &mut Xoshiro256PlusPlus) -> f64 {
        while self.next <= now {
            let z: f64 = StandardNormal.sample(rng);
            self.end = self.next + 90.0 * (0.5 * z).exp();
            let gap: f64 = Exp1.sample(rng);
            self.next = self.end + 8_000.0 * gap;
        }
        f64::max(0.0, self.end - now)
    }
}

/// Which part of an octave.
fn range_of(response: f64) -> i32 {
    (8.0 * response.log2()).floor() as i32
}

/// The quartiles.
fn typical_range(run: &[Request]) -> (f64, f64) {
    let mut sorted: Vec<f64> = run.iter().map(|request| request.response).collect();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() / 4], sorted[sorted.len() * 3 / 4])
}

/// Those of a run within a range of response times, those kept of each part of an octave with what each stands for.
fn kept(run: &[Request], low: f64, high: f64, rng: &mut Xoshiro256PlusPlus) -> Vec<(f64, Vec<Request>)> {
    let mut ranges: BTreeMap<i32, Vec<Request>> = BTreeMap::new();
    let within = run.iter().filter(|request| (low..=high).contains(&request.response));
    within.for_each(|request| ranges.entry(range_of(request.response)).or_default().push(*request));
    ranges
        .into_values()
        .map(|mut all| {
            let seen = all.len() as f64;
            while all.len() > KEPT {
                let out = rng.random_range(0..all.len());
                all.swap_remove(out);
            }
            (seen, all)
        })
        .collect()
}

/// Starts of the episodes: slow ones that follow each other within 100 ms. (The report tells fewer apart where many are not kept; with
/// the few slow ones of these runs nearly all are.)
fn episodes(slow: &[(f64, Vec<Request>)]) -> Vec<f64> {
    let mut all: Vec<&Request> = slow.iter().flat_map(|(_, of)| of).collect();
    all.sort_by(|a, b| a.start.total_cmp(&b.start));
    let (mut episodes, mut end) = (Vec::new(), f64::NEG_INFINITY);
    for request in all {
        if request.start > end + 100.0 {
            episodes.push(request.start);
        }
        end = end.max(request.start + request.response);
    }
    episodes
}

fn strata(kept: &[(f64, Vec<Request>)], row: usize) -> Vec<Stratum> {
    let of = |(seen, of): &(f64, Vec<Request>)| Stratum {
        weight: *seen,
        values: of.iter().map(|request| request.rows[row]).collect(),
    };
    kept.iter().map(of).collect()
}

fn by_episodes(slow: &[(f64, Vec<Request>)], row: usize) -> Vec<EpisodeStratum> {
    let starts = episodes(slow);
    let episode_of = |request: &Request| starts.partition_point(|start| *start <= request.start);
    let with = |(stratum, (_, of)): (Stratum, &(f64, Vec<Request>))| EpisodeStratum {
        stratum,
        episodes: of.iter().map(episode_of).collect(),
    };
    strata(slow, row).into_iter().zip(slow).map(with).collect()
}

/// The true difference of each row: over a run too long for chance.
fn truth(world: World) -> [f64; 2] {
    let run = world.run(2_000_000, &mut sequence(71, u64::MAX));
    let (low, high) = typical_range(&run);
    let mean = |row: usize, within: &dyn Fn(f64) -> bool| {
        let of: Vec<f64> = run.iter().filter(|r| within(r.response)).map(|r| r.rows[row]).collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    [0, 1].map(|row| {
        mean(row, &|response| response >= world.bound()) - mean(row, &|r| (low..=high).contains(&r))
    })
}

struct Covered {
    rows: [Rate; 2],
    /// Of all runs.
    told: Rate,
    episodes: f64,
}

fn coverage(world: World, requests: usize, repetitions: u64) -> Covered {
    let truth = truth(world);
    let mut covered = Covered { rows: [Rate::default(); 2], told: Rate::default(), episodes: 0.0 };
    for repetition in 0..repetitions {
        let mut rng = sequence(72, repetition);
        let run = world.run(requests, &mut rng);
        let slow = kept(&run, world.bound(), f64::INFINITY, &mut rng);
        let (low, high) = typical_range(&run);
        let typical = kept(&run, low, high, &mut rng);
        let counted = episodes(&slow).len();
        covered.told.count(counted >= FEWEST_EPISODES);
        covered.episodes += counted as f64 / repetitions as f64;
        for row in [0, 1] {
            if let Ok(told) =
                episodes_difference(&by_episodes(&slow, row), &strata(&typical, row), repetition)
            {
                covered.rows[row].count(told.contains(truth[row]));
            }
        }
    }
    covered
}

impl Covered {
    #[track_caller]
    fn holds(&self, what: &str, low: f64, high: f64) {
        let Self { rows: [waited, work], told, episodes } = self;
        println!(
            "{what}: {episodes:.1} episodes, told in {:.0} %, covers {:.2} % (waited), {:.2} % (work) of {}",
            told.percent(),
            waited.percent(),
            work.percent(),
            waited.of
        );
        for rate in [waited, work] {
            assert!((low..=high).contains(&rate.percent()), "{what}: {}", rate.percent());
        }
    }
}

#[test]
fn a_rows_interval_holds_its_true_difference_about_as_often_as_it_says() {
    for world in ALL {
        // Wider than below by what 120 repetitions scatter.
        coverage(world, 20_000, 120).holds(&format!("{world:?}"), 85.0, 99.5);
    }
}

#[test]
#[ignore = "18,000 runs take minutes"]
fn coverage_is_90_to_97_percent() {
    for world in ALL {
        for requests in [10_000, 20_000, 60_000] {
            // With twelve stalls a run mostly misses the few longest, which make up much of the true mean.
            let few = matches!(world, World::Stalls) && requests == 10_000;
            let (least, most) = if few { (87.0, 98.5) } else { (90.0, 97.0) };
            coverage(world, requests, 2_000).holds(&format!("{world:?}, {requests} requests"), least, most);
        }
    }
}
