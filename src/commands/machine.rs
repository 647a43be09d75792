//! The machine that the generator runs on.

use crate::report::model::Machine;

/// Cores, memory, system and processor, as far as they can be read.
pub fn describe() -> Machine {
    let proc = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu_info = proc("/proc/cpuinfo");
    let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory_info = proc("/proc/meminfo");
    Machine {
        cores: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        memory: memory_info.lines().find_map(total_memory),
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        cpu: model.map(|(_, name)| name.trim().to_owned()),
    }
}

/// `MemTotal:       24105684 kB`, in bytes.
fn total_memory(line: &str) -> Option<u64> {
    let kilobytes = line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?;
    Some(kilobytes.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(total_memory("MemTotal:       24105684 kB"), Some(24_684_220_416));
        assert_eq!(total_memory("MemFree:        1 kB"), None);
    }
}
