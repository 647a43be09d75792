//! Everything an exporter has to know, resolved: nothing is looked up once it runs.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::trace::endpoint::{Endpoint, EndpointError, EndpointForm, Protocol};
use crate::trace::env::OtelEnv;

/// Where spans go, in whose name, how and in what portions.
#[derive(Clone, Debug)]
pub struct ExportSettings {
    pub endpoint: Endpoint,
    /// Whether `/v1/traces` is still to be appended over HTTP.
    pub form: EndpointForm,
    /// `service.name`.
    pub service_name: String,
    /// Other resource attributes, a key once.
    pub resource: Vec<(String, String)>,
    pub transport: Transport,
    pub limits: BatchLimits,
}

impl ExportSettings {
    /// Puts together the endpoint and names in force (the caller has laid environment over file already) with what only
    /// the environment decides. Resource attributes of the environment replace those of the same key.
    ///
    /// # Errors
    /// Where the endpoint is no address of a collector.
    pub fn new(
        endpoint: &str,
        service_name: &str,
        resource: &[(String, String)],
        env: &OtelEnv,
    ) -> Result<Self, EndpointError> {
        let form = match &env.endpoint {
            Some(named) if named.value.address == endpoint => named.value.form,
            _ => EndpointForm::Base,
        };
        let of_env = |key: &str| env.resource.iter().any(|(other, _)| other == key);
        let mut attributes: Vec<_> = resource.iter().filter(|(key, _)| !of_env(key)).cloned().collect();
        attributes.extend(env.resource.iter().cloned());
        Ok(Self {
            endpoint: Endpoint::parse(endpoint)?,
            form,
            service_name: service_name.to_owned(),
            resource: attributes,
            transport: env.transport.clone(),
            limits: env.limits,
        })
    }
}

/// How spans travel.
#[derive(Clone, Debug)]
pub struct Transport {
    pub protocol: Protocol,
    /// Sent along with every export. Their values are secrets: marked sensitive, so that `Debug` does not show them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long one attempt may take, above 0.
    pub timeout: Duration,
    pub gzip: bool,
    /// PEM files for an https endpoint.
    pub tls: TlsFiles,
}

/// No headers, no compression, gRPC, 10 s an attempt: the defaults of the OTLP exporter specification.
impl Default for Transport {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            gzip: false,
            tls: TlsFiles::default(),
        }
    }
}

/// PEM files; `None` stands for the system's authorities, and for no client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities to trust in place of the system's.
    pub certificate: Option<PathBuf>,
    /// The client's own certificate and its key, in this order.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// How many spans wait, and how many go at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Spans that may wait, 1 to [`BatchLimits::MOST_QUEUED`]; one more is dropped. In bytes: [`BatchLimits::most_bytes`].
    pub queue: usize,
    /// Spans in one export, 1 to [`BatchLimits::MOST_IN_BATCH`].
    pub batch: usize,
    /// Estimated encoded bytes after which an export is full.
    pub batch_bytes: usize,
    /// How long a span may wait for company.
    pub delay: Duration,
    /// How long an export may take with all its attempts.
    pub export_timeout: Duration,
}

impl BatchLimits {
    /// The queue is allocated at the start, so it has a bound: some 50 MB.
    pub const MOST_QUEUED: usize = 262_144;
    /// Jaeger's collector refuses messages of more than 4 MiB whole; this many of our spans stay well below.
    pub const MOST_IN_BATCH: usize = 2_048;
}

/// The SDK's 2,048 spans of queue lose half of all spans at a slow collector, hence larger defaults than its.
impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            queue: 65_536,
            batch: Self::MOST_IN_BATCH,
            batch_bytes: 2 << 20,
            delay: Duration::from_secs(1),
            export_timeout: Duration::from_secs(30),
        }
    }
}
