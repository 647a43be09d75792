//! OTLP over HTTP: the exporter of opentelemetry-otlp with every setting given, over `ureq` on the exporter's thread's
//! own pool for blocking work. Exports that are passed on are posted as they are, by the same client.
//!
//! The headers of the settings replace whatever opentelemetry-otlp has read from the environment by itself.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    Compression, Protocol as OtlpProtocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use prost::Message as _;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::ExportError;
use super::collector::{Refusal, Taken};
use super::queue::{PassedOn, Queued, lock, spans};
use super::rejected::{PartialSuccess, PartialSuccessWatch};
use super::settings::{ExportSettings, Transport};
use super::tls::{TlsPem, certificates};
use crate::trace::span::SpanTemplates;

/// A collector's answer is a few bytes; more than this is no collector.
const MOST_REPLY: u64 = 1 << 20;

/// A collector that is spoken to over HTTP.
pub(super) struct HttpExporter {
    exporter: SpanExporter,
    client: UreqClient,
    templates: SpanTemplates,
    watch: PartialSuccessWatch,
    /// Where to post.
    url: String,
}

impl HttpExporter {
    pub(super) fn new(
        settings: &ExportSettings,
        pem: Option<&TlsPem>,
        templates: SpanTemplates,
        resource: &Resource,
    ) -> Result<Self, ExportError> {
        let client =
            UreqClient::new(&settings.transport, pem).map_err(|error| ExportError::Tls(error.to_string()))?;
        let url = settings.endpoint.traces_url(settings.form);
        let builder = SpanExporter::builder()
            .with_http()
            .with_protocol(OtlpProtocol::HttpBinary)
            .with_endpoint(url.clone())
            .with_timeout(settings.transport.timeout)
            .with_http_client(client.clone())
            .with_retry_policy(RetryPolicy::recommended());
        let builder =
            if settings.transport.gzip { builder.with_compression(Compression::Gzip) } else { builder };
        let mut exporter = builder.build().map_err(|error| ExportError::Exporter(error.to_string()))?;
        exporter.set_resource(resource);
        Ok(Self { exporter, client, templates, watch: PartialSuccessWatch::default(), url })
    }

    /// What has to hear the events of the thread that exports.
    pub(super) fn watch(&self) -> PartialSuccessWatch {
        self.watch.clone()
    }

    /// Sends a batch, with the crate's own few retries where the status allows them.
    pub(super) async fn export(&self, batch: &[Queued]) -> Result<Taken, Refusal> {
        let (mut sent, mut told) = (0, PartialSuccess::default());
        let own: Vec<SpanData> = batch.iter().filter_map(|span| self.templates.build(span)).collect();
        if !own.is_empty() {
            sent += own.len();
            let _ = self.watch.take();
            self.exporter.export(own).await.map_err(|error| self.refusal(error))?;
            told = self.watch.take().unwrap_or_default();
        }
        let others: Vec<&PassedOn> = batch.iter().filter_map(Queued::passed_on).collect();
        if !others.is_empty() {
            sent += others.iter().map(|export| export.spans).sum::<usize>();
            let partial =
                self.post(others.iter().flat_map(|export| &export.bytes[..]).copied().collect()).await?;
            told.rejected = told.rejected.saturating_add(partial.rejected_spans);
            told.message.push_str(&partial.error_message);
        }
        let rejected = usize::try_from(told.rejected).unwrap_or(0).min(sent);
        let message = Some(told.message).filter(|words| !words.is_empty());
        Ok(Taken { rejected: rejected + spans(batch) - sent, message })
    }

    /// Posts what is encoded already.
    async fn post(&self, body: Bytes) -> Result<ExportTracePartialSuccess, Refusal> {
        let failed = |error: String| Refusal::Failed(format!("the export failed: {error}"));
        let request = Request::post(&self.url).header(CONTENT_TYPE, "application/x-protobuf").body(body);
        let request = request.map_err(|error| failed(error.to_string()))?;
        let reply = self.client.send_bytes(request).await.map_err(|error| failed(error.to_string()))?;
        match reply.status() {
            status if status.is_success() => {
                let answer = ExportTraceServiceResponse::decode(reply.into_body()).unwrap_or_default();
                Ok(answer.partial_success.unwrap_or_default())
            }
            StatusCode::PAYLOAD_TOO_LARGE => Err(Refusal::TooLarge("HTTP status 413".to_owned())),
            status => Err(failed(format!("HTTP status {}", status.as_u16()))),
        }
    }

    fn refusal(&self, error: OTelSdkError) -> Refusal {
        let words = match error {
            OTelSdkError::InternalFailure(words) => words,
            OTelSdkError::Timeout(limit) => return Refusal::TimedOut(limit),
            OTelSdkError::AlreadyShutdown => "the exporter is shut down".to_owned(),
        };
        let cause = self.client.take_cause();
        // The crate gives its errors as text alone; that this one is recognized is tested against a collector.
        if words.ends_with("status code: 413") {
            Refusal::TooLarge(words)
        } else {
            Refusal::Failed(cause.map_or(words.clone(), |cause| format!("{words}: {cause}")))
        }
    }
}

/// The client that opentelemetry-otlp posts its bodies with.
#[derive(Clone, Debug)]
struct UreqClient {
    agent: ureq::Agent,
    headers: Arc<Vec<(HeaderName, HeaderValue)>>,
    /// Why the last request failed; the exporter crate itself says only "network error".
    cause: Arc<Mutex<Option<String>>>,
}

impl UreqClient {
    fn new(transport: &Transport, pem: Option<&TlsPem>) -> Result<Self, ureq::Error> {
        let tls = pem.map(tls_config).transpose()?.unwrap_or_default();
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(transport.timeout))
            .http_status_as_error(false)
            // A redirected POST would lose its body, and could carry the headers to a stranger.
            .max_redirects(0)
            // gRPC goes straight to the collector, and so does this.
            .proxy(None)
            .tls_config(tls)
            .build();
        Ok(Self {
            agent: config.new_agent(),
            headers: Arc::new(transport.headers.clone()),
            cause: Arc::default(),
        })
    }

    /// Why the last request failed, since last asked.
    fn take_cause(&self) -> Option<String> {
        lock(&self.cause).take()
    }

    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (mut parts, body) = request.into_parts();
        parts.headers = self.headers_for(&parts.headers);
        let reply = self.agent.run(Request::from_parts(parts, &body[..]))?;
        let (parts, mut body) = reply.into_parts();
        let bytes = body.with_config().limit(MOST_REPLY).read_to_vec()?;
        Ok(Response::from_parts(parts, bytes.into()))
    }

    /// What describes the body, then the settings' own headers.
    fn headers_for(&self, given: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(super::USER_AGENT));
        for name in [CONTENT_TYPE, CONTENT_ENCODING] {
            if let Some(value) = given.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        for (name, value) in self.headers.iter() {
            headers.insert(name.clone(), value.clone());
        }
        headers
    }
}

type Reply<'r> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'r>>;

impl HttpClient for UreqClient {
    fn send_bytes<'life0, 'async_trait>(&'life0 self, request: Request<Bytes>) -> Reply<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let client = self.clone();
        Box::pin(async move {
            let cause = Arc::clone(&client.cause);
            let reply = tokio::task::spawn_blocking(move || client.post(request)).await;
            let reply = reply.map_err(HttpError::from).and_then(|reply| reply.map_err(HttpError::from));
            reply.inspect_err(|error| *lock(&cause) = Some(error.to_string()))
        })
    }
}

fn tls_config(pem: &TlsPem) -> Result<TlsConfig, ureq::Error> {
    let authorities = match &pem.authorities {
        Some(pem) => certificates(pem)?,
        None => native_authorities(),
    };
    let client = match &pem.client {
        Some((chain, key)) => {
            Some(ClientCert::new_with_certs(&certificates(chain)?, PrivateKey::from_pem(key)?))
        }
        None => None,
    };
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&authorities)).client_cert(client).build())
}

fn native_authorities() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}
