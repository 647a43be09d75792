//! The collections of a truth server: enough of Milvus's control calls for a tool to prepare a collection and to see it
//! ready. Names are taken over all databases alike; rows are counted, not kept; everything is done at once.

use std::collections::HashMap;

use bytes::Bytes;
use prost::{DecodeError, Message};

use crate::milvus::proto::{common, milvus, schema};

use super::body::Body;
use super::collection::{Collection, Index};
use super::replies::{column, failure, framed, refusal, success};
use super::rpc::Rpc;
use super::script::Existing;

/// Milvus's code for a collection that is not there.
const COLLECTION_NOT_FOUND: i32 = 100;
/// Milvus's code for an index that is not there.
const INDEX_NOT_FOUND: i32 = 700;
/// Milvus's code for a parameter that makes no sense.
const INVALID_PARAMETER: i32 = 1_100;

/// What GetVersion says.
pub(super) const VERSION: &str = "truth-1";

/// All collections.
#[derive(Debug)]
pub(super) struct Catalog {
    existing: Option<Existing>,
    /// `None`: dropped, so that one that existed from the start does not come back.
    collections: HashMap<String, Option<Collection>>,
    last_id: i64,
}

/// A call that Milvus refuses: code and reason.
type Refused = common::Status;

impl Catalog {
    pub(super) fn new(existing: Option<Existing>) -> Self {
        Self { existing, collections: HashMap::new(), last_id: 0 }
    }

    /// Counts rows into a collection; one that is not there is left alone, for the null server takes every insert.
    pub(super) fn insert(&mut self, collection: &str, rows: u32) {
        if let Ok(collection) = self.find(collection) {
            collection.rows += i64::from(rows);
        }
    }

    /// The framed reply to a control call; `None` where `rpc` is none.
    ///
    /// # Errors
    /// Where the request cannot be decoded.
    pub(super) fn answer(&mut self, rpc: Rpc, body: Body) -> Result<Option<Bytes>, DecodeError> {
        let reply = match rpc {
            Rpc::Connect => connect(),
            Rpc::GetVersion => {
                framed(&milvus::GetVersionResponse { status: success(), version: VERSION.into() })
            }
            Rpc::CheckHealth => {
                framed(&milvus::CheckHealthResponse { status: success(), is_healthy: true, reasons: vec![] })
            }
            Rpc::CreateCollection => self.create(Message::decode(body)?)?,
            Rpc::DropCollection => self.drop(milvus::DropCollectionRequest::decode(body)?),
            Rpc::HasCollection => self.has(&milvus::HasCollectionRequest::decode(body)?.collection_name),
            Rpc::DescribeCollection => reply(rpc, self.describe(Message::decode(body)?)),
            Rpc::LoadCollection => reply(rpc, self.load(Message::decode(body)?)),
            Rpc::GetLoadingProgress => reply(rpc, self.loading_progress(Message::decode(body)?)),
            Rpc::GetLoadState => self.load_state(Message::decode(body)?),
            Rpc::CreateIndex => reply(rpc, self.create_index(Message::decode(body)?)),
            Rpc::DescribeIndex => reply(rpc, self.describe_index(Message::decode(body)?)),
            Rpc::Flush => reply(rpc, self.flush(Message::decode(body)?)),
            Rpc::GetFlushState => framed(&milvus::GetFlushStateResponse { status: success(), flushed: true }),
            Rpc::ManualCompaction => framed(&milvus::ManualCompactionResponse {
                status: success(),
                compaction_id: 1,
                compaction_plan_count: 0,
            }),
            Rpc::GetCompactionState => framed(&milvus::GetCompactionStateResponse {
                status: success(),
                state: common::CompactionState::Completed as i32,
                ..Default::default()
            }),
            Rpc::GetPersistentSegmentInfo => reply(rpc, self.persistent_segments(Message::decode(body)?)),
            Rpc::GetQuerySegmentInfo => reply(rpc, self.query_segments(Message::decode(body)?)),
            Rpc::Search | Rpc::Query | Rpc::Insert | Rpc::Other => return Ok(None),
        };
        Ok(Some(reply))
    }

    fn find(&mut self, name: &str) -> Result<&mut Collection, Refused> {
        if !self.collections.contains_key(name)
            && let Some(existing) = self.existing.clone()
        {
            self.last_id += 1;
            self.collections
                .insert(name.to_owned(), Some(Collection::existing(self.last_id, name, &existing)));
        }
        let found = self.collections.get_mut(name).and_then(Option::as_mut);
        found.ok_or_else(|| failure(COLLECTION_NOT_FOUND, format!("collection not found[collection={name}]")))
    }

    fn create(&mut self, request: milvus::CreateCollectionRequest) -> Result<Bytes, DecodeError> {
        let schema = schema::CollectionSchema::decode(request.schema)?;
        if self.find(&request.collection_name).is_ok() {
            let reason = format!("collection {} is there already", request.collection_name);
            return Ok(framed(&failure(INVALID_PARAMETER, reason)));
        }
        self.last_id += 1;
        let collection = Collection {
            id: self.last_id,
            schema,
            shards: request.shards_num.max(1),
            consistency: request.consistency_level,
            properties: request.properties,
            indexes: vec![],
            loaded: false,
            rows: 0,
        };
        self.collections.insert(request.collection_name, Some(collection));
        Ok(framed(&common::Status::default()))
    }

    /// Dropping what is not there succeeds, as Milvus has it.
    fn drop(&mut self, request: milvus::DropCollectionRequest) -> Bytes {
        self.collections.insert(request.collection_name, None);
        framed(&common::Status::default())
    }

    fn has(&mut self, name: &str) -> Bytes {
        framed(&milvus::BoolResponse { status: success(), value: self.find(name).is_ok() })
    }

    fn describe(
        &mut self,
        request: milvus::DescribeCollectionRequest,
    ) -> Result<milvus::DescribeCollectionResponse, Refused> {
        let collection = self.find(&request.collection_name)?;
        Ok(milvus::DescribeCollectionResponse {
            status: success(),
            schema: Some(collection.schema.clone()),
            collection_id: collection.id,
            virtual_channel_names: (0..collection.shards).map(|shard| format!("truth-v{shard}")).collect(),
            shards_num: collection.shards,
            consistency_level: collection.consistency,
            collection_name: request.collection_name,
            properties: collection.properties.clone(),
            db_name: request.db_name,
            num_partitions: 1,
        })
    }

    fn load(&mut self, request: milvus::LoadCollectionRequest) -> Result<common::Status, Refused> {
        let collection = self.find(&request.collection_name)?;
        if collection.indexes.is_empty() {
            return Err(failure(INDEX_NOT_FOUND, format!("index not found[{}]", request.collection_name)));
        }
        collection.loaded = true;
        Ok(common::Status::default())
    }

    fn loading_progress(
        &mut self,
        request: milvus::GetLoadingProgressRequest,
    ) -> Result<milvus::GetLoadingProgressResponse, Refused> {
        let progress = if self.find(&request.collection_name)?.loaded { 100 } else { 0 };
        Ok(milvus::GetLoadingProgressResponse { status: success(), progress, refresh_progress: progress })
    }

    fn load_state(&mut self, request: milvus::GetLoadStateRequest) -> Bytes {
        let state = match self.find(&request.collection_name) {
            Err(_) => common::LoadState::NotExist,
            Ok(Collection { loaded: false, .. }) => common::LoadState::NotLoad,
            Ok(Collection { loaded: true, .. }) => common::LoadState::Loaded,
        };
        framed(&milvus::GetLoadStateResponse { status: success(), state: state as i32 })
    }

    fn create_index(&mut self, request: milvus::CreateIndexRequest) -> Result<common::Status, Refused> {
        let collection = self.find(&request.collection_name)?;
        if !collection.schema.fields.iter().any(|field| field.name == request.field_name) {
            let reason = format!("no field {:?} in {}", request.field_name, request.collection_name);
            return Err(failure(INVALID_PARAMETER, reason));
        }
        let name = if request.index_name.is_empty() { &request.field_name } else { &request.index_name };
        collection.indexes.retain(|index| index.name != *name);
        collection.indexes.push(Index {
            name: name.clone(),
            field: request.field_name,
            params: request.extra_params,
        });
        Ok(common::Status::default())
    }

    fn describe_index(
        &mut self,
        request: milvus::DescribeIndexRequest,
    ) -> Result<milvus::DescribeIndexResponse, Refused> {
        let collection = self.find(&request.collection_name)?;
        let asked = |asked: &str, name: &str| asked.is_empty() || asked == name;
        let found = collection.indexes.iter().filter(|index| {
            asked(&request.field_name, &index.field) && asked(&request.index_name, &index.name)
        });
        let index_descriptions: Vec<_> = found.map(|index| index.describe(collection.rows)).collect();
        if index_descriptions.is_empty() {
            return Err(failure(INDEX_NOT_FOUND, format!("index not found[{}]", request.collection_name)));
        }
        Ok(milvus::DescribeIndexResponse { status: success(), index_descriptions })
    }

    fn flush(&mut self, request: milvus::FlushRequest) -> Result<milvus::FlushResponse, Refused> {
        let mut reply = milvus::FlushResponse { status: success(), ..Default::default() };
        for name in request.collection_names {
            let collection = self.find(&name)?;
            let sealed = schema::LongArray { data: collection.segment().into_iter().collect() };
            reply.coll_seg_i_ds.insert(name.clone(), sealed);
            reply.flush_coll_seg_i_ds.insert(name.clone(), schema::LongArray::default());
            reply.coll_seal_times.insert(name.clone(), collection.rows);
            // A logical time that grows with what was written before it; GetFlushState asks for no more.
            reply.coll_flush_ts.insert(name, collection.rows.unsigned_abs());
        }
        Ok(reply)
    }

    fn persistent_segments(
        &mut self,
        request: milvus::GetPersistentSegmentInfoRequest,
    ) -> Result<milvus::GetPersistentSegmentInfoResponse, Refused> {
        let collection = self.find(&request.collection_name)?;
        let segment = |segment_id| milvus::PersistentSegmentInfo {
            segment_id,
            collection_id: collection.id,
            partition_id: 1,
            num_rows: collection.rows,
            state: common::SegmentState::Flushed as i32,
        };
        let infos = collection.segment().map(segment).into_iter().collect();
        Ok(milvus::GetPersistentSegmentInfoResponse { status: success(), infos })
    }

    fn query_segments(
        &mut self,
        request: milvus::GetQuerySegmentInfoRequest,
    ) -> Result<milvus::GetQuerySegmentInfoResponse, Refused> {
        let collection = self.find(&request.collection_name)?;
        let segment = |segment_id| milvus::QuerySegmentInfo {
            segment_id,
            num_rows: collection.rows,
            index_name: collection.indexes.first().map(|index| index.name.clone()).unwrap_or_default(),
            index_id: 1,
            state: common::SegmentState::Sealed as i32,
            node_ids: vec![1],
            ..Default::default()
        };
        let infos = collection.segment().filter(|_| collection.loaded).map(segment).into_iter().collect();
        Ok(milvus::GetQuerySegmentInfoResponse { status: success(), infos })
    }

    /// The answer to `count(*)`: all rows, whatever the filter.
    pub(super) fn count(&mut self, name: &str) -> Bytes {
        let counted = self.find(name).map(|collection| collection.rows);
        reply(Rpc::Query, counted.map(|rows| column("count(*)", vec![rows])))
    }

    /// Rows of a collection; 0 of one that is not there.
    pub(super) fn rows(&mut self, name: &str) -> u32 {
        let rows = self.find(name).map_or(0, |collection| collection.rows);
        u32::try_from(rows).unwrap_or(u32::MAX)
    }
}

fn reply(rpc: Rpc, outcome: Result<impl Message, Refused>) -> Bytes {
    match outcome {
        Ok(message) => framed(&message),
        Err(refused) => refusal(rpc, refused),
    }
}

fn connect() -> Bytes {
    framed(&milvus::ConnectResponse {
        status: success(),
        server_info: Some(common::ServerInfo {
            build_tags: VERSION.into(),
            deploy_mode: "TRUTH".into(),
            ..Default::default()
        }),
        identifier: 1,
    })
}
