//! Does the collector take spans.

use std::time::Duration;

use super::cause::Cause;
use super::check::{failed, ok, unknown, unknown_because};
use super::look::{self, Answer, Http1};
use crate::report::model::{Check, CheckState};
use crate::run::{Settings, export_settings};
use crate::trace::TraceRef;
use crate::trace::endpoint::{Endpoint, Protocol};
use crate::trace::exporter::{BatchLimits, Exporter};
use crate::trace::setup::SetupSpan;

pub(super) const CONNECTION: &str = "collector.connection";
pub(super) const EXPORT: &str = "collector.export";

/// How long an export may take.
const EXPORT_LIMIT: Duration = Duration::from_secs(10);

/// What was found out of the collector.
pub(super) struct Collector {
    pub connection: Check,
    pub export: Check,
    /// Whether it speaks TLS, where somebody listens.
    pub tls: Option<bool>,
}

impl Collector {
    /// Whether the client's spans get there.
    pub fn takes_spans(&self) -> bool {
        self.export.state == CheckState::Ok
    }
}

/// Looks who listens at the endpoint and exports `span`. `is_needed`: whether it is broken that nobody does. Blocks.
pub(super) fn check(settings: &Settings, span: SetupSpan, is_needed: bool) -> anyhow::Result<Collector> {
    let trace = &settings.workload.trace;
    let endpoint = Endpoint::parse(&trace.otlp_endpoint)?;
    let answer = look::look(endpoint.host(), endpoint.port());
    let protocol = settings.otel.transport.protocol;
    let tls = match &answer {
        Answer::Tls => Some(true),
        Answer::Http1 | Answer::Http2 => Some(false),
        _ => None,
    };
    let jaegers_page = || trace.jaeger_ui.as_deref().is_some_and(answers);
    let kind = || look::kind_of_http1(endpoint.host(), endpoint.port());
    let wrong = cause(&answer, endpoint.is_tls(), protocol, jaegers_page, kind);
    let connection = match &wrong {
        None => ok(CONNECTION, format!("{} listens", shown(&endpoint))),
        Some(cause @ Cause::CollectorRefused) if !is_needed => {
            unknown_because(CONNECTION, seen(&answer, &endpoint), cause)
        }
        Some(cause) => failed(CONNECTION, seen(&answer, &endpoint), cause),
    };
    let export = match &wrong {
        Some(_) => unknown(EXPORT, "not tried: see the connection"),
        None if !trace.enabled => failed(EXPORT, "tracing is switched off here", &Cause::ExportSwitchedOff),
        None => match send(settings, &[span])? {
            Sent { exported: true, .. } => ok(EXPORT, "a span of doctor's own was taken"),
            Sent { error, .. } if endpoint.is_tls() && error.contains("certificate") => {
                failed(EXPORT, error, &Cause::CollectorCertificate)
            }
            Sent { error, .. } => failed(EXPORT, error, &Cause::ExportRefused),
        },
    };
    Ok(Collector { connection, export, tls })
}

/// What came of an export.
pub(super) struct Sent {
    pub exported: bool,
    /// What went wrong; no secrets.
    pub error: String,
}

/// Exports these spans, as a run does. Blocks, for some 10 s at most.
pub(super) fn send(settings: &Settings, spans: &[SetupSpan]) -> anyhow::Result<Sent> {
    let mut export = export_settings(settings)?;
    export.limits = BatchLimits { export_timeout: EXPORT_LIMIT, ..export.limits };
    let exporter = Exporter::start(&export, &[], "doctor")?;
    let sink = exporter.sink();
    spans.iter().for_each(|span| sink.offer_setup(span.clone()));
    let report = exporter.finish(EXPORT_LIMIT);
    let exported = report.counts.exported == spans.len() as u64;
    Ok(Sent { exported, error: report.last_error.unwrap_or_else(|| "no answer within 10 s".to_owned()) })
}

/// A span of a call that doctor made.
pub(super) fn span(trace: TraceRef, name: &str, (start, end): (u64, u64)) -> SetupSpan {
    SetupSpan {
        trace,
        parent: None,
        is_call: true,
        name: name.to_owned(),
        start,
        end,
        attributes: vec![("milvus_load.phase", "doctor".to_owned())],
        error: None,
    }
}

fn answers(jaeger: &str) -> bool {
    look::agent().get(jaeger).call().is_ok()
}

/// Without the path that it does not have.
fn shown(endpoint: &Endpoint) -> String {
    endpoint.to_string().trim_end_matches('/').to_owned()
}

fn seen(answer: &Answer, endpoint: &Endpoint) -> String {
    let endpoint = shown(endpoint);
    match answer {
        Answer::NoName(why) | Answer::Refused(why) => format!("{endpoint}: {why}"),
        Answer::Http2 => format!("{endpoint} answers in HTTP/2, without TLS"),
        Answer::Http1 => format!("{endpoint} answers in HTTP/1, without TLS"),
        Answer::Tls => format!("{endpoint} answers with TLS"),
        Answer::Ended => format!("{endpoint} takes the connection and ends it at once"),
        Answer::Silent => format!("{endpoint} takes the connection and says nothing"),
        Answer::Other => format!("{endpoint} answers with something unknown"),
    }
}

fn cause(
    answer: &Answer,
    tls: bool,
    protocol: Protocol,
    jaegers_page: impl FnOnce() -> bool,
    kind: impl FnOnce() -> Http1,
) -> Option<Cause> {
    let is_grpc = protocol == Protocol::Grpc;
    match answer {
        Answer::NoName(_) => Some(Cause::CollectorName),
        Answer::Refused(_) if is_grpc && jaegers_page() => Some(Cause::OtlpNotEnabled),
        Answer::Refused(_) => Some(Cause::CollectorRefused),
        Answer::Tls => (!tls).then_some(Cause::CollectorSpeaksTls),
        Answer::Http1 | Answer::Http2 if tls => Some(Cause::CollectorWithoutTls),
        Answer::Http2 => (!is_grpc).then_some(Cause::GrpcPort),
        Answer::Http1 => match kind() {
            Http1::JaegersPage => Some(Cause::UiPort),
            Http1::Otlp if is_grpc => Some(Cause::HttpPort),
            Http1::Otlp => None,
            // A receiver behind a login says no to what is empty and carries no header.
            Http1::Other if !is_grpc => None,
            Http1::Other => Some(Cause::CollectorOtherService),
        },
        Answer::Ended => Some(Cause::CollectorOnLocalhostOnly),
        Answer::Silent => Some(Cause::CollectorSilent),
        Answer::Other => Some(Cause::CollectorOtherService),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fakes;
    use super::super::intake::anywhere;
    use super::*;
    use crate::trace::closed_port::ClosedPort;
    use crate::workload::Override;
    use std::net::SocketAddr;

    fn at(endpoint: String, more: &[(&str, &str)]) -> Collector {
        let flag = |key: &str, value: String| Override::flag("--set", key, value);
        let mut flags = vec![flag("trace.otlp_endpoint", endpoint)];
        flags.extend(more.iter().map(|(key, value)| flag(key, (*value).to_owned())));
        let settings = Settings::without_file(flags).unwrap();
        let trace = TraceRef { trace_id: 7, span_id: 8, sampled: true };
        check(&settings, span(trace, "doctor", (1, 2)), true).unwrap()
    }

    #[track_caller]
    fn code(scheme: &str, address: SocketAddr) -> String {
        let found = at(format!("{scheme}://{address}"), &[("trace.jaeger_ui", "http://127.0.0.1:9")]);
        let check = [found.connection, found.export]
            .into_iter()
            .find(|check| check.state == CheckState::Failed)
            .expect("a failure");
        check.cause.unwrap().code
    }

    #[test]
    fn each_way_not_to_be_a_collector_has_its_cause() {
        let closed = ClosedPort::new();
        assert_eq!(code("http", closed.address()), "collector_refused");
        assert_eq!(code("http", fakes::hangs_up()), "collector_on_localhost_only");
        assert_eq!(code("http", fakes::jaeger(vec![])), "ui_port");
        let otlp = fakes::http1_by_path(|path| match path {
            "/v1/traces" => ("200 OK", "application/x-protobuf", String::new()),
            _ => ("404 Not Found", "text/plain", String::new()),
        });
        assert_eq!(code("http", otlp), "http_port");
        assert_eq!(code("http", fakes::http1("200 OK", "text/html", "<html>")), "collector_other_service");
        assert_eq!(code("http", fakes::says(b"SSH-2.0-x\r\n")), "collector_other_service");
        assert_eq!(code("http", fakes::tls()), "collector_speaks_tls");
        assert_eq!(code("https", fakes::http2()), "collector_without_tls");
        assert_eq!(code("https", fakes::tls()), "collector_certificate");
        assert_eq!(code("http", fakes::http2()), "export_refused");
    }

    #[test]
    fn a_closed_port_beside_jaegers_page_is_a_jaeger_that_takes_no_otlp() {
        let (closed, jaeger) = (ClosedPort::new(), fakes::jaeger(vec![]));
        let ui = format!("http://{jaeger}");
        let found = at(format!("http://{}", closed.address()), &[("trace.jaeger_ui", &ui)]);
        assert_eq!(found.connection.cause.unwrap().code, "otlp_not_enabled");
    }

    #[test]
    fn a_name_without_an_address_is_told() {
        let found = at("http://no-such-host.invalid:4317".to_owned(), &[]);
        assert_eq!(found.connection.cause.unwrap().code, "collector_name");
    }

    #[test]
    fn a_span_is_taken_by_a_collector() {
        let intake = anywhere(None);
        let found = at(intake.endpoint(), &[]);
        assert_eq!((found.connection.state, found.export.state), (CheckState::Ok, CheckState::Ok));
        assert_eq!(intake.trace(7).len(), 1);
        let off = at(intake.endpoint(), &[("trace.enabled", "false")]);
        assert_eq!(off.export.cause.unwrap().code, "export_switched_off");
    }

    #[test]
    fn a_port_for_grpc_under_http_is_told() {
        let never = || -> bool { unreachable!() };
        let found = cause(&Answer::Http2, false, Protocol::HttpProtobuf, never, || unreachable!());
        assert_eq!(found, Some(Cause::GrpcPort));
    }
}
