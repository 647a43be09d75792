//! What a server does with requests that have no header, found out by calls that its spans are counted of.

use std::time::{Duration, Instant};

use crate::engine::Stop;
use crate::run::{RunError, Server, Settings};
use crate::trace::collector::{AskedCalls, CollectorProcess};
use crate::units::Fraction;

use super::LAST_SPANS;

/// At the fraction asked after, so many of the calls without a header are expected to be traced...
const EXPECTED: f64 = 30.0;
/// ...within these numbers of calls.
const WITHOUT_HEADER: std::ops::RangeInclusive<u64> = 300..=10_000;

/// Calls that ask to be traced: where none of their spans comes, the server exports elsewhere or not at all.
const WITH_HEADER: u64 = 20;

/// gRPC's longest wait before it connects anew (120 s, and a fifth of that by chance), and the export itself.
const BACK_OFF: Duration = Duration::from_secs(155);

/// How many standard deviations the count of what a server drew may be off.
const DEVIATIONS: f64 = 4.0;

/// What was asked and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnSampling {
    without_header: u64,
    traced: AskedCalls,
}

impl OwnSampling {
    /// Asks a server that answers, and waits 6 s for its spans. Others who ask it for its version meanwhile are counted with ours.
    ///
    /// # Errors
    /// Where the server does not answer, or the collector is gone.
    pub fn ask(
        server: &Server,
        settings: &Settings,
        fraction: Fraction,
        collector: &mut CollectorProcess,
    ) -> anyhow::Result<Self> {
        let without_header = calls_for(fraction);
        let before = collector.tally()?.asked;
        server.ask_for_traces(settings, without_header, WITH_HEADER)?;
        std::thread::sleep(LAST_SPANS);
        let after = collector.tally()?.asked;
        let traced = AskedCalls {
            by_server: after.by_server - before.by_server,
            by_client: after.by_client - before.by_client,
        };
        Ok(Self { without_header, traced })
    }

    /// The same at fraction 0, until any spans come of what asks to be traced: an exporter that found nobody before this collector listened
    /// waits up to two minutes before it looks again.
    ///
    /// # Errors
    /// As above; where a signal came; where none comes though it had time.
    pub fn ask_until_exported(
        server: &Server,
        settings: &Settings,
        collector: &mut CollectorProcess,
        stop: &Stop,
    ) -> Result<Self, RunError> {
        let until = Instant::now() + BACK_OFF;
        loop {
            if let Some(reason) = stop.reason() {
                return Err(RunError::Stopped(reason));
            }
            let asked = Self::ask(server, settings, Fraction::ZERO, collector)?;
            if asked.exports_here() {
                return Ok(asked);
            }
            if Instant::now() > until {
                return Err(anyhow::anyhow!(
                    "{} exports no spans to --collector-listen, so it cannot be asked what it traces: set its trace.exporter to otlp, \
                     trace.otlp.endpoint to that address as it reaches this machine, and trace.otlp.secure to false, or leave \
                     --collector-listen out",
                    server.uri
                )
                .into());
            }
        }
    }

    /// Whether spans come here of what a client asks to be traced.
    pub const fn exports_here(self) -> bool {
        self.traced.by_client > 0
    }

    /// The share that the server traces by itself; above 1 where others call as well.
    pub fn seen(self) -> f64 {
        self.traced.by_server as f64 / self.without_header as f64
    }

    /// Whether it may be that `fraction` is in effect.
    pub fn may_be(self, fraction: Fraction) -> bool {
        let (calls, share) = (self.without_header as f64, fraction.get());
        let off_by = (self.traced.by_server as f64 - calls * share).abs();
        let allowed = DEVIATIONS * (calls * share * (1.0 - share)).sqrt();
        // Of all, a span or two may still be on their way.
        let late = if share == 1.0 { 0.02 * calls } else { 0.0 };
        self.exports_here() && off_by <= allowed + late && (self.traced.by_server > 0) == (share > 0.0)
    }
}

/// Calls enough to tell a fraction from 0.
fn calls_for(fraction: Fraction) -> u64 {
    let enough = (EXPECTED / fraction.get().max(1e-9)).ceil() as u64;
    match fraction == Fraction::ZERO {
        true => *WITHOUT_HEADER.start(),
        false => enough.clamp(*WITHOUT_HEADER.start(), *WITHOUT_HEADER.end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fraction(share: f64) -> Fraction {
        Fraction::new(share).unwrap()
    }

    fn counted(without_header: u64, by_server: u64, by_client: u64) -> OwnSampling {
        OwnSampling { without_header, traced: AskedCalls { by_server, by_client } }
    }

    #[test]
    fn a_fraction_is_told_from_none_and_from_others() {
        assert!(counted(300, 0, 20).may_be(fraction(0.0)));
        assert!(!counted(300, 1, 20).may_be(fraction(0.0)), "off is off");
        assert!(counted(300, 300, 20).may_be(fraction(1.0)));
        assert!(!counted(300, 270, 20).may_be(fraction(1.0)));
        assert!(counted(300, 21, 20).may_be(fraction(0.1)), "binomial: 30 +- 21");
        assert!(!counted(300, 0, 20).may_be(fraction(0.1)));
        assert!(!counted(300, 60, 20).may_be(fraction(0.1)));
        assert!(!counted(300, 0, 0).may_be(fraction(0.0)), "nothing is exported here, so nothing is known");
    }

    #[test]
    fn the_smaller_the_fraction_the_more_calls() {
        let calls = [0.0, 1.0, 0.1, 0.01, 1e-6].map(|share| calls_for(fraction(share)));
        assert_eq!(calls, [300, 300, 300, 3_000, 10_000]);
    }

    /// With 4 standard deviations, 1 of some 10,000 sound servers is sent away.
    #[test]
    fn a_server_that_draws_as_it_should_is_believed() {
        use rand::{RngExt as _, SeedableRng as _};
        let mut random = rand::rngs::StdRng::seed_from_u64(1);
        let believed = (0..2_000)
            .filter(|_| {
                let by_server = (0..300).filter(|_| random.random::<f64>() < 0.1).count() as u64;
                counted(300, by_server, 20).may_be(fraction(0.1))
            })
            .count();
        assert!(believed >= 1_995, "{believed}");
    }
}
