//! Secrets that would leave this machine unencrypted.

use crate::trace::endpoint::Endpoint;

use super::machine::is_here;
use super::settings::Settings;

impl Settings {
    /// What to warn of before anything is sent: a token, or headers for the collector, over plain http to another machine.
    pub fn plaintext_secrets(&self) -> Vec<String> {
        let target = &self.workload.target;
        let token =
            target.uri.as_ref().filter(|uri| target.token.is_some() && !uri.tls && !is_here(&uri.host));
        let token = token.map(|uri| {
            format!("the token goes to {uri} unencrypted, for all on the way to read; use https:// where the server speaks TLS")
        });
        let trace = &self.workload.trace;
        let carries_headers = trace.enabled && !self.otel.transport.headers.is_empty();
        let collector = Endpoint::parse(&trace.otlp_endpoint)
            .ok()
            .filter(|endpoint| carries_headers && !endpoint.is_tls() && !is_here(endpoint.host()));
        let headers = collector.map(|endpoint| {
            format!("the OTLP headers go to {endpoint} unencrypted, for all on the way to read; use https:// where the collector speaks TLS")
        });
        token.into_iter().chain(headers).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::trace::env::OtelEnv;
    use crate::workload::{Secret, load_text};

    use super::*;

    fn warnings(uri: &str, token: bool, collector: &str, headers: bool) -> Vec<String> {
        let text = format!(
            "[target]\nuri = \"{uri}\"\n[trace]\notlp_endpoint = \"{collector}\"\n[load]\nrate = 1\n\
             [[operations]]\nkind = \"search\"\n"
        );
        let mut workload = load_text("w", &text, &[]).unwrap();
        workload.target.token = token.then(|| Secret::new("root:hidden".to_owned()));
        let variable = |name: &str| {
            (headers && name == "OTEL_EXPORTER_OTLP_HEADERS").then(|| "authorization=hidden".to_owned())
        };
        let otel = OtelEnv::read(&variable);
        Settings { workload, otel, notices: vec![] }.plaintext_secrets()
    }

    const HERE: &str = "http://localhost:4317";

    #[test]
    fn a_token_over_plain_http_is_warned_of_only_where_it_leaves_this_machine() {
        for uri in ["http://milvus.example", "milvus.example:19530", "tcp://203.0.113.7"] {
            let warnings = warnings(uri, true, HERE, false);
            assert!(
                matches!(&warnings[..], [one] if one.contains("https://") && !one.contains("hidden")),
                "{uri}: {warnings:?}"
            );
        }
        for uri in
            ["https://milvus.example", "http://localhost", "http://127.0.0.1:19530", "http://[::1]:19530"]
        {
            assert_eq!(warnings(uri, true, HERE, false), [""; 0], "{uri}");
        }
        assert_eq!(warnings("http://milvus.example", false, HERE, false), [""; 0]);
    }

    #[test]
    fn so_are_headers_for_a_collector() {
        let uri = "http://localhost";
        let warned = warnings(uri, false, "http://otel.example:4317", true);
        assert!(
            matches!(&warned[..], [one] if one.contains("otel.example") && !one.contains("hidden")),
            "{warned:?}"
        );
        for (collector, headers) in
            [(HERE, true), ("https://otel.example", true), ("http://otel.example:4317", false)]
        {
            assert_eq!(warnings(uri, false, collector, headers), [""; 0], "{collector}");
        }
    }
}
