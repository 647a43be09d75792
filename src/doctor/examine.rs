//! The checks in their order: what is asked, of whom, and what each answer is judged with.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use http::{HeaderName, HeaderValue};

use super::cause::Cause;
use super::check::{failed, noted, ok, unknown};
use super::collector::{self, Collector};
use super::configuration::Configuration;
use super::eyes::Eyes;
use super::intake::Intake;
use super::jaeger::{self, Jaeger};
use super::known::{self, About};
use super::log::Telltales;
use super::milvus::{self, Milvus};
use super::probes;
use super::sending::{Requests, Sent};
use super::traces::{self, Came, Known};
use crate::engine::Stop;
use crate::milvus::embedded::{Exports, Progress, ServerInfo};
use crate::report::model::{Check, CheckState, DIAGNOSIS_SCHEMA, Diagnosis};
use crate::report::rfc3339;
use crate::run::{Identity, RunError, RunProgress, Server, Settings, export_settings};
use crate::trace::TraceRef;
use crate::trace::endpoint::Endpoint;
use crate::trace::exporter::Exporter;
use crate::trace::ids::RunEntropy;
use crate::units::Fraction;
use crate::workload::Origin;

const LOG: &str = "milvus.log";

/// What is to be examined.
#[derive(Debug, Default)]
pub struct Orders {
    /// Whether the settings are of a workload that the user named, so that a search of it can be sent.
    pub has_workload: bool,
    /// Milvus's log.
    pub log: Option<PathBuf>,
    /// For Jaeger's query API.
    pub jaeger_headers: Vec<(HeaderName, HeaderValue)>,
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
    let existing = Server::existing(settings)?;
    follow.say("looking for the collector and Jaeger");
    let patient = Patient::new(settings, orders, stop, existing.as_ref())?;
    go_on(stop)?;
    let server = match existing {
        Some(server) => server,
        None => {
            let to = patient.intake.as_ref().map(|intake| intake.endpoint().parse()).transpose()?;
            let own =
                Server::own(to.map_or(Exports::Nowhere, Exports::To), Fraction::ZERO, follow.starting());
            own.map_err(|error| stop.reason().map_or(RunError::Failed(error), RunError::Stopped))?
        }
    };
    let examined = patient.examine(&server, &identity, follow);
    let uri = server.uri.to_string();
    let ended = server.finish(false);
    let checks = examined?;
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
        checks,
    };
    diagnosis.broken = diagnosis.first_failed().map(|check| check.name.clone());
    diagnosis.healthy = diagnosis.broken.is_none();
    Ok(diagnosis)
}

pub(super) fn go_on(stop: &Stop) -> Result<(), RunError> {
    stop.reason().map_or(Ok(()), |reason| Err(RunError::Stopped(reason)))
}

/// What was found before Milvus is asked.
struct Patient<'a> {
    settings: &'a Settings,
    orders: &'a Orders,
    stop: &'a Stop,
    collector: Collector,
    /// The trace of the span that the collector was given.
    first: TraceRef,
    jaeger: Option<(Jaeger, Check)>,
    /// A collector of doctor's own, where a server exports to it.
    intake: Option<Intake>,
}

impl<'a> Patient<'a> {
    fn new(
        settings: &'a Settings,
        orders: &'a Orders,
        stop: &'a Stop,
        existing: Option<&Server>,
    ) -> anyhow::Result<Self> {
        let is_asked = |key| settings.origin(key).is_some_and(|origin| *origin != Origin::Default);
        // Beside an embedded server that exports to doctor neither is needed, unless somebody named one.
        let is_beside = existing.is_none_or(exports_to_whoever_uses_it);
        let is_needed = |key| !is_beside || is_asked(key);
        let mut ids = RunEntropy::from_os()?.generator(1);
        let first = TraceRef { trace_id: ids.trace_id(), span_id: ids.span_id(), sampled: true };
        let now = probes::now();
        let span = collector::span(first, "doctor", (now, now));
        let collector = collector::check(settings, span, is_needed("trace.otlp_endpoint"))?;
        let jaeger = settings.workload.trace.jaeger_ui.as_deref().map(|ui| {
            let jaeger = Jaeger::new(ui, orders.jaeger_headers.clone());
            let check = jaeger::api(&jaeger, is_needed("trace.jaeger_ui") || is_needed("trace.link"));
            (jaeger, check)
        });
        let intake = intake(settings, existing, &collector)?;
        Ok(Self { settings, orders, stop, collector, first, jaeger, intake })
    }

    /// Jaeger, where it answers.
    fn well_jaeger(&self) -> Option<&Jaeger> {
        self.jaeger.as_ref().filter(|(_, check)| check.state == CheckState::Ok).map(|(jaeger, _)| jaeger)
    }

    fn eyes(&mut self) -> Eyes {
        match (self.intake.take(), self.well_jaeger()) {
            (Some(intake), _) => Eyes::Own(intake),
            (None, Some(jaeger)) if self.collector.takes_spans() => Eyes::Jaeger(jaeger.clone()),
            (None, Some(_)) => Eyes::Nowhere("no span gets to the collector".to_owned()),
            (None, None) => Eyes::Nowhere("Jaeger does not answer".to_owned()),
        }
    }

    fn examine(
        mut self,
        server: &Server,
        identity: &Identity,
        follow: &mut dyn Follow,
    ) -> Result<Vec<Check>, RunError> {
        follow.say(&format!("asking Milvus at {}", server.uri));
        let eyes = self.eyes();
        let milvus = match Milvus::reach(self.settings, &server.uri)? {
            Ok(milvus) => milvus,
            Err(check) => return Ok(self.without_milvus(check)),
        };
        go_on(self.stop)?;
        let info = server.kind.info();
        let told = match info {
            Some(_) => Err(String::new()),
            None => milvus::configuration(&self.settings.workload.target, server, milvus.parsed_version()),
        };
        let about = About {
            milvus: &milvus,
            server,
            eyes: &eyes,
            configuration: told.as_ref().ok(),
            started: info.filter(|_| !server.kind.ends_with_run()),
            is_embedded: info.is_some(),
            endpoint: Endpoint::parse(&self.settings.workload.trace.otlp_endpoint).ok(),
            endpoint_speaks_tls: self.collector.tls,
        };
        let suspect = known::suspect(&about);
        let requests = Requests {
            settings: self.settings,
            stop: self.stop,
            milvus: &milvus,
            eyes: &eyes,
            is_explained: suspect.is_some(),
        };
        let sent = match &eyes {
            Eyes::Nowhere(_) => None,
            Eyes::Own(_) | Eyes::Jaeger(_) => {
                follow.say("sending requests, and waiting for their spans (up to half a minute)");
                let of_workload = self.orders.has_workload.then_some((server, identity));
                Some(requests.send(of_workload, follow)?)
            }
        };
        // Read when all is said, so that it holds what the requests brought about.
        let log = self.log(info);
        let telltales = log.as_ref().and_then(|(telltales, _)| telltales.as_ref().ok());
        let known = known::gather(&about, suspect, telltales);
        let sampled = match (&sent, &eyes) {
            (Some(sent), _) => {
                let place = self.place(&eyes);
                traces::sampled(&sent.first, &sent.last, sent.again.as_ref(), &place, &known)
            }
            (None, Eyes::Nowhere(why)) => unknown(traces::SAMPLED, format!("not told: {why}")),
            (None, Eyes::Own(_) | Eyes::Jaeger(_)) => unknown(traces::SAMPLED, "not told"),
        };
        let mut checks = vec![
            ok(milvus::CONNECTION, format!("{} answers", server.uri)),
            milvus::version(&milvus.version),
            configuration(&told, info, &known, &sampled),
        ];
        checks.extend(log.as_ref().map(|(telltales, path)| log_check(telltales, path, &sampled, &known)));
        checks.extend([self.collector.connection.clone(), self.collector.export.clone()]);
        checks.extend(self.jaeger_checks());
        checks.extend(self.trace_checks(
            sent,
            sampled,
            told.ok().and_then(|told| told.fraction),
            (&known, &eyes),
        ));
        go_on(self.stop)?;
        Ok(checks)
    }

    /// All that can be said where Milvus cannot be asked.
    fn without_milvus(self, unreached: Check) -> Vec<Check> {
        let mut checks = vec![unreached, self.collector.connection, self.collector.export];
        checks.extend(self.jaeger.map(|(_, check)| check));
        checks.push(unknown(traces::SAMPLED, "not told: Milvus does not answer"));
        checks
    }

    fn place(&self, eyes: &Eyes) -> String {
        match eyes {
            Eyes::Own(intake) if is_named(&self.settings.workload.trace.collector_listen) => {
                format!("doctor's own collector at {}", intake.address())
            }
            Eyes::Own(_) => "doctor's own collector".to_owned(),
            Eyes::Jaeger(_) | Eyes::Nowhere(_) => "Jaeger".to_owned(),
        }
    }

    /// What Milvus's log tells: the file that was named, or all that an embedded server writes to.
    fn log(&self, info: Option<&ServerInfo>) -> Option<(std::io::Result<Telltales>, PathBuf)> {
        if let Some(path) = &self.orders.log {
            return Some((Telltales::of_file(path), path.clone()));
        }
        let directory = info?.log_path.parent()?;
        Some((Telltales::of_directory(directory), directory.to_owned()))
    }

    fn jaeger_checks(&self) -> Vec<Check> {
        let Some((_, api)) = &self.jaeger else { return Vec::new() };
        let trace = match self.well_jaeger() {
            Some(jaeger) if self.collector.takes_spans() => {
                jaeger::trace(&jaeger.client(), self.first.trace_id, &|| self.stop.is_raised())
            }
            Some(_) => unknown(jaeger::TRACE, "not looked for: no span was taken by the collector"),
            None => unknown(jaeger::TRACE, "not looked for: Jaeger does not answer"),
        };
        vec![api.clone(), trace]
    }

    fn trace_checks(
        &self,
        sent: Option<Sent>,
        sampled: Check,
        fraction: Option<f64>,
        (known, eyes): (&Known, &Eyes),
    ) -> Vec<Check> {
        let Some(sent) = sent else { return vec![sampled] };
        if let Eyes::Own(intake) = eyes {
            intake.drain(super::sending::SPANS_WITHIN);
        }
        let joined = self.joined(&sent, &sampled);
        let others = [
            traces::unsampled(&sent.unsampled, &sampled),
            traces::own_fraction(sent.anonymous, fraction, &sampled),
            traces::request_id(sent.with_id.as_ref(), &sampled),
        ];
        let search = sent.search.as_ref().map(|search| match search {
            Err(why) => unknown(traces::SEARCH, why.clone()),
            Ok(search) => traces::search(search, known, &sampled),
        });
        let of_search = sent.search.as_ref().and_then(|search| search.as_ref().ok());
        let came = [&sent.first, &sent.last].into_iter().chain(&sent.again).chain(of_search);
        let clocks = traces::clocks(came, &sampled);
        [sampled].into_iter().chain(joined).chain(others).chain(search).chain([clocks]).collect()
    }

    /// Whether Jaeger has both halves of a trace, where it gets them.
    fn joined(&self, sent: &Sent, sampled: &Check) -> Option<Check> {
        let jaeger = self.well_jaeger().filter(|_| self.collector.takes_spans())?;
        let probe = sent.again.as_ref().unwrap_or(&sent.last).probe;
        let is_joined = |spans: &[_]| {
            let came = Came { probe, spans: spans.to_vec() };
            came.server().is_some() && came.has_client()
        };
        let limit = match sampled.state {
            CheckState::Ok => super::sending::SPANS_WITHIN,
            CheckState::Failed | CheckState::Unknown => std::time::Duration::ZERO,
        };
        let spans =
            super::eyes::in_jaeger(jaeger, probe.trace_id, limit, &|| self.stop.is_raised(), is_joined);
        Some(traces::joined(&Came { probe, spans }, sampled))
    }
}

fn exports_to_whoever_uses_it(server: &Server) -> bool {
    server.kind.info().is_some_and(|info| info.export_port.is_some())
}

/// Port 0 names no place.
fn is_named(address: &Option<SocketAddr>) -> bool {
    address.is_some_and(|address| address.port() != 0)
}

/// A collector of doctor's own, where a server exports to it: at the address that was named, at that of a kept server which exports to
/// whoever uses it, or anywhere, for one that is still to be started.
fn intake(
    settings: &Settings,
    existing: Option<&Server>,
    collector: &Collector,
) -> anyhow::Result<Option<Intake>> {
    let listen = |address: SocketAddr| {
        TcpListener::bind(address).with_context(|| {
            format!(
                "cannot listen at {address}: end whoever listens there, or name another --collector-listen"
            )
        })
    };
    let kept = existing.and_then(|server| server.kind.info());
    let (listener, place) = match (settings.workload.trace.collector_listen, existing) {
        (Some(address), _) if address.port() != 0 => (listen(address)?, None),
        (_, None) => (listen((Ipv4Addr::LOCALHOST, 0).into())?, None),
        (_, Some(server)) if exports_to_whoever_uses_it(server) => {
            let place = kept.map(ServerInfo::take_export_place).transpose()?.flatten();
            let Some((listener, place)) = place else { return Ok(None) };
            (listener, Some(place))
        }
        (_, Some(_)) => return Ok(None),
    };
    let onward =
        collector.takes_spans().then(|| anyhow::Ok(Exporter::start(&export_settings(settings)?, &[], "")?));
    Ok(Some(Intake::start(listener, onward.transpose()?, place)?))
}

fn configuration(
    told: &Result<Configuration, String>,
    info: Option<&ServerInfo>,
    known: &Known,
    sampled: &Check,
) -> Check {
    const NAME: &str = milvus::CONFIGURATION;
    let seen = match (told, info) {
        (_, Some(info)) => match &info.otlp_endpoint {
            Some(endpoint) => {
                format!("started to export to {endpoint}, fraction {}", info.sample_fraction)
            }
            None => "started without --otlp-endpoint".to_owned(),
        },
        (Ok(configuration), None) => configuration.sentence(),
        (Err(why), None) => return unknown(NAME, why.clone()),
    };
    match (&known.suspect, sampled.state) {
        (None, _) => ok(NAME, seen),
        // What it does counts for more than what it says.
        (Some(Cause::ExporterOff { .. } | Cause::ConfigurationNotRead), CheckState::Ok) => {
            noted(NAME, format!("{seen}, and yet spans come"), &Cause::ConfigurationWithoutEffect)
        }
        (Some(_), CheckState::Ok) => ok(NAME, seen),
        (Some(cause), CheckState::Failed | CheckState::Unknown) => failed(NAME, seen, cause),
    }
}

fn log_check(telltales: &std::io::Result<Telltales>, path: &Path, sampled: &Check, known: &Known) -> Check {
    let telltales = match telltales {
        Ok(telltales) => telltales,
        Err(error) => return unknown(LOG, format!("{}: {error}", path.display())),
    };
    match telltales.cause() {
        None => ok(LOG, format!("{} lines, none of them of spans that are lost", telltales.lines)),
        Some((_, line)) if sampled.state == CheckState::Ok => {
            ok(LOG, format!("spans come, so that this is past: {line}"))
        }
        // That nothing could be delivered is what came of something else that is known.
        Some((cause, line)) => match (&known.log, &known.suspect) {
            (None | Some(Cause::ExportFails), Some(suspect)) => failed(LOG, line, suspect),
            (told, _) => failed(LOG, line, told.as_ref().unwrap_or(&cause)),
        },
    }
}
