//! Sample reports that every renderer and every rule is tried on.

use super::from_recorded::Source;
use super::model::*;
use crate::measure::{Outcome, Recorded, Recorder, RecorderConfig, Sample};
use crate::trace::TraceRef;
use crate::units::Nanos;
use crate::workload::{self, Arrival, LoadModel, OperationKind, Rates, Slow, Stage, Stream};

const ANCHOR_UNIX_US: u64 = 1_700_000_000_000_000;
const WINDOW: Nanos = Nanos::from_secs(20);

fn run(state: State) -> Run {
    Run {
        id: "1a2b3c4d".into(),
        name: "search".into(),
        command: "milvus-load run workloads/search.toml".into(),
        version: "0.1.0".into(),
        started: super::calendar::rfc3339(ANCHOR_UNIX_US + 5_000_000),
        started_unix_us: ANCHOR_UNIX_US + 5_000_000,
        measured_s: WINDOW.as_secs_f64(),
        load_model: LoadKind::Open,
        state,
    }
}

fn operations() -> Vec<workload::Operation> {
    let search = workload::Search {
        nq: 2,
        top_k: 10,
        params: serde_json::Map::new(),
        filter: None,
        output_fields: Vec::new(),
        ignore_growing: false,
    };
    vec![
        workload::Operation { name: "search".into(), kind: OperationKind::Search(search) },
        workload::Operation {
            name: "insert".into(),
            kind: OperationKind::Insert(workload::Insert { batch: 100 }),
        },
    ]
}

/// Searches at 20/s for 8 s, then up to 80/s in 8 s, then down to 0 in 4 s; inserts in a closed loop.
fn streams() -> Vec<Stream> {
    let stage = |from, to, seconds| Stage::new(from, to, Nanos::from_secs(seconds)).unwrap();
    let stages = vec![stage(20.0, 20.0, 8), stage(20.0, 80.0, 8), stage(80.0, 0.0, 4)];
    let rates = Rates::Staged { warmup: Nanos::from_secs(5), stages };
    let stream = |name: &str, model, operation| Stream {
        name: name.to_owned(),
        model,
        shares: vec![(operation, 2.0)],
    };
    let open = LoadModel::Open { rate: rates, arrival: Arrival::Constant };
    vec![stream("load", open, 0), stream("insert", LoadModel::Closed { concurrency: 1 }, 1)]
}

/// Search `index` of `count`, spread over the window.
fn search(index: u64, count: u64, response: Nanos, outcome: Outcome) -> Sample {
    search_at(index, Nanos::new(WINDOW.get() / count * index), response, outcome)
}

/// Search `index`, due so long after the window's start.
fn search_at(index: u64, due: Nanos, response: Nanos, outcome: Outcome) -> Sample {
    let intended = Nanos::from_secs(5) + due;
    let sent = (outcome != Outcome::NotSent).then_some(intended + Nanos::new(100_000));
    let trace = TraceRef {
        trace_id: 0xabc0_0000 + u128::from(index),
        span_id: index + 1,
        sampled: index.is_multiple_of(2),
    };
    Sample {
        operation: 0,
        intended,
        sent,
        done: intended + response,
        outcome,
        trace,
        connection: 0,
        hits_expected: Some(10),
    }
}

fn recorded(samples: impl IntoIterator<Item = Sample>) -> Recorded {
    recorded_in(vec![], samples)
}

fn recorded_in(stages: Vec<Nanos>, samples: impl IntoIterator<Item = Sample>) -> Recorded {
    let mut recorder = Recorder::new(RecorderConfig {
        operations: 2,
        connections: 1,
        window_start: Nanos::from_secs(5),
        window: WINDOW,
        stages,
        slots: None,
        by_sampled: true,
        longest: Nanos::from_secs(3),
        slowest: 50,
        seed: 42,
    });
    for sample in samples {
        recorder.in_flight(sample.operation, sample.intended, 3);
        recorder.record(&sample);
    }
    recorder.finish()
}

fn filled(state: State, recorded: &Recorded, measured: Nanos) -> RunReport {
    let mut report = RunReport::new(run(state));
    report.run.measured_s = measured.as_secs_f64();
    report.fill(&Source {
        recorded,
        operations: &operations(),
        streams: &streams(),
        anchor_unix_ns: ANCHOR_UNIX_US * 1_000,
        measured,
        slow: Slow::Quantile(0.99),
        requests: 50,
        peers: &[vec!["127.0.0.1:19530".into()]],
        by_sampled: true,
        link: &|trace| match trace.sampled {
            true => Ok(format!("http://localhost:16686/trace/{:032x}", trace.trace_id)),
            false => Err(NoLink::NotSampled),
        },
    });
    report
}

/// 2,000 searches that took 1 to 2,000 ms, each once; no insert was due. Server, findings and thresholds are there.
pub(crate) fn full() -> RunReport {
    let samples = (0..2_000)
        .map(|i| search(i, 2_000, Nanos::from_millis(i * 7 % 2_000 + 1), Outcome::Succeeded { hits: 10 }));
    let mut report = filled(State::Complete, &recorded(samples), WINDOW);
    report.server = Some(Server {
        uri: "http://127.0.0.1:19530".into(),
        database: Some("shop".into()),
        version: Some("2.3.5".into()),
        embedded: true,
        tracing: Some(ServerTracing { endpoint: None, sample_fraction: Some(0.0) }),
    });
    report.settings = vec![
        Setting { key: "load.rate".into(), value: 100.into(), from: "file 12:1".into() },
        Setting { key: "load.arrival".into(), value: "poisson".into(), from: "default".into() },
        Setting { key: "data.seed".into(), value: "42".into(), from: "default".into() },
    ];
    report.workload = serde_json::json!({ "data": { "seed": "42" }, "load": { "rate": 100 } });
    report.machine = Machine { cores: 2, memory: Some(1 << 34), os: "linux x86_64".into(), cpu: None };
    let step = |step: &str, seconds| SetupStep { step: step.into(), seconds, retries: 0, trace_id: None };
    report.setup = vec![step("inspect", 0.004), step("create", 0.08), step("insert", 2.1), step("wait", 1.0)];
    report.spans = Some(Spans { recorded: 1_000, exported: 1_000, ..Spans::default() });
    report.trace = Some(Trace {
        fraction: 0.5,
        endpoint: "http://localhost:4317".into(),
        unsampled: "propagate".into(),
        keep: "all".into(),
        service_name: "milvus-client".into(),
    });
    let finding = |code: &str, severity, message: &str| Finding {
        code: code.into(),
        severity,
        message: message.into(),
        cause: "the embedded Milvus runs on this machine, beside the generator".into(),
        remedy: "for numbers of a server of its own, name one with --uri".into(),
    };
    let findings =
        vec![finding("shared_cores", Severity::Note, "server and generator share this machine's cores")];
    report.verdict = Verdict { trusted: true, findings };
    report.attribution = [("search".to_owned(), attribution())].into();
    report.thresholds = vec![Threshold {
        expression: "search.response.p99 < 50ms".into(),
        value: report.operations["search"].response.p99_us,
        unknown: None,
        met: Some(false),
    }];
    report
}

/// Slow by two causes, with an interval for each row but one.
pub(crate) fn attribution() -> Attribution {
    let set = |range: &str, [from, response]: [f64; 2], to_us, requests, complete| AttributedSet {
        range: range.into(),
        from_us: Some(from),
        to_us,
        requests,
        complete,
        incomplete: [(IncompleteTrace::NoTrace, 1)].into(),
        left_out: Some(1.0 / (complete as f64 + 1.0)),
        response_us: Some(response),
    };
    let row =
        |row, words: &str, span: Option<&str>, [slow_us, typical_us]: [f64; 2], ends: Option<[f64; 2]>| {
            AttributionRow {
                row,
                words: words.into(),
                service: span.map(|_| "standalone".into()),
                span: span.map(str::to_owned),
                kind: span.map(|_| "internal".into()),
                before: None,
                after_last: false,
                slow_us,
                typical_us,
                difference_us: slow_us - typical_us,
                low_us: ends.map(|ends| ends[0]),
                high_us: ends.map(|ends| ends[1]),
                unknown: ends.is_none().then_some(NoInterval::TooRare),
                share: Some((slow_us - typical_us) / 198_000.0),
            }
        };
    let cause = |row, words: &str, span: &str, [traces, requests]: [u64; 2]| AttributionCause {
        row,
        words: words.into(),
        service: Some("standalone".into()),
        span: Some(span.into()),
        kind: Some("internal".into()),
        before: None,
        after_last: false,
        traces,
        requests: requests as f64,
        share: requests as f64 / 41.0,
    };
    let (wait, search) = ("the wait for the time tick", "segment search");
    Attribution {
        sentence: format!(
            "78% of 41 slow requests (p99, from 203 ms) are slow by {wait}, 22% by {search}, by 40 traces; they take 198 ms longer than typical \
             ones, and 91% of that is {wait}"
        ),
        slow: set("p99", [203_000.0, 205_000.0], None, 41, 40),
        typical: set("p25 to p75", [1_500.0, 2_000.0], Some(2_500.0), 1_000, 200),
        rows: vec![
            row(
                RowKind::Span,
                wait,
                Some("Delegator-waitTSafe"),
                [180_002.0, 2.0],
                Some([151_000.0, 202_000.0]),
            ),
            row(RowKind::Span, search, Some("SegCoreSearch"), [19_500.0, 1_500.0], Some([9_500.0, 40_000.0])),
            row(RowKind::Lag, "the generator's own lateness", None, [98.0, 98.0], None),
            row(
                RowKind::OutsideMilvus,
                "outside Milvus (network)",
                None,
                [400.0, 400.0],
                Some([-20.0, 20.0]),
            ),
        ],
        causes: vec![
            cause(RowKind::Span, wait, "Delegator-waitTSafe", [31, 32]),
            cause(RowKind::Span, search, "SegCoreSearch", [9, 9]),
        ],
        episodes: 35,
        moments: Vec::new(),
        not_succeeded: 0,
        lateness: None,
        unknown: None,
    }
}

/// Nothing was offered.
pub(crate) fn empty() -> RunReport {
    filled(State::Complete, &recorded([]), WINDOW)
}

/// 300 searches refused, of three kinds, one of whose messages is hostile.
pub(crate) fn all_failed() -> RunReport {
    let message = |i: u64| match i % 3 {
        0 => "connection refused",
        1 => "collection \"a,b\" not loaded\n\u{1b}[31m=1+1",
        _ => "rate limit exceeded",
    };
    let samples = (0..300).map(|i| {
        let outcome = Outcome::Failed { grpc: 14, milvus: (i % 3) as i32, message: message(i).into() };
        search(i, 300, Nanos::from_millis(1), outcome)
    });
    filled(State::Complete, &recorded(samples), WINDOW)
}

/// 100 searches: 80 answered, 5 failed, 10 timed out, 5 not sent. The median is known, p90 unanswered.
pub(crate) fn unknown() -> RunReport {
    let samples = (0..100).map(|i| {
        let outcome = match i {
            0..80 => Outcome::Succeeded { hits: 9 },
            80..85 => Outcome::Failed { grpc: 0, milvus: 8, message: "rate limit exceeded".into() },
            85..95 => Outcome::TimedOut,
            _ => Outcome::NotSent,
        };
        search(i, 100, Nanos::from_millis(if i < 80 { i + 1 } else { 10_000 }), outcome)
    });
    filled(State::Complete, &recorded(samples), WINDOW)
}

/// Stopped after 7.5 of 20 s: 75 searches.
pub(crate) fn interrupted() -> RunReport {
    let samples = (0..75).map(|i| search(i, 200, Nanos::from_millis(10), Outcome::Succeeded { hits: 10 }));
    filled(State::Interrupted, &recorded(samples), Nanos::from_millis(7_500))
}

/// By the stages of [`streams`], stopped after 18 of 20 s: 160 searches of 10 ms; 400 of 20 ms, every 100th not sent; 60 in 2 s,
/// of 10 ms. Inserts every 200 ms.
pub(crate) fn staged() -> RunReport {
    let at = |start: u64, gap: u64, count: u64| {
        (0..count).map(move |i| Nanos::new(start * 1_000_000_000 + i * gap))
    };
    let ok = |hits| Outcome::Succeeded { hits };
    let unsent = |i: u64| if i.is_multiple_of(100) { Outcome::NotSent } else { ok(10) };
    let ms = Nanos::from_millis;
    let mut samples: Vec<Sample> =
        at(0, 50_000_000, 160).zip(0..).map(|(due, i)| search_at(i, due, ms(10), ok(10))).collect();
    samples
        .extend(at(8, 20_000_000, 400).zip(160..).map(|(due, i)| search_at(i, due, ms(20), unsent(i - 160))));
    samples.extend(at(16, 33_000_000, 60).zip(560..).map(|(due, i)| search_at(i, due, ms(10), ok(10))));
    let insert =
        |(due, i)| Sample { operation: 1, hits_expected: Some(100), ..search_at(i, due, ms(5), ok(100)) };
    samples.extend(at(0, 200_000_000, 90).zip(1_000..).map(insert));
    let recorded = recorded_in([0, 8, 16].map(Nanos::from_secs).to_vec(), samples);
    let mut report = filled(State::Interrupted, &recorded, Nanos::from_secs(18));
    let stages = serde_json::json!([
        { "rate": 20, "duration": "8s" }, { "ramp_to": 80, "duration": "8s" }, { "ramp_to": 0, "duration": "4s" }
    ]);
    report.settings = vec![Setting { key: "load.stages".into(), value: stages, from: "file 12:1".into() }];
    report
}

/// All of them, by name.
pub(crate) fn all() -> [(&'static str, RunReport); 6] {
    [
        ("full", full()),
        ("empty", empty()),
        ("all_failed", all_failed()),
        ("unknown", unknown()),
        ("interrupted", interrupted()),
        ("staged", staged()),
    ]
}

/// A row of every kind.
pub(crate) fn calibration() -> Calibration {
    let row = |percentile: &str, [truth, bound]: [f64; 2], measured: Option<f64>, floor_us, outcome| {
        CalibrationRow {
            percentile: percentile.to_owned(),
            truth_us: truth,
            measured_us: measured,
            unknown: measured.is_none().then_some(UnknownReason::TooFew),
            off_us: measured.map(|measured| measured - truth),
            bound_us: bound,
            floor_us,
            worst_us: floor_us.map(|floor: f64| floor * 1.5),
            outcome,
        }
    };
    let late = |p50, p99, max| LateTimes { p50_us: Some(p50), p99_us: Some(p99), max_us: Some(max) };
    Calibration {
        schema: CALIBRATION_SCHEMA.to_owned(),
        version: "0.1.0".to_owned(),
        started: super::calendar::rfc3339(ANCHOR_UNIX_US),
        machine: Machine { cores: 2, os: "linux x86_64".to_owned(), ..Machine::default() },
        proof: Proof::Wrong,
        scenarios: vec![CalibrationScenario {
            name: "constant".to_owned(),
            delays: "2 ms, stops 1 s in 5 s".to_owned(),
            rate_per_s: 1_000.0,
            window_s: 15.0,
            planned: 15_000,
            succeeded: 14_999,
            tries: 3,
            base_us: 140.0,
            server_late: late(30.0, 1_200.0, 5_000.0),
            lag: late(60.0, 800.0, 4_000.0),
            rows: vec![
                row("p50", [2e3, 100.0], Some(2_150.0), Some(140.0), RowOutcome::Ok),
                row("p90", [2e3, 100.0], Some(3e3), Some(1.5e3), RowOutcome::TooNoisy),
                row("p99", [500e3, 5e3], Some(400e3), Some(2e3), RowOutcome::Miss),
                row("p99.9", [1e6, 1e4], None, None, RowOutcome::NotJudged),
            ],
        }],
        figures: Some(MachineFigures {
            service_min_us: Some(61.0),
            service_p50_us: Some(84.0),
            pacing: vec![Pacing {
                rate_per_s: 10_000.0,
                lag: late(40.0, 300.0, 2_000.0),
                bare: late(25.0, 200.0, 1_000.0),
            }],
            holds_per_s: Some(22_627.0),
            lowest_tried_per_s: 2_000.0,
            holds_is_limit: false,
            worker_cpu_us_per_request: Some(14.2),
        }),
    }
}
