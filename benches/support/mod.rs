//! What the benches share: requests, a target, and the bare h2 client that is their floor.

pub mod bare;
pub mod collector;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use milvus_load::data::Mixture;
use milvus_load::milvus::{Dialer, Frame, RowLayout, SearchFrames};
use milvus_load::trace::endpoint::{Endpoint, EndpointForm};
use milvus_load::trace::exporter::{BatchLimits, ExportSettings, Transport};
use milvus_load::trace::span::OperationAttributes;
use milvus_load::workload::{Consistency, Metric, Search, Target};

/// Dimensions of the query vectors: a search of some 3,200 bytes, as in the published comparison of clients.
pub const DIM: u32 = 768;

pub type Failure = Box<dyn std::error::Error>;

/// A runtime such as a worker has.
pub fn runtime() -> std::io::Result<tokio::runtime::LocalRuntime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())
}

/// Searches with distinct vectors.
pub fn searches(count: u64) -> Arc<[Frame]> {
    let mixture = Mixture::new(1, DIM, 10, 0.1);
    let layout = RowLayout { key: None, vector: "vector".to_owned(), mixture, scalars: vec![] };
    let search = Search {
        nq: 1,
        top_k: 10,
        params: serde_json::Map::new(),
        filter: None,
        output_fields: vec![],
        ignore_growing: false,
    };
    let frames = SearchFrames {
        collection: "milvus_load_search",
        layout: &layout,
        metric: Metric::Cosine,
        consistency: Consistency::Bounded,
        search: &search,
    };
    (0..count).map(|place| frames.frame(place, count)).collect()
}

/// Dials a server without TLS and password.
pub fn dialer(uri: &str) -> Result<Dialer, Failure> {
    let target = Target {
        uri: None,
        database: String::new(),
        token: None,
        ca_file: None,
        cert_file: None,
        key_file: None,
        server_name: None,
        timeout: Duration::from_secs(10),
        metrics: vec![],
    };
    Ok(Dialer::new(&uri.parse()?, &target)?)
}

/// Spans go to this collector, in portions of the default size.
pub fn export_settings(collector: SocketAddr) -> Result<ExportSettings, Failure> {
    Ok(ExportSettings {
        endpoint: Endpoint::parse(&format!("http://{collector}"))?,
        form: EndpointForm::Base,
        service_name: "milvus-client".to_owned(),
        resource: vec![],
        transport: Transport::default(),
        limits: BatchLimits::default(),
    })
}

/// What the spans of all searches say.
pub fn attributes() -> OperationAttributes {
    OperationAttributes {
        operation: "search".to_owned(),
        rpc: "Search".to_owned(),
        collection: "milvus_load_search".to_owned(),
        database: String::new(),
        server_address: "127.0.0.1".to_owned(),
        server_port: 19530,
    }
}
