//! Difference of two means where the values of one group come in episodes, and those of the other were drawn by strata.
//!
//! Requests are slow together: a stall makes all of them slow that meet it. As if each were an observation of its own, an interval
//! would cover its truth in two of three cases only; episodes are the observations.

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::error::StatsError;
use super::interval::Interval;
use super::student::{normal_below, two_sided_t};

/// Fewer episodes than this tell no interval.
pub const FEWEST_EPISODES: usize = 8;

const RESAMPLES: usize = 1_999;

/// Values drawn evenly from one part of a population.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stratum {
    /// How many the population has of it.
    pub weight: f64,
    /// At least one.
    pub values: Vec<f64>,
}

/// The same, of values that come in episodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpisodeStratum {
    pub stratum: Stratum,
    /// Which episode each value is of.
    pub episodes: Vec<usize>,
}

/// Mean of `slow` less mean of `typical`, with its 95 % interval, by bootstrap-t.
///
/// Estimand: the difference of the two means over all requests that such runs would make. Assumption: episodes are independent of each
/// other, and so are the values of a stratum of `typical`. Smallest n: 8 episodes. Sources: Efron and Tibshirani, "An introduction to
/// the bootstrap", 1993, 12.5; the standard error of a ratio, Cochran, "Sampling techniques", 1977, 6.4, and of a stratified mean, 5.3.
///
/// # Errors
/// Below 8 episodes, without typical values, or where resamples have no spread, so that an end is infinite.
pub fn episodes_difference(
    slow: &[EpisodeStratum],
    typical: &[Stratum],
    seed: u64,
) -> Result<Interval, StatsError> {
    let (episodes, drawing) = by_episode(slow);
    if episodes.len() < FEWEST_EPISODES {
        return Err(StatsError::TooFew { have: episodes.len(), need: FEWEST_EPISODES });
    }
    if typical.is_empty() {
        return Err(StatsError::TooFew { have: 0, need: 1 });
    }
    let slow = of_episodes(&episodes);
    let typical_means = of_strata(typical.iter().map(|s| (s.weight, moments(s.values.iter().copied()))));
    let (estimate, _) = join(slow, typical_means);
    let error = (slow.1 - drawing.excess(slow.1) + typical_means.1).sqrt();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut studentised: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let (mean, its_error) = resample(&episodes, typical, &mut rng);
            let off = mean - estimate;
            if off == 0.0 { 0.0 } else { off / its_error }
        })
        .collect();
    studentised.sort_by(f64::total_cmp);
    let beyond = beyond(episodes.len());
    let end = |t: f64| if error == 0.0 { estimate } else { estimate - t * error };
    let (low, high) = (end(studentised[RESAMPLES - beyond]), end(studentised[beyond - 1]));
    match [low, high].into_iter().find(|end| !end.is_finite()) {
        Some(value) => Err(StatsError::NotFinite { value }),
        // With few episodes the estimate itself can lie beyond what the resamples reach.
        None => Ok(Interval { estimate, low: low.min(estimate), high: high.max(estimate) }),
    }
}

/// Values that depend on each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Episode {
    /// Sum of the values' weights.
    weight: f64,
    /// Sum of the values, each times its weight.
    total: f64,
}

/// How much of the variance between episodes is not theirs: a value that stands for many counts as if they all were of its episode, but
/// how many values each stratum has is known of all, drawn or not.
#[derive(Clone, Copy, Debug, Default)]
struct Drawing {
    /// Variance of the mean that drawing would add, if the strata's sizes were not known.
    added: f64,
    /// Variance of the mean if every value were independent and known.
    least: f64,
}

impl Drawing {
    /// What is to be taken off the variance.
    fn excess(self, variance: f64) -> f64 {
        self.added.min(variance - self.least).max(0.0)
    }
}

fn by_episode(strata: &[EpisodeStratum]) -> (Vec<Episode>, Drawing) {
    let filled = || strata.iter().filter(|s| !s.stratum.values.is_empty());
    let means: Vec<f64> = filled().map(|s| moments(s.stratum.values.iter().copied()).1).collect();
    let weight: f64 = filled().map(|s| s.stratum.weight).sum();
    let mean = filled().zip(&means).map(|(s, mean)| s.stratum.weight * mean).sum::<f64>() / weight;
    let mut episodes: BTreeMap<usize, Episode> = BTreeMap::new();
    let mut drawing = Drawing::default();
    for (EpisodeStratum { stratum, episodes: of }, its_mean) in filled().zip(means) {
        let each = stratum.weight / stratum.values.len() as f64;
        for (value, episode) in stratum.values.iter().zip(of) {
            let episode = episodes.entry(*episode).or_default();
            episode.weight += each;
            episode.total += each * value;
            drawing.added += each * (each - 1.0) * (its_mean - mean).powi(2) / (weight * weight);
            drawing.least += each * (value - mean).powi(2) / (weight * weight);
        }
    }
    (episodes.into_values().collect(), drawing)
}

/// How many of the resamples lie beyond each end. Of many episodes 2.5 %; of few fewer, for resamples scatter less than new episodes
/// would by sqrt((n - 1) / n), and have the tails of a normal where Student's belong (Hesterberg, "What teachers should know about the
/// bootstrap", 2015, 4.3).
fn beyond(episodes: usize) -> usize {
    let n = episodes as f64;
    let wider = two_sided_t(n - 1.0) * (n / (n - 1.0)).sqrt();
    ((RESAMPLES + 1) as f64 * normal_below(-wider)).round().max(1.0) as usize
}

fn resample(episodes: &[Episode], strata: &[Stratum], rng: &mut Xoshiro256PlusPlus) -> (f64, f64) {
    let drawn: Vec<Episode> =
        episodes.iter().map(|_| episodes[rng.random_range(0..episodes.len())]).collect();
    let strata = strata.iter().map(|stratum| {
        let values = &stratum.values;
        let drawn = values.iter().map(|_| values[rng.random_range(0..values.len())]);
        (stratum.weight, moments(drawn))
    });
    join(of_episodes(&drawn), of_strata(strata))
}

/// A difference with its standard error, from two means with their variances.
fn join((one, its): (f64, f64), (other, others): (f64, f64)) -> (f64, f64) {
    (one - other, (its + others).sqrt())
}

/// The weighted mean and its variance: a ratio of two sums over episodes.
fn of_episodes(episodes: &[Episode]) -> (f64, f64) {
    let sum = |part: fn(&Episode) -> f64| episodes.iter().map(part).sum::<f64>();
    let weight = sum(|episode| episode.weight);
    let mean = sum(|episode| episode.total) / weight;
    let n = episodes.len() as f64;
    let squares = episodes.iter().map(|episode| (episode.total - mean * episode.weight).powi(2)).sum::<f64>();
    (mean, squares / (weight * weight) * n / (n - 1.0))
}

/// Count, mean and squares around it.
fn moments(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    values.fold((0.0, 0.0, 0.0), |(n, mean, squares), value| {
        let off = value - mean;
        let mean = mean + off / (n + 1.0);
        (n + 1.0, mean, squares + off * (value - mean))
    })
}

/// The weighted mean and its variance. What a single value of a stratum would scatter by is not known: as much as it is away from
/// the mean.
fn of_strata(strata: impl Iterator<Item = (f64, (f64, f64, f64))>) -> (f64, f64) {
    let strata: Vec<_> = strata.collect();
    let weight: f64 = strata.iter().map(|(weight, _)| weight).sum();
    let mean = strata.iter().map(|(weight, (_, mean, _))| weight * mean).sum::<f64>() / weight;
    let variance = |&(weight, (n, its_mean, squares)): &(f64, (f64, f64, f64))| {
        let variance = if n > 1.0 { squares / (n - 1.0) } else { (its_mean - mean).powi(2) };
        weight * weight * variance / n
    };
    (mean, strata.iter().map(variance).sum::<f64>() / (weight * weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of its own episode, each standing for itself.
    fn alone(values: &[f64]) -> Vec<EpisodeStratum> {
        let stratum = Stratum { weight: values.len() as f64, values: values.to_vec() };
        vec![EpisodeStratum { stratum, episodes: (0..values.len()).collect() }]
    }

    #[test]
    fn values_count_for_what_they_stand_for_and_add_up_by_episode() {
        // Ten of which two are known, one in each of two episodes; and one by itself in the first.
        let many = Stratum { weight: 10.0, values: vec![3.0, 5.0] };
        let one = Stratum { weight: 1.0, values: vec![26.0] };
        let slow = [
            EpisodeStratum { stratum: many, episodes: vec![7, 9] },
            EpisodeStratum { stratum: one, episodes: vec![7] },
        ];
        let (episodes, drawing) = by_episode(&slow);
        let expected = [Episode { weight: 6.0, total: 41.0 }, Episode { weight: 5.0, total: 25.0 }];
        assert_eq!(episodes, expected);
        // The mean is 66 / 11 = 6, that of the ten 4: 2 times 5 times 4 times 2 squared; and 5 times 9 and 1, and 20 squared.
        assert!((drawing.added - 160.0 / 121.0).abs() < 1e-12, "{drawing:?}");
        assert!((drawing.least - (45.0 + 5.0 + 400.0) / 121.0).abs() < 1e-12, "{drawing:?}");
        assert_eq!(
            [10.0, 4.0, 1.0].map(|variance| drawing.excess(variance)),
            [160.0 / 121.0, 4.0 - 450.0 / 121.0, 0.0]
        );
    }

    /// Ten episodes of one value each: the standard error is the textbook's.
    #[test]
    fn variances_are_the_textbooks() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0];
        let (episodes, drawing) = by_episode(&alone(&values));
        let (mean, variance) = of_episodes(&episodes);
        // Squares around 3.9 sum to 54.9.
        assert!((mean - 3.9).abs() < 1e-12 && (variance - 54.9 / 9.0 / 10.0).abs() < 1e-12);
        assert_eq!(drawing.added, 0.0, "each stands for itself");
        // Half of the population in each stratum: a quarter of each one's variance of the mean, 2 / 2 and 8 / 2.
        let strata = [(5.0, moments([1.0, 3.0].into_iter())), (5.0, moments([4.0, 8.0].into_iter()))];
        let (mean, variance) = of_strata(strata.into_iter());
        assert!((mean - 4.0).abs() < 1e-12 && (variance - (1.0 + 4.0) / 4.0).abs() < 1e-12);
        let single = (5.0, moments([6.0].into_iter()));
        let (mean, variance) = of_strata([strata[0], single].into_iter());
        assert!((mean - 4.0).abs() < 1e-12 && (variance - (1.0 + 4.0) / 4.0).abs() < 1e-12);
    }

    #[test]
    fn few_episodes_leave_less_beyond_the_ends() {
        // t.975 with 7 degrees of freedom is 2.365: times sqrt(8 / 7) 2.528, beyond which 0.574 % of a normal lie.
        assert_eq!([8, 20, 100_000].map(beyond), [11, 32, 50]);
    }

    #[test]
    fn below_eight_episodes_no_interval_is_told() {
        let typical = [Stratum { weight: 1.0, values: vec![1.0, 2.0] }];
        let seven = episodes_difference(&alone(&[1.0; 7]), &typical, 1);
        assert_eq!(seven, Err(StatsError::TooFew { have: 7, need: 8 }));
        assert_eq!(
            episodes_difference(&alone(&[1.0; 8]), &[], 1),
            Err(StatsError::TooFew { have: 0, need: 1 })
        );
        assert_eq!(episodes_difference(&[], &typical, 1), Err(StatsError::TooFew { have: 0, need: 8 }));
    }

    #[test]
    fn it_holds_its_estimate_and_the_same_seed_tells_the_same() {
        let slow = alone(&[12.0, 15.0, 11.0, 30.0, 14.0, 12.5, 18.0, 13.0, 16.0]);
        let typical = [
            Stratum { weight: 100.0, values: vec![1.0, 3.0] },
            Stratum { weight: 200.0, values: vec![4.0, 4.0] },
        ];
        let told = episodes_difference(&slow, &typical, 7).unwrap();
        assert!((told.estimate - (141.5 / 9.0 - 10.0 / 3.0)).abs() < 1e-12);
        assert!(told.low < told.estimate && told.estimate < told.high);
        // One of nine is far above the rest: there may be more of its kind.
        assert!(told.high - told.estimate > told.estimate - told.low);
        assert_eq!(episodes_difference(&slow, &typical, 7), Ok(told));
        assert_ne!(episodes_difference(&slow, &typical, 8), Ok(told));
    }

    #[test]
    fn what_never_differs_is_told_without_width_and_what_has_no_spread_not_at_all() {
        let same = [Stratum { weight: 3.0, values: vec![2.0, 2.0] }];
        let told = episodes_difference(&alone(&[5.0; 9]), &same, 1).unwrap();
        assert_eq!(told, Interval { estimate: 3.0, low: 3.0, high: 3.0 });
        // In one of ten episodes only: a third of all resamples do not have it, and know of no spread.
        let mut rare = [0.0; 10];
        rare[0] = 50.0;
        let none = [Stratum { weight: 1.0, values: vec![0.0, 0.0] }];
        let told = episodes_difference(&alone(&rare), &none, 1);
        assert!(matches!(told, Err(StatsError::NotFinite { .. })));
    }
}
