//! Lines that are drawn anew in place, on the terminal that stderr is, by whichever thread has something to say.
//!
//! The cursor rests at the beginning of the first line between two drawings. So whatever the terminal does with the lines when it
//! is made narrower or wider, the next drawing begins where the last one did, and erases all from there; what is said meanwhile
//! comes before them, and stays. Nothing is switched on that would have to be switched off, but for the moment of a drawing, in
//! which long lines do not go on in the next.
//!
//! No write waits. A terminal may take nothing for long (Ctrl-S, a slow connection): what it was given in part is given in whole
//! before anything else, and drawings that find it busy are left out. For that it is opened anew, because the flag that keeps writes
//! from waiting belongs to all who share an open file, and stderr is shared with the shell.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// How long the end of a view waits for a terminal that takes nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long whoever has something to say waits for it afterwards.
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// More than that is not kept for a terminal that takes nothing.
const MOST_PENDING: usize = 64 << 10;

/// In characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub columns: u16,
    pub rows: u16,
}

static SCREEN: Mutex<Option<Screen>> = Mutex::new(None);
/// The terminal has not taken the end of the last view.
static IS_STUCK: AtomicBool = AtomicBool::new(false);

/// Nothing that is kept there can be left by half.
fn screen() -> MutexGuard<'static, Option<Screen>> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes over the terminal that stderr is; false where it is none that lines can be drawn on.
pub(super) fn open() -> bool {
    let opened = terminal();
    let is_open = opened.is_some();
    *screen() = opened.map(Screen::new);
    is_open
}

fn terminal() -> Option<OwnedFd> {
    use std::io::IsTerminal as _;
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if is_dumb || !std::io::stderr().is_terminal() {
        return None;
    }
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // The file itself, whether or not a name leads to it here, as it may not in a container.
    rustix::fs::open("/proc/self/fd/2", flags, Mode::empty()).ok()
}

/// The size of the terminal; `None`: none is drawn on.
pub(super) fn size() -> Option<Size> {
    screen().as_ref().map(Screen::size)
}

/// Draws these lines in place of those before; false where the terminal is still busy with what it was given.
pub(super) fn draw(lines: &[String]) -> bool {
    screen().as_mut().is_some_and(|screen| screen.draw(lines))
}

/// Says something above the lines; false where nothing is drawn.
pub(in crate::commands) fn say(text: &str) -> bool {
    screen().as_mut().map(|screen| screen.say(text)).is_some()
}

/// Erases the lines and lets the terminal go, whether or not it takes that. Nothing happens where nothing is drawn.
pub(in crate::commands) fn close() {
    if let Some(screen) = screen().take() {
        IS_STUCK.store(!screen.close(), Ordering::Relaxed);
    }
}

/// Whether to write to stderr: not where the last thing that was drawn there was not taken, and nothing is within a moment.
pub(in crate::commands) fn takes() -> bool {
    if IS_STUCK.load(Ordering::Relaxed) {
        let stderr = std::io::stderr();
        let ready = poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&MOMENT));
        IS_STUCK.store(ready == Ok(0), Ordering::Relaxed);
    }
    !IS_STUCK.load(Ordering::Relaxed)
}

/// A terminal with lines on it.
struct Screen {
    terminal: OwnedFd,
    /// Given, and not yet taken.
    pending: Vec<u8>,
    lines: Vec<String>,
}

impl Screen {
    fn new(terminal: OwnedFd) -> Self {
        Self { terminal, pending: Vec::new(), lines: Vec::new() }
    }

    fn size(&self) -> Size {
        let told = rustix::termios::tcgetwinsize(&self.terminal).map(|size| (size.ws_col, size.ws_row));
        match told {
            Ok((columns, rows)) if columns > 0 && rows > 0 => Size { columns, rows },
            // One that does not know.
            _ => Size { columns: 80, rows: 24 },
        }
    }

    fn draw(&mut self, lines: &[String]) -> bool {
        if !self.flush() {
            return false;
        }
        self.lines = lines.to_vec();
        self.frame();
        self.flush();
        true
    }

    fn say(&mut self, text: &str) {
        if self.pending.len() > MOST_PENDING {
            return;
        }
        self.pending.extend(b"\r\x1b[J");
        self.pending.extend(text.replace('\n', "\r\n").bytes());
        self.pending.extend(b"\r\n");
        self.frame();
        self.flush();
    }

    fn frame(&mut self) {
        let Some(last) = self.lines.len().checked_sub(1) else { return };
        let mut frame = String::from("\x1b[?7l\r");
        for (index, line) in self.lines.iter().enumerate() {
            frame += line;
            frame += if index < last { "\x1b[K\r\n" } else { "\x1b[K" };
        }
        frame += "\x1b[J";
        if last > 0 {
            frame += &format!("\x1b[{last}A");
        }
        frame += "\r\x1b[?7h";
        self.pending.extend(frame.bytes());
    }

    /// Gives what is pending; false where something is left.
    fn flush(&mut self) -> bool {
        while !self.pending.is_empty() {
            match rustix::io::write(&self.terminal, &self.pending) {
                Ok(taken) => drop(self.pending.drain(..taken)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return false,
                // It has hung up: nobody looks any more.
                Err(_) => self.pending.clear(),
            }
        }
        true
    }

    fn close(mut self) -> bool {
        if !self.lines.is_empty() {
            self.pending.extend(b"\r\x1b[J");
        }
        let end = Instant::now() + PATIENCE;
        while !self.flush() {
            let left = end.saturating_duration_since(Instant::now());
            let mut ready = [PollFd::new(&self.terminal, PollFlags::OUT)];
            let polled = Timespec::try_from(left).map(|left| poll(&mut ready, Some(&left)));
            if left.is_zero() || !matches!(polled, Ok(Ok(1..) | Err(Errno::INTR))) {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
