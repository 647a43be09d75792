//! The loops that start requests: one per open stream of a worker, one per slot of a closed one.

use std::cell::Cell;
use std::iter::Peekable;
use std::rc::Rc;
use std::time::Instant;

use tokio::task::JoinHandle;

use super::EngineError;
use super::request::Task;
use super::schedule::Choice;
use super::share::Arrivals;
use super::state::WorkerState;
use super::worker::STOP_POLL;
use crate::clock::Alarm;
use crate::units::Nanos;
use crate::workload::LoadModel;

/// Requests that are admitted in one go where many are due, before the first of them are sent and answers are read.
const BURST: u32 = 64;

/// Sends this worker's share of every stream; returns when nothing more becomes due. A loop that fails ends the load for all.
pub(super) async fn send_all(state: &Rc<WorkerState>) {
    let plan = &state.plan;
    let mut loops: Vec<JoinHandle<()>> = Vec::new();
    for (stream, settings) in plan.streams.iter().enumerate() {
        if let LoadModel::Open { rate, arrival } = &settings.model {
            let all = Arrivals::new(plan.seed, stream as u64, *arrival, rate.clone(), plan.end(), plan.shard);
            let arrivals = all.of_worker(state.worker, plan.workers).peekable();
            loops.push(tokio::task::spawn_local(open_stream(Rc::clone(state), stream, arrivals)));
        }
    }
    loops.extend(start_closed(state).await);
    for each in loops {
        // A panic has been noted by the guard within.
        let _ = each.await;
    }
}

/// Starts the slots of all closed streams together: a timer for each would take a file descriptor for each.
async fn start_closed(state: &Rc<WorkerState>) -> Vec<JoinHandle<()>> {
    let widths = state.plan.streams.iter().map(|stream| match stream.model {
        LoadModel::Open { .. } => 0,
        LoadModel::Closed { concurrency } => state.plan.share(concurrency, state.worker),
    });
    let widths: Vec<u32> = widths.collect();
    if widths.iter().all(|width| *width == 0) {
        return vec![];
    }
    if let Err(error) = wait_for_start(state).await {
        state.fail(error);
        return vec![];
    }
    let mut slots = Vec::new();
    for (stream, width) in widths.into_iter().enumerate() {
        let next = Rc::new(Cell::new(0));
        for _ in 0..width {
            slots.push(tokio::task::spawn_local(closed_slot(Rc::clone(state), stream, Rc::clone(&next))));
        }
    }
    slots
}

/// Until the run's zero, or a stop before it.
async fn wait_for_start(state: &WorkerState) -> Result<(), EngineError> {
    let alarm = Alarm::new()?;
    while !state.clock.has_started() && state.ending.at(&state.clock) > Nanos::ZERO {
        alarm.sleep_until((Instant::now() + STOP_POLL).min(state.clock.instant(Nanos::ZERO))).await?;
    }
    Ok(())
}

/// What is dispatched so long after the end of the window, or after the stop, was no load of the window any more: a
/// backlog may end a little later than the schedule, but not be most of it.
fn grace(window: Nanos) -> Nanos {
    Nanos::new(window.get() / 100).max(Nanos::from_millis(100))
}

/// Carries out a stream's schedule. What of it is left where the loop fails counts as planned and was never offered.
async fn open_stream(state: Rc<WorkerState>, stream: usize, mut arrivals: Peekable<Arrivals>) {
    let _guard = state.guard();
    if let Err(error) = open_loop(&state, stream, &mut arrivals).await {
        state.fail(error);
        let end = state.ending.at(&state.clock);
        arrivals.take_while(|due| due.at < end).for_each(|due| state.plan_arrival(stream, due.at));
    }
}

/// Dispatches everything that is due, then sleeps until the next arrival.
async fn open_loop(
    state: &Rc<WorkerState>,
    stream: usize,
    arrivals: &mut Peekable<Arrivals>,
) -> Result<(), EngineError> {
    let plan = &state.plan;
    let choice = Choice::new(plan.seed, stream as u64, &plan.streams[stream].shares);
    let bound = plan.share(plan.max_in_flight, state.worker);
    let grace = grace(plan.recorder.window);
    let (alarm, mut burst) = (Alarm::new()?, 0);
    while let Some(&due) = arrivals.peek() {
        loop {
            // In this order, see `RunEnd::at`.
            let now = state.clock.has_started().then(|| state.clock.now());
            let end = state.ending.at(&state.clock);
            if due.at >= end {
                return Ok(());
            }
            if let Some(now) = now.filter(|now| due.at <= *now) {
                if now > end + grace && due.at >= plan.recorder.window_start {
                    state.after_the_end[stream].set(state.after_the_end[stream].get() + 1);
                }
                break;
            }
            if burst > 0 {
                // What was dispatched leaves first: setting an alarm takes a call to the system as well.
                burst = 0;
                tokio::task::yield_now().await;
                continue;
            }
            let (moment, look) = (state.clock.instant(due.at), Instant::now() + STOP_POLL);
            if moment > look {
                alarm.sleep_until(look).await?;
            } else {
                let spin = plan.spin.part_of(moment.saturating_duration_since(Instant::now()));
                alarm.spin_until(moment, spin, &state.spun).await?;
            }
        }
        if burst == BURST {
            burst = 0;
            tokio::task::yield_now().await;
        }
        burst += 1;
        arrivals.next();
        state.plan_arrival(stream, due.at);
        let operation = choice.of(due.index);
        let task = Task { stream, index: due.index, operation, intended: due.at };
        if let Some(key) = state.admit(task, Some(bound)) {
            tokio::task::spawn_local(Rc::clone(state).carry_out(task, key));
        }
    }
    Ok(())
}

/// One slot of a closed loop: the next request is intended the moment the slot became free.
async fn closed_slot(state: Rc<WorkerState>, stream: usize, next: Rc<Cell<u64>>) {
    let _guard = state.guard();
    let plan = &state.plan;
    let choice = Choice::new(plan.seed, stream as u64, &plan.streams[stream].shares);
    loop {
        let intended = state.clock.now();
        if intended >= state.ending.at(&state.clock) {
            return;
        }
        let of_worker = next.replace(next.get() + 1) * plan.workers as u64 + state.worker as u64;
        let index = of_worker * u64::from(plan.shard.of()) + u64::from(plan.shard.index());
        let task = Task { stream, index, operation: choice.of(index), intended };
        if let Some(key) = state.admit(task, None) {
            Rc::clone(&state).carry_out(task, key).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_may_end_a_hundredth_of_the_window_late_or_a_tenth_of_a_second() {
        assert_eq!(grace(Nanos::from_secs(1)), Nanos::from_millis(100));
        assert_eq!(grace(Nanos::from_secs(30)), Nanos::from_millis(300));
    }
}
