//! All that is known of why nothing might come, put together.

use super::cause::Cause;
use super::configuration::Configuration;
use super::eyes::Eyes;
use super::log::Telltales;
use super::milvus::Milvus;
use super::traces::Known;
use crate::milvus::embedded::ServerInfo;
use crate::run::Server;
use crate::run::machine::is_here;
use crate::trace::endpoint::Endpoint;

/// What was found out, each of whom it is about.
pub(super) struct About<'a> {
    pub milvus: &'a Milvus,
    pub server: &'a Server,
    pub eyes: &'a Eyes,
    pub configuration: Option<&'a Configuration>,
    /// How a kept embedded server was started.
    pub started: Option<&'a ServerInfo>,
    /// Whether it runs beside doctor, in no container.
    pub is_embedded: bool,
    /// Where the client's spans go.
    pub endpoint: Option<Endpoint>,
    /// Whether TLS is spoken there, where somebody listens.
    pub endpoint_speaks_tls: Option<bool>,
}

/// Host and port of where spans are to arrive. `None`: nowhere, as long as the client's do not.
fn place(about: &About<'_>) -> Option<(String, u16)> {
    match about.eyes {
        Eyes::Own(intake) => Some((intake.address().ip().to_string(), intake.address().port())),
        Eyes::Jaeger(_) => {
            about.endpoint.as_ref().map(|endpoint| (endpoint.host().to_owned(), endpoint.port()))
        }
        Eyes::Nowhere(_) => None,
    }
}

/// What is wrong with the server by what it says, or by how it was started.
pub(super) fn suspect(about: &About<'_>) -> Option<Cause> {
    let place = place(about);
    let speaks_tls = match about.eyes {
        Eyes::Own(_) => Some(false),
        Eyes::Jaeger(_) | Eyes::Nowhere(_) => about.endpoint_speaks_tls,
    };
    match (about.started, about.configuration) {
        (Some(info), _) => place.as_ref().and_then(|place| suspect_start(info, place, speaks_tls)),
        (None, Some(configuration)) => {
            // What is known of the endpoint is known of the one that Milvus names only where that is the same.
            let is_same = place.as_ref().is_some_and(|(host, port)| configuration.names(host, *port));
            configuration.suspect(speaks_tls.filter(|_| is_same), is_here(&about.server.uri.host))
        }
        (None, None) => None,
    }
}

/// All of it, once everything has been sent.
pub(super) fn gather(about: &About<'_>, suspect: Option<Cause>, log: Option<&Telltales>) -> Known {
    Known {
        knocks: about.eyes.knocks(),
        log: log.and_then(|telltales| by_log(telltales, about.is_embedded)),
        suspect,
        configuration: about.configuration.cloned(),
        version: about.milvus.parsed_version(),
        place: place(about),
        strangers: about.eyes.strangers("/GetVersion"),
    }
}

fn by_log(telltales: &Telltales, is_embedded: bool) -> Option<Cause> {
    if let Some((cause, _)) = telltales.cause() {
        // Loopback is this machine, and nobody listens.
        let is_here = is_embedded && cause == Cause::EndpointIsLoopback;
        return Some(if is_here { Cause::ExportFails } else { cause });
    }
    let exporter = telltales.exporter.as_deref().filter(|exporter| *exporter != "otlp")?;
    Some(Cause::ExporterOff { exporter: exporter.to_owned() })
}

/// What is wrong with how a kept server was started.
fn suspect_start(info: &ServerInfo, (host, port): &(String, u16), speaks_tls: Option<bool>) -> Option<Cause> {
    let scheme = if speaks_tls == Some(true) { "https" } else { "http" };
    let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let endpoint = format!("{scheme}://{shown}:{port}");
    let Some(told) = &info.otlp_endpoint else { return Some(Cause::EmbeddedExportsNothing { endpoint }) };
    let told = Endpoint::parse(told).ok()?;
    let is_same_host = told.host() == host || (is_here(told.host()) && is_here(host));
    if told.port() != *port || !is_same_host {
        return Some(Cause::EmbeddedExportsElsewhere { endpoint });
    }
    (told.is_tls() && speaks_tls == Some(false)).then_some(Cause::EmbeddedSecureOn { endpoint })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_kept_server_that_exports_nothing_or_elsewhere_is_told_by_how_it_was_started() {
        let info = |endpoint: Option<&str>| ServerInfo {
            uri: "http://127.0.0.1:1".into(),
            metrics_url: "http://127.0.0.1:2/metrics".into(),
            version: "v2.3.5-lite".into(),
            pid: 3,
            supervisor_pid: 4,
            otlp_endpoint: endpoint.map(str::to_owned),
            export_port: None,
            sample_fraction: 0.0,
            data_dir: PathBuf::new(),
            log_path: PathBuf::new(),
        };
        let place = ("localhost".to_owned(), 4317);
        let cause = |endpoint| suspect_start(&info(endpoint), &place, Some(false));
        let code = |endpoint| cause(endpoint).map(|cause| cause.code());
        assert_eq!(code(None), Some("embedded_exports_nothing"));
        assert_eq!(code(Some("http://127.0.0.1:4317")), None);
        assert_eq!(code(Some("http://127.0.0.1:4318")), Some("embedded_exports_elsewhere"));
        assert_eq!(code(Some("http://otel.example:4317")), Some("embedded_exports_elsewhere"));
        assert_eq!(code(Some("https://localhost:4317")), Some("secure_on"));
        for endpoint in [None, Some("https://localhost:4317")] {
            let fix = cause(endpoint).unwrap().fix();
            assert!(fix.ends_with("embedded start --otlp-endpoint http://localhost:4317"), "{fix}");
        }
    }

    #[test]
    fn the_exporter_that_a_log_names_is_a_cause_where_it_is_none_of_otlp() {
        let of = |exporter: &str| {
            by_log(&Telltales { exporter: Some(exporter.into()), ..Telltales::default() }, false)
        };
        assert_eq!(of("noop"), Some(Cause::ExporterOff { exporter: "noop".into() }));
        assert_eq!(of("otlp"), None);
    }
}
