//! The noise floor: round trips over loopback with nothing but two threads, two timerfds and a socket.
//!
//! ```text
//! client   sleeps to its deadline, writes 8 bytes            reads them: over
//! server                                reads, sleeps 2 ms, writes them back
//! ```
//!
//! A measured request waits for two timers one after the other (the pacing's and the server's) and crosses loopback
//! twice; so does this one. A loop of one timer would call the second wake-up a fault of the generator's.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};

use super::Noise;
use super::timer::{Timer, monotonic};
use crate::clock::ask_for_short_slices;
use crate::units::{Nanos, Rate};

/// What the server waits before it answers; as long as the constant scenario's.
const DELAY: Nanos = Nanos::from_millis(2);
/// A message is the number of its round trip.
const MESSAGE: usize = 8;

/// Round trips that go on in the background until they are stopped. Dropping it stops them too.
#[derive(Debug)]
pub struct RoundTrips {
    anchor: Instant,
    ending: Arc<AtomicBool>,
    client: Option<JoinHandle<io::Result<Vec<Noise>>>>,
    server: Option<JoinHandle<io::Result<()>>>,
}

impl RoundTrips {
    /// Starts `rate` round trips a second, on two threads of their own.
    ///
    /// # Errors
    /// Where the system gives no socket, timer or thread.
    pub fn start(rate: Rate) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let ours = TcpStream::connect(listener.local_addr()?)?;
        let (theirs, _) = listener.accept()?;
        ours.set_nodelay(true)?;
        theirs.set_nodelay(true)?;
        let ending = Arc::new(AtomicBool::new(false));
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let mut probe = Self { anchor: Instant::now(), ending, client: None, server: None };
        let (start, ending) = (monotonic(), Arc::clone(&probe.ending));
        probe.server = Some(thread("probe-server").spawn(move || {
            ask_for_short_slices();
            Server::new(theirs)?.run()
        })?);
        let client = move || {
            ask_for_short_slices();
            Client::new(ours, start, rate)?.run(&ending)
        };
        probe.client = Some(thread("probe-client").spawn(client)?);
        Ok(probe)
    }

    /// The moment from which its times count.
    pub const fn anchor(&self) -> Instant {
        self.anchor
    }

    /// Ends them and tells all that are over.
    ///
    /// # Errors
    /// Where one of its threads failed.
    pub fn stop(mut self) -> io::Result<Vec<Noise>> {
        let noise = self.end();
        noise.unwrap_or_else(|| Err(io::Error::other("the probe of the machine's noise has no client")))
    }

    /// The client goes first: with its socket the server ends.
    fn end(&mut self) -> Option<io::Result<Vec<Noise>>> {
        self.ending.store(true, Ordering::Relaxed);
        let lost = |_| Err(io::Error::other("a thread of the probe of the machine's noise panicked"));
        let noise = self.client.take().map(|client| client.join().unwrap_or_else(lost));
        let server = self.server.take().map(|server| server.join());
        match server {
            Some(Ok(Err(error))) => Some(Err(error)),
            _ => noise,
        }
    }
}

impl Drop for RoundTrips {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.end();
    }
}

/// Whole messages out of a stream.
struct Messages {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Messages {
    const fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// What is there; blocks where nothing is. `None`: the other end has gone.
    fn read(&mut self) -> io::Result<Option<Vec<u64>>> {
        let mut bytes = [0; 4096];
        let count = match self.stream.read(&mut bytes) {
            Ok(0) => return Ok(None),
            // It went while something was still on its way to it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            read => read?,
        };
        self.buffer.extend_from_slice(&bytes[..count]);
        let whole = self.buffer.len() / MESSAGE * MESSAGE;
        let numbers = self.buffer[..whole].as_chunks().0.iter().copied().map(u64::from_le_bytes).collect();
        self.buffer.drain(..whole);
        Ok(Some(numbers))
    }

    fn write(&mut self, number: u64) -> io::Result<()> {
        self.stream.write_all(&number.to_le_bytes())
    }
}

/// Which of the two has something: timer, socket.
fn wait(timer: &Timer, messages: &Messages) -> io::Result<(bool, bool)> {
    let mut both = [PollFd::new(timer, PollFlags::IN), PollFd::new(&messages.stream, PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut both, None))?;
    Ok((!both[0].revents().is_empty(), !both[1].revents().is_empty()))
}

struct Client {
    messages: Messages,
    timer: Timer,
    start: Nanos,
    rate: Rate,
    next: u64,
    noise: Vec<Noise>,
}

impl Client {
    fn new(stream: TcpStream, start: Nanos, rate: Rate) -> io::Result<Self> {
        let timer = Timer::new()?;
        // Room for 100 s at once: what grows later, grows rarely.
        let noise = Vec::with_capacity((rate.get() * 100.0) as usize);
        Ok(Self { messages: Messages::new(stream), timer, start, rate, next: 1, noise })
    }

    /// When round trip `number` is due, from the start.
    fn due(&self, number: u64) -> Nanos {
        Nanos::new((number as f64 / self.rate.get() * 1e9).round() as u64)
    }

    fn run(mut self, ending: &AtomicBool) -> io::Result<Vec<Noise>> {
        self.timer.set(self.start + self.due(self.next))?;
        while !ending.load(Ordering::Relaxed) {
            let (timer, socket) = wait(&self.timer, &self.messages)?;
            if timer {
                self.timer.wait()?;
                while self.start + self.due(self.next) <= monotonic() {
                    self.messages.write(self.next)?;
                    self.next += 1;
                }
                self.timer.set(self.start + self.due(self.next))?;
            }
            if socket {
                let gone = || io::Error::other("the far end of the probe of the machine's noise has gone");
                let numbers = self.messages.read()?.ok_or_else(gone)?;
                let now = monotonic();
                for number in numbers {
                    let due = self.due(number);
                    self.noise.push(Noise { due, by: now - (self.start + due + DELAY) });
                }
            }
        }
        Ok(self.noise)
    }
}

struct Server {
    messages: Messages,
    timer: Timer,
    /// When which answer is due; in order, because all wait equally long.
    waiting: VecDeque<(Nanos, u64)>,
}

impl Server {
    fn new(stream: TcpStream) -> io::Result<Self> {
        Ok(Self { messages: Messages::new(stream), timer: Timer::new()?, waiting: VecDeque::new() })
    }

    fn run(mut self) -> io::Result<()> {
        loop {
            let (timer, socket) = wait(&self.timer, &self.messages)?;
            if timer {
                self.timer.wait()?;
            }
            let idle = self.waiting.is_empty();
            if socket {
                let Some(numbers) = self.messages.read()? else { return Ok(()) };
                let due = monotonic() + DELAY;
                self.waiting.extend(numbers.into_iter().map(|number| (due, number)));
            }
            if timer {
                self.answer()?;
            }
            if timer || idle {
                self.set()?;
            }
        }
    }

    fn answer(&mut self) -> io::Result<()> {
        while let Some(&(due, number)) = self.waiting.front()
            && due <= monotonic()
        {
            if self.messages.write(number).is_err() {
                // The client has been told to end while answers were under way.
                self.waiting.clear();
                return Ok(());
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    fn set(&self) -> io::Result<()> {
        self.waiting.front().map_or(Ok(()), |&(due, _)| self.timer.set(due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// By deadlines alone: whatever comes late, the probe or this test, no trip is over before its own time, nor after the stop.
    #[test]
    fn round_trips_go_on_until_they_are_stopped_and_none_is_early() {
        // A machine that does not let the probe run in one pause has more time in the next.
        for doublings in 0..10 {
            let begun = monotonic();
            let probe = RoundTrips::start(Rate::per_second(500.0).unwrap()).unwrap();
            std::thread::sleep(Duration::from_millis(100 << doublings));
            let noise = probe.stop().unwrap();
            let stopped = monotonic() - begun;
            // Each waited for two timers and crossed loopback twice, which takes some time on any machine.
            assert!(noise.iter().all(|trip| trip.by > Nanos::ZERO), "{noise:?}");
            assert!(noise.iter().all(|trip| trip.due + DELAY + trip.by <= stopped), "{stopped}: {noise:?}");
            assert!(noise.windows(2).all(|pair| pair[0].due < pair[1].due), "{noise:?}");
            if noise.len() >= 20 {
                return;
            }
        }
        panic!("not even 20 round trips in a minute and a half");
    }

    #[test]
    fn one_that_nobody_stops_ends_with_its_handle() {
        drop(RoundTrips::start(Rate::per_second(100.0).unwrap()).unwrap());
    }
}
