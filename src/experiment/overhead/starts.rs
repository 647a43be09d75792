//! A server for each start: an embedded one of the experiment's own, or one that somebody else starts anew when asked to.

use std::time::Duration;

use crate::engine::Stop;
use crate::milvus::embedded::{Exports, Progress};
use crate::report::RunReport;
use crate::run::{Identity, RunError, RunProgress, Server, Settings};
use crate::trace::collector::CollectorProcess;
use crate::units::Fraction;

use super::Counted;
use super::own_sampling::OwnSampling;

/// Between two looks at a server that somebody else is to start anew.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Between two looks at what it traces, where that is not yet what it should be.
const ASK_EVERY: Duration = Duration::from_secs(3);

/// Who is told of an experiment of several starts.
pub trait FollowStarts {
    /// Pair `pair` of `of`, from 0: a server is started at this fraction.
    fn starting(&mut self, pair: usize, of: usize, fraction: f64) -> &mut dyn Progress;
    /// Somebody else is to do something, and that is waited for.
    fn waiting(&mut self, wait: &Wait<'_>);
    /// Its set-up and load go on.
    fn running(&mut self) -> &mut dyn RunProgress;
    /// Its run was made.
    ///
    /// # Errors
    /// Where it cannot be stored.
    fn made(&mut self, report: &RunReport, identity: &Identity) -> anyhow::Result<()>;
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wait<'a> {
    /// The server is to be set to this fraction, to export there, and to be started anew.
    Change { fraction: Fraction, export_to: &'a str },
    /// It does not answer: it may be starting.
    Down,
    /// It answers, but has not been away.
    NotRestarted,
    /// It exports nothing to us.
    NotExporting { export_to: &'a str },
    /// It traces this share of calls without a header, which is not what was asked for.
    OtherFraction { seen: f64 },
    /// It is as it should be.
    InEffect { seen: f64 },
}

/// Where the servers of an experiment come from.
pub enum Servers<'a> {
    /// Each is started by the experiment.
    Embedded,
    /// This one, started anew by somebody else who knows it to export to that address.
    Named { server: &'a Server, export_to: &'a str },
}

/// A server that is ready for a run.
pub(super) enum Started<'a> {
    Own(Box<Server>),
    Named(&'a Server),
}

impl Started<'_> {
    pub(super) fn server(&self) -> &Server {
        match self {
            Self::Own(server) => server,
            Self::Named(server) => server,
        }
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Own(server) => server.finish(false).map(drop),
            Self::Named(_) => Ok(()),
        }
    }
}

/// What the next start is to be, and what the one before it was.
#[derive(Clone, Copy)]
pub(super) struct Next {
    /// Its pair, from 0, of so many.
    pub(super) pair: (usize, usize),
    pub(super) fraction: Fraction,
    pub(super) before: Option<Fraction>,
}

impl<'a> Servers<'a> {
    /// Either exports to the experiment's collector: an embedded one by its start, another by what probing showed.
    pub(super) fn counted(&self) -> Counted {
        let server_here = match self {
            Self::Embedded => true,
            Self::Named { server, .. } => server.is_on_this_machine(),
        };
        Counted { client: true, server: true, server_here }
    }

    pub(super) fn start(
        &self,
        settings: &Settings,
        collector: &mut CollectorProcess,
        next: Next,
        stop: &Stop,
        follow: &mut dyn FollowStarts,
    ) -> Result<Started<'a>, RunError> {
        let progress = follow.starting(next.pair.0, next.pair.1, next.fraction.get());
        match self {
            Self::Embedded => {
                let exports_to = Exports::To(collector.endpoint().parse().map_err(anyhow::Error::from)?);
                let server = Server::own(exports_to, next.fraction, progress)?;
                Ok(Started::Own(Box::new(server)))
            }
            Self::Named { server, export_to } => {
                let by_hand = ByHand { server, export_to, settings, next };
                by_hand.wait(collector, stop, follow)?;
                Ok(Started::Named(server))
            }
        }
    }
}

/// A start that somebody else makes.
struct ByHand<'a> {
    server: &'a Server,
    export_to: &'a str,
    settings: &'a Settings,
    next: Next,
}

impl<'a> ByHand<'a> {
    /// Asks for it, and waits until probing shows that it was made.
    fn wait(
        &self,
        collector: &mut CollectorProcess,
        stop: &Stop,
        follow: &mut dyn FollowStarts,
    ) -> Result<(), RunError> {
        let Next { fraction, before, .. } = self.next;
        let mut told = None;
        let mut tell = |wait: Wait<'a>| {
            let kind = std::mem::discriminant(&wait);
            if told.replace(kind) != Some(kind) {
                follow.waiting(&wait);
            }
        };
        tell(Wait::Change { fraction, export_to: self.export_to });
        // Where the fraction changes, its change is the proof. Where it does not, the server must have been away.
        let mut was_away = before != Some(fraction);
        loop {
            unless_stopped(stop)?;
            if !self.server.answers(self.settings) {
                was_away = true;
                tell(Wait::Down);
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            if !was_away {
                tell(Wait::NotRestarted);
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            // It may go away while it is asked.
            let Ok(asked) = OwnSampling::ask(self.server, self.settings, fraction, collector) else {
                collector.tally().map_err(anyhow::Error::from)?;
                was_away = true;
                std::thread::sleep(LOOK_EVERY);
                continue;
            };
            let seen = asked.seen();
            match (asked.may_be(fraction), asked.exports_here()) {
                (true, _) => {
                    tell(Wait::InEffect { seen });
                    return Ok(());
                }
                (false, false) => tell(Wait::NotExporting { export_to: self.export_to }),
                (false, true) => tell(Wait::OtherFraction { seen }),
            }
            std::thread::sleep(ASK_EVERY);
        }
    }
}

fn unless_stopped(stop: &Stop) -> Result<(), RunError> {
    stop.reason().map_or(Ok(()), |reason| Err(RunError::Stopped(reason)))
}
