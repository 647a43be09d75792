//! What the benches share: requests, a target, and the bare h2 client that is their floor.

pub mod bare;
pub mod collector;

use std::net::SocketAddr;
use std::sync::Arc;

use milvus_load::milvus::{Dialer, Frame, RowLayout, ops};
use milvus_load::trace::endpoint::{Endpoint, EndpointForm};
use milvus_load::trace::exporter::{BatchLimits, ExportSettings, Transport};
use milvus_load::trace::span::OperationAttributes;
use milvus_load::workload::Workload;

/// Dimensions of the query vectors: a search of some 3,200 bytes, as in the published comparison of clients.
pub const DIM: u32 = 768;

pub type Failure = Box<dyn std::error::Error>;

/// A runtime such as a worker has.
pub fn runtime() -> std::io::Result<tokio::runtime::LocalRuntime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())
}

/// The workload of which the benches take a target, a collection and a search, all else as in a file that says no more.
fn workload() -> Result<Workload, Failure> {
    let text = format!(
        "[target]\nuri = \"127.0.0.1\"\n[collection]\nname = \"milvus_load_search\"\nvector.dim = {DIM}\n\
         [load]\nconcurrency = 1\n[[operations]]\nkind = \"search\"\n"
    );
    Ok(milvus_load::workload::load_text("bench", &text, &[])?)
}

/// Searches with distinct vectors.
pub fn searches(count: u64) -> Result<Arc<[Frame]>, Failure> {
    let workload = workload()?;
    let layout = RowLayout::new(&workload.collection, &workload.data);
    let context = ops::Context {
        collection: &workload.collection.name,
        layout: &layout,
        metric: workload.collection.vector.metric,
        consistency: workload.collection.consistency,
        queries: count,
        rows: workload.collection.rows,
        known: None,
        seed: 7,
        operation: 0,
    };
    Ok(ops::frames(ops::of(&workload.operations[0].kind), &context, count))
}

/// Dials a server without TLS and password.
pub fn dialer(uri: &str) -> Result<Dialer, Failure> {
    Ok(Dialer::new(&uri.parse()?, &workload()?.target)?)
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
