//! Who got the cores, as the kernel tells: the time that a thread ran and waited for a core, and what the machine did.
//!
//! Belongs here: reading and parsing /proc. Does not belong: what to conclude from it (that is
//! [`verdict`](super::verdict)). On a system without /proc everything is `None`, never 0.

use std::fs;

use rustix::time::{ClockId, clock_gettime};

use crate::units::Nanos;

/// The length of a tick in /proc/stat. `USER_HZ` is 100 for programs on every architecture that this tool is built for,
/// whatever the kernel's own frequency is (proc_stat(5)).
const TICK: Nanos = Nanos::from_millis(10);

/// What the scheduler gave a thread, over its life or between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadTime {
    /// On a core.
    pub ran: Nanos,
    /// Ready to run, and waiting in a run queue for a core.
    pub waited: Nanos,
    /// How often it got a core: once per wake-up, and once after each time that another thread was put before it.
    pub turns: u64,
}

impl ThreadTime {
    /// The calling thread's, since it began; some 10 us. `None` without /proc.
    pub fn of_this_thread() -> Option<Self> {
        let told = parse_schedstat(&fs::read_to_string("/proc/thread-self/schedstat").ok()?)?;
        // The file's own first number is as old as the thread's present turn.
        Some(Self { ran: cpu_of_this_thread(), ..told })
    }

    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            ran: self.ran - earlier.ran,
            waited: self.waited - earlier.waited,
            turns: self.turns.saturating_sub(earlier.turns),
        }
    }

    /// The mean wait for a core before a turn; `None`: it had no turn.
    pub fn mean_wait(&self) -> Option<Nanos> {
        self.waited.get().checked_div(self.turns).map(Nanos::new)
    }
}

pub fn cpu_of_this_thread() -> Nanos {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let whole = |value: i64| u64::try_from(value).unwrap_or(0);
    Nanos::from_secs(whole(time.tv_sec)) + Nanos::new(whole(time.tv_nsec))
}

/// The three numbers of /proc/PID/schedstat: ns on a core, ns in a run queue, turns (kernel documentation, sched-stats).
pub(super) fn parse_schedstat(text: &str) -> Option<ThreadTime> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    Some(ThreadTime { ran: Nanos::new(next()?), waited: Nanos::new(next()?), turns: next()? })
}

/// What a worker thread has had at one moment, since it began to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadReading {
    /// When it was read, from the run's anchor: at the moment that it is for, or when the thread got round to it.
    pub at: Nanos,
    /// What the scheduler gave it since the thread began; `None`: the kernel does not tell.
    pub cpu: Option<ThreadTime>,
    /// Of its time on a core, what it busy-waited with nothing else to do.
    pub spun: Nanos,
}

/// How one worker thread fared while it measured, seen by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerTime {
    /// The time watched: the window, or what there was of it.
    pub over: Nanos,
    /// What the scheduler gave it in that time; `None`: the kernel does not tell.
    pub cpu: Option<ThreadTime>,
    /// Of the time on a core, what it busy-waited with nothing else to do.
    pub spun: Nanos,
    /// The longest time by which it came too late to look at its clock, from the window's start to the drain's end.
    pub stalled: Nanos,
}

impl WorkerTime {
    /// The share of that time that it was on a core; `None`: the kernel does not tell, or no time passed.
    pub fn cpu_share(&self) -> Option<f64> {
        self.share(self.cpu?.ran)
    }

    /// The share of that time that it had work to do, on a core or waiting for one; busy-waiting is none. `None`: as above.
    pub fn busy_share(&self) -> Option<f64> {
        let cpu = self.cpu?;
        self.share(cpu.ran + cpu.waited - self.spun)
    }

    fn share(&self, part: Nanos) -> Option<f64> {
        (self.over > Nanos::ZERO).then_some(part.get() as f64 / self.over.get() as f64)
    }
}

/// CPU time of the whole machine since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineTime {
    /// Cores that the machine has, whether or not this process may use them.
    pub cores: u32,
    /// Of all cores together, idle or not: cores times the time passed.
    pub all: Nanos,
    /// Spent by programs and, for them, by the kernel. Interrupts are left out: most are the network's, and so our own.
    pub busy: Nanos,
    /// Wanted, and given by the hypervisor to somebody else.
    pub stolen: Nanos,
}

impl MachineTime {
    /// Now, to 10 ms; `None` without /proc.
    pub fn now() -> Option<Self> {
        parse_stat(&fs::read_to_string("/proc/stat").ok()?)
    }

    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            cores: self.cores,
            all: self.all - earlier.all,
            busy: self.busy - earlier.busy,
            stolen: self.stolen - earlier.stolen,
        }
    }
}

/// The first lines of /proc/stat: `cpu user nice system idle iowait irq softirq steal guest guest_nice` for all, then a
/// line per core. The guests' time is contained in `user` and `nice` (proc_stat(5)).
fn parse_stat(text: &str) -> Option<MachineTime> {
    let mut lines = text.lines().take_while(|line| line.starts_with("cpu"));
    let ticks: Vec<u64> =
        lines.next()?.split_ascii_whitespace().skip(1).take(8).map_while(|n| n.parse().ok()).collect();
    let &[user, nice, system, _idle, _iowait, _irq, _softirq, steal] = ticks.as_slice() else { return None };
    let time = |ticks: u64| Nanos::new(ticks.saturating_mul(TICK.get()));
    Some(MachineTime {
        cores: u32::try_from(lines.count()).unwrap_or(u32::MAX).max(1),
        all: time(ticks.iter().sum()),
        busy: time(user + nice + system),
        stolen: time(steal),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_numbers_are_read_and_damaged_ones_passed_over() {
        let told = ThreadTime { ran: Nanos::new(499), waited: Nanos::new(52), turns: 4 };
        assert_eq!(parse_schedstat("499 52 4\n"), Some(told));
        for damaged in ["", "1 2", "1 x 3"] {
            assert_eq!(parse_schedstat(damaged), None, "{damaged:?}");
        }
        assert_eq!(told.mean_wait(), Some(Nanos::new(13)));
        assert_eq!(ThreadTime::default().mean_wait(), None);
    }

    #[test]
    fn a_machine_is_busy_with_what_programs_use_and_not_with_interrupts_or_waiting() {
        let text = "cpu  100 20 30 4000 500 6 7 8 50 0\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu1 1 2 3 4 5 6 7 8 0 0\n\
                    intr 1 2 3\n";
        let told = parse_stat(text).unwrap();
        assert_eq!(
            (told.cores, told.busy, told.stolen),
            (2, Nanos::from_millis(1_500), Nanos::from_millis(80))
        );
        assert_eq!(told.all, Nanos::from_millis(46_710), "without the guests, who are within user");
        for damaged in ["", "cpu 1 2 3", "cpu a b c d e f g h", "intr 1"] {
            assert_eq!(parse_stat(damaged), None, "{damaged:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_works_is_seen_to_run() {
        let (before, machine) = (ThreadTime::of_this_thread().unwrap(), MachineTime::now().unwrap());
        let mut spent = 0u64;
        while ThreadTime::of_this_thread().unwrap().since(&before).ran < Nanos::from_millis(30) {
            spent = std::hint::black_box(spent.wrapping_add(1));
        }
        let machine = MachineTime::now().unwrap().since(&machine);
        assert!(machine.all >= Nanos::from_millis(20) && machine.cores >= 1, "{machine:?}");
    }
}
