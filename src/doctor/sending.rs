//! Sends requests of every kind, and waits for what comes of them.

use std::time::Duration;

use super::collector;
use super::examine::{Follow, go_on};
use super::eyes::Eyes;
use super::fraction::Traced;
use super::milvus::Milvus;
use super::probes::{self, Header, Probe};
use super::traces::{self, Came};
use crate::engine::Stop;
use crate::run::{Identity, RunError, Server, Settings, Sharing};
use crate::trace::ids::{IdGenerator, RunEntropy};
use crate::trace::setup::SetupSpan;
use crate::trace::spans::Span;
use crate::trace::traceparent;

/// Milvus's exporters send every 5 s; what has not come by then does not come.
pub(super) const SPANS_WITHIN: Duration = Duration::from_secs(12);

/// How far beyond the requests without a header spans may begin to be theirs, in nanoseconds.
const SLACK: i128 = 20_000_000;

/// What was sent, and what came of it.
pub(super) struct Sent {
    /// Flag 01, before all others.
    pub first: Came,
    /// Flag 01, after all others.
    pub last: Came,
    /// Once more, where nothing had come of either.
    pub again: Option<Came>,
    pub unsampled: Came,
    /// `None`: it was not answered.
    pub with_id: Option<Came>,
    pub anonymous: Option<Traced>,
    /// Of the workload; why there is none, where there should be one.
    pub search: Option<Result<Came, String>>,
}

/// What requests are sent with.
pub(super) struct Requests<'a> {
    pub settings: &'a Settings,
    pub stop: &'a Stop,
    pub milvus: &'a Milvus,
    pub eyes: &'a Eyes,
    /// Whether it is known already why nothing would come.
    pub is_explained: bool,
}

impl Requests<'_> {
    /// Sends every kind, and of a workload a search, its collection made ready. Blocks.
    ///
    /// # Errors
    /// Where Milvus no longer answers, the collection cannot be made ready, or a signal came.
    pub fn send(
        &self,
        of_workload: Option<(&Server, &Identity)>,
        follow: &mut dyn Follow,
    ) -> Result<Sent, RunError> {
        let mut ids = RunEntropy::from_os()?.generator(0);
        let search = of_workload.map(|(server, identity)| self.search(server, identity, &mut ids, follow));
        let search = search.transpose()?;
        let first = self.one(&mut ids, Header::Sampled)?;
        let unsampled = self.one(&mut ids, Header::Unsampled)?;
        let with_id = probes::send(self.milvus, &mut ids, Header::WithRequestId).ok();
        let anonymous = probes::send_anonymous(self.milvus, &|| self.stop.is_raised());
        let last = self.one(&mut ids, Header::Sampled)?;
        self.export(&[(first, "GetVersion"), (last, "GetVersion")]);
        self.export(&search.iter().flatten().map(|search| (*search, "Search")).collect::<Vec<_>>());
        let last = self.wait(last);
        go_on(self.stop)?;
        let is_lost = last.server().is_none() && self.now(first).server().is_none();
        // An exporter that had no collector pauses between its attempts; one that speaks another language stays at it.
        let again = match is_lost && !self.is_explained && self.eyes.knocks().tls == 0 {
            true => {
                let probe = self.one(&mut ids, Header::Sampled)?;
                self.export(&[(probe, "GetVersion")]);
                Some(self.wait(probe))
            }
            false => None,
        };
        let search = search.map(|search| search.map(|probe| self.wait_for(probe, traces::has_segcore)));
        go_on(self.stop)?;
        let fence = [Some(&last), again.as_ref()].into_iter().flatten().find(|came| came.server().is_some());
        let anonymous = fence.and_then(|fence| self.traced(fence, anonymous));
        Ok(Sent {
            first: self.now(first),
            unsampled: self.now(unsampled),
            with_id: with_id.map(|probe| self.now(probe)),
            last,
            again,
            anonymous,
            search,
        })
    }

    fn one(&self, ids: &mut IdGenerator, header: Header) -> anyhow::Result<Probe> {
        probes::send(self.milvus, ids, header).map_err(|error| anyhow::anyhow!("GetVersion: {error}"))
    }

    /// Until Milvus's span of the call has come.
    fn wait(&self, probe: Probe) -> Came {
        self.wait_for(probe, |spans| Came { probe, spans: spans.to_vec() }.server().is_some())
    }

    fn wait_for(&self, probe: Probe, enough: impl Fn(&[Span]) -> bool) -> Came {
        let is_stopped = || self.stop.is_raised();
        Came { probe, spans: self.eyes.wait_for(probe.trace_id, SPANS_WITHIN, &is_stopped, enough) }
    }

    fn now(&self, probe: Probe) -> Came {
        Came { probe, spans: self.eyes.trace(probe.trace_id) }
    }

    /// How many of the requests without a header were traced, once the span of one that was sent after them has come.
    fn traced(&self, fence: &Came, (from, to, sent): (u64, u64, u64)) -> Option<Traced> {
        let server = fence.server()?;
        let ahead = i128::from(server.start) - i128::from(fence.probe.sent);
        let on_its_clock = |ns: u64, slack: i128| u64::try_from(i128::from(ns) + ahead + slack).unwrap_or(0);
        let window = (on_its_clock(from, -SLACK), on_its_clock(to, SLACK));
        let traced = self.eyes.roots(&server.service, &server.name, window)?;
        Some(Traced { traced, sent })
    }

    /// The client's part of the traces, for Jaeger to show.
    fn export(&self, calls: &[(Probe, &str)]) {
        let span =
            |(probe, name): &(Probe, &str)| collector::span(probe.trace(), name, (probe.sent, probe.done));
        let spans: Vec<SetupSpan> = calls.iter().map(span).collect();
        if self.settings.workload.trace.enabled && !spans.is_empty() {
            // Whether spans are taken has been checked before.
            let _ = collector::send(self.settings, &spans);
        }
    }

    /// Makes the workload's collection ready and sends one of its searches, sampled.
    fn search(
        &self,
        server: &Server,
        identity: &Identity,
        ids: &mut IdGenerator,
        follow: &mut dyn Follow,
    ) -> Result<Result<Probe, String>, RunError> {
        let workload = &self.settings.workload;
        let is_search = |kind: &str| kind == "search";
        let place = workload.operations.iter().position(|operation| is_search(operation.kind.facts().name()));
        let Some(place) = place else { return Ok(Err("the workload has no search".to_owned())) };
        let _kept_to_this_run = server.lock(workload, identity, Sharing::Alone)?;
        let ready = server.prepare(self.settings, self.stop, follow.preparing())?;
        let requests = ready.requests(self.settings)?;
        let (trace_id, span_id) = (ids.trace_id(), ids.span_id());
        let header = traceparent::header(trace_id, span_id, true);
        let sent = probes::now();
        let answer = ready.send_one(&requests, place, Some(header), workload.target.timeout);
        let probe = Probe { trace_id, span_id, sent, done: probes::now() };
        Ok(answer.map(|()| probe).map_err(|error| format!("{error:#}")))
    }
}
