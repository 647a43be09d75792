//! Does Milvus answer, and what does it say of itself.

use std::time::Duration;

use http::HeaderValue;

use super::cause::Cause;
use super::check::{failed, noted, ok, unknown};
use super::configuration::Configuration;
use super::look::{self, Answer};
use super::version::Version;
use crate::grpc;
use crate::milvus::{CallHeaders, DialError, Dialer, MilvusError, Session};
use crate::report::model::Check;
use crate::run::{Server, Settings};
use crate::workload::{MilvusUri, Target};

pub(super) const CONNECTION: &str = "milvus.connection";
pub(super) const VERSION: &str = "milvus.version";
pub(super) const CONFIGURATION: &str = "milvus.configuration";

/// How long a call may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// A Milvus that answers.
pub(super) struct Milvus {
    runtime: tokio::runtime::Runtime,
    session: Session,
    /// Its calls carry a `client_request_id`.
    with_id: Session,
    pub version: String,
}

impl Milvus {
    /// Connects and asks for the version; else the check that says why not. Blocks.
    ///
    /// # Errors
    /// Where the settings cannot be used, or the system gives no runtime.
    pub fn reach(settings: &Settings, uri: &MilvusUri) -> anyhow::Result<Result<Self, Check>> {
        let target = &settings.workload.target;
        let headers = CallHeaders::new(target.token.as_ref(), &target.database)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connected = runtime.block_on(async {
            let connect = async {
                let dialer = Dialer::new(uri, target)?;
                let session = Session::connect(&dialer, headers.clone()).await?;
                // Not to be taken for a request without a header, which the server may trace.
                session.set_traceparent(Some(crate::trace::traceparent::header(1, 1, false)));
                let version = session.version().await?;
                let id = HeaderValue::from_static("milvus-load-doctor");
                let with_id = Session::connect(&dialer, headers.with("client_request_id", id)).await?;
                Ok::<_, MilvusError>((session, with_id, version))
            };
            tokio::time::timeout(CALL_LIMIT, connect).await
        });
        Ok(match connected {
            Ok(Ok((session, with_id, version))) => Ok(Self { runtime, session, with_id, version }),
            Ok(Err(error)) => Err(unreached(uri, target, Some(&error))),
            Err(_elapsed) => Err(unreached(uri, target, None)),
        })
    }

    /// Asks for the version once more, with that header. Blocks, for 10 s at most.
    ///
    /// # Errors
    /// What it says, where it is not its version.
    pub fn get_version(&self, traceparent: Option<HeaderValue>, with_id: bool) -> Result<(), String> {
        let session = if with_id { &self.with_id } else { &self.session };
        session.set_traceparent(traceparent);
        let call = async { tokio::time::timeout(CALL_LIMIT, session.version()).await };
        match self.runtime.block_on(call) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err("no answer within 10 s".to_owned()),
        }
    }

    pub fn parsed_version(&self) -> Option<Version> {
        Version::parse(&self.version)
    }
}

fn unreached(uri: &MilvusUri, target: &Target, error: Option<&MilvusError>) -> Check {
    let Some(error) = error else {
        return failed(CONNECTION, format!("{uri} does not answer within 10 s"), &Cause::MilvusSilent);
    };
    let cause = cause(error, uri.tls, || look::look(&uri.host, uri.port));
    let seen = match &cause {
        Cause::MilvusLogin if target.token.is_none() => format!("{uri} wants a login, and none is set"),
        Cause::MilvusLogin => format!("{uri} refuses the token"),
        // Its fix is better said than by the error, which names several.
        Cause::MilvusSpeaksTls => format!("{uri} answers with TLS"),
        Cause::MilvusWithoutTls => format!("{uri} answers without TLS"),
        Cause::MilvusOtherService if error.is_unimplemented() => {
            format!("{uri} speaks gRPC, and is no Milvus")
        }
        Cause::MilvusOtherService => format!("{uri} answers, and not in HTTP/2 as gRPC does"),
        Cause::MilvusSilent => format!("{uri} takes the connection and says nothing"),
        _ => words(error),
    };
    failed(CONNECTION, seen, &cause)
}

/// What an error says before it says what to do.
fn words(error: &MilvusError) -> String {
    let words = error.to_string();
    let words = words.split("; ").next().unwrap_or_default();
    words.split(" (os error").next().unwrap_or_default().to_owned()
}

fn cause(error: &MilvusError, tls: bool, look: impl FnOnce() -> Answer) -> Cause {
    match error {
        MilvusError::Dial(DialError::Resolve { .. }) => Cause::MilvusName,
        MilvusError::Dial(DialError::Connect { .. }) => Cause::MilvusRefused,
        MilvusError::Dial(
            DialError::CertificateFile { .. } | DialError::ServerName(_) | DialError::Configuration(_),
        ) => Cause::MilvusCertificate,
        MilvusError::Grpc { code: grpc::UNAUTHENTICATED, .. } => Cause::MilvusLogin,
        // Every Milvus tells its version.
        MilvusError::Grpc { code: grpc::UNIMPLEMENTED, .. } => Cause::MilvusOtherService,
        MilvusError::Server { .. } => Cause::MilvusFails,
        MilvusError::Dial(DialError::Tls { .. } | DialError::Http2 { .. })
        | MilvusError::Grpc { .. }
        | MilvusError::Incomplete { .. } => match look() {
            Answer::Tls if tls => Cause::MilvusCertificate,
            Answer::Tls => Cause::MilvusSpeaksTls,
            Answer::Http1 | Answer::Other => Cause::MilvusOtherService,
            // Milvus says nothing before the first request (its multiplexer waits for it).
            Answer::Http2 | Answer::Silent if tls => Cause::MilvusWithoutTls,
            Answer::Http2 => Cause::MilvusFails,
            Answer::Silent | Answer::Ended => Cause::MilvusSilent,
            Answer::Refused(_) => Cause::MilvusRefused,
            Answer::NoName(_) => Cause::MilvusName,
        },
    }
}

/// What its version says.
pub(super) fn version(text: &str) -> Check {
    let seen = format!("Milvus {text}");
    match Version::parse(text) {
        Some(version) if version.may_hang_without_collector() => noted(VERSION, seen, &Cause::VersionHangs),
        Some(version) if version.may_fail_to_export() => noted(VERSION, seen, &Cause::ExporterFailedToStart),
        Some(_) => ok(VERSION, seen),
        None => unknown(VERSION, format!("{seen}, which says nothing about its tracing")),
    }
}

/// What a server tells of its configuration, or why it does not. Blocks, for 3 s at most.
pub(super) fn configuration(
    target: &Target,
    server: &Server,
    version: Option<Version>,
) -> Result<Configuration, String> {
    // Where nobody said where, an old one is not searched for what it does not have.
    match version {
        Some(version) if version < Version(2, 5, 0) && target.metrics.is_empty() => {
            Err("not told: Milvus tells it from 2.5 on".to_owned())
        }
        _ => ask_configuration(&target.metrics, &server.uri),
    }
}

fn ask_configuration(metrics: &[String], uri: &MilvusUri) -> Result<Configuration, String> {
    let host = if uri.host.contains(':') { format!("[{}]", uri.host) } else { uri.host.clone() };
    let base = match metrics.first() {
        Some(told) => told.trim_end_matches('/').trim_end_matches("/metrics").to_owned(),
        None => format!("http://{host}:9091"),
    };
    let url = format!("{base}/api/v1/_cluster/configs");
    let answer = look::agent().get(&url).call();
    let mut answer =
        answer.map_err(|_| format!("not told: nobody answers at {base} (target.metrics says where)"))?;
    match answer.status().as_u16() {
        200 => {}
        401 | 403 => return Err(format!("not told: {base} asks for a login")),
        404 => return Err("not told: Milvus tells it from 2.5 on".to_owned()),
        status => return Err(format!("not told: {base} answers with HTTP status {status}")),
    }
    let body: Option<serde_json::Value> = answer.body_mut().with_config().limit(8 << 20).read_json().ok();
    let none = || format!("not told: what answers at {base} tells no configuration of Milvus");
    body.as_ref().and_then(Configuration::parse).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::super::fakes;
    use super::*;
    use crate::trace::closed_port::ClosedPort;
    use std::net::SocketAddr;

    fn why_not(uri: &str) -> Option<Check> {
        let settings = Settings::without_file(vec![]).unwrap();
        Milvus::reach(&settings, &uri.parse().unwrap()).unwrap().err()
    }

    #[track_caller]
    fn code(uri: &str) -> String {
        let check = why_not(uri).unwrap_or_else(|| panic!("{uri} was reached"));
        check.cause.expect("a failure has a cause").code
    }

    #[test]
    fn each_way_not_to_reach_milvus_has_its_cause() {
        let closed = ClosedPort::new();
        assert_eq!(code(&format!("http://{}", closed.address())), "milvus_refused");
        assert_eq!(code("http://no-such-host.invalid:19530"), "milvus_name");
        let at = |scheme: &str, address: SocketAddr| format!("{scheme}://{address}");
        assert_eq!(code(&at("http", fakes::tls())), "milvus_speaks_tls");
        assert_eq!(code(&at("https", fakes::tls())), "milvus_certificate");
        assert_eq!(code(&at("https", fakes::http2())), "milvus_without_tls");
        assert_eq!(
            code(&at("http", fakes::http1("404 Not Found", "text/plain", "no"))),
            "milvus_other_service"
        );
        assert_eq!(code(&at("http", fakes::hangs_up())), "milvus_silent");
    }

    #[test]
    fn a_collector_is_no_milvus() {
        let intake = super::super::intake::anywhere(None);
        assert_eq!(code(&intake.endpoint()), "milvus_other_service");
    }

    #[test]
    fn errors_inside_grpc_are_told_apart() {
        let never = || -> Answer { unreachable!("nothing is to be looked at") };
        let grpc = MilvusError::Grpc {
            call: "x",
            code: grpc::UNAUTHENTICATED,
            message: "auth check failure".into(),
        };
        assert_eq!(cause(&grpc, false, never), Cause::MilvusLogin);
        assert!(!words(&grpc).contains("MILVUS_TOKEN"), "{}", words(&grpc));
        let server = MilvusError::Server { call: "x", code: 65_535, reason: "not ready".into() };
        assert_eq!(cause(&server, false, never), Cause::MilvusFails);
    }

    #[test]
    fn a_configuration_is_told_or_it_is_said_why_not() {
        let told = |address: SocketAddr| {
            ask_configuration(&[format!("http://{address}/metrics")], &"http://x:1".parse().unwrap())
        };
        let answer = r#"{"trace.exporter":"otlp","trace.otlp.endpoint":"jaeger:4317","minio.secretaccesskey":"hidden"}"#;
        let by_path = fakes::http1_by_path(move |path| match path {
            "/api/v1/_cluster/configs" => ("200 OK", "application/json", answer.to_owned()),
            _ => ("404 Not Found", "text/plain", String::new()),
        });
        assert_eq!(told(by_path).unwrap().endpoint.as_deref(), Some("jaeger:4317"));
        for (status, words) in [
            ("401 Unauthorized", "asks for a login"),
            ("404 Not Found", "from 2.5 on"),
            ("500 Internal Server Error", "HTTP status 500"),
            ("200 OK", "tells no configuration"),
        ] {
            let why = told(fakes::http1(status, "text/html", "<html>")).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        assert!(told(ClosedPort::new().address()).unwrap_err().contains("target.metrics"));
    }

    #[test]
    fn versions_that_are_known_to_trace_badly_are_noted() {
        let note = |text| version(text).cause.map(|cause| cause.code);
        assert_eq!(note("v2.4.3").as_deref(), Some("version_hangs"));
        assert_eq!(note("2.4.7").as_deref(), Some("exporter_failed_to_start"));
        assert_eq!(note("v2.3.5-lite"), None);
        assert_eq!(note("2.5.11"), None);
    }
}
