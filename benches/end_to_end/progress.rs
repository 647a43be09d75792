//! What is under way, on stderr: standard output holds the results alone.

use std::io::IsTerminal as _;
use std::time::Duration;

/// A part that is being measured.
pub struct Progress {
    part: &'static str,
    rounds: usize,
    terminal: bool,
}

impl Progress {
    /// Says which part begins, and how long it will take: one round more than are counted, to warm up.
    pub fn begin(part: &'static str, rounds: usize, round: Duration) -> Self {
        let seconds = (round * (rounds as u32 + 1)).as_secs();
        eprintln!("[{part}: {rounds} rounds and one to warm up, some {seconds} s]");
        Self { part, rounds, terminal: std::io::stderr().is_terminal() }
    }

    /// A round begins; 0 warms up.
    pub fn round(&self, number: usize) {
        if self.terminal {
            eprint!("\r\x1b[K{} {number}/{}", self.part, self.rounds);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
