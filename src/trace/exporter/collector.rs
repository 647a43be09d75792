//! One collector: the exporter of opentelemetry-otlp with every setting given, and what its answers mean.
//!
//! What cannot be told: *which* spans of a batch were refused by a partial success; whether a batch whose answer never
//! came had arrived all the same (it counts as failed); and the words of a gRPC error, which the crate holds back since
//! they may repeat a token: its code alone is known.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    Compression, Protocol as OtlpProtocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
    WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint as TonicEndpoint};

use super::http::UreqClient;
use super::rejected::PartialSuccessWatch;
use super::settings::ExportSettings;
use super::tls::TlsPem;
use super::{ExportError, USER_AGENT};
use crate::trace::endpoint::Protocol;

/// A collector that spans can be sent to.
pub(super) struct Collector {
    exporter: SpanExporter,
    http: Option<UreqClient>,
    watch: PartialSuccessWatch,
    export_timeout: Duration,
}

/// What a collector has taken of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// Spans refused, 0 to the batch's length.
    pub(super) rejected: usize,
    /// What it had to say about it.
    pub(super) message: Option<String>,
}

/// Why nothing of a batch was taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Half of it may still pass.
    #[error("the batch is too large for the collector ({0})")]
    TooLarge(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

impl Collector {
    /// Has to be called within a tokio runtime; connects on first use.
    pub(super) fn new(settings: &ExportSettings, watch: PartialSuccessWatch) -> Result<Self, ExportError> {
        let pem = match settings.endpoint.is_tls() {
            true => Some(TlsPem::read(&settings.transport.tls)?),
            false => None,
        };
        let (mut exporter, http) = match settings.transport.protocol {
            Protocol::Grpc => (grpc(settings, pem.as_ref())?, None),
            Protocol::HttpProtobuf => {
                let client = UreqClient::new(&settings.transport, pem.as_ref())
                    .map_err(|error| ExportError::Tls(error.to_string()))?;
                (http(settings, client.clone())?, Some(client))
            }
        };
        exporter.set_resource(&resource(settings));
        Ok(Self { exporter, http, watch, export_timeout: settings.limits.export_timeout })
    }

    /// Sends a batch, with the crate's own few retries where the code allows them; bounded by the export timeout.
    pub(super) async fn send(&self, spans: Vec<SpanData>) -> Result<Taken, Refusal> {
        let length = spans.len();
        let _ = self.watch.take();
        let answer = tokio::time::timeout(self.export_timeout, self.exporter.export(spans)).await;
        match answer {
            Err(_) => Err(Refusal::TimedOut(self.export_timeout)),
            Ok(Err(error)) => Err(self.refusal(error)),
            Ok(Ok(())) => {
                let told = self.watch.take().unwrap_or_default();
                let rejected = usize::try_from(told.rejected).unwrap_or(0).min(length);
                Ok(Taken { rejected, message: Some(told.message).filter(|words| !words.is_empty()) })
            }
        }
    }

    fn refusal(&self, error: OTelSdkError) -> Refusal {
        let words = match error {
            OTelSdkError::InternalFailure(words) => words,
            OTelSdkError::Timeout(limit) => return Refusal::TimedOut(limit),
            OTelSdkError::AlreadyShutdown => "the exporter is shut down".to_owned(),
        };
        let cause = self.http.as_ref().and_then(UreqClient::take_cause);
        // The crate gives its errors as text alone; that these two are recognized is tested against a collector.
        if words.contains("gRPC code: ResourceExhausted") || words.ends_with("status code: 413") {
            Refusal::TooLarge(words)
        } else {
            Refusal::Failed(cause.map_or(words.clone(), |cause| format!("{words}: {cause}")))
        }
    }
}

fn grpc(settings: &ExportSettings, pem: Option<&TlsPem>) -> Result<SpanExporter, ExportError> {
    let headers = settings.transport.headers.iter().cloned().collect();
    let metadata = MetadataMap::from_headers(headers);
    // Comes after the crate has put in what it read from the environment by itself: ours are final.
    let only_ours = move |mut request: tonic::Request<()>| {
        *request.metadata_mut() = metadata.clone();
        Ok(request)
    };
    let builder = SpanExporter::builder()
        .with_tonic()
        .with_protocol(OtlpProtocol::Grpc)
        .with_timeout(settings.transport.timeout)
        .with_channel(channel(settings, pem)?)
        .with_interceptor(only_ours)
        .with_retry_policy(RetryPolicy::recommended());
    let builder = if settings.transport.gzip { builder.with_compression(Compression::Gzip) } else { builder };
    builder.build().map_err(|error| ExportError::Exporter(error.to_string()))
}

fn channel(settings: &ExportSettings, pem: Option<&TlsPem>) -> Result<Channel, ExportError> {
    let refuse = |error: tonic::transport::Error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        ExportError::Tls(format!("{error}{cause}"))
    };
    let endpoint = TonicEndpoint::from_shared(settings.endpoint.to_string())
        .and_then(|endpoint| endpoint.user_agent(USER_AGENT))
        .map_err(|error| ExportError::Exporter(error.to_string()))?
        .timeout(settings.transport.timeout)
        .connect_timeout(settings.transport.timeout);
    let endpoint = match pem {
        Some(pem) => endpoint.tls_config(pem.tonic()).map_err(refuse)?,
        None => endpoint,
    };
    Ok(endpoint.connect_lazy())
}

fn http(settings: &ExportSettings, client: UreqClient) -> Result<SpanExporter, ExportError> {
    let builder = SpanExporter::builder()
        .with_http()
        .with_protocol(OtlpProtocol::HttpBinary)
        .with_endpoint(settings.endpoint.traces_url(settings.form))
        .with_timeout(settings.transport.timeout)
        .with_http_client(client)
        .with_retry_policy(RetryPolicy::recommended());
    let builder = if settings.transport.gzip { builder.with_compression(Compression::Gzip) } else { builder };
    builder.build().map_err(|error| ExportError::Exporter(error.to_string()))
}

/// Built from nothing, since the SDK's ordinary builder reads the environment by itself.
fn resource(settings: &ExportSettings) -> Resource {
    let attributes = settings.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(attributes)
        .with_service_name(settings.service_name.clone())
        .build()
}
