//! The highest rate that holds a service level: which rate to try next, and what all tries together say.
//!
//! One probe is one window at one rate, which held or did not. Windows differ, so the answer is the rate at which
//! half of them hold, and the search goes to and fro around it.

use super::interval::Interval;
use super::psychometric::posterior;

/// From this ratio of "failed" to "held" on, small steps.
const CLOSE: f64 = 1.16;

/// The small step.
const STEP: f64 = 1.04;

/// So many windows in a row that all held, or all failed, are no chance any more: from here on steps double.
const IN_A_ROW: u32 = 3;

/// Fewer probes are never enough.
const FEWEST_PROBES: usize = 10;

/// Half-width of the interval, as a ratio, that is narrow enough.
const PRECISE: f64 = 1.025;

/// One window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// Offered, per second.
    pub rate: f64,
    /// Whether the service level held.
    pub held: bool,
}

/// What may be tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// Tried first; taken into the limits where it is beyond them.
    pub start: f64,
    /// Nothing below is tried; above 0.
    pub lowest: f64,
    /// Nothing above is tried.
    pub highest: f64,
    /// Probes that there is time for.
    pub budget: usize,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// One window at this rate.
    Probe(f64),
    /// Nothing more.
    Done(Capacity),
}

/// What a search has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Capacity {
    /// The rate at which half of the windows hold: median and 95 % interval of the posterior.
    Found {
        /// Per second.
        rate: Interval,
        /// Whether its half-width is at most 2.5 %; else the budget was spent.
        precise: bool,
    },
    /// Every probe held, up to this rate.
    AtLeast(f64),
    /// No probe held, down to this rate.
    Below(f64),
    /// Nothing was tried.
    NotProbed,
}

/// The next step after these probes, in the order in which they were made.
///
/// Doubles or halves until one held and one failed, bisects until they are within 16 %, then goes up by 4 % after a
/// window that held and down after one that failed: 10 probes or more, until the interval is narrow enough or the
/// budget is spent. From the third in a row that went one way the step doubles each time, so that one window that
/// failed by chance while doubling does not leave the search far off. Source: the up-and-down method, Dixon and Mood, "A method for obtaining and analyzing sensitivity
/// data", 1948.
pub fn next(search: &Search, probes: &[Probe]) -> Step {
    let place = probes.iter().fold(Place::START, |place, probe| place.after(search, *probe));
    let so_far = capacity(probes);
    let narrow = matches!(so_far, Capacity::Found { precise: true, .. });
    let done = probes.len() >= search.budget
        || place.at_a_limit(search)
        || (narrow && probes.len() >= FEWEST_PROBES);
    if done { Step::Done(so_far) } else { Step::Probe(place.next(search)) }
}

/// What these probes say together, in any order.
pub fn capacity(probes: &[Probe]) -> Capacity {
    let rates = || probes.iter().map(|probe| probe.rate);
    let (held, failed) = (probes.iter().any(|probe| probe.held), probes.iter().any(|probe| !probe.held));
    match (held, failed) {
        (false, false) => Capacity::NotProbed,
        (true, false) => Capacity::AtLeast(rates().fold(0.0, f64::max)),
        (false, true) => Capacity::Below(rates().fold(f64::INFINITY, f64::min)),
        (true, true) => posterior(probes).map_or(Capacity::NotProbed, |rate| {
            let precise = (rate.high / rate.low).sqrt() <= PRECISE;
            Capacity::Found { rate, precise }
        }),
    }
}

/// Where the search stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Nothing has failed yet: this rate held, or nothing was tried.
    Rising { held: Option<f64> },
    /// Nothing has held yet.
    Falling { failed: f64 },
    /// One held and a higher one failed, more than 16 % apart.
    Bisecting { held: f64, failed: f64 },
    /// To and fro, from this rate on.
    UpAndDown {
        rate: f64,
        /// So many before it went the same way.
        in_a_row: u32,
        /// Which way.
        held: bool,
    },
}

impl Place {
    const START: Self = Self::Rising { held: None };

    fn after(self, search: &Search, probe: Probe) -> Self {
        let rate = probe.rate;
        match (self, probe.held) {
            (Self::Rising { .. }, true) => Self::Rising { held: Some(rate) },
            (Self::Rising { held: None } | Self::Falling { .. }, false) => Self::Falling { failed: rate },
            (Self::Rising { held: Some(held) }, false) => Self::between(held, rate),
            (Self::Falling { failed }, true) => Self::between(rate, failed),
            (Self::Bisecting { failed, .. }, true) => Self::between(rate, failed),
            (Self::Bisecting { held, .. }, false) => Self::between(held, rate),
            (Self::UpAndDown { in_a_row, held: before, .. }, held) => {
                let in_a_row = if held == before { in_a_row + 1 } else { 1 };
                let step = STEP.powi(1 << in_a_row.saturating_sub(IN_A_ROW - 1).min(4));
                let next = if held { rate * step } else { rate / step };
                Self::UpAndDown { rate: next.clamp(search.lowest, search.highest), in_a_row, held }
            }
        }
    }

    fn between(held: f64, failed: f64) -> Self {
        if failed / held > CLOSE {
            Self::Bisecting { held, failed }
        } else {
            Self::UpAndDown { rate: (held * failed).sqrt(), in_a_row: 0, held: true }
        }
    }

    fn next(self, search: &Search) -> f64 {
        match self {
            Self::Rising { held: None } => search.start.min(search.highest).max(search.lowest),
            Self::Rising { held: Some(held) } => (held * 2.0).min(search.highest),
            Self::Falling { failed } => (failed / 2.0).max(search.lowest),
            Self::Bisecting { held, failed } => (held * failed).sqrt(),
            Self::UpAndDown { rate, .. } => rate,
        }
    }

    /// Whether it held where nothing higher may be tried, or failed where nothing lower may.
    fn at_a_limit(self, search: &Search) -> bool {
        match self {
            Self::Rising { held } => held.is_some_and(|held| held >= search.highest),
            Self::Falling { failed } => failed <= search.lowest,
            Self::Bisecting { .. } | Self::UpAndDown { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEARCH: Search = Search { start: 100.0, lowest: 1.0, highest: 100_000.0, budget: 40 };

    /// A server that holds below `root` without fail.
    fn search(search: &Search, root: f64) -> (Vec<Probe>, Capacity) {
        let mut probes = Vec::new();
        loop {
            match next(search, &probes) {
                Step::Probe(rate) => probes.push(Probe { rate, held: rate < root }),
                Step::Done(capacity) => return (probes, capacity),
            }
        }
    }

    fn rates(probes: &[Probe]) -> Vec<f64> {
        probes.iter().map(|probe| probe.rate.round()).collect()
    }

    #[test]
    fn it_doubles_then_bisects_then_goes_to_and_fro() {
        let (probes, _) = search(&SEARCH, 1000.0);
        // 800 and 1600 enclose it; sqrt(800 * 1600) = 1131, sqrt(800 * 1131) = 951, then within 16 %? 1131 / 951 =
        // 1.19: 1037.
        assert_eq!(rates(&probes)[..8], [100.0, 200.0, 400.0, 800.0, 1600.0, 1131.0, 951.0, 1037.0]);
        // sqrt(951 * 1037) = 993 holds, 993 * 1.04 = 1033 fails, 993 again.
        assert_eq!(rates(&probes)[8..11], [993.0, 1033.0, 993.0]);
    }

    /// The second window fails though the root is 16 times as far up.
    #[test]
    fn one_window_that_fails_by_chance_does_not_leave_it_far_off() {
        let mut probes = Vec::new();
        let found = loop {
            match next(&SEARCH, &probes) {
                Step::Probe(rate) => probes.push(Probe { rate, held: probes.len() != 1 && rate < 3200.0 }),
                Step::Done(found) => break found,
            }
        };
        assert!(probes.iter().any(|probe| probe.rate > 3200.0), "{:?}", rates(&probes));
        assert!(matches!(found, Capacity::Found { rate, .. } if rate.contains(3200.0)), "{found:?}");
    }

    #[test]
    fn it_halves_where_the_first_fails() {
        let (probes, _) = search(&SEARCH, 30.0);
        assert_eq!(rates(&probes)[..4], [100.0, 50.0, 25.0, 35.0]);
    }

    #[test]
    fn a_sharp_root_is_found_within_the_interval() {
        for root in [3.3, 77.0, 1000.0, 54_321.0] {
            let (probes, capacity) = search(&SEARCH, root);
            let Capacity::Found { rate, precise } = capacity else { panic!("{capacity:?}") };
            assert!(rate.contains(root) && precise, "{root}: {rate:?}");
            assert!(probes.len() >= 10 && probes.len() < 40, "{}", probes.len());
        }
    }

    #[test]
    fn a_budget_that_is_spent_gives_what_is_known() {
        let short = Search { budget: 7, ..SEARCH };
        let (probes, capacity) = search(&short, 1000.0);
        assert_eq!(probes.len(), 7);
        assert!(matches!(capacity, Capacity::Found { rate, precise: false } if rate.contains(1000.0)));
        let (_, none) = search(&Search { budget: 3, ..SEARCH }, 1000.0);
        assert_eq!(none, Capacity::AtLeast(400.0));
        assert_eq!(next(&Search { budget: 0, ..SEARCH }, &[]), Step::Done(Capacity::NotProbed));
    }

    #[test]
    fn beyond_the_limits_it_says_at_least_or_below() {
        let narrow = Search { lowest: 40.0, highest: 500.0, ..SEARCH };
        let (probes, capacity) = search(&narrow, 1e6);
        assert_eq!((rates(&probes), capacity), (vec![100.0, 200.0, 400.0, 500.0], Capacity::AtLeast(500.0)));
        let (probes, capacity) = search(&narrow, 1.0);
        assert_eq!((rates(&probes), capacity), (vec![100.0, 50.0, 40.0], Capacity::Below(40.0)));
    }

    #[test]
    fn going_to_and_fro_stays_within_the_limits() {
        let at_the_edge = Search { highest: 900.0, ..SEARCH };
        let (probes, _) = search(&at_the_edge, 899.0);
        assert!(probes.iter().all(|probe| probe.rate <= 900.0));
    }
}
