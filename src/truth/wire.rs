//! The socket under a connection, which a script can cut in the middle of a frame.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// What an answer can do to its connection.
#[derive(Debug, Default)]
pub(super) struct Signals {
    cut: AtomicBool,
    /// Wakes the connection to close gracefully.
    pub(super) goaway: Notify,
}

impl Signals {
    /// The next write stops one byte short, and the connection with it.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }
}

/// A stream that ends where [`Signals::cut`] says.
#[derive(Debug)]
pub(super) struct Severable<T> {
    io: T,
    signals: Arc<Signals>,
    /// Bytes still to be written once it is cut.
    left: Option<usize>,
}

impl<T> Severable<T> {
    pub(super) fn new(io: T, signals: Arc<Signals>) -> Self {
        Self { io, signals, left: None }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Severable<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Severable<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.left.is_none() && this.signals.cut.load(Ordering::Relaxed) {
            // What is written at once are whole frames, so that one byte less ends within a frame.
            this.left = Some(buf.len().saturating_sub(1));
        }
        let Some(left) = this.left else { return Pin::new(&mut this.io).poll_write(cx, buf) };
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, &buf[..left.min(buf.len())]))?;
        this.left = Some(left - written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.left.is_none() && !self.signals.cut.load(Ordering::Relaxed) {
            return Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        }
        let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
        self.poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
