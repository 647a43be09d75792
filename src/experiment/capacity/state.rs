//! What the probes so far say, and which rate they ask for next. Pure: time is handed in.

use crate::report::experiment::capacity::{Capacity, Conclusion, Probe, ProbeOutcome};
use crate::stats::capacity::{self as statistics, Capacity as Answer, Search, Step};

use super::digits::{rounded, rounded_down, rounded_up};

/// No rate above is tried: the most that a stream can have.
const HIGHEST: f64 = 1e7;
/// From this ratio of a rate at which the generator gave up to one that held, the bound is known.
const CLOSE: f64 = 1.16;
/// So many probes in a row that say nothing of the server are believed.
const MOST_LEFT_OUT: usize = 2;

/// A search under way.
pub(super) struct State {
    /// As it is told.
    pub result: Capacity,
    /// The first rate.
    start: f64,
    /// Probes that count, in order.
    counted: Vec<statistics::Probe>,
    /// Probes in a row that did not.
    left_out: usize,
}

impl State {
    pub fn new(mut result: Capacity, start: f64) -> Self {
        result.lowest_tried_per_s = rounded_up(result.lowest_tried_per_s);
        Self { result, start, counted: Vec::new(), left_out: 0 }
    }

    /// The rate of the next probe to four digits, where there is time for `affordable` more; `None`: no more.
    pub fn next(&self, affordable: usize) -> Option<f64> {
        if self.left_out >= MOST_LEFT_OUT || affordable == 0 {
            return None;
        }
        match statistics::next(&self.limits(affordable), &self.counted) {
            // Within the limits, which have four digits too.
            Step::Probe(rate) => Some(rounded(rate)),
            Step::Done(_) => None,
        }
    }

    fn limits(&self, affordable: usize) -> Search {
        let lowest = self.result.lowest_tried_per_s;
        let highest = match (self.result.generator_limit_per_s, self.result.highest_held_per_s) {
            // As long as no failure of the server's is known, the search closes in on the generator's.
            (Some(limit), Some(held)) if limit > held => (limit * held).sqrt(),
            (Some(limit), _) => limit / 2.0,
            (None, _) => HIGHEST,
        };
        let highest = rounded_down(highest).max(lowest);
        Search { start: self.start.min(highest), lowest, highest, budget: self.counted.len() + affordable }
    }

    /// Whether the generator gave up far above all that held, with no failure of the server's in between.
    fn goes_below_the_generators_limit(&self) -> bool {
        let Some(limit) = self.result.generator_limit_per_s else { return false };
        match (self.result.lowest_failed_per_s, self.result.highest_held_per_s) {
            (Some(_), _) => false,
            (None, Some(held)) => limit / held > CLOSE,
            (None, None) => limit / 2.0 > self.result.lowest_tried_per_s,
        }
    }

    /// One more probe.
    pub fn take(&mut self, probe: Probe) {
        let (rate, outcome) = (probe.rate_per_s, probe.outcome);
        self.result.probes.push(probe);
        match outcome {
            ProbeOutcome::Held => {
                let highest = self.result.highest_held_per_s.map_or(rate, |held| held.max(rate));
                self.result.highest_held_per_s = Some(highest);
            }
            ProbeOutcome::Failed => {
                let lowest = self.result.lowest_failed_per_s.map_or(rate, |failed| failed.min(rate));
                self.result.lowest_failed_per_s = Some(lowest);
            }
            ProbeOutcome::Generator | ProbeOutcome::Untrusted => {
                self.left_out += 1;
                return self.give_up(rate, outcome);
            }
        }
        self.left_out = 0;
        self.counted.push(statistics::Probe { rate, held: outcome == ProbeOutcome::Held });
        self.conclude();
    }

    /// Where a rate was too much for the generator twice, lower ones are tried for as long as that can tell something.
    fn give_up(&mut self, rate: f64, outcome: ProbeOutcome) {
        if outcome == ProbeOutcome::Generator && self.left_out >= MOST_LEFT_OUT {
            self.result.generator_limit_per_s = Some(rate);
            if self.goes_below_the_generators_limit() {
                self.left_out = 0;
            }
        }
    }

    /// The rate and its interval, of the probes so far.
    fn conclude(&mut self) {
        let (interval, precise) = match statistics::capacity(&self.counted) {
            Answer::Found { rate, precise } => (Some(rate), precise),
            Answer::AtLeast(_) | Answer::Below(_) | Answer::NotProbed => (None, false),
        };
        let result = &mut self.result;
        result.rate_per_s = interval.map(|rate| rate.estimate);
        result.low_per_s = interval.map(|rate| rate.low);
        result.high_per_s = interval.map(|rate| rate.high);
        result.precise = precise;
        result.knee = result.find_knee();
    }

    /// Why there is no next probe.
    pub fn conclusion(&self) -> Conclusion {
        let given_up = self.left_out >= MOST_LEFT_OUT;
        let last = self.result.probes.last().map(|probe| probe.outcome);
        let Capacity { rate_per_s, lowest_failed_per_s, generator_limit_per_s, lowest_tried_per_s, .. } =
            self.result;
        match (rate_per_s, lowest_failed_per_s) {
            _ if given_up && last == Some(ProbeOutcome::Untrusted) => Conclusion::Untrusted,
            _ if given_up => Conclusion::GeneratorGaveUp,
            (Some(_), _) => Conclusion::Found,
            (None, Some(failed)) if failed <= lowest_tried_per_s => Conclusion::HoldsAtNoRate,
            (None, None) if generator_limit_per_s.is_some() => Conclusion::GeneratorGaveUp,
            (None, _) => Conclusion::BudgetSpent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::experiment::capacity::ProbeOutcome as P;

    fn state() -> State {
        down_to(10.0)
    }

    fn down_to(lowest: f64) -> State {
        let empty = serde_json::json!({
            "slo": [], "window_s": 1.0, "warmup_s": 1.0, "budget_s": 1.0, "conclusion": "stopped", "precise": false,
            "lowest_tried_per_s": lowest, "notes": [], "probes": [],
        });
        State::new(serde_json::from_value(empty).unwrap(), 100.0)
    }

    fn probe(rate: f64, outcome: P) -> Probe {
        Probe {
            run: String::new(),
            rate_per_s: rate,
            window_s: 1.0,
            seed: String::new(),
            outcome,
            reasons: vec![],
            slo: vec![],
            operations: [].into(),
        }
    }

    /// The rates that are tried of something that comes out as `law` says, and how that ends.
    fn searched(law: impl Fn(f64, usize) -> P) -> (Vec<f64>, State) {
        let (mut state, mut rates) = (state(), Vec::new());
        while let Some(rate) = state.next(40 - rates.len()) {
            state.take(probe(rate, law(rate, rates.len())));
            rates.push(rate.round());
        }
        (rates, state)
    }

    #[test]
    fn the_rate_of_a_server_that_gives_up_first_is_found() {
        let (_, state) = searched(|rate, _| if rate < 777.0 { P::Held } else { P::Failed });
        assert_eq!(state.conclusion(), Conclusion::Found);
        assert!((state.result.rate_per_s.unwrap() / 777.0 - 1.0).abs() < 0.03);
        assert_eq!(state.result.generator_limit_per_s, None);
    }

    #[test]
    fn a_generator_that_gives_up_twice_bounds_the_search_from_above() {
        let (rates, state) = searched(|rate, _| if rate < 500.0 { P::Held } else { P::Generator });
        // 800 twice; then sqrt(400 x 800) = 566 twice; sqrt(400 x 566) = 476 holds: 566 / 476 = 1.19; 519 twice: 1.09.
        assert_eq!(rates, [100.0, 200.0, 400.0, 800.0, 800.0, 566.0, 566.0, 476.0, 519.0, 519.0]);
        assert_eq!((state.conclusion(), state.result.rate_per_s), (Conclusion::GeneratorGaveUp, None));
        assert_eq!(state.result.highest_held_per_s.map(f64::round), Some(476.0));
        assert_eq!(state.result.generator_limit_per_s.map(f64::round), Some(519.0));
    }

    #[test]
    fn below_what_is_too_much_for_the_generator_the_servers_rate_is_found() {
        let law = |rate: f64, _| match rate {
            rate if rate >= 700.0 => P::Generator,
            rate if rate >= 450.0 => P::Failed,
            _ => P::Held,
        };
        let (_, state) = searched(law);
        assert_eq!(state.conclusion(), Conclusion::Found, "{:?}", state.counted);
        assert!((state.result.rate_per_s.unwrap() / 450.0 - 1.0).abs() < 0.03);
    }

    #[test]
    fn one_probe_that_says_nothing_is_made_again() {
        let law = |rate: f64, number: usize| match number {
            2 | 7 => P::Generator,
            5 => P::Untrusted,
            _ if rate < 777.0 => P::Held,
            _ => P::Failed,
        };
        let (rates, state) = searched(law);
        assert_eq!(rates[2], rates[3]);
        assert_eq!(state.conclusion(), Conclusion::Found);
    }

    #[test]
    fn the_lower_limit_is_tried_once_whatever_its_digits() {
        for k in 0..1_000 {
            let mut state = down_to(11.0 + f64::from(k) * 0.001_37);
            let mut probes = 0;
            while let Some(rate) = state.next(40 - probes) {
                state.take(probe(rate, P::Failed));
                probes += 1;
            }
            let lowest = state.result.lowest_tried_per_s;
            assert_eq!((probes, state.conclusion()), (5, Conclusion::HoldsAtNoRate), "{lowest}");
            assert_eq!(state.result.lowest_failed_per_s, Some(lowest));
        }
    }

    /// Two that say nothing of the server, after what said enough.
    #[test]
    fn what_is_known_stays_known_where_the_generator_gives_up_later() {
        let law = |rate: f64, number: usize| match number {
            8.. => P::Generator,
            _ if rate < 777.0 => P::Held,
            _ => P::Failed,
        };
        let (_, state) = searched(law);
        let Capacity { rate_per_s, low_per_s, high_per_s, .. } = state.result;
        assert_eq!(state.conclusion(), Conclusion::GeneratorGaveUp);
        assert!(low_per_s.unwrap() < 777.0 && high_per_s.unwrap() > 777.0 && rate_per_s.is_some());
    }

    #[test]
    fn what_ends_without_a_rate_says_why() {
        let always = |outcome: P| searched(move |_, _| outcome);
        let (rates, state) = always(P::Failed);
        assert_eq!(
            (rates, state.conclusion()),
            (vec![100.0, 50.0, 25.0, 13.0, 10.0], Conclusion::HoldsAtNoRate)
        );
        assert_eq!(always(P::Untrusted).1.conclusion(), Conclusion::Untrusted);
        let (rates, state) = always(P::Generator);
        assert_eq!(rates, [100.0, 100.0, 50.0, 50.0, 25.0, 25.0, 13.0, 13.0]);
        assert_eq!(state.conclusion(), Conclusion::GeneratorGaveUp);
        let mut short = self::state();
        short.take(probe(100.0, P::Held));
        assert_eq!((short.next(0), short.conclusion()), (None, Conclusion::BudgetSpent));
    }
}
