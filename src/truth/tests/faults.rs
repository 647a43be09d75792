//! Everything that a script can spoil.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, ready};

use prost::Message;
use tokio::io::ReadBuf;
use tonic::Code;

use super::*;

#[tokio::test]
async fn milvus_and_grpc_errors_hit_the_requests_they_are_meant_for() {
    let limited = Effect::Milvus { code: 8, reason: "rate limited".into() };
    let unavailable = Effect::Grpc { code: 14, message: "shutting down".into() };
    let script = Script::default()
        .fault(Rpc::Flush, When::First(2), limited)
        .fault(Rpc::Search, When::Only(1), unavailable)
        .fault(Rpc::CreateCollection, When::Always, Effect::Milvus { code: 9, reason: "denied".into() });
    let server = start(script);
    let mut milvus = client(&server).await;
    let mut codes = vec![];
    for _ in 0..3 {
        let status =
            milvus.flush(milvus::FlushRequest::default()).await.unwrap().into_inner().status.unwrap();
        codes.push((status.code, status.reason));
    }
    let limited = || (8, "rate limited".to_owned());
    assert_eq!(codes, [limited(), limited(), (0, String::new())]);

    milvus.search(search(1, 10)).await.unwrap();
    let status = milvus.search(search(1, 10)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "shutting down"));
    milvus.search(search(1, 10)).await.unwrap();

    let create = milvus::CreateCollectionRequest { collection_name: "c".into(), ..Default::default() };
    assert_eq!(milvus.create_collection(create).await.unwrap().into_inner().code, 9);
    let has = milvus::HasCollectionRequest { collection_name: "c".into(), ..Default::default() };
    assert!(!milvus.has_collection(has).await.unwrap().into_inner().value, "created although refused");
    assert_eq!(server.log().faults, 4);
}

#[tokio::test]
async fn a_grpc_error_is_trailers_only() {
    let effect = Effect::Grpc { code: 4, message: "late".into() };
    let server = start(Script::default().fault(Rpc::Search, When::Always, effect));
    let mut raw = Raw::connect(&server).await;
    let whole = whole(raw.search().await).await.unwrap();
    assert_eq!(
        (&whole.headers["grpc-status"], &whole.headers["grpc-message"]),
        (&"4".parse().unwrap(), &"late".parse().unwrap())
    );
    assert!(whole.frames.is_empty() && whole.trailers.is_empty());
}

#[tokio::test]
async fn a_withheld_answer_does_not_come_and_holds_up_no_other() {
    let script = Script { log_requests: 10, ..Script::default() };
    let server = start(script.fault(Rpc::Search, When::Only(0), Effect::Withhold));
    let mut raw = Raw::connect(&server).await;
    let mut withheld = raw.search().await;
    raw.fence().await;
    assert!(is_pending(&mut withheld).await);
    let log = server.log();
    assert_eq!(log.entries.iter().map(|entry| entry.answered.is_some()).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn withheld_trailers_leave_the_whole_message_without_an_end() {
    let server = start(Script::default().fault(Rpc::Search, When::Only(0), Effect::WithholdTrailers));
    let mut raw = Raw::connect(&server).await;
    let mut body = raw.search().await.await.unwrap().into_body();
    let message = body.data().await.unwrap().unwrap();
    assert_eq!(milvus::SearchResults::decode(&message[5..]).unwrap().results.unwrap().topks, [10]);
    raw.fence().await;
    assert!(poll_fn(|cx| Poll::Ready(body.poll_data(cx).is_pending())).await);
}

#[tokio::test]
async fn a_reset_has_the_code_of_the_script_and_spares_the_connection() {
    let server = start(Script::default().fault(Rpc::Search, When::Only(0), Effect::Reset(7)));
    let mut raw = Raw::connect(&server).await;
    let error = whole(raw.search().await).await.err().unwrap();
    assert_eq!((error.is_reset(), error.reason()), (true, Some(h2::Reason::REFUSED_STREAM)));
    raw.fence().await;
}

#[tokio::test]
async fn after_goaway_the_answer_is_whole_and_the_connection_ends_well() {
    let server = start(Script::default().fault(Rpc::Search, When::Only(1), Effect::GoAway));
    let mut raw = Raw::connect(&server).await;
    raw.fence().await;
    raw.fence().await;
    let Raw { requests, connection } = raw;
    drop(requests);
    connection.await.unwrap().unwrap();
    Raw::connect(&server).await.fence().await;
    assert_eq!(server.log().by_connection, [2, 1]);
}

#[tokio::test]
async fn goaway_lets_what_is_under_way_be_answered() {
    let effect = Effect::Late(crate::units::Nanos::from_millis(20));
    let script = Script::default().fault(Rpc::Insert, When::Always, effect);
    let server = start(script.fault(Rpc::Search, When::Always, Effect::GoAway));
    let mut raw = Raw::connect(&server).await;
    let slow = raw.send("Insert", framed(&insert("c", 3)), &[]).await;
    raw.fence().await;
    assert_eq!(whole(slow).await.unwrap().trailers["grpc-status"], "0");
}

/// Keeps what was read through it.
struct Tee {
    io: TcpStream,
    read: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Tee {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.read.lock().unwrap().extend_from_slice(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tee {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_cut_connection_ends_within_a_frame() {
    let server = start(Script::default().fault(Rpc::Search, When::Only(1), Effect::CutMidFrame));
    let read = Arc::new(Mutex::new(vec![]));
    let io = TcpStream::connect(server.addr()).await.unwrap();
    let mut raw = Raw::over(Tee { io, read: Arc::clone(&read) }).await;
    raw.fence().await;
    assert!(whole(raw.search().await).await.is_err());
    // Frames are 9 bytes of head, of which the first three are the payload's length (RFC 9113, section 4.1).
    let read = read.lock().unwrap().clone();
    let mut at = 0;
    while at + 9 <= read.len() {
        at += 9 + u32::from_be_bytes([0, read[at], read[at + 1], read[at + 2]]) as usize;
    }
    assert_ne!(at, read.len(), "the last frame is whole");
    Raw::connect(&server).await.fence().await;
}

#[tokio::test]
async fn a_split_reply_comes_in_small_frames_and_is_the_same() {
    let server = start(Script::default().fault(Rpc::Search, When::Only(1), Effect::Split(7)));
    let mut raw = Raw::connect(&server).await;
    let one = whole(raw.search().await).await.unwrap();
    let many = whole(raw.search().await).await.unwrap();
    assert_eq!(one.frames.len(), 1);
    assert_eq!(many.frames.len(), one.message().len().div_ceil(7));
    assert!(many.frames.iter().all(|frame| frame.len() <= 7));
    assert_eq!(many.message(), one.message());
}

#[tokio::test]
async fn the_limit_of_streams_is_announced() {
    let limits = Limits { concurrent_streams: Some(3), ..Limits::default() };
    let server = start(Script { limits, ..Script::default() });
    let mut raw = Raw::connect(&server).await;
    raw.fence().await;
    assert_eq!(raw.requests.current_max_send_streams(), 3);
}

#[tokio::test]
async fn a_body_larger_than_a_small_window_arrives_whole() {
    let limits = Limits { initial_window: Some(1_000), ..Limits::default() };
    let server = start(Script { limits, ..Script::default() });
    let mut milvus = client(&server).await;
    milvus.get_version(milvus::GetVersionRequest {}).await.unwrap();
    let request = milvus::InsertRequest { partition_name: "p".repeat(300_000), ..insert("c", 77) };
    let sent = request.encoded_len() as u64 + 5;
    assert_eq!(milvus.insert(request).await.unwrap().into_inner().insert_cnt, 77);
    // GetVersion is a frame without a message: 5 bytes.
    assert_eq!(server.log().received_bytes, sent + 5);
}

#[tokio::test]
async fn a_server_that_vanishes_comes_back_on_its_port_with_what_it_knew() {
    let server = start(Script::default());
    let mut before = Raw::connect(&server).await;
    before.fence().await;
    server.close().unwrap();
    assert!(before.connection.await.unwrap().is_err() || before.requests.ready().await.is_err());
    let refused = TcpStream::connect(server.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    server.open().unwrap();
    server.open().unwrap();
    Raw::connect(&server).await.fence().await;
    assert_eq!(server.stop().by_connection, [1, 1]);
}

#[test]
fn a_script_or_a_port_that_cannot_be_had_is_refused_at_the_start() {
    let bad = Delay::LogNormal { median: crate::units::Nanos::from_millis(1), sigma: -1.0 };
    let error = TruthServer::start(Script::with_search_delay(bad)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let first = start(Script::default());
    let taken = Script { port: first.addr().port(), ..Script::default() };
    assert_eq!(TruthServer::start(taken).unwrap_err().kind(), io::ErrorKind::AddrInUse);
}
