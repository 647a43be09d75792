use super::*;

fn search() -> OperationAttributes {
    OperationAttributes {
        operation: "hot_search".into(),
        rpc: "Search".into(),
        collection: "books".into(),
        database: "library".into(),
        server_address: "milvus.example".into(),
        server_port: 19530,
    }
}

fn span(outcome: SpanOutcome) -> ClientSpan {
    ClientSpan {
        trace: TraceRef { trace_id: 0xabc << 64 | 1, span_id: 0x77, sampled: true },
        operation: 0,
        phase: "measure",
        intended: 1_700_000_000_000_000_000,
        sent: 1_700_000_000_000_250_999,
        done: 1_700_000_000_012_000_000,
        outcome,
        peer: Some("[::1]:19530".parse().unwrap()),
        rows: 0,
    }
}

fn built(outcome: SpanOutcome) -> SpanData {
    SpanTemplates::new(&[search()], "run-7").client_span(&span(outcome)).unwrap()
}

/// Attributes as sorted `key=value` lines.
fn lines(data: &SpanData) -> Vec<String> {
    let mut lines: Vec<_> = data.attributes.iter().map(|one| format!("{}={}", one.key, one.value)).collect();
    lines.sort();
    lines
}

#[test]
fn a_successful_search_is_told_in_the_words_of_the_conventions() {
    let data = built(SpanOutcome::Ok);
    assert_eq!(data.name, "Search books");
    assert_eq!(data.span_kind, SpanKind::Client);
    assert_eq!(data.status, Status::Unset);
    assert_eq!(data.span_context.trace_id().to_string(), "0000000000000abc0000000000000001");
    assert_eq!(data.span_context.span_id().to_string(), "0000000000000077");
    assert!(data.span_context.is_sampled());
    assert_eq!(data.parent_span_id, SpanId::INVALID);
    assert_eq!(
        lines(&data),
        [
            "db.collection.name=books",
            "db.namespace=library",
            "db.operation.name=Search",
            "db.system.name=milvus",
            "milvus_load.intended_unix_us=1700000000000000",
            "milvus_load.lag_us=250",
            "milvus_load.operation=hot_search",
            "milvus_load.phase=measure",
            "milvus_load.run_id=run-7",
            "network.peer.address=::1",
            "network.peer.port=19530",
            "rpc.method=milvus.proto.milvus.MilvusService/Search",
            "rpc.response.status_code=OK",
            "rpc.system.name=grpc",
            "server.address=milvus.example",
            "server.port=19530",
        ]
    );
}

#[test]
fn it_lasts_from_sent_to_done() {
    let data = built(SpanOutcome::Ok);
    let since_epoch = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    assert_eq!(since_epoch(data.start_time), 1_700_000_000_000_250_999);
    assert_eq!(since_epoch(data.end_time), 1_700_000_000_012_000_000);
}

#[test]
fn it_never_ends_before_it_starts() {
    let backwards = ClientSpan { done: 5, ..span(SpanOutcome::Ok) };
    let data = SpanTemplates::new(&[search()], "r").client_span(&backwards).unwrap();
    assert_eq!(data.start_time, data.end_time);
}

#[test]
fn failures_say_what_failed() {
    for (outcome, rpc, error, db, words) in [
        (SpanOutcome::Grpc(14), "UNAVAILABLE", "UNAVAILABLE", None, "UNAVAILABLE"),
        (SpanOutcome::Grpc(16), "UNAUTHENTICATED", "UNAUTHENTICATED", None, "UNAUTHENTICATED"),
        // No such code exists; it is shown rather than lost.
        (SpanOutcome::Grpc(99), "99", "99", None, "99"),
        (SpanOutcome::Milvus(100), "OK", "100", Some("100"), "Milvus code 100"),
        (SpanOutcome::TimedOut, "DEADLINE_EXCEEDED", "timeout", None, "no complete answer in time"),
    ] {
        let data = built(outcome);
        assert_eq!(data.status, Status::error(words), "{outcome:?}");
        let value = |key: &str| {
            let found = data.attributes.iter().find(|one| one.key.as_str() == key);
            found.map(|one| one.value.as_str().into_owned())
        };
        assert_eq!(value("rpc.response.status_code").as_deref(), Some(rpc), "{outcome:?}");
        assert_eq!(value("error.type").as_deref(), Some(error), "{outcome:?}");
        assert_eq!(value("db.response.status_code").as_deref(), db, "{outcome:?}");
    }
}

#[test]
fn rows_and_the_default_database_are_told_only_where_there_is_something_to_tell() {
    let operation = OperationAttributes { database: String::new(), rpc: "Insert".into(), ..search() };
    let insert = ClientSpan { rows: 100, peer: None, ..span(SpanOutcome::Ok) };
    let data = SpanTemplates::new(&[operation], "r").client_span(&insert).unwrap();
    assert_eq!(data.name, "Insert books");
    let lines = lines(&data);
    assert!(lines.contains(&"milvus_load.rows=100".to_owned()));
    assert!(!lines.iter().any(|line| line.starts_with("db.namespace") || line.starts_with("network.")));
}

#[test]
fn a_span_of_an_unknown_operation_is_not_made_up() {
    let unknown = ClientSpan { operation: 1, ..span(SpanOutcome::Ok) };
    assert!(SpanTemplates::new(&[search()], "r").client_span(&unknown).is_none());
}

#[test]
fn the_scope_names_tool_version_and_conventions() {
    let scope = built(SpanOutcome::Ok).instrumentation_scope;
    assert_eq!((scope.name(), scope.version()), ("milvus-load", Some(env!("CARGO_PKG_VERSION"))));
    assert_eq!(scope.schema_url(), Some("https://opentelemetry.io/schemas/1.42.0"));
}
