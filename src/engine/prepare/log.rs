//! What set-up did: steps with their times, retries and spans.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use crate::trace::ids::IdGenerator;
use crate::trace::setup::SetupSpan;
use crate::trace::{TraceRef, traceparent};
use crate::units::Nanos;

/// Inserts of set-up that are traced at most: enough to look at, too few to drown the measured traces.
const TRACED_INSERTS: u32 = 20;

/// One step of set-up; repeated calls of one name are one step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    /// Its name, such as `flush`.
    pub name: &'static str,
    pub seconds: f64,
    pub retries: u64,
    /// Its trace, where set-up is traced.
    pub trace_id: Option<u128>,
}

#[derive(Debug)]
pub struct SetupLog {
    ids: IdGenerator,
    /// `None`: set-up is not traced.
    root: Option<(TraceRef, SystemTime)>,
    steps: Vec<StepRecord>,
    spans: Vec<SetupSpan>,
    current: Option<Current>,
    traced_inserts: u32,
}

#[derive(Debug)]
struct Current {
    name: &'static str,
    started: (Instant, SystemTime),
    retries: u64,
    span: u64,
}

impl SetupLog {
    /// `traced`: tracing is on and the fraction is above 0.
    pub fn new(mut ids: IdGenerator, traced: bool) -> Self {
        let root = traced.then(|| {
            let trace = TraceRef { trace_id: ids.trace_id(), span_id: ids.span_id(), sampled: true };
            (trace, SystemTime::now())
        });
        Self { ids, root, steps: Vec::new(), spans: Vec::new(), current: None, traced_inserts: 0 }
    }

    /// Begins a step and ends the one before; nothing happens where it is under way already.
    pub fn step(&mut self, name: &'static str) {
        if self.current.as_ref().is_some_and(|current| current.name == name) {
            return;
        }
        self.end_step();
        let started = (Instant::now(), SystemTime::now());
        self.current = Some(Current { name, started, retries: 0, span: self.ids.span_id() });
    }

    /// A call of the step under way was tried again.
    pub fn retried(&mut self) {
        if let Some(current) = &mut self.current {
            current.retries += 1;
        }
    }

    /// The `traceparent` of a call of the step under way: sampled for its real work, unsampled for polls.
    pub fn header(&self, sampled: bool) -> Option<HeaderValue> {
        let (root, _) = self.root?;
        let span = self.current.as_ref().map_or(root.span_id, |current| current.span);
        Some(traceparent::header(root.trace_id, span, sampled))
    }

    /// Names one insert: its IDs and header. Only the first few are sampled.
    pub fn insert(&mut self) -> (Option<TraceRef>, Option<HeaderValue>) {
        let Some((root, _)) = self.root else { return (None, None) };
        self.traced_inserts += 1;
        let sampled = self.traced_inserts <= TRACED_INSERTS;
        let trace = TraceRef { trace_id: root.trace_id, span_id: self.ids.span_id(), sampled };
        (sampled.then_some(trace), Some(traceparent::header(trace.trace_id, trace.span_id, sampled)))
    }

    /// Notes an insert's span.
    pub fn inserted(&mut self, trace: TraceRef, started: SystemTime) {
        let parent = self.current.as_ref().map(|current| current.span);
        self.spans.push(span("Insert", trace, parent, started));
    }

    fn end_step(&mut self) {
        let Some(current) = self.current.take() else { return };
        let (started, wall) = current.started;
        self.steps.push(StepRecord {
            name: current.name,
            seconds: started.elapsed().as_secs_f64(),
            retries: current.retries,
            trace_id: self.root.map(|(root, _)| root.trace_id),
        });
        if let Some((root, _)) = self.root {
            let trace = TraceRef { span_id: current.span, ..root };
            self.spans.push(span(current.name, trace, Some(root.span_id), wall));
        }
    }

    /// Ends set-up: its steps and spans, the root among them.
    pub fn finish(mut self) -> (Vec<StepRecord>, Vec<SetupSpan>) {
        self.end_step();
        if let Some((trace, started)) = self.root {
            self.spans.push(span("set-up", trace, None, started));
        }
        (self.steps, self.spans)
    }
}

fn span(name: &str, trace: TraceRef, parent: Option<u64>, started: SystemTime) -> SetupSpan {
    let unix = |time: SystemTime| Nanos::from(time.duration_since(UNIX_EPOCH).unwrap_or_default()).get();
    SetupSpan {
        trace,
        parent,
        is_call: name == "Insert",
        name: name.to_owned(),
        start: unix(started),
        end: unix(SystemTime::now()),
        attributes: Vec::new(),
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::ids::RunEntropy;

    fn log(traced: bool) -> SetupLog {
        SetupLog::new(RunEntropy::from_os().unwrap().generator(0), traced)
    }

    #[test]
    fn at_most_twenty_inserts_are_sampled_and_all_spans_join_up() {
        let mut log = log(true);
        log.step("insert");
        let mut sampled = 0;
        for _ in 0..50 {
            let (trace, header) = log.insert();
            let flag = header.unwrap().as_bytes()[54];
            assert_eq!(flag == b'1', trace.is_some());
            if let Some(trace) = trace {
                sampled += 1;
                log.inserted(trace, SystemTime::now());
            }
        }
        log.step("flush");
        log.step("flush");
        let (steps, spans) = log.finish();
        assert_eq!(sampled, 20);
        assert_eq!(steps.iter().map(|s| s.name).collect::<Vec<_>>(), ["insert", "flush"]);
        let ids: Vec<u64> = spans.iter().map(|s| s.trace.span_id).collect();
        let roots = spans.iter().filter(|s| s.parent.is_none()).count();
        assert_eq!(roots, 1);
        assert!(spans.iter().all(|s| s.parent.is_none_or(|p| ids.contains(&p))));
    }

    #[test]
    fn polls_are_never_sampled_and_nothing_is_sent_when_tracing_is_off() {
        let mut traced = log(true);
        traced.step("wait");
        assert_eq!(traced.header(false).unwrap().as_bytes()[54], b'0');
        assert_eq!(traced.header(true).unwrap().as_bytes()[54], b'1');
        let mut silent = log(false);
        silent.step("wait");
        assert_eq!(silent.header(true), None);
        assert_eq!(silent.insert(), (None, None));
        assert!(silent.finish().1.is_empty());
    }
}
