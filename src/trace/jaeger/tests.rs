use std::io::{Read, Write};
use std::net::TcpListener;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::trace::closed_port::ClosedPort;
use crate::trace::kept::KeptTrace;

const ID: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;

/// A trace in the API's shape: a client's span, the server's beneath it, an orphan, and a follower.
fn reply() -> serde_json::Value {
    let reference =
        |kind: &str, trace: &str, span: &str| json!([{"refType": kind, "traceID": trace, "spanID": span}]);
    json!({"data": [{
        "traceID": "t1",
        "spans": [
            {"traceID": "t1", "spanID": "a", "operationName": "Search books", "references": [], "startTime": 100,
             "duration": 900, "processID": "p1", "tags": [{"key": "milvus_load.lag_us", "type": "int64", "value": 12}]},
            {"traceID": "t1", "spanID": "b", "operationName": "Proxy-Search", "startTime": 150, "duration": 800,
             "references": reference("CHILD_OF", "t1", "a"), "processID": "p2", "logs": [], "warnings": null},
            {"traceID": "t1", "spanID": "c", "operationName": "SegCoreSearch", "startTime": 160, "duration": 800,
             "references": reference("CHILD_OF", "t1", "gone"), "processID": "p3"},
            {"traceID": "t1", "spanID": "d", "operationName": "later", "startTime": 990, "duration": 1,
             "references": reference("FOLLOWS_FROM", "t1", "a"), "processID": "p2"},
            {"traceID": "t1", "spanID": "b", "operationName": "Proxy-Search", "processID": "p2"}
        ],
        "processes": {"p1": {"serviceName": "milvus-client"}, "p2": {"serviceName": "standalone", "tags": []}}
    }], "total": 0, "limit": 0, "offset": 0, "errors": null})
}

fn parsed(value: &serde_json::Value) -> JaegerTrace {
    parse(value.to_string().as_bytes()).unwrap().unwrap()
}

#[test]
fn spans_come_with_service_parent_times_and_tags() {
    let trace = parsed(&reply());
    assert_eq!(trace.spans.len(), 4, "the span that was exported twice counts once");
    let client = &trace.spans[0];
    assert_eq!((client.service.as_str(), client.operation.as_str()), ("milvus-client", "Search books"));
    assert_eq!((client.start_us, client.duration_us, &client.parent), (100, 900, &None));
    assert_eq!(client.tags["milvus_load.lag_us"], 12);
    assert_eq!(trace.spans[1].parent.as_deref(), Some("a"));
    // Process p3 is not told, and only CHILD_OF makes a parent.
    assert_eq!((trace.spans[2].service.as_str(), &trace.spans[3].parent), ("", &None));
}

#[test]
fn missing_and_null_fields_are_empty() {
    for (value, spans) in [
        (json!({"data": [{"spans": [{"spanID": "a"}]}]}), 1),
        (
            json!({"data": [{"traceID": "t", "spans": [{"spanID": "a", "references": null, "tags": null}],
                          "processes": null}]}),
            1,
        ),
    ] {
        assert_eq!(parsed(&value).spans.len(), spans);
    }
    for value in [json!({}), json!({"data": null}), json!({"data": []}), json!({"data": [{"spans": null}]})] {
        assert_eq!(parse(value.to_string().as_bytes()).unwrap(), None, "{value}");
    }
}

/// A server that answers one request with these bytes and tells what it was asked.
fn answer(reply: Vec<u8>) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 1_024];
        let length = stream.read(&mut asked).unwrap();
        // The client may hang up in the middle of a reply that it does not like.
        let _ = stream.write_all(&reply);
        String::from_utf8_lossy(&asked[..length]).into_owned()
    });
    (url, thread)
}

/// Time for the largest reply on the slowest machine.
fn client(ui: &str) -> JaegerClient {
    JaegerClient::within(ui, Vec::new(), Duration::from_secs(300))
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

#[test]
fn a_trace_is_asked_for_by_its_32_digits_beneath_the_uis_path() {
    let (url, server) = answer(http("200 OK", &reply().to_string()));
    let trace = client(&format!("{url}/jaeger/")).fetch(ID).unwrap();
    assert_eq!(trace.spans.len(), 4);
    let asked = server.join().unwrap();
    assert!(asked.starts_with("GET /jaeger/api/traces/0af7651916cd43dd8448eb211c80319c HTTP/1.1"), "{asked}");
}

#[test]
fn every_kind_of_answer_has_its_own_error() {
    let not_found = r#"{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}"#;
    let fetch = |bytes| client(&answer(bytes).0).fetch(ID).unwrap_err();
    assert_eq!(fetch(http("404 Not Found", not_found)), JaegerError::NotFound);
    assert_eq!(fetch(http("200 OK", r#"{"data":[]}"#)), JaegerError::NotFound);
    assert!(matches!(fetch(http("404 Not Found", "<html>")), JaegerError::BadReply { .. }));
    assert!(matches!(fetch(http("200 OK", "<html>")), JaegerError::BadReply { .. }));
    assert!(matches!(fetch(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()), JaegerError::BadReply { .. }));
    assert!(matches!(fetch(http("503 Busy", "")), JaegerError::Status { status: 503, .. }));
    assert!(matches!(fetch(http("500 No", "")), JaegerError::Status { status: 500, .. }));
    for (status, number) in [("401 Who", 401), ("403 No", 403)] {
        assert!(
            matches!(fetch(http(status, "")), JaegerError::Login { status, .. } if status == number),
            "{status}"
        );
    }
    let closed = ClosedPort::new();
    let error = client(&format!("http://{}", closed.address())).fetch(ID).unwrap_err();
    assert!(matches!(error, JaegerError::Unreachable { .. }));
}

#[test]
fn headers_go_with_every_request_and_not_to_where_a_redirect_leads() {
    let (elsewhere, other) = answer(http("200 OK", &reply().to_string()));
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}/\r\ncontent-length: 0\r\n\r\n");
    let (url, server) = answer(redirect.into_bytes());
    let headers =
        crate::trace::env::jaeger_headers(&|_| Some("authorization=Bearer%20hunter2".to_owned())).unwrap();
    let client = JaegerClient::with_headers(&url, headers);
    let error = client.fetch(ID).unwrap_err();
    assert!(matches!(error, JaegerError::Login { status: 302, .. }), "{error}");
    assert!(server.join().unwrap().contains("authorization: Bearer hunter2"));
    assert!(!format!("{client:?} {error:?} {error}").contains("hunter2"));
    // Nobody has asked there: this is the first who does, and without headers.
    JaegerClient::new(&elsewhere).fetch(ID).unwrap();
    assert!(!other.join().unwrap().contains("hunter2"));
}

#[test]
fn a_reply_without_end_is_given_up() {
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(MOST_BYTES as usize + (1 << 20), b' ');
    let error = client(&answer(endless).0).fetch(ID).unwrap_err();
    assert!(matches!(&error, JaegerError::BadReply { cause, .. } if cause.contains("bytes")), "{error}");
}

#[test]
fn asking_again_helps_where_things_may_change() {
    let status = |status| JaegerError::Status { url: String::new(), status };
    assert!(JaegerError::NotFound.may_pass() && status(503).may_pass() && status(429).may_pass());
    assert!(!status(400).may_pass());
    assert!(!JaegerError::Login { url: String::new(), status: 401 }.may_pass());
}

/// JSON that looks like a reply but has anything anywhere.
fn anything() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,5}".prop_map(Into::into),
        Just(reply()["data"][0]["spans"][1].clone()),
    ];
    leaf.prop_recursive(4, 64, 5, |inner| {
        let key = prop::sample::select(vec![
            "data",
            "spans",
            "spanID",
            "traceID",
            "references",
            "refType",
            "processes",
            "p1",
            "serviceName",
            "tags",
            "key",
            "value",
            "startTime",
            "duration",
            "processID",
            "operationName",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(key.prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_json_makes_it_panic(value in anything()) {
        for value in [value.clone(), json!({"data": value}), json!({"data": [{"spans": value}]})] {
            if let Ok(Some(trace)) = parse(value.to_string().as_bytes()) {
                prop_assert!(KeptTrace::from(&trace).spans().len() <= trace.spans.len());
            }
        }
    }

    #[test]
    fn no_broken_off_reply_makes_it_panic(cut in 0usize..1_500) {
        let text = reply().to_string();
        let _ = parse(&text.as_bytes()[..cut.min(text.len())]);
    }
}
