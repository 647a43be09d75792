//! The exporter's own variables: where spans go and how they travel. The traces' own variable beats the general one.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use super::reader::{MILLIS, Reader, millis};
use super::{EnvEndpoint, Named, boolean, headers, keep_last};
use crate::trace::endpoint::{Endpoint, EndpointForm, Protocol};
use crate::trace::exporter::{TlsFiles, Transport};

/// Protocol, headers, time limit, compression and certificates.
pub(super) fn read(reader: &mut Reader<'_>) -> Transport {
    let defaults = Transport::default();
    let protocol = reader.first(
        ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
        "grpc or http/protobuf",
        &|text| match text {
            "grpc" => Some(Protocol::Grpc),
            "http/protobuf" => Some(Protocol::HttpProtobuf),
            _ => None,
        },
    );
    let timeout =
        reader.first(["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"], MILLIS, &millis);
    let gzip = reader.first(
        ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"],
        "gzip or none",
        &|text| match text.to_ascii_lowercase().as_str() {
            "gzip" => Some(true),
            "none" => Some(false),
            _ => None,
        },
    );
    Transport {
        protocol: protocol.map_or(defaults.protocol, |named| named.value),
        headers: of_exporter(reader),
        timeout: timeout.map_or(defaults.timeout, |named| named.value),
        gzip: gzip.map_or(defaults.gzip, |named| named.value),
        tls: tls(reader),
    }
}

fn of_exporter(reader: &mut Reader<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let variables = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
    let set = variables.into_iter().find_map(|variable| Some((variable, reader.text(variable)?)));
    let Some((variable, text)) = set else { return Vec::new() };
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for header in headers::parse(&text) {
        match header {
            Ok((name, value)) => keep_last(&mut headers, name, value),
            Err(entry) => {
                let accepted = "name=value,name=value, percent-encoded, visible ASCII once decoded";
                reader.warn(variable, None, &format!("{accepted}; its entry {entry} is ignored"));
            }
        }
    }
    headers
}

fn tls(reader: &mut Reader<'_>) -> TlsFiles {
    let mut file = |variables| reader.first(variables, "a path", &|text| Some(PathBuf::from(text)));
    let certificate = file(["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"]);
    let key = file(["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"]);
    let client =
        file(["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"]);
    let client = match (client, key) {
        (Some(certificate), Some(key)) => Some((certificate.value, key.value)),
        (None, None) => None,
        (Some(alone), None) | (None, Some(alone)) => {
            let value = Some(alone.value.display().to_string());
            reader.warn(alone.variable, value, "the client's certificate and its key, both or neither");
            None
        }
    };
    TlsFiles { certificate: certificate.map(|named| named.value), client }
}

/// The endpoint and whether it is the traces' own.
pub(super) fn endpoint(reader: &mut Reader<'_>, protocol: Protocol) -> Option<Named<EnvEndpoint>> {
    let insecure = reader.first(
        ["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"],
        "true or false",
        &boolean,
    );
    // Without a scheme an endpoint of gRPC is a secure one, unless it is said to be otherwise.
    let scheme = if insecure.is_some_and(|named| named.value) { "http" } else { "https" };
    let forms = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", EndpointForm::Exact),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", EndpointForm::Base),
    ];
    for (variable, form) in forms {
        let Some(text) = reader.text(variable) else { continue };
        let address = match text.contains("://") || protocol == Protocol::HttpProtobuf {
            true => text.clone(),
            false => format!("{scheme}://{text}"),
        };
        match Endpoint::parse(&address) {
            Ok(_) => return Some(Named { value: EnvEndpoint { address, form }, variable }),
            Err(error) => {
                let shown = Some(text).filter(|text| !text.contains('@'));
                reader.warn(variable, shown, &format!("http(s)://host:port ({error})"));
            }
        }
    }
    None
}
