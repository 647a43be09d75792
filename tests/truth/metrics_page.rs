//! A page of metrics that tells a CPU time known beforehand: so much for each search that a truth server has received.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use milvus_load::truth::{Rpc, TruthServer};
use milvus_load::units::Nanos;

/// What a server is made to have used.
#[derive(Clone, Copy)]
pub struct Charge {
    /// For each search.
    pub each: Nanos,
    /// More for each that was sampled.
    pub sampled: Nanos,
}

/// The page's URL; it is served until the test's process ends.
pub fn of(server: &Arc<TruthServer>, charge: Charge) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let server = Arc::clone(server);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request);
            let log = server.log();
            let searches = charge.each.as_secs_f64() * log.count(Rpc::Search) as f64;
            let traced = charge.sampled.as_secs_f64() * log.traceparents.sampled as f64;
            let body = format!(
                "process_cpu_seconds_total {}\nprocess_start_time_seconds 1\nprocess_resident_memory_bytes 1e8\n",
                100.0 + searches + traced
            );
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    url
}
