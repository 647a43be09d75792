//! A server that answers every request with the same bytes, as fast as one thread can: what is left is the client's cost.
//!
//! It speaks as much HTTP/2 (RFC 9113) as the h2 crate's client needs: frames are told apart by type and flags, headers are
//! not decoded, and a request is over where END_STREAM says so. Answers to all that one read brought leave in one write. Its
//! own windows are as large as HTTP/2 allows. It never waits for the client's, which must be larger than all answers under
//! way together: 4 MiB a stream and 64 MiB a connection, in the clients of the benches.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame's length, type, flags and stream (section 4.1).
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
/// ACK of SETTINGS and PING.
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The setting of that number (section 6.5.2): what may be sent on a new stream before a WINDOW_UPDATE.
const INITIAL_WINDOW_SIZE: u16 = 4;
const LARGEST_WINDOW: u32 = (1 << 31) - 1;
const FIRST_CONNECTION_WINDOW: u32 = 65_535;
/// Once a connection's client has sent that much, its window is refilled by as much.
const REFILL: u32 = 1 << 29;
/// Room for what one read brings: some 20 requests of 3 KB.
const READ: usize = 64 << 10;
/// HPACK (RFC 7541): `:status: 200`, and `content-type: application/grpc` without indexing.
const RESPONSE: &[u8] = b"\x88\x0f\x10\x10application/grpc";
/// `grpc-status: 0` without indexing.
const TRAILERS: &[u8] = b"\x00\x0bgrpc-status\x010";

/// The running server; it lives as long as the process.
pub struct FastServer {
    addr: SocketAddr,
    thread: i32,
}

impl FastServer {
    /// Starts it on a thread of its own. `reply` is a whole gRPC message, with its five bytes in front.
    pub fn start(reply: &[u8]) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (answer, (said, thread)) = (Answer::new(reply), std::sync::mpsc::channel());
        std::thread::Builder::new().name("fast-server".into()).spawn(move || {
            let _ = said.send(rustix::thread::gettid().as_raw_nonzero().get());
            runtime.block_on(accept(listener, answer));
        })?;
        let thread = thread.recv().map_err(io::Error::other)?;
        Ok(Self { addr, thread })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The CPU time that its thread has used, up to its last turn on a core.
    pub fn cpu(&self) -> io::Result<Duration> {
        let text = fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.thread))?;
        let ran = text.split_ascii_whitespace().next().and_then(|number| number.parse().ok());
        ran.map(Duration::from_nanos).ok_or_else(|| io::Error::other("schedstat without a number"))
    }
}

async fn accept(listener: std::net::TcpListener, answer: Answer) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let connection = Connection { answer: answer.clone(), unrefilled: 0, out: Vec::with_capacity(READ) };
        tokio::spawn(connection.serve(stream));
    }
}

/// The frames of an answer, with the stream's number left open in three places.
#[derive(Clone)]
struct Answer {
    frames: Vec<u8>,
    streams: [usize; 3],
}

impl Answer {
    fn new(reply: &[u8]) -> Self {
        let mut frames = Vec::new();
        let parts = [
            (HEADERS, END_HEADERS, RESPONSE),
            (DATA, 0, reply),
            (HEADERS, END_HEADERS | END_STREAM, TRAILERS),
        ];
        let streams = parts.map(|(kind, flags, payload)| {
            let start = frames.len();
            push(&mut frames, kind, flags, 0, payload);
            start + 5
        });
        Self { frames, streams }
    }

    fn push(&self, out: &mut Vec<u8>, stream: u32) {
        let start = out.len();
        out.extend_from_slice(&self.frames);
        for place in self.streams {
            out[start + place..start + place + 4].copy_from_slice(&stream.to_be_bytes());
        }
    }
}

/// Appends a frame; `payload` must be shorter than the 16 KiB that every peer takes.
fn push(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

struct Connection {
    answer: Answer,
    /// What the client has sent since its window was last refilled, bytes.
    unrefilled: u32,
    /// What is to be written next.
    out: Vec<u8>,
}

impl Connection {
    /// Serves until the client has gone.
    async fn serve(mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await?;
        if preface != PREFACE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let window = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &LARGEST_WINDOW.to_be_bytes()].concat();
        push(&mut self.out, SETTINGS, 0, 0, &window);
        self.refill(LARGEST_WINDOW - FIRST_CONNECTION_WINDOW);
        let mut read = Vec::with_capacity(READ);
        loop {
            stream.write_all(&self.out).await?;
            self.out.clear();
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
            let taken = self.take(&read);
            read.drain(..taken);
        }
    }

    /// Answers all whole frames in `read`; returns their bytes.
    fn take(&mut self, read: &[u8]) -> usize {
        let mut rest = read;
        while let Some((head, after)) = rest.split_first_chunk::<HEAD>() {
            let [a, b, c, kind, flags, stream @ ..] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some((payload, after)) = after.split_at_checked(length) else { break };
            self.frame(kind, flags, u32::from_be_bytes(stream), payload);
            rest = after;
        }
        read.len() - rest.len()
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        match kind {
            SETTINGS if flags & ACK == 0 => push(&mut self.out, SETTINGS, ACK, 0, b""),
            PING if flags & ACK == 0 => push(&mut self.out, PING, ACK, 0, payload),
            DATA => self.unrefilled += payload.len() as u32,
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            self.answer.push(&mut self.out, stream);
        }
        if self.unrefilled >= REFILL {
            self.refill(self.unrefilled);
            self.unrefilled = 0;
        }
    }

    fn refill(&mut self, by: u32) {
        push(&mut self.out, WINDOW_UPDATE, 0, 0, &by.to_be_bytes());
    }
}
