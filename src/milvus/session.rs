//! The control session: the calls around the measurement, over the ordinary tonic client.
//!
//! Every call checks Milvus's own status inside gRPC OK, so a value returned from here is a success.

use std::cell::RefCell;
use std::time::Duration;

use http::HeaderValue;
use hyper_util::rt::TokioIo;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use super::dial::{DialError, Dialer};
use super::errors::MilvusError;
use super::headers::CallHeaders;
use super::proto::common;
use super::proto::milvus as pb;
use super::proto::milvus::milvus_service_client::MilvusServiceClient;
use super::transport::shake_hands;
use crate::grpc;

/// Largest control message taken: the 256 MiB that a 2.5 server may send.
const MAX_MESSAGE: usize = 256 << 20;
/// How long one control call may take. LoadCollection and CreateIndex of 2.3 answer at once and work on behind.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

type Client = MilvusServiceClient<Channel>;

/// A connection for control calls.
pub struct Session {
    client: Client,
    headers: CallHeaders,
    /// The `traceparent` of the calls that follow; set-up sets it step by step.
    traceparent: RefCell<Option<HeaderValue>>,
}

impl Session {
    /// Dials and shakes hands; does not call yet.
    ///
    /// # Errors
    /// Where no connection comes about.
    pub async fn connect(dialer: &Dialer, headers: CallHeaders) -> Result<Self, MilvusError> {
        // Dialled once here, only to fail with our own clear error; tonic wraps its connector's.
        let (stream, peer) = dialer.dial_any().await?;
        drop(shake_hands(stream, peer).await?);
        let origin = format!("{}://{}", dialer.scheme(), dialer.authority());
        let invalid = |error: &dyn std::fmt::Display| MilvusError::Grpc {
            call: "connect",
            code: grpc::INTERNAL,
            message: error.to_string(),
        };
        let uri: http::Uri = origin.parse().map_err(|e: http::uri::InvalidUri| invalid(&e))?;
        // The connector brings TLS itself, so tonic is told plain http; the origin keeps :scheme right.
        let endpoint = Endpoint::from_shared(format!("http://{}", dialer.authority()))
            .map_err(|e| invalid(&e))?
            .origin(uri)
            .timeout(CALL_TIMEOUT);
        let dialer = dialer.clone();
        let connector = tower::service_fn(move |_: http::Uri| {
            let dialer = dialer.clone();
            async move { Ok::<_, DialError>(TokioIo::new(dialer.dial_any().await?.0)) }
        });
        let channel = endpoint.connect_with_connector(connector).await.map_err(|e| invalid(&e))?;
        let client = Client::new(channel)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        Ok(Self { client, headers, traceparent: RefCell::new(None) })
    }

    /// Sets the `traceparent` of the calls that follow; `None` sends none.
    pub fn set_traceparent(&self, value: Option<HeaderValue>) {
        *self.traceparent.borrow_mut() = value;
    }

    /// The server's version text, such as `v2.3.5`.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn version(&self) -> Result<String, MilvusError> {
        let call = async |mut c: Client, r| c.get_version(r).await;
        Ok(self.call("GetVersion", pb::GetVersionRequest {}, call).await?.version)
    }

    /// Creates a collection from an encoded schema.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn create_collection(&self, request: pb::CreateCollectionRequest) -> Result<(), MilvusError> {
        let call = async |mut c: Client, r| c.create_collection(r).await;
        self.call("CreateCollection", request, call).await.map(drop)
    }

    /// Drops a collection.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn drop_collection(&self, collection: &str) -> Result<(), MilvusError> {
        let request =
            pb::DropCollectionRequest { db_name: String::new(), collection_name: collection.to_owned() };
        let call = async |mut c: Client, r| c.drop_collection(r).await;
        self.call("DropCollection", request, call).await.map(drop)
    }

    /// Whether the collection exists.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn has_collection(&self, collection: &str) -> Result<bool, MilvusError> {
        let request =
            pb::HasCollectionRequest { db_name: String::new(), collection_name: collection.to_owned() };
        let call = async |mut c: Client, r| c.has_collection(r).await;
        Ok(self.call("HasCollection", request, call).await?.value)
    }

    /// Schema, shards and properties.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn describe_collection(
        &self,
        collection: &str,
    ) -> Result<pb::DescribeCollectionResponse, MilvusError> {
        let request =
            pb::DescribeCollectionRequest { db_name: String::new(), collection_name: collection.to_owned() };
        let call = async |mut c: Client, r| c.describe_collection(r).await;
        self.call("DescribeCollection", request, call).await
    }

    /// Starts building an index.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn create_index(&self, request: pb::CreateIndexRequest) -> Result<(), MilvusError> {
        let call = async |mut c: Client, r| c.create_index(r).await;
        self.call("CreateIndex", request, call).await.map(drop)
    }

    /// The indexes of a collection; none is not an error.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn describe_indexes(&self, collection: &str) -> Result<Vec<pb::IndexDescription>, MilvusError> {
        let request = pb::DescribeIndexRequest {
            collection_name: collection.to_owned(),
            ..pb::DescribeIndexRequest::default()
        };
        let call = async |mut c: Client, r| c.describe_index(r).await;
        match self.call("DescribeIndex", request, call).await {
            Ok(answer) => Ok(answer.index_descriptions),
            Err(error) if error.is_code(super::errors::INDEX_NOT_FOUND) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Starts loading.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn load_collection(&self, collection: &str, replicas: u32) -> Result<(), MilvusError> {
        let request = pb::LoadCollectionRequest {
            collection_name: collection.to_owned(),
            replica_number: replicas as i32,
            ..pb::LoadCollectionRequest::default()
        };
        let call = async |mut c: Client, r| c.load_collection(r).await;
        self.call("LoadCollection", request, call).await.map(drop)
    }

    /// Load and refresh progress, 0 to 100 each.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn loading_progress(&self, collection: &str) -> Result<(i64, i64), MilvusError> {
        let request = pb::GetLoadingProgressRequest {
            collection_name: collection.to_owned(),
            ..pb::GetLoadingProgressRequest::default()
        };
        let call = async |mut c: Client, r| c.get_loading_progress(r).await;
        let answer = self.call("GetLoadingProgress", request, call).await?;
        Ok((answer.progress, answer.refresh_progress))
    }

    /// Whether the collection is loaded, loading, or neither.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn load_state(&self, collection: &str) -> Result<common::LoadState, MilvusError> {
        let request = pb::GetLoadStateRequest {
            collection_name: collection.to_owned(),
            ..pb::GetLoadStateRequest::default()
        };
        let call = async |mut c: Client, r| c.get_load_state(r).await;
        Ok(self.call("GetLoadState", request, call).await?.state())
    }

    /// Seals what is growing and starts writing it out.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn flush(&self, collection: &str) -> Result<pb::FlushResponse, MilvusError> {
        let request =
            pb::FlushRequest { db_name: String::new(), collection_names: vec![collection.to_owned()] };
        let call = async |mut c: Client, r| c.flush(r).await;
        self.call("Flush", request, call).await
    }

    /// Whether a flush is over.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn flush_state(&self, request: pb::GetFlushStateRequest) -> Result<bool, MilvusError> {
        let call = async |mut c: Client, r| c.get_flush_state(r).await;
        Ok(self.call("GetFlushState", request, call).await?.flushed)
    }

    /// Starts a compaction; its ID.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn compact(&self, collection_id: i64) -> Result<i64, MilvusError> {
        let request = pb::ManualCompactionRequest { collection_id, timetravel: 0 };
        let call = async |mut c: Client, r| c.manual_compaction(r).await;
        Ok(self.call("ManualCompaction", request, call).await?.compaction_id)
    }

    /// Whether a compaction is over.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn compaction_done(&self, compaction_id: i64) -> Result<bool, MilvusError> {
        let request = pb::GetCompactionStateRequest { compaction_id };
        let call = async |mut c: Client, r| c.get_compaction_state(r).await;
        let answer = self.call("GetCompactionState", request, call).await?;
        Ok(answer.state() == common::CompactionState::Completed)
    }

    /// Segments as the query nodes hold them.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn query_segments(&self, collection: &str) -> Result<Vec<pb::QuerySegmentInfo>, MilvusError> {
        let request =
            pb::GetQuerySegmentInfoRequest { db_name: String::new(), collection_name: collection.to_owned() };
        let call = async |mut c: Client, r| c.get_query_segment_info(r).await;
        Ok(self.call("GetQuerySegmentInfo", request, call).await?.infos)
    }

    /// A scalar query.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn query(&self, request: pb::QueryRequest) -> Result<pb::QueryResults, MilvusError> {
        let call = async |mut c: Client, r| c.query(r).await;
        self.call("Query", request, call).await
    }

    async fn call<Req, Res: HasStatus>(
        &self,
        name: &'static str,
        message: Req,
        send: impl AsyncFnOnce(Client, Request<Req>) -> Result<Response<Res>, Status>,
    ) -> Result<Res, MilvusError> {
        let mut request = Request::new(message);
        for (key, value) in self.headers.iter() {
            // Both are HTTP header values already; conversion cannot lose anything.
            if let Ok(value) = MetadataValue::try_from(value.as_bytes()) {
                request.metadata_mut().insert(key, value);
            }
        }
        if let Some(value) = self.traceparent.borrow().as_ref()
            && let Ok(value) = MetadataValue::try_from(value.as_bytes())
        {
            request.metadata_mut().insert("traceparent", value);
        }
        let answer = send(self.client.clone(), request).await.map_err(|status| MilvusError::Grpc {
            call: name,
            code: status.code() as i32 as u8,
            message: with_causes(&status),
        })?;
        let answer = answer.into_inner();
        match answer.status() {
            Some(status) if status.code != 0 || status.error_code != 0 => Err(MilvusError::Server {
                call: name,
                code: if status.code != 0 { status.code } else { status.error_code },
                reason: status.reason.clone(),
            }),
            // Proto3 leaves an all-default status out on the wire in some servers: absent is success.
            _ => Ok(answer),
        }
    }
}

/// The status's words, and where it is the transport's own ("transport error") those of what is behind it.
fn with_causes(status: &Status) -> String {
    let mut message = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let words = error.to_string();
        if !message.contains(&words) {
            message = format!("{message}: {words}");
        }
        cause = error.source();
    }
    message
}

trait HasStatus {
    fn status(&self) -> Option<&common::Status>;
}

impl HasStatus for common::Status {
    fn status(&self) -> Option<&common::Status> {
        Some(self)
    }
}

macro_rules! has_status {
    ($($answer:ident),*) => {$(
        impl HasStatus for pb::$answer {
            fn status(&self) -> Option<&common::Status> {
                self.status.as_ref()
            }
        }
    )*};
}

has_status!(
    GetVersionResponse,
    BoolResponse,
    DescribeCollectionResponse,
    DescribeIndexResponse,
    GetLoadingProgressResponse,
    GetLoadStateResponse,
    FlushResponse,
    GetFlushStateResponse,
    ManualCompactionResponse,
    GetCompactionStateResponse,
    GetQuerySegmentInfoResponse,
    QueryResults
);
