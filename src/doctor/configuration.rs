//! What a Milvus says of its own configuration: `GET /api/v1/_cluster/configs` at its port for metrics (2.5 and later).
//!
//! The answer holds passwords too. All but the keys of `trace` is dropped as soon as it is read.

use std::net::IpAddr;

use serde_json::Value;

use super::cause::Cause;

/// The keys of `trace`. What is not told is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Configuration {
    pub exporter: Option<String>,
    pub fraction: Option<f64>,
    /// As written, `host:port` by rights.
    pub endpoint: Option<String>,
    pub secure: Option<bool>,
    /// `grpc` or `http`; empty is `grpc`.
    pub method: Option<String>,
}

impl Configuration {
    /// `None` where the answer is no configuration.
    pub fn parse(answer: &Value) -> Option<Self> {
        let mut found = Self::default();
        collect("", answer, &mut found);
        found.exporter.is_some().then_some(found)
    }

    fn take(&mut self, key: &str, value: &str) {
        let value = value.trim();
        match key {
            "traceexporter" => self.exporter = Some(value.to_owned()),
            "tracesamplefraction" => self.fraction = value.parse().ok(),
            "traceotlpendpoint" => self.endpoint = Some(value.to_owned()),
            // As Milvus reads it: what is no boolean is false.
            "traceotlpsecure" => {
                self.secure = Some(matches!(value, "true" | "True" | "TRUE" | "1" | "t" | "T"))
            }
            "traceotlpmethod" => self.method = Some(value.to_owned()),
            _ => {}
        }
    }

    /// `exporter otlp to jaeger:4317 without TLS, sampleFraction 0`.
    pub fn sentence(&self) -> String {
        let mut parts = vec![format!("exporter {}", self.exporter.as_deref().unwrap_or("unknown"))];
        if self.exporter.as_deref() == Some("otlp") {
            let tls = match self.secure {
                Some(true) => " with TLS",
                Some(false) => " without TLS",
                None => "",
            };
            let endpoint = self.endpoint.as_deref().unwrap_or_default();
            // It may hold a password where somebody wrote one.
            let shown = endpoint.rsplit('@').next().unwrap_or_default();
            parts[0] += &format!(" to {}{tls}", if shown.is_empty() { "nowhere" } else { shown });
        }
        parts.extend(self.fraction.map(|fraction| format!("sampleFraction {fraction}")));
        parts.join(", ")
    }

    /// What is wrong with it by itself; `collector_speaks_tls` is what was found out of the very endpoint that it names, `is_here` whether
    /// Milvus is on this machine.
    pub fn suspect(&self, collector_speaks_tls: Option<bool>, is_here: bool) -> Option<Cause> {
        let exporter = self.exporter.as_deref()?;
        let endpoint = self.endpoint.as_deref().unwrap_or_default();
        if exporter != "otlp" {
            let is_default = exporter == "noop" && endpoint.is_empty() && self.fraction.unwrap_or(0.0) == 0.0;
            return Some(match is_default && self.secure.unwrap_or(true) {
                true => Cause::ConfigurationNotRead,
                false => Cause::ExporterOff { exporter: exporter.to_owned() },
            });
        }
        if endpoint.is_empty() {
            return Some(Cause::EndpointEmpty);
        }
        if let Some((_, rest)) = endpoint.split_once("://") {
            let host_and_port = rest.split('/').next().unwrap_or_default();
            let host_and_port = host_and_port.rsplit('@').next().unwrap_or_default().to_owned();
            return Some(Cause::EndpointWithScheme { host_and_port });
        }
        let (host, port) = host_and_port(endpoint);
        let over_grpc = matches!(self.method.as_deref(), None | Some("" | "grpc"));
        match (self.secure, collector_speaks_tls) {
            _ if !is_here && is_loopback(host) => Some(Cause::EndpointIsLoopback),
            _ if over_grpc && matches!(port, Some(4318 | 16686 | 14268)) => {
                Some(Cause::EndpointPort { port })
            }
            _ if !over_grpc && port == Some(4317) => Some(Cause::MethodHttp),
            (Some(true), Some(false)) => Some(Cause::SecureOn),
            (Some(false), Some(true)) => Some(Cause::SecureOff),
            _ => None,
        }
    }

    /// Whether it exports to that host and port, as far as names tell.
    pub fn names(&self, host: &str, port: u16) -> bool {
        let endpoint = self.endpoint.as_deref().unwrap_or_default();
        let (own, own_port) = host_and_port(endpoint);
        own_port == Some(port) && (own == host || (is_loopback(own) && is_loopback(host)))
    }

    /// Whether it names this machine itself, which within a container is the container.
    pub fn names_loopback(&self) -> bool {
        is_loopback(host_and_port(self.endpoint.as_deref().unwrap_or_default()).0)
    }
}

/// Keys are told in several spellings, `trace.otlp.endpoint` and `traceotlpendpoint` among them, flat or within each other.
fn collect(path: &str, value: &Value, found: &mut Configuration) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key: String = key.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
                collect(&format!("{path}{}", key.to_ascii_lowercase()), value, found);
            }
        }
        Value::String(text) => found.take(path, text),
        Value::Bool(_) | Value::Number(_) => found.take(path, &value.to_string()),
        Value::Null | Value::Array(_) => {}
    }
}

fn host_and_port(endpoint: &str) -> (&str, Option<u16>) {
    let (host, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, ""));
    (host.trim_matches(['[', ']']), port.parse().ok())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(exporter: &str, endpoint: &str, secure: bool) -> Configuration {
        let answer = json!({
            "trace.exporter": exporter, "trace.otlp.endpoint": endpoint, "trace.otlp.secure": secure.to_string(),
            "trace.samplefraction": "0", "trace.otlp.method": "", "minio.secretaccesskey": "hidden",
        });
        Configuration::parse(&answer).unwrap()
    }

    #[test]
    fn the_keys_of_trace_are_read_in_every_spelling_and_no_other_is() {
        let expected = Configuration {
            exporter: Some("otlp".into()),
            fraction: Some(0.5),
            endpoint: Some("jaeger:4317".into()),
            secure: Some(false),
            method: None,
        };
        for answer in [
            json!({"traceexporter": "otlp", "tracesamplefraction": "0.5", "traceotlpendpoint": "jaeger:4317",
                   "traceotlpsecure": "false", "miniosecretaccesskey": "hidden"}),
            json!({"trace.exporter": "otlp", "trace.sampleFraction": "0.5", "trace.otlp.endpoint": "jaeger:4317",
                   "trace.otlp.secure": "false"}),
            json!({"trace": {"exporter": "otlp", "sampleFraction": 0.5, "otlp": {"endpoint": "jaeger:4317", "secure": false}}}),
        ] {
            let found = Configuration::parse(&answer).unwrap();
            assert_eq!(found, expected, "{answer}");
            assert!(!format!("{found:?}").contains("hidden"));
        }
        for answer in [json!({}), json!([]), json!("otlp"), json!({"quota.exporter": "otlp"})] {
            assert_eq!(Configuration::parse(&answer), None, "{answer}");
        }
    }

    #[test]
    fn each_fault_of_a_configuration_has_its_own_cause() {
        let code = |of: Configuration, tls, is_here| of.suspect(tls, is_here).map(|cause| cause.code());
        assert_eq!(code(of("otlp", "jaeger:4317", false), Some(false), false), None);
        assert_eq!(code(of("noop", "", true), None, true), Some("configuration_not_read"));
        for exporter in ["noop", "stdout", "jaeger"] {
            assert_eq!(code(of(exporter, "jaeger:4317", false), None, true), Some("exporter_off"));
        }
        assert_eq!(code(of("otlp", "", false), None, true), Some("endpoint_empty"));
        for endpoint in ["localhost:4317", "127.0.0.1:4317", "[::1]:4317"] {
            assert_eq!(code(of("otlp", endpoint, false), None, false), Some("endpoint_is_loopback"));
            // On this machine it may be right: the container is told by what becomes of the spans.
            assert_eq!(code(of("otlp", endpoint, false), None, true), None);
        }
        for port in [4318, 16686] {
            assert_eq!(
                code(of("otlp", &format!("jaeger:{port}"), false), None, false),
                Some("endpoint_port")
            );
        }
        let over_http = |port| Configuration { method: Some("http".into()), ..of("otlp", port, false) };
        assert_eq!(code(over_http("jaeger:4318"), None, false), None);
        assert_eq!(code(over_http("jaeger:4317"), None, false), Some("method_http"));
        assert_eq!(code(of("otlp", "jaeger:4317", true), Some(false), false), Some("secure_on"));
        assert_eq!(code(of("otlp", "jaeger:4317", true), None, false), None);
        assert_eq!(code(of("otlp", "jaeger:4317", false), Some(true), false), Some("secure_off"));
    }

    #[test]
    fn a_scheme_is_taken_off_in_the_fix() {
        let cause = of("otlp", "http://jaeger:4317/v1", false).suspect(None, false).unwrap();
        assert_eq!(cause, Cause::EndpointWithScheme { host_and_port: "jaeger:4317".into() });
        assert!(cause.fix().contains("trace.otlp.endpoint to jaeger:4317"), "{}", cause.fix());
    }

    #[test]
    fn it_is_told_in_one_line_and_without_a_password() {
        assert_eq!(
            of("otlp", "jaeger:4317", false).sentence(),
            "exporter otlp to jaeger:4317 without TLS, sampleFraction 0"
        );
        assert_eq!(of("noop", "", true).sentence(), "exporter noop, sampleFraction 0");
        assert!(!of("otlp", "http://me:hunter2@jaeger:4317", true).sentence().contains("hunter2"));
        let cause = of("otlp", "http://me:hunter2@jaeger:4317", true).suspect(None, true).unwrap();
        assert!(!cause.fix().contains("hunter2"), "{}", cause.fix());
    }
}
