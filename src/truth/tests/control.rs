//! Control calls, and what the log tells of any call.

use prost::Message;
use tonic::Code;

use super::*;
use crate::milvus::proto::schema;

fn schema_of(name: &str) -> schema::CollectionSchema {
    let field = |name: &str, data_type: schema::DataType| schema::FieldSchema {
        name: name.into(),
        data_type: data_type as i32,
        ..Default::default()
    };
    schema::CollectionSchema {
        name: name.into(),
        description: "fingerprint".into(),
        fields: vec![field("pk", schema::DataType::Int64), field("v", schema::DataType::FloatVector)],
        ..Default::default()
    }
}

fn code(status: Option<common::Status>) -> i32 {
    status.unwrap().code
}

#[tokio::test]
async fn a_collection_is_created_filled_indexed_loaded_and_seen_ready() {
    let server = start(Script::default());
    let mut milvus = client(&server).await;
    let name = || "made".to_owned();
    let has = milvus::HasCollectionRequest { collection_name: name(), ..Default::default() };
    assert!(!milvus.has_collection(has.clone()).await.unwrap().into_inner().value);

    let create = milvus::CreateCollectionRequest {
        collection_name: name(),
        schema: schema_of("made").encode_to_vec().into(),
        shards_num: 2,
        properties: vec![common::KeyValuePair { key: "k".into(), value: "v".into() }],
        ..Default::default()
    };
    assert_eq!(milvus.create_collection(create.clone()).await.unwrap().into_inner().code, 0);
    assert_ne!(milvus.create_collection(create).await.unwrap().into_inner().code, 0, "created twice");
    assert!(milvus.has_collection(has).await.unwrap().into_inner().value);

    let describe = milvus::DescribeCollectionRequest { collection_name: name(), ..Default::default() };
    let described = milvus.describe_collection(describe).await.unwrap().into_inner();
    assert_eq!(described.schema, Some(schema_of("made")));
    assert_eq!((described.shards_num, described.properties[0].value.as_str()), (2, "v"));

    let state = milvus::GetLoadStateRequest { collection_name: name(), ..Default::default() };
    let load_state = milvus.get_load_state(state.clone()).await.unwrap().into_inner().state();
    assert_eq!(load_state, common::LoadState::NotLoad);
    let index = milvus::CreateIndexRequest {
        collection_name: name(),
        field_name: "v".into(),
        extra_params: vec![common::KeyValuePair { key: "index_type".into(), value: "HNSW".into() }],
        ..Default::default()
    };
    assert_eq!(milvus.create_index(index).await.unwrap().into_inner().code, 0);
    let load = milvus::LoadCollectionRequest { collection_name: name(), ..Default::default() };
    assert_eq!(milvus.load_collection(load).await.unwrap().into_inner().code, 0);
    let load_state = milvus.get_load_state(state).await.unwrap().into_inner().state();
    assert_eq!(load_state, common::LoadState::Loaded);

    for rows in [700, 800] {
        let result = milvus.insert(insert("made", rows)).await.unwrap().into_inner();
        assert_eq!((code(result.status), result.insert_cnt), (0, i64::from(rows)));
        assert!(result.timestamp > 0);
    }
    is_ready(&mut milvus, "made", 1_500).await;

    let drop = milvus::DropCollectionRequest { collection_name: name(), ..Default::default() };
    assert_eq!(milvus.drop_collection(drop).await.unwrap().into_inner().code, 0);
    let describe = milvus::DescribeCollectionRequest { collection_name: name(), ..Default::default() };
    assert_eq!(code(milvus.describe_collection(describe).await.unwrap().into_inner().status), 100);
}

/// Everything that the gate of a ready collection looks at.
async fn is_ready(milvus: &mut MilvusServiceClient<Channel>, name: &str, rows: i64) {
    let collection_name = || name.to_owned();
    let flush = milvus::FlushRequest { collection_names: vec![collection_name()], ..Default::default() };
    let flushed = milvus.flush(flush).await.unwrap().into_inner();
    assert_eq!(flushed.coll_seg_i_ds[name].data.len(), 1);
    let state = milvus::GetFlushStateRequest {
        segment_i_ds: flushed.coll_seg_i_ds[name].data.clone(),
        flush_ts: flushed.coll_flush_ts[name],
        ..Default::default()
    };
    assert!(milvus.get_flush_state(state).await.unwrap().into_inner().flushed);

    let index = milvus::DescribeIndexRequest { collection_name: collection_name(), ..Default::default() };
    let index = milvus.describe_index(index).await.unwrap().into_inner().index_descriptions.remove(0);
    assert_eq!((index.total_rows, index.indexed_rows, index.pending_index_rows), (rows, rows, 0));
    assert_eq!(index.state(), common::IndexState::Finished);

    let compacted = milvus.manual_compaction(milvus::ManualCompactionRequest::default()).await.unwrap();
    let compaction_id = compacted.into_inner().compaction_id;
    let state =
        milvus.get_compaction_state(milvus::GetCompactionStateRequest { compaction_id }).await.unwrap();
    assert_eq!(state.into_inner().state(), common::CompactionState::Completed);

    let progress =
        milvus::GetLoadingProgressRequest { collection_name: collection_name(), ..Default::default() };
    let progress = milvus.get_loading_progress(progress).await.unwrap().into_inner();
    assert_eq!((progress.progress, progress.refresh_progress), (100, 100));

    let segments =
        milvus::GetQuerySegmentInfoRequest { collection_name: collection_name(), ..Default::default() };
    let segments = milvus.get_query_segment_info(segments).await.unwrap().into_inner().infos;
    assert_eq!((segments.len(), segments[0].num_rows), (1, rows));
    assert_eq!(segments[0].state(), common::SegmentState::Sealed);
    assert_eq!(segments[0].index_name, index.index_name);
    let segments =
        milvus::GetPersistentSegmentInfoRequest { collection_name: collection_name(), ..Default::default() };
    let segments = milvus.get_persistent_segment_info(segments).await.unwrap().into_inner().infos;
    assert_eq!((segments.len(), segments[0].num_rows), (1, rows));
    assert_eq!(segments[0].state(), common::SegmentState::Flushed);

    let count = milvus::QueryRequest {
        collection_name: collection_name(),
        output_fields: vec!["count(*)".into()],
        ..Default::default()
    };
    let count = milvus.query(count).await.unwrap().into_inner().fields_data.remove(0);
    let Some(schema::field_data::Field::Scalars(scalars)) = count.field else { panic!("no scalars") };
    assert_eq!(
        scalars.data,
        Some(schema::scalar_field::Data::LongData(schema::LongArray { data: vec![rows] }))
    );
}

#[tokio::test]
async fn a_collection_that_existed_is_there_under_any_name_until_it_is_dropped() {
    let server = start(Script { existing: Some(Existing { dim: 96, rows: 5_000 }), ..Script::default() });
    let mut milvus = client(&server).await;
    let describe = milvus::DescribeCollectionRequest { collection_name: "old".into(), ..Default::default() };
    let described = milvus.describe_collection(describe.clone()).await.unwrap().into_inner();
    let fields = described.schema.unwrap().fields;
    assert_eq!((fields[0].name.as_str(), fields[0].is_primary_key), ("id", true));
    assert_eq!((fields[1].name.as_str(), fields[1].type_params[0].value.as_str()), ("vector", "96"));
    is_ready(&mut milvus, "old", 5_000).await;
    let drop = milvus::DropCollectionRequest { collection_name: "old".into(), ..Default::default() };
    milvus.drop_collection(drop).await.unwrap();
    assert_eq!(code(milvus.describe_collection(describe).await.unwrap().into_inner().status), 100);
}

#[tokio::test]
async fn it_says_who_it_is() {
    let server = start(Script::default());
    let mut milvus = client(&server).await;
    let version = milvus.get_version(milvus::GetVersionRequest {}).await.unwrap().into_inner();
    assert_eq!(version.version, "truth-1");
    assert!(milvus.check_health(milvus::CheckHealthRequest {}).await.unwrap().into_inner().is_healthy);
    let connected = milvus.connect(milvus::ConnectRequest::default()).await.unwrap().into_inner();
    assert_eq!(code(connected.status), 0);
    let others = milvus::QueryRequest { output_fields: vec!["pk".into()], ..Default::default() };
    assert_ne!(code(milvus.query(others).await.unwrap().into_inner().status), 0);
}

#[tokio::test]
async fn a_search_gets_the_hits_it_asked_for_or_as_many_as_the_script_says() {
    for (hits, expected) in [(None, 10), (Some(7), 7), (Some(0), 0)] {
        let server = start(Script { hits, ..Script::default() });
        let mut milvus = client(&server).await;
        for nq in [1, 4] {
            let results = milvus.search(search(nq, 10)).await.unwrap().into_inner();
            assert_eq!(code(results.status), 0);
            let data = results.results.unwrap();
            assert_eq!(data.topks, vec![expected; nq as usize]);
            assert_eq!(data.scores.len() as i64, nq * expected);
        }
    }
}

#[tokio::test]
async fn a_query_gets_the_rows_it_asked_for_or_as_many_as_the_script_says() {
    let keys = |results: milvus::QueryResults| {
        assert_eq!(code(results.status), 0);
        let Some(schema::field_data::Field::Scalars(scalars)) = results.fields_data[0].field.clone() else {
            panic!("no scalars")
        };
        let Some(schema::scalar_field::Data::LongData(longs)) = scalars.data else { panic!("no keys") };
        longs.data
    };
    let existing = Some(Existing { dim: 8, rows: 6 });
    let table = [
        (None, "id in [7,5]", None, vec![7, 5]),
        (None, "", Some("3"), vec![0, 1, 2]),
        (None, "n == 5", None, vec![0, 1, 2, 3, 4, 5]),
        (Some(1), "id in [7,5]", None, vec![7]),
        (Some(2), "", Some("3"), vec![0, 1]),
        (Some(4), "n == 5", None, vec![0, 1, 2, 3]),
        (Some(0), "n == 5", None, vec![]),
    ];
    for (rows, expr, limit, expected) in table {
        let server = start(Script { rows, existing: existing.clone(), ..Script::default() });
        let mut milvus = client(&server).await;
        let limit =
            limit.map(|limit: &str| common::KeyValuePair { key: "limit".into(), value: limit.into() });
        let query = milvus::QueryRequest {
            collection_name: "c".into(),
            expr: expr.into(),
            query_params: limit.into_iter().collect(),
            ..Default::default()
        };
        assert_eq!(keys(milvus.query(query).await.unwrap().into_inner()), expected, "{rows:?} {expr}");
    }
}

#[tokio::test]
async fn a_call_that_it_does_not_know_is_unimplemented_in_trailers_only() {
    let server = start(Script::default());
    let mut raw = Raw::connect(&server).await;
    let response = raw.send("HybridSearch", framed(&search(1, 10)), &[]).await;
    let whole = whole(response).await.unwrap();
    assert_eq!(whole.headers["grpc-status"], "12");
    assert!(whole.frames.is_empty() && whole.trailers.is_empty());
    assert_eq!(server.log().count(Rpc::Other), 1);
}

#[tokio::test]
async fn bytes_that_are_no_request_are_an_internal_error_and_the_next_one_is_served() {
    let server = start(Script::default());
    let mut raw = Raw::connect(&server).await;
    for bad in [&b""[..], b"\0\0\0\0\x05ab", b"\x01\0\0\0\x01a", b"\0\0\0\0\x02\xff\xff"] {
        let whole = whole(raw.send("Search", Bytes::from_static(bad), &[]).await).await.unwrap();
        assert_eq!(whole.headers["grpc-status"], "13", "{bad:?}");
    }
    raw.fence().await;
}

#[tokio::test]
async fn a_message_above_64_mib_is_refused_as_milvus_does() {
    let server = start(Script::default());
    let mut milvus = client(&server).await;
    let huge = milvus::SearchRequest {
        placeholder_group: Bytes::from(vec![0; super::super::server::MAX_MESSAGE + 1]),
        ..search(1, 10)
    };
    let status = milvus.search(huge).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("larger than max"), "{}", status.message());
}

#[tokio::test]
async fn without_the_right_authorization_nothing_is_answered() {
    let secret = crate::workload::Secret::new("cm9vdDpNaWx2dXM=".into());
    let server = start(Script { authorization: Some(secret.clone()), ..Script::default() });
    let mut milvus = client(&server).await;
    let status = milvus.search(search(1, 10)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let mut wrong = tonic::Request::new(search(1, 10));
    wrong.metadata_mut().insert("authorization", "cm9vdDp3cm9uZw==".parse().unwrap());
    assert_eq!(milvus.search(wrong).await.unwrap_err().code(), Code::Unauthenticated);
    let mut right = tonic::Request::new(search(1, 10));
    right.metadata_mut().insert("authorization", "cm9vdDpNaWx2dXM=".parse().unwrap());
    milvus.search(right).await.unwrap();
    assert_eq!(server.log().authorization, Some(secret));
}

#[tokio::test]
async fn the_log_tells_calls_connections_and_traces_apart() {
    let server = start(Script { log_requests: 10, ..Script::default() });
    let mut first = Raw::connect(&server).await;
    first.fence().await;
    let mut second = Raw::connect(&server).await;
    let sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00";
    for traceparent in [sampled, unsampled, "nonsense"] {
        let headers = [("traceparent", traceparent)];
        whole(second.send("Insert", framed(&insert("c", 1)), &headers).await).await.unwrap();
    }
    whole(second.send("CheckHealth", framed(&milvus::CheckHealthRequest {}), &[]).await).await.unwrap();

    let log = server.stop();
    assert_eq!(log.requests, 5);
    assert_eq!((log.count(Rpc::Search), log.count(Rpc::Insert), log.count(Rpc::CheckHealth)), (1, 3, 1));
    assert_eq!(log.by_connection, [1, 4]);
    assert_eq!(log.traceparents, Traceparents { sampled: 1, unsampled: 1, absent: 1, malformed: 1 });
    let traces: Vec<_> = log.entries.iter().map(|entry| entry.trace.map(|trace| trace.trace_id)).collect();
    let id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    assert_eq!(traces, [None, Some(id), Some(id + 1), None]);
    let rows: Vec<_> = log.entries.iter().map(|entry| (entry.rpc, entry.number, entry.connection)).collect();
    assert_eq!(rows, [(Rpc::Search, 0, 0), (Rpc::Insert, 0, 1), (Rpc::Insert, 1, 1), (Rpc::Insert, 2, 1)]);
    assert_eq!(log.lateness, Lateness::default(), "a null answer has no time to be late for");
}
