//! The checks in their order: what is asked, of whom, and when it is waited for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cause::Cause;
use super::check::{failed, noted, ok, unknown};
use super::collector::{self, Collector};
use super::configuration::Configuration;
use super::eyes::Eyes;
use super::fraction::Traced;
use super::intake::Intake;
use super::jaeger;
use super::log::Telltales;
use super::milvus::{self, Milvus};
use super::probes::{self, Header, Probe};
use super::traces::{self, Came, Known};
use crate::engine::{Stop, StopReason};
use crate::milvus::embedded::{Progress, ServerInfo};
use crate::report::model::{Check, CheckState, DIAGNOSIS_SCHEMA, Diagnosis};
use crate::report::rfc3339;
use crate::run::machine::is_here;
use crate::run::{Identity, RunError, RunProgress, Server, ServerKind, Settings, Sharing};
use crate::trace::endpoint::{Endpoint, Protocol};
use crate::trace::ids::{IdGenerator, RunEntropy};
use crate::trace::jaeger::JaegerClient;
use crate::trace::setup::SetupSpan;
use crate::trace::spans::Span;
use crate::trace::{TraceRef, traceparent};
use crate::units::Fraction;
use crate::workload::Origin;

const LOG: &str = "milvus.log";

/// Milvus's exporters send every 5 s; what has not come by then does not come.
const SPANS_WITHIN: Duration = Duration::from_secs(12);

/// What is to be examined.
#[derive(Debug)]
pub struct Orders {
    /// Whether the settings are of a workload that the user named, so that a search of it can be sent.
    pub has_workload: bool,
    /// Milvus's log.
    pub log: Option<PathBuf>,
    /// Where Milvus was told to export to, and doctor is to listen.
    pub collector_listen: Option<SocketAddr>,
}

/// Who is told how it goes on.
pub trait Follow {
    /// The next thing is done.
    fn say(&mut self, line: &str);
    /// An embedded server is started.
    fn starting(&mut self) -> &mut dyn Progress;
    /// A collection is made ready.
    fn preparing(&mut self) -> &mut dyn RunProgress;
}

/// Examines the way of a trace. Blocks, for about half a minute where something is broken.
///
/// # Errors
/// Where it could not be examined: a signal came, no embedded server can be had, or nobody can listen where doctor should.
pub fn examine(
    settings: &Settings,
    orders: &Orders,
    stop: &Stop,
    follow: &mut dyn Follow,
) -> Result<Diagnosis, RunError> {
    let identity = Identity::new("doctor".to_owned())?;
    let mut ids = RunEntropy::from_os()?.generator(0);
    let existing = Server::existing(settings)?;
    let mut patient = Patient { settings, orders, stop, ids: &mut ids, checks: Vec::new() };

    follow.say("looking for the collector and Jaeger");
    let first = patient.new_trace();
    let is_asked = |key| settings.origin(key).is_some_and(|origin| *origin != Origin::Default);
    // Beside an embedded server of doctor's own neither is needed, unless somebody named one.
    let is_needed = |key| existing.is_some() || is_asked(key);
    let collector = {
        let now = probes::now();
        let span = collector::span(first, "doctor", (now, now));
        collector::check(settings, span, is_needed("trace.otlp_endpoint"))?
    };
    let jaeger = settings.workload.trace.jaeger_ui.clone().map(|ui| {
        let check = jaeger::api(&ui, is_needed("trace.jaeger_ui"));
        (ui, check)
    });
    patient.go_on()?;

    let intake = patient.intake(existing.is_none(), &collector)?;
    let server = match existing {
        Some(server) => server,
        None => {
            let to = intake.as_ref().map(|intake| intake.endpoint().parse()).transpose()?;
            Server::own(to, Fraction::ZERO, follow.starting()).map_err(|error| stopped_or(error, stop))?
        }
    };
    let examined = patient.follow_traces(&server, &identity, (collector, jaeger, intake), first, follow);
    let uri = server.uri.to_string();
    let ended = server.finish(false);
    examined?;
    ended?;
    let mut diagnosis = Diagnosis {
        schema: DIAGNOSIS_SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: rfc3339(identity.started_unix_us),
        healthy: true,
        broken: None,
        milvus: uri,
        otlp_endpoint: settings.workload.trace.otlp_endpoint.clone(),
        jaeger: settings.workload.trace.jaeger_ui.clone(),
        checks: patient.checks,
    };
    diagnosis.broken = diagnosis.first_failed().map(|check| check.name.clone());
    diagnosis.healthy = diagnosis.broken.is_none();
    Ok(diagnosis)
}

fn stopped_or(error: anyhow::Error, stop: &Stop) -> RunError {
    stop.reason().map_or(RunError::Failed(error), RunError::Stopped)
}

struct Patient<'a> {
    settings: &'a Settings,
    orders: &'a Orders,
    stop: &'a Stop,
    ids: &'a mut IdGenerator,
    checks: Vec<Check>,
}

/// What was sent, and what came of it.
struct Sent {
    first: Came,
    last: Came,
    again: Option<Came>,
    unsampled: Came,
    with_id: Option<Came>,
    anonymous: Option<Traced>,
    search: Option<Result<Came, String>>,
}

type Found = (Collector, Option<(String, Check)>, Option<Intake>);

impl Patient<'_> {
    fn new_trace(&mut self) -> TraceRef {
        TraceRef { trace_id: self.ids.trace_id(), span_id: self.ids.span_id(), sampled: true }
    }

    fn go_on(&self) -> Result<(), RunError> {
        self.stop.reason().map_or(Ok(()), |reason: StopReason| Err(RunError::Stopped(reason)))
    }

    /// A collector of doctor's own, where a server exports to it.
    fn intake(&self, starts_own: bool, collector: &Collector) -> anyhow::Result<Option<Intake>> {
        let address = match self.orders.collector_listen {
            Some(address) => address,
            None if starts_own => ([127, 0, 0, 1], 0).into(),
            None => return Ok(None),
        };
        let endpoint = Endpoint::parse(&self.settings.workload.trace.otlp_endpoint)?;
        let is_plain_grpc = !endpoint.is_tls() && self.settings.otel.transport.protocol == Protocol::Grpc;
        let hand_on = (collector.takes_spans() && is_plain_grpc).then_some(endpoint);
        let intake = Intake::start(address, hand_on).map_err(|error| {
            anyhow::anyhow!("--collector-listen {address}: {error}; is another collector there?")
        })?;
        Ok(Some(intake))
    }

    fn follow_traces(
        &mut self,
        server: &Server,
        identity: &Identity,
        (collector, jaeger, intake): Found,
        first: TraceRef,
        follow: &mut dyn Follow,
    ) -> Result<(), RunError> {
        follow.say(&format!("asking Milvus at {}", server.uri));
        let reached = Milvus::reach(self.settings, &server.uri)?;
        let info = info(&server.kind);
        let is_own = matches!(server.kind, ServerKind::Own(_));
        let client = jaeger.as_ref().filter(|(_, check)| check.state == CheckState::Ok);
        let client = client.map(|(ui, _)| (JaegerClient::new(ui), ui.clone()));
        let eyes = match (intake, &client) {
            (Some(intake), _) => Eyes::Own(intake),
            (None, Some((client, ui))) if collector.takes_spans() => {
                Eyes::Jaeger { client: client.clone(), ui: ui.clone() }
            }
            (None, Some(_)) => Eyes::Nowhere("no span gets to the collector".to_owned()),
            (None, None) => Eyes::Nowhere("Jaeger does not answer".to_owned()),
        };
        let milvus = match reached {
            Ok(milvus) => milvus,
            Err(check) => {
                self.checks.push(check);
                self.without_milvus(collector, jaeger);
                return Ok(());
            }
        };
        self.checks.push(ok(milvus::CONNECTION, format!("{} answers", server.uri)));
        self.checks.push(milvus::version(&milvus.version));

        let told = match info {
            Some(_) => Err(String::new()),
            None => milvus::configuration(&self.settings.workload.target.metrics, &server.uri),
        };
        let log = self.orders.log.clone().or_else(|| info.map(|info| info.log_path.clone()));
        self.go_on()?;
        let sent = match &eyes {
            Eyes::Nowhere(_) => None,
            Eyes::Own(_) | Eyes::Jaeger { .. } => {
                follow.say("sending requests, and waiting for their spans (up to half a minute)");
                let search =
                    self.orders.has_workload.then(|| self.search(server, identity, follow)).transpose()?;
                Some(self.send(&milvus, &eyes, search)?)
            }
        };
        // Read when all is said, so that it holds what the requests brought about.
        let log = log.map(|path| (Telltales::of_file(&path), path));
        let known = self.known(&milvus, &eyes, &told, (info, is_own), &collector, log.as_ref(), server);
        let sampled = match (&sent, &eyes) {
            (Some(sent), _) => {
                traces::sampled(&sent.first, &sent.last, sent.again.as_ref(), &self.place(&eyes), &known)
            }
            (None, Eyes::Nowhere(why)) => unknown(traces::SAMPLED, format!("not told: {why}")),
            (None, _) => unknown(traces::SAMPLED, "not told"),
        };
        self.configuration(&told, info, &known, &sampled);
        if let Some((telltales, path)) = &log {
            self.log(telltales, path, &sampled);
        }
        let takes_spans = collector.takes_spans();
        self.checks.push(collector.connection);
        self.checks.push(collector.export);
        self.jaeger(jaeger, client.as_ref().map(|(client, _)| client), first, takes_spans);
        self.traces(sent, sampled, &told, &known);
        Ok(())
    }

    fn place(&self, eyes: &Eyes) -> String {
        match eyes {
            Eyes::Own(intake) if self.orders.collector_listen.is_some() => {
                format!("doctor's own collector at {}", intake.address())
            }
            Eyes::Own(_) => "doctor's own collector".to_owned(),
            Eyes::Jaeger { .. } | Eyes::Nowhere(_) => "Jaeger".to_owned(),
        }
    }

    /// All that follows, where Milvus cannot be asked.
    fn without_milvus(&mut self, collector: Collector, jaeger: Option<(String, Check)>) {
        self.checks.push(collector.connection);
        self.checks.push(collector.export);
        self.checks.extend(jaeger.map(|(_, check)| check));
        self.checks.push(unknown(traces::SAMPLED, "not told: Milvus does not answer"));
    }

    #[expect(clippy::too_many_arguments, reason = "each is one thing that is known")]
    fn known(
        &self,
        milvus: &Milvus,
        eyes: &Eyes,
        told: &Result<Configuration, String>,
        (info, is_own): (Option<&ServerInfo>, bool),
        collector: &Collector,
        log: Option<&(std::io::Result<Telltales>, PathBuf)>,
        server: &Server,
    ) -> Known {
        let endpoint = Endpoint::parse(&self.settings.workload.trace.otlp_endpoint).ok();
        let place = match eyes {
            Eyes::Own(intake) => Some((intake.address().ip().to_string(), intake.address().port())),
            Eyes::Jaeger { .. } | Eyes::Nowhere(_) => {
                endpoint.as_ref().map(|endpoint| (endpoint.host().to_owned(), endpoint.port()))
            }
        };
        let telltales = log.and_then(|(telltales, _)| telltales.as_ref().ok());
        let configuration = told.as_ref().ok().cloned();
        let is_here = is_here(&server.uri.host);
        // What is known of the endpoint is of the one that Milvus names only where that is the same.
        let speaks_tls = |configuration: &Configuration| match eyes {
            Eyes::Own(_) => Some(false),
            _ => collector
                .tls
                .filter(|_| place.as_ref().is_some_and(|(host, port)| configuration.names(host, *port))),
        };
        let suspect = match info {
            Some(info) if !is_own => suspect_kept(info, place.as_ref()),
            _ => configuration
                .as_ref()
                .and_then(|configuration| configuration.suspect(speaks_tls(configuration), is_here)),
        };
        let by_log = telltales.and_then(|telltales| match telltales.cause() {
            Some((cause, _)) => Some(cause),
            None => {
                let exporter = telltales.exporter.as_deref().filter(|exporter| *exporter != "otlp")?;
                Some(Cause::ExporterOff { exporter: exporter.to_owned() })
            }
        });
        Known {
            knocks: eyes.knocks(),
            log: by_log,
            suspect,
            configuration,
            version: milvus.parsed_version(),
            place,
            strangers: eyes.strangers("/GetVersion"),
        }
    }

    /// Sends every kind of request, the one with flag 01 first and last, and waits for what comes of them.
    fn send(
        &mut self,
        milvus: &Milvus,
        eyes: &Eyes,
        search: Option<Result<Probe, String>>,
    ) -> Result<Sent, RunError> {
        let stop = self.stop;
        let is_stopped = || stop.is_raised();
        let mut one = |header| probes::send(milvus, self.ids, header);
        let answered =
            |probe: Result<Probe, String>| probe.map_err(|error| anyhow::anyhow!("GetVersion: {error}"));
        let first = answered(one(Header::Sampled))?;
        let unsampled = answered(one(Header::Unsampled))?;
        let with_id = one(Header::WithRequestId).ok();
        let (from, to, answers) = probes::send_anonymous(milvus, &is_stopped);
        let last = answered(one(Header::Sampled))?;
        self.export([Some(first), Some(last)], search.as_ref().and_then(|search| search.as_ref().ok()));
        let came = |probe: Probe, spans: Vec<Span>| Came { probe, spans };
        let wait = |probe: Probe| {
            let has_server = |spans: &[Span]| came(probe, spans.to_vec()).server().is_some();
            came(probe, eyes.wait_for(probe.trace_id, SPANS_WITHIN, &is_stopped, has_server))
        };
        let last = wait(last);
        self.go_on()?;
        let again =
            if last.server().is_none() && eyes.trace(first.trace_id).len() < 2 && eyes.knocks().tls == 0 {
                // An exporter that had no collector pauses between its attempts.
                let probe = answered(probes::send(milvus, self.ids, Header::Sampled))?;
                self.export([Some(probe), None], None);
                Some(wait(probe))
            } else {
                None
            };
        let search = search.map(|search| {
            search.map(|probe| {
                let spans = eyes
                    .wait_for(probe.trace_id, SPANS_WITHIN, &is_stopped, |spans| traces::has_segcore(spans));
                came(probe, spans)
            })
        });
        self.go_on()?;
        let fence = if last.server().is_some() { Some(&last) } else { again.as_ref() };
        let anonymous = fence.and_then(|fence| {
            let server = fence.server()?;
            // On the server's clock, with a second to spare at either end.
            let shift = i128::from(server.start) - i128::from(fence.probe.sent);
            let at = |ns: u64, more: i128| u64::try_from(i128::from(ns) + shift + more).unwrap_or(0);
            let window = (at(from, -1_000_000_000), at(to, 1_000_000_000));
            let traced = eyes.roots(&server.service, &server.name, window)?;
            Some(Traced { traced, sent: answers })
        });
        let now = |probe: Probe| came(probe, eyes.trace(probe.trace_id));
        Ok(Sent {
            first: now(first),
            unsampled: now(unsampled),
            with_id: with_id.map(now),
            last,
            again,
            anonymous,
            search,
        })
    }

    /// The client's part of the traces, for Jaeger to show.
    fn export(&self, calls: [Option<Probe>; 2], search: Option<&Probe>) {
        let span = |probe: &Probe, name| collector::span(probe.trace(), name, (probe.sent, probe.done));
        let mut spans: Vec<SetupSpan> =
            calls.iter().flatten().map(|probe| span(probe, "GetVersion")).collect();
        spans.extend(search.map(|probe| span(probe, "Search")));
        if self.settings.workload.trace.enabled {
            // Whether they are taken has been checked before.
            let _ = collector::send(self.settings, &spans);
        }
    }

    /// Makes the workload's collection ready and sends one of its searches, sampled.
    fn search(
        &mut self,
        server: &Server,
        identity: &Identity,
        follow: &mut dyn Follow,
    ) -> Result<Result<Probe, String>, RunError> {
        let operations = &self.settings.workload.operations;
        let Some(place) = operations.iter().position(|operation| operation.kind.facts().name() == "search")
        else {
            return Ok(Err("the workload has no search".to_owned()));
        };
        let _kept_to_this_run = server.lock(&self.settings.workload, identity, Sharing::Alone)?;
        let ready = server.prepare(self.settings, self.stop, follow.preparing())?;
        let requests = ready.requests(self.settings)?;
        let trace = self.new_trace();
        let header = traceparent::header(trace.trace_id, trace.span_id, true);
        let sent = probes::now();
        let answer = ready.send_one(&requests, place, Some(header), self.settings.workload.target.timeout);
        let probe = Probe { trace_id: trace.trace_id, span_id: trace.span_id, sent, done: probes::now() };
        Ok(answer.map(|()| probe).map_err(|error| format!("{error:#}")))
    }

    fn configuration(
        &mut self,
        told: &Result<Configuration, String>,
        info: Option<&ServerInfo>,
        known: &Known,
        sampled: &Check,
    ) {
        const NAME: &str = milvus::CONFIGURATION;
        let seen = match (told, info) {
            (_, Some(info)) => match &info.otlp_endpoint {
                Some(endpoint) => {
                    format!("started to export to {endpoint}, sampleFraction {}", info.sample_fraction)
                }
                None => "started without --otlp-endpoint, so that it exports nothing".to_owned(),
            },
            (Ok(configuration), None) => configuration.sentence(),
            (Err(why), None) => return self.checks.push(unknown(NAME, why.clone())),
        };
        self.checks.push(match (&known.suspect, sampled.state) {
            (None, _) => ok(NAME, seen),
            // What it does counts for more than what it says.
            (Some(Cause::ExporterOff { .. } | Cause::ConfigurationNotRead), CheckState::Ok) => {
                noted(NAME, format!("{seen}, and yet spans come"), &Cause::ConfigurationWithoutEffect)
            }
            (Some(_), CheckState::Ok) => ok(NAME, seen),
            (Some(cause), CheckState::Failed | CheckState::Unknown) => failed(NAME, seen, cause),
        });
    }

    fn log(&mut self, telltales: &std::io::Result<Telltales>, path: &Path, sampled: &Check) {
        let shown = path.display();
        self.checks.push(match telltales {
            Err(error) => unknown(LOG, format!("{shown}: {error}")),
            Ok(telltales) => match telltales.cause() {
                None => ok(LOG, format!("{} lines, none of them about spans that are lost", telltales.lines)),
                Some((_, line)) if sampled.state == CheckState::Ok => {
                    ok(LOG, format!("spans come, so this is past: {line}"))
                }
                Some((cause, line)) => failed(LOG, line, &cause),
            },
        });
    }

    fn jaeger(
        &mut self,
        jaeger: Option<(String, Check)>,
        client: Option<&JaegerClient>,
        first: TraceRef,
        takes_spans: bool,
    ) {
        let Some((_, api)) = jaeger else { return };
        let stop = self.stop;
        let trace = match client {
            Some(client) if takes_spans => jaeger::trace(client, first.trace_id, &|| stop.is_raised()),
            Some(_) => unknown(jaeger::TRACE, "not looked for: no span was taken by the collector"),
            None => unknown(jaeger::TRACE, "not looked for: Jaeger does not answer"),
        };
        self.checks.push(api);
        self.checks.push(trace);
    }

    fn traces(
        &mut self,
        sent: Option<Sent>,
        sampled: Check,
        told: &Result<Configuration, String>,
        known: &Known,
    ) {
        let Some(sent) = sent else { return self.checks.push(sampled) };
        let fraction = told.as_ref().ok().and_then(|configuration| configuration.fraction);
        let mut checks = vec![
            traces::unsampled(&sent.unsampled, &sampled),
            traces::own_fraction(sent.anonymous, fraction, &sampled),
            traces::request_id(sent.with_id.as_ref(), &sampled),
        ];
        let mut came: Vec<&Came> = [&sent.first, &sent.last].into_iter().chain(&sent.again).collect();
        match &sent.search {
            None => {}
            Some(Err(why)) => checks.push(unknown(traces::SEARCH, why.clone())),
            Some(Ok(search)) => {
                checks.push(traces::search(search, known, &sampled));
                came.push(search);
            }
        }
        checks.push(traces::clocks(came.into_iter(), &sampled));
        self.checks.push(sampled);
        self.checks.extend(checks);
    }
}

fn info(kind: &ServerKind) -> Option<&ServerInfo> {
    match kind {
        ServerKind::Named => None,
        ServerKind::Kept(info) => Some(info),
        ServerKind::Own(own) => Some(own.info()),
    }
}

/// What is wrong with how a kept server was started.
fn suspect_kept(info: &ServerInfo, place: Option<&(String, u16)>) -> Option<Cause> {
    let (host, port) = place?;
    let endpoint =
        format!("http://{}:{port}", if host.contains(':') { format!("[{host}]") } else { host.clone() });
    let Some(told) = &info.otlp_endpoint else { return Some(Cause::EmbeddedExportsNothing { endpoint }) };
    let told = Endpoint::parse(told).ok()?;
    let same_host = |a: &str, b: &str| a == b || (is_here(a) && is_here(b));
    if told.port() != *port || !same_host(told.host(), host) {
        return Some(Cause::EmbeddedExportsElsewhere { endpoint });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_server_that_exports_nothing_or_elsewhere_is_told_by_how_it_was_started() {
        let info = |endpoint: Option<&str>| ServerInfo {
            uri: "http://127.0.0.1:1".into(),
            metrics_url: "http://127.0.0.1:2/metrics".into(),
            version: "v2.3.5-lite".into(),
            pid: 3,
            supervisor_pid: 4,
            otlp_endpoint: endpoint.map(str::to_owned),
            sample_fraction: 0.0,
            data_dir: PathBuf::new(),
            log_path: PathBuf::new(),
        };
        let place = ("localhost".to_owned(), 4317);
        let code = |endpoint| suspect_kept(&info(endpoint), Some(&place)).map(|cause| cause.code());
        assert_eq!(code(None), Some("embedded_exports_nothing"));
        assert_eq!(code(Some("http://127.0.0.1:4317")), None);
        assert_eq!(code(Some("http://127.0.0.1:4318")), Some("embedded_exports_elsewhere"));
        assert_eq!(code(Some("http://otel.example:4317")), Some("embedded_exports_elsewhere"));
        let fix = suspect_kept(&info(None), Some(&place)).unwrap().fix();
        assert!(fix.ends_with("embedded start --otlp-endpoint http://localhost:4317"), "{fix}");
    }
}
