use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncReadExt as _;

use super::*;

/// Generous: what is bounded by it ends by itself long before.
const LONG: Duration = Duration::from_secs(300);
const SHORT: Duration = Duration::from_millis(20);
const NEVER: Times = Times { handshake: LONG, export: LONG, idle: LONG };

#[derive(Default)]
struct Refusals(AtomicU64);

impl Take for Refusals {
    fn take(&self, _: Bytes, _: usize) -> Result<(), u8> {
        Ok(())
    }

    fn refused(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection to a receiver that reads so many exports at once.
async fn connected(times: Times, at_once: usize) -> (TcpStream, Arc<Refusals>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let refusals = Arc::new(Refusals::default());
    tokio::spawn(connection(server, Arc::clone(&refusals), Arc::new(Semaphore::new(at_once)), times));
    (client, refusals)
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(LONG, work).await.expect("waited in vain")
}

#[tokio::test]
async fn whoever_connects_and_says_nothing_is_sent_away() {
    let (mut client, _) = connected(Times { handshake: SHORT, ..NEVER }, 1).await;
    let mut said = Vec::new();
    // Its end may come as a reset.
    let _ = soon(client.read_to_end(&mut said)).await;
}

#[tokio::test]
async fn a_connection_without_exports_is_ended() {
    let (client, _) = connected(Times { idle: SHORT, ..NEVER }, 1).await;
    let (_requests, connection) = h2::client::handshake(client).await.unwrap();
    soon(connection).await.expect("its end was announced");
}

#[tokio::test]
async fn the_wait_for_a_turn_is_bounded_and_so_are_streams() {
    let (client, refusals) = connected(Times { export: SHORT, ..NEVER }, 0).await;
    let (requests, mut connection) = h2::client::handshake(client).await.unwrap();
    let mut requests = requests.ready().await.unwrap();
    let path = "http://localhost/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let (answer, _body) = requests.send_request(Request::post(path).body(()).unwrap(), false).unwrap();
    let status = async {
        let mut body = answer.await.unwrap().into_body();
        while body.data().await.is_some() {}
        body.trailers().await.unwrap().unwrap()["grpc-status"].clone()
    };
    let status = soon(async {
        tokio::select! {
            status = status => status,
            _ = &mut connection => panic!("it ended"),
        }
    });
    assert_eq!(status.await, "4", "DEADLINE_EXCEEDED");
    assert_eq!(refusals.0.load(Ordering::Relaxed), 1);
    assert_eq!(connection.max_concurrent_send_streams(), MOST_STREAMS as usize);
}
