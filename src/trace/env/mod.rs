//! OpenTelemetry's environment variables, each resolved once to one value.
//!
//! Belongs here: every `OTEL_*` variable that counts (and the headers for Jaeger, which have none of its), what it may hold, and the warning where it holds something else.
//! Does not belong here: precedence over flags and the workload file (the caller lays these values over the file's), and
//! files that variables name (the exporter reads them).
//!
//! Invariant: a value that is not understood is never used and never silent; a secret is never in a warning. That each
//! variable does what it says is `tests/otel_env.rs`. Start with [`OtelEnv::read`].
//!
//! Source: OpenTelemetry specification, "Environment Variable Specification" and "OpenTelemetry Protocol Exporter".

mod headers;
mod pairs;
mod reader;
mod transport;

pub use headers::{HeadersError, JAEGER_HEADERS, jaeger_headers};

use super::endpoint::EndpointForm;
use super::exporter::{BatchLimits, Transport};
use crate::units::Fraction;
use reader::Reader;

/// A value and the variable that gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T> {
    pub value: T,
    pub variable: &'static str,
}

/// An endpoint as the environment names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvEndpoint {
    /// With its scheme.
    pub address: String,
    /// Exact where it is the traces' own variable.
    pub form: EndpointForm,
}

/// A variable whose value is not used as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvWarning {
    pub variable: &'static str,
    /// What it holds; `None` where that may be a secret.
    pub value: Option<String>,
    /// What it may hold, and what happens instead.
    pub accepted: String,
}

impl std::fmt::Display for EnvWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value:?} is not used as it stands", self.variable)?,
            None => write!(f, "{} is not used as it stands (its value is not shown)", self.variable)?,
        }
        write!(f, "; accepted: {}", self.accepted)
    }
}

/// What the environment says about tracing.
#[derive(Clone, Debug, Default)]
pub struct OtelEnv {
    /// Overrides `trace.enabled`; never `true`.
    pub enabled: Option<Named<bool>>,
    /// Overrides `trace.otlp_endpoint`.
    pub endpoint: Option<Named<EnvEndpoint>>,
    /// Overrides `trace.sample_fraction`.
    pub sample_fraction: Option<Named<Fraction>>,
    /// Overrides `trace.service_name`.
    pub service_name: Option<Named<String>>,
    /// Resource attributes without `service.name`, a key once.
    pub resource: Vec<(String, String)>,
    pub transport: Transport,
    pub limits: BatchLimits,
    /// What could not be used, in the order it was read.
    pub warnings: Vec<EnvWarning>,
}

impl OtelEnv {
    /// Reads every variable through `lookup`, which in earnest is `std::env::var(name).ok()`.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut reader = Reader::new(lookup);
        let enabled = enabled(&mut reader);
        let transport = transport::read(&mut reader);
        let endpoint = transport::endpoint(&mut reader, transport.protocol);
        let sample_fraction = sample_fraction(&mut reader);
        let (service_name, resource) = resource(&mut reader);
        let limits = limits(&mut reader);
        Self {
            enabled,
            endpoint,
            sample_fraction,
            service_name,
            resource,
            transport,
            limits,
            warnings: reader.warnings,
        }
    }
}

/// Both variables can only switch off: what is on by default needs no word.
fn enabled(reader: &mut Reader<'_>) -> Option<Named<bool>> {
    let disabled = reader.value("OTEL_SDK_DISABLED", "true or false", &boolean);
    let exporter = reader.value("OTEL_TRACES_EXPORTER", "otlp or none", &|text| match text {
        "none" => Some(false),
        "otlp" => Some(true),
        _ => None,
    });
    let off = |named: &Named<bool>| !named.value;
    disabled.map(|named| Named { value: !named.value, ..named }).filter(off).or(exporter.filter(off))
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn sample_fraction(reader: &mut Reader<'_>) -> Option<Named<Fraction>> {
    const ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
    // Requests are the roots of their traces, so that the parent-based samplers decide as the plain ones.
    let accepted = "always_on, always_off, traceidratio, each also with parentbased_ before it";
    let sampler = reader.value("OTEL_TRACES_SAMPLER", accepted, &|text| match text
        .strip_prefix("parentbased_")
        .unwrap_or(text)
    {
        "always_on" => Some(Some(Fraction::ONE)),
        "always_off" => Some(Some(Fraction::ZERO)),
        "traceidratio" => Some(None),
        _ => None,
    });
    let Some(Named { value: fixed, variable }) = sampler else {
        if let Some(text) = reader.text(ARG) {
            reader.warn(ARG, Some(text), "a fraction together with OTEL_TRACES_SAMPLER=traceidratio");
        }
        return None;
    };
    if let Some(value) = fixed {
        return Some(Named { value, variable });
    }
    let argument = reader.value(ARG, "a fraction from 0 to 1; 1 is used", &|text| {
        text.parse().ok().and_then(|share| Fraction::new(share).ok())
    });
    Some(argument.unwrap_or(Named { value: Fraction::ONE, variable }))
}

fn resource(reader: &mut Reader<'_>) -> (Option<Named<String>>, Vec<(String, String)>) {
    const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let mut resource: Vec<(String, String)> = Vec::new();
    if let Some(text) = reader.text(ATTRIBUTES) {
        match pairs::parse(&text).into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(pairs) => pairs.into_iter().for_each(|(key, value)| keep_last(&mut resource, key, value)),
            // All or nothing, as the resource specification says.
            Err(_) => {
                reader.warn(ATTRIBUTES, Some(text), "key=value,key=value, percent-encoded; all is ignored")
            }
        }
    }
    let of_attributes =
        resource.iter().position(|(key, _)| key == "service.name").map(|index| resource.remove(index));
    let name = reader.text("OTEL_SERVICE_NAME").map(|value| Named { value, variable: "OTEL_SERVICE_NAME" });
    let of_attributes = of_attributes.filter(|(_, value)| !value.is_empty());
    (name.or(of_attributes.map(|(_, value)| Named { value, variable: ATTRIBUTES })), resource)
}

/// Adds a pair; the last of a key counts.
fn keep_last<K: PartialEq, V>(pairs: &mut Vec<(K, V)>, key: K, value: V) {
    pairs.retain(|(other, _)| *other != key);
    pairs.push((key, value));
}

fn limits(reader: &mut Reader<'_>) -> BatchLimits {
    let defaults = BatchLimits::default();
    let queue = reader.count("OTEL_BSP_MAX_QUEUE_SIZE", BatchLimits::MOST_QUEUED).unwrap_or(defaults.queue);
    let most = BatchLimits::MOST_IN_BATCH.min(queue);
    let batch = reader.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", most).unwrap_or(defaults.batch.min(queue));
    BatchLimits {
        queue,
        batch,
        batch_bytes: defaults.batch_bytes,
        delay: reader.millis("OTEL_BSP_SCHEDULE_DELAY").unwrap_or(defaults.delay),
        export_timeout: reader.millis("OTEL_BSP_EXPORT_TIMEOUT").unwrap_or(defaults.export_timeout),
    }
}
