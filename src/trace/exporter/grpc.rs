//! OTLP over gRPC: requests of our own encoding, sent with tonic.
//!
//! What cannot be told are the words of the collector's errors: they may repeat a token, so that its code alone is
//! known. Words of this side (a connection that was refused, a certificate that is not trusted) are told.

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use bytes::BufMut;
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, CompressionEncoding, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint as TonicEndpoint};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstDecoder;

use super::collector::{Refusal, Taken};
use super::encode::{Encoded, RequestEncoder};
use super::queue::{Queued, spans};
use super::retry::{Backoff, RetryDecision};
use super::settings::ExportSettings;
use super::tls::TlsPem;
use super::{ExportError, USER_AGENT};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// A flag and a length before a message of gRPC.
const PREFIX: usize = 5;

/// A collector that is spoken to over gRPC.
pub(super) struct GrpcExporter {
    client: Grpc<Channel>,
    headers: MetadataMap,
    encoder: RequestEncoder,
    /// For all attempts of an export together; of each alone, the channel's.
    timeout: Duration,
}

impl GrpcExporter {
    /// Has to be called within a tokio runtime; connects on first use.
    pub(super) fn new(
        settings: &ExportSettings,
        pem: Option<&TlsPem>,
        encoder: RequestEncoder,
    ) -> Result<Self, ExportError> {
        let client = Grpc::new(channel(settings, pem)?);
        let client = match settings.transport.gzip {
            true => {
                client.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip)
            }
            false => client,
        };
        let headers = MetadataMap::from_headers(settings.transport.headers.iter().cloned().collect());
        Ok(Self { client, headers, encoder, timeout: settings.transport.timeout })
    }

    /// Sends a batch, a few times where the collector's answer allows it.
    pub(super) async fn export(&mut self, batch: &[Queued]) -> Result<Taken, Refusal> {
        let request = self.encoder.request(batch);
        let end = Instant::now() + self.timeout;
        let mut backoff = Backoff::new();
        let answer = loop {
            // tonic's own limit ends with the headers of an answer and is each attempt's; this one is the export's.
            let attempt = tokio::time::timeout_at(end, self.attempt(request.clone())).await;
            let status = match attempt {
                Ok(Ok(answer)) => break answer,
                Ok(Err(status)) => status,
                Err(_) => return Err(Refusal::TimedOut(self.timeout)),
            };
            let left = end.saturating_duration_since(Instant::now());
            match backoff.next(RetryDecision::of(&status), jitter(), left) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(refusal(&status)),
            }
        };
        let told = answer.partial_success.unwrap_or_default();
        let rejected = usize::try_from(told.rejected_spans).unwrap_or(0).min(request.count);
        let message = Some(told.error_message).filter(|words| !words.is_empty());
        Ok(Taken { rejected: rejected + spans(batch) - request.count, message })
    }

    async fn attempt(&mut self, message: Encoded) -> Result<ExportTraceServiceResponse, Status> {
        self.client.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let codec = RequestCodec { bytes: PREFIX + message.bytes() };
        let mut request = Request::new(message);
        request.metadata_mut().clone_from(&self.headers);
        let answer = self.client.unary(request, PathAndQuery::from_static(EXPORT), codec).await;
        answer.map(Response::into_inner)
    }
}

fn channel(settings: &ExportSettings, pem: Option<&TlsPem>) -> Result<Channel, ExportError> {
    let refuse = |error: tonic::transport::Error| ExportError::Tls(chain(&error));
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

/// Spread over [`Backoff::JITTER`], by the standard library's own random keys.
fn jitter() -> Duration {
    let random = RandomState::new().hash_one(0);
    Duration::from_nanos(random % Backoff::JITTER.as_nanos() as u64)
}

fn refusal(status: &Status) -> Refusal {
    let code = status.code();
    // The status of a collector has no source; its message may be anything, and is not told.
    match status.source() {
        Some(source) => {
            Refusal::Failed(format!("the export failed with gRPC code {code:?}: {}", chain(source)))
        }
        None => match code {
            // One that says when to come again is busy.
            Code::ResourceExhausted if RetryDecision::of(status) == RetryDecision::Never => {
                Refusal::TooLarge(format!("gRPC code {code:?}"))
            }
            _ => Refusal::Failed(format!("the collector answered with gRPC code {code:?}")),
        },
    }
}

/// An error and its causes. What a collector says when it closes the connection is as much its own words as a status is:
/// the reason is told, the words are not.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        words.push(match error.downcast_ref::<h2::Error>() {
            Some(closed) if closed.is_go_away() => {
                let reason = closed.reason().map(|reason| reason.to_string()).unwrap_or_default();
                format!("the connection was closed: {reason}")
            }
            _ => error.to_string(),
        });
        next = error.source();
    }
    // Some repeat the words of their cause.
    words.dedup();
    words.join(": ")
}

/// Takes messages that are bytes already.
struct RequestCodec {
    /// What the message takes in gRPC's frame, so that tonic's buffer is allocated once.
    bytes: usize,
}

impl Codec for RequestCodec {
    type Encode = Encoded;
    type Decode = ExportTraceServiceResponse;
    type Encoder = RequestWriter;
    type Decoder = ProstDecoder<ExportTraceServiceResponse>;

    fn encoder(&mut self) -> RequestWriter {
        RequestWriter { bytes: self.bytes }
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::default()
    }
}

struct RequestWriter {
    bytes: usize,
}

impl Encoder for RequestWriter {
    type Item = Encoded;
    type Error = Status;

    fn encode(&mut self, message: Encoded, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&message.head);
        out.put_slice(&message.spans);
        out.put_slice(&message.passed_on);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(self.bytes, self.bytes)
    }
}
