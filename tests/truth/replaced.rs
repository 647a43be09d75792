//! A collection that somebody else puts in another's place while that is being dropped.

use std::process::Stdio;

use milvus_load::milvus::proto::milvus as pb;
use milvus_load::milvus::proto::schema::CollectionSchema;
use milvus_load::milvus::{CallHeaders, Dialer, Session};
use milvus_load::truth::{Effect, Rpc, Script, TruthServer, When};
use prost::Message as _;

use crate::support::*;

/// So many drops are refused: with the tool's pauses of 100 ms and more between them, it takes seconds to come through.
const REFUSED: u64 = 6;

fn on(server: &TruthServer, calls: impl AsyncFnOnce(Session)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dialer = Dialer::new(&server.uri().parse().unwrap(), &target(PATIENCE)).unwrap();
        calls(Session::connect(&dialer, CallHeaders::default()).await.unwrap()).await;
    });
}

#[test]
fn a_collection_that_took_the_place_of_the_one_to_be_dropped_is_left_alone() {
    let busy = Effect::Milvus { code: 8, reason: "rate limited".to_owned() };
    let server = start(Script::default().fault(Rpc::DropCollection, When::First(REFUSED), busy));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("w.toml");
    let workload = "[collection]\nname = \"c\"\nrows = 100\nvector = { dim = 8 }\n[trace]\nenabled = false\n[load]\nrate = 50\n\
                    warmup = \"0s\"\nduration = \"500ms\"\nconnections = 1\nworkers = 1\n[[operations]]\nkind = \"search\"\n";
    std::fs::write(&file, workload).unwrap();
    let command = |arguments: &[&str]| {
        let mut tool = crate::tool::tool();
        tool.arg("run").arg(&file).args(["--json", "--uri", &server.uri(), "--out"]).arg(directory.path());
        tool.args(arguments).env("MILVUS_LOAD_CACHE", directory.path()).stdin(Stdio::null());
        tool
    };
    run_to_end(&mut command(&[])).done();
    let again =
        command(&["--set", "collection.prepare=always"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
    wait_for("the first try to drop it", || server.log().count(Rpc::DropCollection) > 0);
    // Within one of the pauses, somebody drops it and makes another of the same name.
    on(&server, async |session| {
        while session.drop_collection("c").await.is_err() {}
        let schema =
            CollectionSchema { name: "c".into(), description: "our shop".into(), ..Default::default() };
        let request = pb::CreateCollectionRequest {
            collection_name: "c".into(),
            schema: schema.encode_to_vec().into(),
            ..Default::default()
        };
        session.create_collection(request).await.unwrap();
    });
    let ended = again.unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("replaced by another one"), "{said}");
    on(&server, async |session| {
        let found = session.describe_collection("c").await.unwrap();
        assert_eq!(found.schema.unwrap().description, "our shop");
    });
}
