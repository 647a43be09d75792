//! Arms of one continuous load: every request is treated as the slot in which it was due says, however late it is sent, and the
//! slots' records are the run's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use milvus_load::engine::{Execution, Finished, Plan, Schedule, Slots, Stop};
use milvus_load::measure::{Counters, Exemplar, SlotGrid, SlotPart, Timings};
use milvus_load::trace::TraceRef;
use milvus_load::trace::env::OtelEnv;
use milvus_load::trace::exporter::{ExportSettings, Exporter};
use milvus_load::trace::sampling::{Arm, Header, SamplingRule, Switches};
use milvus_load::trace::span::OperationAttributes;
use milvus_load::truth::{Delay, Effect, Limits, Rpc, Script, When};
use milvus_load::units::{Fraction, Nanos, Rate};
use milvus_load::workload::{Arrival, LoadModel};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;

use crate::scribe::Scribe;
use crate::support::*;

const OFF: u8 = 0;
const BOTH: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// Off; header and spans at a half; the header alone; spans alone.
fn arms() -> Vec<Arm> {
    let arm = |fraction, header, spans| Arm {
        rule: SamplingRule::new(Fraction::new(fraction).unwrap()),
        switches: Switches { header, spans },
    };
    vec![
        Arm { switches: Switches::OFF, ..arm(1.0, Header::Never, false) },
        arm(0.5, Header::Decision, true),
        arm(1.0, Header::Decision, false),
        arm(1.0, Header::Unsampled, true),
    ]
}

fn with_slots(mut plan: Plan, grid: SlotGrid, order: &[u8]) -> Plan {
    plan.recorder.slots = Some(grid);
    plan.recorder.window = grid.window();
    plan.recorder.by_sampled = true;
    let order = order.iter().copied().cycle().take(grid.count()).collect();
    plan.slots = Some(Slots::new(grid, arms(), order).unwrap());
    plan
}

/// Carries it out with spans going to a collector; gives their trace IDs.
fn execute_with_spans(mut plan: Plan) -> (Finished, BTreeSet<u128>) {
    let collector = Scribe::start(&ExportTraceServiceResponse::default());
    let mut settings =
        ExportSettings::new(&collector.uri, "milvus-client", &[], &OtelEnv::default()).unwrap();
    settings.transport.timeout = PATIENCE;
    settings.limits.export_timeout = PATIENCE;
    let operation = OperationAttributes {
        operation: "search".into(),
        rpc: "Search".into(),
        collection: "c".into(),
        database: String::new(),
        server_address: "localhost".into(),
        server_port: 1,
    };
    let exporter = Exporter::start(&settings, &[operation], "run").unwrap();
    plan.recorder.connections = plan.connections;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let start = Execution::start(Arc::new(plan), Some(exporter.sink()), Stop::default(), None);
    let execution = runtime.block_on(start).unwrap();
    for edge in execution.edges() {
        wait_until(&execution, edge);
        exporter.flush();
    }
    let run = execution.finish().unwrap();
    let counts = exporter.finish(PATIENCE).counts;
    let spans: Vec<_> = collector
        .messages()
        .iter()
        .flat_map(|message| ExportTraceServiceRequest::decode(&message[..]).unwrap().resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .map(|span| u128::from_be_bytes(span.trace_id.try_into().unwrap()))
        .collect();
    assert_eq!((counts.exported, counts.recorded), (spans.len() as u64, spans.len() as u64));
    let ids: BTreeSet<u128> = spans.iter().copied().collect();
    assert_eq!(ids.len(), spans.len(), "no span came twice");
    (run, ids)
}

/// 300 requests/s for a server that takes 200: by the end of 1.2 s they are sent some 0.4 s after they were due, and so up to
/// three slots later.
#[test]
fn under_a_backlog_every_request_has_the_header_and_the_span_of_the_slot_in_which_it_was_due() {
    let limits = Limits { concurrent_streams: Some(2), ..Limits::default() };
    let server = start(Script { limits, ..script(Delay::Constant(ms(20))) });
    let order = [OFF, BOTH, SERVER, CLIENT, OFF, SERVER, BOTH, CLIENT];
    let grid = SlotGrid::new(ms(150), ms(50), 8).unwrap();
    let mut plan = with_slots(plan(&server.uri(), open(300.0, Arrival::Poisson)), grid, &order);
    (plan.workers, plan.connections, plan.recorder.window_start) = (2, 2, ms(100));
    let (run, spans) = execute_with_spans(plan);
    let log = server.stop();
    let flags: HashMap<u128, bool> = log
        .entries
        .iter()
        .filter_map(|entry| entry.trace)
        .map(|trace| (trace.trace_id, trace.sampled))
        .collect();
    let all = requests(&run);
    let slot = |moment: Nanos| grid.slot(moment - ms(100));
    let crossed = all.iter().filter(|one| slot(one.sent.unwrap()) > slot(one.intended)).count();
    assert!(crossed > 100, "only {crossed} of {} were sent in a later slot", all.len());
    let (mut expected_spans, mut headers) = (BTreeSet::new(), 0);
    for request in &all {
        let TraceRef { trace_id, sampled, .. } = request.trace;
        let arm = order[slot(request.intended)];
        let flag = flags.get(&trace_id).copied();
        match arm {
            OFF => assert_eq!((request.trace, flag), (TraceRef::OFF, None), "{request:?}"),
            BOTH => {
                assert_eq!(sampled, arms()[1].rule.samples(trace_id));
                assert_eq!(flag, Some(sampled), "{request:?}");
            }
            SERVER => assert_eq!((sampled, flag), (true, Some(true)), "{request:?}"),
            _ => assert_eq!((sampled, flag), (true, Some(false)), "{request:?}"),
        }
        headers += u64::from(arm != OFF);
        if sampled && matches!(arm, BOTH | CLIENT) {
            expected_spans.insert(trace_id);
        }
    }
    assert!(headers > 0 && !expected_spans.is_empty());
    assert_eq!(flags.len() as u64, headers, "and no other request had a header");
    assert_eq!(spans, expected_spans);
    slots_are_those_of(&run, grid, &all);
    for readings in &run.readings {
        let (at, edges) = (readings.iter().map(|reading| reading.at), grid.edges());
        assert_eq!(readings.len(), edges.len());
        // The last edge is the window's end, and a worker that has sent all does not wait for it.
        assert!(at.zip(&edges).take(edges.len() - 1).all(|(at, edge)| at >= *edge + ms(100)));
    }
    assert_eq!((run.slots, run.stopped), (8, None));
}

/// What each part of each slot holds, from single requests; and all of them together are the run.
#[track_caller]
fn slots_are_those_of(run: &Finished, grid: SlotGrid, all: &[Exemplar]) {
    let record = &run.recorded.operations[0];
    assert_eq!(record.slots.len(), grid.count());
    let mut by_part: BTreeMap<(usize, bool, bool), Vec<&Exemplar>> = BTreeMap::new();
    for request in all {
        let since = request.intended - run.recorded.window_start;
        let slot = grid.slot(since);
        let kept = since - grid.start(slot) >= grid.washout();
        by_part.entry((slot, kept, request.trace.sampled)).or_default().push(request);
    }
    let mut counters = Counters::default();
    let mut sums = [Timings::new(), Timings::new(), Timings::new()];
    for (index, slot) in record.slots.iter().enumerate() {
        for (kept, by_label) in [(false, &slot.discarded), (true, &slot.kept)] {
            for (sampled, part) in [(true, &by_label.sampled), (false, &by_label.unsampled)] {
                let part: &SlotPart = part;
                let mine = by_part.remove(&(index, kept, sampled)).unwrap_or_default();
                assert_eq!(part.counters.offered() - part.counters.not_sent, mine.len() as u64);
                let slowest = mine.iter().map(|request| request.response()).max();
                assert_eq!(part.timings.response.unpack().moments().max(), slowest, "slot {index}");
                counters.merge(&part.counters);
                sums[0].merge_packed(&part.timings.response);
                sums[1].merge_packed(&part.timings.service);
                sums[2].merge_packed(&part.timings.lag);
            }
        }
    }
    assert!(by_part.is_empty());
    assert_eq!(counters, record.counters);
    assert!(sums == [record.response.clone(), record.service.clone(), record.lag.clone()]);
}

/// An hour of slots, and an open and a closed stream over them.
#[test]
fn a_load_that_is_told_to_end_after_a_slot_is_complete_and_ends_exactly_there() {
    let server = start(script(Delay::Constant(ms(2))));
    let grid = SlotGrid::new(ms(100), ms(40), 36_000).unwrap();
    let mut plan = with_slots(plan(&server.uri(), constant(400.0)), grid, &[OFF, SERVER]);
    (plan.workers, plan.connections, plan.recorder.window_start) = (2, 2, ms(50));
    plan.operations.push(plan.operations[0].clone());
    let mut closed = stream(LoadModel::Closed { concurrency: 4 });
    closed.shares = vec![(1, 1.0)];
    plan.streams.push(closed);
    let (seed, stop) = (plan.seed, Stop::default());
    let execution = set_going(plan, &stop);
    wait_until(&execution, ms(160));
    assert!(!execution.end_after(0), "it is over");
    assert!(!execution.end_after(36_000), "there is none");
    // However slow the machine, one of them is far enough ahead.
    let last = (1..).find(|slot| execution.end_after(*slot)).unwrap();
    let end = ms(50) + grid.start(last + 1);
    assert_eq!(execution.end(), end);
    let run = execution.finish().unwrap();
    assert_eq!((run.stopped, run.end, run.slots), (None, end, last + 1));
    assert!(run.failure.is_none());
    // The record is that of the shorter window, so that rates are.
    assert_eq!((run.recorded.window, run.recorded.slots.unwrap().count()), (grid.start(last + 1), last + 1));
    let rate = Rate::per_second(400.0).unwrap();
    let due: Vec<Nanos> = Schedule::new(seed, 0, Arrival::Constant, rate, end)
        .map(|due| due.at)
        .filter(|at| *at >= ms(50))
        .collect();
    let [open, closed] = [0, 1].map(|index| &run.recorded.operations[index]);
    let mut intended: Vec<Nanos> = open.slowest.all().map(|request| request.intended).collect();
    intended.sort();
    assert_eq!(intended, due);
    assert_eq!(run.planned, [due.len() as u64, 0]);
    assert!(closed.counters.offered() > 0);
    assert!(closed.slowest.all().all(|request| request.intended < end), "nothing after {end}");
    for record in [open, closed] {
        assert_eq!(record.after, Counters::default());
        let offered = |slot: &milvus_load::measure::SlotRecord| -> u64 {
            slot.parts().iter().map(|part| part.counters.offered()).sum()
        };
        let told: Vec<u64> = record.slots.iter().map(offered).collect();
        assert_eq!(told.len(), last + 1);
        assert_eq!(told.iter().sum::<u64>(), record.counters.offered());
    }
    // 40 arrivals in each 100 ms.
    assert!((0..=last).all(|slot| {
        let parts = open.slots[slot].parts();
        parts.iter().map(|part| part.counters.offered()).sum::<u64>() == 40
    }));
}

/// Nothing is answered, so all but the first five are refused at the bound: in slots whose requests are all sampled they are
/// labelled so, and none of them is taken for a trace.
#[test]
fn what_was_never_sent_keeps_its_label_and_is_not_taken_for_a_trace() {
    let server = start(script(Delay::None).fault(Rpc::Search, When::Always, Effect::Withhold));
    let grid = SlotGrid::new(ms(100), ms(40), 4).unwrap();
    let mut plan = with_slots(plan(&server.uri(), constant(500.0)), grid, &[OFF, CLIENT]);
    (plan.max_in_flight, plan.drain) = (5, Nanos::ZERO);
    let run = execute(plan);
    let record = &run.recorded.operations[0];
    let not_sent = |slot: usize| record.slots[slot].parts().map(|part| part.counters.not_sent);
    // Discarded sampled and not, kept sampled and not: 20 and 30 arrivals, in the first slot less those that were sent.
    assert_eq!([0, 1, 2, 3].map(not_sent), [[0, 15, 0, 30], [20, 0, 30, 0], [0, 20, 0, 30], [20, 0, 30, 0]]);
    let sampled = record.sampled.as_ref().unwrap();
    assert_eq!((sampled.counters.not_sent, sampled.counters.offered(), sampled.sent), (100, 100, 0));
    assert_eq!(record.slowest.sampled().count(), 0);
}
