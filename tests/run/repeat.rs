//! Runs as values: several in one process, on one server, of one collection that is prepared once.

use std::collections::HashSet;

use milvus_load::engine::{Slots, Stop};
use milvus_load::measure::{BySampled, SlotGrid};
use milvus_load::milvus::proto::milvus::QueryRequest;
use milvus_load::milvus::proto::schema::ScalarField;
use milvus_load::milvus::proto::schema::field_data::Field;
use milvus_load::milvus::proto::schema::scalar_field::Data;
use milvus_load::milvus::{CallHeaders, Dialer, PRIMARY_KEY, Session};
use milvus_load::report::RunReport;
use milvus_load::run::{
    Alternation, EdgeReading, Identity, Metrics, Ready, Record, Server, Settings, Silent, report,
};
use milvus_load::trace::sampling::{Arm, Header, SamplingRule, Switches};
use milvus_load::truth::{Script, TruthServer};
use milvus_load::units::{Fraction, Nanos};
use milvus_load::workload::Override;

use crate::support::{Sandbox, server};

fn settings(sandbox: &Sandbox, sets: &[&str]) -> Settings {
    let mut flags = vec![Override::flag("--uri", "target.uri", &server().uri)];
    flags.extend(sets.iter().map(|set| Override::set(set).unwrap()));
    flags.push(Override::set("trace.enabled=false").unwrap());
    Settings::resolve(&sandbox.path().join("small.toml"), flags).unwrap()
}

fn driven(ready: &mut Ready<'_>, settings: &Settings, server: &Server, id: &str) -> RunReport {
    let identity = Identity { run_id: id.into(), command: "test".into(), started_unix_us: 0, part: None };
    let requests = ready.requests(settings).unwrap();
    let observed = ready.drive(settings, &requests, &identity, &Stop::default(), &mut Silent).unwrap();
    report(&[Record::new(settings, server, identity, observed)], &[]).unwrap()
}

fn named(settings: &Settings) -> Server {
    let metrics = Metrics::Guessed(server().metrics_url.clone());
    Server::named(settings.workload.target.uri.clone().unwrap(), metrics)
}

#[test]
fn two_runs_follow_each_other_on_one_server_and_nothing_is_prepared_again() {
    let sandbox = Sandbox::new();
    let first = settings(&sandbox, &["load.duration=1s", "collection.prepare=always"]);
    let wider = settings(&sandbox, &["load.duration=1s", "operations.search.top_k=7"]);
    let server = named(&first);
    let mut ready = server.prepare(&first, &Stop::default(), &mut Silent).unwrap();
    let reports = [driven(&mut ready, &first, &server, "1"), driven(&mut ready, &wider, &server, "2")];
    let hits = reports.each_ref().map(|report| {
        let search = &report.operations["search"];
        assert_eq!((search.offered, search.succeeded), (50, 50), "{:?}", report.verdict.findings);
        search.hits
    });
    assert_eq!(hits.each_ref().map(|hits| hits.returned), [50 * 5, 50 * 7], "the second asks for more");
    assert_eq!(hits.map(|hits| hits.expected), [50 * 5, 50 * 7]);
    for report in &reports {
        let server = report.resources.server.as_ref().expect("the guessed page is the server's own");
        assert!(server.cpu_s.unwrap() > 0.0 && server.rss_bytes.unwrap() > 0);
    }
    let rows = reports.map(|report| report.collection.unwrap().start.rows);
    assert_eq!(rows, [Some(2_000); 2]);
    assert!(!ready.is_dirty(), "searches write nothing");
}

#[test]
fn a_run_that_wrote_leaves_the_collection_dirty_and_the_next_one_writes_other_rows() {
    let sandbox = Sandbox::new();
    let insert = "\n[[operations]]\nkind = \"insert\"\nbatch = 3\n";
    sandbox.write("small.toml", &format!("{}{insert}", sandbox.small().replace("rate = 50", "rate = 40")));
    let settings = settings(&sandbox, &["load.duration=1s", "load.warmup=0s", "collection.prepare=always"]);
    let server = named(&settings);
    let mut ready = server.prepare(&settings, &Stop::default(), &mut Silent).unwrap();
    let first = driven(&mut ready, &settings, &server, "1");
    assert!(ready.is_dirty());
    let written = 3 * first.operations["insert"].succeeded;
    assert!(written > 0, "{:?}", first.operations["insert"]);
    let second = driven(&mut ready, &settings, &server, "2");
    let rows = |report: &RunReport| report.collection.as_ref().unwrap().start.rows;
    assert_eq!((rows(&first), rows(&second)), (Some(2_000), Some(2_000 + written)));
    assert_eq!(distinct_keys(&settings), 2_000 + written + 3 * second.operations["insert"].succeeded);
}

/// Header, then none, in turn; after the third of six slots whoever follows the load has seen enough.
#[test]
fn arms_alternate_within_one_load_that_ends_with_the_slot_it_is_told_to() {
    let sandbox = Sandbox::new();
    let sets = ["load.duration=6s", "load.warmup=0s", "load.rate=100", "load.max_in_flight=10000"];
    let settings = settings(&sandbox, &sets);
    let server = named(&settings);
    let mut ready = server.prepare(&settings, &Stop::default(), &mut Silent).unwrap();
    let grid = SlotGrid::new(Nanos::from_secs(1), Nanos::from_millis(500), 6).unwrap();
    let on = Arm {
        rule: SamplingRule::new(Fraction::ONE),
        switches: Switches { header: Header::Decision, spans: false },
    };
    let off = Arm { switches: Switches::OFF, ..on };
    let slots = Slots::new(grid, vec![off, on], vec![1, 0, 1, 0, 1, 0]).unwrap();
    let mut told = Vec::new();
    let mut follow = |reading: &EdgeReading| {
        told.push(reading.edge);
        (reading.edge == Nanos::from_millis(1_500)).then_some(2)
    };
    let alternation = Alternation { slots, follow: &mut follow, handed_over: &mut |_| {} };
    let identity = Identity { run_id: "1".into(), command: "test".into(), started_unix_us: 0, part: None };
    let requests = ready.requests(&settings).unwrap();
    let observed =
        ready.alternate(&settings, &requests, &identity, alternation, &Stop::default(), &mut Silent).unwrap();
    let driven = observed.driven;
    assert_eq!((driven.finished.stopped, driven.finished.slots), (None, 3), "complete, with three slots");
    assert_eq!(told, [0, 500, 1_000, 1_500, 2_000, 2_500, 3_000].map(Nanos::from_millis));
    assert!(driven.edges.iter().all(|reading| reading.at >= reading.edge));
    // A server that is busy may leave one out.
    assert!(driven.edges.iter().filter(|reading| reading.server.is_some()).count() >= 2);
    assert!(driven.edges.windows(2).all(|pair| pair[0].process.cpu <= pair[1].process.cpu));

    let record = &driven.finished.recorded.operations[0];
    let offered = |of: &BySampled| of.sampled.counters.offered() + of.unsampled.counters.offered();
    let of_slots = record.slots.iter().map(|slot| offered(&slot.discarded) + offered(&slot.kept));
    assert_eq!(
        of_slots.collect::<Vec<_>>(),
        [100, 100, 100],
        "the record of the three slots that there were"
    );
    assert_eq!(record.counters.offered(), 300);
}

/// The guessed page is that of a Milvus, though of another one than is driven.
#[test]
fn what_another_server_tells_of_itself_is_not_taken_for_the_servers() {
    let sandbox = Sandbox::new();
    let truth = TruthServer::start(Script::default()).unwrap();
    let mut settings = settings(&sandbox, &["load.duration=1s", "load.warmup=0s"]);
    settings.workload.target.uri = Some(truth.uri().parse().unwrap());
    let others = named(&settings);
    let mut ready = others.prepare(&settings, &Stop::default(), &mut Silent).unwrap();
    let report = driven(&mut ready, &settings, &others, "1");
    assert_eq!(report.operations["search"].succeeded, 50);
    assert!(report.resources.server.is_none(), "{:?}", report.resources.server);
}

/// How many different keys the collection holds: `count(*)` would count one that came twice as two, a query shows it once.
fn distinct_keys(settings: &Settings) -> u64 {
    let target = &settings.workload.target;
    let dialer = Dialer::new(target.uri.as_ref().unwrap(), target).unwrap();
    let request = QueryRequest {
        collection_name: settings.workload.collection.name.clone(),
        expr: format!("{PRIMARY_KEY} >= 0"),
        output_fields: vec![PRIMARY_KEY.to_owned()],
        // 0 with Strong: all that was written before.
        ..QueryRequest::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = tokio::task::LocalSet::new().block_on(&runtime, async {
        let headers = CallHeaders::new(None, "").unwrap();
        Session::connect(&dialer, headers).await.unwrap().query(request).await.unwrap()
    });
    let Some(Field::Scalars(ScalarField { data: Some(Data::LongData(keys)) })) =
        answer.fields_data.into_iter().find(|field| field.field_name == PRIMARY_KEY).unwrap().field
    else {
        panic!("keys are whole numbers")
    };
    keys.data.into_iter().collect::<HashSet<i64>>().len() as u64
}
