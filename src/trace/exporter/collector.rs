//! One collector, over gRPC or HTTP: what it is sent, and what its answers mean.
//!
//! What cannot be told: *which* spans of a batch were refused by a partial success, and whether a batch whose answer never
//! came had arrived all the same (it counts as failed).

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use super::ExportError;
use super::encode::RequestEncoder;
use super::grpc::GrpcExporter;
use super::http::HttpExporter;
use super::queue::Queued;
use super::rejected::PartialSuccessWatch;
use super::settings::ExportSettings;
use super::tls::TlsPem;
use crate::trace::endpoint::Protocol;
use crate::trace::span::SpanTemplates;

/// A collector that spans can be sent to.
pub(super) struct Collector {
    way: Way,
    export_timeout: Duration,
}

enum Way {
    Grpc(Box<GrpcExporter>),
    Http(Box<HttpExporter>),
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
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

impl Collector {
    /// Has to be called within a tokio runtime; connects on first use.
    pub(super) fn new(settings: &ExportSettings, templates: &SpanTemplates) -> Result<Self, ExportError> {
        let pem = match settings.endpoint.is_tls() {
            true => Some(TlsPem::read(&settings.transport.tls)?),
            false => None,
        };
        let (pem, resource, templates) = (pem.as_ref(), resource(settings), templates.clone());
        let way = match settings.transport.protocol {
            Protocol::Grpc => {
                let encoder = RequestEncoder::new(templates, &resource);
                Way::Grpc(Box::new(GrpcExporter::new(settings, pem, encoder)?))
            }
            Protocol::HttpProtobuf => {
                Way::Http(Box::new(HttpExporter::new(settings, pem, templates, &resource)?))
            }
        };
        Ok(Self { way, export_timeout: settings.limits.export_timeout })
    }

    /// What has to hear the events of the thread that sends, where the exporter used tells by these what was refused.
    pub(super) fn watch(&self) -> Option<PartialSuccessWatch> {
        match &self.way {
            Way::Grpc(_) => None,
            Way::Http(exporter) => Some(exporter.watch()),
        }
    }

    /// Sends a batch, with a few retries where the code allows them; bounded by the export timeout.
    pub(super) async fn send(&mut self, batch: &[Queued]) -> Result<Taken, Refusal> {
        let export = async {
            match &mut self.way {
                Way::Grpc(exporter) => exporter.export(batch).await,
                Way::Http(exporter) => exporter.export(batch).await,
            }
        };
        let answer = tokio::time::timeout(self.export_timeout, export).await;
        answer.unwrap_or(Err(Refusal::TimedOut(self.export_timeout)))
    }
}

/// Built from nothing, since the SDK's ordinary builder reads the environment by itself.
pub(super) fn resource(settings: &ExportSettings) -> Resource {
    let attributes = settings.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(attributes)
        .with_service_name(settings.service_name.clone())
        .build()
}
