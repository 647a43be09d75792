//! What the run cost: CPU and memory of this process by part, and of the server where it tells.
//!
//! Belongs here: reading /proc and the Prometheus text of a server. Does not belong: fetching that text.
//! On a system without /proc, what it would tell is `None`, never 0.

use std::collections::BTreeMap;
use std::fs;

use rustix::time::{ClockId, clock_gettime};

use super::kernel::parse_schedstat;
use crate::units::Nanos;

/// A part of the generator, told by the name of its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The measuring threads, `worker-N`.
    Worker,
    /// Sending spans, `export...`.
    Export,
    /// The built-in collector, `collect...`.
    Collect,
    /// Everything that prepares and controls, `control...`.
    Control,
    /// All other threads.
    Other,
}

impl Part {
    pub const ALL: [Self; 5] = [Self::Worker, Self::Export, Self::Collect, Self::Control, Self::Other];

    /// As reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Export => "export",
            Self::Collect => "collect",
            Self::Control => "control",
            Self::Other => "other",
        }
    }

    /// By the name of a thread (the kernel keeps its first 15 bytes).
    pub fn of_thread(name: &str) -> Self {
        match name {
            // The main thread, which bears the program's name, makes the control calls.
            "milvus-load" => Self::Control,
            _ => [Self::Worker, Self::Export, Self::Collect, Self::Control]
                .into_iter()
                .find(|part| name.starts_with(part.name()))
                .unwrap_or(Self::Other),
        }
    }
}

/// CPU time and memory of this process at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessSnapshot {
    /// CPU time of all threads, ended ones included, since the process started.
    pub cpu: Nanos,
    /// CPU time of the threads that are there now, by part; `None` without /proc.
    pub parts: Option<BTreeMap<Part, Nanos>>,
    /// The most memory that was resident at once, in bytes.
    pub rss_peak: Option<u64>,
}

impl ProcessSnapshot {
    /// Reads it; some 20 us per thread.
    pub fn take() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let whole = |value: i64| u64::try_from(value).unwrap_or(0);
        Self {
            cpu: Nanos::from_secs(whole(cpu.tv_sec)) + Nanos::new(whole(cpu.tv_nsec)),
            parts: threads(),
            rss_peak: fs::read_to_string("/proc/self/status")
                .ok()
                .and_then(|text| status_bytes(&text, "VmHWM")),
        }
    }

    /// CPU time by part since `earlier`. The kernel forgets threads that end, so `ended_workers` brings what the worker
    /// threads of the meantime have used by their own clocks; other ended threads are counted as [`Part::Other`], so that
    /// the parts add up to the whole. `None` without /proc.
    pub fn parts_since(&self, earlier: &Self, ended_workers: Nanos) -> Option<BTreeMap<Part, Nanos>> {
        let before = earlier.parts.as_ref()?;
        let mut parts: BTreeMap<Part, Nanos> = self
            .parts
            .as_ref()?
            .iter()
            .map(|(&part, &cpu)| (part, cpu - before.get(&part).copied().unwrap_or_default()))
            .collect();
        let workers = parts.entry(Part::Worker).or_insert(Nanos::ZERO);
        *workers = *workers + ended_workers;
        let named = [Part::Worker, Part::Export, Part::Collect, Part::Control]
            .iter()
            .fold(Nanos::ZERO, |sum, part| sum + parts.get(part).copied().unwrap_or_default());
        parts.insert(Part::Other, (self.cpu - earlier.cpu) - named);
        Some(parts)
    }
}

fn threads() -> Option<BTreeMap<Part, Nanos>> {
    let mut parts = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        // A thread may end between the listing and the reading.
        let read = |file| fs::read_to_string(task.path().join(file)).ok();
        let (Some(name), Some(time)) = (read("comm"), read("schedstat").as_deref().and_then(parse_schedstat))
        else {
            continue;
        };
        let sum = parts.entry(Part::of_thread(name.trim())).or_insert(Nanos::ZERO);
        *sum = *sum + time.ran;
    }
    (!parts.is_empty()).then_some(parts)
}

/// A line such as `VmHWM:     1234 kB` of /proc/PID/status, in bytes.
fn status_bytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// What a server says of its own process, in the names that Prometheus's client libraries share.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessMetrics {
    /// `process_cpu_seconds_total`.
    pub cpu_seconds: Option<f64>,
    /// `process_resident_memory_bytes`.
    pub rss_bytes: Option<u64>,
    /// `process_start_time_seconds`, since 1970: tells one process from the next at the same address.
    pub started_seconds: Option<f64>,
}

/// Finds these in Prometheus's text format; anything else in it, or anything damaged, is passed over.
pub fn parse_process_metrics(text: &str) -> ProcessMetrics {
    let value = |name: &str| {
        text.lines().find_map(|line| {
            // `name value [timestamp]`; these carry no labels.
            let mut words = line.split_ascii_whitespace();
            let value: f64 = if words.next()? == name { words.next()?.parse().ok()? } else { return None };
            (value.is_finite() && value >= 0.0).then_some(value)
        })
    };
    ProcessMetrics {
        cpu_seconds: value("process_cpu_seconds_total"),
        rss_bytes: value("process_resident_memory_bytes").map(|bytes| bytes as u64),
        started_seconds: value("process_start_time_seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_belong_to_a_part_by_their_name() {
        let cases = [("worker-12", Part::Worker), ("export", Part::Export), ("control-io", Part::Control)];
        let others = [("collect-own", Part::Collect), ("tokio-rt", Part::Other), ("", Part::Other)];
        for (name, part) in cases.into_iter().chain(others) {
            assert_eq!(Part::of_thread(name), part, "{name:?}");
        }
    }

    #[test]
    fn parts_add_up_to_the_process_even_where_a_thread_has_ended() {
        let at = |cpu, worker, other| ProcessSnapshot {
            cpu: Nanos::new(cpu),
            parts: Some([(Part::Worker, Nanos::new(worker)), (Part::Other, Nanos::new(other))].into()),
            rss_peak: None,
        };
        let parts = at(1_000, 600, 10).parts_since(&at(100, 50, 40), Nanos::ZERO).unwrap();
        assert_eq!(parts, [(Part::Worker, Nanos::new(550)), (Part::Other, Nanos::new(350))].into());
    }

    #[test]
    fn the_kernels_status_is_read_and_a_damaged_one_passed_over() {
        assert_eq!(status_bytes("Name:\tx\nVmHWM:\t    2048 kB\n", "VmHWM"), Some(2 << 20));
        assert_eq!(status_bytes("VmHWMx: 1 kB\nVmHWM: lots kB", "VmHWM"), None);
    }

    #[test]
    fn a_server_tells_its_cpu_and_memory() {
        let text = "# HELP process_cpu_seconds_total Total user and system CPU time\n\
                    process_cpu_seconds_total 12.5\nprocess_resident_memory_bytes 1.073741824e+09 1700000000000\n\
                    process_start_time_seconds 1.75e+09\n";
        let told = parse_process_metrics(text);
        let expected = ProcessMetrics {
            cpu_seconds: Some(12.5),
            rss_bytes: Some(1 << 30),
            started_seconds: Some(1.75e9),
        };
        assert_eq!(told, expected);
        let damaged = "process_cpu_seconds_total NaN\nprocess_resident_memory_bytes";
        assert_eq!(parse_process_metrics(damaged), ProcessMetrics::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_used_cpu_and_memory() {
        let mut spent = 0u64;
        while ProcessSnapshot::take().cpu < Nanos::from_millis(1) {
            spent = std::hint::black_box(spent.wrapping_add(1));
        }
        let snapshot = ProcessSnapshot::take();
        assert!(snapshot.parts.is_some() && snapshot.rss_peak > Some(1 << 20), "{snapshot:?}");
    }
}
